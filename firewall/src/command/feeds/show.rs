//! `feeds show`: every decision about one feed.

use std::{collections::BTreeMap, io::Write};

use anyhow::{Result, bail};
use ipnet::IpNet;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    finding_text,
    standing::{Trouble, state, troubles, waits},
};
use crate::{
    command::{Ending, table, write_json},
    config::{Direction, Feed, Mode},
    feed::{
        fetch::Version,
        format::Format,
        guard::{Action, Finding, coverage::coverage, hold::Hold},
        records::prefixes,
        stage::{HeldBack, Standing, Waiting},
        store::{GoodCopy, Meta},
    },
    filter::Filter,
    inputs::{Inputs, StoredFeed},
};

/// Findings that are shown to people.
const SHOWN: usize = 20;

/// The whole answer.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    mode: Mode,
    direction: Direction,
    location: String,
    /// `good`, `never-fetched`, or the first trouble.
    state: &'static str,
    troubles: Vec<Trouble>,
    checked_at: Option<Timestamp>,
    /// When a live `run` asks next; not of a feed that is off.
    next_at: Option<Timestamp>,
    copy: Option<Copy>,
    quarantined: Option<Copy>,
    /// Entries of the last good copies, the newest last.
    sizes: Vec<usize>,
    /// New entries that are only monitored, for people.
    waiting: Option<String>,
    /// Those that are new, those that go on soonest first.
    waiting_entries: Vec<WaitingEntry>,
    /// Those that stay monitored.
    held_back: Vec<HeldBack>,
    /// What is left out of the good copy and subtracted from it, by what is protected now.
    in_force: Option<InForce>,
}

/// A copy, good or in quarantine.
#[derive(Debug, Serialize)]
struct Copy {
    format: Format,
    fetched_at: Timestamp,
    changed_at: Timestamp,
    version: Version,
    sha256: String,
    entries: usize,
    v4: usize,
    v6: usize,
    rejected: usize,
}

/// An entry that waits.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct WaitingEntry {
    until: Timestamp,
    entry: IpNet,
}

/// What the guard makes of the good copy.
#[derive(Debug, Serialize)]
struct InForce {
    /// IPv4 addresses, each counted once.
    covered_v4: u64,
    /// IPv6 networks of /64 likewise.
    covered_v6: u64,
    left_out: usize,
    subtracted: usize,
    /// By protect list.
    held: BTreeMap<String, usize>,
    findings: Vec<Finding>,
}

/// Shows the feed `name`. Negative if something is wrong with it.
pub(super) fn run(
    filter: &Filter,
    name: &str,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let mut feeds = filter.config.all_feeds();
    let Some(feed) = feeds.find(|feed| feed.name.as_str() == name) else {
        bail!("there is no feed '{name}'; 'firewall feeds' lists them");
    };
    let now = Timestamp::now();
    let meta = filter.state.feed_store(&feed.name).meta()?;
    let waiting = filter.waiting(feed)?;
    let waiting = waiting.as_ref();
    let mut shown = Shown::new(feed, (&meta, waiting), in_force(filter, feed)?, now);
    shown.waiting_entries = waiting_entries(filter, feed)?;
    match json {
        true => write_json(output, &shown)?,
        false => write!(
            output,
            "{}",
            shown.text(filter, feed, (&meta, waiting), now)
        )?,
    }
    Ok(match shown.troubles.is_empty() {
        true => Ending::Success,
        false => Ending::Negative,
    })
}

fn waiting_entries(filter: &Filter, feed: &Feed) -> Result<Vec<WaitingEntry>> {
    let stored = StoredFeed::read(feed, &filter.state)?;
    let (Some(stored), Some(waiting)) = (&stored, stored.as_ref().and_then(StoredFeed::waiting))
    else {
        return Ok(Vec::new());
    };
    if waiting.entries() == 0 {
        return Ok(Vec::new());
    }
    let records = stored.records()?;
    let all = prefixes(&records.v4, &records.v6);
    let waits = all.filter_map(|(prefix, _)| match waiting.standing(prefix)? {
        Standing::Waits(until) => Some(WaitingEntry {
            until,
            entry: prefix.net()?,
        }),
        Standing::HeldBack(_) => None,
    });
    let mut waits: Vec<WaitingEntry> = waits.collect();
    waits.sort_unstable();
    // A prefix has a record for each of its ports.
    waits.dedup();
    Ok(waits)
}

fn in_force(filter: &Filter, feed: &Feed) -> Result<Option<InForce>> {
    let Some(stored) = StoredFeed::read(feed, &filter.state)? else {
        return Ok(None);
    };
    let inputs = Inputs::read(&filter.config, &filter.state)?;
    let guarded = match feed.mode {
        Mode::Protect => stored.guarded(&[])?,
        _ => stored.held(&inputs.protected, &Hold::new(&inputs.protect_lists(Err)?))?,
    };
    Ok(Some(InForce {
        covered_v4: u64::try_from(coverage(&guarded.v4)).unwrap_or(u64::MAX),
        covered_v6: u64::try_from(coverage(&guarded.v6).div_ceil(1 << 64)).unwrap_or(u64::MAX),
        left_out: guarded.left_out,
        subtracted: guarded.subtracted,
        held: guarded.held,
        findings: guarded.findings,
    }))
}

impl Shown {
    fn new(
        feed: &Feed,
        (meta, waiting): (&Meta, Option<&Waiting>),
        in_force: Option<InForce>,
        now: Timestamp,
    ) -> Self {
        let troubles = troubles(feed, meta, waiting, now);
        let state = match (troubles.first(), &meta.copy) {
            (Some(first), _) => first.state,
            (None, Some(_)) => "good",
            (None, None) => "never-fetched",
        };
        Self {
            name: feed.name.to_string(),
            mode: feed.mode,
            direction: feed.direction,
            location: feed.location.to_string(),
            state,
            troubles,
            checked_at: meta.checked_at,
            next_at: (feed.mode != Mode::Off).then(|| feed.due(meta, now).max(now)),
            copy: meta.copy.as_ref().map(Copy::of),
            quarantined: meta.quarantined.as_ref().map(|it| Copy::of(&it.copy)),
            sizes: meta.sizes.iter().copied().collect(),
            waiting: waiting.and_then(|waiting| waits(waiting, now)),
            waiting_entries: Vec::new(),
            held_back: waiting.map_or(Vec::new(), |waiting| waiting.held_back().to_vec()),
            in_force,
        }
    }

    fn text(
        &self,
        filter: &Filter,
        feed: &Feed,
        (meta, waiting): (&Meta, Option<&Waiting>),
        now: Timestamp,
    ) -> String {
        let held = self
            .in_force
            .as_ref()
            .map_or(0, |it| it.held.values().sum());
        let state = state(&self.troubles, meta, waiting, held, now);
        let mut lines = vec![
            format!("{}: {state}", self.name),
            format!("  from         {}", self.location),
            format!("  mode         {}", self.mode.as_str()),
        ];
        if let Some(checked) = self.checked_at {
            lines.push(format!("  checked      {}", time(checked, now)));
        }
        if let Some(next) = self.next_at {
            lines.push(format!(
                "  next         {next:.0} ({})",
                table::until(next, now)
            ));
        }
        if let Some(copy) = &self.copy {
            lines.extend(copy.lines(now));
        }
        if let Some(in_force) = &self.in_force {
            lines.extend(in_force.lines());
        }
        lines.extend(self.waiting_lines());
        lines.extend(self.held_back.iter().take(SHOWN).map(|held| {
            let since = table::ago(held.since, now);
            format!(
                "  held back    {} since {since}: {} inside hosts called it",
                held.entry, held.hosts
            )
        }));
        if let Some(quarantined) = &self.quarantined {
            let file = filter.state.feed_store(&feed.name);
            lines.push(format!("in quarantine: {}", file.quarantine().display()));
            lines.extend(quarantined.lines(now));
        }
        if held > 0 {
            lines.push(format!(
                "to do (held): 'firewall block' those that are bad; hold = false on {} lets all \
                 of its entries through",
                self.name
            ));
        }
        let advice = self.troubles.iter();
        lines.extend(advice.map(|it| format!("to do ({}): {}", it.state, it.advice)));
        lines.join("\n") + "\n"
    }
}

impl Shown {
    fn waiting_lines(&self) -> Vec<String> {
        let all = self.waiting_entries.iter();
        let line = |it: &WaitingEntry| format!("  waits        {} until {:.0}", it.entry, it.until);
        let mut lines: Vec<String> = all.take(SHOWN).map(line).collect();
        if let Some(more @ 1..) = self.waiting_entries.len().checked_sub(SHOWN) {
            let more = table::number(more as u64);
            lines.push(format!("    and {more} more; --json has all"));
        }
        lines
    }
}

impl Copy {
    fn of(copy: &GoodCopy) -> Self {
        Self {
            format: copy.format,
            fetched_at: copy.fetched_at,
            changed_at: copy.changed_at,
            version: copy.version.clone(),
            sha256: copy.digest.clone(),
            entries: copy.entries,
            v4: copy.v4,
            v6: copy.v6,
            rejected: copy.rejected,
        }
    }

    fn lines(&self, now: Timestamp) -> Vec<String> {
        let number = |count: usize| table::number(count as u64);
        let version = [&self.version.etag, &self.version.last_modified];
        let version = version
            .into_iter()
            .flatten()
            .next()
            .map_or("", String::as_str);
        vec![
            format!("  format       {}", self.format),
            format!("  fetched      {}", time(self.fetched_at, now)),
            format!("  changed      {}", time(self.changed_at, now)),
            format!(
                "  version      {} {version}",
                &self.sha256[..self.sha256.len().min(12)]
            )
            .trim_end()
            .to_owned(),
            format!(
                "  entries      {} ({} IPv4 and {} IPv6 prefixes)",
                number(self.entries),
                number(self.v4),
                number(self.v6)
            ),
            format!("  rejected     {}", number(self.rejected)),
        ]
    }
}

impl InForce {
    fn lines(&self) -> Vec<String> {
        let number = |count: usize| table::number(count as u64);
        let mut lines = vec![
            format!(
                "  covers       {} IPv4 addresses, {} IPv6 networks of /64",
                table::number(self.covered_v4),
                table::number(self.covered_v6)
            ),
            format!("  left out     {}", number(self.left_out)),
            format!("  subtracted   {}", number(self.subtracted)),
        ];
        let held = self.held.iter();
        lines.extend(held.map(|(list, count)| {
            let count = number(*count);
            format!("  held         {count} in or around addresses of {list}")
        }));
        let (held, others): (Vec<&Finding>, Vec<&Finding>) = self
            .findings
            .iter()
            .partition(|finding| finding.action == Action::Held);
        let shown = held.iter().take(SHOWN).chain(others.iter().take(SHOWN));
        lines.extend(shown.map(|finding| format!("    {}", finding_text(finding))));
        let all = self.left_out + self.subtracted + self.held.values().sum::<usize>();
        let shown = held.len().min(SHOWN) + others.len().min(SHOWN);
        if all > shown {
            lines.push(format!(
                "    and {} more; --json has up to 200",
                number(all - shown)
            ));
        }
        lines
    }
}

fn time(time: Timestamp, now: Timestamp) -> String {
    format!("{time:.0} ({})", table::ago(time, now))
}
