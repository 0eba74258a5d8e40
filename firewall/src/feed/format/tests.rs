//! All formats together: names, detection, and that no content makes one panic.

mod seeds;

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
        ("PK\u{3}\u{4}\0\0\0", "the content is binary"),
    ];
    for (text, reason) in table {
        let refused = detect(text.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn two_of_a_hundred_lines_may_be_bad() {
    let text = |bad: usize| "192.0.2.1\n".repeat(100 - bad) + &"word\n".repeat(bad);
    assert_eq!(detect(text(2).as_bytes()), Ok(Format::Plain));
    assert!(detect(text(3).as_bytes()).is_err());
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
