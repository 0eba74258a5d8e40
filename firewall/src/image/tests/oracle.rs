//! The truth, found the slow way.

use std::collections::{BTreeSet, HashMap};

use firewall_common::class::Action;

use crate::{
    address::Address,
    image::{Class, Image},
    ruleset::{Entry, Ruleset, Source, SourceId, Wish},
};

/// What is known of an address: what to do and the names of the sources. `None`: not listed.
pub type Answer = Option<(Action, BTreeSet<String>)>;

/// The answer for an address that entries of `named` sources cover.
fn judge(sources: &[Source], named: impl Iterator<Item = SourceId>) -> Answer {
    let named: Vec<&Source> = named.map(|id| &sources[usize::from(id)]).collect();
    let any = |wish| named.iter().any(|source| source.wish == wish);
    if named.is_empty() || any(Wish::Allow) || any(Wish::Protect) {
        return None;
    }
    let action = if any(Wish::Drop) {
        Action::Drop
    } else {
        Action::Monitor
    };
    Some((
        action,
        named.iter().map(|source| source.name.clone()).collect(),
    ))
}

/// The answer by looking at every entry.
pub fn scan<A: Address>(sources: &[Source], entries: &[Entry<A>], address: A) -> Answer {
    let covers = |entry: &&Entry<A>| entry.address == address.first(entry.length);
    judge(
        sources,
        entries.iter().filter(covers).map(|entry| entry.source),
    )
}

/// Entries by prefix, for rulesets too large to scan.
pub struct ByPrefix<A>(HashMap<(u8, A), Vec<SourceId>>);

impl<A: Address> ByPrefix<A> {
    pub fn new(entries: &[Entry<A>]) -> Self {
        let mut prefixes: HashMap<_, Vec<SourceId>> = HashMap::new();
        for entry in entries {
            prefixes
                .entry((entry.length, entry.address))
                .or_default()
                .push(entry.source);
        }
        Self(prefixes)
    }

    pub fn answer(&self, sources: &[Source], address: A) -> Answer {
        let named = (0..=A::BITS)
            .filter_map(|length| self.0.get(&(length, address.first(length))))
            .flatten();
        judge(sources, named.copied())
    }
}

/// The answer of the image.
pub fn lookup<A: Address>(image: &Image, address: A) -> Answer {
    let Class { action, sources } = image.lookup(address.to_ip())?;
    let name = |id: &SourceId| image.sources[usize::from(*id)].name.clone();
    Some((*action, sources.iter().map(name).collect()))
}

/// First and last address of every prefix and the addresses around, each once.
pub fn boundaries<A: Address>(entries: &[Entry<A>]) -> BTreeSet<A> {
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
    entries
        .iter()
        .flat_map(around)
        .flatten()
        .chain([A::default(), A::MAX])
        .collect()
}

/// Compares image and scan at every boundary.
pub fn check(ruleset: &Ruleset) {
    let image = Image::compile(ruleset).unwrap();
    check_family(&image, &ruleset.v4);
    check_family(&image, &ruleset.v6);
}

fn check_family<A: Address>(image: &Image, entries: &[Entry<A>]) {
    for address in boundaries(entries) {
        let expected = scan(&image.sources, entries, address);
        assert_eq!(lookup(image, address), expected, "{}", address.to_ip());
    }
}
