//! The ruleset: every indicator that should be in force, with the sources that name it. Pure data.

use std::net::IpAddr;

use anyhow::{Context, Result};
use firewall_common::class::{Action, Actions, Case};

use crate::{
    address::{Address, Prefix},
    subject::Subject,
};

/// Index into [`Ruleset::sources`].
pub type SourceId = u16;

/// Sources of a ruleset at most.
pub const MAX_SOURCES: SourceId = SourceId::MAX;

/// What a source asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// Never a reason for a drop: the operator's allow list.
    Allow,
    /// Never a reason for a drop: addresses the network cannot do without.
    Protect,
    /// Packets to and from the address pass, whatever else they come from or go to.
    Exempt,
    /// Count and report what goes to the address and comes from it, let pass.
    Monitor,
    /// Drop what goes to the address and comes from it.
    Drop,
    /// Only what opens something from outside matters.
    Inbound {
        /// What is done with what opens something.
        opening: Action,
        /// What is done where the protocol does not say whether it opens or answers.
        connectionless: Action,
    },
}

impl Wish {
    /// What it does to packets of an address; nothing if it only keeps others from doing something.
    pub const fn actions(self) -> Actions {
        match self {
            Self::Allow | Self::Protect => Actions::NONE,
            Self::Exempt => Actions::EXEMPT,
            Self::Monitor => Actions::MONITOR,
            Self::Drop => Actions::DROP,
            Self::Inbound {
                opening,
                connectionless,
            } => Actions::only(Case::Opening, opening)
                .and(Actions::only(Case::Connectionless, connectionless)),
        }
    }

    /// The same without its drops: what would be dropped is counted and reported.
    pub const fn monitored(self) -> Self {
        match self {
            Self::Drop => Self::Monitor,
            Self::Inbound { .. } => Self::Inbound {
                opening: Action::Monitor,
                connectionless: Action::Monitor,
            },
            Self::Allow | Self::Protect | Self::Exempt | Self::Monitor => self,
        }
    }

    /// Whether it calls addresses bad, as feeds and the block list do.
    pub const fn lists(self) -> bool {
        match self {
            Self::Monitor | Self::Drop | Self::Inbound { .. } => true,
            Self::Allow | Self::Protect | Self::Exempt => false,
        }
    }
}

/// Transport protocols that have ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Protocol {
    /// TCP; the number is that of IANA's "Protocol Numbers".
    Tcp = 6,
    /// UDP.
    Udp = 17,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Tcp, Self::Udp];

    /// The name that people and machines read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// One port of one address, of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortEntry {
    /// The address.
    pub address: IpAddr,
    /// The protocol.
    pub protocol: Protocol,
    /// The port, host order.
    pub port: u16,
    /// Whose entry it is.
    pub source: SourceId,
}

/// Sources that have to agree: an address that fewer of them name is only monitored for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Tells it from other groups.
    pub name: String,
    /// How many of them have to name an address.
    pub min_sources: usize,
}

/// Where indicators come from: a feed, a local list, the protected addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name that `why`, `status` and the ledger show.
    pub name: String,
    /// What is to be done with its addresses.
    pub wish: Wish,
    /// With whom it has to agree before that is done.
    pub group: Option<Group>,
}

/// One prefix of one source. Host bits are clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry<A> {
    /// First address of the prefix.
    pub address: A,
    /// Prefix length in bits.
    pub length: u8,
    /// Whose entry it is.
    pub source: SourceId,
}

impl<A: Address> Entry<A> {
    /// Last address of the prefix.
    pub fn last(&self) -> A {
        self.address.last(self.length)
    }
}

/// Every indicator that should be in force. Entries in any order, duplicates and nesting allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// All sources; entries refer to them by index.
    pub sources: Vec<Source>,
    /// IPv4 entries.
    pub v4: Vec<Entry<u32>>,
    /// IPv6 entries.
    pub v6: Vec<Entry<u128>>,
    /// Entries for one port only.
    pub ports: Vec<PortEntry>,
}

impl Ruleset {
    /// The source of that name and wish, added if it is new, without a group then.
    ///
    /// # Errors
    /// There are more sources than a [`SourceId`] can number.
    pub fn source(&mut self, name: &str, wish: Wish) -> Result<SourceId> {
        if let Some(known) = self.find(name, wish) {
            return Ok(known);
        }
        let number = SourceId::try_from(self.sources.len()).ok();
        let number = number.filter(|&number| number < MAX_SOURCES);
        let number = number.context("there are more than 65,535 sources; switch feeds off")?;
        self.sources.push(Source {
            name: name.to_owned(),
            wish,
            group: None,
        });
        Ok(number)
    }

    /// Puts a source, which must be one of the ruleset's, into a group.
    pub fn put_in_group(&mut self, source: SourceId, group: Option<Group>) {
        self.sources[usize::from(source)].group = group;
    }

    /// The source of that name and wish, if it is one of them.
    pub fn find(&self, name: &str, wish: Wish) -> Option<SourceId> {
        let same = |source: &Source| source.name == name && source.wish == wish;
        SourceId::try_from(self.sources.iter().position(same)?).ok()
    }

    /// Adds what an operator wrote as an entry of `source`, for each protocol that it means.
    pub fn add(&mut self, subject: &Subject, source: SourceId) {
        let Some(port) = subject.port else {
            return self.push(subject.prefix.into(), source);
        };
        self.ports
            .extend(port.protocols().map(|protocol| PortEntry {
                address: subject.prefix.addr(),
                protocol,
                port: port.number,
                source,
            }));
    }

    /// Adds the entries of a ruleset with the same sources.
    pub fn extend(&mut self, other: Self) {
        self.v4.extend(other.v4);
        self.v6.extend(other.v6);
        self.ports.extend(other.ports);
    }

    /// Adds an entry of `source`.
    pub fn push(&mut self, prefix: Prefix, source: SourceId) {
        match prefix {
            Prefix::V4(address, length) => self.v4.push(Entry {
                address,
                length,
                source,
            }),
            Prefix::V6(address, length) => self.v6.push(Entry {
                address,
                length,
                source,
            }),
        }
    }
}
