//! The shipped object: no logging, BTF maps only, loadable by any libbpf loader.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod bpf {
    use aya_ebpf::{
        bindings::tcx_action_base::TCX_NEXT,
        macros::{classifier, xdp},
        programs::{TcContext, XdpContext},
    };
    use firewall_ebpf::context::is_judged;
    use firewall_ebpf::program::{action, judge, tcx_action};

    /// Entry point of XDP.
    #[xdp(frags)]
    pub fn firewall(context: XdpContext) -> u32 {
        action(judge(context.ctx))
    }

    /// Entry point of TCX, on the way in and on the way out.
    #[classifier]
    pub fn firewall_tcx(context: TcContext) -> i32 {
        let context = context.skb.skb;
        if !is_judged(context) {
            return TCX_NEXT;
        }
        tcx_action(judge(context))
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
