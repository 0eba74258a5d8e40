//! Staging: what a feed lists anew is monitored for a while before it drops anything, and does not go
//! on where it was called from many inside hosts meanwhile. Pure.
//!
//! An update is *judged* when the time of what it brought is over. What came with updates that are not
//! judged yet waits; what was judged goes on or is held back. Since when an entry is listed, in whole
//! seconds, is told by the feed's [records](super::records): it is the time at which the update began,
//! so that only what a feed itself lists says up to when it was judged, and no clock.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    time::Duration,
};

use anyhow::Result;
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::store;
use crate::address::{Address, Prefix};

/// The shortest time to wait: updates are told apart by seconds.
pub const SHORTEST: SignedDuration = SignedDuration::from_secs(2);

/// What could not be judged when it was time is looked at again after this.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// Which new entries wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entries {
    /// Those that are about more than one network of somebody: wider than /24 (IPv4), the least that
    /// is routed, or /48 (IPv6), which a site gets (RFC 6177). Not those that are listed when the feed
    /// drops for the first time.
    #[default]
    Wide,
    /// Every one, also those that are listed by then.
    All,
}

/// How new entries of a feed wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How long.
    pub wait: Duration,
    /// Which of them.
    pub entries: Entries,
    /// Calls from more inside hosts than that hold an entry back.
    pub max_hosts: usize,
}

impl Rule {
    /// Whether an entry for `prefix` waits when it is new.
    pub fn concerns(&self, prefix: Prefix) -> bool {
        match (self.entries, prefix) {
            (Entries::All, _) => true,
            (Entries::Wide, Prefix::V4(_, length)) => length < 24,
            (Entries::Wide, Prefix::V6(_, length)) => length < 48,
        }
    }

    /// Until when an entry waits that is listed since then, where calls are seen since `watched`.
    fn until(&self, since: Timestamp, watched: Option<Timestamp>) -> Timestamp {
        let begin = watched.map_or(since, |watched| watched.max(since));
        begin.checked_add(self.wait).unwrap_or(Timestamp::MAX)
    }
}

/// What is written down about the staging of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// What is listed since this second or before has been judged; `None` before the feed dropped
    /// anything.
    pub judged: Option<Timestamp>,
    /// Since when the filter sees calls without a break, where that is later than it was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<Timestamp>,
    /// What does not go on.
    pub held_back: Vec<HeldBack>,
    /// When something that waits is to be judged next.
    pub next: Option<Timestamp>,
}

/// An entry that was called from too many inside hosts while it waited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    /// The entry.
    pub entry: IpNet,
    /// When it was judged.
    pub since: Timestamp,
    /// How many hosts called it.
    pub hosts: usize,
}

/// How an entry stands that is only monitored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It goes on at this time, unless it is held back then.
    Waits(Timestamp),
    /// So many inside hosts called it.
    HeldBack(usize),
}

/// A host inside that called an address outside and got through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who was called.
    pub remote: IpAddr,
    /// Who called.
    pub inside: IpAddr,
    /// The last time.
    pub last: Timestamp,
}

/// The entries of a feed that are only monitored, because they are new or were held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    rule: Rule,
    since: HashMap<Prefix, Timestamp>,
    stage: Stage,
    held_back: HashMap<Prefix, usize>,
    /// The newest of what is listed; `None` if nothing new is.
    newest: Option<Timestamp>,
}

impl Waiting {
    /// What waits by `rule` of what is `listed`, since the second of each; `None` if nothing of it is
    /// newer than what was judged. Records of one prefix are beside each other. What is no longer listed
    /// is not held back any more, nor what came back: it waits anew. `copy` is when the update began
    /// that brought all of it, as far as that is known: one that lists nothing is judged as well.
    pub fn new(
        rule: Rule,
        mut stage: Stage,
        copy: Option<Timestamp>,
        listed: Option<impl Iterator<Item = (Prefix, u32)>>,
    ) -> Self {
        let mut held_back: HashMap<Prefix, usize> = HashMap::new();
        let known = stage.held_back.iter();
        let known: HashMap<Prefix, usize> = known.map(|it| (it.entry.into(), it.hosts)).collect();
        let mut since = HashMap::new();
        let judged = stage.judged;
        let Some(listed) = listed else {
            return Self {
                rule,
                since,
                stage,
                held_back: known,
                newest: judged,
            };
        };
        let mut newest = judged.max(copy);
        for (prefix, second) in by_prefix(listed) {
            let time = Timestamp::from_second(second.into()).unwrap_or_default();
            newest = newest.max(Some(time));
            if !stage.is_new(time) {
                held_back.extend(known.get_key_value(&prefix));
            } else if rule.concerns(prefix) {
                since.insert(prefix, time);
            }
        }
        let is_there = |held: &HeldBack| held_back.contains_key(&held.entry.into());
        stage.held_back.retain(is_there);
        Self {
            rule,
            since,
            stage,
            held_back,
            newest,
        }
    }

    /// How the entry for `prefix` stands; `None` if it has the wish of its feed.
    pub fn standing(&self, prefix: Prefix) -> Option<Standing> {
        let since = self.since.get(&prefix).copied();
        let waits = since.map(|since| Standing::Waits(self.until(since)));
        waits.or_else(|| self.held_back.get(&prefix).copied().map(Standing::HeldBack))
    }

    /// Whether every entry has the wish of its feed.
    pub fn is_empty(&self) -> bool {
        self.since.is_empty() && self.held_back.is_empty()
    }

    /// How many entries wait.
    pub fn entries(&self) -> usize {
        self.since.len()
    }

    /// What is held back.
    pub fn held_back(&self) -> &[HeldBack] {
        &self.stage.held_back
    }

    /// When the first and when the last of what waits is to be judged.
    pub fn ends(&self) -> Option<[Timestamp; 2]> {
        let all = || self.since.values().copied();
        Some([all().min()?, all().max()?].map(|since| self.until(since)))
    }

    fn until(&self, since: Timestamp) -> Timestamp {
        self.rule.until(since, self.stage.watched)
    }

    /// A text that is another one where other entries are monitored, and where something was judged.
    pub fn key(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let waits = self.since.keys().map(|&prefix| (prefix, "waits"));
        let held_back = self.held_back.keys().map(|&prefix| (prefix, "held"));
        let mut entries: Vec<(Prefix, &str)> = waits.chain(held_back).collect();
        entries.sort_unstable();
        // There may be a million of them: no text of all.
        let mut digest = Sha256::new();
        for (prefix, word) in entries {
            digest.update(format!("{word} {prefix:?}\n"));
        }
        store::hexadecimal(&digest.finalize().into())
    }

    /// Judges what is over at `now`: what is to be written down, and what is newly held back. `calls`
    /// is asked if anything is over.
    ///
    /// # Errors
    /// That of `calls`.
    pub fn judge(
        self,
        now: Timestamp,
        calls: impl FnOnce() -> Result<Vec<Call>>,
    ) -> Result<(Stage, Vec<HeldBack>)> {
        let (rule, watched) = (self.rule, self.stage.watched);
        // An entry from the future was listed before the clock was set back: nobody knows when.
        let is_over = |since| since > now || rule.until(since, watched) <= now;
        let (over, waiting): (Vec<_>, Vec<_>) = self
            .since
            .into_iter()
            .partition(|(_, since)| is_over(*since));
        let found = match over.is_empty() {
            true => Vec::new(),
            false => called(&over, calls()?, rule.max_hosts, now),
        };
        let first = waiting.iter().map(|(_, since)| *since).min();
        let before = first.and_then(|it| it.checked_sub(SignedDuration::from_secs(1)).ok());
        let mut stage = self.stage;
        // Held back stays what was held back of an update that is judged once more.
        stage
            .held_back
            .retain(|held| found.iter().all(|it| it.entry != held.entry));
        stage.held_back.extend(found.iter().cloned());
        stage.judged = before.or(self.newest);
        stage.next = first.map(|since| rule.until(since, watched));
        stage.watched = watched.filter(|_| first.is_some());
        Ok((stage, found))
    }

    /// What is to be written down if everything goes on that is listed.
    pub fn let_go(&self) -> Stage {
        Stage {
            judged: self.newest,
            ..Stage::default()
        }
    }
}

/// Each prefix once, since the first time that any of its records has.
fn by_prefix(listed: impl Iterator<Item = (Prefix, u32)>) -> impl Iterator<Item = (Prefix, u32)> {
    let mut listed = listed.peekable();
    std::iter::from_fn(move || {
        let (prefix, mut since) = listed.next()?;
        while let Some((_, other)) = listed.next_if(|it| it.0 == prefix) {
            since = since.min(other);
        }
        Some((prefix, since))
    })
}

impl Stage {
    /// Whether what is listed since then is not judged yet; nothing is before the first time.
    pub fn is_new(&self, since: Timestamp) -> bool {
        self.judged
            .is_some_and(|judged| judged.as_second() < since.as_second())
    }

    /// The same where a clock was set back since the last judgement, and `copy` is when the update began
    /// that brought what is listed now: that was never judged. `None` where it is right as it is.
    pub fn set_back(&self, copy: Timestamp, now: Timestamp) -> Option<Self> {
        let is_ahead = self.judged?.as_second() > now.as_second();
        let before = copy.checked_sub(SignedDuration::from_secs(1)).ok()?;
        (is_ahead && copy.as_second() <= now.as_second()).then(|| Self {
            judged: Some(before),
            ..self.clone()
        })
    }

    /// When to look whether something is to be judged, by who has just looked: what is due by then can
    /// not be judged for now.
    pub fn next_look(&self, now: Timestamp) -> Option<Timestamp> {
        let again = now.saturating_add(AGAIN).unwrap_or(Timestamp::MAX);
        self.next.map(|next| if next > now { next } else { again })
    }
}

/// What of an address is one host: IPv6 hosts take another address each day (RFC 8981), within a /64.
fn host(inside: IpAddr) -> IpAddr {
    match inside {
        IpAddr::V4(_) => inside,
        IpAddr::V6(address) => address.to_bits().first(64).to_ip(),
    }
}

/// Those of the entries that more than `max_hosts` inside hosts called since they are listed.
fn called(
    entries: &[(Prefix, Timestamp)],
    mut calls: Vec<Call>,
    max_hosts: usize,
    now: Timestamp,
) -> Vec<HeldBack> {
    calls.sort_unstable_by_key(|call| call.remote);
    let mut held: Vec<HeldBack> = entries
        .iter()
        .filter_map(|&(prefix, since)| {
            let (net, [first, last]) = (prefix.net()?, prefix.ends());
            let begin = calls.partition_point(|call| call.remote < first);
            let within = calls[begin..].iter().take_while(|call| call.remote <= last);
            let recent = within.filter(|call| call.last >= since);
            let hosts: BTreeSet<IpAddr> = recent.map(|call| host(call.inside)).collect();
            (hosts.len() > max_hosts).then_some(HeldBack {
                entry: net,
                since: now,
                hosts: hosts.len(),
            })
        })
        .collect();
    held.sort_unstable_by_key(|held| held.entry);
    held
}

#[cfg(test)]
mod tests;
