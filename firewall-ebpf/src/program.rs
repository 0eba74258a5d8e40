//! The way of a packet: addresses → decision → counters → ledger → verdict.

use aya_ebpf::{
    EbpfContext,
    bindings::xdp_action::{XDP_DROP, XDP_PASS},
    helpers::generated::bpf_xdp_get_buff_len,
    programs::XdpContext,
};
use firewall_common::{
    class::NONE,
    reason::{Reason, Verdict},
};

use crate::{
    filter::{Decision, decide},
    maps::{self, Generation},
    packet::{Addresses, Packet},
};

/// Judges the packet of `context`, counts it, records its hit and tells `on_hit` about it. Returns
/// the `XDP_*` number of the verdict.
#[inline(always)]
pub fn judge(context: &XdpContext, on_hit: impl FnOnce(&Addresses, &Decision)) -> u32 {
    // SAFETY: the context is the one this program was called with.
    let bytes = unsafe { bpf_xdp_get_buff_len(context.as_ptr().cast()) };
    // SAFETY: the kernel promises data..data_end, the linear part, for the run of the program.
    let packet = unsafe { Packet::new(context.data(), context.data_end()) };
    let reason = match packet.addresses() {
        Ok(addresses) => {
            let decision = decide(&Generation, &addresses);
            if decision.class != NONE {
                let interface = context.ingress_ifindex() as u32;
                maps::count_class(decision.class, bytes);
                maps::record(
                    &addresses,
                    decision.listed,
                    decision.class,
                    interface,
                    bytes,
                );
                on_hit(&addresses, &decision);
            }
            decision.reason
        }
        Err(reason) => reason,
    };
    maps::count(reason, bytes);
    action(reason)
}

#[inline(always)]
fn action(reason: Reason) -> u32 {
    match reason.verdict() {
        Verdict::Pass => XDP_PASS,
        Verdict::Drop => XDP_DROP,
    }
}
