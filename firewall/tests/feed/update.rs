//! What an update keeps, and what is loaded from it.

use std::path::Path;

use firewall::{
    address::Prefix,
    feed::{Outcome, fetch::Location, format::Format, journal::Since},
    protected::{Kind, Protected},
};

use crate::scene::{LIST, Scene, fixed, gzip, ok, time, update};

#[test]
fn unchanged_is_asked_for_and_understood() {
    let scene = Scene::with_copy();
    scene.answers(fixed("304 Not Modified", "", b""));
    assert_eq!(scene.update(1), Outcome::Unchanged);
    let request = scene.requests.lock().unwrap().pop().unwrap().to_lowercase();
    assert!(request.contains("if-none-match: \"one\""), "{request}");
    assert!(
        request.contains("if-modified-since: mon, 23 nov 2026 15:00:00 gmt"),
        "{request}"
    );
    assert!(request.contains("user-agent: firewall/"), "{request}");
    let copy = scene.meta().copy.unwrap();
    assert_eq!((copy.changed_at, copy.fetched_at), (time(0), time(1)));
}

#[test]
fn the_same_bytes_again_are_unchanged() {
    let scene = Scene::with_copy();
    scene.answers(fixed("200 OK", "ETag: \"two\"\r\n", &gzip(LIST.as_bytes())));
    assert_eq!(scene.update(1), Outcome::Unchanged);
    assert_eq!(
        scene.meta().copy.unwrap().version.etag.as_deref(),
        Some("\"two\"")
    );
}

#[test]
fn unchanged_counts_only_for_what_is_here() {
    let scene = Scene::with_copy();
    std::fs::remove_file(scene.state.path().join("feeds/list")).unwrap();
    scene.answers(fixed("304 Not Modified", "", b""));
    assert!(matches!(scene.update(1), Outcome::Failed(said) if said.contains("status 304")));
    scene.answers(ok(LIST.as_bytes()));
    assert!(matches!(scene.update(2), Outcome::Changed(..)));
    scene.assert_copy_stays();
}

#[test]
fn another_location_or_format_is_fetched_anew() {
    let mut scene = Scene::with_copy();
    scene.feed.format = Some(Format::FeodoCsv);
    assert!(matches!(scene.update(1), Outcome::Failed(said) if said.contains("no header")));
    scene.assert_copy_stays();
    scene.feed.format = Some(Format::Plain);
    assert_eq!(scene.update(2), Outcome::Unchanged);
    let path = scene.state.path().join("mine.txt");
    std::fs::write(&path, gzip(LIST.as_bytes())).unwrap();
    scene.feed.location = Location::File(path);
    assert!(matches!(scene.update(3), Outcome::Changed(..)));
    assert_eq!(scene.update(4), Outcome::Unchanged);
}

#[test]
fn stalled_since_the_first_failure_until_the_next_success() {
    let scene = Scene::with_copy();
    scene.answers(fixed("500 Oops", "", b""));
    scene.update(1);
    scene.update(2);
    assert_eq!(scene.meta().stalled.unwrap().since, time(1));
    scene.answers(fixed("304 Not Modified", "", b""));
    scene.update(3);
    assert_eq!(scene.meta().stalled, None);
}

#[test]
fn since_when_an_address_is_listed() {
    let scene = Scene::with_copy();
    scene.answers(ok(b"192.0.2.1\n192.0.2.7\n"));
    assert!(matches!(scene.update(1), Outcome::Changed(..)));
    let since = |address| scene.store().since(Prefix::V4(address, 32)).unwrap();
    assert_eq!(since(0xc000_0201), Some(Since::FirstLoad(time(0))));
    assert_eq!(since(0xc000_0207), Some(Since::Added(time(1))));
}

#[test]
fn protected_addresses_are_counted_at_update_and_left_out_at_load() {
    let scene = Scene::new();
    let own = [Protected {
        prefix: "192.0.2.1/32".parse().unwrap(),
        kind: Kind::Own,
    }];
    let update = update(&scene.feed, scene.state.path(), &own, time(0)).unwrap();
    let Outcome::Changed(copy, _) = update else {
        panic!("{update:?}")
    };
    assert_eq!(
        (copy.entries, copy.v4, copy.v6, copy.left_out),
        (3, 2, 1, 1)
    );
    assert_eq!(copy.findings[0].rule, "own");
    assert_eq!(scene.guarded(&own).unwrap().v4.len(), 1);
    assert_eq!(scene.guarded(&[]).unwrap().v4.len(), 2);
}

#[test]
fn before_the_first_copy_there_is_nothing_to_load() {
    let scene = Scene::new();
    scene.answers(fixed("500 Oops", "", b""));
    assert!(matches!(scene.update(0), Outcome::Failed(_)));
    assert_eq!(scene.guarded(&[]), None);
    assert!(scene.meta().stalled.is_some());
}

#[test]
fn a_full_disk_leaves_the_old_copy() {
    // Writing to /dev/full fails like a full disk does, and the journal is written first.
    let scene = Scene::with_copy();
    let journal = scene.state.path().join("feeds/list.log");
    std::fs::remove_file(&journal).unwrap();
    std::os::unix::fs::symlink("/dev/full", &journal).unwrap();
    scene.answers(ok(b"192.0.2.9\n"));
    let error = update(&scene.feed, scene.state.path(), &[], time(1)).unwrap_err();
    assert!(error.to_string().contains("check space"), "{error:#}");
    scene.assert_copy_stays();
    assert!(only_the_files_of_the_feed(scene.state.path()));
}

fn only_the_files_of_the_feed(state: &Path) -> bool {
    let files = std::fs::read_dir(state.join("feeds")).unwrap();
    files
        .map(|it| it.unwrap().file_name())
        .all(|it| !it.to_string_lossy().starts_with('.'))
}

#[test]
fn records_that_are_lost_are_made_again_without_the_provider() {
    for damage in [
        |path: &Path| std::fs::remove_file(path),
        |path: &Path| std::fs::write(path, "of another version"),
    ] {
        let scene = Scene::with_copy();
        let path = scene.state.path().join("feeds/list.records");
        let before = std::fs::read(&path).unwrap();
        damage(&path).unwrap();
        scene.answers(fixed("500 Oops", "", b""));
        assert!(matches!(scene.update(1), Outcome::Failed(_)));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        scene.assert_copy_stays();
        assert_eq!(scene.meta().copy.unwrap().fetched_at, time(0));
    }
}

#[test]
fn a_crash_between_two_files_forgets_neither_since_when_nor_how_many() {
    let scene = Scene::with_copy();
    let meta = scene.state.path().join("feeds/list.json");
    let before = std::fs::read(&meta).unwrap();
    scene.answers(ok(b"192.0.2.1\n192.0.2.7\n2001:db8::/32\n"));
    assert!(matches!(scene.update(1), Outcome::Changed(..)));
    std::fs::write(&meta, before).unwrap();
    scene.answers(ok(b"192.0.2.1\n192.0.2.7\n192.0.2.9\n2001:db8::/32\n"));
    assert!(matches!(scene.update(2), Outcome::Changed(..)));
    let since: Vec<u32> = scene.records().v4.iter().map(|it| it.since).collect();
    let second = |number| u32::try_from(time(number).as_second()).unwrap();
    assert_eq!(since, [0, 1, 2].map(second));
    assert_eq!(scene.meta().sizes, [3, 4]);
}
