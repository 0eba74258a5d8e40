//! Feeds that have to agree before anything is dropped.

use std::{fmt::Write as _, fs};

use serde_json::{Value, json};
use tests::{lab::HOSTS, skip_unless};

use super::scene::{BOTH, Scene};

const SHARED: [&str; 2] = ["203.0.113.7", "2001:db8:bad::7"];

/// Feeds in the mode enforce by name and further keys, two of which have to agree; their lists are empty.
fn with_group(feeds: &[(&str, &str)]) -> Scene {
    let scene = Scene::new("");
    let mut configuration = format!("{BOTH}[[group]]\nname = 'lists'\nmin_feeds = 2\n");
    for (name, keys) in feeds {
        let path = scene.product.folder().join(name);
        let path = path.display();
        write!(
            configuration,
            "[[feed]]\nname = '{name}'\npath = '{path}'\nformat = 'plain'\nmode = 'enforce'\n\
             group = 'lists'\n{keys}"
        )
        .unwrap();
    }
    scene.product.configure(&configuration).unwrap();
    scene
}

/// The feed now lists these, and something that is not asked about: an empty list would be refused.
fn lists(scene: &Scene, feed: &str, entries: &[&str]) {
    let content = format!("192.0.2.99\n{}\n", entries.join("\n"));
    fs::write(scene.product.folder().join(feed), content).unwrap();
    scene.done(&["feeds", "update", feed]);
}

fn row(scene: &Scene, remote: &str) -> Value {
    let mut rows = scene.json(&["hosts"]);
    rows.retain(|row| row["remote"] == remote && row["inside"] == HOSTS[0].0);
    rows.remove(0)
}

fn exported(scene: &Scene) -> String {
    let text = scene.done(&["export"]);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.collect()
}

#[test]
fn an_address_is_dropped_while_two_feeds_agree() {
    skip_unless!("an_address_is_dropped_while_two_feeds_agree", Netns);
    let mut scene = with_group(&[("one", ""), ("two", ""), ("three", "")]);
    let _run = scene.start();
    lists(&scene, "one", &["203.0.113.0/24", "2001:db8:bad::/48"]);
    for address in SHARED {
        assert!(!scene.drops(address), "only one lists {address}");
        let why = scene.run(&["why", address]);
        assert_eq!(why.code, 0, "{}", why.stdout);
        let words = [
            "only monitored",
            "only 1 of 2 feeds that must agree (group lists)",
        ];
        assert!(
            words.iter().all(|it| why.stdout.contains(it)),
            "{}",
            why.stdout
        );
    }
    let monitored = row(&scene, SHARED[0]);
    assert_eq!(
        (&monitored["verdict"], &monitored["sources"]),
        (&json!("passed"), &json!(["one"]))
    );
    assert_eq!(exported(&scene), "");
    let modes = |scene: &Scene, feed| scene.done(&["list", "--feed", feed]);
    assert!(!modes(&scene, "one").contains("enforce"));

    lists(&scene, "two", &SHARED);
    assert!(modes(&scene, "one").contains("203.0.113.0/24 one monitor\n"));
    assert!(modes(&scene, "two").contains("203.0.113.7/32 two enforce\n"));
    for address in SHARED {
        assert!(scene.drops(address), "two list {address}");
        let why = scene.run(&["why", address]);
        assert_eq!(why.code, 1, "{}", why.stdout);
        assert!(
            why.stdout.contains("2 feeds of group lists agree"),
            "{}",
            why.stdout
        );
    }
    assert!(
        !scene.drops("203.0.113.8"),
        "one alone lists what is around"
    );
    assert_eq!(exported(&scene), "192.0.2.99203.0.113.72001:db8:bad::7");
    assert_eq!(row(&scene, SHARED[0])["sources"], json!(["one", "two"]));

    lists(&scene, "one", &["203.0.113.8"]);
    assert!(!scene.drops(SHARED[0]), "one has dropped it");
    lists(&scene, "three", &["203.0.113.7"]);
    assert!(scene.drops(SHARED[0]), "another agrees");
    assert!(!scene.drops("203.0.113.8"));
    // What the operator says needs nobody's consent.
    scene.done(&["block", "203.0.113.8"]);
    assert!(scene.drops("203.0.113.8"));
    scene.done(&["allow", SHARED[0]]);
    assert!(!scene.drops(SHARED[0]));
}

#[test]
fn feeds_of_attackers_agree_and_drop_what_they_would_alone() {
    skip_unless!(
        "feeds_of_attackers_agree_and_drop_what_they_would_alone",
        Netns
    );
    let keys = "direction = 'in'\nconnectionless = 'drop'\n";
    let mut scene = with_group(&[("one", keys), ("two", keys)]);
    let _run = scene.start();
    lists(&scene, "one", &SHARED);
    for address in SHARED {
        assert!(
            scene.probe.is_reached_from(address).unwrap(),
            "from {address}"
        );
    }
    lists(&scene, "two", &SHARED);
    for address in SHARED {
        assert!(
            !scene.probe.is_reached_from(address).unwrap(),
            "from {address}"
        );
        assert!(scene.probe.reaches(address).unwrap(), "to {address}");
    }
}

#[test]
fn a_feed_that_is_switched_off_leaves_the_others_of_its_group_monitoring() {
    skip_unless!(
        "a_feed_that_is_switched_off_leaves_the_others_of_its_group_monitoring",
        Netns
    );
    let mut scene = with_group(&[("one", ""), ("two", "")]);
    let _run = scene.start();
    lists(&scene, "one", &SHARED);
    lists(&scene, "two", &SHARED);
    assert!(scene.drops(SHARED[0]));
    let remarks = |scene: &Scene| scene.status()["remarks"].to_string();
    assert!(!remarks(&scene).contains("group lists"));
    let path = scene.product.configuration();
    let configuration = fs::read_to_string(&path).unwrap();
    let (first, second) = configuration.split_once("name = 'two'").unwrap();
    let off = second.replace("'enforce'", "'off'");
    scene
        .product
        .configure(&format!("{first}name = 'two'{off}"))
        .unwrap();
    let reload = scene.run(&["reload"]);
    assert_eq!(reload.code, 0, "{}", reload.stderr);
    assert!(!scene.drops(SHARED[0]), "there is nobody to agree with");
    assert!(remarks(&scene).contains("group lists: 2 feeds must agree and only 1"));
    assert_eq!(scene.status()["enforcing"], true, "it is no fault");
    let check = scene.run(&["config", "check"]);
    assert_eq!(check.code, 0);
    assert!(
        check.stderr.contains("group lists: 2 feeds must agree"),
        "{}",
        check.stderr
    );
}
