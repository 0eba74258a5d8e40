//! `image.cache` saves time and changes nothing else.

use std::{fmt::Write as _, fs, net::IpAddr, os::unix::fs::FileExt, path::PathBuf};

use firewall::{record::Records, state::State};
use serde_json::Value;
use tests::skip_unless;

use super::scene::Scene;

/// Addresses of the feed, enough to be worth a cache: 203.0.113.0/24, each second of 198.18.0.0/15
/// and some IPv6 networks.
fn feed() -> String {
    let mut text = String::from("203.0.113.0/24\n");
    for host in (0..1_u32 << 16).step_by(2) {
        writeln!(
            text,
            "198.{}.{}.{}",
            18 + host % 4 / 2,
            host >> 8,
            host & 255
        )
        .unwrap();
    }
    for network in 0..500 {
        writeln!(
            text,
            "2001:db8:{network:x}::/48\n2001:db8:ffff::{network:x}"
        )
        .unwrap();
    }
    text
}

/// In the feed or beside it.
const PROBES: [&str; 12] = [
    "203.0.113.7",
    "203.0.113.8",
    "203.0.114.7",
    "198.18.5.4",
    "198.18.5.5",
    "198.19.7.6",
    "198.51.100.9",
    "192.0.2.1",
    "10.77.1.11",
    "2001:db8:5::1",
    "2001:db8:ffff::5",
    "2001:db8:bad::7",
];

/// Each changes what the one before it left.
const CHANGES: [&[&str]; 12] = [
    &["block", "192.0.2.1"],
    &["block", "203.0.113.7"],
    &["block", "198.18.4.0/23"],
    &["allow", "203.0.113.8"],
    &["block", "2001:db8:bad::7", "2001:db8:5::/64"],
    &["unblock", "203.0.113.7"],
    &["allow", "198.16.0.0/12"],
    &["block", "8.0.0.0/6", "--force"],
    &["disallow", "198.16.0.0/12"],
    &["allow", "2001:db8::/32"],
    &["disallow", "203.0.113.8", "2001:db8::/32"],
    &["unblock", "192.0.2.1", "198.18.4.0/23"],
];

impl Scene {
    /// With a feed that is worth a cache, in force, and `run` stopped.
    fn with_cache() -> Self {
        let scene = Self::with_feed("monitor", &feed());
        scene.load_feed();
        assert!(scene.cache().exists());
        scene
    }

    fn cache(&self) -> PathBuf {
        self.product.state().join("image.cache")
    }

    /// What the kernel and the commands say of every probe, and how many entries there are.
    fn answers(&self) -> Vec<Value> {
        let why = self.json(&[&["why"], PROBES.as_slice()].concat());
        let number = self.generation();
        let records = Records::new(State::new(&self.product.state()).generations());
        let record = records.read(number).unwrap().unwrap();
        let mut answers = vec![self.status()["entries"].clone()];
        for (probe, why) in PROBES.iter().zip(why) {
            let address: IpAddr = probe.parse().unwrap();
            let class = self.dataplane().lookup(number, address).unwrap();
            assert_eq!(
                (&why["agrees"], &why["in_force"]),
                (&true.into(), &true.into())
            );
            answers.push(why["verdict"].clone());
            answers.push(serde_json::to_value(record.class(class)).unwrap());
        }
        answers
    }
}

#[test]
fn with_and_without_the_cache_a_change_does_the_same() {
    skip_unless!("with_and_without_the_cache_a_change_does_the_same", Netns);
    let [with, without] = [Scene::with_cache(), Scene::with_cache()];
    let mut before = with.answers();
    assert_eq!(before, without.answers());
    let cache = fs::read(with.cache()).unwrap();
    for change in CHANGES {
        fs::remove_file(without.cache()).unwrap();
        assert_eq!(with.done(change), without.done(change));
        let answers = with.answers();
        assert_eq!(answers, without.answers(), "{change:?}");
        assert_ne!(answers, before, "{change:?}");
        before = answers;
        // Changes by hand are none of its business.
        assert!(fs::read(with.cache()).unwrap() == cache, "{change:?}");
        assert!(without.cache().exists());
    }
}

#[test]
fn a_damaged_cache_is_as_good_as_none() {
    skip_unless!("a_damaged_cache_is_as_good_as_none", Netns);
    let mut scene = Scene::with_cache();
    let whole = fs::read(scene.cache()).unwrap();
    let middle = whole.len() / 2;
    let mut flipped = whole.clone();
    flipped[middle] ^= 1;
    let damaged = [&b""[..], b"garbage", &whole[..middle], &flipped];
    for (host, content) in (1..).zip(damaged) {
        fs::write(scene.cache(), content).unwrap();
        let address = format!("192.0.2.{host}");
        let said = scene.run(&["block", &address]);
        assert_eq!((said.code, said.stderr.as_str()), (0, ""));
        assert!(scene.drops(&address) && !scene.drops("198.18.5.4"));
        // Found out, and written anew.
        assert!(fs::read(scene.cache()).unwrap() == whole);
    }
    // Nothing can be written in place of a folder.
    fs::remove_file(scene.cache()).unwrap();
    fs::create_dir(scene.cache()).unwrap();
    scene.done(&["block", "192.0.2.99"]);
    assert!(scene.drops("192.0.2.99"));
}

#[test]
fn what_somebody_writes_into_a_copy_is_not_put_in_force() {
    skip_unless!(
        "what_somebody_writes_into_a_copy_is_not_put_in_force",
        Netns
    );
    let mut scene = Scene::with_cache();
    let verdict = |address| scene.json(&["why", address])[0]["verdict"].clone();
    let overwrite = |name: &str, text: &[u8]| {
        let path = scene.product.state().join(name);
        let copy = fs::File::options().write(true).open(&path).unwrap();
        let length = copy.metadata().unwrap().len();
        copy.write_all_at(text, length - text.len() as u64).unwrap();
    };
    // The text was parsed when it came, and nobody parses it again.
    overwrite("feeds/test", b"\n203.0.114.0/24\n");
    assert!(scene.all_in_force());
    scene.done(&["block", "192.0.2.1"]);
    assert_eq!(verdict("203.0.114.7"), "not-blocked");
    // The records are damaged: what is in force stays, and a change that needs them says so.
    overwrite("feeds/test.records", b"damage");
    scene.done(&["block", "192.0.2.2"]);
    fs::remove_file(scene.cache()).unwrap();
    let refused = scene.run(&["block", "192.0.2.3"]);
    assert_eq!(refused.code, 2);
    let advice = "feed test is damaged or lost; 'firewall feeds update test' replaces it";
    assert!(refused.stderr.contains(advice), "{}", refused.stderr);
    assert_eq!(scene.json(&["feeds", "update"])[0]["result"], "changed");
    scene.done(&["block", "192.0.2.4"]);
    assert!(scene.drops("192.0.2.4"));
}

#[test]
fn a_feed_of_which_nothing_is_known_any_more_stays_in_force() {
    skip_unless!(
        "a_feed_of_which_nothing_is_known_any_more_stays_in_force",
        Netns
    );
    let mut scene = Scene::with_feed("enforce", "203.0.113.7\n");
    scene.load_feed();
    // What a power cut may leave of a file.
    fs::write(scene.product.state().join("feeds/test.json"), "").unwrap();
    let advice = "feed test is damaged or lost; 'firewall feeds update test' replaces it";
    for change in [&["block", "192.0.2.1"][..], &["reload"]] {
        let refused = scene.run(change);
        assert_eq!(refused.code, 2, "{change:?}");
        assert!(refused.stderr.contains(advice), "{}", refused.stderr);
    }
    assert!(
        scene.drops("203.0.113.7"),
        "taken out of force without a word"
    );
    let said = scene.run(&["status"]);
    assert_eq!(said.code, 1);
    assert!(
        said.stdout.contains("feed test: damaged since "),
        "{}",
        said.stdout
    );
    assert_eq!(scene.json(&["feeds", "update"])[0]["result"], "changed");
    assert!(scene.drops("192.0.2.1") && scene.all_in_force());
}

#[test]
fn records_that_are_lost_are_made_again_before_anything_is_put_in_force() {
    skip_unless!(
        "records_that_are_lost_are_made_again_before_anything_is_put_in_force",
        Netns
    );
    let mut scene = Scene::with_feed("enforce", "203.0.113.7\n198.51.100.9\n");
    let list = scene.product.folder().join("protect.txt");
    fs::write(&list, "198.51.100.9\n").unwrap();
    let configured = fs::read_to_string(scene.product.configuration()).unwrap();
    let protect = format!("[[protect]]\nname = 'dns'\npath = {list:?}\n");
    scene
        .product
        .configure(&format!("{configured}{protect}"))
        .unwrap();
    scene.load_feed();
    assert!(scene.drops("203.0.113.7") && !scene.drops("198.51.100.9"));
    let records = |name: &str| scene.product.state().join(format!("feeds/{name}.records"));
    // In force, a lost file changes nothing; and after a boot neither.
    fs::remove_file(records("test")).unwrap();
    scene.done(&["block", "192.0.2.1"]);
    assert!(scene.drops("203.0.113.7"));
    scene.done(&["unload"]);
    for name in ["test", "dns"] {
        let path = scene.product.state().join(format!("feeds/{name}.records"));
        fs::write(path, "of another version").unwrap();
    }
    let _run = scene.start();
    assert!(scene.drops("203.0.113.7") && !scene.drops("198.51.100.9"));
}

#[test]
fn few_entries_make_no_cache_and_remove_the_one_of_many() {
    skip_unless!(
        "few_entries_make_no_cache_and_remove_the_one_of_many",
        Netns
    );
    let scene = Scene::with_cache();
    fs::write(scene.product.folder().join("feed.txt"), "203.0.113.7\n").unwrap();
    // A feed seldom loses all but one entry: the operator is asked, and until then nothing changes.
    assert_eq!(scene.run(&["feeds", "update"]).code, 1);
    assert_eq!(scene.status()["feeds"][0]["entries"], 33_769);
    assert!(scene.cache().exists());
    scene.done(&["feeds", "accept", "test"]);
    assert!(!scene.cache().exists());
    scene.done(&["block", "192.0.2.1"]);
    assert!(!scene.cache().exists());
}

#[test]
fn a_feed_that_is_too_old_leaves_and_comes_back_with_the_next_fetch() {
    skip_unless!(
        "a_feed_that_is_too_old_leaves_and_comes_back_with_the_next_fetch",
        Netns
    );
    for (when_old, leaves) in [("keep", false), ("expire", true)] {
        let mut scene = Scene::with_feed("enforce", &feed());
        let configured = fs::read_to_string(scene.product.configuration()).unwrap();
        let keys = format!("max_age = '48h'\nwhen_old = '{when_old}'\n");
        scene
            .product
            .configure(&format!("{configured}{keys}"))
            .unwrap();
        scene.load_feed();
        assert!(scene.cache().exists() && scene.drops("203.0.113.7"));

        // The last good fetch was long ago; the files are the same.
        scene.edit("feeds/test.json", |meta| {
            meta["copy"]["fetched_at"] = "2026-01-01T00:00:00Z".into();
        });
        // What is in force is what the files say by then, or not.
        assert_eq!(scene.all_in_force(), !leaves);
        let state = scene.status()["feeds"][0]["state"].clone();
        let word = if leaves { "expired since" } else { "old since" };
        assert!(state.as_str().unwrap().starts_with(word), "{state}");
        scene.done(&["block", "192.0.2.1"]);
        assert!(scene.all_in_force());
        assert_eq!(scene.drops("203.0.113.7"), !leaves);
        let why = scene.json(&["why", "203.0.113.7"]).remove(0);
        assert_eq!(why["agrees"], true, "{why}");
        assert!(scene.drops("192.0.2.1"));

        scene.done(&["feeds", "update"]);
        assert!(scene.drops("203.0.113.7"));
        assert_eq!(scene.status()["feeds"][0]["state"], "good");
    }
}

#[test]
fn a_protect_list_holds_what_feeds_list_of_it_and_lets_go() {
    skip_unless!(
        "a_protect_list_holds_what_feeds_list_of_it_and_lets_go",
        Netns
    );
    let mut scene = Scene::with_feed("enforce", &feed());
    let configured = fs::read_to_string(scene.product.configuration()).unwrap();
    let list = scene.product.folder().join("list");
    fs::write(&list, "203.0.113.7\n").unwrap();
    let protect = format!("[[protect]]\nname = 'list'\npath = {list:?}\n");
    scene
        .product
        .configure(&format!("{configured}{protect}"))
        .unwrap();
    scene.load_feed();
    // The feed lists all of 203.0.113.0/24, which covers what is protected.
    assert!(scene.cache().exists());
    assert!(!scene.drops("203.0.113.8") && scene.drops("198.18.5.4"));
    // Another list, and none: the image in the cache is not of these.
    fs::write(&list, "198.18.5.4\n").unwrap();
    scene.done(&["feeds", "update"]);
    assert!(scene.drops("203.0.113.8") && !scene.drops("198.18.5.4"));
    scene.product.configure(&configured).unwrap();
    scene.done(&["reload"]);
    assert!(scene.drops("203.0.113.8") && scene.drops("198.18.5.4"));
}
