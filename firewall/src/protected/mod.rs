//! Addresses that are never a reason for a drop: the special ones, and live facts about this
//! machine, kept in `protected.json`.

mod facts;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
};

pub use facts::{feed_host, live_facts, network_namespace};

/// Why an address is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Private, loopback, link-local, multicast, reserved.
    Special,
    /// An address of this machine.
    Own,
    /// On a link of this machine.
    Connected,
    /// Next hop of a default route.
    Gateway,
    /// A DNS server that this machine asks.
    Resolver,
    /// A server that a feed comes from.
    FeedHost,
    /// The far end of an SSH session to this machine.
    SshPeer,
    /// In `inside_prefixes` of the configuration.
    InsidePrefix,
}

impl Kind {
    /// The name that people and machines read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Special => "special",
            Self::Own => "own",
            Self::Connected => "connected",
            Self::Gateway => "gateway",
            Self::Resolver => "resolver",
            Self::FeedHost => "feed host",
            Self::SshPeer => "SSH peer",
            Self::InsidePrefix => "inside prefix",
        }
    }

    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Special,
        Self::Own,
        Self::Connected,
        Self::Gateway,
        Self::Resolver,
        Self::FeedHost,
        Self::SshPeer,
        Self::InsidePrefix,
    ];

    /// Whether a kind has this name.
    pub fn is_name(name: &str) -> bool {
        Self::ALL.iter().any(|kind| kind.as_str() == name)
    }

    /// The kind in a sentence: `10.0.0.0/8 is …`.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Special => "special (private, loopback, link-local, multicast or reserved)",
            Self::Own => "an address of this machine (own)",
            Self::Connected => "a network that this machine is connected to (connected)",
            Self::Gateway => "the gateway",
            Self::Resolver => "a resolver that this machine asks",
            Self::FeedHost => "a server that a feed comes from (feed host)",
            Self::SshPeer => "where an SSH session to this machine comes from (SSH peer)",
            Self::InsidePrefix => "in inside_prefixes of the configuration",
        }
    }

    /// Whether a fact of this kind outlives its not being seen: an SSH session ends and a name
    /// resolves anew, but the operator comes back and so does the feed.
    const fn is_kept(self) -> bool {
        matches!(self, Self::SshPeer | Self::FeedHost)
    }
}

/// How long a kept fact is kept after it was last seen.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length))
}

const fn v6(first: u16, last: u16, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last),
        length,
    ))
}

/// Addresses that are special on every machine (IANA special-purpose registries, RFC 6890).
/// Documentation and benchmark ranges are not among them: no real network uses them.
pub const SPECIAL: [IpNet; 15] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    v6(0, 0, 128),
    v6(0, 1, 128),
    v6(0xfe80, 0, 10),
    v6(0xfc00, 0, 7),
    v6(0xff00, 0, 8),
];

/// A protected prefix and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protected {
    /// Host bits clear.
    pub prefix: IpNet,
    /// Why.
    pub kind: Kind,
}

/// One live fact in `protected.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Host bits clear.
    pub prefix: IpNet,
    /// Why.
    pub kind: Kind,
    /// When it was last seen.
    pub seen: Timestamp,
}

/// The live facts: `protected.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// In the order of prefix and kind.
    pub facts: Vec<Fact>,
}

impl Facts {
    /// Takes in what was `seen` at `now`: it replaces what was known, but for the kinds that are
    /// kept for a while. Reports whether what is protected changed.
    pub fn refresh(&mut self, seen: &[Protected], now: Timestamp) -> bool {
        let before = self.prefixes();
        let mut known: BTreeMap<(IpNet, Kind), Timestamp> = self
            .facts
            .drain(..)
            .filter(|fact| fact.kind.is_kept() && now.duration_since(fact.seen) < KEPT_FOR)
            .map(|fact| ((fact.prefix, fact.kind), fact.seen))
            .collect();
        known.extend(
            seen.iter()
                .map(|fact| ((fact.prefix.trunc(), fact.kind), now)),
        );
        self.facts = known
            .into_iter()
            .map(|((prefix, kind), seen)| Fact { prefix, kind, seen })
            .collect();
        self.prefixes() != before
    }

    fn prefixes(&self) -> Vec<(IpNet, Kind)> {
        self.facts
            .iter()
            .map(|fact| (fact.prefix, fact.kind))
            .collect()
    }

    /// Everything that is protected: the special addresses and the live facts.
    pub fn all(&self) -> Vec<Protected> {
        let special = SPECIAL.iter().map(|&prefix| Protected {
            prefix,
            kind: Kind::Special,
        });
        let live = self.facts.iter().map(|fact| Protected {
            prefix: fact.prefix,
            kind: fact.kind,
        });
        special.chain(live).collect()
    }
}

/// The first of `protected` that shares an address with `prefix`.
pub fn overlapping(protected: &[Protected], prefix: IpNet) -> Option<Protected> {
    protected
        .iter()
        .find(|other| other.prefix.contains(&prefix) || prefix.contains(&other.prefix))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(prefix: &str, kind: Kind) -> Protected {
        Protected {
            prefix: prefix.parse().unwrap(),
            kind,
        }
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_went_away_is_no_longer_protected() {
        let mut facts = Facts::default();
        assert!(facts.refresh(
            &[fact("192.0.2.1/32", Kind::Own)],
            time("2026-11-23T00:00:00Z")
        ));
        assert!(!facts.refresh(
            &[fact("192.0.2.1/32", Kind::Own)],
            time("2026-11-23T01:00:00Z")
        ));
        assert!(facts.refresh(&[], time("2026-11-23T02:00:00Z")));
        assert!(facts.facts.is_empty());
    }

    #[test]
    fn the_operator_is_remembered_for_thirty_days() {
        let mut facts = Facts::default();
        facts.refresh(
            &[fact("192.0.2.9/32", Kind::SshPeer)],
            time("2026-11-01T00:00:00Z"),
        );
        facts.refresh(&[], time("2026-11-30T00:00:00Z"));
        assert_eq!(facts.facts.len(), 1);
        facts.refresh(&[], time("2026-12-01T00:00:00Z"));
        assert!(facts.facts.is_empty());
    }

    #[test]
    fn overlap_counts_both_ways() {
        let protected = Facts::default().all();
        for prefix in [
            "10.1.2.3/32",
            "0.0.0.0/0",
            "172.0.0.0/8",
            "fe80::1/128",
            "224.0.0.0/3",
        ] {
            assert!(
                overlapping(&protected, prefix.parse().unwrap()).is_some(),
                "{prefix}"
            );
        }
        for prefix in [
            "192.0.2.0/24",
            "198.18.0.0/15",
            "2001:db8::/32",
            "8.8.8.8/32",
        ] {
            assert!(
                overlapping(&protected, prefix.parse().unwrap()).is_none(),
                "{prefix}"
            );
        }
    }
}
