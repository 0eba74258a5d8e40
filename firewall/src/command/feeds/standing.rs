//! How a feed stands: what is wrong with it, and what to do about that.

use std::collections::BTreeMap;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use super::{stays, table};
use crate::{
    config::{Feed, Limit, WhenOld},
    feed::{
        guard::hold::Hold,
        stage::Waiting,
        store::{Meta, Name},
    },
    filter::Filter,
    inputs::{Inputs, StoredFeed},
};

/// One thing that is wrong with a feed.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// `damaged`, `quarantined`, `held-back`, `stalled`, `old` or `expired`.
    pub state: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// Why, for people.
    pub reason: String,
    /// What to do, for people.
    pub advice: String,
}

/// What is wrong with `feed` at `now`, by what is known about it and what waits of it.
pub fn troubles(
    feed: &Feed,
    meta: &Meta,
    waiting: Option<&Waiting>,
    now: Timestamp,
) -> Vec<Trouble> {
    let name = &feed.name;
    let quarantined = meta.quarantined.as_ref().map(|quarantined| Trouble {
        state: "quarantined",
        since: quarantined.since,
        reason: quarantined.reason.clone(),
        advice: format!(
            "'firewall feeds accept {name}' puts in force what it brought; otherwise {} until the feed \
             is within the limits again",
            stays(meta)
        ),
    });
    let stalled = meta.stalled.as_ref().map(|stalled| Trouble {
        state: "stalled",
        since: stalled.since,
        reason: stalled.reason.clone(),
        advice: match stalled.not_before.filter(|time| now < *time) {
            Some(time) => format!(
                "wait: the server asked not to be asked again before {time:.0}, and may lock out who does"
            ),
            None => format!("'firewall feeds update {name}' tries again at once"),
        },
    });
    let held_back = waiting.and_then(|waiting| held_back(feed, waiting));
    let damaged = meta.is_damaged.then(|| Trouble {
        state: "damaged",
        since: now,
        reason: "the file in the state folder that says what is known of its copy cannot be read"
            .to_owned(),
        advice: format!(
            "'firewall feeds update {name}' replaces it; what is in force stays until then"
        ),
    });
    let troubles = [
        damaged,
        quarantined,
        held_back,
        stalled,
        old(feed, meta, now),
    ];
    troubles.into_iter().flatten().collect()
}

fn held_back(feed: &Feed, waiting: &Waiting) -> Option<Trouble> {
    let all = waiting.held_back();
    let first = all.iter().min_by_key(|it| it.since)?;
    let more = match all.len() - 1 {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    Some(Trouble {
        state: "held-back",
        since: first.since,
        reason: format!(
            "{} inside hosts called {} while it waited{more}; it stays monitored",
            first.hosts, first.entry
        ),
        advice: format!(
            "'firewall hosts' shows who calls it; 'firewall feeds accept {}' lets it go on, 'firewall \
             allow' keeps it reachable",
            feed.name
        ),
    })
}

/// How many entries of each feed protect lists hold for the operator. A copy that is damaged has none:
/// whoever compiles it says so.
pub fn held(filter: &Filter) -> Result<BTreeMap<Name, usize>> {
    let inputs = Inputs::read(&filter.config, &filter.state)?;
    if inputs.protect.is_empty() {
        return Ok(BTreeMap::new());
    }
    let lists = inputs.protect_lists(|_| Ok(()))?;
    let hold = Hold::new(&lists);
    let held = |stored: &StoredFeed| {
        let guarded = stored.held(&inputs.protected, &hold).ok()?;
        Some((stored.feed.name.clone(), guarded.held.values().sum()))
    };
    Ok(inputs.feeds.iter().filter_map(held).collect())
}

/// What waits and until when, in words.
pub fn waits(waiting: &Waiting, now: Timestamp) -> Option<String> {
    let [_, last] = waiting.ends()?;
    let who = match waiting.entries() {
        1 => "1 entry waits".to_owned(),
        count => format!("{} wait", table::count(count, "entry")),
    };
    Some(match last > now {
        true => format!("{who} until {last:.0}"),
        false => format!("{who} for a live 'firewall run' or 'firewall reload' to judge"),
    })
}

fn old(feed: &Feed, meta: &Meta, now: Timestamp) -> Option<Trouble> {
    let copy = meta.copy.as_ref()?;
    let (since, limit) = feed.old_since((copy.fetched_at, copy.changed_at))?;
    if since >= now {
        return None;
    }
    let what = match limit {
        Limit::Age => format!(
            "the last good fetch was {}, longer than max_age",
            table::ago(copy.fetched_at, now)
        ),
        Limit::Unchanged => format!(
            "it changed {} for the last time, longer than max_unchanged",
            table::ago(copy.changed_at, now)
        ),
    };
    let (state, becomes, advice) = match feed.when_old {
        WhenOld::Keep => (
            "old",
            "in force all the same",
            "look whether the provider has moved or given up the list",
        ),
        WhenOld::Expire => (
            "expired",
            "out of force",
            match limit {
                Limit::Age => "it comes back with the next good fetch",
                Limit::Unchanged => "it comes back when the provider changes it",
            },
        ),
    };
    Some(Trouble {
        state,
        since,
        reason: format!("{what}, and its entries are {becomes}"),
        advice: advice.to_owned(),
    })
}

/// The state of a feed in a line; protect lists hold so many of its entries.
pub fn state(
    troubles: &[Trouble],
    meta: &Meta,
    waiting: Option<&Waiting>,
    held: usize,
    now: Timestamp,
) -> String {
    let one = |it: &Trouble| {
        format!(
            "{} since {}: {}",
            it.state,
            table::ago(it.since, now),
            it.reason
        )
    };
    let mut said = match (troubles, &meta.copy) {
        ([], Some(_)) => vec!["good".to_owned()],
        ([], None) => vec!["never fetched".to_owned()],
        (troubles, _) => troubles.iter().map(one).collect(),
    };
    said.extend(waiting.and_then(|waiting| waits(waiting, now)));
    said.extend((held > 0).then(|| format!("{} held for you", table::count(held, "entry"))));
    said.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        feed::store::{Quarantined, Stalled},
    };

    /// The last good fetch of the table was at noon.
    fn copy() -> serde_json::Value {
        serde_json::json!({
            "location": "/list", "format": "plain", "version": { "etag": null, "last_modified": null },
            "fetched_at": "2026-11-23T12:00:00Z", "changed_at": "2026-11-23T12:00:00Z", "digest": "",
            "entries": 1, "v4": 1, "v6": 0, "rejected": 0, "left_out": 0, "subtracted": 0,
        })
    }

    fn meta(stalled: bool, quarantined: bool) -> Meta {
        let since: Timestamp = "2026-11-23T13:00:00Z".parse().unwrap();
        Meta {
            copy: serde_json::from_value(copy()).unwrap(),
            stalled: stalled.then(|| Stalled {
                since,
                reason: "away".to_owned(),
                failures: 1,
                not_before: None,
            }),
            quarantined: quarantined.then(|| Quarantined {
                since,
                reason: "shrunk".to_owned(),
                copy: serde_json::from_value(copy()).unwrap(),
            }),
            ..Meta::default()
        }
    }

    #[test]
    fn a_feed_says_what_is_wrong_with_it() {
        let (quarantined, stalled) = (
            "quarantined since 2h ago: shrunk",
            "stalled since 2h ago: away",
        );
        let old = "old since 1h ago: the last good fetch was 3h ago, longer than max_age, and its entries are in force";
        let unchanged = "old since 1h ago: it changed 3h ago for the last time, longer than max_unchanged, and its entries are in force";
        let expired = "expired since 1h ago: the last good fetch was 3h ago, longer than max_age, and its entries are out";
        let table = [
            ("", meta(false, false), vec!["good"]),
            ("", Meta::default(), vec!["never fetched"]),
            ("", meta(true, false), vec![stalled]),
            ("", meta(false, true), vec![quarantined]),
            ("", meta(true, true), vec![quarantined, stalled]),
            ("max_age = '3h'", meta(false, false), vec!["good"]),
            ("max_age = '2h'", meta(false, false), vec![old]),
            ("max_unchanged = '2h'", meta(false, false), vec![unchanged]),
            ("max_age = '2h'", meta(true, false), vec![stalled, old]),
            ("max_age = '2h'", Meta::default(), vec!["never fetched"]),
            (
                "max_age = '2h'\nwhen_old = 'expire'",
                meta(false, false),
                vec![expired],
            ),
            (
                "max_age = '3h'\nwhen_old = 'expire'",
                meta(false, false),
                vec!["good"],
            ),
        ];
        let now = "2026-11-23T15:00:00Z".parse().unwrap();
        for (keys, meta, expected) in table {
            let text = format!("[[feed]]\nname = 'box'\npath = '/list'\n{keys}\n");
            let config = Config::parse(&text, "firewall.toml").unwrap();
            let troubles = troubles(&config.feeds[0], &meta, None, now);
            let said = state(&troubles, &meta, None, 0, now);
            assert!(
                expected.iter().all(|part| said.contains(part)),
                "{keys}: {said}"
            );
            assert_eq!(
                said.matches("; ").count() + 1,
                expected.len(),
                "{keys}: {said}"
            );
        }
    }

    #[test]
    fn a_server_that_asked_for_time_is_not_to_be_asked() {
        let config = Config::parse("[[feed]]\nname = 'box'\npath = '/list'\n", "a.toml").unwrap();
        let mut meta = meta(true, false);
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        meta.stalled.as_mut().unwrap().not_before = Some(time("2026-11-23T16:00:00Z"));
        for (now, advice) in [
            (
                "2026-11-23T15:59:59Z",
                "wait: the server asked not to be asked again before 2026-11-23T16:00:00Z",
            ),
            ("2026-11-23T16:00:00Z", "tries again at once"),
        ] {
            let found = troubles(&config.feeds[0], &meta, None, time(now));
            assert!(
                found[0].advice.contains(advice),
                "{now}: {}",
                found[0].advice
            );
        }
    }
}
