//! `feeds`: parse, update, list.

use std::fs;

use serde_json::{Value, json};

use super::{NOT_IN_FORCE, product, refused, run};

/// File name, content, format that is found, entries, rejected.
const SAMPLES: [(&str, &str, &str, u64, u64); 4] = [
    (
        "plain",
        "# a list\r\n203.0.113.7\r\n198.51.100.0/24 ; why\n2001:db8::/32",
        "plain",
        3,
        0,
    ),
    (
        "drop.json",
        "{\"cidr\":\"203.0.113.0/24\",\"sblid\":\"SBL1\",\"rir\":\"test\"}\n\
         {\"cidr\":\"198.51.100.0/24\",\"sblid\":\"SBL2\",\"rir\":\"test\"}\n\
         {\"type\":\"metadata\",\"timestamp\":1,\"size\":109,\"records\":2,\"copyright\":\"c\",\"terms\":\"t\"}\n",
        "spamhaus-json",
        2,
        0,
    ),
    (
        "feodo.csv",
        "# comment\r\n\"first_seen_utc\",\"dst_ip\",\"dst_port\",\"c2_status\",\"last_online\",\"malware\"\r\n\
         \"2026-01-01 00:00:00\",\"203.0.113.7\",\"443\",\"online\",\"2026-01-02\",\"Emotet\"\r\n# END (1) entries\r\n",
        "feodo-csv",
        1,
        0,
    ),
    ("mixed", "203.0.113.7\n203.0.113.08\n", "plain", 1, 1),
];

#[test]
fn parse_finds_the_format_and_counts() {
    let product = product("");
    for (name, content, format, entries, rejected) in SAMPLES {
        let path = product.folder().join(name);
        fs::write(&path, content).unwrap();
        let path = path.to_str().unwrap();
        // Half of the lines of the last one are bad: nobody would take it for a list unasked.
        let named = ["feeds", "parse", path, "--format", format, "--json"];
        let arguments = if rejected == 0 {
            &[&named[..3], &named[5..]].concat()
        } else {
            &named[..]
        };
        let said = run(&product, arguments);
        assert_eq!(said.code, 0, "{name}: {}", said.stderr);
        let row: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(row["format"], format, "{name}");
        assert_eq!(
            (&row["entries"], &row["rejected_count"]),
            (&json!(entries), &json!(rejected)),
            "{name}"
        );
        assert_eq!(
            row["rejected"].as_array().unwrap().len() as u64,
            rejected,
            "{name}"
        );
        let words = run(&product, &["feeds", "parse", path, "--format", format]).stdout;
        assert!(words.starts_with(&format!("{path}: {format}\n")), "{words}");
    }
}

#[test]
fn parse_refuses_what_is_no_feed() {
    let product = product("");
    let path = product.folder().join("page");
    fs::write(
        &path,
        "<!DOCTYPE html>\n<html><body>Not found</body></html>\n",
    )
    .unwrap();
    refused(
        &product,
        &["feeds", "parse", path.to_str().unwrap()],
        "would be refused",
    );
    refused(
        &product,
        &["feeds", "parse", "/does/not/exist"],
        "cannot read /does/not/exist",
    );
    refused(
        &product,
        &["feeds", "parse", "/etc/hostname", "--format", "xml"],
        "no format is named `xml`",
    );
}

/// With --json as well: why is said on standard error, and nothing on standard output.
#[test]
fn a_list_without_addresses_is_refused_naming_what_it_has() {
    let product = product("");
    let path = product.folder().join("list");
    for (content, why) in [
        ("bad.example\nworse.example\n", "domain names"),
        ("AS64496\nAS64497\n", "AS numbers"),
    ] {
        fs::write(&path, content).unwrap();
        let parse = ["feeds", "parse", path.to_str().unwrap()];
        refused(&product, &parse, why);
        refused(&product, &[&parse[..], &["--json"]].concat(), why);
    }
}

fn with_feed(content: &str) -> tests::product::Product {
    let product = product("");
    let path = product.folder().join("feed.txt");
    fs::write(&path, content).unwrap();
    let path = path.display();
    let feed = format!("[[feed]]\nname = 'mine'\npath = '{path}'\nmode = 'enforce'\n");
    product.configure(&feed).unwrap();
    product
}

#[test]
fn an_update_says_what_changed_and_why_names_the_feed() {
    let product = with_feed("203.0.113.7\n10.0.0.1\n");
    let said = run(&product, &["feeds", "update"]);
    assert_eq!(said.code, 3, "{}", said.stderr);
    assert!(
        said.stdout.starts_with("mine: changed, 2 entries"),
        "{}",
        said.stdout
    );
    assert!(said.stderr.ends_with(NOT_IN_FORCE), "{}", said.stderr);
    let said = run(&product, &["feeds", "update", "mine"]);
    assert!(
        said.stdout.starts_with("mine: unchanged"),
        "{}",
        said.stdout
    );
    assert_eq!(run(&product, &["why", "203.0.113.7"]).code, 1);
    let said = run(&product, &["why", "10.0.0.1"]);
    assert_eq!(said.code, 0);
    assert!(
        said.stdout
            .contains("left out: all of it is protected (special)"),
        "{}",
        said.stdout
    );
    assert_eq!(
        run(&product, &["list", "--feed", "mine"]).stdout,
        "203.0.113.7/32 mine enforce\n"
    );
    refused(
        &product,
        &["feeds", "update", "theirs"],
        "there is no feed 'theirs'",
    );
    refused(
        &product,
        &["list", "--feed", "theirs"],
        "there is no feed 'theirs'",
    );
}

#[test]
fn a_feed_that_fails_is_said_and_shows_as_stalled() {
    let product = with_feed("203.0.113.7\n");
    run(&product, &["feeds", "update"]);
    fs::remove_file(product.folder().join("feed.txt")).unwrap();
    let said = run(&product, &["feeds", "update"]);
    assert!(
        said.stdout
            .contains("mine: failed, the last good copy stays"),
        "{}",
        said.stdout
    );
    let row: Value = serde_json::from_str(&run(&product, &["feeds", "--json"]).stdout).unwrap();
    assert!(row["stalled"]["reason"].is_string(), "{row}");
    assert_eq!(row["entries"], 1);
    assert_eq!(run(&product, &["why", "203.0.113.7"]).code, 1);
}

/// So many addresses.
fn addresses(count: u32) -> String {
    (0..count)
        .map(|number| format!("198.18.0.{number}\n"))
        .collect()
}

/// Every command that shows a feed says why it is in quarantine.
fn says_what_is_odd(product: &tests::product::Product, row: &Value, reason: &str) {
    let trouble = &row["troubles"][0];
    assert!(
        trouble["reason"].as_str().unwrap().contains(reason),
        "{row}"
    );
    assert!(trouble["advice"].as_str().unwrap().contains("accept mine"));
    let words = run(product, &["feeds", "show", "mine"]);
    assert_eq!(words.code, 1);
    for part in [
        "mine: quarantined since",
        reason,
        "line 201: 10.0.0.1/32 left out (special)",
        "feeds/mine.held",
        "to do (quarantined): 'firewall feeds accept mine'",
    ] {
        assert!(words.stdout.contains(part), "{part}: {}", words.stdout);
    }
    let list = run(product, &["feeds"]).stdout;
    assert!(
        list.contains("quarantined since") && list.contains(reason),
        "{list}"
    );
    assert_eq!(run(product, &["why", "198.18.0.150"]).code, 1);
}

#[test]
fn an_odd_list_is_in_quarantine_until_it_is_accepted() {
    let product = with_feed(&format!("{}10.0.0.1\n", addresses(200)));
    run(&product, &["feeds", "update"]);
    let shown = || -> Value {
        serde_json::from_str(&run(&product, &["feeds", "show", "mine", "--json"]).stdout).unwrap()
    };
    let good = shown();
    assert_eq!(
        (&good["state"], &good["troubles"], &good["quarantined"]),
        (&json!("good"), &json!([]), &Value::Null)
    );
    assert_eq!(
        (&good["copy"]["entries"], &good["in_force"]["covered_v4"]),
        (&json!(201), &json!(200))
    );
    assert_eq!(
        good["in_force"]["findings"],
        json!([{"line": 201, "entry": "10.0.0.1/32", "rule": "special", "action": "left-out"}])
    );
    refused(
        &product,
        &["feeds", "accept", "mine"],
        "nothing of feed mine is in quarantine",
    );

    fs::write(product.folder().join("feed.txt"), addresses(20)).unwrap();
    let said = run(&product, &["feeds", "update"]);
    let reason = "it has shrunk to 20 entries from 201";
    assert!(
        said.stdout.starts_with(&format!(
            "mine: quarantined, the last good copy stays: {reason}"
        )),
        "{}",
        said.stdout
    );
    let row = shown();
    assert_eq!(
        (&row["state"], &row["copy"], &row["quarantined"]["entries"]),
        (&json!("quarantined"), &good["copy"], &json!(20))
    );
    says_what_is_odd(&product, &row, reason);

    let said = run(&product, &["feeds", "accept", "mine"]);
    assert_eq!(said.code, 3, "{}", said.stderr);
    assert!(
        said.stdout.starts_with("mine: changed, 20 entries"),
        "{}",
        said.stdout
    );
    assert_eq!(run(&product, &["why", "198.18.0.150"]).code, 0);
    assert_eq!(run(&product, &["why", "198.18.0.15"]).code, 1);
    assert_eq!(shown()["state"], "good");
    assert_accepted_and_audited(&product);
}

fn assert_accepted_and_audited(product: &tests::product::Product) {
    let audit = fs::read_to_string(product.state().join("audit.jsonl")).unwrap();
    assert!(
        audit.contains("\"verb\":\"accept\"") && audit.contains("\"feed\":\"mine\""),
        "{audit}"
    );
    refused(
        product,
        &["feeds", "show", "theirs"],
        "there is no feed 'theirs'",
    );
}

#[test]
fn what_a_protect_list_has_is_held_unless_a_port_says_what_is_meant() {
    let product = with_feed("203.0.113.7\n8.8.8.8\n9.0.0.0/8\n8.8.4.4:4444\n");
    let list = product.folder().join("dns.json");
    let text = "{\"name\": \"Public resolvers\", \"type\": \"cidr\", \"list\": \
                [\"8.8.0.0/16\", \"9.9.9.9\"], \"version\": 1, \"description\": \"d\", \
                \"matching_attributes\": [\"ip-dst\"]}\n";
    fs::write(&list, text).unwrap();
    let feed = fs::read_to_string(product.configuration()).unwrap();
    let protect = format!("[[protect]]\nname = 'dns'\npath = '{}'\n", list.display());
    product.configure(&format!("{feed}{protect}")).unwrap();
    let said = run(&product, &["feeds", "update"]);
    assert!(
        said.stdout.contains("dns: changed, 2 entries"),
        "{}",
        said.stdout
    );

    let listed = || run(&product, &["list", "--feed", "mine"]).stdout;
    assert_eq!(
        listed(),
        "8.8.4.4:4444 mine enforce\n203.0.113.7/32 mine enforce\n"
    );
    for (address, code) in [("203.0.113.7", 1), ("8.8.8.8", 0), ("9.1.2.3", 0)] {
        assert_eq!(run(&product, &["why", address]).code, code, "{address}");
    }
    let why = run(&product, &["why", "8.8.8.8"]).stdout;
    assert!(
        why.contains("held for you: the protect list dns has it"),
        "{why}"
    );
    let shown = run(&product, &["feeds", "show", "mine"]).stdout;
    for part in [
        "held         2 in or around addresses of dns",
        "line 2: 8.8.8.8/32 held for you (dns)",
        "line 3: 9.0.0.0/8 held for you (dns)",
        "to do (held): 'firewall block' those that are bad",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    says_what_is_held(&product);

    // The operator may let all of the feed through.
    product
        .configure(&format!("{feed}hold = false\n{protect}"))
        .unwrap();
    assert_eq!(listed().lines().count(), 4);
    assert_eq!(run(&product, &["why", "8.8.8.8"]).code, 1);
}

fn says_what_is_held(product: &tests::product::Product) {
    let row = run(product, &["feeds", "show", "mine", "--json"]).stdout;
    let row: Value = serde_json::from_str(&row).unwrap();
    assert_eq!(row["in_force"]["held"], json!({"dns": 2}));
    for (command, words) in [
        ("feeds", "good; 2 entries held for you\n"),
        ("status", "good; 2 entries held for you\n"),
        (
            "status",
            "note: feed mine: 2 entries held for you by protect",
        ),
    ] {
        let said = run(product, &[command]).stdout;
        assert!(said.contains(words), "{command}: {said}");
    }
    let rows = run(product, &["feeds", "--json"]).stdout;
    assert_eq!(rows.matches("\"held\":2,").count(), 1, "{rows}");
}

#[test]
fn show_says_when_a_feed_is_asked_next() {
    let product = product("[[feed]]\nname = 'gone'\npath = '/does/not/exist'\ninterval = '6h'\n");
    let next = || run(&product, &["feeds", "show", "gone"]).stdout;
    assert!(next().contains(" (now)\n"), "{}", next());
    assert_eq!(run(&product, &["feeds", "update"]).code, 3);
    // A minute after the first failure, give or take a tenth: far from six hours.
    let said = next();
    let line = said.lines().find(|line| line.starts_with("  next"));
    let is_soon = |line: &str| line.contains(" (in ") && !line.contains('h');
    assert!(line.is_some_and(is_soon), "{said}");
    let json = run(&product, &["feeds", "show", "gone", "--json"]).stdout;
    let row: Value = serde_json::from_str(&json).unwrap();
    assert!(row["next_at"].is_string(), "{json}");
    product
        .configure("[[feed]]\nname = 'gone'\npath = '/gone'\nmode = 'off'\n")
        .unwrap();
    assert!(!next().contains("  next"), "{}", next());
}
