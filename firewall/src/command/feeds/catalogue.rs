//! `feeds catalogue`: which feeds can be switched on by name, and what is to be known about each.

use std::io::Write;

use anyhow::Result;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    command::{Ending, table, write_json},
    config::{Config, Direction, Mode},
    feed::{
        catalogue::{Entry, entries, find},
        store::Name,
    },
};

/// All of it, or one entry with all that is known about it.
pub(super) fn run(
    config: &Config,
    name: Option<&Name>,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let entries = match name {
        Some(name) => vec![find(name.as_str())?],
        None => entries()?,
    };
    if json {
        let mut rows = entries.iter().map(|entry| row(config, entry));
        rows.try_for_each(|row| write_json(output, &row))?;
    } else if name.is_some() {
        entries
            .iter()
            .try_for_each(|entry| write_entry(config, entry, output))?;
    } else {
        write_table(config, &entries, output)?;
    }
    Ok(Ending::Success)
}

/// The mode of the configured feed of that name, whoever configured it.
fn mode(config: &Config, entry: &Entry) -> Option<Mode> {
    let mut feeds = config.all_feeds();
    feeds
        .find(|feed| feed.name == entry.name)
        .map(|feed| feed.mode)
}

fn row(config: &Config, entry: &Entry) -> Value {
    let keys = entry.feed.as_ref();
    json!({
        "name": entry.name, "title": entry.title, "lists": entry.lists, "licence": entry.licence,
        "usable": keys.is_some(), "url": keys.map(|keys| &keys.url),
        "format": keys.map(|keys| keys.format()), "interval": keys.and_then(|keys| keys.interval()),
        "minimum_interval": keys.map(|_| entry.minimum_interval).filter(|it| !it.is_zero()),
        "direction": keys.map(|keys| keys.direction()), "advice": keys.map(|_| entry.advice),
        "key": entry.key, "key_sent": keys.filter(|_| entry.key.is_some()).map(|keys| keys.key_sent()),
        "protect": entry.protect, "gates": keys.map(|keys| keys.gates()), "traps": entry.traps, "unusable": entry.unusable, "instead": entry.instead,
        "mode": mode(config, entry), "configuration": keys,
    })
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Out => "out",
        Direction::In => "in",
    }
}

fn write_table(config: &Config, entries: &[Entry], output: &mut dyn Write) -> Result<()> {
    let mut table = table::table(&["FEED", "MODE", "DIRECTION", "KEY", "LISTS"]);
    let (usable, gone): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.feed.is_some());
    for entry in usable {
        let direction = entry.feed.as_ref().map(|keys| match entry.protect {
            true => "protect",
            false => word(keys.direction()),
        });
        table.add_row([
            entry.name.as_str(),
            mode(config, entry).map_or("", Mode::as_str),
            direction.unwrap_or_default(),
            entry.key.as_ref().map_or("", |_| "needed"),
            &entry.lists,
        ]);
    }
    writeln!(output, "{}", table::text(&table))?;
    let mut table = table::table(&["NOT TO BE USED", "WHY", "INSTEAD"]);
    for entry in gone {
        let instead = entry.instead.as_ref().map_or("", Name::as_str);
        table.add_row([
            entry.name.as_str(),
            entry.unusable.as_deref().unwrap_or_default(),
            instead,
        ]);
    }
    write!(output, "{}", table::text(&table))?;
    eprintln!(
        "'firewall feeds catalogue NAME' says more; 'firewall feeds enable NAME' switches one on"
    );
    Ok(())
}

fn write_entry(config: &Config, entry: &Entry, output: &mut dyn Write) -> Result<()> {
    let mut line = |key: &str, value: &str| writeln!(output, "{key:<10} {value}");
    line("feed", entry.name.as_str())?;
    line("title", &entry.title)?;
    let Some(keys) = &entry.feed else {
        line("not usable", entry.unusable.as_deref().unwrap_or_default())?;
        return Ok(line(
            "instead",
            entry.instead.as_ref().map_or("", Name::as_str),
        )?);
    };
    line("lists", &entry.lists)?;
    line("licence", &entry.licence)?;
    line("url", &keys.url)?;
    line("format", keys.format())?;
    match entry.protect {
        true => line(
            "kind",
            "protect list: what feeds list of it is held for you",
        )?,
        false => line("direction", word(keys.direction()))?,
    }
    let interval = keys.interval().unwrap_or("that of the server");
    match entry.minimum_interval {
        SignedDuration::ZERO => line("interval", interval)?,
        least => line("interval", &format!("{interval}, not below {least:#}"))?,
    }
    let key = entry
        .key
        .as_ref()
        .map(|from| format!("{from}; sent {}", keys.key_sent()));
    line("key", key.as_deref().unwrap_or("none"))?;
    if !entry.protect {
        line(
            "advice",
            match entry.advice.as_str() {
                "enforce" => "enforce, once you have watched it",
                advice => advice,
            },
        )?;
    }
    keys.gates()
        .iter()
        .try_for_each(|gate| line("gate", gate))?;
    entry
        .traps
        .iter()
        .try_for_each(|trap| line("beware", trap))?;
    line(
        "mode now",
        mode(config, entry).map_or("not enabled", Mode::as_str),
    )?;
    Ok(())
}
