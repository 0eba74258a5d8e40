//! Entries that end by themselves.

use tests::skip_unless;

use super::scene::{BOTH, Scene, eventually};

const BAD: &str = "203.0.113.7";

#[test]
fn a_live_run_lifts_an_entry_that_has_ended() {
    skip_unless!("a_live_run_lifts_an_entry_that_has_ended", Netns);
    let (_run, mut scene) = Scene::running(BOTH);
    scene.done(&["block", BAD, "--for", "2s"]);
    scene.done(&["block", "198.51.100.9"]);
    assert!(scene.drops(BAD));
    eventually("the entry is lifted", || scene.probe.reaches(BAD).unwrap());
    assert!(scene.drops("198.51.100.9"));
    eventually("all is in force", || scene.run(&["status"]).code == 0);
    assert_eq!(
        scene
            .run(&["list", "--local", "--json"])
            .stdout
            .lines()
            .count(),
        1
    );
}

#[test]
fn without_a_live_run_an_ended_entry_stays_in_force_and_status_says_so() {
    skip_unless!(
        "without_a_live_run_an_ended_entry_stays_in_force_and_status_says_so",
        Netns
    );
    let mut scene = Scene::left_in_force(BOTH);
    scene.done(&["block", BAD, "--for", "3s"]);
    eventually("status sees the end of the entry", || !scene.all_in_force());
    let said = scene.run(&["status"]);
    assert!(
        said.stdout.contains("expired, still in force"),
        "{}",
        said.stdout
    );
    assert!(
        scene
            .run(&["list"])
            .stdout
            .contains("expired, still in force")
    );
    assert!(scene.drops(BAD));
    assert_eq!(scene.run(&["reload"]).code, 0);
    assert!(!scene.drops(BAD));
    assert!(scene.all_in_force());
}
