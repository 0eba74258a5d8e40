//! The truth, found the slow way.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use firewall_common::class::{Action, Actions, Case};

use crate::{
    address::Address,
    image::{Class, Image},
    ruleset::{Entry, PortEntry, Protocol, Ruleset, Source, SourceId, Wish},
};

/// What is known of an address: what to do in each case (`None`: it is exempt) and the names of the
/// sources. `None`: not listed.
pub type Answer = Option<(Option<[Action; 4]>, BTreeSet<String>)>;

/// What a source asks for in a case, said once more.
fn asked(wish: Wish, case: Case) -> Action {
    match (wish, case) {
        (Wish::Monitor, _) => Action::Monitor,
        (Wish::Drop, _) => Action::Drop,
        (Wish::Inbound { opening, .. }, Case::Opening) => opening,
        (Wish::Inbound { connectionless, .. }, Case::Connectionless) => connectionless,
        _ => Action::Pass,
    }
}

/// Whether fewer sources of its group are among `named`, each counted once, than have to agree.
fn outvoted(source: &Source, named: &[&Source]) -> bool {
    let Some(group) = &source.group else {
        return false;
    };
    let of_group = named.iter().filter(|it| it.group.is_some());
    let of_group = of_group.filter(|it| it.group.as_ref().unwrap().name == group.name);
    let names: BTreeSet<&str> = of_group.map(|it| it.name.as_str()).collect();
    names.len() < group.min_sources
}

/// The answer for an address that entries of `named` sources cover.
fn judge(sources: &[Source], named: impl Iterator<Item = SourceId>) -> Answer {
    let named: Vec<&Source> = named.map(|id| &sources[usize::from(id)]).collect();
    let any = |wish| named.iter().any(|source| source.wish == wish);
    let names = |of: fn(&Wish) -> bool| {
        let named = named.iter().filter(move |source| of(&source.wish));
        named.map(|source| source.name.clone()).collect()
    };
    if any(Wish::Exempt) {
        return Some((None, names(|wish| *wish == Wish::Exempt)));
    }
    if named.is_empty() || any(Wish::Allow) || any(Wish::Protect) {
        return None;
    }
    let action = |case| {
        let actions = named.iter().map(|source| {
            let asked = asked(source.wish, case);
            match outvoted(source, &named) {
                true => asked.min(Action::Monitor),
                false => asked,
            }
        });
        actions.max().unwrap_or(Action::Pass)
    };
    Some((Some(Case::ALL.map(action)), names(|_| true)))
}

/// The answer by looking at every entry.
pub fn scan<A: Address>(sources: &[Source], entries: &[Entry<A>], address: A) -> Answer {
    judge(sources, covering(entries, address))
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
    answer(image, image.lookup(address.to_ip())?)
}

/// What a class says.
pub fn answer(image: &Image, class: &Class) -> Answer {
    let Class { actions, sources } = class;
    if *actions == Actions::PORTS {
        return None;
    }
    let name = |id: &SourceId| image.sources[usize::from(*id)].name.clone();
    let by_case = (!actions.is_exempt()).then(|| Case::ALL.map(|case| actions.of(case)));
    Some((by_case, sources.iter().map(name).collect()))
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
    check_ports(&image, ruleset);
}

/// Every listed port and the ones beside it, of every address that has one, in both protocols.
pub fn check_ports(image: &Image, ruleset: &Ruleset) {
    for PortEntry { address, port, .. } in &ruleset.ports {
        for protocol in Protocol::ALL {
            for port in [port.wrapping_sub(1), *port, port.wrapping_add(1)] {
                let found = image.lookup_port(*address, protocol, port);
                let expected = scan_ports(ruleset, *address, protocol, port);
                assert_eq!(
                    found.and_then(|class| answer(image, class)),
                    expected,
                    "{address} {protocol:?} {port}"
                );
                let flagged = image
                    .lookup(*address)
                    .is_some_and(|it| it.actions.has_ports());
                assert!(flagged || expected.is_none(), "{address}");
            }
        }
    }
}

/// The answer for a port that is listed on its own: who names it, and who names all of the address.
/// An address that nobody may list has no ports.
fn scan_ports(ruleset: &Ruleset, address: IpAddr, protocol: Protocol, port: u16) -> Answer {
    let of_port: Vec<SourceId> = (ruleset.ports.iter())
        .filter(|it| (it.address, it.protocol, it.port) == (address, protocol, port))
        .map(|it| it.source)
        .collect();
    let of_address: Vec<SourceId> = match address {
        IpAddr::V4(address) => covering(&ruleset.v4, address.to_bits()).collect(),
        IpAddr::V6(address) => covering(&ruleset.v6, address.to_bits()).collect(),
    };
    let spared = |id: &SourceId| !ruleset.sources[usize::from(*id)].wish.lists();
    if of_port.is_empty() || of_address.iter().any(spared) {
        return None;
    }
    judge(&ruleset.sources, of_port.into_iter().chain(of_address))
}

fn covering<A: Address>(entries: &[Entry<A>], address: A) -> impl Iterator<Item = SourceId> {
    entries
        .iter()
        .filter(move |entry| entry.address == address.first(entry.length))
        .map(|entry| entry.source)
}

fn check_family<A: Address>(image: &Image, entries: &[Entry<A>]) {
    for address in boundaries(entries) {
        let expected = scan(&image.sources, entries, address);
        assert_eq!(lookup(image, address), expected, "{}", address.to_ip());
    }
}
