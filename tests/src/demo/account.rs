//! What the demo has to show for itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests::lab::HOSTS;

use crate::traffic::Tally;

/// Everything that was sent, and what became of it.
#[derive(Debug, Default)]
pub struct Account {
    /// Indicators in force.
    pub entries: usize,
    /// Packets to and from listed addresses.
    pub listed: Tally,
    /// Packets to and from ordinary addresses.
    pub ordinary: Tally,
    /// Tagged and PPPoE frames to listed addresses.
    pub raw_listed: Tally,
    /// Tagged and PPPoE frames to ordinary addresses.
    pub raw_ordinary: Tally,
    /// An ordinary address: before it was blocked by hand, while it was, and after.
    pub manual: [Tally; 3],
    /// Whole rulesets put in force under traffic.
    pub swaps: u32,
    /// Packets to listed addresses meanwhile.
    pub swap_listed: Tally,
    /// Packets to ordinary addresses meanwhile.
    pub swap_ordinary: Tally,
    /// What each feed caught.
    pub feeds: Vec<FeedAccount>,
    /// The inside hosts that called out.
    pub inside_hosts: Vec<HostAccount>,
}

/// One feed.
#[derive(Debug)]
pub struct FeedAccount {
    /// Its name.
    pub name: String,
    /// Its entries, before the guard.
    pub entries: u64,
    /// Packets whose address it lists.
    pub packets: u64,
}

/// One inside host that called listed addresses.
#[derive(Debug)]
pub struct HostAccount {
    /// Its address.
    pub address: String,
    /// Listed addresses that it called.
    pub remotes: usize,
    /// Feeds that list them.
    pub feeds: BTreeSet<String>,
}

impl FeedAccount {
    /// A row of `feeds --json` with its row of `stats --json`.
    pub fn new(feed: &Value, stats: &[Value]) -> Self {
        let row = stats.iter().find(|row| row["source"] == feed["name"]);
        Self {
            name: feed["name"].as_str().unwrap_or_default().to_owned(),
            entries: feed["entries"].as_u64().unwrap_or(0),
            packets: row.and_then(|row| row["packets"].as_u64()).unwrap_or(0),
        }
    }
}

impl HostAccount {
    /// The callers among the rows of `hosts --json`.
    pub fn all(rows: &[Value]) -> Vec<Self> {
        let mut hosts: BTreeMap<String, Self> = BTreeMap::new();
        for row in rows.iter().filter(|row| row["direction"] == "outbound") {
            let address = row["inside"].as_str().unwrap_or_default().to_owned();
            let host = hosts.entry(address.clone()).or_insert_with(|| Self {
                address,
                remotes: 0,
                feeds: BTreeSet::new(),
            });
            host.remotes += 1;
            let sources = row["sources"].as_array().into_iter().flatten();
            host.feeds
                .extend(sources.filter_map(|source| source.as_str().map(str::to_owned)));
        }
        hosts.into_values().collect()
    }
}

impl Account {
    /// Every listed packet was dropped, every ordinary one arrived, and every caller is named.
    pub fn is_good(&self) -> bool {
        self.faults().is_empty()
    }

    /// What went wrong, for people.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let [before, blocked, after] = self.manual;
        for (what, tally) in [
            ("packets to or from listed addresses", self.listed),
            ("raw frames to listed addresses", self.raw_listed),
            ("packets to listed addresses during swaps", self.swap_listed),
            ("packets to an address blocked by hand", blocked),
        ] {
            if tally.arrived > 0 || tally.sent == 0 {
                faults.push(format!(
                    "{} of {} {what} arrived",
                    tally.arrived, tally.sent
                ));
            }
        }
        for (what, tally) in [
            ("packets to or from ordinary addresses", self.ordinary),
            ("raw frames to ordinary addresses", self.raw_ordinary),
            (
                "packets to ordinary addresses during swaps",
                self.swap_ordinary,
            ),
            ("packets before a block by hand", before),
            ("packets after an unblock by hand", after),
        ] {
            if tally.arrived != tally.sent || tally.sent == 0 {
                let lost = tally.sent - tally.arrived;
                faults.push(format!("{lost} of {} {what} were lost", tally.sent));
            }
        }
        for (v4, _) in HOSTS {
            if !self.inside_hosts.iter().any(|host| host.address == v4) {
                faults.push(format!("{v4} called out and is not named"));
            }
        }
        faults
    }

    /// The account as one object.
    pub fn to_json(&self) -> Value {
        json!({
            "entries": self.entries,
            "sent": self.listed.sent + self.ordinary.sent,
            "listed_sent": self.listed.sent,
            "listed_arrived": self.listed.arrived,
            "ordinary_sent": self.ordinary.sent,
            "ordinary_arrived": self.ordinary.arrived,
            "raw_sent": self.raw_listed.sent + self.raw_ordinary.sent,
            "raw_passed": self.raw_listed.arrived + self.raw_ordinary.arrived,
            "raw_listed_passed": self.raw_listed.arrived,
            "swaps": self.swaps,
            "swap_gap_leaks": self.swap_listed.arrived,
            "feeds": self.feeds.iter().map(|feed| json!({
                "name": feed.name, "entries": feed.entries, "packets": feed.packets,
            })).collect::<Vec<_>>(),
            "inside_hosts": self.inside_hosts.iter().map(|host| json!({
                "address": host.address, "remotes": host.remotes, "feeds": host.feeds,
            })).collect::<Vec<_>>(),
        })
    }
}
