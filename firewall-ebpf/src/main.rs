//! The shipped object: no logging, BTF maps only, loadable by any libbpf loader.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod bpf {
    use aya_ebpf::{macros::xdp, programs::XdpContext};
    use firewall_ebpf::program::judge;

    /// Entry point.
    #[xdp(frags)]
    pub fn firewall(context: XdpContext) -> u32 {
        judge(&context, |_, _| {})
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
