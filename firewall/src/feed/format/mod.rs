//! The formats of feeds. Pure: bytes in, indicators and rejected lines out.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Refused;
use crate::config::Ports;

pub mod crowdsec;
mod feodo_csv;
mod parsed;
mod plain;
mod spamhaus_json;
mod text;

pub use parsed::{Indicator, Parsed, REJECTED_KEPT, Rejected, distinct};

/// Most indicators of one feed. Short lines of ranges could fill the memory otherwise.
pub const MOST_INDICATORS: usize = 16_000_000;

/// A format of feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// An address, prefix or range on each line.
    Plain,
    /// JSON lines of Spamhaus DROP.
    SpamhausJson,
    /// CSV of the Feodo Tracker, with ports.
    FeodoCsv,
    /// Decisions of a CrowdSec Local API.
    Crowdsec,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [
        Self::Plain,
        Self::SpamhausJson,
        Self::FeodoCsv,
        Self::Crowdsec,
    ];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::SpamhausJson => "spamhaus-json",
            Self::FeodoCsv => "feodo-csv",
            Self::Crowdsec => "crowdsec",
        }
    }
}

impl Format {
    /// What ports mean in feeds of this format. The Feodo Tracker lists machines that are wholly bad:
    /// rented for the purpose.
    pub fn ports(self) -> Ports {
        match self {
            Self::FeodoCsv => Ports::Address,
            Self::Plain | Self::SpamhausJson | Self::Crowdsec => Ports::Exact,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            anyhow::anyhow!("no format is named `{name}`; use one of {names}")
        })
    }
}

/// The indicators in `bytes`, which are decompressed content of this format.
///
/// # Errors
/// The content as a whole is not to be taken: another format, cut off, or too long. Single bad
/// lines are no error; they are rejected and counted.
pub fn parse(format: Format, bytes: &[u8]) -> Result<Parsed, Refused> {
    check_no_page(bytes)?;
    let bytes = text::without_mark(bytes);
    match format {
        Format::Plain => plain::parse(bytes),
        Format::SpamhausJson => spamhaus_json::parse(bytes),
        Format::FeodoCsv => feodo_csv::parse(bytes),
        Format::Crowdsec => crowdsec::parse(bytes),
    }
}

/// The format of `bytes`, which are decompressed content.
///
/// A list is plain if 98 of 100 lines are entries. Comments alone could be anything, and are none.
///
/// # Errors
/// It is none of the formats; says why, for people.
pub fn detect(bytes: &[u8]) -> Result<Format, Refused> {
    look(bytes).map(|(format, _)| format)
}

/// The format of `bytes` and what they say, parsed once.
///
/// # Errors
/// As those of [`detect`] and [`parse`].
pub fn detect_and_parse(bytes: &[u8]) -> Result<(Format, Parsed), Refused> {
    let (format, parsed) = look(bytes)?;
    Ok((format, parsed.map_or_else(|| parse(format, bytes), Ok)?))
}

/// The format, and what was parsed to find it out.
fn look(bytes: &[u8]) -> Result<(Format, Option<Parsed>), Refused> {
    check_no_page(bytes)?;
    let bytes = text::without_mark(bytes);
    let first = text::lines(bytes)
        .map(|(_, line)| line.trim_ascii())
        .find(|it| !it.is_empty());
    let Some(first) = first else {
        return Err(Refused(
            "the content is empty; check the address of the feed".to_owned(),
        ));
    };
    if spamhaus_json::begins_with(first) {
        return Ok((Format::SpamhausJson, None));
    }
    if crowdsec::begins_with(first) {
        return Ok((Format::Crowdsec, None));
    }
    if feodo_csv::has_header(bytes) {
        return Ok((Format::FeodoCsv, None));
    }
    let parsed = plain::parse(bytes)?;
    check_mostly_entries(&parsed)?;
    Ok((Format::Plain, Some(parsed)))
}

/// Login pages, error pages and portals come with status 200 and may show an address.
fn check_no_page(bytes: &[u8]) -> Result<(), Refused> {
    if text::without_mark(bytes)
        .trim_ascii_start()
        .starts_with(b"<")
    {
        return Err(Refused(
            "the content is an HTML or XML page, no list; open the address of the feed in a browser"
                .to_owned(),
        ));
    }
    Ok(())
}

fn check_mostly_entries(parsed: &Parsed) -> Result<(), Refused> {
    let all = parsed.entries + parsed.rejected_count;
    let what = match parsed.rejected.first() {
        _ if parsed.entries > 0 && 50 * parsed.rejected_count <= all => return Ok(()),
        Some(first) => format!(
            "{} of {all} lines are no entry, the first is line {}: {} ({})",
            parsed.rejected_count, first.line, first.text, first.reason
        ),
        None => format!("all {} lines are comments", parsed.comments),
    };
    Err(Refused(format!(
        "the format is unknown: {what}; name it with `format`"
    )))
}

fn check_size(parsed: &Parsed) -> Result<(), Refused> {
    if parsed.v4.len() + parsed.v6.len() <= MOST_INDICATORS {
        return Ok(());
    }
    Err(Refused(format!(
        "the list has more than {MOST_INDICATORS} prefixes after {} lines; use a shorter list",
        parsed.lines
    )))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_go_both_ways() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
            let json = serde_json::to_string(&format).unwrap();
            assert_eq!(json, format!("\"{format}\""));
        }
        let error = "csv".parse::<Format>().unwrap_err().to_string();
        assert!(error.contains("plain, spamhaus-json, feodo-csv"));
    }

    #[test]
    fn more_prefixes_than_a_list_may_have_refuse_it() {
        // 62 prefixes in a line.
        let line = "0.0.0.1-255.255.255.254\n";
        let fits = MOST_INDICATORS / 62;
        let text = line.repeat(fits + 1);
        let parsed = parse(Format::Plain, &text.as_bytes()[..fits * line.len()]).unwrap();
        assert_eq!(parsed.v4.len(), fits * 62);
        drop(parsed);
        let refused = parse(Format::Plain, text.as_bytes())
            .unwrap_err()
            .to_string();
        let numbers = format!("more than 16000000 prefixes after {} lines", fits + 1);
        assert!(refused.contains(&numbers), "{refused}");
    }

    #[test]
    fn formats_are_detected() {
        let table = [
            ("192.0.2.1\n", Format::Plain),
            ("\u{feff}192.0.2.1\n", Format::Plain),
            ("\n# box\n2001:db8::/32\n", Format::Plain),
            ("{\"cidr\":\"192.0.2.0/24\"}\n", Format::SpamhausJson),
            (
                "\u{feff}{\"type\":\"metadata\",\"size\":0,\"records\":0}",
                Format::SpamhausJson,
            ),
            ("# box\n\"dst_ip\",\"dst_port\"\n", Format::FeodoCsv),
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
            ("{\"asn\":64496}\n", "1 of 1 lines are no entry"),
            (
                "\"ip\",\"port\"\n\"192.0.2.1\",\"443\"\n",
                "2 of 2 lines are no entry",
            ),
            ("PK\u{3}\u{4}\0\0\0", "1 of 1 lines are no entry"),
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
            let refused = parse(format, b"<html>\nYour address is\n192.0.2.1\n").unwrap_err();
            assert!(refused.to_string().contains("HTML"));
        }
    }

    proptest! {
        #[test]
        fn detection_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = detect(&bytes);
        }
    }
}
