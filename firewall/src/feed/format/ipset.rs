//! `ipset`: the output of `ipset save`: `add SET ENTRY`, where an entry is an address, prefix or range,
//! with a port (`192.0.2.7,tcp:443`) in sets that have them. What a set excepts (`nomatch`) is cut out
//! of its other entries.

use std::{collections::BTreeMap, net::IpAddr};

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

/// Prefix lengths of the sets that have one for all of their entries, by name.
type Netmasks = BTreeMap<String, u8>;

/// Each exception is looked for in each entry.
const MOST_CUTS: usize = 100_000_000;

/// The entries of all sets.
///
/// # Errors
/// The list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    let mut netmasks = Netmasks::new();
    let mut exceptions = Vec::new();
    text::content_lines(bytes, parsed, |parsed, line, text| {
        let text = str::from_utf8(text).map_err(|_| "no UTF-8 text")?;
        let mut words = text.split_ascii_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("create" | "-N" | "--create"), Some(set), Some(_)) => {
                parsed.comments += 1;
                if let Some(length) = after(text, "netmask").and_then(|it| it.parse().ok()) {
                    netmasks.insert(set.to_owned(), length);
                }
                Ok(())
            }
            (Some("add" | "-A" | "--add"), Some(set), Some(entry)) => {
                let (item, port) = entry_of(entry, netmasks.get(set).copied())?;
                if words.any(|word| word == "nomatch") {
                    parsed.skip(Skipped::Exception);
                    exceptions.push(item);
                    return Ok(());
                }
                parsed.add_item(line, item, port)?;
                parsed.say(line, || said(text));
                Ok(())
            }
            (Some("COMMIT" | "flush" | "destroy" | "-X" | "-F"), ..) => {
                parsed.comments += 1;
                Ok(())
            }
            _ => Err("neither `create` nor `add`"),
        }
    })?;
    if exceptions.len().saturating_mul(parsed.entries) > MOST_CUTS {
        return Err(Refused(format!(
            "{} exceptions (`nomatch`) from {} entries are too many to be cut out; \
             use a list without exceptions",
            exceptions.len(),
            parsed.entries
        )));
    }
    for item in exceptions {
        cut_out(parsed, item);
    }
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

/// Takes the addresses of `item` out of every entry.
fn cut_out(parsed: &mut Parsed, item: Item) {
    match item {
        Item::Prefix(Prefix::V4(at, length)) => {
            cut(&mut parsed.v4, at.first(length), at.last(length))
        }
        Item::Prefix(Prefix::V6(at, length)) => {
            cut(&mut parsed.v6, at.first(length), at.last(length))
        }
        Item::Range(IpAddr::V4(first), IpAddr::V4(last)) => {
            cut(&mut parsed.v4, first.to_bits(), last.to_bits());
        }
        Item::Range(IpAddr::V6(first), IpAddr::V6(last)) => {
            cut(&mut parsed.v6, first.to_bits(), last.to_bits());
        }
        Item::Range(..) | Item::Port(..) => {}
    }
}

fn cut<A: Address>(indicators: &mut Vec<Indicator<A>>, first: A, last: A) {
    let mut parts = Vec::new();
    indicators.retain(|it| {
        let end = it.address.last(it.length);
        let touched = it.address <= last && first <= end;
        if touched {
            parts.extend(
                first
                    .previous()
                    .filter(|before| *before >= it.address)
                    .map(|before| (*it, it.address, before)),
            );
            parts.extend(
                last.next()
                    .filter(|after| *after <= end)
                    .map(|after| (*it, after, end)),
            );
        }
        !touched
    });
    for (from, begin, end) in parts {
        Indicator::push_range(indicators, from.line, from.port, begin, end);
    }
}
