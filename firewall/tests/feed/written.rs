//! Lists that are written oddly, and times that cannot be.

use std::fmt::Write as _;

use firewall::feed::{Outcome, format::Format, server::Server};
use serde_json::json;

use crate::{
    poisoned::{
        Becomes::{Failed, Taken},
        check, in_force,
    },
    scene::{LIST, Scene, fixed, ok, time},
};

/// A list of ten good lines with these in between; so few slips are forgiven.
fn among_good(lines: &str) -> String {
    (0..10).fold(lines.to_owned(), |mut text, number| {
        writeln!(text, "198.51.100.{number}").unwrap();
        text
    })
}

#[test]
fn encodings() {
    let utf16 = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        let text = LIST.encode_utf16().flat_map(bytes);
        mark.into_iter().chain(text).collect()
    };
    let (little, big) = (
        utf16([0xff, 0xfe], u16::to_le_bytes),
        utf16([0xfe, 0xff], u16::to_be_bytes),
    );
    for body in [&little, &big] {
        check(None, body, &Failed("UTF-16"));
        check(Some(Format::Plain), body, &Failed("no entry in"));
    }
    for body in [
        "\u{feff}192.0.2.9\r\n2001:db8::9\r\n",
        "192.0.2.9\r2001:db8::9",
        "\u{feff}\n \t192.0.2.9 \n\n\n2001:db8::9\t\r\n\r\n",
    ] {
        check(
            None,
            body.as_bytes(),
            &Taken(&["192.0.2.9/32", "2001:db8::9/128"], 0),
        );
    }
    let zeros = among_good("192.0.2.9\0\n192.0.2\0.9\n");
    let good: Vec<String> = (0..10).map(|it| format!("198.51.100.{it}/32")).collect();
    let mut scene = Scene::with_copy();
    scene.feed.format = Some(Format::Plain);
    scene.answers(ok(zeros.as_bytes()));
    assert!(matches!(scene.update(1), Outcome::Changed(copy, _) if copy.rejected == 2));
    assert_eq!(in_force(&scene), good);
}

#[test]
fn addresses_that_are_written_oddly() {
    let mut good: Vec<&str> = vec![
        "198.51.100.0/32",
        "198.51.100.1/32",
        "198.51.100.2/32",
        "198.51.100.3/32",
        "198.51.100.4/32",
        "198.51.100.5/32",
        "198.51.100.6/32",
        "198.51.100.7/32",
        "198.51.100.8/32",
        "198.51.100.9/32",
    ];
    good.insert(0, "");
    // A line, and what it is in force as; nothing if it is rejected.
    for (line, expected) in [
        ("176.221.42.3254.174.140.223", None),
        ("010.8.0.1", None),
        ("192.0.2.09", None),
        ("0x7f.0.0.1", None),
        ("3221225994", None),
        ("192.0.2", None),
        ("192.0.2.256", None),
        ("192.0.2.9.1", None),
        ("192.0.2.9/33", None),
        ("192.0.2.9/-1", None),
        ("192.0.2.9/024", None),
        ("192.0.2.9 192.0.2.10", None),
        ("192.0.2.20-192.0.2.10", None),
        ("2001:db8::9%eth0", None),
        ("2001:db8::g", None),
        ("evil.example", None),
        ("-A INPUT -s 192.0.2.9 -j DROP; rm -rf /", None),
        ("192.0.2.9/24", Some("192.0.2.0/24")),
        ("203.0.113.77/255.255.255.0", Some("203.0.113.0/24")),
        ("::ffff:203.0.113.9", Some("203.0.113.9/32")),
        ("::ffff:203.0.113.9/120", Some("203.0.113.0/24")),
        ("203[.]0[.]113[.]9", Some("203.0.113.9/32")),
    ] {
        let scene = Scene::with_copy();
        scene.answers(ok(among_good(&format!("{line}\n")).as_bytes()));
        let mut scene = scene;
        scene.feed.format = Some(Format::Plain);
        let outcome = scene.update(1);
        let Outcome::Changed(copy, _) = &outcome else {
            panic!("{line}: {outcome:?}")
        };
        assert_eq!(copy.rejected, usize::from(expected.is_none()), "{line}");
        let mut found = in_force(&scene);
        found.sort_unstable();
        match expected {
            Some(prefix) => {
                good[0] = prefix;
                let mut sorted = good.clone();
                sorted.sort_unstable();
                assert_eq!(found, sorted, "{line}");
            }
            None => assert_eq!(found, good[1..], "{line}"),
        }
    }
}

#[test]
fn duplicates_and_overlaps_count_once_in_what_is_covered() {
    let body = "192.0.2.9\n".repeat(5_000) + &"203.0.113.0/24\n203.0.113.0/25\n".repeat(100);
    let scene = Scene::new();
    scene.answers(ok(body.as_bytes()));
    let Outcome::Changed(copy, _) = scene.update(0) else {
        panic!("refused")
    };
    assert_eq!(copy.entries, 5_200);
    let wide = "8.0.0.0/8\n".repeat(100);
    scene.answers(ok(wide.as_bytes()));
    let outcome = scene.update(1);
    assert!(
        matches!(&outcome, Outcome::Quarantined(why) if why.contains("shrunk")),
        "{outcome:?}"
    );
    let first = Scene::new();
    first.answers(ok(wide.as_bytes()));
    assert!(
        matches!(first.update(0), Outcome::Changed(..)),
        "16 Mi, not 1600"
    );
}

#[test]
fn times_that_cannot_be() {
    for header in [
        "Last-Modified: Fri, 01 Jan 2199 00:00:00 GMT",
        "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT",
        "Last-Modified: yesterday",
        "Date: Fri, 01 Jan 2199 00:00:00 GMT",
        "Expires: -1",
        "Age: 99999999999999999999",
    ] {
        let scene = Scene::with_copy();
        let headers = format!("{header}\r\n");
        scene.answers(fixed("200 OK", &headers, b"192.0.2.9\n"));
        assert!(matches!(scene.update(1), Outcome::Changed(..)), "{header}");
        assert_eq!(scene.meta().copy.unwrap().fetched_at, time(1), "{header}");
        assert_eq!(scene.update(2), Outcome::Unchanged, "{header}");
    }
    let feodo = |date: &str| {
        format!(
            "\"first_seen_utc\",\"dst_ip\",\"dst_port\",\"c2_status\",\"last_online\",\"malware\"\n\
             \"{date} 00:00:00\",\"192.0.2.9\",\"443\",\"online\",\"{date}\",\"Emotet\"\n# END 1 entries\n"
        )
    };
    for date in [
        "0000-00-00",
        "1970-01-01",
        "2199-01-01",
        "99999-99-99",
        "\u{661}",
    ] {
        check(None, feodo(date).as_bytes(), &Taken(&["192.0.2.9/32"], 0));
    }
    let stix = |until: &str| {
        json!({"type": "bundle", "id": "bundle--1", "objects": [{
            "type": "indicator", "id": "indicator--1", "pattern_type": "stix", "valid_until": until,
            "pattern": "[ipv4-addr:value = '192.0.2.9']",
        }]})
        .to_string()
    };
    for until in ["9999-12-31T23:59:59Z", "99999-12-31T23:59:59Z", "never"] {
        check(None, stix(until).as_bytes(), &Taken(&["192.0.2.9/32"], 0));
    }
    check(
        None,
        stix("0001-01-01T00:00:00Z").as_bytes(),
        &Failed("1 expired"),
    );
}

#[test]
fn bans_that_last_for_ever_or_have_ended() {
    let mut scene = Scene::new();
    scene.feed.server = Some(Server::Crowdsec);
    let decision = |value: &str, duration: &str| {
        json!({"scope": "Ip", "value": value, "type": "ban", "duration": duration,
               "origin": "cscli", "scenario": "manual"})
    };
    let new = [
        decision("192.0.2.1", "876000h0m0s"),
        decision("192.0.2.2", "2562047h47m16.854775807s"),
        decision("192.0.2.3", "-1h0m0s"),
        decision("192.0.2.4", "0s"),
    ];
    scene.answers(ok(json!({"new": new, "deleted": null})
        .to_string()
        .as_bytes()));
    let outcome = scene.update(0);
    assert!(
        matches!(&outcome, Outcome::Changed(copy, _) if copy.entries == 2),
        "{outcome:?}"
    );
    scene.answers(ok(
        json!({"new": [decision("192.0.2.5", "1 aeon")], "deleted": null})
            .to_string()
            .as_bytes(),
    ));
    let outcome = scene.update(1);
    assert!(
        matches!(&outcome, Outcome::Failed(why) if why.contains("'1 aeon' of a decision")),
        "{outcome:?}"
    );
}
