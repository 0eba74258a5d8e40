use firewall_common::class::Action;
use jiff::Timestamp;

use super::*;
use crate::{
    feed::format::{Column, Separator},
    ruleset::Wish,
};

mod keys;

fn error(text: &str) -> String {
    format!("{:#}", Config::parse(text, "test.toml").unwrap_err())
}

#[test]
fn the_example_in_etc_is_valid() {
    let text = include_str!("../../../etc/firewall.toml");
    Config::parse(text, "etc/firewall.toml").unwrap();
}

#[test]
fn defaults_apply_to_feeds_that_say_nothing() {
    let config = Config::parse(
        "defaults.mode = 'enforce'\ndefaults.interval = '2h'\n\
         [[feed]]\nname = 'a'\npath = '/a'\n\
         [[feed]]\nname = 'b'\nurl = 'https://feeds.example/b'\nmode = 'monitor'\n",
        "test.toml",
    )
    .unwrap();
    assert_eq!(config.feeds[0].mode, Mode::Enforce);
    assert_eq!(config.feeds[0].interval, Duration::from_secs(7200));
    assert_eq!(config.feeds[1].mode, Mode::Monitor);
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_a_suggestion() {
    let message = error("interfaces = []\n[[feed]]\nname = 'a'\npaht = '/a'\n");
    assert!(
        message.starts_with("test.toml:4:1: unknown field `paht`"),
        "{message}"
    );
    assert!(message.ends_with("did you mean `path`?"), "{message}");
}

#[test]
fn a_feed_needs_exactly_one_place() {
    assert!(error("[[feed]]\nname = 'a'\n").contains("needs a url or a path"));
    let both = error("[[feed]]\nname = 'a'\nurl = 'https://x.example'\npath = '/a'\n");
    assert!(both.contains("only one"));
}

#[test]
fn two_feeds_of_one_name_are_refused() {
    let feed = "[[feed]]\nname = 'a'\npath = '/a'\n";
    assert!(error(&format!("{feed}{feed}")).contains("two feeds named 'a'"));
}

#[test]
fn names_that_are_no_file_names_are_refused() {
    for name in ["", "../a", "A", "a b", "-a", "local"] {
        error(&format!("[[feed]]\nname = '{name}'\npath = '/a'\n"));
    }
}

#[test]
fn a_feed_wishes_by_mode_and_direction() {
    use Action::{Drop, Monitor};
    let inbound = |opening, connectionless| Wish::Inbound {
        opening,
        connectionless,
    };
    let table = [
        ("mode = 'monitor'", Wish::Monitor),
        ("mode = 'enforce'", Wish::Drop),
        (
            "mode = 'monitor'\ndirection = 'in'",
            inbound(Monitor, Monitor),
        ),
        ("mode = 'enforce'\ndirection = 'in'", inbound(Drop, Monitor)),
        (
            "mode = 'enforce'\ndirection = 'in'\nconnectionless = 'drop'",
            inbound(Drop, Drop),
        ),
        (
            "mode = 'monitor'\ndirection = 'in'\nconnectionless = 'drop'",
            inbound(Monitor, Monitor),
        ),
    ];
    for (keys, wish) in table {
        let text = format!("[[feed]]\nname = 'a'\npath = '/a'\n{keys}\n");
        let config = Config::parse(&text, "test.toml").unwrap();
        assert_eq!(config.feeds[0].wish(), wish, "{keys}");
    }
    let message = error("[[feed]]\nname = 'a'\npath = '/a'\nconnectionless = 'drop'\n");
    assert!(message.contains("for direction = \"in\""), "{message}");
}

#[test]
fn a_hasty_interval_is_refused() {
    assert!(error("[[feed]]\nname='a'\npath='/a'\ninterval='10s'\n").contains("shorter"));
}

#[test]
fn a_provider_is_asked_no_more_often_than_it_wants() {
    let drop = "[[feed]]\nname = 'a'\nurl = 'https://www.spamhaus.org/drop/drop_v4.json'\n";
    let threatfox = "https://threatfox-api.abuse.ch/v2/files/exports/0123/recent.csv";
    let interval = |text: &str| Config::parse(text, "test.toml").unwrap().feeds[0].interval;
    let message = error(&format!("{drop}interval = '59m'\n"));
    assert!(
        message.contains("feed 'a': Spamhaus DROP, IPv4 is to be asked each 1h at most"),
        "{message}"
    );
    let text = format!("{drop}interval = '1h'\n");
    let feed = Config::parse(&text, "test.toml").unwrap().feeds.remove(0);
    assert_eq!(feed.interval, Duration::from_hours(1));
    assert_eq!(feed.minimum_interval, Duration::from_hours(1));
    // What is not said for a feed of its own is not below what its provider wants.
    let defaults = format!("defaults.interval = '5m'\n{drop}");
    assert_eq!(interval(&defaults), Duration::from_hours(1));
    assert_eq!(interval(drop), Duration::from_hours(1));
    for (url, allowed) in [
        ("http://www.spamhaus.org/drop/drop_v4.json", false),
        ("https://WWW.Spamhaus.ORG.:443/drop/drop_v4.json?x=1", false),
        (threatfox, false),
        ("https://www.spamhaus.org/drop/drop_v4.json.bak", true),
        ("https://feeds.example/drop/drop_v4.json", true),
    ] {
        let text = format!("[[feed]]\nname = 'a'\nurl = '{url}'\ninterval = '2m'\n");
        assert_eq!(Config::parse(&text, "test.toml").is_ok(), allowed, "{url}");
    }
}

#[test]
fn a_key_is_in_one_place_and_sent_in_one_way() {
    use crate::feed::key::{Place, Sent};
    let feed = |more: &str, url: &str| {
        let text = format!("[[feed]]\nname = 'a'\nurl = '{url}'\n{more}");
        Config::parse(&text, "test.toml").map(|config| config.feeds[0].key.clone())
    };
    let plain = "https://feeds.example/a";
    let in_path = "https://feeds.example/{key}/a";
    let file = "key_file = '/etc/key'\n";
    let header = |name: &'static str| Sent::Header(name.parse().unwrap());
    for (more, url, sent) in [
        (file.to_owned(), plain, Sent::Bearer),
        (file.to_owned(), in_path, Sent::Address),
        (
            format!("{file}user = 'me'"),
            plain,
            Sent::Basic("me".into()),
        ),
        (
            format!("{file}key_header = 'Auth-Key'"),
            plain,
            header("auth-key"),
        ),
        (
            format!("{file}server = 'crowdsec'"),
            plain,
            header("x-api-key"),
        ),
    ] {
        let key = feed(&more, url).unwrap().unwrap();
        assert_eq!(key.sent, sent, "{more} {url}");
        assert_eq!(key.place, Place::File("/etc/key".into()));
    }
    assert_eq!(feed("", plain).unwrap(), None);
    let credential = feed("credential = 'key'\n", plain).unwrap().unwrap();
    assert_eq!(credential.place, Place::Credential("key".into()));
    for (more, url, why) in [
        (String::new(), in_path, "where the key is"),
        ("user = 'me'".to_owned(), plain, "where the key is"),
        (format!("{file}credential = 'key'"), plain, "two keys"),
        (
            format!("{file}user = 'me'\nkey_header = 'x'"),
            plain,
            "one way",
        ),
        (format!("{file}user = 'me'"), in_path, "one way"),
        (
            format!("{file}key_header = 'a b'"),
            plain,
            "no name of a header",
        ),
    ] {
        let error = format!("{:#}", feed(&more, url).unwrap_err());
        assert!(error.contains(why), "{more} {url}: {error}");
    }
    assert!(error("[[feed]]\nname = 'a'\npath = '/a'\nkey_file = '/k'\n").contains("for a url"));
}

#[test]
fn a_server_has_a_format_and_an_interval_of_its_own() {
    let server = "[[feed]]\nname = 'a'\nserver = 'crowdsec'\nurl = 'http://127.0.0.1:8080'\n";
    let config = Config::parse(server, "test.toml").unwrap();
    assert_eq!(config.feeds[0].interval, Duration::from_secs(10));
    assert!(Config::parse(&format!("{server}interval = '1s'"), "test.toml").is_ok());
    assert!(error(&format!("{server}format = 'plain'")).contains("format of its own"));
    assert!(
        error("[[feed]]\nname = 'a'\nserver = 'crowdsec'\npath = '/a'\n").contains("needs a url")
    );
}

#[test]
fn internal_is_said_for_addresses_and_off_otherwise() {
    for (keys, internal) in [("", false), ("internal = true\n", true)] {
        for kind in ["feed", "protect"] {
            let text = format!("[[{kind}]]\nname = 'a'\nurl = 'https://feeds.example/a'\n{keys}");
            let config = Config::parse(&text, "test.toml").unwrap();
            let found = config.all_feeds().next().unwrap().internal;
            assert_eq!(found, internal, "{text}");
        }
    }
    for value in ["true", "false"] {
        let message = error(&format!(
            "[[feed]]\nname = 'a'\npath = '/a'\ninternal = {value}\n"
        ));
        assert!(
            message.contains("feed 'a': internal is for a url"),
            "{message}"
        );
    }
}

#[test]
fn keys_of_a_format_are_refused_for_others() {
    let feed = |keys: &str| format!("[[feed]]\nname = 'a'\npath = '/a'\n{keys}\n");
    let options = |keys: &str| {
        let config = Config::parse(&feed(keys), "test.toml").unwrap();
        (config.feeds[0].format, config.feeds[0].options.clone())
    };
    assert_eq!(options("format = 'auto'"), (None, Options::default()));
    let (format, csv) = options("format = 'csv'\ncolumn = 'dst ip'\nseparator = 'tab'");
    assert_eq!(format, Some(Format::Csv));
    assert_eq!(csv.column, Some(Column::Name("dst ip".to_owned())));
    assert_eq!(csv.separator, Some(Separator::Tab));
    let (_, csv) = options("format = 'csv'\ncolumn = 2");
    assert_eq!(csv.column, Some(Column::Number(2)));
    let paths = ["json_path = 'a[]'", "json_path = ['a[]']"];
    for path in paths {
        let (_, json) = options(&format!("format = 'json'\n{path}"));
        assert_eq!(json.json_path, ["a[]"]);
    }
    let table = [
        ("column = 2", "feed 'a': column is for format = csv"),
        (
            "format = 'plain'\nminimum = 2",
            "minimum is for format = ipsum",
        ),
        ("format = 'csv'\ncolumn = 0", "counted from 1"),
        ("format = 'xml'", "no format is named `xml`"),
        ("format = 'csv'\nseparator = 'dot'", "expected one of"),
    ];
    for (keys, message) in table {
        let found = error(&feed(keys));
        assert!(found.contains(message), "{found}");
    }
}

#[test]
fn a_relative_path_is_refused_and_an_interface_is_named_once() {
    let found = error("[[feed]]\nname = 'a'\npath = 'lists/a.txt'\n");
    assert!(found.contains("another file for each process"), "{found}");
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("firewall.toml");
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    std::fs::write(&main, "interfaces = ['lan', 'wan']\n").unwrap();
    let more = "interfaces = ['wan', 'dmz']\n";
    std::fs::write(folder.path().join("conf.d/more.toml"), more).unwrap();
    let config = Config::load(Some(&main)).unwrap();
    assert_eq!(config.interfaces, ["lan", "wan", "dmz"]);
}

#[test]
fn how_wide_and_how_old_a_feed_may_be() {
    let feed = |keys: &str| format!("[[feed]]\nname = 'a'\npath = '/a'\n{keys}\n");
    let config = |keys: &str| {
        Config::parse(&feed(keys), "test.toml")
            .unwrap()
            .feeds
            .remove(0)
    };
    let usual = config("");
    assert_eq!((usual.gates.max_coverage, usual.max_age), (64 << 20, None));
    let set = config("max_coverage = 4294967296\nmax_age = '48h'\nwhen_old = 'expire'");
    assert_eq!(set.gates.max_coverage, 1 << 32);
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let fetched = at("2026-11-20T12:00:00Z");
    let (young, old) = (at("2026-11-22T12:00:00Z"), at("2026-11-22T12:00:01Z"));
    let kept = config("max_age = '48h'");
    // Fetched again and again, and the same.
    let same = config("max_age = '30d'\nmax_unchanged = '48h'\nwhen_old = 'expire'");
    let changed = (at("2026-11-22T11:00:00Z"), fetched);
    assert!(!same.is_expired(changed, young) && same.is_expired(changed, old));
    for (feed, now, is_old, is_expired) in [
        (&usual, old, false, false),
        (&kept, young, false, false),
        (&kept, old, true, false),
        (&set, young, false, false),
        (&set, old, true, true),
    ] {
        let copy = (fetched, fetched);
        assert_eq!(feed.is_old(copy, now), is_old, "{now} {feed:?}");
        assert_eq!(feed.is_expired(copy, now), is_expired, "{now} {feed:?}");
    }
    let table = [
        ("max_coverage = 0", "1 to 4294967296"),
        ("max_coverage = 4294967297", "1 to 4294967296"),
        ("when_old = 'expire'", "when_old needs max_age"),
        ("max_age = '90m'", "shorter than two intervals"),
        ("max_unchanged = '90m'", "shorter than two intervals"),
        (
            "min_entries = 2\nmax_entries = 1",
            "min_entries is more than",
        ),
        ("shortest_prefix = 0", "a length from 1 to 32"),
        ("shortest_prefix_v6 = 129", "v6 from 1 to 128"),
    ];
    for (keys, message) in table {
        let found = error(&feed(keys));
        assert!(found.contains(message), "{found}");
    }
}

#[test]
fn a_protect_list_is_like_a_feed_and_says_nothing_of_what_is_done() {
    let list = "[[protect]]\nname = 'dns'\npath = '/dns'\n";
    let feed = "[[feed]]\nname = 'a'\npath = '/a'\n";
    let config = Config::parse(&format!("{list}{feed}hold = false\n"), "test.toml").unwrap();
    assert_eq!((config.feeds.len(), config.protect.len()), (1, 1));
    assert_eq!(
        (config.protect[0].mode, config.feeds[0].hold),
        (Mode::Protect, false)
    );
    assert_eq!(config.fetched_feeds().count(), 2);
    let keys = [
        "mode = 'enforce'",
        "direction = 'in'",
        "ports = 'exact'",
        "hold = true",
    ];
    for key in keys {
        let message = error(&format!("{list}{key}\n"));
        assert!(
            message.contains("protect 'dns': a protect list only holds"),
            "{message}"
        );
    }
    assert!(error(&format!("{feed}mode = 'protect'\n")).contains("unknown variant"));
    assert!(error(&(list.replace("dns'\np", "a'\np") + feed)).contains("two feeds named 'a'"));
}
