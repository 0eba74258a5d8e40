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
    use firewall_common::{
        ledger::{Direction, Octets},
        reason::Reason,
    };
    use firewall_ebpf::{
        context::is_judged,
        program::{action, judge, tcx_action},
        record,
    };

    /// Entry point of XDP.
    #[xdp(frags)]
    pub fn firewall(context: XdpContext) -> u32 {
        let reason = judge(context.ctx);
        say(&context, reason);
        action(reason)
    }

    /// Entry point of TCX.
    #[classifier]
    pub fn firewall_tcx(context: TcContext) -> i32 {
        let skb = context.skb.skb;
        if !is_judged(skb) {
            return TCX_NEXT;
        }
        let reason = judge(skb);
        say(&context, reason);
        tcx_action(reason)
    }

    /// Says the hit that was just recorded, if the packet was one: who inside, who outside, which way.
    #[inline(always)]
    fn say(context: &impl EbpfContext, reason: Reason) {
        if !reason.is_hit() {
            return;
        }
        let Some(hit) = record::written() else { return };
        let way = match Direction::from_raw(hit.key.direction) {
            Some(direction) => direction.as_str(),
            None => "",
        };
        let (inside, remote) = (bytes(hit.key.inside), bytes(hit.key.remote));
        info!(
            context,
            "{} {}: inside {:i}, remote {:i}, class {}",
            reason.as_str(),
            way,
            inside,
            remote,
            hit.entry.class
        );
    }

    /// Both words are as on the wire.
    fn bytes([high, low]: Octets) -> [u8; 16] {
        (u128::from(u64::from_be(high)) << 64 | u128::from(u64::from_be(low))).to_be_bytes()
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
