//! Who names an address, and what he asks for.

use std::collections::BTreeSet;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::Serialize;

use crate::{command::table, ruleset::Group, subject::Subject};

/// A source that names the address.
#[derive(Debug, Serialize)]
pub struct Naming {
    pub source: String,
    /// What the source asks for: `enforce`, `monitor`, `allow`, `exempt`, `protect`.
    pub asks: &'static str,
    pub prefix: Subject,
    /// Whether only what opens something from outside matters.
    pub opening: bool,
    /// Line in the last good copy of a feed.
    pub line: Option<u32>,
    pub since: Option<Timestamp>,
    /// `since` is when records begin, the entry may be older.
    pub or_before: bool,
    /// When it ends.
    pub until: Option<Timestamp>,
    /// Why it is only monitored though its feed drops: it is new, or held back.
    pub staged: Option<String>,
    /// With which feeds it has to agree before it blocks.
    pub agreement: Option<Agreement>,
    /// The operator's words, or why the entry is left out.
    pub note: Option<String>,
}

/// What becomes of an entry depends on how many feeds of a group have it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Agreement {
    group: String,
    /// How many feeds must agree.
    min_feeds: usize,
    /// How many do.
    feeds: usize,
}

impl Agreement {
    /// With feeds of `group`, not counted yet.
    pub fn of(group: &Group) -> Self {
        Self {
            group: group.name.clone(),
            min_feeds: group.min_sources,
            feeds: 0,
        }
    }

    fn text(&self) -> String {
        let Self {
            group,
            min_feeds,
            feeds,
        } = self;
        match feeds < min_feeds {
            true => format!(", only {feeds} of {min_feeds} feeds that must agree (group {group})"),
            false => format!(", {feeds} feeds of group {group} agree"),
        }
    }
}

/// Counts who agrees on the address, and on each of its ports: what too few feeds want to block is
/// monitored.
pub fn agree(namings: &mut [Naming]) {
    let feeds: Vec<usize> = namings.iter().map(|it| agreeing(namings, it)).collect();
    for (naming, feeds) in namings.iter_mut().zip(feeds) {
        if let Some(agreement) = &mut naming.agreement {
            agreement.feeds = feeds;
            if naming.asks == "enforce" && feeds < agreement.min_feeds {
                naming.asks = "monitor";
            }
        }
    }
}

/// The feeds of the same group that want to block what `naming` is about.
fn agreeing(namings: &[Naming], naming: &Naming) -> usize {
    let group = |it: &Naming| it.agreement.as_ref().map(|it| it.group.clone());
    // All of them are about one address, whatever else their prefixes cover.
    let at = |it: &Naming| Subject {
        port: it.prefix.port,
        prefix: IpNet::from(naming.prefix.prefix.addr()),
    };
    let same = namings.iter().filter(|other| {
        other.asks == "enforce" && group(other) == group(naming) && at(other).covers(&at(naming))
    });
    let names: BTreeSet<&str> = same.map(|it| it.source.as_str()).collect();
    names.len()
}

impl Naming {
    /// A source that asks for this, and says no more.
    pub fn new(asks: &'static str, prefix: Subject) -> Self {
        Self {
            source: String::new(),
            asks,
            prefix,
            opening: false,
            line: None,
            since: None,
            or_before: false,
            until: None,
            staged: None,
            agreement: None,
            note: None,
        }
    }

    /// In a line.
    pub fn text(&self, now: Timestamp) -> String {
        let mut text = format!(
            "  {} {}: {}",
            self.source,
            self.asks_in_words(),
            self.prefix
        );
        if let Some(line) = self.line {
            text.push_str(&format!(", line {line}"));
        }
        if let Some(since) = self.since {
            let or_before = if self.or_before { " or before" } else { "" };
            let ago = table::ago(since, now);
            text.push_str(&format!(", since {since:.0}{or_before} ({ago})"));
        }
        if let Some(until) = self.until {
            text.push_str(&format!(", until {until:.0}"));
        }
        if let Some(staged) = &self.staged {
            text.push_str(&format!(", {staged}"));
        }
        if let Some(agreement) = self.agreement.as_ref().filter(|_| self.asks != "nothing") {
            text.push_str(&agreement.text());
        }
        if let Some(note) = &self.note {
            text.push_str(&format!(" ({note})"));
        }
        text
    }

    fn asks_in_words(&self) -> &'static str {
        match self.asks {
            "enforce" if self.opening => "blocks what comes from outside to open something",
            "monitor" if self.opening => "monitors what comes from outside to open something",
            "enforce" => "blocks",
            "monitor" => "monitors",
            "allow" => "allows",
            "exempt" => "exempts",
            "protect" => "is protected",
            _ => "lists",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `feed asks subject`; all of them in a group of which two must agree, but for `alone`.
    fn naming(text: &str) -> Naming {
        let words: Vec<&str> = text.split(' ').collect();
        let asks = ["enforce", "nothing"]
            .into_iter()
            .find(|it| *it == words[1]);
        let group = Group {
            name: "lists".to_owned(),
            min_sources: 2,
        };
        Naming {
            source: words[0].to_owned(),
            agreement: (words[0] != "alone").then(|| Agreement::of(&group)),
            ..Naming::new(asks.unwrap(), words[2].parse().unwrap())
        }
    }

    #[test]
    fn feeds_of_a_group_block_what_enough_of_them_want_to_block() {
        let table: [(&[&str], &[&str]); 6] = [
            (&["a enforce 192.0.2.0/24"], &["monitor 1"]),
            (
                &["a enforce 192.0.2.0/24", "a enforce 192.0.2.7"],
                &["monitor 1", "monitor 1"],
            ),
            (
                &["a enforce 192.0.2.0/24", "b enforce 192.0.2.7"],
                &["enforce 2", "enforce 2"],
            ),
            (
                &["a enforce 192.0.2.0/24", "alone enforce 192.0.2.7"],
                &["monitor 1", "enforce"],
            ),
            (
                &["a enforce 192.0.2.7", "b nothing 192.0.2.7"],
                &["monitor 1", "nothing 1"],
            ),
            (
                &[
                    "a enforce 192.0.2.7",
                    "b enforce 192.0.2.7:443/tcp",
                    "c enforce 192.0.2.7:443/udp",
                    "b enforce 192.0.2.7:80",
                ],
                &["monitor 1", "enforce 2", "enforce 2", "enforce 2"],
            ),
        ];
        for (said, expected) in table {
            let mut namings: Vec<Naming> = said.iter().map(|it| naming(it)).collect();
            agree(&mut namings);
            let found = namings.iter().map(|it| match &it.agreement {
                Some(agreement) => format!("{} {}", it.asks, agreement.feeds),
                None => it.asks.to_owned(),
            });
            assert_eq!(found.collect::<Vec<_>>(), expected, "{said:?}");
        }
    }
}
