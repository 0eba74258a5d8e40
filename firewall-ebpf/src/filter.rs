//! Decides: packet × ruleset → reason, and whom a hit concerns. Pure.

use firewall_common::{
    class::{Action, Actions, Case, ClassId, NONE},
    image::ports::service,
    ledger::{Direction, LedgerKey, Role, octets},
    reason::Reason,
};

use crate::{
    packet::{Addresses, Halves, Version},
    transport::{Stage, Transport},
};

/// What the decision asks of the generation it is made against.
pub trait Rules {
    /// Class of an IPv4 address (host order).
    fn class4(&self, address: u32) -> ClassId;

    /// Class of an IPv6 address, given as its upper and lower 64 bits.
    fn class6(&self, high: u64, low: u64) -> ClassId;

    /// Class of a port of an address, as [`firewall_common::image::lookup_port`] has it.
    fn port_class(&self, high: u64, low: u64, service: u64) -> ClassId;

    /// What is done with packets of `class`.
    fn actions(&self, class: ClassId) -> Actions;
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

impl Decision {
    const fn no_match(reason: Reason) -> Self {
        Self {
            reason,
            class: NONE,
            listed: Listed::Destination,
        }
    }
}

/// Classes of the two addresses of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classes {
    /// Of the sender.
    pub source: ClassId,
    /// Of the receiver.
    pub destination: ClassId,
}

impl Classes {
    /// Looks both addresses up.
    #[inline(always)]
    pub fn of(rules: &impl Rules, addresses: &Addresses) -> Self {
        let Addresses {
            version,
            source,
            destination,
            ..
        } = *addresses;
        let (source, destination) = match version {
            Version::V4 => (
                rules.class4(source.1 as u32),
                rules.class4(destination.1 as u32),
            ),
            Version::V6 => (
                rules.class6(source.0, source.1),
                rules.class6(destination.0, destination.1),
            ),
        };
        Self {
            source,
            destination,
        }
    }

    /// Whether neither address is listed, as with nearly all packets.
    #[inline(always)]
    pub const fn are_none(self) -> bool {
        self.source | self.destination == NONE
    }
}

/// Decides about a packet. Exempt beats drop beats monitor; of two equals the destination speaks,
/// since that is what the sender chose.
#[inline(always)]
pub fn decide(
    rules: &impl Rules,
    addresses: &Addresses,
    transport: impl FnOnce() -> Transport,
) -> Decision {
    let classes = Classes::of(rules, addresses);
    if classes.are_none() {
        return Decision::no_match(Reason::NoMatch);
    }
    decide_listed(rules, addresses, classes, transport())
}

/// Decides about a packet of which an address is listed.
#[inline(always)]
pub fn decide_listed(
    rules: &impl Rules,
    addresses: &Addresses,
    classes: Classes,
    transport: Transport,
) -> Decision {
    let to = rules.actions(classes.destination);
    let from = rules.actions(classes.source);
    if to.is_exempt() || from.is_exempt() {
        return exempt(classes, to);
    }
    let destination = narrow(
        rules,
        addresses,
        Listed::Destination,
        classes.destination,
        to,
        transport,
    );
    let source = narrow(
        rules,
        addresses,
        Listed::Source,
        classes.source,
        from,
        transport,
    );
    let of_destination = rules.actions(destination).of(Case::Destination);
    let source_actions = rules.actions(source);
    let of_source = source_actions.of(case(transport.stage));
    if of_destination == Action::Pass && of_source == Action::Pass {
        let unjudged = (to.has_ports() || from.has_ports()) && transport.hides_ports();
        return Decision::no_match(match unjudged {
            true => Reason::FragmentUnjudged,
            false => Reason::NoMatch,
        });
    }
    if of_destination as u8 >= of_source as u8 {
        return matched(of_destination, destination, Listed::Destination);
    }
    let mut decision = matched(of_source, source, Listed::Source);
    // Dropped for no more than what it may open.
    if transport.stage == Stage::Hidden
        && of_source == Action::Drop
        && source_actions.of(Case::Source) != Action::Drop
    {
        decision.reason = Reason::OpeningHidden;
    }
    decision
}

#[inline(always)]
fn exempt(classes: Classes, to: Actions) -> Decision {
    let (class, listed) = match to.is_exempt() {
        true => (classes.destination, Listed::Destination),
        false => (classes.source, Listed::Source),
    };
    Decision {
        reason: Reason::Allowed,
        class,
        listed,
    }
}

#[inline(always)]
fn matched(action: Action, class: ClassId, listed: Listed) -> Decision {
    let reason = match action {
        Action::Drop => Reason::Blocked,
        _ => Reason::Monitored,
    };
    Decision {
        reason,
        class,
        listed,
    }
}

/// The class of the packet's port at an address where that is listed on its own, else of the address.
/// The port is that at the address's end: where the packet goes to, or comes from.
#[inline(always)]
fn narrow(
    rules: &impl Rules,
    addresses: &Addresses,
    end: Listed,
    class: ClassId,
    actions: Actions,
    transport: Transport,
) -> ClassId {
    if !actions.has_ports() {
        return class;
    }
    let (address, port) = match end {
        Listed::Source => (addresses.source, transport.source),
        Listed::Destination => (addresses.destination, transport.destination),
    };
    let (is_v6, (high, low)) = port_address(addresses.version, address);
    let of_port = rules.port_class(high, low, service(is_v6, transport.protocol, port));
    match of_port {
        NONE => class,
        of_port => of_port,
    }
}

/// An address as the array of ports has it: an IPv4 address is its 32 bits.
#[inline(always)]
fn port_address(version: Version, (high, low): Halves) -> (bool, Halves) {
    match version {
        Version::V4 => (false, (0, low & 0xffff_ffff)),
        Version::V6 => (true, (high, low)),
    }
}

/// What a packet hides is taken for the worst. A later fragment is not: without its first one it opens
/// nothing, and answers to what was opened inside come in fragments.
#[inline(always)]
fn case(stage: Stage) -> Case {
    match stage {
        Stage::Opening | Stage::Hidden => Case::Opening,
        Stage::Connectionless => Case::Connectionless,
        Stage::Fragment | Stage::Accepting | Stage::Later => Case::Source,
    }
}

/// Whose ledger entry a hit belongs to, seen on an interface of `role`.
///
/// A listed destination seen from inside, or a listed source seen from outside, is the remote. The
/// other way round the listed address is one of ours, and its peer is no inside host.
#[inline(always)]
pub fn ledger_key(
    addresses: &Addresses,
    transport: Transport,
    listed: Listed,
    role: Role,
) -> LedgerKey {
    let direction = match (listed, role) {
        (Listed::Destination, Role::Inside | Role::Unknown) => Direction::Outbound,
        (Listed::Source, Role::Outside | Role::Unknown) => Direction::Inbound,
        (Listed::Destination, Role::Outside) | (Listed::Source, Role::Inside) => {
            Direction::OwnListed
        }
    };
    let (inside, remote) = if inside_sends(direction, listed) {
        (addresses.source, addresses.destination)
    } else {
        (addresses.destination, addresses.source)
    };
    LedgerKey {
        inside: octets(inside),
        remote: octets(remote),
        direction: direction as u8,
        protocol: transport.protocol,
        port: service_port(transport, inside_sends(direction, listed)),
        padding: 0,
    }
}

/// Whether the inside host of a hit is the sender of the packet.
#[inline(always)]
pub fn inside_sends(direction: Direction, listed: Listed) -> bool {
    match direction {
        Direction::Outbound => true,
        Direction::Inbound => false,
        Direction::OwnListed => matches!(listed, Listed::Source),
    }
}

/// Where ephemeral ports begin unless told otherwise (`ip_local_port_range`, Linux;
/// IANA begins at 49,152, RFC 6335 §6).
const EPHEMERAL: u16 = 32_768;

/// The port of the service: the ledger would be full of entries for the ephemeral ports at its other
/// end. An opening and its answer say which is which; otherwise the port below the ephemeral ones is,
/// and of two such or none the remote's.
#[inline(always)]
fn service_port(transport: Transport, inside_sends: bool) -> u16 {
    let Transport {
        stage,
        source,
        destination,
        ..
    } = transport;
    let destination_serves = match stage {
        Stage::Opening => true,
        Stage::Accepting => false,
        _ => match (source < EPHEMERAL, destination < EPHEMERAL) {
            (false, true) => true,
            (true, false) => false,
            _ => inside_sends,
        },
    };
    match destination_serves {
        true => destination,
        false => source,
    }
}
