//! The same program, saying each hit through aya-log. Loaded by `firewall run --trace-kernel`.
//!
//! aya-log brings a legacy map, which libbpf loaders refuse; hence an object of its own.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod bpf {
    use aya_ebpf::{
        EbpfContext,
        bindings::tcx_action_base::TCX_NEXT,
        macros::{classifier, xdp},
        programs::{TcContext, XdpContext},
    };
    use aya_log_ebpf::info;
    use firewall_ebpf::{
        context::is_judged,
        filter::Decision,
        packet::{Addresses, Halves},
        program::{action, judge, judge_listed, tcx_action},
    };

    /// Entry point of XDP.
    #[xdp(frags)]
    pub fn firewall(context: XdpContext) -> u32 {
        action(judge(context.ctx, |listed| {
            judge_listed(listed, |addresses, decision| {
                say(&context, addresses, decision)
            })
        }))
    }

    /// Entry point of TCX.
    #[classifier]
    pub fn firewall_tcx(context: TcContext) -> i32 {
        let skb = context.skb.skb;
        if !is_judged(skb) {
            return TCX_NEXT;
        }
        tcx_action(judge(skb, |listed| {
            judge_listed(listed, |addresses, decision| {
                say(&context, addresses, decision)
            })
        }))
    }

    #[inline(always)]
    fn say(context: &impl EbpfContext, addresses: &Addresses, decision: &Decision) {
        let (reason, class) = (decision.reason.as_str(), decision.class);
        let (source, destination) = (bytes(addresses.source), bytes(addresses.destination));
        info!(
            context,
            "{} {:i} -> {:i} class {}", reason, source, destination, class
        );
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
