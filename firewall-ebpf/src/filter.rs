//! Decides: addresses × ruleset → reason, and whom a hit concerns. Pure.

use firewall_common::{
    class::{Action, ClassId, NONE},
    ledger::{Direction, LedgerKey, Role, mapped},
    reason::Reason,
};

use crate::packet::Addresses;

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

/// A packet that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The class it matched.
    pub class: ClassId,
    /// What the class asks for.
    pub action: Action,
    /// The address that matched.
    pub listed: Listed,
}

impl Hit {
    /// Why the packet passes or not.
    #[inline(always)]
    pub fn reason(&self) -> Reason {
        match self.action {
            Action::Drop => Reason::Blocked,
            Action::Monitor => Reason::Monitored,
        }
    }
}

/// The hit of a packet, if either address is listed. A drop beats monitoring; of two equals the
/// destination speaks, since that is what the sender chose.
#[inline(always)]
pub fn decide(rules: &impl Rules, addresses: &Addresses) -> Option<Hit> {
    let (source, destination) = classes(rules, addresses);
    let destination = hit(rules, destination, Listed::Destination);
    if let Some(Hit { action: Action::Drop, .. }) = destination {
        return destination;
    }
    let source = hit(rules, source, Listed::Source);
    match source {
        Some(Hit { action: Action::Drop, .. }) => source,
        _ => destination.or(source),
    }
}

/// Classes of source and destination.
#[inline(always)]
fn classes(rules: &impl Rules, addresses: &Addresses) -> (ClassId, ClassId) {
    match *addresses {
        Addresses::V4 { source, destination } => (rules.class4(source), rules.class4(destination)),
        Addresses::V6 { source, destination } => {
            (rules.class6(source.0, source.1), rules.class6(destination.0, destination.1))
        }
    }
}

#[inline(always)]
fn hit(rules: &impl Rules, class: ClassId, listed: Listed) -> Option<Hit> {
    if class == NONE {
        return None;
    }
    let action = rules.action(class)?;
    Some(Hit { class, action, listed })
}

/// Whose ledger entry a hit belongs to, seen on an interface of `role`.
///
/// A listed destination seen from inside, or a listed source seen from outside, is the remote. The
/// other way round the listed address is one of ours, and its peer is no inside host.
#[inline(always)]
pub fn ledger_key(addresses: &Addresses, listed: Listed, role: Role) -> LedgerKey {
    let (source, destination) = octets(addresses);
    let direction = match (listed, role) {
        (Listed::Destination, Role::Inside | Role::Unknown) => Direction::Outbound,
        (Listed::Source, Role::Outside | Role::Unknown) => Direction::Inbound,
        (Listed::Destination, Role::Outside) | (Listed::Source, Role::Inside) => {
            Direction::OwnListed
        }
    };
    let (inside, remote) = match (direction, listed) {
        (Direction::Outbound, _) | (Direction::OwnListed, Listed::Source) => (source, destination),
        (Direction::Inbound, _) | (Direction::OwnListed, Listed::Destination) => {
            (destination, source)
        }
    };
    LedgerKey { inside, remote, direction: direction as u32 }
}

/// Source and destination as the ledger keeps them.
#[inline(always)]
fn octets(addresses: &Addresses) -> ([u8; 16], [u8; 16]) {
    match *addresses {
        Addresses::V4 { source, destination } => (mapped(source), mapped(destination)),
        Addresses::V6 { source, destination } => (joined(source), joined(destination)),
    }
}

#[inline(always)]
fn joined((high, low): (u64, u64)) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h] = high.to_be_bytes();
    let [i, j, k, l, m, n, o, p] = low.to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}
