//! Entries laid over an image: like compiling everything at once, for every address.

use proptest::{collection::vec, prelude::*};

use super::{
    oracle::{boundaries, check_ports, lookup, scan},
    properties::{
        address4, address6, entry_of, few_or_many, length4, length6, listing, port, sources,
    },
};
use crate::{
    address::Address,
    image::{Image, MAX_CLASSES},
    ruleset::{Entry, Ruleset, Source, SourceId, Wish},
};

/// A ruleset, and what is laid over its image: an entry each, said twice.
#[derive(Clone, Debug, Default)]
struct Laid {
    below: Ruleset,
    above: Ruleset,
}

impl Laid {
    fn new(sources: Vec<Source>) -> Self {
        let ruleset = Ruleset {
            sources,
            ..Ruleset::default()
        };
        Self {
            below: ruleset.clone(),
            above: ruleset,
        }
    }

    fn all(&self) -> Ruleset {
        let mut all = self.below.clone();
        all.v4.extend(&self.above.v4);
        all.v6.extend(&self.above.v6);
        all.ports.extend(&self.above.ports);
        all
    }

    /// Compares what is laid over with what is compiled at once and with a scan, at every boundary.
    fn check(&self) -> Image {
        let all = self.all();
        let whole = Image::compile(&all).unwrap();
        let below = Image::compile(&self.below).unwrap();
        let laid = below.overlay(&self.above).unwrap().unwrap();
        assert_eq!(laid.entries, whole.entries);
        agree(&laid, &whole, &all.v4);
        agree(&laid, &whole, &all.v6);
        check_ports(&laid, &all);
        laid
    }
}

fn agree<A: Address>(laid: &Image, whole: &Image, entries: &[Entry<A>]) {
    for address in boundaries(entries) {
        let expected = scan(&whole.sources, entries, address);
        assert_eq!(lookup(laid, address), expected, "{}", address.to_ip());
        assert_eq!(lookup(whole, address), expected, "{}", address.to_ip());
    }
}

/// The operator's sources and what is protected: those that spare, and one that drops.
fn above() -> impl Strategy<Value = SourceId> + Clone {
    prop_oneof![1 => 0..3_u16, 2 => Just(LOCAL)]
}

/// A source that drops.
const LOCAL: SourceId = 8;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_ipv4_entries_over_any(
        under in few_or_many(entry_of(address4(), length4(), listing())),
        over in few_or_many(entry_of(address4(), length4(), above())),
    ) {
        let mut laid = Laid::new(sources());
        (laid.below.v4, laid.above.v4) = (under, over);
        laid.check();
    }

    #[test]
    fn any_ipv6_entries_over_any(
        under in few_or_many(entry_of(address6(), length6(), listing())),
        over in few_or_many(entry_of(address6(), length6(), above())),
    ) {
        let mut laid = Laid::new(sources());
        (laid.below.v6, laid.above.v6) = (under, over);
        laid.check();
    }

    #[test]
    fn any_entries_over_ports(
        under4 in vec(entry_of(address4(), length4(), listing()), 0..8),
        under6 in vec(entry_of(address6(), length6(), listing()), 0..8),
        ports in vec(port(), 1..24),
        over4 in vec(entry_of(address4(), length4(), above()), 0..8),
        over6 in vec(entry_of(address6(), length6(), above()), 0..8),
    ) {
        let mut laid = Laid::new(sources());
        laid.below = Ruleset { v4: under4, v6: under6, ports, ..laid.below };
        (laid.above.v4, laid.above.v6) = (over4, over6);
        laid.check();
    }
}

#[test]
fn ports_above_are_compiled_with_everything() {
    let mut laid = crowd();
    laid.above.ports.push(crate::ruleset::PortEntry {
        address: 0xc000_0201_u32.to_ip(),
        protocol: crate::ruleset::Protocol::Tcp,
        port: 443,
        source: LOCAL,
    });
    let image = Image::compile(&laid.below).unwrap();
    assert_eq!(image.overlay(&laid.above).unwrap(), None);
}

/// Nodes, units, wide and narrow descriptors, and trees of every depth beside each other.
fn crowd() -> Laid {
    let mut laid = Laid::new(sources());
    let entry = |address, length, source| Entry {
        address,
        length,
        source,
    };
    for network in 0..64_u32 {
        for host in 0..network % 8 * (1 + network / 32 * 20) {
            let address = 0xc633_4000 | network << 8 | host.wrapping_mul(37) & 255;
            let source = 3 + (host % 5) as SourceId;
            laid.below.v4.push(entry(address, 32, source));
        }
    }
    for number in 0..1000_u128 {
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let subnet = 0x2001_0d00_u128 << 96 | (spread & 0xff) << 96 | (spread & 0x3ff00) << 72;
        let length = [128, 64, 56, 48][number as usize % 4];
        laid.below.v6.push(Entry {
            address: (subnet | spread >> 40).first(length),
            length,
            source: 3 + (number % 5) as SourceId,
        });
    }
    laid
}

#[test]
fn one_entry_of_every_length_over_a_crowd() {
    for length in [0, 7, 16, 17, 18, 19, 23, 24, 25, 31, 32] {
        for address in [0xc633_5a07_u32, 0xc633_7fff, 0xc634_0001] {
            for source in [0, 2, LOCAL] {
                let mut laid = crowd();
                laid.below.v6.clear();
                let address = address.first(length);
                laid.above.v4.push(Entry {
                    address,
                    length,
                    source,
                });
                laid.check();
            }
        }
    }
}

#[test]
fn one_ipv6_entry_of_every_length_over_a_crowd() {
    let mut base = crowd();
    base.below.v4.clear();
    let listed = base.below.v6[4].address;
    for length in [0, 15, 18, 23, 24, 25, 32, 40, 48, 64, 127, 128] {
        for source in [1, 2, LOCAL] {
            let mut laid = base.clone();
            laid.above.v6.push(Entry {
                address: listed.first(length),
                length,
                source,
            });
            laid.check();
        }
    }
}

#[test]
fn an_entry_over_nothing_touches_two_lines_and_no_other() {
    let mut laid = crowd();
    let before = Image::compile(&laid.below).unwrap();
    laid.above.v4.push(Entry {
        address: 0xc000_0207,
        length: 32,
        source: LOCAL,
    });
    let after = laid.check();
    assert_eq!(after.v6, before.v6);
    let behind = after.v4.split_at(before.v4.len());
    let changed = behind.0.iter().zip(&before.v4).filter(|(a, b)| a != b);
    // That of the group, that of its coarse bit; a new one for the descriptor.
    assert_eq!((changed.count(), behind.1.len()), (2, 1));
    assert_eq!(after.classes.len(), before.classes.len() + 1);
}

#[test]
fn rules_of_other_sources_are_refused() {
    let image = Image::compile(&crowd().below).unwrap();
    assert!(image.overlay(&Ruleset::default()).is_err());
}

/// Each pair of sources is a set: as many as there are classes, or nearly.
#[test]
fn where_classes_run_out_everything_has_to_be_compiled_at_once() {
    let count = 361;
    let source = |number: SourceId| Source {
        name: number.to_string(),
        wish: Wish::Drop,
        group: None,
    };
    let mut laid = Laid::new((0..=count).map(source).collect());
    let pairs = (0..count).flat_map(|one| (0..one).map(move |other| [one, other]));
    for (index, pair) in (0..).zip(pairs) {
        laid.below.v4.extend(pair.map(|source| Entry {
            address: 0x0a00_0000 + 2 * index,
            length: 32,
            source,
        }));
    }
    let sets = laid.below.v4.len() / 2;
    let over = |length| Entry {
        address: 0x0a00_0000_u32,
        length,
        source: count,
    };
    // One set more fits, twice as many do not.
    assert!(sets < MAX_CLASSES);
    let image = Image::compile(&laid.below).unwrap();
    laid.above.v4 = vec![over(32)];
    let fits = image.clone().overlay(&laid.above).unwrap().unwrap();
    assert_eq!(fits.classes.len(), sets + 1);
    laid.above.v4 = vec![over(8)];
    assert_eq!(image.clone().overlay(&laid.above).unwrap(), None);
    let folded = Image { folded: 1, ..image };
    laid.above.v4 = vec![over(32)];
    assert_eq!(folded.overlay(&laid.above).unwrap(), None);
}
