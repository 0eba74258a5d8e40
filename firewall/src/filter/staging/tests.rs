use std::{fs, path::Path};

use super::*;
use crate::{
    config::Config,
    dataplane::{Dataplane, Object},
    feed::{self, Means, fetch, format, stage::Standing, worker::Worker},
    state::State,
};

const KEYS: &str = "mode = 'enforce'\ndirection = 'in'\nstage = '100s'\n";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_446_000 + second).unwrap()
}

/// A filter with a staged feed, which asks nobody who called.
fn filter(folder: &Path) -> Filter {
    let list = folder.join("list");
    let text = format!("[[feed]]\nname = 'box'\npath = {list:?}\nmay_be_empty = true\n{KEYS}");
    Filter {
        config: Config::parse(&text, "firewall.toml").unwrap(),
        state: State::new(folder),
        dataplane: Dataplane::new(&folder.join("bpf")),
        object: Object::Shipped,
    }
}

/// The feed lists this at that time.
fn lists(filter: &Filter, content: &str, now: Timestamp) {
    let configured = &filter.config.feeds[0];
    let feed = feed::Feed {
        name: configured.name.clone(),
        location: configured.location.clone(),
        format: None,
        options: format::Options::default(),
        server: None,
        collection: None,
        key: None,
        limits: fetch::Limits::default(),
        gates: configured.gates.clone(),
    };
    let means = Means {
        worker: &Worker::Here,
        protected: &[],
        now,
    };
    fs::write(filter.state.root().join("list"), content).unwrap();
    let outcome = feed::update(&feed, filter.state.root(), &means).unwrap();
    assert!(matches!(outcome, feed::Outcome::Changed(..)), "{outcome:?}");
}

/// How an entry stands once what is over is judged, and what is said.
fn judge(filter: &Filter, entry: &str, now: Timestamp) -> (Option<Standing>, Vec<String>) {
    let mut inputs = Inputs::read(&filter.config, &filter.state).unwrap();
    judged(filter, &mut inputs, entry, now)
}

fn judged(
    filter: &Filter,
    inputs: &mut Inputs,
    entry: &str,
    now: Timestamp,
) -> (Option<Standing>, Vec<String>) {
    let said = filter.judge(inputs, true, now).unwrap();
    let entry: ipnet::IpNet = entry.parse().unwrap();
    let waiting = inputs.feeds[0].waiting().unwrap();
    (waiting.standing(entry.into()), said)
}

fn waits(second: i64) -> Option<Standing> {
    Some(Standing::Waits(at(second)))
}

#[test]
fn what_comes_after_an_empty_copy_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let filter = filter(folder.path());
    let net = "{\"cidr\":\"8.0.0.0/8\",\"sblid\":\"SBL1\"}\n";
    let list = |nets: &str| {
        let (size, records) = (nets.len(), nets.lines().count());
        format!("{nets}{{\"type\":\"metadata\",\"size\":{size},\"records\":{records}}}\n")
    };
    lists(&filter, &list(""), at(10));
    assert_eq!(judge(&filter, "8.0.0.0/8", at(20)), (None, vec![]));
    lists(&filter, &list(net), at(30));
    assert_eq!(judge(&filter, "8.0.0.0/8", at(40)).0, waits(130));
}

#[test]
fn what_is_new_after_the_clock_was_ahead_waits() {
    let folder = tempfile::tempdir().unwrap();
    let filter = filter(folder.path());
    let ten_years = 315_576_000;
    let (old, both) = ("203.0.112.0/22\n", "203.0.112.0/22\n198.18.0.0/15\n");
    lists(&filter, old, at(ten_years));
    let standing = |entry, second| judge(&filter, entry, at(second)).0;
    assert_eq!(standing("203.0.112.0/22", ten_years), None);
    lists(&filter, both, at(10));
    assert_eq!(standing("198.18.0.0/15", 20), waits(110));
    assert_eq!(standing("203.0.112.0/22", 20), None);
    assert_eq!(standing("198.18.0.0/15", 110), None, "it goes on");
}

#[test]
fn a_new_entry_in_what_is_dropped_already_does_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let filter = filter(folder.path());
    lists(&filter, "198.51.100.0/23\n198.51.102.0/23\n", at(10));
    let standing = |entry, second| judge(&filter, entry, at(second)).0;
    assert_eq!(standing("198.51.100.0/23", 20), None);
    lists(&filter, "198.51.100.0/22\n", at(30));
    assert_eq!(standing("198.51.100.0/22", 40), None);
    lists(&filter, "198.51.96.0/21\n", at(50));
    assert_eq!(standing("198.51.96.0/21", 60), waits(150));
}

#[test]
fn what_is_judged_and_cannot_be_written_down_goes_on_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let filter = filter(folder.path());
    lists(&filter, "203.0.112.0/22\n", at(10));
    assert_eq!(judge(&filter, "203.0.112.0/22", at(20)), (None, vec![]));
    lists(&filter, "203.0.112.0/22\n198.18.0.0/15\n", at(30));
    let mut inputs = Inputs::read(&filter.config, &filter.state).unwrap();
    let feeds = folder.path().join("feeds");
    fs::rename(&feeds, folder.path().join("away")).unwrap();
    fs::write(&feeds, "").unwrap();
    let (standing, said) = judged(&filter, &mut inputs, "198.18.0.0/15", at(200));
    assert_eq!(standing, waits(130));
    assert!(
        said[0].contains("feed box") && said[0].contains("goes on waiting"),
        "{said:?}"
    );
    fs::remove_file(&feeds).unwrap();
    fs::rename(folder.path().join("away"), &feeds).unwrap();
    assert_eq!(judge(&filter, "198.18.0.0/15", at(210)), (None, vec![]));
}

#[test]
fn the_wait_begins_anew_where_nothing_was_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let filter = filter(folder.path());
    lists(&filter, "203.0.112.0/22\n", at(10));
    let standing = |is_watched, second| {
        let mut inputs = Inputs::read(&filter.config, &filter.state).unwrap();
        filter.judge(&mut inputs, is_watched, at(second)).unwrap();
        let entry: ipnet::IpNet = "198.18.0.0/15".parse().unwrap();
        inputs.feeds[0].waiting().unwrap().standing(entry.into())
    };
    assert_eq!(standing(true, 20), None);
    lists(&filter, "203.0.112.0/22\n198.18.0.0/15\n", at(30));
    assert_eq!(standing(true, 40), waits(130));
    // Unloaded, and loaded again when its time is over.
    assert_eq!(standing(false, 200), waits(300));
    assert_eq!(standing(true, 299), waits(300));
    // Under a clock that was ahead by then.
    assert_eq!(standing(true, 100), waits(200));
    assert_eq!(standing(true, 200), None);
}
