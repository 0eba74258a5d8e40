//! The way of a packet: addresses → classes → decision → counters → ledger → verdict.
//!
//! Nearly all packets are done after the classes: neither address is listed. For the others an entry
//! point calls a global function that decides, which the verifier looks at once and not again for every way
//! through the headers that leads there. It is handed numbers only and reads the packet again. What is a
//! hit is recorded after that, beside the decision: a chain of calls has 512 bytes of stack for all of it.

use aya_ebpf::bindings::{
    __sk_buff,
    tcx_action_base::{TCX_DROP, TCX_NEXT},
    xdp_action::{XDP_DROP, XDP_PASS},
    xdp_md,
};
use firewall_common::{
    class::{ClassId, NONE},
    ledger::Direction,
    reason::{Reason, Verdict},
};

use crate::{
    context::PacketContext,
    filter::{Classes, Decision, decide_listed, inside_sends, ledger_key},
    maps::{self, Generation},
    packet::{Addresses, Sender, Version},
    record::{self, Seen, firewall_record},
    transport::Transport,
};

/// A packet of which an address is listed.
#[derive(Clone, Copy)]
pub struct ListedPacket<C> {
    /// Context of the program.
    pub context: C,
    /// Where the IP header starts, in bytes from the start of the packet.
    pub network: u32,
    /// Class of the source below, of the destination in the upper 16 bits; above, 1 for IPv6.
    pub classes: u64,
    /// Length of the packet.
    pub bytes: u64,
}

/// A context whose hook has a global function that judges listed packets: the verifier wants a context of
/// the program's own kind.
pub trait JudgedContext: PacketContext {
    /// [`judge_listed`] as that function.
    fn judge_listed(listed: ListedPacket<Self>) -> u32;
}

/// Judges the packet of `context`, counts it and, if it is a hit, records it.
#[inline(always)]
pub fn judge<C: JudgedContext>(context: C) -> Reason {
    let bytes = context.bytes();
    let reason = reason(context, bytes, C::judge_listed);
    maps::count(reason, bytes);
    if reason.is_hit() {
        firewall_record();
    }
    reason
}

/// Why the packet of `context`, `bytes` long, passes or not: [`judge`] without counting. Where an address
/// is listed, the number of the reason is what `judge_listed` says.
#[inline(always)]
pub fn reason<C: PacketContext>(
    context: C,
    bytes: u64,
    judge_listed: impl FnOnce(ListedPacket<C>) -> u32,
) -> Reason {
    match context.addresses() {
        Ok(addresses) => {
            let classes = Classes::of(&Generation, &addresses);
            match classes.are_none() {
                true => Reason::NoMatch,
                false => Reason::from_raw(judge_listed(ListedPacket {
                    context,
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

/// The `TCX_*` number of what happens for `reason`. What passes goes on to whoever comes next.
#[inline(always)]
pub fn tcx_action(reason: Reason) -> i32 {
    match reason.verdict() {
        Verdict::Pass => TCX_NEXT,
        Verdict::Drop => TCX_DROP,
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

/// Judges a packet of which an address is listed, counts its class and, if it is a hit, writes that down
/// for [`firewall_record`]. Returns the number of the reason.
#[inline(always)]
pub fn judge_listed<C: PacketContext>(listed: ListedPacket<C>) -> u32 {
    decide_packet(listed, |addresses, transport, decision| {
        if decision.class != NONE {
            maps::count_class(decision.class, listed.bytes);
        }
        if decision.reason.is_hit() {
            write_down(listed, addresses, transport, decision);
        }
    })
}

/// Decides about a packet of which an address is listed and hands what was found to `then`. Returns
/// the number of the reason.
#[inline(always)]
pub fn decide_packet<C: PacketContext>(
    listed: ListedPacket<C>,
    then: impl FnOnce(&Addresses, Transport, &Decision),
) -> u32 {
    let ListedPacket {
        context, network, ..
    } = listed;
    let (classes, version) = unpack(listed.classes);
    context.reach_transport();
    let Ok(addresses) = context.packet().addresses_at(version, network) else {
        return Reason::Truncated as u32;
    };
    let transport = match version {
        Version::V4 => context.packet().transport(Version::V4, network),
        Version::V6 => Transport::from_raw(context.transport6(network)),
    };
    let decision = decide_listed(&Generation, &addresses, classes, transport);
    then(&addresses, transport, &decision);
    decision.reason as u32
}

#[inline(always)]
fn write_down<C: PacketContext>(
    listed: ListedPacket<C>,
    addresses: &Addresses,
    transport: Transport,
    decision: &Decision,
) {
    let key = ledger_key(addresses, transport, decision.listed, maps::role());
    let sender = match Direction::from_raw(key.direction) {
        Some(direction) if inside_sends(direction, decision.listed) => listed.context.sender(),
        _ => Sender::default(),
    };
    let seen = Seen {
        class: decision.class,
        reason: decision.reason,
        interface: listed.context.interface(),
        bytes: listed.bytes,
        sender,
    };
    record::write(key, &seen);
}

macro_rules! judged {
    ($($context:ty: $function:ident;)*) => { $(
        impl JudgedContext for *mut $context {
            #[inline(always)]
            fn judge_listed(listed: ListedPacket<Self>) -> u32 {
                let ListedPacket { context, network, classes, bytes } = listed;
                $function(context, network, classes, bytes)
            }
        }

        /// [`judge_listed`] as a global function.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn $function(
            context: *mut $context,
            network: u32,
            classes: u64,
            bytes: u64,
        ) -> u32 {
            judge_listed(ListedPacket { context, network, classes, bytes })
        }
    )* };
}

judged! {
    xdp_md: firewall_listed;
    __sk_buff: firewall_listed_tcx;
}
