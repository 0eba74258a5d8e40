//! The same program, saying each hit through aya-log. Loaded by `firewall run --trace-kernel`.
//!
//! aya-log brings a legacy map, which libbpf loaders refuse; hence an object of its own.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod bpf {
    use aya_ebpf::{macros::xdp, programs::XdpContext};
    use aya_log_ebpf::info;
    use firewall_ebpf::{
        packet::Halves,
        program::{judge, judge_listed},
    };

    /// Entry point.
    #[xdp(frags)]
    pub fn firewall(context: XdpContext) -> u32 {
        judge(&context, |listed| {
            judge_listed(listed, |addresses, decision| {
                let (reason, class) = (decision.reason.as_str(), decision.class);
                let (source, destination) = (bytes(addresses.source), bytes(addresses.destination));
                info!(
                    &context,
                    "{} {:i} -> {:i} class {}", reason, source, destination, class
                );
            })
        })
    }

    fn bytes((high, low): Halves) -> [u8; 16] {
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
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
