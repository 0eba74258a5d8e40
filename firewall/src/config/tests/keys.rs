//! Single interfaces, groups of feeds, and how new entries wait.

use std::fs;

use super::*;

#[test]
fn a_group_may_stand_behind_its_feeds_and_in_another_file() {
    let feed = |name: &str, mode: &str| {
        format!("[[feed]]\nname = '{name}'\npath = '/{name}'\nmode = '{mode}'\ngroup = 'lists'\n")
    };
    let group = |min: usize| format!("[[group]]\nname = 'lists'\nmin_feeds = {min}\n");
    let said = |feeds: &str, min: usize| {
        let config = Config::parse(&(feeds.to_owned() + &group(min)), "test.toml").unwrap();
        config.too_small_groups().collect::<Vec<_>>()
    };
    let enforce = |names: [&str; 2]| names.map(|name| feed(name, "enforce")).concat();
    assert!(said(&enforce(["a", "b"]), 2).is_empty());
    assert!(said(&feed("a", "off"), 2).is_empty());
    assert!(said("", 2).is_empty());
    for feeds in [
        feed("a", "enforce"),
        feed("a", "enforce") + &feed("b", "off"),
        feed("a", "enforce") + &feed("b", "monitor"),
    ] {
        let said = said(&feeds, 2);
        let few = "group lists: 2 feeds must agree and only 1 of its feeds drops";
        assert!(said.len() == 1 && said[0].starts_with(few), "{said:?}");
    }
    assert_eq!(said(&enforce(["a", "b"]), 3).len(), 1);

    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("firewall.toml");
    fs::create_dir(folder.path().join("conf.d")).unwrap();
    fs::write(&main, feed("a", "enforce") + &feed("b", "monitor")).unwrap();
    fs::write(folder.path().join("conf.d/groups.toml"), group(2)).unwrap();
    let config = Config::load(Some(&main)).unwrap();
    let [a, b] = config.feeds.as_slice() else {
        panic!("{config:?}")
    };
    assert_eq!(a.must_agree(), Some(&config.groups[0]));
    assert_eq!((&b.group, b.must_agree()), (&a.group, None));
}

#[test]
fn groups_that_mean_nothing_are_refused() {
    let group = "[[group]]\nname = 'lists'\n";
    let feed = "[[feed]]\nname = 'a'\npath = '/a'\n";
    let table = [
        (
            format!("{feed}group = 'lists'\n"),
            "feed 'a': there is no group 'lists'",
        ),
        (format!("{group}min_feeds = 1\n"), "2 or more"),
        (
            format!("{group}min_feeds = 2\n").repeat(2),
            "two groups named 'lists'",
        ),
        (group.to_owned(), "missing field `min_feeds`"),
        (
            format!("{group}min_feeds = 2\nfeeds = ['a']\n"),
            "unknown field `feeds`",
        ),
        (
            format!("{group}min_feeds = 2\n{feed}group = 'lists'\n")
                .replace("feed", "protect")
                .replace("min_protects", "min_feeds"),
            "a protect list only holds",
        ),
    ];
    for (text, message) in table {
        let found = error(&text);
        assert!(found.contains(message), "{text}: {found}");
    }
}

#[test]
fn what_comes_from_others_waits_unless_it_is_said_otherwise() {
    use stage::Entries::{All, Wide};
    const FILE: &str = "path = '/a'";
    const URL: &str = "url = 'https://feeds.example/a'";
    const BANS: &str = "url = 'http://127.0.0.1:8080'\nserver = 'crowdsec'";
    let text = |place: &str, keys: &str| {
        format!("[[feed]]\nname = 'a'\nmode = 'enforce'\n{place}\n{keys}\n")
    };
    let half = Some((1800, Wide, 3));
    let table = [
        (FILE, "", None),
        (URL, "", half),
        (BANS, "", None),
        (BANS, "stage = '30m'", half),
        (URL, "stage = '0s'", None),
        (FILE, "stage = '1h'", Some((3600, Wide, 3))),
        (
            URL,
            "stage_entries = 'all'\nstage_hosts = 0",
            Some((1800, All, 0)),
        ),
        (URL, "mode = 'monitor'", None),
    ];
    for (place, keys, expected) in table {
        let text = match keys.starts_with("mode") {
            true => text(place, keys).replacen("mode = 'enforce'\n", "", 1),
            false => text(place, keys),
        };
        let config = Config::parse(&text, "test.toml").unwrap();
        let found = config.feeds[0].staging();
        let found = found.map(|it| (it.wait.as_secs(), it.entries, it.max_hosts));
        assert_eq!(found, expected, "{text}");
    }
    for (place, keys, message) in [
        (
            FILE,
            "stage_hosts = 1",
            "stage_entries and stage_hosts need stage",
        ),
        (URL, "stage = '0s'\nstage_entries = 'all'", "need stage"),
        (URL, "stage = '1s'", "stage is shorter than 2s"),
        (URL, "stage = '-1h'", "stage is shorter than 2s"),
        (URL, "stage_entries = 'narrow'", "unknown variant `narrow`"),
    ] {
        let found = error(&text(place, keys));
        assert!(found.contains(message), "{keys}: {found}");
    }
    for key in ["stage = '1h'", "stage_hosts = 1", "stage_entries = 'all'"] {
        let found = error(&format!("[[protect]]\nname = 'a'\n{URL}\n{key}\n"));
        assert!(found.contains("a protect list only holds"), "{found}");
    }
}

#[test]
fn feeds_of_one_list_share_what_its_provider_allows() {
    let feed = |name: &str, url: &str, more: &str| {
        format!("[[feed]]\nname = '{name}'\nurl = 'https://{url}'\n{more}\n")
    };
    let drop = "www.spamhaus.org/drop/drop_v4.json";
    let other = "WWW.spamhaus.org./drop/drop_v4.json?again";
    let shortest = |text: &str| {
        let config = Config::parse(text, "test.toml").unwrap();
        let hours = |feed: &Feed| feed.minimum_interval.as_secs() / 3_600;
        let hours: Vec<u64> = config.all_feeds().map(hours).collect();
        (hours, config.notices().collect::<Vec<_>>())
    };
    let alone = feed("a", drop, "") + &feed("b", "feeds.example/b", "");
    assert_eq!(shortest(&alone), (vec![1, 0], vec![]));
    let (hours, said) =
        shortest(&(feed("a", drop, "") + &feed("b", other, "column = 1\nformat = 'csv'")));
    assert_eq!(hours, [2, 2]);
    let [said] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert!(
        said.contains("feeds a, b ask for one list") && said.contains("fetched every 2h at most"),
        "{said}"
    );
    // Nobody asks for what is off; and who asks rarely has no need to know.
    let off = feed("a", drop, "") + &feed("b", drop, "mode = 'off'");
    assert_eq!(shortest(&off), (vec![1, 1], vec![]));
    let rarely = ["a", "b"].map(|name| feed(name, drop, "interval = '1d'"));
    assert_eq!(shortest(&rarely.concat()), (vec![2, 2], vec![]));
}

#[test]
fn a_mode_is_written_for_all_interfaces_or_for_one() {
    let single = "[[interface]]\nname = 'eth1'\nattach = 'generic'\n";
    let config = Config::parse(&format!("attach = 'native'\n{single}"), "test.toml").unwrap();
    assert_eq!(config.attach_of(&["eth0"]), AttachMode::Native);
    assert_eq!(config.attach_of(&["eth1"]), AttachMode::Generic);
    // It was renamed, and the configuration has either name.
    assert_eq!(config.attach_of(&["lan", "eth1"]), AttachMode::Generic);
    for (text, said) in [
        (
            format!("interfaces = ['eth0']\n{single}"),
            "'interfaces' does not name it",
        ),
        (single.repeat(2), "two [[interface]] named 'eth1'"),
        (
            "[[interface]]\nname = 'eth1'\n".to_owned(),
            "missing field `attach`",
        ),
        (format!("{single}role = 'inside'\n"), "unknown field `role`"),
    ] {
        let error = Config::parse(&text, "test.toml").unwrap_err();
        assert!(format!("{error:#}").contains(said), "{error:#}");
    }
}
