//! `hosts`: which machine inside talked to a listed address, since when, and who lists it.

use std::{cmp::Reverse, collections::BTreeSet, io::Write, net::IpAddr};

use anyhow::Result;
use firewall_common::{
    ledger::Direction,
    reason::{Count, Verdict},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Ending, table, write_json};
use crate::{
    dataplane::{Gaps, Hit, boot_time, service},
    filter::Filter,
    record::{Record, Records},
};

/// A line of the answer.
#[derive(Debug, Serialize)]
pub struct Row {
    inside: IpAddr,
    /// Of the inside host, or of the router it is behind, once it was seen sending.
    mac: Option<String>,
    vlan: Option<u16>,
    direction: &'static str,
    remote: IpAddr,
    protocol: u8,
    /// Of the service; none where there is none to see.
    port: Option<u16>,
    packets: u64,
    bytes: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
    verdict: &'static str,
    sources: Vec<String>,
}

/// Prints the ledger; negative if nothing is attached that could see anybody. Who called out comes
/// first, then who was called, then our own addresses on lists.
pub fn run(filter: &Filter, json: bool, output: &mut dyn Write) -> Result<Ending> {
    let rows = rows(filter)?;
    let ending = match filter.attached()?.is_empty() {
        true => {
            eprintln!("nothing is attached, so nobody is seen; run 'firewall run'");
            Ending::Negative
        }
        false => Ending::Success,
    };
    if json {
        rows.iter().try_for_each(|row| write_json(output, row))?;
        return Ok(ending);
    }
    if rows.is_empty() && ending == Ending::Success {
        eprintln!("no inside host talked to a listed address yet");
    }
    let now = Timestamp::now();
    for (direction, title) in TITLES {
        let of_direction: Vec<&Row> = rows
            .iter()
            .filter(|row| row.direction == direction.as_str())
            .collect();
        if !of_direction.is_empty() {
            writeln!(output, "{title}\n{}", text(&of_direction, now))?;
        }
    }
    say_gaps(filter.dataplane.ledger_gaps(rows.len())?);
    Ok(ending)
}

fn say_gaps(Gaps { evicted, skipped }: Gaps) {
    if evicted > 0 || skipped > 0 {
        eprintln!(
            "this is a sample: there was a flood, {} older entries made room for newer ones and {} \
             packets have no entry; 'firewall stats' has counted all of them",
            table::number(evicted),
            table::number(skipped)
        );
    }
}

const TITLES: [(Direction, &str); 3] = [
    (
        Direction::Outbound,
        "Inside hosts that called a listed address: look at these first",
    ),
    (
        Direction::Inbound,
        "Listed addresses that sent packets in, answers to a call among them",
    ),
    (
        Direction::OwnListed,
        "Addresses of your own that are on a list: not infected by this alone; if they are yours \
         for good, add them to inside_prefixes",
    ),
];

fn text(rows: &[&Row], now: Timestamp) -> String {
    let header = [
        "INSIDE", "MAC", "REMOTE", "SERVICE", "VERDICT", "PACKETS", "BYTES", "FIRST", "LAST",
        "SOURCES",
    ];
    let mut table = table::table(&header);
    for row in rows {
        table.add_row([
            row.inside.to_string(),
            row.mac(),
            row.remote.to_string(),
            service(row.protocol, row.port.unwrap_or(0)),
            row.verdict.to_owned(),
            table::number(row.packets),
            table::number(row.bytes),
            table::ago(row.first_seen, now),
            table::ago(row.last_seen, now),
            row.sources.join(" "),
        ]);
    }
    table::text(&table)
}

impl Row {
    /// `02:00:00:00:00:01`, with the VLAN if there was a tag: `02:00:00:00:00:01 vlan 7`.
    fn mac(&self) -> String {
        let mac = self.mac.clone().unwrap_or_default();
        match self.vlan {
            Some(vlan) => format!("{mac} vlan {vlan}"),
            None => mac,
        }
    }
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// The ledger in words, busiest first.
fn rows(filter: &Filter) -> Result<Vec<Row>> {
    let mut hits = filter.dataplane.ledger()?;
    hits.sort_by_key(|hit| {
        (
            hit.direction,
            Reverse(hit.count.packets),
            hit.inside,
            hit.remote,
            hit.protocol,
            hit.port,
        )
    });
    let records = records(&filter.records(), &hits)?;
    let clock = Clock::read();
    Ok(hits.iter().map(|hit| row(hit, &records, &clock)).collect())
}

/// The records of the generations that the hits refer to.
fn records(all: &Records, hits: &[Hit]) -> Result<Vec<Record>> {
    let numbers: BTreeSet<u32> = hits.iter().map(|hit| hit.generation).collect();
    let records: Result<Vec<Option<Record>>> = numbers.into_iter().map(|it| all.read(it)).collect();
    Ok(records?.into_iter().flatten().collect())
}

fn row(hit: &Hit, records: &[Record], clock: &Clock) -> Row {
    let record = records
        .iter()
        .find(|record| record.number == hit.generation);
    let class = record.and_then(|record| record.class(hit.class));
    let Count { packets, bytes } = hit.count;
    Row {
        inside: hit.inside,
        mac: hit.mac.map(mac_text),
        vlan: hit.vlan,
        protocol: hit.protocol,
        port: Some(hit.port).filter(|port| *port != 0),
        direction: hit.direction.as_str(),
        remote: hit.remote,
        packets,
        bytes,
        first_seen: clock.wall(hit.first_seen),
        last_seen: clock.wall(hit.last_seen),
        verdict: match hit.reason.verdict() {
            Verdict::Drop => "dropped",
            Verdict::Pass => "passed",
        },
        sources: class.map(|class| class.sources.clone()).unwrap_or_default(),
    }
}

/// Both clocks at one moment: hits are stamped with the time since boot, which no step of the wall
/// clock touches.
pub struct Clock {
    wall: Timestamp,
    boot: std::time::Duration,
}

impl Clock {
    /// Reads both clocks.
    pub fn read() -> Self {
        Self {
            wall: Timestamp::now(),
            boot: boot_time(),
        }
    }

    /// The wall-clock time of a moment given as time since boot.
    pub fn wall(&self, moment: std::time::Duration) -> Timestamp {
        let ago = SignedDuration::try_from(self.boot.saturating_sub(moment)).unwrap_or_default();
        self.wall.checked_sub(ago).unwrap_or(self.wall)
    }
}
