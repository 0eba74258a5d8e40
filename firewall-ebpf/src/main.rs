//! The shipped object: no logging, BTF maps only, loadable by any libbpf loader.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod bpf {
    use aya_ebpf::{bindings::xdp_md, macros::xdp, programs::XdpContext};
    use firewall_ebpf::program::{ListedPacket, judge, judge_listed};

    /// Entry point.
    #[xdp(frags)]
    pub fn firewall(context: XdpContext) -> u32 {
        judge(&context, |listed| {
            let ListedPacket {
                context,
                network,
                classes,
                bytes,
            } = listed;
            firewall_listed(context, network, classes, bytes)
        })
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
