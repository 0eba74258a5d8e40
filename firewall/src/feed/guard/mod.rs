//! The guard: the checks between a parsed feed and the ruleset. Pure.
//!
//! A feed that asks for everything is refused as a whole. Entries that are too wide, or that are
//! nothing but protected addresses, are left out one by one; where an entry merely contains
//! protected addresses it stays, and compiling the ruleset subtracts them.
//!
//! What is asked of new content only, and never again of a copy that was good or that the operator
//! accepted: [`rejected`], and the [`gates`] of the feed with [`size`] and [`coverage`].

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    address::{Address, Prefix},
    config::Ports,
    protected::Protected,
    ruleset::{Ruleset, SourceId},
    subject::Port,
};

use super::{
    Refused,
    format::{Indicator, Parsed},
    records::Records,
};

pub mod coverage;
mod fence;
pub mod gates;
pub mod hold;
pub mod rejected;
pub mod size;

use fence::{Fence, Rule};
use gates::Shortest;

/// Findings kept with their entry; beyond that they are only counted.
pub const FINDINGS_KEPT: usize = 100;

/// What the guard does with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is not put in force.
    LeftOut,
    /// It is put in force without the protected addresses in it.
    Subtracted,
    /// It is not put in force unless the operator says so: a protect list has addresses of it.
    Held,
}

/// One entry that the guard did not take as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Line of the content, from 1.
    pub line: u32,
    /// The entry.
    pub entry: IpNet,
    /// The rule that it meets, for people: `wider than /8`, the kind of protected address, or the
    /// protect list that holds it.
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
    /// Indicators that are held, by protect list.
    pub held: BTreeMap<String, usize>,
}

impl Guarded {
    /// Adds the indicators as entries of the `source` of their prefix.
    pub fn add_to(&self, ruleset: &mut Ruleset, source: impl Fn(Prefix) -> SourceId, ports: Ports) {
        let exact = |port: Option<Port>| ports == Ports::Exact && port.is_some();
        let v4 = self.v4.iter().filter(|it| !exact(it.port));
        ruleset
            .v4
            .extend(v4.map(|it| it.entry(source(Prefix::V4(it.address, it.length)))));
        let v6 = self.v6.iter().filter(|it| !exact(it.port));
        ruleset
            .v6
            .extend(v6.map(|it| it.entry(source(Prefix::V6(it.address, it.length)))));
        let v4 = self.v4.iter().filter(|it| exact(it.port));
        let v6 = self.v6.iter().filter(|it| exact(it.port));
        let subjects = v4.map(Indicator::subject).chain(v6.map(Indicator::subject));
        subjects
            .flatten()
            .for_each(|it| ruleset.add(&it, source(it.prefix.into())));
    }

    fn record<A: Address>(&mut self, indicator: &Indicator<A>, rule: &Rule<'_>) {
        match rule.action() {
            Action::Subtracted => self.subtracted += 1,
            _ => self.left_out += 1,
        }
        if self.findings.len() < FINDINGS_KEPT {
            let found = (rule.to_string(), rule.action());
            self.findings.extend(finding(indicator, found));
        }
    }
}

fn finding<A: Address>(
    indicator: &Indicator<A>,
    (rule, action): (String, Action),
) -> Option<Finding> {
    Some(Finding {
        line: indicator.line,
        entry: indicator.net()?,
        rule,
        action,
    })
}

/// The indicators of `parsed` that may be put in force, given the `protected` addresses, and no prefix
/// shorter than the `shortest`.
///
/// # Errors
/// An entry covers a whole address family, or there is no entry and the content does not prove
/// that the list is meant to be empty.
pub fn check(
    parsed: &Parsed,
    protected: &[Protected],
    shortest: Shortest,
) -> Result<Guarded, Refused> {
    check_not_garbage(parsed)?;
    check_not_everything(&parsed.v4, &parsed.v6)?;
    Ok(keep((&parsed.v4, &parsed.v6), protected, shortest))
}

/// As [`check`], of a copy that was good.
///
/// # Errors
/// An entry covers a whole address family.
pub fn check_again(
    records: &Records,
    protected: &[Protected],
    shortest: Shortest,
) -> Result<Guarded, Refused> {
    check_not_everything(&records.v4, &records.v6)?;
    Ok(keep((&records.v4, &records.v6), protected, shortest))
}

fn keep(
    (all_v4, all_v6): (&[Indicator<u32>], &[Indicator<u128>]),
    protected: &[Protected],
    shortest: Shortest,
) -> Guarded {
    let mut guarded = Guarded::default();
    guarded.v4 = Fence::new(shortest.v4, of_family(protected, v4))
        .keep(all_v4, |it, rule| guarded.record(it, &rule));
    guarded.v6 = Fence::new(shortest.v6, of_family(protected, v6))
        .keep(all_v6, |it, rule| guarded.record(it, &rule));
    guarded
}

/// Address, length and kind of the protected prefixes of one family.
fn of_family<A>(
    protected: &[Protected],
    family: impl Fn(IpNet) -> Option<(A, u8)>,
) -> impl Iterator<Item = (A, u8, &str)> {
    protected.iter().filter_map(move |it| {
        let (address, length) = family(it.prefix)?;
        Some((address, length, it.kind.as_str()))
    })
}

fn v4(prefix: IpNet) -> Option<(u32, u8)> {
    match Prefix::from(prefix) {
        Prefix::V4(address, length) => Some((address, length)),
        Prefix::V6(..) => None,
    }
}

fn v6(prefix: IpNet) -> Option<(u128, u8)> {
    match Prefix::from(prefix) {
        Prefix::V4(..) => None,
        Prefix::V6(address, length) => Some((address, length)),
    }
}

fn check_not_garbage(parsed: &Parsed) -> Result<(), Refused> {
    let proven_empty = parsed.complete && parsed.rejected_count == 0 && parsed.unusable() == 0;
    if parsed.entries > 0 || proven_empty {
        return Ok(());
    }
    let first = parsed.rejected.first().map_or(String::new(), |first| {
        format!(
            ", the first rejected is line {}: {} ({})",
            first.line, first.text, first.reason
        )
    });
    let skipped = parsed.skipped.iter();
    let skipped: String = skipped
        .map(|(why, count)| format!(", {count} {}", why.as_str()))
        .collect();
    Err(Refused(format!(
        "no entry in {} lines{skipped}{first}; check the address and the format of the feed",
        parsed.lines
    )))
}

fn check_not_everything(v4: &[Indicator<u32>], v6: &[Indicator<u128>]) -> Result<(), Refused> {
    let v4 = v4.iter().find(|it| it.length == 0);
    let v4 = v4.map(|it| (it.line, "0.0.0.0/0"));
    let v6 = || {
        v6.iter()
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
    use proptest::prelude::*;

    use super::*;
    use crate::ruleset::Entry;
    use crate::{
        feed::format::{self, Format, How},
        protected::Kind,
    };

    fn protected(list: &[(&str, Kind)]) -> Vec<Protected> {
        let one = |&(prefix, kind): &(&str, Kind)| Protected {
            prefix: prefix.parse().unwrap(),
            kind,
        };
        list.iter().map(one).collect()
    }

    fn guard(text: &str, list: &[(&str, Kind)]) -> Result<Guarded, Refused> {
        let parsed = format::parse(Format::Plain, &How::default(), text.as_bytes()).unwrap();
        check(&parsed, &protected(list), Shortest::default())
    }

    const PROTECTED: &[(&str, Kind)] = &[
        ("192.0.2.0/25", Kind::Connected),
        ("192.0.2.1/32", Kind::Own),
        ("198.51.100.1/24", Kind::InsidePrefix),
        ("2001:db8::/48", Kind::Connected),
        ("10.0.0.0/8", Kind::Special),
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
            ("198.51.100.255", Some(("inside prefix", LeftOut))),
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
            (3, "192.0.2.0/24".parse().unwrap())
        );
        let mut ruleset = Ruleset::default();
        guarded.add_to(&mut ruleset, |_| 3, Ports::Exact);
        assert_eq!(
            ruleset.v4[0],
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
        assert!(check(&parsed, &[], Shortest::default()).is_ok());
        parsed.rejected_count = 1;
        assert!(check(&parsed, &[], Shortest::default()).is_err());
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
            let v4 = entries.iter().map(|&(address, length)| Indicator { address, line: 1, since: 0, length, port: None });
            let parsed = Parsed { v4: v4.collect(), entries: entries.len(), ..Parsed::default() };
            let list: Vec<_> = list.into_iter().map(|(address, length)| Protected {
                prefix: IpNet::new(address.to_ip(), length).unwrap(),
                kind: Kind::Special,
            }).collect();
            let inside = |entry: &(u32, u8), outer: &Protected| {
                matches!(outer.prefix.into(), Prefix::V4(address, length)
                    if length <= entry.1 && entry.0.first(length) == address)
            };
            let contains = |entry: &(u32, u8), inner: &Protected| {
                matches!(inner.prefix.into(), Prefix::V4(address, length)
                    if length > entry.1 && address.first(entry.1) == entry.0)
            };
            let is_inside = |entry: &&(u32, u8)| list.iter().any(|outer| inside(entry, outer));
            let left_out = entries.iter().filter(is_inside).count();
            let kept = entries.iter().filter(|entry| !is_inside(entry));
            let subtracted = kept.filter(|entry| list.iter().any(|inner| contains(entry, inner))).count();
            let guarded = check(&parsed, &list, Shortest::default()).unwrap();
            prop_assert_eq!((guarded.left_out, guarded.subtracted), (left_out, subtracted));
        }
    }
}
