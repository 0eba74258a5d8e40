use super::*;
use crate::feed::{Means, format};

/// What is handed over says something else than the file: it shows which of the two was taken.
#[test]
fn a_fresh_copy_is_taken_as_long_as_its_file_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list");
    std::fs::write(&list, "203.0.113.7\n203.0.113.8\n").unwrap();
    let state = State::new(folder.path());
    let config = with_copy("mode = 'enforce'\n", &state, &list, Timestamp::UNIX_EPOCH);
    let name = config.feeds[0].name.clone();

    let store = state.feed_store(&name);
    let copy = || {
        let mut parsed = format::parse(Format::Plain, &How::default(), b"203.0.113.99\n").unwrap();
        FreshCopy::of(&store, Records::take(&mut parsed)).unwrap()
    };
    let entries = |copy: Option<FreshCopy>| {
        let mut inputs = Inputs::read(&config, &state).unwrap();
        inputs.take(copy.into_iter().collect());
        let (ruleset, _) = inputs.feeds_ruleset(Timestamp::UNIX_EPOCH, false).unwrap();
        ruleset.v4.len()
    };
    let of_file = entries(None);
    assert_eq!(of_file, 2);
    assert_eq!(entries(copy()), 1);

    // The same records in another file: somebody stored it meanwhile.
    let path = folder.path().join("feeds/box.records");
    let (copy, content) = (copy(), std::fs::read(&path).unwrap());
    file::replace(&path, &content).unwrap();
    assert_eq!(entries(copy), of_file);
}

/// A feed whose copy is the list, fetched at `now`.
fn with_copy(keys: &str, state: &State, list: &std::path::Path, now: Timestamp) -> Config {
    let text = format!("[[feed]]\nname = 'box'\npath = {list:?}\n{keys}");
    let config = Config::parse(&text, "firewall.toml").unwrap();
    let feed = crate::feed::Feed {
        name: config.feeds[0].name.clone(),
        location: config.feeds[0].location.clone(),
        format: None,
        options: format::Options::default(),
        server: None,
        collection: None,
        key: None,
        limits: crate::feed::fetch::Limits::default(),
        gates: config.feeds[0].gates.clone(),
    };
    let means = Means {
        worker: &Worker::Here,
        protected: &[],
        now,
    };
    crate::feed::update(&feed, state.root(), &means).unwrap();
    config
}

#[test]
fn whom_a_feed_must_agree_with_decides_what_is_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list");
    std::fs::write(&list, "203.0.113.7\n").unwrap();
    let state = State::new(folder.path());
    let group = |name: &str, min: usize| {
        format!("group = '{name}'\n[[group]]\nname = '{name}'\nmin_feeds = {min}\n")
    };
    let enforce = |rest: String| format!("mode = 'enforce'\n{rest}");
    let now = Timestamp::UNIX_EPOCH;
    let digests = [
        enforce(String::new()),
        enforce(group("lists", 2)),
        enforce(group("lists", 3)),
        enforce(group("others", 2)),
        String::new(),
    ]
    .map(|keys| {
        let inputs = Inputs::read(&with_copy(&keys, &state, &list, now), &state).unwrap();
        let of_image = inputs.of_image(now).remove(0);
        (inputs.digest(now), of_image.asks)
    });
    let different: std::collections::BTreeSet<_> = digests.iter().cloned().collect();
    assert_eq!(different.len(), digests.len(), "{digests:?}");
    let asks: std::collections::BTreeSet<_> = digests.iter().map(|(_, asks)| asks).collect();
    assert_eq!(asks.len(), digests.len(), "{digests:?}");
    // One that only monitors agrees with nobody.
    let monitor = Inputs::read(&with_copy(&group("lists", 2), &state, &list, now), &state).unwrap();
    assert_eq!(monitor.digest(now), digests[4].0);
    assert_eq!(
        monitor
            .own_ruleset(now)
            .unwrap()
            .sources
            .last()
            .unwrap()
            .group,
        None
    );
}

#[test]
fn new_entries_are_of_a_source_that_monitors_and_agrees_with_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list");
    let state = State::new(folder.path());
    let at = |second| Timestamp::from_second(second).unwrap();
    let keys = "mode = 'enforce'\nstage = '1h'\ngroup = 'lists'\n[[group]]\nname = 'lists'\nmin_feeds = 2\n";
    std::fs::write(&list, "203.0.112.0/22\n").unwrap();
    with_copy(keys, &state, &list, at(10));
    std::fs::write(&list, "198.18.0.0/15\n203.0.112.0/22\n203.0.113.7\n").unwrap();
    let config = with_copy(keys, &state, &list, at(20));
    let store = state.feed_store(&config.feeds[0].name);
    let entries = |judged: i64| {
        let stage = Stage {
            judged: Some(at(judged)),
            ..Stage::default()
        };
        store.write_stage(&stage).unwrap();
        let inputs = Inputs::read(&config, &state).unwrap();
        let (ruleset, _) = inputs.feeds_ruleset(at(30), false).unwrap();
        let entry = |it: &crate::ruleset::Entry<u32>| {
            let source = &ruleset.sources[usize::from(it.source)];
            (it.length, source.wish, source.group.is_some())
        };
        let entries: Vec<_> = ruleset.v4.iter().map(entry).collect();
        (
            entries,
            inputs.digest(at(30)),
            inputs.of_image(at(30))[0].asks.clone(),
        )
    };
    let (waits, on) = (entries(10), entries(20));
    let (drop, monitor) = (Wish::Drop, Wish::Monitor);
    assert_eq!(
        waits.0,
        [(15, monitor, false), (22, drop, true), (32, drop, true)]
    );
    assert_eq!(on.0, [15, 22, 32].map(|length| (length, drop, true)));
    assert!(waits.1 != on.1 && waits.2 != on.2, "another image");
}
