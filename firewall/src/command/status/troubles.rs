//! What `status` has to say: what the operator has to look at, and what is worth knowing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::interfaces::{Interface, NOT_ATTACHED, Seen};
use crate::{
    command::{
        advice,
        coverage::{self, Scene},
        feeds::standing::Trouble,
        remark::Remark,
        table,
    },
    config::{Feed, Mode},
    feed::store::Meta,
    filter::Filter,
    inputs::Inputs,
    record::Record,
};

/// How long a feed may wait for its first good fetch, or go on without a good one: a few are fetched at
/// once, and each may take two minutes.
const GRACE: Duration = Duration::from_mins(5);

/// What there is to say of the filter itself.
pub(super) fn remarks(
    filter: &Filter,
    (record, seen): (Option<&Record>, &Seen),
    inputs: &Inputs,
    interfaces: &[Interface],
    now: Timestamp,
) -> Vec<Remark> {
    let stand_in = filter.config.stand_in.as_ref();
    let mut remarks: Vec<Remark> = stand_in
        .map(|it| Remark::fault(it.sentence()))
        .into_iter()
        .collect();
    if interfaces
        .iter()
        .all(|interface| interface.state == NOT_ATTACHED)
    {
        let text = "nothing is attached; run 'firewall run'";
        remarks.push(Remark::fault(text.to_owned()));
        return remarks;
    }
    let running = filter.state.running().is_some();
    if !running {
        let text = "no 'firewall run' is live: feeds are not refreshed, what ends stays in force, and nobody \
                    looks whether the programs see packets; start it";
        remarks.push(Remark::trouble(text.to_owned()));
    }
    remarks.extend(not_attached(interfaces, running));
    if let Some(network) = &seen.network {
        remarks.extend(coverage::remarks(&Scene {
            config: &filter.config,
            network,
            placed: &seen.placed,
            tcx: seen.tcx,
        }));
    }
    match record {
        None => remarks.push(Remark::fault(
            "interfaces run different generations; 'firewall reload' brings them together".into(),
        )),
        Some(record) => {
            if let Some(text) = difference(filter, record, inputs, now) {
                remarks.push(Remark::fault(text));
            }
            let shared = advice::shared(record).into_iter();
            let groups = filter.config.too_small_groups();
            let advice = seen
                .network
                .as_ref()
                .map(|network| advice::advice(record, network, &seen.placed));
            let slow = advice::slow(filter.dataplane.is_interpreted().unwrap_or(false));
            let notes = shared
                .chain(groups)
                .chain(slow)
                .chain(advice.into_iter().flatten());
            remarks.extend(notes.map(Remark::note));
        }
    }
    remarks
}

fn not_attached(interfaces: &[Interface], running: bool) -> impl Iterator<Item = Remark> {
    let what_to_do = match running {
        true => "the live 'firewall run' attaches it once it is there",
        false => "'firewall run' attaches it",
    };
    let others = interfaces.iter().filter(|it| !it.is_attached());
    others.map(move |Interface { name, state, .. }| {
        Remark::fault(format!("{name}: {state}; {what_to_do}"))
    })
}

/// Why what is in force is not what the files say, if so.
fn difference(filter: &Filter, record: &Record, inputs: &Inputs, now: Timestamp) -> Option<String> {
    if inputs.digest(now) == record.inputs {
        return None;
    }
    let lists = [&inputs.lists.block, &inputs.lists.allow];
    let expired = lists
        .iter()
        .flat_map(|list| list.entries.values())
        .filter(|note| note.expired(now))
        .count();
    Some(match (expired, filter.state.running()) {
        (1.., None) => format!(
            "{} expired, still in force, because no 'firewall run' is live; 'firewall reload' takes \
             out what is over",
            table::count(expired, "entry")
        ),
        _ => "the files changed since; 'firewall reload' puts them in force".to_owned(),
    })
}

/// What is wrong with `feed`, in a line, if it is for the operator to look at: a fetch that failed is
/// made again by itself until the next one would have been due. `since` is when the configuration was
/// put in force.
pub(super) fn of_feed(
    feed: &Feed,
    meta: &Meta,
    troubles: &[Trouble],
    since: Option<Timestamp>,
    now: Timestamp,
) -> Option<String> {
    if feed.mode == Mode::Off {
        return None;
    }
    let patience = match &meta.copy {
        Some(_) => feed.interval.max(feed.minimum_interval).max(GRACE),
        None => GRACE,
    };
    let has_lasted = |since| {
        let patience = SignedDuration::try_from(patience).unwrap_or(SignedDuration::MAX);
        now.duration_since(since) > patience
    };
    let lasting = troubles
        .iter()
        .filter(|it| it.state != "stalled" || has_lasted(it.since))
        .map(|it| format!("{} since {}", it.state, table::ago(it.since, now)));
    let never = meta.copy.is_none() && meta.trouble().is_none() && since.is_some_and(has_lasted);
    let never = never.then(|| "never fetched".to_owned());
    let said: Vec<String> = lasting.chain(never).collect();
    (!said.is_empty()).then(|| {
        format!(
            "feed {0}: {1}; 'firewall feeds show {0}' says more",
            feed.name,
            said.join(", ")
        )
    })
}

/// What of these feeds is for the operator to look at, and how many entries are held for him: that is what
/// protect lists are for, and no trouble.
pub(super) fn of_feeds(feeds: &[super::Feed]) -> impl Iterator<Item = Remark> {
    let troubles = feeds.iter().filter_map(|it| it.trouble.clone());
    let troubles = troubles.map(Remark::trouble);
    let held = feeds.iter().filter(|it| it.held > 0).map(|it| {
        let entries = table::count(it.held, "entry");
        Remark::note(format!(
            "feed {0}: {entries} held for you by protect lists; 'firewall feeds show {0}' names them",
            it.name
        ))
    });
    troubles.chain(held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::feeds::standing, config::Config};

    fn meta(copy: bool, stalled: &str, quarantined: &str) -> Meta {
        let copy = copy.then(|| {
            serde_json::json!({
                "location": "/list", "format": "plain",
                "version": { "etag": null, "last_modified": null },
                "fetched_at": "2026-11-23T12:00:00Z", "changed_at": "2026-11-23T12:00:00Z",
                "digest": "", "entries": 1, "v4": 1, "v6": 0, "rejected": 0, "left_out": 0,
                "subtracted": 0,
            })
        });
        let mut meta = serde_json::json!({ "copy": copy });
        if !stalled.is_empty() {
            let since = format!("2026-11-23T{stalled}:00Z");
            meta["stalled"] = serde_json::json!({ "since": since, "reason": "away" });
        }
        if !quarantined.is_empty() {
            let since = format!("2026-11-23T{quarantined}:00Z");
            meta["quarantined"] =
                serde_json::json!({ "since": since, "reason": "shrunk", "copy": copy });
        }
        serde_json::from_value(meta).unwrap()
    }

    #[test]
    fn what_mends_itself_soon_is_no_trouble() {
        // It is three o'clock, and the feed is due each hour.
        let table = [
            ("", meta(true, "", ""), "12:00", None),
            ("", meta(true, "14:30", ""), "12:00", None),
            (
                "",
                meta(true, "13:30", ""),
                "12:00",
                Some("stalled since 1h 30min ago"),
            ),
            ("mode = 'off'", meta(true, "13:30", ""), "12:00", None),
            ("", meta(false, "14:58", ""), "12:00", None),
            (
                "",
                meta(false, "14:50", ""),
                "12:00",
                Some("stalled since 10min ago"),
            ),
            (
                "",
                meta(true, "", "14:59"),
                "12:00",
                Some("quarantined since 1min ago"),
            ),
            ("", meta(false, "", ""), "14:57", None),
            ("", meta(false, "", ""), "14:50", Some("never fetched")),
            ("mode = 'off'", meta(false, "", ""), "14:50", None),
            (
                "max_age = '2h'",
                meta(true, "12:30", "14:00"),
                "12:00",
                Some("quarantined since 1h ago, stalled since 2h 30min ago, old since 1h ago"),
            ),
        ];
        let now: Timestamp = "2026-11-23T15:00:00Z".parse().unwrap();
        for (keys, meta, since, expected) in table {
            let text = format!("[[feed]]\nname = 'a'\npath = '/a'\ninterval = '1h'\n{keys}\n");
            let feed = &Config::parse(&text, "test.toml").unwrap().feeds[0];
            let troubles = standing::troubles(feed, &meta, None, now);
            let since = format!("2026-11-23T{since}:00Z").parse().ok();
            let found = of_feed(feed, &meta, &troubles, since, now);
            let expected =
                expected.map(|it| format!("feed a: {it}; 'firewall feeds show a' says more"));
            assert_eq!(found, expected, "{keys} {meta:?}");
        }
    }
}
