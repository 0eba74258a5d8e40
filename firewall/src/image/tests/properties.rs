//! Random rulesets, crowded on purpose: whatever can nest, touch or share a line should.

use proptest::{collection::vec, prelude::*, sample::select};

use firewall_common::class::Action;

use super::oracle::check;
use crate::{
    address::Address,
    ruleset::{Entry, Group, PortEntry, Protocol, Ruleset, Source, SourceId, Wish},
};

/// Sources of [`sources`]: those from the fourth on list.
const SOURCES: SourceId = 17;

/// Three sources that spare, three that monitor, three that drop, two for what opens something; a
/// group of three, one of them for what opens something, of which two must agree, and a group of
/// three that all must.
pub fn sources() -> Vec<Source> {
    use Wish::{Allow, Drop, Exempt, Monitor, Protect};
    let inbound = |opening, connectionless| Wish::Inbound {
        opening,
        connectionless,
    };
    [
        Allow,
        Protect,
        Exempt,
        Monitor,
        Monitor,
        Monitor,
        Drop,
        Drop,
        Drop,
        inbound(Action::Drop, Action::Monitor),
        inbound(Action::Monitor, Action::Drop),
        Drop,
        Drop,
        inbound(Action::Drop, Action::Drop),
        Drop,
        Drop,
        Drop,
    ]
    .into_iter()
    .enumerate()
    .map(|(number, wish)| Source {
        name: format!("{wish:?}-{number}"),
        wish,
        group: match number {
            11..14 => group(2),
            14..17 => group(3),
            _ => None,
        },
    })
    .collect()
}

/// The group in which so many must agree.
pub fn group(min_sources: usize) -> Option<Group> {
    Some(Group {
        name: min_sources.to_string(),
        min_sources,
    })
}

/// A source for an entry: seldom one that spares, or little would be left to see.
fn source() -> impl Strategy<Value = SourceId> + Clone {
    prop_oneof![1 => 0..3_u16, 15 => listing()]
}

/// A source that lists.
pub fn listing() -> impl Strategy<Value = SourceId> + Clone {
    3..SOURCES
}

fn entry<A: Address>(
    address: impl Strategy<Value = A> + Clone,
    length: impl Strategy<Value = u8> + Clone,
) -> impl Strategy<Value = Entry<A>> + Clone {
    entry_of(address, length, source())
}

/// An entry of some `source`.
pub fn entry_of<A: Address>(
    address: impl Strategy<Value = A> + Clone,
    length: impl Strategy<Value = u8> + Clone,
    source: impl Strategy<Value = SourceId> + Clone,
) -> impl Strategy<Value = Entry<A>> + Clone {
    (address, length, source).prop_map(|(address, length, source)| Entry {
        address: address.first(length),
        length,
        source,
    })
}

/// Mostly few entries, so that a failure is easy to read; sometimes enough for whole trees.
pub fn few_or_many<T: Strategy + Clone>(entry: T) -> impl Strategy<Value = Vec<T::Value>> {
    prop_oneof![4 => vec(entry.clone(), 0..16), 1 => vec(entry, 16..250)]
}

/// Addresses close to a few networks and to both ends.
pub fn address4() -> impl Strategy<Value = u32> + Clone {
    let near = select(vec![0, 0xc000_0200, 0xc000_0280, 0xc633_6400, u32::MAX]);
    let distance = prop_oneof![0..4_u32, 0..32_u32, 0..256_u32, 0..0x4000_u32, any::<u32>()];
    (near, distance).prop_map(|(near, distance)| near ^ distance)
}

pub fn length4() -> impl Strategy<Value = u8> + Clone {
    prop_oneof![4 => Just(32_u8), 4 => 24..=32_u8, 2 => 16..=24_u8, 1 => 0..=32_u8]
}

/// Addresses that differ from a few networks in one or two 16-bit groups.
pub fn address6() -> impl Strategy<Value = u128> + Clone {
    let near = select(vec![
        0,
        0x2001_0db8 << 96,
        0x2001_0db8_0001 << 80,
        u128::MAX,
    ]);
    let group = (prop_oneof![0..4_u128, 0..0x1_0000_u128], 0..8_u32)
        .prop_map(|(value, group)| value << (group * 16));
    (near, group.clone(), group).prop_map(|(near, one, other)| near ^ one ^ other)
}

pub fn length6() -> impl Strategy<Value = u8> + Clone {
    let usual = select(vec![32_u8, 48, 56, 64, 128]);
    prop_oneof![4 => usual, 2 => 112..=128_u8, 2 => 16..=64_u8, 1 => 0..=128_u8]
}

/// A port of an address close to a few networks.
pub fn port() -> impl Strategy<Value = PortEntry> {
    let address = prop_oneof![
        address4().prop_map(|address| address.to_ip()),
        address6().prop_map(|address| address.to_ip()),
        select(vec![0xc000_0201_u32, 0xc000_0202]).prop_map(|address| address.to_ip()),
    ];
    let port = prop_oneof![0..4_u16, Just(u16::MAX)];
    (address, select(&Protocol::ALL[..]), port, listing()).prop_map(
        |(address, protocol, port, source)| PortEntry {
            address,
            protocol,
            port,
            source,
        },
    )
}

/// Addresses that differ only in the given lowest bits.
fn crowd<A: Address>(
    make: fn(u128) -> A,
    spread: u8,
    lengths: std::ops::RangeInclusive<u8>,
) -> impl Strategy<Value = Vec<Entry<A>>> {
    vec(entry((0..1_u128 << spread).prop_map(make), lengths), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_boundary_of_any_ipv4_ruleset(v4 in few_or_many(entry(address4(), length4()))) {
        check(&Ruleset { sources: sources(), v4, ..Ruleset::default() });
    }

    #[test]
    fn every_boundary_of_any_ipv6_ruleset(v6 in few_or_many(entry(address6(), length6()))) {
        check(&Ruleset { sources: sources(), v6, ..Ruleset::default() });
    }

    #[test]
    fn ports_among_any_entries(
        v4 in vec(entry(address4(), length4()), 0..8),
        v6 in vec(entry(address6(), length6()), 0..8),
        ports in vec(port(), 1..24),
    ) {
        check(&Ruleset { sources: sources(), v4, v6, ports });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn many_prefixes_in_one_ipv4_slash_24(v4 in crowd(|low| 0xc000_0200 | low as u32, 8, 22..=32)) {
        check(&Ruleset { sources: sources(), v4, ..Ruleset::default() });
    }

    #[test]
    fn a_few_prefixes_in_each_slash_24_of_a_slash_18(
        v4 in crowd(|low| 0x0a00_0000 | low as u32, 14, 23..=32),
    ) {
        check(&Ruleset { sources: sources(), v4, ..Ruleset::default() });
    }

    #[test]
    fn many_prefixes_in_one_ipv6_slash_32(
        v6 in crowd(|low| 0x2001_0db8 << 96 | low << 64, 32, 30..=64),
    ) {
        check(&Ruleset { sources: sources(), v6, ..Ruleset::default() });
    }

    #[test]
    fn many_hosts_in_one_ipv6_slash_64(
        v6 in crowd(|low| 0x2001_0db8_0001_0002 << 64 | low, 20, 106..=128),
    ) {
        check(&Ruleset { sources: sources(), v6, ..Ruleset::default() });
    }
}
