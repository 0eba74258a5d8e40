//! The shipped object: no logging, BTF maps only, loadable by any libbpf loader.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod bpf {
    use aya_ebpf::{
        bindings::{__sk_buff, tcx_action_base::TCX_NEXT, xdp_md},
        macros::{classifier, xdp},
        programs::{TcContext, XdpContext},
    };
    use firewall_ebpf::context::is_judged;
    use firewall_ebpf::program::{ListedPacket, action, judge, judge_listed, tcx_action};

    /// Entry point of XDP.
    #[xdp(frags)]
    pub fn firewall(context: XdpContext) -> u32 {
        action(judge(context.ctx, |listed| {
            let ListedPacket {
                context,
                network,
                classes,
                bytes,
            } = listed;
            firewall_listed(context, network, classes, bytes)
        }))
    }

    /// [`judge_listed`] as a global function.
    #[unsafe(no_mangle)]
    #[inline(never)]
    pub extern "C" fn firewall_listed(
        context: *mut xdp_md,
        network: u32,
        classes: u64,
        bytes: u64,
    ) -> u32 {
        let listed = ListedPacket {
            context,
            network,
            classes,
            bytes,
        };
        judge_listed(listed, |_, _| {})
    }

    /// Entry point of TCX, on the way in and on the way out.
    #[classifier]
    pub fn firewall_tcx(context: TcContext) -> i32 {
        let context = context.skb.skb;
        if !is_judged(context) {
            return TCX_NEXT;
        }
        tcx_action(judge(context, |listed| {
            let ListedPacket {
                context,
                network,
                classes,
                bytes,
            } = listed;
            firewall_listed_tcx(context, network, classes, bytes)
        }))
    }

    /// [`judge_listed`] as a global function.
    #[unsafe(no_mangle)]
    #[inline(never)]
    pub extern "C" fn firewall_listed_tcx(
        context: *mut __sk_buff,
        network: u32,
        classes: u64,
        bytes: u64,
    ) -> u32 {
        let listed = ListedPacket {
            context,
            network,
            classes,
            bytes,
        };
        judge_listed(listed, |_, _| {})
    }

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo) -> ! {
        loop {}
    }

    /// Some helpers are for GPL-compatible programs only.
    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
