//! `plain`: an address, a prefix, a range `first-last` or a port of an address (`192.0.2.7:443`,
//! `[2001:db8::7]:443/tcp`) on each line.
//!
//! White space around it and a comment from `#`, `;` or `//` to the end of the line may follow;
//! anything else on the line rejects it. Lists that say how long they are have formats of their own,
//! which are read alike and must have the end that they announce: `netset` (FireHOL),
//! `spamhaus-text` and `feodo-text`.

use super::{Parsed, Refused, check_size, item::item, mark, text};
use crate::address::Prefix;

/// Lines longer than this many bytes are rejected unread.
pub(super) const LONGEST_LINE: usize = 4096;

/// The indicators of a plain list; lines that are none are rejected one by one.
///
/// # Errors
/// The list is too long, see [`super::MOST_INDICATORS`]; or its last line is `# END n entries` and has
/// another number.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    parse_lines(bytes, parsed)?;
    match mark::end(bytes) {
        Some(announced) => mark::check("footer", announced, parsed),
        None => Ok(()),
    }
}

fn parse_lines(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    for (number, line) in text::lines(bytes) {
        parsed.lines += 1;
        take_line(parsed, number, line.trim_ascii());
        check_size(parsed)?;
    }
    Ok(())
}

/// `netset`: the header of the FireHOL project says how many lines follow.
///
/// # Errors
/// As those of [`parse`], and another number of lines than the header says.
pub(super) fn parse_netset(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    parse_lines(bytes, parsed)?;
    let announced = mark::netset(bytes).ok_or_else(|| {
        Refused("no header line `# Entries : …`; take the format `plain` for this list".to_owned())
    })?;
    mark::check("header", announced, parsed)
}

/// `spamhaus-text`: the last line is `; EOF`.
///
/// # Errors
/// As those of [`parse`], and a list without this line.
pub(super) fn parse_spamhaus(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    parse_lines(bytes, parsed)?;
    if bytes.trim_ascii_end().ends_with(b"; EOF") {
        parsed.complete = true;
        return Ok(());
    }
    Err(Refused(
        "the last line is not `; EOF`: the copy is cut off; the next update fetches it again"
            .to_owned(),
    ))
}

/// `feodo-text`: the last line is `# END n entries`.
///
/// # Errors
/// As those of [`parse`], and a list without this line or with another number.
pub(super) fn parse_feodo(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    parse_lines(bytes, parsed)?;
    let announced = mark::footer(bytes).ok_or_else(mark::no_footer)?;
    mark::check("footer", announced, parsed)
}

pub(super) fn take_line(parsed: &mut Parsed, number: u32, line: &[u8]) {
    // Most lines are an address and nothing else.
    if let Some(address) = text::ipv4(line) {
        return parsed.add(number, Prefix::V4(address, 32), None);
    }
    if line.is_empty() {
        parsed.blank += 1;
    } else if text::is_comment(line) {
        parsed.comments += 1;
    } else if line.len() > LONGEST_LINE {
        parsed.reject(number, line, TOO_LONG);
    } else {
        let entry = item(text::without_comment(line));
        let added = entry.and_then(|entry| parsed.add_item(number, entry, None));
        if let Err(reason) = added {
            parsed.reject(number, line, reason);
        }
    }
}

pub(super) const TOO_LONG: &str = "longer than 4096 bytes";

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::{super::Parsed, *};
    use crate::address::{Address, Prefix};

    fn parse(bytes: &[u8]) -> Result<Parsed, Refused> {
        let mut parsed = Parsed::default();
        super::parse(bytes, &mut parsed).map(|()| parsed)
    }

    #[test]
    fn a_port_of_an_address() {
        let parsed = parse(b"192.0.2.7:443\n[2001:db8::7]:53/udp # dns\n192.0.2.0/24:1\n").unwrap();
        let said = |port: Option<crate::subject::Port>| port.unwrap().to_string();
        assert_eq!(said(parsed.v4[0].port), "443");
        assert_eq!(said(parsed.v6[0].port), "53/udp");
        assert_eq!((parsed.entries, parsed.rejected_count), (2, 1));
    }

    fn counts(text: &str) -> (usize, usize, usize, usize) {
        let parsed = parse(text.as_bytes()).unwrap();
        (
            parsed.entries,
            parsed.comments,
            parsed.blank,
            parsed.rejected_count,
        )
    }

    #[test]
    fn every_kind_of_line() {
        let table = [
            ("", (0, 0, 0, 0)),
            ("192.0.2.1", (1, 0, 0, 0)),
            ("192.0.2.1\n", (1, 0, 0, 0)),
            ("192.0.2.1\r\n2001:db8::1\r\n", (2, 0, 0, 0)),
            (" \t192.0.2.1 \n", (1, 0, 0, 0)),
            ("192.0.2.0/24 ; SBL1\n# comment\n; EOF\n\n \n", (1, 2, 2, 0)),
            ("192.0.2.1#comment\n2001:db8::;comment", (2, 0, 0, 0)),
            (
                "192.0.2.0-192.0.2.9\n192.0.2.0 - 192.0.2.9 # range\n",
                (2, 0, 0, 0),
            ),
            ("2001:db8::-2001:db8::ff\n", (1, 0, 0, 0)),
            (
                "192.0.2.9-192.0.2.0\n192.0.2.0-2001:db8::\n192.0.2.0-\n-\n",
                (0, 0, 0, 4),
            ),
            ("192.0.2.1 10\n192.0.2.1\t10\n192.0.2.1,10\n", (0, 0, 0, 3)),
            (
                "192.0.2.01\n192.0.2.0/33\n192.0.2.0/08\n192.0.2.0/ 24\n",
                (0, 0, 0, 4),
            ),
            (
                "192.0.2.1192.0.2.2\nexample.com\nhttp://192.0.2.1/\n",
                (0, 0, 0, 3),
            ),
            ("\0\0\0\n192.0.2.1\0\n\u{1b}[0m\n192.0.2.2\n", (1, 0, 0, 3)),
        ];
        for (text, expected) in table {
            assert_eq!(counts(text), expected, "{text:?}");
        }
    }

    #[test]
    fn host_bits_are_cleared_and_counted() {
        let parsed = parse(b"192.0.2.1/24\n192.0.2.0/24\n2001:db8::1/32\n").unwrap();
        assert_eq!((parsed.masked, parsed.unique()), (2, 2));
        assert_eq!(parsed.v4[0].address, 0xc000_0200);
    }

    #[test]
    fn line_numbers_and_families() {
        let parsed = parse(b"# box\n192.0.2.1\nword\n::ffff:192.0.2.2\n2001:db8::1\n").unwrap();
        let lines: Vec<_> = parsed.v4.iter().map(|indicator| indicator.line).collect();
        assert_eq!(
            (lines, parsed.v6[0].line, parsed.rejected[0].line),
            (vec![2, 4], 5, 3)
        );
    }

    #[test]
    fn a_line_without_end_is_rejected() {
        let endless = [b"192.0.2.1\n".as_slice(), &b"192.0.2.1 ".repeat(1000)].concat();
        let parsed = parse(&endless).unwrap();
        assert_eq!(
            (parsed.entries, &*parsed.rejected[0].reason),
            (1, "longer than 4096 bytes")
        );
    }

    /// The rule of the format, said with the standard library. The parser of `ipnet` is no
    /// measure: it takes octets with leading zeros in a prefix.
    fn oracle(line: &str) -> bool {
        let text = line.split(['#', ';']).next().unwrap().trim_ascii();
        let (address, length) = text.split_once('/').unwrap_or((text, "0"));
        let Ok(address) = address.parse::<IpAddr>() else {
            return false;
        };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (0..=bits).any(|number| number.to_string() == length)
    }

    fn prefix() -> impl Strategy<Value = Prefix> {
        let v4 = (any::<u32>(), 0..=32_u8).prop_map(|(it, length)| Prefix::V4(it, length));
        // Outside of ::ffff:0:0/96, whose prefixes come back as IPv4.
        let v6 = (1 << 64..u128::MAX, 0..=128_u8).prop_map(|(it, length)| Prefix::V6(it, length));
        prop_oneof![v4, v6]
    }

    fn written(prefix: Prefix) -> String {
        match prefix {
            Prefix::V4(address, length) => format!("{}/{length}\n", address.to_ip()),
            Prefix::V6(address, length) => format!("{}/{length}\n", address.to_ip()),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(prefixes in prop::collection::vec(prefix(), 0..50)) {
            let text: String = prefixes.iter().copied().map(written).collect();
            let parsed = parse(text.as_bytes()).unwrap();
            let mut read = Parsed::default();
            for (number, prefix) in (1..).zip(prefixes) {
                read.add(number, prefix, None);
            }
            prop_assert_eq!((parsed.v4, parsed.v6, parsed.masked), (read.v4, read.v6, read.masked));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let parsed = parse(&bytes).unwrap();
            let all = parsed.entries + parsed.comments + parsed.blank + parsed.rejected_count;
            prop_assert_eq!(all, parsed.lines);
        }

        #[test]
        fn dotted_quads_like_the_standard_library(text in "[0-9.]{0,16}|([0-9]{1,3}\\.){3}[0-9]{1,3}") {
            let expected = text.parse::<Ipv4Addr>().ok().map(Ipv4Addr::to_bits);
            prop_assert_eq!(text::ipv4(text.as_bytes()), expected);
        }

        #[test]
        fn lines_like_the_standard_library(line in "[ \t]?([0-9]{1,3}\\.){2,4}[0-9]{1,3}(/[0-9+]{1,3})?[ \t]?([#;].?)?|[0-9a-f:./]{1,20}") {
            prop_assert_eq!(parse(line.as_bytes()).unwrap().entries == 1, oracle(&line));
        }
    }
}
