//! Large rulesets.

use std::collections::BTreeSet;

use firewall_common::class::{Action, Case};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::{
    oracle::{ByPrefix, boundaries, check, lookup},
    properties::group,
};
use crate::{
    address::Address,
    image::{Image, MAX_CLASSES},
    ruleset::{Entry, Ruleset, Source, SourceId, Wish},
};

const ENTRIES: usize = 100_000;

/// One in eight sources exempts, three monitor, four drop.
fn sources(count: usize) -> Vec<Source> {
    let wish = |number| match number % 8 {
        0 => Wish::Allow,
        1 | 3 | 5 => Wish::Monitor,
        _ => Wish::Drop,
    };
    (0..count)
        .map(|number| Source {
            name: number.to_string(),
            wish: wish(number),
            group: None,
        })
        .collect()
}

fn random() -> TestRng {
    TestRng::deterministic_rng(RngAlgorithm::ChaCha)
}

/// Compares image and maps at every tenth boundary.
fn compare<A: Address>(image: &Image, entries: &[Entry<A>]) {
    let truth = ByPrefix::new(entries);
    for address in boundaries(entries).into_iter().step_by(10) {
        let expected = truth.answer(&image.sources, address);
        assert_eq!(lookup(image, address), expected, "{}", address.to_ip());
    }
}

#[test]
fn a_hundred_thousand_ipv4_prefixes() {
    let mut random = random();
    let mut entry = || {
        let length = [32, 32, 32, 32, 30, 28, 24, 22, 20][random.next_u32() as usize % 9];
        // A sixteenth of the address space: many /24s get several entries.
        let address = (random.next_u32() >> 4).first(length);
        Entry {
            address,
            length,
            source: (random.next_u32() % 16) as SourceId,
        }
    };
    let v4: Vec<_> = (0..ENTRIES).map(|_| entry()).collect();
    let ruleset = Ruleset {
        sources: sources(16),
        v4,
        ..Ruleset::default()
    };
    compare(&Image::compile(&ruleset).unwrap(), &ruleset.v4);
}

#[test]
fn a_hundred_thousand_ipv6_prefixes() {
    let mut random = random();
    let mut entry = || {
        let length = [128, 128, 128, 64, 64, 56, 48, 40, 32][random.next_u32() as usize % 9];
        // 256 networks of /32, hosts near their start.
        let network = u128::from(0x2001_0000 | random.next_u32() & 0x00ff_0000) << 96;
        let subnet = u128::from(random.next_u32()) << 64;
        let host = u128::from(random.next_u32() & 0xfff);
        let address = (network | subnet | host).first(length);
        Entry {
            address,
            length,
            source: (random.next_u32() % 16) as SourceId,
        }
    };
    let v6: Vec<_> = (0..ENTRIES).map(|_| entry()).collect();
    let ruleset = Ruleset {
        sources: sources(16),
        v6,
        ..Ruleset::default()
    };
    compare(&Image::compile(&ruleset).unwrap(), &ruleset.v6);
}

/// The deepest tree there is: each of the 65,536 keys has another class than its neighbours.
#[test]
fn every_slash_48_of_a_slash_32_on_its_own() {
    let sources = sources(8);
    let entry = |key: u16| Entry {
        address: 0x2001_0db8 << 96 | u128::from(key) << 80,
        length: 48,
        source: 1 + key % 2,
    };
    let v6: Vec<_> = (0..=u16::MAX).map(entry).collect();
    let image = Image::compile(&Ruleset {
        sources,
        v6: v6.clone(),
        ..Ruleset::default()
    })
    .unwrap();
    compare(&image, &v6);
    for entry in &v6 {
        let expected = if entry.source == 1 {
            Action::Monitor
        } else {
            Action::Drop
        };
        assert_eq!(
            lookup(&image, entry.last()).map(|(action, _)| action),
            Some(Some([expected; 4]))
        );
    }
}

/// Seven trees one after the other: five hosts that part in every group of 16 bits.
#[test]
fn hosts_that_part_in_every_group() {
    let base: u128 = 0x2001_0db8_0001_0001_0001_0001_0001_0001;
    let mut v6 = Vec::new();
    for group in 0..7 {
        for key in 0..6_u128 {
            let address = base ^ (2 * key) << (16 * group);
            v6.push(Entry {
                address,
                length: 128,
                source: 1 + (key % 2) as SourceId,
            });
        }
    }
    check(&Ruleset {
        sources: sources(8),
        v6,
        ..Ruleset::default()
    });
}

/// One address for each pair of `count` sources: as many different sets. No neighbours.
fn pairs(count: SourceId) -> Vec<Entry<u32>> {
    let pairs = (0..count).flat_map(|one| (0..one).map(move |other| [one, other]));
    let entry = |(index, pair): (usize, [SourceId; 2])| {
        let address = 0x0a00_0000 + 2 * index as u32;
        pair.map(|source| Entry {
            address,
            length: 32,
            source,
        })
    };
    pairs.enumerate().flat_map(entry).collect()
}

/// Every third source drops, the others monitor; every other one has to agree with one like it.
fn sources_that_list(count: SourceId) -> Vec<Source> {
    let wish = |number| {
        if number % 3 == 0 {
            Wish::Drop
        } else {
            Wish::Monitor
        }
    };
    (0..count)
        .map(|number| Source {
            name: number.to_string(),
            wish: wish(number),
            group: group(2).filter(|_| number % 2 == 0),
        })
        .collect()
}

#[test]
fn as_many_sets_as_there_are_classes_have_one_each() {
    let count = 361;
    let mut v4 = pairs(count);
    let left = MAX_CLASSES - v4.len() / 2;
    v4.extend((0..left as SourceId).map(|source| {
        let address = 0x0b00_0000 + 2 * u32::from(source);
        Entry {
            address,
            length: 32,
            source,
        }
    }));
    let ruleset = Ruleset {
        sources: sources_that_list(count),
        v4,
        ..Ruleset::default()
    };
    let image = Image::compile(&ruleset).unwrap();
    assert_eq!((image.classes.len(), image.folded), (MAX_CLASSES, 0));
    compare(&image, &ruleset.v4);
}

#[test]
fn beyond_that_the_rarest_sets_share_a_class_for_each_action() {
    let count = 370;
    let mut v4 = pairs(count);
    let sets = v4.len() / 2;
    // The last thousand sets occur twice: they are not among the rarest.
    let frequent = v4[v4.len() - 2_000..].to_vec();
    v4.extend(frequent.iter().map(|entry| Entry {
        address: entry.address + 0x0100_0000,
        ..*entry
    }));
    let ruleset = Ruleset {
        sources: sources_that_list(count),
        v4,
        ..Ruleset::default()
    };
    let image = Image::compile(&ruleset).unwrap();

    let own = image.classes.len() - 2;
    assert!((MAX_CLASSES - 100..MAX_CLASSES).contains(&own), "{own}");
    assert_eq!(image.folded, sets - own);
    let truth = ByPrefix::new(&ruleset.v4);
    let listed: BTreeSet<u32> = ruleset.v4.iter().map(|entry| entry.address).collect();
    let mut folded = 0;
    for address in listed {
        let class = image.lookup(address.to_ip()).unwrap();
        let (action, names) = truth.answer(&image.sources, address).unwrap();
        let actions = Case::ALL.map(|case| class.actions.of(case));
        assert_eq!(Some(actions), action);
        if class.is_many() {
            folded += 1;
        } else {
            assert_eq!(lookup(&image, address), Some((action, names)));
        }
    }
    assert_eq!(folded, image.folded);
    assert!(
        frequent
            .iter()
            .all(|entry| !image.lookup(entry.address.to_ip()).unwrap().is_many())
    );
}
