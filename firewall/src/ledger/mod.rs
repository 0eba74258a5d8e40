//! Who inside talked to which listed address: what the kernel counts, and what was written down of it.
//!
//! An entry of the kernel's ledger only grows until newer ones take its room. Nobody else ends it, so
//! what it grew by since it was last read is what is new, however often it is read and by whom.

mod sums;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::Path,
};

use anyhow::Result;
use firewall_common::{
    ledger::Direction,
    reason::{Count, Verdict},
};
use jiff::{SignedDuration, Timestamp};

pub use sums::Sums;

use crate::{
    dataplane::{Dataplane, Hit, boot_time},
    file,
    record::{Record, Records},
};

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Which way it went.
    pub direction: Direction,
    /// The inside host.
    pub inside: IpAddr,
    /// The other end.
    pub remote: IpAddr,
    /// Protocol number; 0 also where it was not seen.
    pub protocol: u8,
    /// Port of the service; 0 where there is none to see.
    pub port: u16,
}

/// All that is known under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Packets and bytes.
    pub count: Count,
    /// When the first hit was.
    pub first_seen: Timestamp,
    /// When the last hit was.
    pub last_seen: Timestamp,
    /// Whether the last hit was dropped.
    pub dropped: bool,
    /// Ethernet address that the inside host, or the router it is behind, sent from.
    pub mac: Option<[u8; 6]>,
    /// VLAN that the inside host sent in, if there was a tag.
    pub vlan: Option<u16>,
    /// Who listed the address at the last hit.
    pub sources: Vec<String>,
    /// The kernel's entry that was read last.
    reading: Reading,
}

/// An entry of the kernel, told from later ones under the same key, and how far it had counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    /// `/proc/sys/kernel/random/boot_id`.
    boot: String,
    /// When it was made, in nanoseconds since boot.
    made: u64,
    /// What it had counted.
    count: Count,
}

impl Entry {
    /// Takes in what the kernel has under the same key now.
    fn update(&mut self, now: Entry) {
        let grown = self.reading.growth(&now.reading);
        *self = Entry {
            count: [self.count, grown].into_iter().sum(),
            first_seen: self.first_seen,
            mac: now.mac.or(self.mac),
            vlan: now.vlan.or(self.vlan),
            ..now
        };
    }
}

impl Reading {
    /// What was counted between this reading and `later`.
    fn growth(&self, later: &Reading) -> Count {
        let before = match self.boot == later.boot && self.made == later.made {
            true => self.count,
            false => Count::default(),
        };
        Count {
            packets: later.count.packets.saturating_sub(before.packets),
            bytes: later.count.bytes.saturating_sub(before.bytes),
        }
    }
}

/// What the kernel's ledger has at this moment.
pub fn live(dataplane: &Dataplane, records: &Records) -> Result<Vec<(Key, Entry)>> {
    let hits = dataplane.ledger()?;
    let numbers: BTreeSet<u32> = hits.iter().map(|hit| hit.generation).collect();
    let records: Result<Vec<Option<Record>>> =
        numbers.into_iter().map(|it| records.read(it)).collect();
    let records: Vec<Record> = records?.into_iter().flatten().collect();
    let (clock, boot) = (Clock::read(), boot_id()?);
    let entry = |hit: &Hit| (key(hit), entry(hit, &records, &clock, &boot));
    Ok(hits.iter().map(entry).collect())
}

/// What was written down in the file at `path`, brought up to date with what the kernel has.
pub fn merged(path: &Path, live: Vec<(Key, Entry)>) -> Result<BTreeMap<Key, Entry>> {
    let mut entries = Sums::read(path)?;
    for (key, now) in live {
        match entries.get_mut(&key) {
            Some(entry) => entry.update(now),
            None => drop(entries.insert(key, now)),
        }
    }
    Ok(entries)
}

fn key(hit: &Hit) -> Key {
    Key {
        direction: hit.direction,
        inside: hit.inside,
        remote: hit.remote,
        protocol: hit.protocol,
        port: hit.port,
    }
}

fn entry(hit: &Hit, records: &[Record], clock: &Clock, boot: &str) -> Entry {
    let mut records = records.iter();
    let record = records.find(|record| record.number == hit.generation);
    let class = record.and_then(|record| record.class(hit.class));
    Entry {
        count: hit.count,
        first_seen: clock.wall(hit.first_seen),
        last_seen: clock.wall(hit.last_seen),
        dropped: hit.reason.verdict() == Verdict::Drop,
        mac: hit.mac,
        vlan: hit.vlan,
        sources: class.map(|class| class.sources.clone()).unwrap_or_default(),
        reading: Reading {
            boot: boot.to_owned(),
            made: u64::try_from(hit.first_seen.as_nanos()).unwrap_or(u64::MAX),
            count: hit.count,
        },
    }
}

fn boot_id() -> Result<String> {
    let id = file::read(Path::new("/proc/sys/kernel/random/boot_id"))?;
    Ok(String::from_utf8_lossy(&id.unwrap_or_default())
        .trim()
        .to_owned())
}

/// Both clocks at one moment: hits are stamped with the time since boot, which no step of the wall
/// clock touches.
struct Clock {
    wall: Timestamp,
    boot: std::time::Duration,
}

impl Clock {
    fn read() -> Self {
        Self {
            wall: Timestamp::now(),
            boot: boot_time(),
        }
    }

    /// The wall-clock time of a moment given as time since boot.
    fn wall(&self, moment: std::time::Duration) -> Timestamp {
        let ago = SignedDuration::try_from(self.boot.saturating_sub(moment)).unwrap_or_default();
        self.wall.checked_sub(ago).unwrap_or(self.wall)
    }
}
