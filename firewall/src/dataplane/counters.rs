//! Reads what the kernel counted: reasons, classes, the ledger.

use std::{
    collections::HashMap as StdHashMap,
    net::IpAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result};
use aya::maps::{HashMap, Map, MapData, PerCpuArray, RingBuf};
use firewall_common::{
    class::ClassId,
    ledger::{Direction, Event, LEDGER_ENTRIES, LedgerCounter, LedgerEntry, LedgerKey},
    reason::{Count, Reason},
};
use rustix::time::{ClockId, clock_gettime};

use super::Dataplane;

/// A ledger entry in the terms of user space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
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
    /// Ethernet address that the inside host, or the router it is behind, sent from.
    pub mac: Option<[u8; 6]>,
    /// VLAN that the inside host sent in, if there was a tag.
    pub vlan: Option<u16>,
    /// Packets and bytes.
    pub count: Count,
    /// Since boot.
    pub first_seen: Duration,
    /// Since boot.
    pub last_seen: Duration,
    /// Generation whose class table `class` refers to.
    pub generation: u32,
    /// Class of the last hit.
    pub class: ClassId,
    /// What came of the last hit.
    pub reason: Reason,
}

/// What the ledger does not know. Nothing, unless there was a flood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Entries made that are no longer there: newer ones took their room.
    pub evicted: u64,
    /// Packets that no entry counts, since too many would have been new.
    pub skipped: u64,
}

/// The service that a ledger entry is about, for people: `443/tcp`, `icmp`; the protocol's number
/// where it has no name here.
pub fn service(protocol: u8, port: u16) -> String {
    let name = match protocol {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        58 => "icmpv6",
        other => return format!("protocol {other}"),
    };
    match port {
        0 => name.to_owned(),
        port => format!("{port}/{name}"),
    }
}

/// Time since boot on the clock that the kernel program stamps hits with (`bpf_ktime_get_coarse_ns`,
/// Linux 5.11), without the time that the machine was suspended.
pub fn boot_time() -> Duration {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// The ring buffer of events. It has one reader: `run`.
pub struct Events(RingBuf<MapData>);

impl Events {
    /// The next event that waits, if one does.
    pub fn take(&mut self) -> Option<Event> {
        Event::from_bytes(&self.0.next()?)
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Dataplane {
    /// Opens the ring buffer of events.
    pub fn events(&self) -> Result<Events> {
        let path = self.pins.shared("events");
        let ring = RingBuf::try_from(Map::RingBuf(open(&path)?))
            .with_context(|| format!("the pin {} is no ring buffer", path.display()))?;
        Ok(Events(ring))
    }

    /// Packets and bytes by reason, of one interface, summed over all CPUs.
    pub fn reason_counts(&self, interface: &str) -> Result<Vec<(Reason, Count)>> {
        let counters = per_cpu_counts(&self.pins.counters(interface))?;
        Reason::ALL
            .iter()
            .map(|&reason| Ok((reason, sum(&counters, reason as u32)?)))
            .collect()
    }

    /// What one interface's program counted about the ledger, summed over all CPUs.
    pub fn ledger_counts(&self, interface: &str) -> Result<Vec<(LedgerCounter, Count)>> {
        let counters = per_cpu_counts(&self.pins.counters(interface))?;
        let index = |counter: LedgerCounter| Reason::ALL.len() as u32 + counter as u32;
        LedgerCounter::ALL
            .iter()
            .map(|&counter| Ok((counter, sum(&counters, index(counter))?)))
            .collect()
    }

    /// What the ledger, with `present` entries now, does not know.
    pub fn ledger_gaps(&self, present: usize) -> Result<Gaps> {
        let mut gaps = Gaps::default();
        let mut made = 0;
        for interface in self.counted_interfaces()? {
            for (counter, count) in self.ledger_counts(&interface)? {
                match counter {
                    LedgerCounter::New => made += count.packets,
                    LedgerCounter::Skipped => gaps.skipped += count.packets,
                    LedgerCounter::EventLost => {}
                }
            }
        }
        gaps.evicted = made.saturating_sub(present as u64);
        Ok(gaps)
    }

    /// Names of all interfaces that ever counted since the last unload.
    pub fn counted_interfaces(&self) -> Result<Vec<String>> {
        self.pins.counted_interfaces()
    }

    /// Packets and bytes by class of one generation, the index being the class.
    pub fn class_counts(&self, generation: u32) -> Result<Vec<Count>> {
        let counters = per_cpu_counts(&self.pins.generation(generation).join("class_counters"))?;
        (0..counters.len())
            .map(|class| sum(&counters, class))
            .collect()
    }

    /// Every entry of both ledgers, in no order.
    pub fn ledger(&self) -> Result<Vec<Hit>> {
        let mut hits = StdHashMap::new();
        for pin in ["ledger_outbound", "ledger_inbound"] {
            let path = self.pins.shared(pin);
            // Not to be allowed to look is no empty ledger.
            let is_there = path.try_exists();
            if is_there.with_context(|| format!("cannot read {}; run as root", path.display()))? {
                read_ledger(&path, &mut hits)?;
            }
        }
        Ok(hits.into_values().collect())
    }
}

fn per_cpu_counts(path: &Path) -> Result<PerCpuArray<MapData, Count>> {
    let map = open(path)?;
    PerCpuArray::try_from(Map::PerCpuArray(map))
        .with_context(|| format!("the pin {} holds no counters", path.display()))
}

fn open(path: &Path) -> Result<MapData> {
    MapData::from_pin(path).with_context(|| format!("cannot open the pin {}", path.display()))
}

fn sum(counters: &PerCpuArray<MapData, Count>, index: u32) -> Result<Count> {
    let values = counters.get(&index, 0).context("cannot read a counter")?;
    Ok(values.iter().copied().sum())
}

/// A walk starts over when the entry it stands on is evicted (`htab_map_get_next_key`,
/// kernel/bpf/hashtab.c), so keys may come twice, and it is bounded: under a flood it might never
/// reach the end.
fn read_ledger(path: &Path, hits: &mut StdHashMap<LedgerKey, Hit>) -> Result<()> {
    let ledger: HashMap<MapData, LedgerKey, LedgerEntry> =
        HashMap::try_from(Map::LruHashMap(open(path)?))
            .with_context(|| format!("the pin {} holds no ledger", path.display()))?;
    for key in ledger.keys().take(2 * LEDGER_ENTRIES) {
        let key = key.context("cannot walk the ledger")?;
        // Evicted between the two calls: no longer an entry.
        let Ok(entry) = ledger.get(&key, 0) else {
            continue;
        };
        if let Some(hit) = hit(&key, &entry) {
            hits.insert(key, hit);
        }
    }
    Ok(())
}

fn hit(key: &LedgerKey, entry: &LedgerEntry) -> Option<Hit> {
    Some(Hit {
        direction: Direction::from_raw(key.direction)?,
        inside: key.inside(),
        remote: key.remote(),
        protocol: key.protocol,
        port: key.port,
        mac: Some(entry.mac).filter(|mac| *mac != [0; 6]),
        vlan: Some(entry.vlan).filter(|vlan| *vlan != 0),
        count: Count {
            packets: entry.packets,
            bytes: entry.bytes,
        },
        first_seen: Duration::from_nanos(entry.first_seen),
        last_seen: Duration::from_nanos(entry.last_seen),
        generation: entry.generation,
        class: entry.class,
        reason: Reason::from_raw(entry.reason.into()),
    })
}
