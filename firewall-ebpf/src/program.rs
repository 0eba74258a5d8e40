//! The way of a packet: addresses → classes → decision → counters → ledger → verdict.
//!
//! Nearly all packets are done after the classes: neither address is listed. For the others an entry
//! point calls its global function, which the verifier looks at once and not again for every way
//! through the headers that leads there. It is handed numbers only and reads the packet again.

use aya_ebpf::{
    EbpfContext,
    bindings::{
        xdp_action::{XDP_DROP, XDP_PASS},
        xdp_md,
    },
    helpers::generated::bpf_xdp_get_buff_len,
    programs::XdpContext,
};
use firewall_common::{
    class::{ClassId, NONE},
    ledger::Direction,
    reason::{Reason, Verdict},
};

use crate::{
    filter::{Classes, Decision, decide_listed, inside_sends, ledger_key},
    maps::{self, Generation, Hit},
    packet::{Addresses, Packet, Sender, Version},
    transport::Transport,
};

/// A packet of which an address is listed.
#[derive(Clone, Copy)]
pub struct ListedPacket {
    /// Context of the program.
    pub context: *mut xdp_md,
    /// Where the IP header starts, in bytes from the start of the packet.
    pub network: u32,
    /// Class of the source below, of the destination in the upper 16 bits; above, 1 for IPv6.
    pub classes: u64,
    /// Length of the packet.
    pub bytes: u64,
}

/// Judges the packet of `context` and counts it; where an address is listed, the number of the reason
/// is what `judge_listed` says. Returns the `XDP_*` number of the verdict.
#[inline(always)]
pub fn judge(context: &XdpContext, judge_listed: impl FnOnce(ListedPacket) -> u32) -> u32 {
    // SAFETY: the context is the one this program was called with.
    let bytes = unsafe { bpf_xdp_get_buff_len(context.as_ptr().cast()) };
    let reason = reason(context, bytes, judge_listed);
    maps::count(reason, bytes);
    action(reason)
}

/// Why the packet of `context`, `bytes` long, passes or not: [`judge`] without counting.
#[inline(always)]
pub fn reason(
    context: &XdpContext,
    bytes: u64,
    judge_listed: impl FnOnce(ListedPacket) -> u32,
) -> Reason {
    match packet(context).addresses() {
        Ok(addresses) => {
            let classes = Classes::of(&Generation, &addresses);
            match classes.are_none() {
                true => Reason::NoMatch,
                false => Reason::from_raw(judge_listed(ListedPacket {
                    context: context.as_ptr().cast(),
                    network: addresses.network,
                    classes: pack(classes, addresses.version),
                    bytes,
                })),
            }
        }
        Err(reason) => reason,
    }
}

/// The `XDP_*` number of what happens for `reason`.
#[inline(always)]
pub fn action(reason: Reason) -> u32 {
    match reason.verdict() {
        Verdict::Pass => XDP_PASS,
        Verdict::Drop => XDP_DROP,
    }
}

#[inline(always)]
fn pack(classes: Classes, version: Version) -> u64 {
    let is_v6 = match version {
        Version::V4 => 0,
        Version::V6 => 1 << 32,
    };
    u64::from(classes.source) | u64::from(classes.destination) << 16 | is_v6
}

#[inline(always)]
fn unpack(packed: u64) -> (Classes, Version) {
    let classes = Classes {
        source: packed as ClassId,
        destination: (packed >> 16) as ClassId,
    };
    match packed >> 32 {
        0 => (classes, Version::V4),
        _ => (classes, Version::V6),
    }
}

/// Judges a packet of which an address is listed, counts its class, records its hit and tells
/// `on_hit` about it. Returns the number of the reason.
#[inline(always)]
pub fn judge_listed(listed: ListedPacket, on_hit: impl FnOnce(&Addresses, &Decision)) -> u32 {
    decide_packet(listed, |context, addresses, transport, decision| {
        if decision.class != NONE {
            maps::count_class(decision.class, listed.bytes);
        }
        if decision.is_hit() {
            record(context, addresses, transport, decision, listed.bytes);
            on_hit(addresses, decision);
        }
    })
}

/// Decides about a packet of which an address is listed and hands what was found to `then`. Returns
/// the number of the reason.
#[inline(always)]
pub fn decide_packet(
    listed: ListedPacket,
    then: impl FnOnce(&XdpContext, &Addresses, Transport, &Decision),
) -> u32 {
    let context = XdpContext::new(listed.context);
    let (classes, version) = unpack(listed.classes);
    let packet = packet(&context);
    let Ok(addresses) = packet.addresses_at(version, listed.network) else {
        return Reason::Truncated as u32;
    };
    let transport = match version {
        Version::V4 => packet.transport(Version::V4, listed.network),
        Version::V6 => Transport::from_raw(firewall_transport6(listed.context, listed.network)),
    };
    let decision = decide_listed(&Generation, &addresses, classes, transport);
    then(&context, &addresses, transport, &decision);
    decision.reason as u32
}

/// [`Packet::transport`] of an IPv6 packet as a global function: extension headers make many ways.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn firewall_transport6(context: *mut xdp_md, network: u32) -> u64 {
    let context = XdpContext::new(context);
    packet(&context).transport(Version::V6, network).to_raw()
}

#[inline(always)]
fn record(
    context: &XdpContext,
    addresses: &Addresses,
    transport: Transport,
    decision: &Decision,
    bytes: u64,
) {
    let key = ledger_key(addresses, transport, decision.listed, maps::role());
    let sender = match Direction::from_raw(key.direction) {
        Some(direction) if inside_sends(direction, decision.listed) => packet(context).sender(),
        _ => Sender::default(),
    };
    maps::record(&Hit {
        key,
        class: decision.class,
        reason: decision.reason,
        interface: context.ingress_ifindex() as u32,
        bytes,
        sender,
    });
}

/// The packet of `context`.
#[inline(always)]
pub fn packet(context: &XdpContext) -> Packet<'_> {
    // SAFETY: the kernel promises data..data_end, the linear part, for the run of the program.
    unsafe { Packet::new(context.data(), context.data_end()) }
}
