//! Lists that are lists, and odd: the last good copy stays, the state says why, and the operator may
//! take them all the same.

use std::{fmt::Write as _, fs};

use firewall::feed::{
    self, Outcome,
    format::Format,
    server::Server,
    store::{GoodCopy, Quarantined},
};
use serde_json::json;

use crate::scene::{Scene, fixed, ok, time, with_means};

/// So many addresses.
fn list(count: u32) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        writeln!(text, "198.18.{}.{}", number >> 8, number & 255).unwrap();
        text
    })
}

/// 300 addresses and six /8: 100 million.
fn wide() -> String {
    let wide = [8, 9, 12, 13, 14, 15].map(|octet| format!("{octet}.0.0.0/8\n"));
    list(300) + &wide.concat()
}

impl Scene {
    fn serves(&self, body: &str) {
        self.answers(ok(body.as_bytes()));
    }

    /// With a list of 300 addresses as the last good copy.
    fn with_300() -> Self {
        let scene = Self::new();
        scene.serves(&list(300));
        scene.takes(0, 300);
        scene
    }

    /// The update must bring so many entries.
    fn takes(&self, second: i64, entries: usize) {
        let outcome = self.update(second);
        let Outcome::Changed(copy, _) = outcome else {
            panic!("not taken: {outcome:?}")
        };
        assert_eq!(copy.entries, entries);
        assert_eq!(self.meta().quarantined, None);
        assert!(!self.held().exists());
    }

    fn refuses(&self, second: i64, reason: &str) {
        let outcome = self.update(second);
        let Outcome::Quarantined(said) = outcome else {
            panic!("not in quarantine: {outcome:?}")
        };
        assert!(said.contains(reason), "said: {said}\nexpected: {reason}");
        assert_eq!(self.quarantined().reason, said);
    }

    fn accept(&self) -> anyhow::Result<Outcome> {
        with_means(&[], time(100), |means| {
            feed::accept(&self.feed, self.state.path(), means)
        })
    }

    fn quarantined(&self) -> Quarantined {
        self.meta().quarantined.unwrap()
    }

    fn copy(&self) -> GoodCopy {
        self.meta().copy.unwrap()
    }

    fn held(&self) -> std::path::PathBuf {
        self.state.path().join("feeds/list.held")
    }

    fn in_force(&self) -> usize {
        self.guarded(&[]).map_or(0, |guarded| guarded.v4.len())
    }
}

#[test]
fn an_odd_list_is_kept_aside_and_the_good_copy_stays() {
    let table = [
        (list(30), "it has shrunk to 30 entries from 300, those of"),
        (
            list(3000),
            "it has grown to 3000 entries from 300, those of",
        ),
        (
            wide(),
            "it covers 100663596 IPv4 addresses, and 67108864 is the limit",
        ),
    ];
    for (body, reason) in table {
        let scene = Scene::with_300();
        let before = scene.copy();
        scene.serves(&body);
        scene.refuses(1, reason);
        scene.refuses(2, reason);
        let meta = scene.meta();
        assert_eq!((meta.stalled, meta.copy), (None, Some(before)));
        assert_eq!(meta.checked_at, Some(time(2)));
        assert_eq!(scene.quarantined().since, time(1));
        assert_eq!(fs::read_to_string(scene.held()).unwrap(), body);
        assert_eq!(
            scene.store().content().unwrap().unwrap(),
            list(300).as_bytes()
        );
        assert_eq!(scene.in_force(), 300);
    }
}

#[test]
fn garbage_in_a_fifth_of_the_lines_refuses_the_list() {
    let garbage: String = list(300)
        .lines()
        .enumerate()
        .map(|(number, line)| match number % 5 {
            0 => "no such list\n".to_owned(),
            _ => format!("{line}\n"),
        })
        .collect();
    for format in [None, Some(Format::Plain)] {
        let mut scene = Scene::with_300();
        scene.feed.format = format;
        let before = scene.copy();
        scene.serves(&garbage);
        let Outcome::Failed(said) = scene.update(1) else {
            panic!("taken as {format:?}")
        };
        assert!(said.contains("60 of 300 lines are no entr"), "{said}");
        assert!(said.contains("line 1: no such list"), "{said}");
        assert_eq!(scene.meta().stalled.unwrap().reason, said);
        assert_eq!((scene.copy(), scene.in_force()), (before, 300));
    }
}

#[test]
fn what_is_accepted_is_in_force_and_is_what_the_next_list_is_compared_with() {
    for (body, entries, next) in [(list(30), 30, list(81)), (list(3000), 3000, list(1500))] {
        let scene = Scene::with_300();
        scene.serves(&body);
        scene.refuses(1, "the limit");
        assert!(
            matches!(scene.accept().unwrap(), Outcome::Changed(copy, _) if copy.entries == entries)
        );
        assert_eq!(
            (scene.in_force(), scene.meta().quarantined),
            (entries, None)
        );
        assert!(!scene.held().exists());
        assert_eq!(scene.update(2), Outcome::Unchanged);
        scene.serves(&next);
        assert!(matches!(scene.update(3), Outcome::Changed(..)));
    }
}

#[test]
fn what_is_accepted_is_for_once_and_max_coverage_for_good() {
    let mut scene = Scene::with_300();
    scene.serves(&wide());
    scene.refuses(1, "max_coverage sets another");
    scene.accept().unwrap();
    scene.serves(&format!("{}192.0.2.1\n", wide()));
    scene.refuses(2, "it covers 100663597 IPv4 addresses");
    scene.feed.gates.max_coverage = 1 << 27;
    scene.takes(3, 307);
}

#[test]
fn an_empty_list_is_taken_where_it_may_be_empty() {
    let empty = "; Spamhaus DROP List 2026/11/28\n; EOF\n";
    let mut scene = Scene::new();
    scene.feed.format = Some(Format::SpamhausText);
    scene.serves(&format!("{}; EOF\n", list(30)));
    scene.takes(0, 30);
    scene.serves(empty);
    scene.refuses(1, "it is empty; may_be_empty = true lets it be");
    assert_eq!(scene.in_force(), 30);
    scene.feed.gates.may_be_empty = Some(true);
    scene.takes(2, 0);
    scene.feed.gates.may_be_empty = None;
    scene.serves(&format!("; another day\n{empty}"));
    scene.takes(3, 0);
}

#[test]
fn how_many_entries_a_first_copy_may_have_is_for_its_keys_to_say() {
    let mut scene = Scene::new();
    (scene.feed.gates.min_entries, scene.feed.gates.max_entries) = (100, 200);
    scene.serves(&list(99));
    scene.refuses(0, "it has 99 entries, and min_entries is 100");
    scene.serves(&list(201));
    scene.refuses(1, "it has 201 entries, and max_entries is 200");
    scene.serves(&list(200));
    scene.takes(2, 200);
}

#[test]
fn a_list_within_the_limits_ends_the_quarantine() {
    let scene = Scene::with_300();
    scene.serves(&list(30));
    scene.refuses(1, "shrunk");
    scene.serves(&list(290));
    scene.takes(2, 290);

    scene.serves(&list(30));
    scene.refuses(3, "shrunk");
    scene.answers(fixed("304 Not Modified", "", b""));
    assert_eq!(scene.update(4), Outcome::Unchanged);
    assert_eq!(scene.meta().quarantined, None);
    assert!(!scene.held().exists());
}

#[test]
fn a_failure_in_between_leaves_the_quarantine_as_it_is() {
    let scene = Scene::with_300();
    scene.serves(&list(30));
    scene.refuses(1, "shrunk");
    scene.answers(fixed("500 Oops", "", b""));
    assert!(matches!(scene.update(2), Outcome::Failed(_)));
    assert_eq!(scene.quarantined().since, time(1));
    assert!(scene.accept().is_ok());
    assert_eq!(scene.in_force(), 30);
}

#[test]
fn a_first_copy_has_only_its_breadth_to_answer_for() {
    let scene = Scene::new();
    scene.serves(&wide());
    scene.refuses(0, "it covers 100663596");
    assert_eq!((scene.meta().copy, scene.in_force()), (None, 0));
    scene.accept().unwrap();
    assert_eq!(scene.in_force(), 306);
}

#[test]
fn only_what_is_whole_and_of_this_feed_is_accepted() {
    let why = |scene: &Scene| scene.accept().unwrap_err().to_string();
    let mut scene = Scene::with_300();
    assert!(why(&scene).contains("nothing of feed list is in quarantine"));
    scene.serves(&list(30));
    scene.refuses(1, "shrunk");
    let format = scene.feed.format.replace(Format::Netset);
    assert!(why(&scene).contains("not of feed list as it is configured now"));
    scene.feed.format = format;
    fs::write(scene.held(), "8.8.8.8\n").unwrap();
    assert!(why(&scene).contains("or damaged; 'firewall feeds update list'"));
    assert_eq!(scene.in_force(), 300);
}

#[test]
fn another_list_is_not_compared_with_the_one_before() {
    let mut scene = Scene::with_300();
    let path = scene.state.path().join("mine.txt");
    fs::write(&path, list(30)).unwrap();
    scene.feed.location = path.to_str().unwrap().parse().unwrap();
    scene.takes(1, 30);
}

#[test]
fn the_median_of_the_last_copies_decides_and_not_the_last_one() {
    let scene = Scene::with_300();
    for (second, count) in [(1, 290), (2, 310), (3, 620)] {
        scene.serves(&list(count));
        scene.takes(second, count as usize);
    }
    assert_eq!(scene.meta().sizes, [300, 290, 310, 620]);
    // Three times 620 would be within the limit, three times 310 is not.
    scene.serves(&list(931));
    scene.refuses(
        4,
        "it has grown to 931 entries from 310, the median of the last 4",
    );
    scene.serves(&list(930));
    scene.takes(5, 930);
}

#[test]
fn bans_come_and_go() {
    let mut scene = Scene::new();
    scene.feed.server = Some(Server::Crowdsec);
    let decision = |text: &str| {
        json!({"scope": "Ip", "value": text, "type": "ban", "duration": "4h0m0s",
               "origin": "cscli", "scenario": "manual"})
    };
    let all: Vec<_> = list(300).lines().map(decision).collect();
    scene.serves(&json!({"new": all, "deleted": null}).to_string());
    scene.takes(0, 300);
    scene.serves(&json!({"new": null, "deleted": all[1..]}).to_string());
    scene.takes(1, 1);
}
