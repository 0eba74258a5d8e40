//! `hosts`: which machine inside talked to a listed address, since when, and who lists it.

use std::{cmp::Reverse, io::Write, net::IpAddr};

use anyhow::Result;
use firewall_common::ledger::Direction;
use jiff::Timestamp;
use serde::Serialize;

use super::{Ending, table, write_json};
use crate::{
    dataplane::{Gaps, service},
    filter::Filter,
    ledger::{Entry, Key},
};

/// A line of the answer.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(skip)]
    rank: Direction,
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
    let (entries, gaps) = filter.ledger()?;
    let mut rows: Vec<Row> = entries
        .into_iter()
        .map(|(key, entry)| row(&key, entry))
        .collect();
    // Of one direction the busiest first; those of the same come in the order of their keys.
    rows.sort_by_key(|row| (row.rank, Reverse(row.packets)));
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
        let of_direction: Vec<&Row> = rows.iter().filter(|row| row.rank == direction).collect();
        if !of_direction.is_empty() {
            writeln!(output, "{title}\n{}", text(&of_direction, now))?;
        }
    }
    say_gaps(gaps);
    Ok(ending)
}

fn say_gaps(Gaps { evicted, skipped }: Gaps) {
    if evicted > 0 || skipped > 0 {
        eprintln!(
            "this is a sample: there was a flood, {} older entries made room for newer ones and {} \
             packets are in no entry; 'firewall stats' has counted all of them",
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

fn row(key: &Key, entry: Entry) -> Row {
    Row {
        inside: key.inside,
        mac: entry.mac.map(mac_text),
        vlan: entry.vlan,
        protocol: key.protocol,
        port: Some(key.port).filter(|port| *port != 0),
        rank: key.direction,
        direction: key.direction.as_str(),
        remote: key.remote,
        packets: entry.count.packets,
        bytes: entry.count.bytes,
        first_seen: entry.first_seen,
        last_seen: entry.last_seen,
        verdict: match entry.dropped {
            true => "dropped",
            false => "passed",
        },
        sources: entry.sources,
    }
}
