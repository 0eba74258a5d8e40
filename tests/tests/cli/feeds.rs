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
        said.stdout.contains("left out: too wide, or protected"),
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
