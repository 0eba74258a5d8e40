//! Decides: addresses × ruleset → reason, and whom a hit concerns. Pure.

use firewall_common::{
    class::{Action, ClassId, NONE},
    ledger::{Direction, LedgerKey, Role, octets},
    reason::Reason,
};

use crate::packet::{Addresses, Version};

/// What the decision asks of the generation it is made against.
pub trait Rules {
    /// Class of an IPv4 address (host order).
    fn class4(&self, address: u32) -> ClassId;

    /// Class of an IPv6 address, given as its upper and lower 64 bits.
    fn class6(&self, high: u64, low: u64) -> ClassId;

    /// What is done with a packet whose address has `class`.
    fn action(&self, class: ClassId) -> Option<Action>;
}

/// Which address of a packet is the listed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// The sender's.
    Source,
    /// The receiver's.
    Destination,
}

/// Why a packet passes or not, and what it matched. All of it always has a value: the verifier
/// refuses what a compiler may do with an `Option`, copying a payload that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Why.
    pub reason: Reason,
    /// The class that matched; [`NONE`] if nothing did.
    pub class: ClassId,
    /// The address that matched, if one did.
    pub listed: Listed,
}

/// Decides about a packet. A drop beats monitoring; of two equals the destination speaks, since that
/// is what the sender chose.
#[inline(always)]
pub fn decide(rules: &impl Rules, addresses: &Addresses) -> Decision {
    let (source, destination) = classes(rules, addresses);
    let of_destination = reason(rules, destination);
    let of_source = reason(rules, source);
    if of_destination == Reason::Blocked
        || of_source == Reason::NoMatch
        || (of_destination == Reason::Monitored && of_source == Reason::Monitored)
    {
        return Decision {
            reason: of_destination,
            class: destination,
            listed: Listed::Destination,
        };
    }
    Decision {
        reason: of_source,
        class: source,
        listed: Listed::Source,
    }
}

/// What a class alone asks for.
#[inline(always)]
fn reason(rules: &impl Rules, class: ClassId) -> Reason {
    if class == NONE {
        return Reason::NoMatch;
    }
    match rules.action(class) {
        Some(Action::Drop) => Reason::Blocked,
        Some(Action::Monitor) => Reason::Monitored,
        None => Reason::NoMatch,
    }
}

/// Classes of source and destination.
#[inline(always)]
fn classes(rules: &impl Rules, addresses: &Addresses) -> (ClassId, ClassId) {
    let Addresses {
        version,
        source,
        destination,
    } = *addresses;
    match version {
        Version::V4 => (
            rules.class4(source.1 as u32),
            rules.class4(destination.1 as u32),
        ),
        Version::V6 => (
            rules.class6(source.0, source.1),
            rules.class6(destination.0, destination.1),
        ),
    }
}

/// Whose ledger entry a hit belongs to, seen on an interface of `role`.
///
/// A listed destination seen from inside, or a listed source seen from outside, is the remote. The
/// other way round the listed address is one of ours, and its peer is no inside host.
#[inline(always)]
pub fn ledger_key(addresses: &Addresses, listed: Listed, role: Role) -> LedgerKey {
    let direction = match (listed, role) {
        (Listed::Destination, Role::Inside | Role::Unknown) => Direction::Outbound,
        (Listed::Source, Role::Outside | Role::Unknown) => Direction::Inbound,
        (Listed::Destination, Role::Outside) | (Listed::Source, Role::Inside) => {
            Direction::OwnListed
        }
    };
    let inside_is_source = match direction {
        Direction::Outbound => true,
        Direction::Inbound => false,
        Direction::OwnListed => listed == Listed::Source,
    };
    let (inside, remote) = if inside_is_source {
        (addresses.source, addresses.destination)
    } else {
        (addresses.destination, addresses.source)
    };
    LedgerKey {
        inside: octets(inside),
        remote: octets(remote),
        direction: direction as u32,
        padding: 0,
    }
}
