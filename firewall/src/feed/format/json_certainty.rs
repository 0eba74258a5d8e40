//! Of the paths with addresses those that have the indicators. Beside an indicator may stand who reports
//! it, the network that it is in, or who was attacked: of one record, which is an item of an array, the key
//! that is most certainly called after an indicator counts.

use std::collections::HashSet;

use super::json_names::{
    is_network, is_of_addresses, is_of_another, is_source, rank, says_indicator,
};

/// How certainly a path has the indicators, by its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Certainty {
    /// It is called after indicators, or an address of one; or the record is kept by its address.
    Indicator,
    /// It is called after addresses.
    Address,
    /// It says nothing itself, but stands in an indicator; or the records are kept by their networks.
    OfIndicator,
    /// It says that it is an address, and of whom it does not (`ip_str`).
    SomeAddress,
    /// Whoever sends something, or a host.
    Source,
    /// It says nothing.
    Unnamed,
    /// It is called after somebody else.
    Others,
}

/// A path with addresses.
pub(super) struct Candidate<'a> {
    /// Its number.
    at: usize,
    parts: Vec<&'a str>,
    /// Whether its addresses are keys.
    is_key: bool,
    /// Whether there are IPv4 and IPv6 addresses.
    families: [bool; 2],
    pub certainty: Certainty,
    order: Order,
}

/// Certainty, depth, whether it is called after networks, whether it is an array, and the rank of its name.
type Order = (Certainty, usize, bool, bool, usize);

impl<'a> Candidate<'a> {
    /// The path of that number. `hosts` is whether it has any addresses that are no networks.
    pub fn new(at: usize, path: &'a str, families: [bool; 2], hosts: bool, lines: bool) -> Self {
        let keys = path.strip_suffix("{}");
        let mut parts = parts(keys.unwrap_or(path));
        if keys.is_some() {
            parts.push("*");
        }
        let record = match lines {
            true => 0,
            false => parts
                .iter()
                .position(|it| is_record(it))
                .map_or(0, |it| it + 1),
        };
        let names: Vec<&str> = parts[record..]
            .iter()
            .filter(|it| !is_record(it))
            .copied()
            .collect();
        let certainty = match keys {
            Some(_) if names.iter().any(|it| is_of_another(it)) => Certainty::Others,
            Some(_) if hosts => Certainty::Indicator,
            Some(_) => Certainty::OfIndicator,
            None => certainty(&names),
        };
        let name = names.last().copied().unwrap_or_default();
        let is_array = parts.last() == Some(&"[]");
        let is_named = certainty < Certainty::Unnamed;
        let order = (
            certainty,
            parts.len() - usize::from(is_array),
            is_named && is_network(name),
            is_named && is_array,
            joined_rank(&names).unwrap_or(usize::MAX),
        );
        Self {
            at,
            parts,
            is_key: keys.is_some(),
            families,
            certainty,
            order,
        }
    }

    fn depth(&self) -> usize {
        self.order.1
    }

    fn has_addresses(&self) -> bool {
        self.families.contains(&true)
    }

    /// Whether other records of the same array are what the path leads to, and not parts of it.
    fn is_item(&self, common: usize) -> bool {
        self.parts.len() == common && !self.is_key
    }

    /// Whether the two are keys of one object.
    fn is_beside(&self, other: &Self) -> bool {
        let object = |it: &Self| it.parts.len().saturating_sub(1);
        let is_key = |it: &Self| it.parts.last() != Some(&"[]");
        is_key(self) && is_key(other) && self.parts[..object(self)] == other.parts[..object(other)]
    }
}

/// The numbers of the paths that have the indicators. `together` are those where an address of the second
/// stands beside the first.
pub(super) fn keep(
    candidates: &mut [Candidate<'_>],
    together: &HashSet<(usize, usize)>,
    lines: bool,
) -> HashSet<usize> {
    candidates.sort_by_key(|it| it.order);
    let is_kept = |path: &&Candidate<'_>| {
        let better = || candidates.iter().take_while(|it| it.order < path.order);
        let is_beaten =
            |family: usize| better().any(|better| beats(better, path, family, together, lines));
        (0..2).any(|family| path.families[family] && !is_beaten(family))
    };
    let kept = candidates.iter().filter(is_kept);
    kept.map(|it| it.at).collect()
}

/// Whether the better of two paths leaves nothing to the other.
fn beats(
    better: &Candidate<'_>,
    path: &Candidate<'_>,
    family: usize,
    together: &HashSet<(usize, usize)>,
    lines: bool,
) -> bool {
    let parts = better.parts.iter().zip(&path.parts);
    let common = parts.take_while(|(one, other)| one == other).count();
    let are_of_one = lines || path.parts[..common].iter().any(|it| is_record(it));
    if !are_of_one || better.is_item(common) || path.is_item(common) {
        return false;
    }
    if path.certainty >= Certainty::Source && better.certainty == Certainty::Indicator {
        return true;
    }
    if !better.has_addresses() {
        return false;
    }
    if path.certainty >= Certainty::Unnamed && better.certainty < path.certainty {
        return true;
    }
    let has_own = |it: &Candidate<'_>| it.parts[common..].contains(&"[]");
    let are_alike = path.certainty == better.certainty || path.certainty <= Certainty::Address;
    if has_own(better) && has_own(path) && are_alike {
        return false;
    }
    if better.is_beside(path) && path.certainty < Certainty::Unnamed {
        return better.families[family] && together.contains(&(better.at, path.at));
    }
    better.families[family] || better.depth() < path.depth()
}

/// By the keys from the record to the addresses.
fn certainty(names: &[&str]) -> Certainty {
    let Some((name, objects)) = names.split_last() else {
        return Certainty::Address;
    };
    let is_of_indicator = objects.iter().any(|it| says_indicator(it));
    let rank = joined_rank(names);
    if names.iter().any(|it| is_of_another(it)) {
        Certainty::Others
    } else if says_indicator(name) || (is_of_indicator && rank.is_some()) {
        Certainty::Indicator
    } else if is_of_indicator {
        Certainty::OfIndicator
    } else if is_source(name) || is_source(&joined(names)) {
        Certainty::Source
    } else if rank.is_some() {
        Certainty::Address
    } else if is_of_addresses(name) {
        Certainty::SomeAddress
    } else {
        Certainty::Unnamed
    }
}

/// `source.ip` is called as `source_ip` is.
fn joined(names: &[&str]) -> String {
    names[names.len().saturating_sub(2)..].concat()
}

fn joined_rank(names: &[&str]) -> Option<usize> {
    rank(&joined(names)).or_else(|| rank(names.last()?))
}

/// `prefixes`, `[]`, `ip_prefix`.
fn parts(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in path.split('.') {
        let key = part.trim_end_matches("[]");
        parts.extend(Some(key).filter(|key| !key.is_empty()));
        parts.extend((0..(part.len() - key.len()) / 2).map(|_| "[]"));
    }
    parts
}

/// Whether what is below is one of many.
fn is_record(part: &str) -> bool {
    matches!(part, "[]" | "*")
}
