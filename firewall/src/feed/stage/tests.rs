use super::*;

mod history;

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
    Waiting::new(rule(entries), stage, None, Some(listed.iter().map(record)))
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
fn after_an_empty_copy_what_comes_next_is_new() {
    let nothing = Waiting::new(
        rule(Entries::Wide),
        Stage::default(),
        Some(at(10)),
        Some(std::iter::empty()),
    );
    let (stage, _) = nothing.judge(at(20), || unreachable!()).unwrap();
    assert_eq!(stage, judged(10));
    // Fetched before the empty copy was judged, and stored after.
    let next = waiting(Entries::Wide, stage, &[("8.0.0.0/8", 15)]);
    assert_eq!(next.standing(prefix("8.0.0.0/8")), waits(115));
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
fn hosts_with_ipv6_are_told_apart_by_their_networks() {
    let hosts = |inside: [&str; 3]| {
        let listed = [("2001:db8::/32", 10)];
        let waiting = waiting(Entries::Wide, judged(0), &listed);
        let call = |inside: &str| Call {
            inside: inside.parse().unwrap(),
            ..call(1, "2001:db8::7", 20)
        };
        let (_, found) = waiting
            .judge(at(110), || Ok(inside.map(call).to_vec()))
            .unwrap();
        found.first().map(|it| it.hosts)
    };
    assert_eq!(hosts(["fd00::1", "fd00::2", "fd00::ffff:0:0:3"]), None);
    assert_eq!(
        hosts(["fd00::1", "fd00:0:0:1::1", "fd00:0:0:2::1"]),
        Some(3)
    );
}

#[test]
fn what_is_past_and_cannot_be_judged_is_looked_at_again_later() {
    let look = |next| {
        let stage = Stage {
            next: Some(at(next)),
            ..judged(0)
        };
        stage.next_look(at(50)).unwrap()
    };
    assert_eq!([look(51), look(50), look(0)], [at(51), at(60), at(60)]);
    assert_eq!(judged(0).next_look(at(50)), None);
}

#[test]
fn a_clock_that_was_ahead_lets_nothing_new_go_on() {
    let ten_years = 315_576_000;
    let stage = judged(ten_years);
    assert_eq!(stage.set_back(at(ten_years), at(10)), None, "nothing came");
    assert_eq!(stage.set_back(at(5), at(ten_years)), None, "it is right");
    let stage = stage.set_back(at(5), at(10)).unwrap();
    let listed = [("10.0.0.0/8", 4), ("8.0.0.0/8", 5)];
    let waiting = waiting(Entries::Wide, stage, &listed);
    assert_eq!(waiting.standing(prefix("10.0.0.0/8")), None);
    assert_eq!(waiting.standing(prefix("8.0.0.0/8")), waits(105));
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
    let unchanged = Waiting::new(rule(Entries::Wide), stage, None, unchanged);
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

#[test]
fn what_nobody_could_see_called_waits_from_when_it_is_seen() {
    let seen = Stage {
        watched: Some(at(500)),
        ..judged(0)
    };
    let listed = [("10.1.0.0/16", 10), ("10.2.0.0/16", 550)];
    let new = || waiting(Entries::Wide, seen.clone(), &listed);
    assert_eq!(new().standing(prefix("10.1.0.0/16")), waits(600));
    assert_eq!(new().ends(), Some([at(600), at(650)]));
    let (stage, _) = new().judge(at(599), || unreachable!()).unwrap();
    assert_eq!((stage.watched, stage.next), (seen.watched, Some(at(600))));
    // Called before the break, and after it.
    let calls = [20, 550, 560].map(|second| call(second as u8, "10.1.0.1", second));
    let (stage, found) = new().judge(at(600), || Ok(calls.to_vec())).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((stage.watched, stage.next), (seen.watched, Some(at(650))));
    let (stage, _) = new().judge(at(650), || Ok(Vec::new())).unwrap();
    assert_eq!((stage.watched, stage.next), (None, None));
}
