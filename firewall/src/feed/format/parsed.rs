//! What every format becomes: indicators, counts, and the lines that are none.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    item::Item,
    said::{Said, Skipped},
};

use crate::{
    address::{Address, Prefix, cover},
    ruleset::{Entry, SourceId},
    subject::{Port, Subject},
};

/// Rejected lines kept with their text; beyond that they are only counted.
pub const REJECTED_KEPT: usize = 1000;

/// Characters of a rejected line that are kept.
const TEXT_KEPT: usize = 80;

/// One prefix that a feed calls bad. Host bits are clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indicator<A> {
    /// First address of the prefix, in host order.
    pub address: A,
    /// Line of the content it stands on, from 1.
    pub line: u32,
    /// Seconds since 1970 from which on the feed lists it; no parser knows, and says 0.
    pub since: u32,
    /// Prefix length in bits.
    pub length: u8,
    /// The port it is limited to; `None` means any.
    pub port: Option<Port>,
}

impl<A: Address> Indicator<A> {
    /// The prefix for people and files; `None` cannot come out of a parser, whose lengths fit.
    pub fn net(&self) -> Option<IpNet> {
        IpNet::new(self.address.to_ip(), self.length).ok()
    }

    /// The entry of `source` that it makes, its port left aside.
    pub fn entry(&self, source: SourceId) -> Entry<A> {
        Entry {
            address: self.address,
            length: self.length,
            source,
        }
    }

    /// The fewest prefixes that cover the range; false if it is reversed.
    pub(super) fn push_range(
        to: &mut Vec<Self>,
        line: u32,
        port: Option<Port>,
        first: A,
        last: A,
    ) -> bool {
        to.extend(cover(first, last).map(|(address, length)| Self {
            address,
            line,
            since: 0,
            length,
            port,
        }));
        first <= last
    }

    /// Its address and port, if it is limited to one.
    pub fn subject(&self) -> Option<Subject> {
        Some(Subject {
            prefix: self.net()?,
            port: self.port,
        })
    }
}

/// A line or record that names no address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Line of the content, from 1.
    pub line: u32,
    /// Its beginning, without control characters: a feed must not write to the terminal.
    pub text: String,
    /// What is wrong with it.
    pub reason: Cow<'static, str>,
}

/// The content of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parsed {
    /// IPv4 indicators in the order of the content, duplicates included.
    #[serde(skip)]
    pub v4: Vec<Indicator<u32>>,
    /// IPv6 indicators likewise.
    #[serde(skip)]
    pub v6: Vec<Indicator<u128>>,
    /// Accepted lines or records. A range is one entry and may be several indicators.
    pub entries: usize,
    /// Those of them that are IPv6.
    pub v6_entries: usize,
    /// Those of them that are limited to a port.
    pub with_port: usize,
    /// What the content lists on purpose and cannot be filtered by, or no longer stands for.
    pub skipped: BTreeMap<Skipped, usize>,
    /// The first time after which an entry is no longer valid, by what the content says.
    pub next_expiry: Option<Timestamp>,
    /// Lines of the content.
    pub lines: usize,
    /// Lines that are only a comment.
    pub comments: usize,
    /// Empty lines.
    pub blank: usize,
    /// Entries given with host bits set; their indicators have them cleared.
    pub masked: usize,
    /// The first [`REJECTED_KEPT`] rejected lines or records.
    pub rejected: Vec<Rejected>,
    /// All rejected lines or records.
    pub rejected_count: usize,
    /// The content carries its own count or end mark, and it fits. Only then is an empty list
    /// known to be empty, and not cut off.
    pub complete: bool,
    /// The line about which is asked what the content says of it.
    #[serde(skip)]
    pub(in crate::feed) asked: Option<u32>,
    /// What it says.
    #[serde(skip)]
    pub(in crate::feed) said: Option<Said>,
}

impl Parsed {
    /// Number of distinct prefixes, ports left aside.
    pub fn unique(&self) -> usize {
        distinct(&self.v4).len() + distinct(&self.v6).len()
    }

    /// Accepted entries that are IPv4.
    pub fn v4_entries(&self) -> usize {
        self.entries - self.v6_entries
    }

    /// All that the content lists, be it an entry or not.
    pub fn listed(&self) -> usize {
        self.entries + self.rejected_count + self.skipped.values().sum::<usize>()
    }

    /// What was skipped and no other version of this list could be used either, such as names.
    pub fn unusable(&self) -> usize {
        let unusable = self.skipped.iter().filter(|(why, _)| !why.is_withdrawn());
        unusable.map(|(_, count)| count).sum()
    }

    /// Takes an entry, clearing its host bits.
    pub(super) fn add(&mut self, line: u32, prefix: Prefix, port: Option<Port>) {
        let masked = match prefix {
            Prefix::V4(address, length) => push(&mut self.v4, line, address, length, port),
            Prefix::V6(address, length) => {
                self.v6_entries += 1;
                push(&mut self.v6, line, address, length, port)
            }
        };
        self.entries += 1;
        self.with_port += usize::from(port.is_some());
        self.masked += usize::from(masked);
    }

    /// Takes an entry as it was written; `port` is what another column says.
    ///
    /// # Errors
    /// A range that is none, or the port of more than one address, which no filter knows.
    pub(super) fn add_item(
        &mut self,
        line: u32,
        item: Item,
        port: Option<Port>,
    ) -> Result<(), &'static str> {
        match (item, port) {
            (Item::Prefix(prefix), None) => self.add(line, prefix, None),
            (Item::Prefix(prefix), port) if prefix.is_host() => self.add(line, prefix, port),
            (Item::Port(address, port), _) => {
                self.add(line, IpNet::from(address).into(), Some(port));
            }
            (Item::Range(first, last), None) => {
                if !self.add_range(line, first, last) {
                    return Err("the range ends before it begins");
                }
            }
            (Item::Prefix(_) | Item::Range(..), Some(_)) => {
                return Err("a port of more than one address; list each address or leave the port");
            }
        }
        Ok(())
    }

    /// Counts what the content lists on purpose and is no entry.
    pub(super) fn skip(&mut self, why: Skipped) {
        *self.skipped.entry(why).or_default() += 1;
    }

    /// Remembers what the content says about `line`, if that is what was asked.
    pub(super) fn say(&mut self, line: u32, said: impl FnOnce() -> Said) {
        if self.asked == Some(line) && self.said.is_none() {
            self.said = Some(said()).filter(|said| *said != Said::default());
        }
    }

    /// Remembers that an entry stands until `until` only.
    pub(super) fn expires(&mut self, until: Timestamp) {
        self.next_expiry = Some(self.next_expiry.map_or(until, |next| next.min(until)));
    }

    /// Takes the range from `first` to `last` as one entry; false if it is none.
    pub(super) fn add_range(&mut self, line: u32, first: IpAddr, last: IpAddr) -> bool {
        let taken = match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                Indicator::push_range(&mut self.v4, line, None, first.to_bits(), last.to_bits())
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                Indicator::push_range(&mut self.v6, line, None, first.to_bits(), last.to_bits())
            }
            _ => false,
        };
        self.entries += usize::from(taken);
        self.v6_entries += usize::from(taken && first.is_ipv6());
        taken
    }

    /// Counts a line that is no entry and keeps the first ones for people.
    pub(super) fn reject(&mut self, line: u32, text: &[u8], reason: &'static str) {
        self.rejected_count += 1;
        if self.rejected.len() < REJECTED_KEPT {
            self.rejected.push(Rejected {
                line,
                text: printable(text),
                reason: reason.into(),
            });
        }
    }
}

/// Distinct prefixes in order of address, then length.
pub fn distinct<A: Address>(indicators: &[Indicator<A>]) -> Vec<(A, u8)> {
    let mut prefixes: Vec<_> = indicators
        .iter()
        .map(|it| (it.address, it.length))
        .collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}

/// True if host bits had to be cleared.
fn push<A: Address>(
    to: &mut Vec<Indicator<A>>,
    line: u32,
    address: A,
    length: u8,
    port: Option<Port>,
) -> bool {
    let first = address.first(length);
    to.push(Indicator {
        address: first,
        line,
        since: 0,
        length,
        port,
    });
    first != address
}

fn printable(text: &[u8]) -> String {
    // A character is four bytes at most: enough is converted, never a line of megabytes.
    let beginning = &text[..text.len().min(4 * TEXT_KEPT)];
    let text = String::from_utf8_lossy(beginning);
    text.chars().take(TEXT_KEPT).map(visible).collect()
}

/// `text` without control characters, those of the direction of writing included, and not endless: words of
/// a stranger for a terminal.
pub fn harmless(text: &str) -> String {
    /// Characters of a message.
    const MESSAGE: usize = 2000;
    text.chars().take(MESSAGE).map(visible).collect()
}

fn visible(character: char) -> char {
    match character {
        '\t' => ' ',
        character if character.is_control() || turns(character) => char::REPLACEMENT_CHARACTER,
        character => character,
    }
}

/// Whether it changes the direction in which others are shown, so that text reads as another
/// (`Bidi_Control` of Unicode, UAX #9).
const fn turns(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: &str, last: &str) -> Vec<String> {
        let mut parsed = Parsed::default();
        parsed.add_range(1, first.parse().unwrap(), last.parse().unwrap());
        let v4 = parsed
            .v4
            .iter()
            .map(|it| format!("{}/{}", it.address.to_ip(), it.length));
        let v6 = parsed
            .v6
            .iter()
            .map(|it| format!("{}/{}", it.address.to_ip(), it.length));
        v4.chain(v6).collect()
    }

    #[test]
    fn an_indicator_stays_small() {
        assert_eq!(size_of::<Indicator<u32>>(), 16);
        assert_eq!(size_of::<Indicator<u128>>(), 32);
    }

    #[test]
    fn ranges_become_the_fewest_prefixes() {
        let table: &[(&str, &str, &[&str])] = &[
            ("192.0.2.0", "192.0.2.255", &["192.0.2.0/24"]),
            ("192.0.2.7", "192.0.2.7", &["192.0.2.7/32"]),
            (
                "192.0.2.1",
                "192.0.2.4",
                &["192.0.2.1/32", "192.0.2.2/31", "192.0.2.4/32"],
            ),
            ("0.0.0.0", "255.255.255.255", &["0.0.0.0/0"]),
            (
                "255.255.255.254",
                "255.255.255.255",
                &["255.255.255.254/31"],
            ),
            ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &["::/0"]),
            (
                "2001:db8::",
                "2001:db8::2",
                &["2001:db8::/127", "2001:db8::2/128"],
            ),
            ("192.0.2.2", "192.0.2.1", &[]),
            ("192.0.2.2", "2001:db8::", &[]),
        ];
        for (first, last, prefixes) in table {
            assert_eq!(range(first, last), *prefixes, "{first}-{last}");
        }
        assert_eq!(range("0.0.0.1", "255.255.255.254").len(), 62);
    }

    #[test]
    fn rejected_lines_are_kept_short_and_harmless() {
        let mut parsed = Parsed::default();
        for line in 1..=2000 {
            parsed.reject(line, "\x1b[31mä".repeat(100).as_bytes(), "no address");
        }
        assert_eq!(
            (parsed.rejected.len(), parsed.rejected_count),
            (REJECTED_KEPT, 2000)
        );
        assert_eq!(parsed.rejected[0].text.chars().count(), TEXT_KEPT);
        assert!(!parsed.rejected[0].text.contains(char::is_control));
    }

    #[test]
    fn nothing_turns_around_what_a_terminal_shows() {
        for turning in "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}"
            .chars()
        {
            let text = format!("evil{turning}gpj.exe\t");
            assert_eq!(harmless(&text), "evil\u{fffd}gpj.exe ", "{turning:?}");
            assert_eq!(printable(text.as_bytes()), harmless(&text));
        }
        // Writing from right to left by itself, and what joins letters, are no harm.
        let words = "عربى \u{200c}\u{200d} עברית";
        assert_eq!(harmless(words), words);
    }
}
