//! The same program, saying each hit through aya-log. Loaded by `firewall run --trace-kernel`.
//!
//! aya-log brings a legacy map, which libbpf loaders refuse; hence an object of its own.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod bpf {
    use aya_ebpf::{macros::xdp, programs::XdpContext};
    use aya_log_ebpf::info;
    use firewall_ebpf::{packet::Addresses, program::judge};

    /// Entry point.
    #[xdp(frags)]
    pub fn firewall(context: XdpContext) -> u32 {
        let judgement = judge(&context);
        if let (Some(addresses), Some(hit)) = (judgement.addresses, judgement.hit) {
            let reason = judgement.reason.as_str();
            match addresses {
                Addresses::V4 { source, destination } => {
                    info!(&context, "{} {:i} -> {:i} class {}", reason, source, destination, hit.class);
                }
                Addresses::V6 { source, destination } => info!(
                    &context,
                    "{} {:x}:{:x} -> {:x}:{:x} class {}",
                    reason,
                    source.0,
                    source.1,
                    destination.0,
                    destination.1,
                    hit.class
                ),
            }
        }
        judgement.action()
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
