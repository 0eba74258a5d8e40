use super::*;
use crate::feed::{Means, format};

/// What is handed over says something else than the file: it shows which of the two was taken.
#[test]
fn a_fresh_copy_is_taken_as_long_as_its_file_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list");
    std::fs::write(&list, "203.0.113.7\n203.0.113.8\n").unwrap();
    let config = format!("[[feed]]\nname = 'box'\npath = {list:?}\nmode = 'enforce'\n");
    let config = Config::parse(&config, "firewall.toml").unwrap();
    let state = State::new(folder.path());
    let name = config.feeds[0].name.clone();
    let feed = crate::feed::Feed {
        name: name.clone(),
        location: config.feeds[0].location.clone(),
        format: None,
        options: format::Options::default(),
        server: None,
        collection: None,
        key: None,
        limits: crate::feed::fetch::Limits::default(),
        max_coverage: config.feeds[0].max_coverage,
    };
    let means = Means {
        worker: &Worker::Here,
        protected: &[],
        now: Timestamp::UNIX_EPOCH,
    };
    crate::feed::update(&feed, state.root(), &means).unwrap();

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
