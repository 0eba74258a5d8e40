//! All formats together: names, detection, and that no content makes one panic.

mod json;
mod json_beside;
mod said;
mod seeds;
mod tables;
mod unseen;

use proptest::prelude::*;

use super::*;

fn plain(bytes: &[u8]) -> Result<Parsed, Refused> {
    parse(Format::Plain, &How::default(), bytes)
}

#[test]
fn names_go_both_ways() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
        let json = serde_json::to_string(&format).unwrap();
        assert_eq!(json, format!("\"{format}\""));
    }
    let error = "xml".parse::<Format>().unwrap_err().to_string();
    assert!(error.contains("auto or one of plain, netset, spamhaus-text"));
}

#[test]
fn more_prefixes_than_a_list_may_have_refuse_it() {
    // 62 prefixes in a line.
    let line = "0.0.0.1-255.255.255.254\n";
    let fits = MOST_INDICATORS / 62;
    let text = line.repeat(fits + 1);
    let parsed = plain(&text.as_bytes()[..fits * line.len()]).unwrap();
    assert_eq!(parsed.v4.len(), fits * 62);
    drop(parsed);
    let refused = plain(text.as_bytes()).unwrap_err().to_string();
    let numbers = format!("more than 16000000 prefixes after {} lines", fits + 1);
    assert!(refused.contains(&numbers), "{refused}");
}

#[test]
fn formats_are_detected() {
    let table = [
        ("192.0.2.1\n", Format::Plain),
        ("\u{feff}192.0.2.1\n", Format::Plain),
        ("192.0.2.1\r192.0.2.2\r", Format::Plain),
        ("[2001:db8::1]:443\n192.0.2.1:80\n", Format::Plain),
        ("192.0.2.1#4#2#Malicious Host#CN\n", Format::Plain),
        ("192.0.2.1\t\t# 2026-01-01\t\t3\t12\n", Format::Plain),
        ("ip_address\n192.0.2.1\n", Format::Csv),
        ("IP;Port\r\n192.0.2.1;443\r\n", Format::Csv),
        ("\"ip\"\n\"192.0.2.1\"\n", Format::Csv),
        ("192.0.2.1|x\n192.0.2.2|y\n", Format::Csv),
        ("192.0.2.1, 192.0.2.2, 192.0.2.3\n", Format::Csv),
        ("192.0.2.0/24\t64496\tXX\n", Format::Csv),
        ("192.0.2.1 evil.example\n", Format::Hosts),
        ("add element ip filter bl { 192.0.2.1 }\n", Format::Nft),
        ("-N bl iphash\n-A bl 192.0.2.1\n", Format::Ipset),
        ("[{\"ip\":\"192.0.2.1\",\"port\":443}]", Format::Json),
        (
            "{\"relays\":[{\"or_addresses\":[\"192.0.2.1:9001\"]}]}",
            Format::Json,
        ),
        (
            "{\"Attribute\":[{\"type\":\"ip-dst\",\"value\":\"192.0.2.1\",\"to_ids\":true}]}",
            Format::Misp,
        ),
        ("{\"type\":\"bundle\",\"objects\":[]}", Format::Stix),
        ("\n# box\n2001:db8::/32\n", Format::Plain),
        (
            "{\"cidr\":\"192.0.2.0/24\",\"sblid\":\"SBL1\"}\n\
             {\"type\":\"metadata\",\"size\":39,\"records\":1}",
            Format::SpamhausJson,
        ),
        (
            "\u{feff}{\"type\":\"metadata\",\"size\":0,\"records\":0}",
            Format::SpamhausJson,
        ),
        (
            "# box\n\"dst_ip\",\"dst_port\"\n# END 0 entries",
            Format::FeodoCsv,
        ),
    ];
    for (text, format) in table {
        assert_eq!(detect(text.as_bytes()), Ok(format), "{text:?}");
    }
}

#[test]
fn the_unknown_says_why() {
    let table = [
        ("", "the content is empty"),
        (" \n\n", "the content is empty"),
        ("AS64496\nAS64497 ; name\n", "only AS numbers"),
        ("evil.example\nother.example\n", "2 domain names"),
        ("0.0.0.0 evil.example\n", "1 domain names"),
        (
            "{\"error\":\"unauthorized\",\"ip\":\"192.0.2.1\"}",
            "no path inside of an array",
        ),
        (
            "You can only fetch the data every 30 minutes - sorry.\n",
            "1 of 1 lines are no entry",
        ),
        ("# box\n; box\n", "all 2 lines are comments"),
        ("\n <!DOCTYPE html><p>\n192.0.2.1\n", "HTML or XML page"),
        (
            "192.0.2.1\nword\n",
            "1 of 2 lines are no entry, the first is line 2: word (no",
        ),
        (
            "{\"asn\":64496}\n",
            "no path inside of an array has addresses",
        ),
        (
            "\"name\",\"port\"\n\"evil.example\",\"443\"\n",
            "no column has addresses, only domain names (name, port)",
        ),
        (
            "{\"type\":\"bundle\",\"objects\":[{\"type\":\"malware\",\"id\":\"malware--1\"}]}",
            "none of its 1 objects is an indicator",
        ),
        ("PK\u{3}\u{4}\0\0\0", "the content is binary"),
    ];
    for (text, reason) in table {
        let refused = detect(text.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn a_few_of_a_hundred_lines_may_be_strange() {
    let text = |bad: usize| "192.0.2.1\n".repeat(100 - bad) + &"word\n".repeat(bad);
    assert_eq!(detect(text(5).as_bytes()), Ok(Format::Plain));
    assert!(detect(text(6).as_bytes()).is_err());
}

#[test]
fn a_page_is_refused_whatever_the_format() {
    for format in Format::ALL {
        let refused = parse(
            format,
            &How::default(),
            b"<html>\nYour address is\n192.0.2.1\n",
        )
        .unwrap_err();
        assert!(refused.to_string().contains("HTML"));
    }
}

proptest! {
    #[test]
    fn detection_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let _ = detect(&bytes);
    }
}

#[test]
fn ports_in_json_and_several_addresses_a_line() {
    let found = |text: &str| {
        let parsed = detect_and_parse(&How::default(), text.as_bytes())
            .unwrap()
            .1;
        (parsed.entries, parsed.with_port)
    };
    assert_eq!(
        found(
            "[{\"ip\":\"192.0.2.1\",\"port\":443},{\"port\":\"80\",\"ip\":\"192.0.2.2\"},{\"ip\":\"192.0.2.3\"}]"
        ),
        (3, 2)
    );
    assert_eq!(
        found("{\"a\":[{\"port\":1,\"b\":[{\"ip\":\"192.0.2.1\"}]}]}"),
        (1, 0)
    );
    assert_eq!(
        found("192.0.2.1, 192.0.2.2, 192.0.2.3,\n192.0.2.4\n"),
        (4, 0)
    );
}
