//! `status` ends with 1 where there is something to look at, and says how much.

use std::fs;

use serde_json::Value;
use tests::skip_unless;

use super::scene::{BOTH, Scene};

#[test]
fn status_counts_what_there_is_to_look_at() {
    skip_unless!("status_counts_what_there_is_to_look_at", Netns);
    let scene = Scene::with_feed("enforce", "203.0.113.7");
    let run = scene.start();
    scene.done(&["feeds", "update"]);
    assert!(scene.done(&["status"]).starts_with("enforcing\n"));
    assert_eq!(scene.status()["troubles"], Value::Array(vec![]));

    scene.edit("feeds/test.json", |meta| {
        meta["stalled"] = serde_json::json!({ "since": "2026-01-01T00:00:00Z", "reason": "away" });
    });
    assert_eq!(run.stop().unwrap(), 0);
    let said = scene.run(&["status"]);
    assert_eq!(said.code, 1);
    let begin = "enforcing; 2 troubles:\n  no 'firewall run' is live: ";
    assert!(said.stdout.starts_with(begin), "{}", said.stdout);
    let troubles = scene.status()["troubles"].clone();
    let [_, feed] = troubles.as_array().unwrap().as_slice() else {
        panic!("{troubles}");
    };
    let feed = feed.as_str().unwrap();
    assert!(feed.starts_with("feed test: stalled since "), "{feed}");
    assert!(scene.all_in_force());
}

#[test]
fn a_feed_that_waits_for_its_first_fetch_is_no_trouble_for_a_while() {
    skip_unless!(
        "a_feed_that_waits_for_its_first_fetch_is_no_trouble_for_a_while",
        Netns
    );
    let feed = "[[feed]]\nname = 'slow'\npath = '/does/not/exist'\ninterval = '1h'\n";
    let (_run, scene) = Scene::running(&format!("{BOTH}{feed}"));
    scene.done(&["status"]);
    scene.edit("configuration.json", |kept| {
        kept["since"] = "2026-01-01T00:00:00Z".into();
    });
    let stalled = scene.product.state().join("feeds/slow.json");
    super::scene::eventually("it was tried", || stalled.exists());
    fs::remove_file(&stalled).unwrap();
    let said = scene.run(&["status"]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    assert!(said.stdout.contains("  feed slow: never fetched; "));
}
