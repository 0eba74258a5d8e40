//! The way of a packet: addresses → decision → counters → ledger → verdict.

use aya_ebpf::{
    EbpfContext,
    bindings::xdp_action::{XDP_DROP, XDP_PASS},
    helpers::generated::bpf_xdp_get_buff_len,
    programs::XdpContext,
};
use firewall_common::reason::{Reason, Verdict};

use crate::{
    filter::{Hit, decide, ledger_key},
    maps::{self, Generation},
    packet::{Addresses, Packet},
};

/// What was decided about a packet.
pub struct Judgement {
    /// Why.
    pub reason: Reason,
    /// The addresses, where there are any.
    pub addresses: Option<Addresses>,
    /// The match, where there is one.
    pub hit: Option<Hit>,
}

impl Judgement {
    /// The `XDP_*` number of the verdict.
    #[inline(always)]
    pub fn action(&self) -> u32 {
        match self.reason.verdict() {
            Verdict::Pass => XDP_PASS,
            Verdict::Drop => XDP_DROP,
        }
    }
}

/// Judges the packet of `context`, counts it and records its hit.
#[inline(always)]
pub fn judge(context: &XdpContext) -> Judgement {
    let judgement = decide_packet(context);
    // SAFETY: the context is the one this program was called with.
    let bytes = unsafe { bpf_xdp_get_buff_len(context.as_ptr().cast()) };
    maps::count(judgement.reason, bytes);
    if let (Some(addresses), Some(hit)) = (&judgement.addresses, &judgement.hit) {
        maps::count_class(hit.class, bytes);
        let key = ledger_key(addresses, hit.listed, maps::role());
        maps::record(key, hit.class, context.ingress_ifindex() as u32, bytes);
    }
    judgement
}

#[inline(always)]
fn decide_packet(context: &XdpContext) -> Judgement {
    // SAFETY: the kernel promises data..data_end, the linear part, for the run of the program.
    let packet = unsafe { Packet::new(context.data(), context.data_end()) };
    match packet.addresses() {
        Ok(addresses) => {
            let hit = decide(&Generation, &addresses);
            let reason = hit.map_or(Reason::NoMatch, |hit| hit.reason());
            Judgement { reason, addresses: Some(addresses), hit }
        }
        Err(reason) => Judgement { reason, addresses: None, hit: None },
    }
}
