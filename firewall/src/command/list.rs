//! `list`: what is blocked and allowed.

use std::io::Write;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::json;

use super::{Ending, table, write_json};
use crate::{
    cli::List as Arguments,
    config::{Mode, Ports},
    feed::guard::{Guarded, hold::Hold},
    filter::Filter,
    inputs::{Inputs, StoredFeed, read_lists},
    local::Note,
    subject::Subject,
};

mod agreeing;

use agreeing::Agreeing;

/// Prints the local lists, one feed, or everything.
pub fn run(
    filter: &Filter,
    arguments: &Arguments,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    if let Some(name) = &arguments.feed {
        let known = filter
            .config
            .feeds
            .iter()
            .find(|feed| feed.name.as_str() == name);
        let feed = known.with_context(|| {
            format!("there is no feed '{name}' in the configuration; 'firewall feeds' lists them")
        })?;
        let stored = StoredFeed::read(feed, &filter.state)?.with_context(|| {
            format!("feed {name} has no good copy yet; 'firewall feeds update {name}' fetches one")
        })?;
        let inputs = Inputs::read(&filter.config, &filter.state)?;
        write_feeds(output, &inputs, std::slice::from_ref(&stored), json)?;
        return Ok(Ending::Success);
    }
    local(filter, json, output)?;
    if !arguments.local {
        let inputs = Inputs::read(&filter.config, &filter.state)?;
        write_feeds(output, &inputs, &inputs.feeds, json)?;
    }
    Ok(Ending::Success)
}

fn local(filter: &Filter, json: bool, output: &mut dyn Write) -> Result<()> {
    let lists = read_lists(&filter.state)?;
    let now = Timestamp::now();
    let live_run = filter.state.running().is_some();
    let mut table = table::table(&["LIST", "PREFIX", "ADDED", "ENDS", "REASON"]);
    for (name, list) in [("block", &lists.block), ("allow", &lists.allow)] {
        for (subject, note) in &list.entries {
            let ends = ends(note, now, live_run);
            if json {
                let row = json!({
                    "list": name, "prefix": subject, "added": note.added, "until": note.until,
                    "exempt": note.exempt, "reason": note.reason, "expired": note.expired(now),
                });
                write_json(output, &row)?;
            }
            table.add_row([
                match note.exempt {
                    true => format!("{name}, exempt"),
                    false => name.to_owned(),
                },
                subject.to_string(),
                note.added
                    .map(|added| table::ago(added, now))
                    .unwrap_or_default(),
                ends,
                note.reason.clone().unwrap_or_default(),
            ]);
        }
    }
    if !json && (!lists.block.entries.is_empty() || !lists.allow.entries.is_empty()) {
        writeln!(output, "{}", table::text(&table))?;
    }
    Ok(())
}

/// An entry that has ended leaves the kernel with the next install, which a live run does by itself.
fn ends(note: &Note, now: Timestamp, live_run: bool) -> String {
    match note.until {
        None => "never".to_owned(),
        Some(_) if note.expired(now) && !live_run => "expired, still in force".to_owned(),
        Some(until) => format!("{until:.0}"),
    }
}

fn write_feeds(
    output: &mut dyn Write,
    inputs: &Inputs,
    feeds: &[StoredFeed],
    json: bool,
) -> Result<()> {
    let lists = inputs.protect_lists(Err)?;
    let hold = Hold::new(&lists);
    let agreeing = Agreeing::read(inputs, feeds, &hold, Timestamp::now())?;
    let mut feeds = feeds.iter();
    feeds.try_for_each(|stored| {
        let guarded = stored.held(&inputs.protected, &hold)?;
        write_feed(output, stored, &guarded, &agreeing, json)
    })
}

/// An entry of a feed.
struct Entry {
    subject: Subject,
    line: u32,
    /// Whether it is only monitored because it is new or held back.
    waits: bool,
}

/// What the guard lets through of a feed.
fn entries<'a>(
    stored: &'a StoredFeed,
    Guarded { v4, v6, .. }: &'a Guarded,
) -> impl Iterator<Item = Entry> + 'a {
    let v4 = v4.iter().map(|it| (it.subject(), it.line));
    let v6 = v6.iter().map(|it| (it.subject(), it.line));
    v4.chain(v6).filter_map(|(subject, line)| {
        let mut subject = subject?;
        if stored.ports() == Ports::Address {
            subject.port = None;
        }
        let waiting = stored.waiting();
        let standing = waiting.and_then(|it| it.standing(subject.prefix.into()));
        Some(Entry {
            subject,
            line,
            waits: standing.is_some(),
        })
    })
}

/// Prefix, feed and mode in each line.
fn write_feed(
    output: &mut dyn Write,
    stored: &StoredFeed,
    guarded: &Guarded,
    agreeing: &Agreeing,
    json: bool,
) -> Result<()> {
    let (feed, group) = (&stored.feed.name, stored.feed.must_agree());
    for entry in entries(stored, guarded) {
        let Entry { subject, line, .. } = entry;
        let agree = group.is_none_or(|group| agreeing.is_enough(group, subject));
        let mode = match entry.waits || !agree {
            true => Mode::Monitor.as_str(),
            false => stored.feed.mode.as_str(),
        };
        if json {
            let row = json!({ "list": feed, "prefix": subject, "mode": mode, "line": line });
            write_json(output, &row)?;
        } else {
            writeln!(output, "{subject} {feed} {mode}")?;
        }
    }
    Ok(())
}
