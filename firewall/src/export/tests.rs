//! Every format says the same, and is read back by our own parsers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::{
    feed::format::{self, Format as FeedFormat, How},
    ruleset::{Ruleset, Wish},
};

const IN: Wish = Wish::Inbound {
    opening: Action::Drop,
    connectionless: Action::Monitor,
};

/// Source, what it wishes, its entry.
const ENTRIES: [(&str, Wish, &str); 14] = [
    ("cert", Wish::Drop, "203.0.113.0/24"),
    ("feodo", Wish::Drop, "203.0.113.7"),
    ("local", Wish::Drop, "192.0.2.7"),
    ("local", Wish::Drop, "192.0.2.6"),
    ("local", Wish::Drop, "198.51.100.7:443/tcp"),
    ("local", Wish::Drop, "198.51.100.7:53"),
    ("local", Wish::Drop, "[2001:db8::7]:53/udp"),
    ("cert", Wish::Drop, "2001:db8:bad::/48"),
    ("watch", Wish::Monitor, "198.51.100.128/25"),
    ("watch", Wish::Monitor, "203.0.113.9"),
    ("scan", IN, "192.0.2.128/25"),
    ("allow", Wish::Allow, "203.0.113.128/25"),
    ("allow", Wish::Allow, "192.0.2.200"),
    ("own", Wish::Protect, "2001:db8:bad::1"),
];

fn listing() -> Listing {
    let mut ruleset = Ruleset::default();
    for (name, wish, entry) in ENTRIES {
        let source = ruleset.source(name, wish).unwrap();
        ruleset.add(&entry.parse().unwrap(), source);
    }
    Listing::of(&ruleset).unwrap()
}

fn export(listing: &Listing, wanted: Wanted) -> Export<'_> {
    Export {
        listing,
        wanted,
        now: "2026-11-23T16:00:00Z".parse().unwrap(),
        site: "here".to_owned(),
    }
}

fn written(wanted: Wanted, format: Format) -> String {
    let (listing, mut output) = (listing(), Vec::new());
    export(&listing, wanted).write(format, &mut output).unwrap();
    String::from_utf8(output).unwrap()
}

const MONITORED: Wanted = Wanted {
    monitored: true,
    direction: None,
};

#[test]
fn csv_says_what_is_dropped_by_whom() {
    let text = written(Wanted::default(), Format::Csv);
    let expected = [
        "address,port,protocol,action,direction,sources",
        "192.0.2.6/31,,,drop,out,local",
        "192.0.2.128/26,,,drop,in,scan",
        "192.0.2.192/29,,,drop,in,scan",
        "192.0.2.201,,,drop,in,scan",
        "192.0.2.202/31,,,drop,in,scan",
        "192.0.2.204/30,,,drop,in,scan",
        "192.0.2.208/28,,,drop,in,scan",
        "192.0.2.224/27,,,drop,in,scan",
        "203.0.113.0/30,,,drop,out,cert",
        "203.0.113.4/31,,,drop,out,cert",
        "203.0.113.6,,,drop,out,cert",
        "203.0.113.7,,,drop,out,cert feodo",
        "203.0.113.8,,,drop,out,cert",
        "203.0.113.9,,,drop,out,cert watch",
    ];
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..expected.len()], expected);
    assert!(!text.contains("198.51.100.128"), "monitored");
    assert!(
        !text.contains("203.0.113.128") && !text.contains("192.0.2.200,"),
        "allowed"
    );
    assert!(
        text.contains("198.51.100.7,53,udp,drop,out,local\n"),
        "{text}"
    );
    assert!(
        !text.contains("2001:db8:bad::/48") && text.contains("2001:db8:bad::,"),
        "{text}"
    );
}

#[test]
fn plain_joins_what_differs_in_sources_only() {
    let text = written(Wanted::default(), Format::Plain);
    assert!(
        text.starts_with("# what a firewall has dropped, 2026-11-23T16:00:00Z\n"),
        "{text}"
    );
    assert!(text.contains("\n203.0.113.0/25\n"), "{text}");
    assert!(text.contains("\n198.51.100.7:443/tcp\n"), "{text}");
}

#[test]
fn a_direction_or_the_monitored_are_written_if_asked_for() {
    let only = |direction| {
        let wanted = Wanted {
            monitored: false,
            direction: Some(direction),
        };
        written(wanted, Format::Plain)
    };
    assert!(only(Direction::In).contains("192.0.2.128/26\n"));
    assert!(!only(Direction::In).contains("203.0.113"));
    assert!(only(Direction::Out).contains("203.0.113.0/25\n"));
    assert!(!only(Direction::Out).contains("192.0.2.128"));
    let text = written(MONITORED, Format::Csv);
    assert!(
        text.contains("198.51.100.128/25,,,monitor,out,watch\n"),
        "{text}"
    );
    let listing = listing();
    assert!(export(&listing, MONITORED).is_mixed().unwrap());
    let wanted = Wanted {
        monitored: true,
        direction: Some(Direction::In),
    };
    assert!(!export(&listing, wanted).is_mixed().unwrap());
}

/// What each address and port of a list comes to: all that it covers, and the ports.
fn meaning(subjects: impl IntoIterator<Item = Subject>, protocols: bool) -> BTreeSet<String> {
    let mut ruleset = Ruleset::default();
    let source = ruleset.source("x", Wish::Drop).unwrap();
    for mut subject in subjects {
        if !protocols && let Some(port) = &mut subject.port {
            port.protocol = None;
        }
        ruleset.add(&subject, source);
    }
    let (listing, mut all) = (Listing::of(&ruleset).unwrap(), BTreeSet::new());
    let each = listing.each(
        |class| class.actions.drops().then_some(()),
        |subject, ()| {
            all.insert(subject.to_string());
            Ok(())
        },
    );
    each.unwrap();
    all
}

#[test]
fn each_format_reads_back_to_the_same_addresses_and_ports() {
    let listing = listing();
    for wanted in [Wanted::default(), MONITORED] {
        let export = export(&listing, wanted);
        let mut subjects = Vec::new();
        export
            .rows(|subject, _, _| {
                subjects.push(subject);
                Ok(())
            })
            .unwrap();
        for (format, read) in [
            (Format::Plain, FeedFormat::Plain),
            (Format::Csv, FeedFormat::Csv),
            (Format::Json, FeedFormat::Json),
            (Format::Nft, FeedFormat::Nft),
            (Format::Ipset, FeedFormat::Ipset),
            (Format::Stix, FeedFormat::Stix),
            (Format::Misp, FeedFormat::Misp),
        ] {
            let text = written(wanted, format);
            let parsed = format::parse(read, &How::default(), text.as_bytes()).unwrap();
            assert_eq!(parsed.rejected, [], "{format:?}");
            let found = format::detect(text.as_bytes());
            assert_eq!(found.unwrap(), read, "found by itself");
            let v4 = parsed.v4.iter().filter_map(|it| it.subject());
            let v6 = parsed.v6.iter().filter_map(|it| it.subject());
            let protocols = format != Format::Misp;
            assert_eq!(
                meaning(v4.chain(v6), protocols),
                meaning(subjects.iter().copied(), protocols),
                "{format:?}"
            );
        }
    }
}

#[test]
fn json_has_an_object_a_line() {
    let text = written(Wanted::default(), Format::Json);
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let row = rows
        .iter()
        .find(|row| row["prefix"] == "203.0.113.7/32")
        .unwrap();
    assert_eq!(row["sources"], serde_json::json!(["cert", "feodo"]));
    assert_eq!(
        (&row["action"], &row["direction"]),
        (&"drop".into(), &"out".into())
    );
}

/// Whether it is `kind--` and a UUID of version 5 and the usual variant, as the schema asks.
fn is_identifier(text: &str, kind: &str) -> bool {
    let uuid = text
        .strip_prefix(kind)
        .and_then(|rest| rest.strip_prefix("--"))
        .unwrap_or(text);
    let parts: Vec<&str> = uuid.split('-').collect();
    let hex = |part: &&str| {
        part.bytes()
            .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    };
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(hex)
        && parts[2].starts_with('5')
        && parts[3].starts_with(['8', '9', 'a', 'b'])
}

#[test]
fn a_stix_bundle_has_what_the_specification_asks_for() {
    let bundle: Value = serde_json::from_str(&written(Wanted::default(), Format::Stix)).unwrap();
    assert_eq!(bundle["type"], "bundle");
    assert!(is_identifier(bundle["id"].as_str().unwrap(), "bundle"));
    let objects = bundle["objects"].as_array().unwrap();
    let ids: BTreeSet<&str> = objects
        .iter()
        .map(|it| it["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), objects.len(), "identifiers differ");
    for object in objects {
        assert!(
            is_identifier(object["id"].as_str().unwrap(), "indicator"),
            "{object}"
        );
        let fixed =
            ["type", "spec_version", "pattern_type"].map(|key| object[key].as_str().unwrap());
        assert_eq!(fixed, ["indicator", "2.1", "stix"]);
        let times = ["created", "modified", "valid_from"].map(|key| object[key].as_str().unwrap());
        assert!(
            times.iter().all(|it| it.len() == 24 && it.ends_with('Z')),
            "{times:?}"
        );
        assert!(times[0] <= times[1]);
    }
    let find = |pattern: &str| objects.iter().any(|it| it["pattern"] == pattern);
    assert!(find("[ipv4-addr:value = '203.0.113.7']"));
    assert!(find("[ipv4-addr:value ISSUBSET '203.0.113.0/30']"));
    let (listing, mut elsewhere) = (listing(), Vec::new());
    let mut other = export(&listing, Wanted::default());
    other.site = "there".to_owned();
    other.write(Format::Stix, &mut elsewhere).unwrap();
    let elsewhere: Value = serde_json::from_slice(&elsewhere).unwrap();
    assert_ne!(
        elsewhere["objects"][0]["id"], objects[0]["id"],
        "another site names it otherwise"
    );
}

#[test]
fn a_misp_event_has_what_an_import_asks_for() {
    let event: Value = serde_json::from_str(&written(Wanted::default(), Format::Misp)).unwrap();
    let event = &event["Event"];
    assert_eq!(
        (&event["date"], &event["timestamp"]),
        (&"2026-11-23".into(), &"1795449600".into())
    );
    assert!(is_identifier(event["uuid"].as_str().unwrap(), "event"));
    let attributes = event["Attribute"].as_array().unwrap();
    let values: BTreeSet<&str> = attributes
        .iter()
        .map(|it| it["value"].as_str().unwrap())
        .collect();
    assert_eq!(
        values.len(),
        attributes.len(),
        "MISP refuses the same value twice"
    );
    assert!(values.contains("198.51.100.7|53"));
    let attacker = attributes
        .iter()
        .find(|it| it["value"] == "192.0.2.128/26")
        .unwrap();
    assert_eq!(attacker["type"], "ip-src");
    assert!(attributes.iter().all(|it| it["to_ids"] == true));
}

#[test]
fn nothing_to_export_is_still_whole() {
    let listing = Listing::of(&Ruleset::default()).unwrap();
    for format in [Format::Stix, Format::Misp] {
        let mut output = Vec::new();
        export(&listing, MONITORED)
            .write(format, &mut output)
            .unwrap();
        assert!(
            serde_json::from_slice::<Value>(&output).is_ok(),
            "{format:?}"
        );
    }
}
