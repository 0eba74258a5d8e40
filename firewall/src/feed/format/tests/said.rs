//! What is kept of a list beside its addresses, and what options change.

use super::*;

const CSV: &str = "name,first ip,Source IP\n\
                   a,192.0.2.1,198.51.100.1\nb,192.0.2.2,198.51.100.2\nc,192.0.2.3,\n";
const IPSUM: &str = "192.0.2.1\t9\n192.0.2.2\t3\n192.0.2.3\t1\n";
const JSON: &str = r#"{"a":{"b":[{"c":"192.0.2.1","d":"198.51.100.1"}]},"x":{"b":["203.0.113.1"]},"e":"192.0.2.9"}"#;

fn options(text: &str) -> Options {
    toml::from_str(text).unwrap()
}

fn addresses(format: Format, options: Options, text: &str) -> Result<Vec<String>, String> {
    let how = How {
        options,
        ..How::default()
    };
    let parsed = parse(format, &how, text.as_bytes()).map_err(|refused| refused.to_string())?;
    let text = |it: &Indicator<u32>| it.address.to_ip().to_string();
    Ok(parsed.v4.iter().map(text).collect())
}

/// Format, options, list, and the addresses that it has by them.
const BY_OPTIONS: &[(Format, &str, &str, &[&str])] = &[
    (
        Format::Csv,
        "",
        CSV,
        &["192.0.2.1", "192.0.2.2", "192.0.2.3"],
    ),
    (
        Format::Csv,
        "column = 3",
        CSV,
        &["198.51.100.1", "198.51.100.2"],
    ),
    (
        Format::Csv,
        "column = 'source_ip'",
        CSV,
        &["198.51.100.1", "198.51.100.2"],
    ),
    (
        Format::Csv,
        "separator = 'semicolon'",
        "a,b;192.0.2.1",
        &["192.0.2.1"],
    ),
    (
        Format::Csv,
        "column = 2",
        "192.0.2.1 192.0.2.2\n",
        &["192.0.2.2"],
    ),
    (
        Format::Ipsum,
        "",
        IPSUM,
        &["192.0.2.1", "192.0.2.2", "192.0.2.3"],
    ),
    (
        Format::Ipsum,
        "minimum = 3",
        IPSUM,
        &["192.0.2.1", "192.0.2.2"],
    ),
    (
        Format::Json,
        "",
        JSON,
        &["192.0.2.1", "198.51.100.1", "203.0.113.1"],
    ),
    (
        Format::Json,
        "json_path = ['a.b[].c']",
        JSON,
        &["192.0.2.1"],
    ),
    (
        Format::Json,
        "json_path = ['$.a.b[*].d', 'e']",
        JSON,
        &["198.51.100.1", "192.0.2.9"],
    ),
    (
        Format::Json,
        "json_path = ['*.b[]']",
        JSON,
        &["203.0.113.1"],
    ),
];

#[test]
fn options_say_where_addresses_are() {
    for (format, text, content, expected) in BY_OPTIONS {
        let found = addresses(*format, options(text), content);
        assert_eq!(found.unwrap(), *expected, "{format} {text}");
    }
    let wrong = addresses(Format::Csv, options("column = 'ip'"), CSV).unwrap_err();
    assert!(
        wrong.contains("no column is named 'ip' (name, firstip, sourceip)"),
        "{wrong}"
    );
}

#[test]
fn what_a_feed_says_is_read_again_by_line() {
    let table = [
        (
            "feodo-csv",
            8,
            "Qak, Bot, offline, first seen 2026-01-01 17:51:44, last seen 2026-01-02",
        ),
        (
            "feodo-json",
            2,
            "Emotet, online, first seen 2026-01-01 00:00:00, last seen 2026-01-02",
        ),
        ("sslbl-csv", 7, "Gozi C&C"),
        (
            "threatfox-csv",
            7,
            "Cobalt Strike, x,y, first seen 2026-01-01 21:46:30, last seen 2026-01-02 22:46:23, confidence 75",
        ),
        (
            "threatfox-json",
            1,
            "X, first seen 2026-01-01 00:00:00 UTC, confidence 75",
        ),
        ("spamhaus-json", 1, "SBL1"),
        ("dshield", 5, "EXAMPLE NET GB, confidence 110 targets"),
        ("ipsum", 5, "confidence 10 lists"),
        ("sections", 9, "Gozi C&C"),
        ("nft", 5, "a, } b"),
        ("nft-json", 1, "why"),
        ("ipset", 2, "C2 x"),
        ("misp", 1, "Network activity, C2"),
        (
            "stix",
            2,
            "C2, first seen 2026-01-01T00:00:00Z, confidence 80",
        ),
        ("suricata", 2, "ET CNC"),
        ("p2p", 2, "Some: Name"),
    ];
    for (name, line, expected) in table {
        let (format, content) = seeds::seed(name);
        let said = said(format, &How::default(), &content, line);
        assert_eq!(
            said.map(|said| said.to_string()).as_deref(),
            Some(expected),
            "{name}"
        );
    }
    assert_eq!(
        said(Format::Plain, &How::default(), b"192.0.2.1\n", 1),
        None
    );
}

#[test]
fn an_indicator_stands_until_its_time_is_over() {
    let (format, content) = seeds::seed("stix");
    let at = |time: &str| {
        let how = How {
            at: Some(time.parse().unwrap()),
            ..How::default()
        };
        let parsed = parse(format, &how, &content).unwrap();
        (
            parsed.entries,
            parsed.next_expiry.map(|time| time.to_string()),
        )
    };
    let last = Some("2099-01-01T00:00:00Z".to_owned());
    assert_eq!(
        at("2019-12-31T23:59:59Z"),
        (3, Some("2020-01-01T00:00:00Z".to_owned()))
    );
    assert_eq!(at("2020-01-01T00:00:00Z"), (2, last));
    assert_eq!(at("2099-01-01T00:00:00Z"), (1, None));
}
