//! The guard: the checks between a parsed feed and the ruleset. Pure.
//!
//! A feed that asks for everything is refused as a whole. Entries that are too wide, or that are
//! nothing but protected addresses, are left out one by one; where an entry merely contains
//! protected addresses it stays, and compiling the ruleset subtracts them.

use crate::{
    address::{Address, Prefix},
    ruleset::{Entry, SourceId},
};

use super::{
    Refused,
    format::{Indicator, Parsed},
};

mod fence;

use fence::{Fence, Rule};

/// Findings kept with their entry; beyond that they are only counted.
pub const FINDINGS_KEPT: usize = 100;

/// The widest entries taken, by family. Nobody's list of bad addresses is right about more than
/// a whole registry allocation.
const SHORTEST_V4: u8 = 8;
const SHORTEST_V6: u8 = 19;

/// A prefix that must never be a reason for a drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// The addresses.
    pub prefix: Prefix,
    /// Why they are protected: `special`, `own`, `gateway`, `resolver`, …
    pub kind: String,
}

/// What the guard does with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is not put in force.
    LeftOut,
    /// It is put in force without the protected addresses in it.
    Subtracted,
}

/// One entry that the guard did not take as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Line of the content, from 1.
    pub line: u32,
    /// The entry.
    pub entry: Prefix,
    /// The rule that it meets, for people: `wider than /8`, or the kind of protected address.
    pub rule: String,
    /// What became of it.
    pub action: Action,
}

/// The indicators of a feed that may be put in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guarded {
    /// IPv4 indicators in the order of the content.
    pub v4: Vec<Indicator<u32>>,
    /// IPv6 indicators likewise.
    pub v6: Vec<Indicator<u128>>,
    /// The first [`FINDINGS_KEPT`] findings.
    pub findings: Vec<Finding>,
    /// Indicators left out.
    pub left_out: usize,
    /// Indicators kept that contain protected addresses.
    pub subtracted: usize,
}

impl Guarded {
    /// The IPv4 indicators as entries of `source`, ports left aside.
    pub fn entries_v4(&self, source: SourceId) -> impl Iterator<Item = Entry<u32>> {
        self.v4
            .iter()
            .map(move |indicator| entry(indicator, source))
    }

    /// The IPv6 indicators as entries of `source`, ports left aside.
    pub fn entries_v6(&self, source: SourceId) -> impl Iterator<Item = Entry<u128>> {
        self.v6
            .iter()
            .map(move |indicator| entry(indicator, source))
    }

    fn record(&mut self, line: u32, entry: Prefix, rule: &Rule<'_>) {
        match rule.action() {
            Action::LeftOut => self.left_out += 1,
            Action::Subtracted => self.subtracted += 1,
        }
        if self.findings.len() < FINDINGS_KEPT {
            let (rule, action) = (rule.to_string(), rule.action());
            self.findings.push(Finding {
                line,
                entry,
                rule,
                action,
            });
        }
    }
}

/// The indicators of `parsed` that may be put in force, given the `protected` addresses.
///
/// # Errors
/// An entry covers a whole address family, or there is no entry and the content does not prove
/// that the list is meant to be empty.
pub fn check(parsed: &Parsed, protected: &[Protected]) -> Result<Guarded, Refused> {
    check_not_garbage(parsed)?;
    check_not_everything(parsed)?;
    let mut guarded = Guarded::default();
    guarded.v4 = Fence::new(SHORTEST_V4, protected, v4).keep(&parsed.v4, |it, rule| {
        guarded.record(it.line, Prefix::V4(it.address, it.length), &rule);
    });
    guarded.v6 = Fence::new(SHORTEST_V6, protected, v6).keep(&parsed.v6, |it, rule| {
        guarded.record(it.line, Prefix::V6(it.address, it.length), &rule);
    });
    Ok(guarded)
}

fn v4(prefix: Prefix) -> Option<(u32, u8)> {
    match prefix {
        Prefix::V4(address, length) => Some((address, length)),
        Prefix::V6(..) => None,
    }
}

fn v6(prefix: Prefix) -> Option<(u128, u8)> {
    match prefix {
        Prefix::V4(..) => None,
        Prefix::V6(address, length) => Some((address, length)),
    }
}

fn entry<A: Address>(indicator: &Indicator<A>, source: SourceId) -> Entry<A> {
    Entry {
        address: indicator.address,
        length: indicator.length,
        source,
    }
}

fn check_not_garbage(parsed: &Parsed) -> Result<(), Refused> {
    let proven_empty = parsed.complete && parsed.rejected_count == 0;
    if parsed.entries > 0 || proven_empty {
        return Ok(());
    }
    let first = parsed.rejected.first().map_or(String::new(), |first| {
        format!(
            ", the first rejected is line {}: {} ({})",
            first.line, first.text, first.reason
        )
    });
    Err(Refused(format!(
        "no entry in {} lines{first}; check the address and the format of the feed",
        parsed.lines
    )))
}

fn check_not_everything(parsed: &Parsed) -> Result<(), Refused> {
    let v4 = parsed
        .v4
        .iter()
        .find(|it| it.length == 0)
        .map(|it| (it.line, "0.0.0.0/0"));
    let v6 = || {
        parsed
            .v6
            .iter()
            .find(|it| it.length == 0)
            .map(|it| (it.line, "::/0"))
    };
    match v4.or_else(v6) {
        None => Ok(()),
        Some((line, all)) => Err(Refused(format!(
            "line {line} lists {all}, which is every address; ask the provider about it"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;
    use proptest::prelude::*;

    use super::*;
    use crate::feed::format::{self, Format};

    fn protected(list: &[(&str, &str)]) -> Vec<Protected> {
        let one = |&(prefix, kind): &(&str, &str)| Protected {
            prefix: prefix.parse::<IpNet>().unwrap().into(),
            kind: kind.to_owned(),
        };
        list.iter().map(one).collect()
    }

    fn guard(text: &str, list: &[(&str, &str)]) -> Result<Guarded, Refused> {
        let parsed = format::parse(Format::Plain, text.as_bytes()).unwrap();
        check(&parsed, &protected(list))
    }

    const PROTECTED: &[(&str, &str)] = &[
        ("192.0.2.0/25", "connected"),
        ("192.0.2.1/32", "own"),
        ("198.51.100.1/24", "inside_prefixes"),
        ("2001:db8::/48", "connected"),
        ("10.0.0.0/8", "special"),
    ];

    #[test]
    fn each_rule_by_entry() {
        use Action::{LeftOut, Subtracted};
        let table = [
            ("203.0.113.7", None),
            ("192.0.2.128", None),
            ("192.0.2.1", Some(("connected", LeftOut))),
            ("192.0.2.0/25", Some(("connected", LeftOut))),
            ("192.0.2.0/24", Some(("connected", Subtracted))),
            ("192.0.0.0/16", Some(("connected", Subtracted))),
            ("198.51.100.255", Some(("inside_prefixes", LeftOut))),
            ("198.51.101.0", None),
            ("10.9.8.7", Some(("special", LeftOut))),
            ("8.0.0.0/8", None),
            ("8.0.0.0/7", Some(("wider than /8", LeftOut))),
            ("2001:db8::1", Some(("connected", LeftOut))),
            ("2001:db8::/32", Some(("connected", Subtracted))),
            ("2001:db8:1::/48", None),
            ("2001::/19", Some(("connected", Subtracted))),
            ("2001::/18", Some(("wider than /19", LeftOut))),
        ];
        for (entry, expected) in table {
            let guarded = guard(entry, PROTECTED).unwrap();
            let found = guarded
                .findings
                .first()
                .map(|it| (it.rule.as_str(), it.action));
            assert_eq!(found, expected, "{entry}");
            let kept = guarded.v4.len() + guarded.v6.len();
            let left_out = expected.is_some_and(|(_, action)| action == LeftOut);
            assert_eq!(
                (kept, guarded.left_out),
                (usize::from(!left_out), usize::from(left_out))
            );
        }
    }

    #[test]
    fn findings_name_line_and_entry() {
        let guarded = guard("# box\n203.0.113.7\n192.0.2.0/24\n", PROTECTED).unwrap();
        let finding = &guarded.findings[0];
        assert_eq!(
            (finding.line, finding.entry),
            (3, Prefix::V4(0xc000_0200, 24))
        );
        let entries: Vec<_> = guarded.entries_v4(3).collect();
        assert_eq!(
            entries[0],
            Entry {
                address: 0xcb00_7107,
                length: 32,
                source: 3
            }
        );
    }

    #[test]
    fn findings_are_capped_and_counted() {
        let guarded = guard(&"10.0.0.1\n192.0.2.0/24\n".repeat(500), PROTECTED).unwrap();
        assert_eq!(guarded.findings.len(), FINDINGS_KEPT);
        assert_eq!(
            (guarded.left_out, guarded.subtracted, guarded.v4.len()),
            (500, 500, 500)
        );
    }

    #[test]
    fn everything_refuses_the_feed() {
        for all in ["0.0.0.0/0", "::/0", "0.0.0.0-255.255.255.255"] {
            let refused = guard(&format!("192.0.2.1\n{all}\n"), &[])
                .unwrap_err()
                .to_string();
            assert!(refused.contains("line 2 lists") && refused.contains("every address"));
        }
    }

    #[test]
    fn garbage_is_refused_and_a_proven_empty_list_is_not() {
        let refused = guard("Umm... every 30 minutes\n", &[])
            .unwrap_err()
            .to_string();
        assert!(refused.contains("no entry in 1 lines, the first rejected is line 1: Umm"));
        assert!(guard("# box\n", &[]).is_err());
        assert!(guard("", &[]).is_err());
        let mut parsed = Parsed {
            complete: true,
            ..Parsed::default()
        };
        assert!(check(&parsed, &[]).is_ok());
        parsed.rejected_count = 1;
        assert!(check(&parsed, &[]).is_err());
    }

    fn prefix() -> impl Strategy<Value = (u32, u8)> {
        // Few distinct addresses, so that many prefixes meet.
        (0..64_u32, 8..=32_u8).prop_map(|(number, length)| ((number << 26).first(length), length))
    }

    proptest! {
        #[test]
        fn like_comparing_with_every_protected_prefix(
            entries in prop::collection::vec(prefix(), 1..20),
            list in prop::collection::vec(prefix(), 0..20),
        ) {
            let v4 = entries.iter().map(|&(address, length)| Indicator { address, line: 1, length, port: 0 });
            let parsed = Parsed { v4: v4.collect(), entries: entries.len(), ..Parsed::default() };
            let list: Vec<_> = list.into_iter().map(|(address, length)| Protected {
                prefix: Prefix::V4(address, length),
                kind: String::new(),
            }).collect();
            let inside = |entry: &(u32, u8), outer: &Protected| {
                matches!(outer.prefix, Prefix::V4(address, length)
                    if length <= entry.1 && entry.0.first(length) == address)
            };
            let contains = |entry: &(u32, u8), inner: &Protected| {
                matches!(inner.prefix, Prefix::V4(address, length)
                    if length > entry.1 && address.first(entry.1) == entry.0)
            };
            let is_inside = |entry: &&(u32, u8)| list.iter().any(|outer| inside(entry, outer));
            let left_out = entries.iter().filter(is_inside).count();
            let kept = entries.iter().filter(|entry| !is_inside(entry));
            let subtracted = kept.filter(|entry| list.iter().any(|inner| contains(entry, inner))).count();
            let guarded = check(&parsed, &list).unwrap();
            prop_assert_eq!((guarded.left_out, guarded.subtracted), (left_out, subtracted));
        }
    }
}
