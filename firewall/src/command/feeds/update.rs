//! `feeds update`: fetches now and puts in force what came.

use std::{
    io::Write,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Request, active, fetch, findings};
use crate::{
    cli::Update,
    command::{Ending, ending, say_edited, table, write_json},
    config::{Feed, Mode},
    feed::{Outcome, store::Meta},
    filter::{Filter, Known, Wanted},
};

/// Who waits for longer wants to know what for.
const SILENCE: Duration = Duration::from_secs(1);

/// Fetches now, one feed or all, but for those whose provider is not to be asked yet, and puts in
/// force what came.
pub(super) fn run(
    filter: &Filter,
    arguments: &Update,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let feeds: Vec<&Feed> = match arguments.name.as_deref() {
        Some(name) => vec![active(filter, name)?],
        None => filter.config.fetched_feeds().collect(),
    };
    filter.state.prepare()?;
    let mut failed = false;
    let (mut hosts, mut copies) = (Vec::new(), Vec::new());
    for feed in feeds {
        let meta = filter.state.feed_store(&feed.name).meta()?;
        let too_soon = too_soon(feed, &meta, Timestamp::now()).filter(|_| !arguments.force);
        if let Some(reason) = too_soon {
            failed |= meta.trouble().is_some();
            say_left(feed, &reason, json, output)?;
            continue;
        }
        let answer = patiently(feed, || fetch(&Request::new(filter, feed)))?;
        failed |= matches!(answer.outcome, Outcome::Failed(_) | Outcome::Quarantined(_));
        say(feed, (&answer.outcome, answer.stays), json, output)?;
        // The next one may take long.
        output.flush()?;
        hosts.extend(answer.hosts);
        copies.extend(answer.copy);
    }
    let known = Known {
        protected: &hosts,
        copies,
    };
    let outcome = filter.enforce(Wanted::Attached, known)?;
    say_edited(filter, &outcome);
    let ended = ending(&outcome);
    Ok(if failed && ended == Ending::Success {
        Ending::Negative
    } else {
        ended
    })
}

/// Why the provider of a feed is not to be asked at `now`, if so.
fn too_soon(feed: &Feed, meta: &Meta, now: Timestamp) -> Option<String> {
    let allowed = feed.allowed(meta, now);
    let checked = meta.checked_at.filter(|_| now < allowed)?;
    let minimum = SignedDuration::try_from(feed.minimum_interval).unwrap_or_default();
    let ago = table::ago(checked, now);
    let stalled = meta.stalled.as_ref();
    let server = stalled.is_some_and(|stalled| stalled.not_before == Some(allowed));
    Some(match server {
        true => format!("the server asked not to be asked again before {allowed:.0}"),
        false => format!("its provider wants {minimum:#} between fetches, and the last was {ago}"),
    })
}

fn say_left(feed: &Feed, reason: &str, json: bool, output: &mut dyn Write) -> Result<()> {
    let name = &feed.name;
    if json {
        let row = json!({ "feed": name, "result": "not-asked", "entries": null, "reason": reason });
        return write_json(output, &row);
    }
    let advice = format!("'firewall feeds update {name} --force' asks all the same");
    Ok(writeln!(output, "{name}: not asked: {reason}; {advice}")?)
}

/// Does `work`, and says that it is under way where it takes long.
fn patiently<T>(feed: &Feed, work: impl FnOnce() -> T) -> T {
    let (done, waiting) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if waiting.recv_timeout(SILENCE) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{}: fetching {} …", feed.name, feed.location);
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// Says what came of an update; `stays` is what is in force where it brought nothing.
pub(super) fn say(
    feed: &Feed,
    (outcome, stays): (&Outcome, &str),
    json: bool,
    output: &mut dyn Write,
) -> Result<()> {
    if let Outcome::Changed(copy, _) = outcome {
        for line in findings(copy) {
            eprintln!("{}: {line}", feed.name);
        }
    }
    let (word, entries, reason) = match outcome {
        Outcome::Changed(copy, _) => ("changed", Some(copy.entries), None),
        Outcome::Unchanged => ("unchanged", None, None),
        Outcome::Quarantined(reason) => ("quarantined", None, Some(reason)),
        Outcome::Failed(reason) => ("failed", None, Some(reason)),
    };
    if json {
        let row =
            json!({ "feed": feed.name, "result": word, "entries": entries, "reason": reason });
        return write_json(output, &row);
    }
    match (entries, reason) {
        (Some(entries), _) => {
            let note = if feed.mode == Mode::Monitor {
                " (monitored, not dropped)"
            } else {
                ""
            };
            writeln!(
                output,
                "{}: {word}, {}{note}",
                feed.name,
                table::count(entries, "entry")
            )?;
        }
        (None, Some(reason)) => {
            writeln!(output, "{}: {word}, {stays}: {reason}", feed.name)?;
        }
        (None, None) => writeln!(output, "{}: {word}", feed.name)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_provider_is_left_alone_for_as_long_as_it_wants() {
        let text = "[[feed]]\nname = 'drop'\nurl = 'https://www.spamhaus.org/drop/drop_v4.json'\n";
        let config = Config::parse(text, "firewall.toml").unwrap();
        let meta = Meta {
            checked_at: Some("2026-11-24T12:00:00Z".parse().unwrap()),
            ..Meta::default()
        };
        let said = |now: &str| too_soon(&config.feeds[0], &meta, now.parse().unwrap());
        assert_eq!(
            said("2026-11-24T12:03:00Z").as_deref(),
            Some("its provider wants 1h between fetches, and the last was 3min ago")
        );
        assert_eq!(said("2026-11-24T13:00:00Z"), None);
    }
}
