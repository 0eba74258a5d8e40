//! Random rulesets, judged by the program in the kernel and by looking at every entry.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

use firewall::{
    address::Address,
    ruleset::{Entry, Ruleset, Source, SourceId, Wish},
};
use firewall_common::ledger::Role;
use tests::{
    frame::{ethernet, udp},
    kernel::{Kernel, XDP_DROP, XDP_PASS},
    skip_unless,
};

/// Addresses asked about at most, so that the ledger, which answers which sources matched, forgets
/// none of them.
const ASKED: usize = 8000;

/// What is known of an address: whether it is dropped, and who names it. `None`: not listed.
type Answer = Option<(bool, BTreeSet<String>)>;

fn sources() -> Vec<Source> {
    use Wish::{Allow, Drop, Monitor, Protect};
    let wishes = [Allow, Protect, Monitor, Monitor, Monitor, Drop, Drop, Drop];
    let source = |(number, wish)| Source {
        name: format!("{wish:?}-{number}"),
        wish,
        group: None,
    };
    wishes.into_iter().enumerate().map(source).collect()
}

/// Entries by prefix: few enough lookups that a large ruleset can be judged the slow way.
struct ByPrefix<'a, A>(&'a [Source], HashMap<(u8, A), BTreeSet<SourceId>>);

impl<'a, A: Address> ByPrefix<'a, A> {
    fn new(sources: &'a [Source], entries: &[Entry<A>]) -> Self {
        let mut prefixes: HashMap<_, BTreeSet<SourceId>> = HashMap::new();
        for entry in entries {
            let prefix = (entry.length, entry.address);
            prefixes.entry(prefix).or_default().insert(entry.source);
        }
        Self(sources, prefixes)
    }

    fn answer(&self, address: A) -> Answer {
        let prefixes =
            (0..=A::BITS).filter_map(|length| self.1.get(&(length, address.first(length))));
        let named: BTreeSet<SourceId> = prefixes.flatten().copied().collect();
        let named: Vec<&Source> = named.iter().map(|&id| &self.0[usize::from(id)]).collect();
        let any = |wish| named.iter().any(|source| source.wish == wish);
        if named.is_empty() || any(Wish::Allow) || any(Wish::Protect) {
            return None;
        }
        let names = named.iter().map(|source| source.name.clone()).collect();
        Some((any(Wish::Drop), names))
    }
}

/// First and last address of every prefix and the ones beside them.
fn boundaries<A: Address>(entries: &[Entry<A>]) -> Vec<A> {
    let step = (6 * entries.len()).div_ceil(ASKED).max(1);
    let around = |entry: &Entry<A>| {
        let (first, last) = (entry.address, entry.last());
        [
            Some(first),
            first.previous(),
            first.next(),
            Some(last),
            last.previous(),
            last.next(),
        ]
    };
    let all: BTreeSet<A> = entries
        .iter()
        .step_by(step)
        .flat_map(around)
        .flatten()
        .collect();
    // The ledger says a mapped address as the IPv4 address; on the wire there should be none.
    let as_itself = |address: &A| address.to_ip() == address.to_ip().to_canonical();
    let all = all.into_iter().chain([A::default(), A::MAX]);
    all.filter(as_itself).collect()
}

/// What becomes of a packet to `address`, from a sender that nothing lists, or to such a receiver.
fn ask(kernel: &Kernel, address: IpAddr, unlisted: IpAddr, listed_sends: bool) -> u32 {
    let packet = match listed_sends {
        true => udp(address, unlisted, b""),
        false => udp(unlisted, address, b""),
    };
    kernel
        .answer(&ethernet([2, 0, 0, 0, 0, 2]).ip(&packet))
        .unwrap()
}

/// The sources of everything in the ledger, by the listed end.
fn named_by_kernel(kernel: &Kernel) -> BTreeMap<IpAddr, BTreeSet<String>> {
    let hits = kernel.ledger().unwrap().into_iter();
    hits.map(|hit| {
        let sources = kernel.sources(hit.class).into_iter().map(str::to_owned);
        (hit.remote, sources.collect())
    })
    .collect()
}

fn check_family<A: Address>(
    kernel: &Kernel,
    sources: &[Source],
    entries: &[Entry<A>],
    asked: &[A],
) {
    let oracle = ByPrefix::new(sources, entries);
    // The other end must not be listed itself: with a /0 among the entries nothing may be unlisted.
    let Some(unlisted) = asked
        .iter()
        .copied()
        .find(|&it| oracle.answer(it).is_none())
    else {
        return;
    };
    for (index, &address) in asked.iter().enumerate() {
        let expected = match oracle.answer(address) {
            Some((true, _)) => XDP_DROP,
            _ => XDP_PASS,
        };
        let answer = ask(kernel, address.to_ip(), unlisted.to_ip(), index % 2 == 0);
        assert_eq!(answer, expected, "{}", address.to_ip());
    }
    let named = named_by_kernel(kernel);
    for &address in asked {
        let expected = oracle.answer(address).map(|(_, names)| names);
        assert_eq!(
            named.get(&address.to_ip()),
            expected.as_ref(),
            "{}",
            address.to_ip()
        );
    }
}

fn check(ruleset: &Ruleset) {
    let kernel = Kernel::new(ruleset, Role::Unknown).unwrap();
    check_family(
        &kernel,
        &ruleset.sources,
        &ruleset.v4,
        &boundaries(&ruleset.v4),
    );
    check_family(
        &kernel,
        &ruleset.sources,
        &ruleset.v6,
        &boundaries(&ruleset.v6),
    );
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same rulesets in every run, and no strategy to build
/// for each of a hundred thousand entries.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Seldom one that exempts, or little would be left to see.
    fn source(&mut self) -> SourceId {
        match self.below(16) {
            0 => self.below(2) as SourceId,
            _ => 2 + self.below(6) as SourceId,
        }
    }

    /// Crowded around a few networks: whatever can nest, touch or be the same should.
    fn entry4(&mut self) -> Entry<u32> {
        let near: u32 = self.pick(&[0, 0xc000_0200, 0xc000_0280, 0xc633_6400, u32::MAX]);
        let distance = self.pick(&[4, 256, 0x4000, 1 << 32, 1 << 32]);
        let far = self.below(distance) as u32;
        let shortest = self.pick(&[32, 32, 24, 24, 9]);
        let length = shortest + self.below(33 - shortest);
        entry(near ^ far, length as u8, self.source())
    }

    /// The same, two 16-bit groups away from a few networks.
    fn entry6(&mut self) -> Entry<u128> {
        let near = self.pick(&[0, 0x2001_0db8 << 96, 0x2001_0db8_0001 << 80, u128::MAX]);
        let mut group = || {
            let values = self.pick(&[4, 0x1_0000]);
            u128::from(self.below(values)) << (16 * self.below(8))
        };
        let far = group() ^ group();
        let shortest = self.pick(&[128, 64, 48, 112, 19]);
        let length = shortest + self.below(129 - shortest);
        entry(near ^ far, length as u8, self.source())
    }
}

/// A random ruleset of that many entries; the same one in every run.
fn random(v4: usize, v6: usize) -> Ruleset {
    let mut random = Random(v4 as u64);
    Ruleset {
        sources: sources(),
        v4: (0..v4).map(|_| random.entry4()).collect(),
        v6: (0..v6).map(|_| random.entry6()).collect(),
        ..Ruleset::default()
    }
}

#[test]
fn the_kernel_agrees_with_looking_at_every_entry() {
    skip_unless!("the_kernel_agrees_with_looking_at_every_entry", Bpf);
    for entries in [0, 1, 2, 3, 10, 40, 200, 1000, 5000] {
        check(&random(entries, entries));
    }
}

#[test]
fn the_kernel_agrees_about_a_hundred_thousand_entries() {
    skip_unless!("the_kernel_agrees_about_a_hundred_thousand_entries", Bpf);
    check(&random(60_000, 40_000));
}

fn entry<A: Address>(address: A, length: u8, source: SourceId) -> Entry<A> {
    Entry {
        address: address.first(length),
        length,
        source,
    }
}

#[test]
fn the_kernel_agrees_about_everything_that_is_listed_by_hand() {
    skip_unless!(
        "the_kernel_agrees_about_everything_that_is_listed_by_hand",
        Bpf
    );
    const ALLOW: SourceId = 0;
    const DROP: SourceId = 5;
    let nested = |length: u8, source| entry(0xc000_0207_u32, length, source);
    let nested6 = |length: u8, source| entry((0x2001_0db8_u128 << 96) | 7, length, source);
    check(&Ruleset {
        sources: sources(),
        // Allow in block in allow; the same prefix twice; neighbours; both ends; single hosts.
        v4: vec![
            nested(16, ALLOW),
            nested(24, DROP),
            nested(30, ALLOW),
            entry(0, 8, DROP),
            entry(u32::MAX, 8, DROP),
            entry(0xcb00_7100, 25, DROP),
            entry(0xcb00_7180, 25, 2),
            entry(0xcb00_7100, 25, 2),
            entry(u32::MAX, 32, 3),
            entry(0, 32, 3),
        ],
        v6: vec![
            nested6(32, ALLOW),
            nested6(48, DROP),
            nested6(128, ALLOW),
            entry(0, 19, DROP),
            entry(u128::MAX, 19, DROP),
            entry(u128::MAX, 128, 3),
        ],
        ..Ruleset::default()
    });
}

#[test]
fn a_whole_family_can_be_listed() {
    skip_unless!("a_whole_family_can_be_listed", Bpf);
    const ALLOW: SourceId = 0;
    const DROP: SourceId = 5;
    // The one address that is exempt is the other end of every packet.
    check(&Ruleset {
        sources: sources(),
        v4: vec![entry(0, 0, DROP), entry(0xc000_0207, 32, ALLOW)],
        v6: vec![entry(0, 0, DROP), entry(7, 128, ALLOW)],
        ..Ruleset::default()
    });
}
