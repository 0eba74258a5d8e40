use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::subsequence};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_446_000 + second).unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse::<IpNet>().unwrap().into()
}

fn rule(entries: Entries) -> Rule {
    Rule {
        wait: Duration::from_secs(100),
        entries,
        max_hosts: 2,
    }
}

fn call(inside: u8, remote: &str, second: i64) -> Call {
    Call {
        remote: remote.parse().unwrap(),
        inside: [192, 168, 0, inside].into(),
        last: at(second),
    }
}

#[test]
fn what_is_wide_is_about_more_than_one_site() {
    let table = [
        ("10.0.0.0/23", true, true),
        ("10.0.0.0/24", false, true),
        ("10.0.0.1/32", false, true),
        ("2001:db8::/47", true, true),
        ("2001:db8::/48", false, true),
    ];
    for (entry, wide, all) in table {
        assert_eq!(rule(Entries::Wide).concerns(prefix(entry)), wide, "{entry}");
        assert_eq!(rule(Entries::All).concerns(prefix(entry)), all, "{entry}");
    }
}

fn judged(second: i64) -> Stage {
    Stage {
        judged: Some(at(second)),
        ..Stage::default()
    }
}

/// What waits of these, listed since a second each.
fn waiting(entries: Entries, stage: Stage, listed: &[(&str, i64)]) -> Waiting {
    let record = |(entry, second): &(&str, i64)| (prefix(entry), at(*second).as_second() as u32);
    Waiting::new(rule(entries), stage, Some(listed.iter().map(record)))
}

fn waits(second: i64) -> Option<Standing> {
    Some(Standing::Waits(at(second)))
}

#[test]
fn what_is_listed_since_the_last_judgement_waits() {
    let listed = [
        ("10.0.0.0/8", 5),
        ("10.1.0.0/16", 6),
        ("192.0.2.7/32", 10),
        ("192.0.2.7/32", 5),
        ("192.0.2.8/32", 10),
    ];
    let standings = |entries, stage: Stage| {
        let waiting = waiting(entries, stage, &listed);
        ["10.0.0.0/8", "10.1.0.0/16", "192.0.2.7/32", "192.0.2.8/32"]
            .map(|it| waiting.standing(prefix(it)))
    };
    let none = [None; 4];
    assert_eq!(
        standings(Entries::All, judged(4)),
        [waits(105), waits(106), waits(105), waits(110)]
    );
    assert_eq!(
        standings(Entries::All, judged(5)),
        [None, waits(106), None, waits(110)],
        "another port of a known address is not new"
    );
    assert_eq!(
        standings(Entries::Wide, judged(5)),
        [None, waits(106), None, None]
    );
    assert_eq!(standings(Entries::Wide, judged(6)), none);
    assert_eq!(
        standings(Entries::All, Stage::default()),
        none,
        "the first time"
    );
    let first = waiting(Entries::Wide, Stage::default(), &listed);
    let (stage, _) = first.judge(at(20), || unreachable!()).unwrap();
    assert_eq!(stage, judged(10), "from then on what is newer waits");
    assert_eq!(
        waiting(Entries::All, judged(4), &listed).let_go(),
        judged(10)
    );
}

#[test]
fn calls_from_too_many_hosts_since_it_is_listed_hold_an_entry_back() {
    let table: [(&[Call], Option<usize>); 6] = [
        (&[], None),
        (&[call(1, "10.1.0.1", 20), call(2, "10.1.0.1", 20)], None),
        (
            &[
                call(1, "10.1.0.0", 20),
                call(2, "10.1.255.255", 20),
                call(3, "10.1.3.4", 20),
            ],
            Some(3),
        ),
        (
            &[
                call(1, "10.1.0.1", 20),
                call(1, "10.1.0.2", 20),
                call(1, "10.1.0.3", 20),
            ],
            None,
        ),
        (
            &[
                call(1, "10.1.0.1", 10),
                call(2, "10.1.0.1", 9),
                call(3, "10.1.0.1", 20),
            ],
            None,
        ),
        (
            &[
                call(1, "10.0.255.255", 20),
                call(2, "10.2.0.0", 20),
                call(3, "10.1.0.1", 20),
            ],
            None,
        ),
    ];
    for (calls, hosts) in table {
        let listed = [("10.1.0.0/16", 10), ("10.3.0.0/16", 10)];
        let waiting = waiting(Entries::Wide, judged(0), &listed);
        let (stage, found) = waiting.judge(at(110), || Ok(calls.to_vec())).unwrap();
        assert_eq!(found.first().map(|it| it.hosts), hosts, "{calls:?}");
        assert_eq!(stage.held_back, found);
        assert_eq!((stage.judged, stage.next), (Some(at(10)), None));
    }
}

#[test]
fn before_its_time_nothing_is_judged_and_nobody_asked() {
    let listed = [("10.1.0.0/16", 10), ("10.2.0.0/16", 20)];
    let new = || waiting(Entries::Wide, judged(0), &listed);
    let (stage, found) = new().judge(at(109), || unreachable!()).unwrap();
    assert_eq!((stage.judged, stage.next), (Some(at(9)), Some(at(110))));
    assert!(found.is_empty());
    let (stage, _) = new().judge(at(110), || Ok(Vec::new())).unwrap();
    assert_eq!((stage.judged, stage.next), (Some(at(19)), Some(at(120))));
    assert_eq!(new().ends(), Some([at(110), at(120)]));
}

#[test]
fn what_the_feed_drops_or_lists_anew_is_no_longer_held_back() {
    let held = |entry: &str| HeldBack {
        entry: entry.parse().unwrap(),
        since: at(0),
        hosts: 3,
    };
    let stage = Stage {
        held_back: ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"]
            .map(held)
            .to_vec(),
        ..judged(0)
    };
    let later = waiting(
        Entries::Wide,
        stage.clone(),
        &[("10.1.0.0/16", 0), ("10.3.0.0/16", 10)],
    );
    let standing = |entry| later.standing(prefix(entry));
    assert_eq!(standing("10.1.0.0/16"), Some(Standing::HeldBack(3)));
    assert_eq!(standing("10.2.0.0/16"), None);
    assert_eq!(standing("10.3.0.0/16"), waits(110));
    assert_eq!(later.held_back().len(), 1);
    let unchanged: Option<std::iter::Empty<_>> = None;
    let unchanged = Waiting::new(rule(Entries::Wide), stage, unchanged);
    assert_eq!((unchanged.held_back().len(), unchanged.entries()), (3, 0));
    assert_eq!(
        unchanged.standing(prefix("10.2.0.0/16")),
        Some(Standing::HeldBack(3))
    );
    assert_ne!(unchanged.key(), later.key());
}

#[test]
fn an_entry_from_the_future_does_not_wait_for_it() {
    let waiting = waiting(Entries::Wide, judged(0), &[("10.1.0.0/16", 10)]);
    let (stage, _) = waiting.judge(at(5), || Ok(Vec::new())).unwrap();
    assert!(!stage.is_new(at(10)));
}

/// What happens to a feed, in seconds from one to the next.
#[derive(Clone, Debug)]
enum Event {
    /// It lists these, by number.
    Lists(Vec<usize>),
    /// The files are put in force.
    Enforced,
    /// A host calls an address of an entry.
    Called(u8, usize),
}

const ENTRIES: [&str; 5] = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "198.51.100.0/24",
    "203.0.113.7/32",
    "2001:db8::/32",
];

fn event() -> impl Strategy<Value = (i64, Event)> {
    let lists = subsequence((0..ENTRIES.len()).collect::<Vec<_>>(), 0..=ENTRIES.len());
    let event = prop_oneof![
        2 => lists.prop_map(Event::Lists),
        4 => Just(Event::Enforced),
        6 => (0..5_u8, 0..ENTRIES.len()).prop_map(|(host, entry)| Event::Called(host, entry)),
    ];
    (1..60_i64, event)
}

/// How an entry stands, said once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Model {
    Waits(i64),
    On,
    Held,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Against a model that keeps how each entry stands instead of what is judged.
    #[test]
    fn any_history_of_a_feed(events in vec(event(), 1..40), all in any::<bool>()) {
        let rule = rule(if all { Entries::All } else { Entries::Wide });
        let mut now = 0;
        let mut model: BTreeMap<usize, Model> = BTreeMap::new();
        let mut calls: Vec<Call> = Vec::new();
        let mut since: BTreeMap<usize, i64> = BTreeMap::new();
        let mut stage = judged(0);
        for (after, event) in events {
            now += after;
            match event {
                Event::Called(host, entry) => {
                    let remote: IpNet = ENTRIES[entry].parse().unwrap();
                    calls.push(Call { last: at(now), ..call(host, &remote.addr().to_string(), 0) });
                }
                Event::Lists(entries) => {
                    for (number, entry) in ENTRIES.iter().enumerate() {
                        let listed = entries.contains(&number);
                        if listed == model.contains_key(&number) {
                            continue;
                        }
                        since.insert(number, now);
                        let new = match rule.concerns(prefix(entry)) {
                            true => Model::Waits(now),
                            false => Model::On,
                        };
                        model.remove(&number);
                        // Since when it is listed is of no matter where it is not.
                        since.retain(|it, _| listed || *it != number);
                        model.extend(listed.then_some((number, new)));
                    }
                }
                Event::Enforced => {
                    let listed: Vec<_> = since.iter()
                        .map(|(number, second)| (ENTRIES[*number], *second)).collect();
                    let before = waiting(rule.entries, stage, &listed);
                    stage = before.judge(at(now), || Ok(calls.clone())).unwrap().0;
                    for (number, standing) in &mut model {
                        let Model::Waits(since) = *standing else { continue };
                        if since + 100 > now {
                            continue;
                        }
                        let net: IpNet = ENTRIES[*number].parse().unwrap();
                        let hosts: BTreeSet<IpAddr> = calls.iter()
                            .filter(|it| net.contains(&it.remote) && it.last >= at(since))
                            .map(|it| it.inside).collect();
                        *standing = if hosts.len() > 2 { Model::Held } else { Model::On };
                    }
                    let waiting = waiting(rule.entries, stage.clone(), &listed);
                    for (number, standing) in &model {
                        let found = waiting.standing(prefix(ENTRIES[*number]));
                        let found = match found {
                            None => Model::On,
                            Some(Standing::HeldBack(_)) => Model::Held,
                            Some(Standing::Waits(until)) => {
                                Model::Waits(until.as_second() - at(100).as_second())
                            }
                        };
                        prop_assert_eq!(found, *standing, "{} at {}", ENTRIES[*number], now);
                    }
                    let waits = model.values().any(|it| matches!(it, Model::Waits(_)));
                    prop_assert_eq!(waiting.ends().is_some(), waits);
                }
            }
        }
    }
}
