//! `ipset`: the output of `ipset save`: `add SET ENTRY`, where an entry is an address, prefix or range,
//! with a port (`192.0.2.7,tcp:443`) in sets that have them. What a set excepts (`nomatch`) is cut out
//! of its other entries.

use std::collections::BTreeMap;

use super::{
    Parsed, Refused,
    item::{Item, item},
    parsed::Indicator,
    said::{Said, Skipped, word},
    tabular::port_number,
    text,
};
use crate::{
    address::{Address, Prefix},
    ruleset::Protocol,
    subject::Port,
};

/// What `create` says of a set.
#[derive(Clone, Copy, Default)]
struct Set {
    /// The length of the prefix that stands for each address.
    netmask: Option<u8>,
    /// Whether its members are of another kind: ports, Ethernet addresses, other sets.
    is_foreign: bool,
}

/// The sets by name, with a number for each.
type Sets<'a> = BTreeMap<&'a str, (u32, Set)>;

/// A prefix that a set excepts from wider ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Exception<A> {
    set: u32,
    address: A,
    length: u8,
    port: Option<Port>,
}

/// Exceptions are cut out of entries so often at most: a few lines could fill memory and time otherwise.
const MOST_CUTS: usize = 1_000_000;

/// The entries of all sets.
///
/// # Errors
/// The list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    let mut sets = Sets::new();
    // From this line on, entries are of this set.
    let mut from_line: Vec<(u32, u32)> = Vec::new();
    let mut excepted = Parsed::default();
    text::content_lines(bytes, parsed, |parsed, line, text| {
        let text = str::from_utf8(text).map_err(|_| "no UTF-8 text")?;
        let mut words = text.split_ascii_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("create" | "-N" | "--create"), Some(name), Some(kind)) => {
                parsed.comments += 1;
                let number = sets.len() as u32;
                sets.entry(name).or_insert((number, set(kind, text)));
                Ok(())
            }
            (Some("add" | "-A" | "--add"), Some(name), Some(entry)) => {
                let number = sets.len() as u32;
                let (number, set) = *sets.entry(name).or_insert((number, Set::default()));
                if from_line.last().is_none_or(|last| last.1 != number) {
                    from_line.push((line, number));
                }
                take_entry(set, parsed, &mut excepted, line, (entry, text))
            }
            (Some("COMMIT" | "flush" | "destroy" | "-X" | "-F"), ..) => {
                parsed.comments += 1;
                Ok(())
            }
            _ => Err("neither `create` nor `add`"),
        }
    })?;
    let set_of = |line: u32| {
        let behind = from_line.partition_point(|(from, _)| *from <= line);
        behind.checked_sub(1).map_or(0, |at| from_line[at].1)
    };
    cut_out(&mut parsed.v4, &excepted.v4, set_of)?;
    cut_out(&mut parsed.v6, &excepted.v6, set_of)
}

fn set(kind: &str, text: &str) -> Set {
    const KINDS: [&str; 5] = ["hash:ip", "hash:net", "bitmap:ip", "iphash", "nethash"];
    let others = ["hash:", "bitmap:", "list:"];
    let is = |all: &[&str]| all.iter().any(|it| kind.starts_with(it));
    Set {
        netmask: after(text, "netmask").and_then(|it| it.parse().ok()),
        is_foreign: is(&others) && !is(&KINDS),
    }
}

/// Takes a member of `set`; `entry` is the word of it and the whole line.
fn take_entry(
    set: Set,
    parsed: &mut Parsed,
    excepted: &mut Parsed,
    line: u32,
    (entry, text): (&str, &str),
) -> Result<(), &'static str> {
    if set.is_foreign {
        parsed.skip(Skipped::Other);
        return Ok(());
    }
    let (item, port) = entry_of(entry, set.netmask)?;
    let is_option = |word: &str| word == "nomatch";
    let unquoted = text.split('"').next().unwrap_or_default();
    if unquoted.split_ascii_whitespace().any(is_option) {
        excepted.add_item(line, item, port)?;
        parsed.skip(Skipped::Exception);
        return Ok(());
    }
    parsed.add_item(line, item, port)?;
    parsed.say(line, || said(text));
    Ok(())
}

/// True if `line` is one of this format.
pub(super) fn begins_with(line: &[u8]) -> bool {
    let text = str::from_utf8(line).unwrap_or_default();
    let mut words = text.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some("create" | "-N"), Some(_), Some(kind)) => {
            ["hash:", "bitmap:", "list:", "iphash", "nethash"]
                .iter()
                .any(|it| kind.starts_with(it))
        }
        (Some("add" | "-A"), Some(_), Some(entry)) => entry_of(entry, None).is_ok(),
        _ => false,
    }
}

/// What an entry is about: the address first, then maybe a port, an interface, another address.
fn entry_of(text: &str, netmask: Option<u8>) -> Result<(Item, Option<Port>), &'static str> {
    let mut parts = text.split(',');
    let entry = item(parts.next().unwrap_or_default().as_bytes())?;
    let entry = match (entry, netmask) {
        (Item::Prefix(Prefix::V4(address, 32)), Some(length)) if length <= 32 => {
            Item::Prefix(Prefix::V4(address, length))
        }
        (Item::Prefix(Prefix::V6(address, 128)), Some(length)) if length <= 128 => {
            Item::Prefix(Prefix::V6(address, length))
        }
        (entry, _) => entry,
    };
    let port = parts.next().map(port).transpose()?.flatten();
    match parts.next() {
        None => Ok((entry, port)),
        Some(_) => Err("an entry of more than an address and a port"),
    }
}

/// `443` is TCP, as ipset(8) has it; what is no port at all is an interface and narrows the entry.
fn port(text: &str) -> Result<Option<Port>, &'static str> {
    let (protocol, number) = text.split_once(':').unwrap_or(("tcp", text));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return Err("a protocol that is neither tcp nor udp"),
    };
    let number = port_number(number).ok_or("an interface, a mark or a port that is none")?;
    Ok(Some(Port {
        number,
        protocol: Some(protocol),
    }))
}

fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut words = text
        .split_ascii_whitespace()
        .skip_while(|word| *word != key);
    words.nth(1)
}

fn said(text: &str) -> Said {
    let comment = text
        .split_once(" comment \"")
        .and_then(|(_, rest)| rest.split('"').next());
    Said {
        description: comment.and_then(word),
        ..Said::default()
    }
}

/// Cuts what a set excepts out of its wider entries; of two that cover an address, the narrower one
/// counts (ipset(8), `nomatch`).
fn cut_out<A: Address>(
    indicators: &mut Vec<Indicator<A>>,
    excepted: &[Indicator<A>],
    set_of: impl Fn(u32) -> u32,
) -> Result<(), Refused> {
    let exception = |it: &Indicator<A>| Exception {
        set: set_of(it.line),
        address: it.address,
        length: it.length,
        port: it.port,
    };
    let mut exceptions: Vec<_> = excepted.iter().map(exception).collect();
    exceptions.sort_unstable();
    let (mut cuts, mut pieces) = (0, Vec::new());
    let mut whole = Vec::with_capacity(indicators.len());
    for indicator in indicators.drain(..) {
        let within = within(&exceptions, set_of(indicator.line), &indicator);
        cuts += within.len();
        if cuts > MOST_CUTS {
            return Err(Refused(format!(
                "its exceptions (`nomatch`) cut entries more than {MOST_CUTS} times; use a list without \
                 exceptions"
            )));
        }
        let narrower =
            |it: &&Exception<A>| it.length > indicator.length && it.port == indicator.port;
        match within.iter().any(|it| narrower(&it)) {
            false => whole.push(indicator),
            true => push_rest(&mut pieces, &indicator, within.iter().filter(narrower)),
        }
    }
    whole.append(&mut pieces);
    *indicators = whole;
    Ok(())
}

/// The exceptions of a set that lie in an entry, or begin where it does, in order of address.
fn within<'a, A: Address>(
    exceptions: &'a [Exception<A>],
    set: u32,
    entry: &Indicator<A>,
) -> &'a [Exception<A>] {
    let last = entry.address.last(entry.length);
    let begin = exceptions.partition_point(|it| (it.set, it.address) < (set, entry.address));
    let end = exceptions.partition_point(|it| (it.set, it.address) <= (set, last));
    &exceptions[begin..end]
}

/// What is left of an entry without the exceptions in it.
fn push_rest<'a, A: Address + 'a>(
    pieces: &mut Vec<Indicator<A>>,
    entry: &Indicator<A>,
    exceptions: impl Iterator<Item = &'a Exception<A>>,
) {
    let mut next = Some(entry.address);
    for exception in exceptions {
        let Some(begin) = next else { return };
        let before = exception.address.previous().filter(|it| *it >= begin);
        if let Some(end) = before.filter(|_| exception.address > begin) {
            Indicator::push_range(pieces, entry.line, entry.port, begin, end);
        }
        let after = exception.address.last(exception.length).next();
        next = after.map(|after| after.max(begin));
    }
    let end = entry.address.last(entry.length);
    if let Some(begin) = next.filter(|begin| *begin <= end) {
        Indicator::push_range(pieces, entry.line, entry.port, begin, end);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn of_two_that_cover_an_address_the_narrower_counts(
            members in prop::collection::btree_map((0..2_u32, 0..64_u32, 26..=32_u8), any::<bool>(), 1..20),
        ) {
            // Each prefix once, as in a set.
            let base = 0xcb00_7100_u32;
            let members: BTreeMap<(u32, u32, u8), bool> = members
                .into_iter()
                .map(|((set, offset, length), matches)| ((set, (base + offset).first(length), length), matches))
                .collect();
            let line = |(&(set, address, length), &matches): (&(u32, u32, u8), &bool)| {
                let option = if matches { "" } else { " nomatch" };
                format!("add s{set} {}/{length}{option}\n", address.to_ip())
            };
            let text: String = members.iter().map(line).collect();
            let mut parsed = Parsed::default();
            parse(text.as_bytes(), &mut parsed).unwrap();
            for address in base..base + 64 {
                let narrowest = |set: u32| {
                    let covers = members.iter().filter(|((of, first, length), _)| *of == set && address.first(*length) == *first);
                    covers.max_by_key(|((_, _, length), _)| *length).is_some_and(|(_, matches)| *matches)
                };
                let found = parsed.v4.iter().any(|it| address.first(it.length) == it.address);
                prop_assert_eq!(found, narrowest(0) || narrowest(1), "{} of\n{}", address.to_ip(), text);
            }
        }
    }
}
