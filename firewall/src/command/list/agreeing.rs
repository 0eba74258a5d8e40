//! How many feeds of a group want to block an entry.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;
use ipnet::IpNet;
use jiff::Timestamp;

use super::entries;
use crate::{
    feed::guard::hold::Hold,
    inputs::{Inputs, StoredFeed},
    ruleset::Group,
    subject::{Port, Subject},
};

/// What the feeds of each group want to block.
#[derive(Debug, Default)]
pub(super) struct Agreeing {
    groups: HashMap<String, Named>,
}

/// By which feeds each entry is named, and how long prefixes are.
#[derive(Debug, Default)]
struct Named {
    feeds: HashMap<Subject, Vec<usize>>,
    lengths: BTreeSet<u8>,
}

impl Agreeing {
    /// What is asked for at `now`, where one of `listed` is in a group. What waits agrees with nobody yet.
    pub(super) fn read(
        inputs: &Inputs,
        listed: &[StoredFeed],
        hold: &Hold<'_>,
        now: Timestamp,
    ) -> Result<Self> {
        let mut all = Self::default();
        if listed.iter().all(|it| it.feed.must_agree().is_none()) {
            return Ok(all);
        }
        for (number, stored) in inputs.feeds.iter().enumerate() {
            let group = stored.feed.must_agree();
            let Some(group) = group.filter(|_| !stored.is_expired(now)) else {
                continue;
            };
            let guarded = stored.held(&inputs.protected, hold)?;
            let own = entries(stored, &guarded).filter(|it| !it.waits);
            own.for_each(|it| all.add(group, number, it.subject));
        }
        Ok(all)
    }

    fn add(&mut self, group: &Group, feed: usize, subject: Subject) {
        let named = self.groups.entry(group.name.clone()).or_default();
        named.lengths.insert(subject.prefix.prefix_len());
        named.feeds.entry(subject).or_default().push(feed);
    }

    /// Whether enough feeds of `group` name all of `subject`.
    pub(super) fn is_enough(&self, group: &Group, subject: Subject) -> bool {
        let Some(named) = self.groups.get(&group.name) else {
            return false;
        };
        let feeds: BTreeSet<usize> = named.covering(subject).copied().collect();
        feeds.len() >= group.min_sources
    }
}

impl Named {
    fn covering(&self, subject: Subject) -> impl Iterator<Item = &usize> {
        let both = |port: Port| Port {
            protocol: None,
            ..port
        };
        let ports = [None, subject.port.map(both), subject.port];
        let lengths = self.lengths.range(..=subject.prefix.prefix_len());
        let prefixes = lengths.filter_map(move |it| IpNet::new(subject.prefix.addr(), *it).ok());
        let subjects = prefixes.flat_map(move |prefix| {
            let prefix = prefix.trunc();
            ports.map(|port| Subject { prefix, port })
        });
        subjects.filter_map(|it| self.feeds.get(&it)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_enough_feeds_name_as_a_whole_is_blocked() {
        let group = Group {
            name: "lists".to_owned(),
            min_sources: 2,
        };
        let mut agreeing = Agreeing::default();
        let named = [
            (0, "192.0.2.0/24"),
            (0, "192.0.2.7"),
            (1, "192.0.2.7"),
            (0, "2001:db8::/32"),
            (1, "2001:db8:1::/48"),
            (0, "203.0.113.7:443"),
            (1, "203.0.113.7:443/tcp"),
        ];
        for (feed, subject) in named {
            agreeing.add(&group, feed, subject.parse().unwrap());
        }
        for (subject, expected) in [
            ("192.0.2.0/24", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8::/32", false),
            ("2001:db8:1::/48", true),
            ("203.0.113.7:443/tcp", true),
            ("203.0.113.7:443", false),
            ("203.0.113.7", false),
        ] {
            let found = agreeing.is_enough(&group, subject.parse().unwrap());
            assert_eq!(found, expected, "{subject}");
        }
    }
}
