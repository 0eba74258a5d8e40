//! `feeds compare`: what each feed is worth beside the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    net::IpAddr,
};

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    command::{Ending, stats, table, write_json},
    config::Feed,
    feed::{
        journal::Churn,
        overlap::{Overlap, Size},
        store::Meta,
    },
    filter::Filter,
    image::Listing,
    inputs::{Inputs, StoredFeed},
    ruleset::{Ruleset, SourceId},
};

/// What is said of one feed.
struct Row<'a> {
    feed: &'a Feed,
    meta: Meta,
    churn: Churn,
    size: Size,
    alone: Size,
    /// Packets that matched an entry of it, and those that no other source would have matched.
    hits: [u64; 2],
    hosts: usize,
}

pub(super) fn run(filter: &Filter, json: bool, output: &mut dyn Write) -> Result<Ending> {
    let now = Timestamp::now();
    let inputs = Inputs::read(&filter.config, &filter.state)?;
    let (mut ruleset, left_out) = inputs.feeds_ruleset(now, true)?;
    inputs
        .feeds
        .iter()
        .for_each(|it| it.end_waiting(&mut ruleset));
    for feed in left_out {
        eprintln!("left out: {feed}");
    }
    let overlap = overlap(&ruleset, &inputs.feeds)?;
    drop(ruleset);
    let rows = rows(filter, &inputs.feeds, &overlap, now)?;
    if json {
        let names: Vec<&str> = rows.iter().map(|row| row.feed.name.as_str()).collect();
        for (row, common) in rows.iter().zip(&overlap.common) {
            write_json(output, &object(row, &names, common))?;
        }
    } else if rows.is_empty() {
        eprintln!("no feed that is on has a good copy yet; 'firewall feeds update' fetches them");
    } else {
        write_rows(&rows, now, output)?;
        write_common(&rows, &overlap, output)?;
    }
    Ok(Ending::Success)
}

fn overlap(ruleset: &Ruleset, feeds: &[StoredFeed]) -> Result<Overlap> {
    let place = |stored: &StoredFeed| ruleset.find(stored.feed.name.as_str(), stored.feed.wish());
    let sources: Vec<SourceId> = feeds.iter().filter_map(place).collect();
    Overlap::of(&Listing::of(ruleset)?, &sources)
}

fn rows<'a>(
    filter: &Filter,
    feeds: &'a [StoredFeed],
    overlap: &Overlap,
    now: Timestamp,
) -> Result<Vec<Row<'a>>> {
    /// Over how long entries that came and went are counted.
    const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);
    let hits = stats::by_class(filter)?;
    let hosts = hosts(filter)?;
    let mut rows = Vec::new();
    for (place, StoredFeed { feed, .. }) in feeds.iter().enumerate() {
        let store = filter.state.feed_store(&feed.name);
        let name = feed.name.as_str();
        let of = |alone: bool| {
            let named = hits.iter().filter(|(class, _)| {
                class.sources.iter().any(|it| it == name) && (!alone || class.sources.len() == 1)
            });
            named.map(|(_, count)| count.packets).sum()
        };
        rows.push(Row {
            feed,
            meta: store.meta()?,
            churn: store.churn(now - WEEK)?,
            size: overlap.common[place][place],
            alone: overlap.alone[place],
            hits: [of(false), of(true)],
            hosts: hosts.get(name).map_or(0, BTreeSet::len),
        });
    }
    Ok(rows)
}

/// The inside hosts of the ledger, by who lists what they talked to.
fn hosts(filter: &Filter) -> Result<BTreeMap<String, BTreeSet<IpAddr>>> {
    let mut hosts: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
    for (key, entry) in filter.ledger()?.0 {
        for source in entry.sources {
            hosts.entry(source).or_default().insert(key.inside);
        }
    }
    Ok(hosts)
}

fn object(row: &Row, names: &[&str], common: &[Size]) -> Value {
    let copy = row.meta.copy.as_ref();
    let others = names.iter().zip(common);
    let others = others.filter(|(name, _)| **name != row.feed.name.as_str());
    let common: Map<String, Value> = others
        .map(|(name, size)| ((*name).to_owned(), json!(size)))
        .collect();
    json!({
        "feed": row.feed.name, "mode": row.feed.mode, "size": row.size, "unique": row.alone,
        "unique_percent": row.alone.share(row.size), "common": common,
        "changed_at": copy.map(|copy| copy.changed_at), "added": row.churn.added,
        "removed": row.churn.removed, "packets": row.hits[0], "packets_only_here": row.hits[1],
        "hosts": row.hosts, "left_out": copy.map(|copy| copy.left_out),
        "rejected": copy.map(|copy| copy.rejected), "stalled": row.meta.stalled,
    })
}

fn write_rows(rows: &[Row], now: Timestamp, output: &mut dyn Write) -> Result<()> {
    let header = [
        "FEED",
        "MODE",
        "IPV4",
        "IPV6",
        "PORTS",
        "UNIQUE",
        "CHANGED",
        "7 DAYS",
        "HITS",
        "ONLY HERE",
        "HOSTS",
        "LEFT OUT",
        "STATE",
    ];
    let mut table = table::table(&header);
    for row in rows {
        let copy = row.meta.copy.as_ref();
        let share = row.alone.share(row.size);
        table.add_row([
            row.feed.name.to_string(),
            row.feed.mode.as_str().to_owned(),
            table::number(row.size.v4),
            many(row.size.v6),
            table::number(row.size.ports),
            share.map(|share| format!("{share}%")).unwrap_or_default(),
            copy.map(|copy| table::ago(copy.changed_at, now))
                .unwrap_or_default(),
            format!("+{} -{}", row.churn.added, row.churn.removed),
            table::number(row.hits[0]),
            table::number(row.hits[1]),
            table::number(row.hosts as u64),
            table::number(copy.map_or(0, |copy| copy.left_out as u64)),
            row.meta
                .stalled
                .as_ref()
                .map_or("good", |_| "stalled")
                .to_owned(),
        ]);
    }
    Ok(write!(output, "{}", table::text(&table))?)
}

/// Numbers of IPv6 addresses are seldom worth their digits.
fn many(addresses: u128) -> String {
    match u64::try_from(addresses) {
        Ok(few) if few < 1 << 32 => table::number(few),
        _ => format!("2^{}", addresses.ilog2()),
    }
}

/// IPv4 addresses, or IPv6 addresses and ports where there are none of the former.
fn write_common(rows: &[Row], overlap: &Overlap, output: &mut dyn Write) -> Result<()> {
    if rows.len() < 2 {
        return Ok(());
    }
    let mut header = vec!["IN COMMON"];
    header.extend(rows.iter().map(|row| row.feed.name.as_str()));
    let mut table = table::table(&header);
    for (place, row) in rows.iter().enumerate() {
        let cells = overlap.common[place]
            .iter()
            .enumerate()
            .map(|(other, size)| match size {
                _ if other == place => "-".to_owned(),
                Size { v4: 0, v6, ports } if *v6 > 0 || *ports > 0 => {
                    format!("IPv6 {}, ports {ports}", many(*v6))
                }
                Size { v4, .. } => table::number(*v4),
            });
        let name = row.feed.name.to_string();
        table.add_row(std::iter::once(name).chain(cells).collect::<Vec<_>>());
    }
    Ok(write!(output, "\n{}", table::text(&table))?)
}
