//! Lists with something wrong in them: refused, held back, or taken without it. Most of it has been in
//! real feeds.

use std::{fmt::Write as _, time::Duration};

use firewall::{
    feed::{Outcome, format::Format, server::Server},
    protected::{Facts, Kind, Protected},
};

use crate::scene::{Scene, fixed, ok};

/// What becomes of a list.
pub enum Becomes {
    /// The update fails for this reason.
    Failed(&'static str),
    /// It is taken: IPv4 and IPv6 prefixes in force, and lines rejected.
    Taken(&'static [&'static str], usize),
}
use Becomes::{Failed, Taken};

/// What of the last good copy may be in force on a machine with an address of its own.
pub fn in_force(scene: &Scene) -> Vec<String> {
    let mut protected = Facts::default().all();
    protected.push(Protected {
        prefix: "192.0.2.200/32".parse().unwrap(),
        kind: Kind::Own,
    });
    let guarded = scene.guarded(&protected).unwrap();
    let v4 = guarded.v4.iter().map(|it| it.net().unwrap().to_string());
    let v6 = guarded.v6.iter().map(|it| it.net().unwrap().to_string());
    v4.chain(v6).collect()
}

pub fn check(format: Option<Format>, body: &[u8], becomes: &Becomes) {
    let mut scene = Scene::with_copy();
    scene.feed.format = format;
    scene.answers(ok(body));
    let outcome = scene.update(1);
    let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
    match (becomes, &outcome) {
        (Failed(why), Outcome::Failed(said)) => {
            assert!(said.contains(why), "{shown}\nsaid: {said}\nexpected: {why}");
            assert_eq!(scene.meta().stalled.unwrap().reason, *said);
            scene.assert_copy_stays();
        }
        (Taken(expected, rejected), Outcome::Changed(copy, _)) => {
            assert_eq!(in_force(&scene), *expected, "{shown}");
            assert_eq!(copy.rejected, *rejected, "{shown}");
        }
        _ => panic!("{shown}: {outcome:?}"),
    }
}

#[test]
fn what_is_served_instead_of_a_list_is_refused() {
    let bodies: [&[u8]; 12] = [
        b"<!DOCTYPE html>\n<html><body>192.0.2.9</body></html>\n",
        b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>",
        b"<?php\n$list = array();\necho file_get_contents('192.0.2.9');\n",
        b"Umm... You can only fetch the data every 30 minutes - sorry.\n",
        b"404: Not Found",
        b"error code: 1015\n",
        b"# This list has been merged into another one\n# on 2024-04-10\n",
        b"; Spamhaus EDROP List: merged into DROP\n",
        b"{\"error\":\"unauthorized\",\"status\":401}",
        b"{\"query_status\":\"unknown_auth_key\"}",
        b"{\"detail\":\"blocked\",\"client_ip\":\"192.0.2.9\"}",
        b"You (192.0.2.9) are banned\n",
    ];
    let mut scene = Scene::with_copy();
    for body in bodies {
        scene.answers(ok(body));
        for format in Format::ALL.map(Some).into_iter().chain([None]) {
            scene.feed.format = format;
            let outcome = scene.update(1);
            let shown = String::from_utf8_lossy(body);
            assert!(
                matches!(outcome, Outcome::Failed(_)),
                "{shown} {format:?}: {outcome:?}"
            );
        }
        scene.assert_copy_stays();
    }
}

#[test]
fn an_empty_list_is_one_only_where_the_list_is_to_be_seen() {
    let paths = |scene: &mut Scene| scene.feed.options.json_path = vec!["data[].ip".to_owned()];
    for (format, body, is_empty) in [
        (Format::FeodoJson, "[]", true),
        (Format::FeodoJson, "{}", false),
        (Format::FeodoJson, "\"\"\"\"", false),
        (
            Format::ThreatfoxJson,
            "{\"query_status\":\"ok\",\"data\":[]}",
            true,
        ),
        (
            Format::ThreatfoxJson,
            "{\"query_status\":\"no_result\"}",
            false,
        ),
        (Format::Stix, "{\"type\":\"bundle\",\"objects\":[]}", true),
        (Format::Stix, "{\"title\":\"Unauthorized\"}", false),
        (Format::Stix, "[{\"type\":\"identity\"}]", true),
        (Format::Stix, "[{\"type\":\"malware\"}]", false),
        (Format::Stix, "[{\"error\":\"Unauthorized\"}]", false),
        (Format::Misp, "{\"Event\":{\"Attribute\":[]}}", true),
        (Format::Misp, "{\"errors\":[]}", false),
        (Format::MispWarninglist, "{\"list\":[]}", true),
        (Format::MispWarninglist, "{\"name\":\"\"}", false),
        (Format::NftJson, "{\"nftables\":[{\"metainfo\":{}}]}", true),
        (Format::NftJson, "{\"error\":1}", false),
        (Format::Json, "{\"data\":[]}", true),
        (Format::Json, "{\"errors\":[]}", false),
        (Format::Json, "{\"data\":null}", false),
    ] {
        let mut scene = Scene::with_copy();
        scene.feed.format = Some(format);
        scene.feed.gates.may_be_empty = Some(true);
        if format == Format::Json {
            paths(&mut scene);
        }
        scene.answers(ok(body.as_bytes()));
        let outcome = scene.update(1);
        let entries = match &outcome {
            Outcome::Changed(copy, _) => Some(copy.entries),
            _ => None,
        };
        assert_eq!(
            entries,
            is_empty.then_some(0),
            "{format} {body}: {outcome:?}"
        );
    }
}

#[test]
fn servers_that_answer_with_something_else_are_refused() {
    for server in [Server::Crowdsec, Server::Misp, Server::Taxii] {
        let bodies: [&[u8]; 7] = [
            b"",
            b"<html></html>",
            b"{\"message\":\"access forbidden\"}",
            b"[]",
            b"null",
            b"{\"new\":",
            b"192.0.2.1\n",
        ];
        for body in bodies {
            let mut scene = Scene::with_copy();
            scene.feed.server = Some(server);
            scene.answers(ok(body));
            let outcome = scene.update(1);
            let shown = String::from_utf8_lossy(body);
            assert!(
                matches!(outcome, Outcome::Failed(_)),
                "{server:?} {shown}: {outcome:?}"
            );
            scene.assert_copy_stays();
        }
    }
}

#[test]
fn what_covers_too_much_is_refused_held_back_or_left_out() {
    const REST: &[&str] = &["192.0.2.9/32"];
    let all_of_it = |length: u32| -> String {
        let step = 1_u64 << (32 - length);
        (0..1_u64 << length).fold("192.0.2.9\n".to_owned(), |mut text, number| {
            let address = std::net::Ipv4Addr::from((number * step) as u32);
            writeln!(text, "{address}/{length}").unwrap();
            text
        })
    };
    let table: &[(String, Becomes)] = &[
        (
            "192.0.2.9\n0.0.0.0/0\n".into(),
            Failed("line 2 lists 0.0.0.0/0"),
        ),
        (
            "192.0.2.9\n8.8.8.8/0\n".into(),
            Failed("line 2 lists 0.0.0.0/0"),
        ),
        ("192.0.2.9\n::/0\n".into(), Failed("line 2 lists ::/0")),
        (
            "0.0.0.0-255.255.255.255\n".into(),
            Failed("lists 0.0.0.0/0"),
        ),
        ("192.0.2.9\n128.0.0.0/2\n".into(), Taken(REST, 0)),
        ("192.0.2.9\n2000::/3\n8000::/1\n".into(), Taken(REST, 0)),
        (all_of_it(1), Taken(REST, 0)),
        (all_of_it(5), Taken(REST, 0)),
        ("38.0.0.0/8\n".into(), Taken(&["38.0.0.0/8"], 0)),
    ];
    for (body, becomes) in table {
        check(Some(Format::Plain), body.as_bytes(), becomes);
    }
    // One line, and 62 prefixes.
    let scene = Scene::with_copy();
    scene.answers(ok(b"0.0.0.1-255.255.255.254\n"));
    let outcome = scene.update(1);
    assert!(
        matches!(&outcome, Outcome::Quarantined(why) if why.contains("grown to 62")),
        "{outcome:?}"
    );
    // All of it in /8, of which each alone would be taken.
    let scene = Scene::new();
    scene.answers(ok(all_of_it(8).as_bytes()));
    let outcome = scene.update(0);
    assert!(
        matches!(&outcome, Outcome::Quarantined(why) if why.contains("67108864 is the limit")),
        "{outcome:?}"
    );
}

#[test]
fn what_must_not_be_blocked_is_left_out() {
    const OURS: &str = "127.0.0.1\n0.0.0.0\n10.0.0.6\n172.16.0.0/12\n192.168.0.0/16\n\
        100.64.0.1\n169.254.169.254\n192.0.0.1\n224.0.0.0/4\n240.0.0.1\n255.255.255.255\n\
        ::\n::1\nfe80::1\nfc00::/7\nff02::1\n::ffff:127.0.0.1\n::ffff:10.0.0.6\n192.0.2.200\n";
    let body = format!("192.0.2.9\n{OURS}");
    check(None, body.as_bytes(), &Taken(&["192.0.2.9/32"], 0));
    check(None, OURS.as_bytes(), &Taken(&[], 0));
}

#[test]
fn a_feed_that_is_another_each_minute() {
    let list = |count: u32| {
        (0..count).fold(String::new(), |mut text, number| {
            writeln!(text, "198.18.{}.{}", number >> 8, number & 255).unwrap();
            text
        })
    };
    let scene = Scene::new();
    scene.answers(ok(list(300).as_bytes()));
    assert!(matches!(scene.update(0), Outcome::Changed(..)));
    for minute in 1..40 {
        let answer = match minute % 5 {
            0 => fixed("500 Oops", "", b""),
            1 => ok(list(3).as_bytes()),
            2 => ok(list(30_000).as_bytes()),
            3 => ok(b"<html>"),
            _ => fixed("304 Not Modified", "", b""),
        };
        scene.answers(answer);
        scene.update(minute * 60);
        assert_eq!(
            scene.store().content().unwrap().unwrap(),
            list(300).as_bytes()
        );
        assert_eq!(in_force(&scene).len(), 300);
    }
    assert!(scene.meta().sizes.len() <= 10);
}

#[test]
fn a_line_without_end_is_no_entry_and_costs_what_its_bytes_cost() {
    const LENGTH: usize = 64 << 20;
    const SHORTER: usize = 2 << 20;
    for (piece, format, length) in [
        ("1", None, LENGTH),
        ("1", Some(Format::Plain), SHORTER),
        ("192.0.2.9 ", Some(Format::Plain), SHORTER),
        ("\"", Some(Format::Csv), SHORTER),
        ("192.0.2.9,", Some(Format::Hosts), SHORTER),
        ("\"", Some(Format::FeodoJson), SHORTER),
        ("[", Some(Format::Json), SHORTER),
        ("{\"a\":", Some(Format::Stix), SHORTER),
    ] {
        let mut scene = Scene::with_copy();
        scene.feed.format = format;
        scene.feed.limits.transfer = LENGTH + 1;
        scene.feed.limits.content = LENGTH + 1;
        scene.feed.limits.time = Duration::from_secs(60);
        scene.answers(ok(piece.repeat(length / piece.len()).as_bytes()));
        let outcome = scene.update(1);
        assert!(
            matches!(outcome, Outcome::Failed(_)),
            "{piece} {format:?}: {outcome:?}"
        );
        scene.assert_copy_stays();
        // What is kept of it is short.
        assert!(
            scene.meta().stalled.unwrap().reason.len() < 1_000,
            "{piece}"
        );
    }
}
