//! The formats of feeds. Pure: bytes in, indicators and rejected lines out.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Refused;
use crate::{address::Address, config::Ports};

mod abuse_json;
mod cell;
mod columns;
pub mod crowdsec;
mod csv;
mod csv_layout;
mod csv_prose;
mod csv_verdict;
mod csv_widen;
mod detect;
mod detect_json;
mod dshield;
mod feodo_csv;
mod hosts;
mod ipset;
mod ipsum;
mod item;
mod json;
mod json_beside;
mod json_certainty;
mod json_names;
mod json_paths;
mod json_refusal;
mod json_template;
mod json_texts;
mod loose;
mod mark;
mod misp;
mod nft;
mod nft_json;
mod options;
mod p2p;
mod parsed;
mod plain;
mod rows;
mod said;
mod sections;
mod spamhaus_json;
mod sslbl_csv;
mod stix;
mod stix_pattern;
mod stix_tokens;
mod suricata;
mod tabular;
mod text;
mod threatfox_csv;
mod tolerable;
mod tor_exits;
mod urls;
mod walk;
mod warninglist;

#[cfg(test)]
mod tests;

pub use detect::{detect, detect_and_parse};
pub use options::{Column, Options, Separator, one_or_more, or_auto};
pub use parsed::{Indicator, Parsed, REJECTED_KEPT, Rejected, distinct, harmless};
pub use said::{Said, Skipped};
pub use tolerable::is_tolerable;

/// Most indicators of one feed. Short lines of ranges could fill the memory otherwise.
pub const MOST_INDICATORS: usize = 16_000_000;

/// A format of feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// An address, prefix, range or port of an address on each line.
    Plain,
    /// Plain, with the header of FireHOL that says how many lines there are.
    Netset,
    /// Spamhaus DROP as text, which ends with `; EOF`.
    SpamhausText,
    /// JSON lines of Spamhaus DROP.
    SpamhausJson,
    /// Addresses of the Feodo Tracker with the footer that says how many there are.
    FeodoText,
    /// CSV of the Feodo Tracker, with ports.
    FeodoCsv,
    /// Decisions of a CrowdSec Local API.
    Crowdsec,
    /// JSON of the Feodo Tracker, with ports.
    FeodoJson,
    /// CSV of abuse.ch SSLBL, with ports.
    SslblCsv,
    /// CSV of abuse.ch ThreatFox.
    ThreatfoxCsv,
    /// JSON of abuse.ch ThreatFox.
    ThreatfoxJson,
    /// CSV of abuse.ch URLhaus: hosts that are addresses.
    UrlhausCsv,
    /// A URL on each line: hosts that are addresses.
    Urls,
    /// First and last address and prefix length of the DShield block list.
    Dshield,
    /// An address and the number of lists that name it.
    Ipsum,
    /// Entries below headings `=== family ===`.
    Sections,
    /// Exit addresses of the Tor project.
    TorExits,
    /// A table with addresses in one of its columns.
    Csv,
    /// A document with addresses somewhere in it, or one such document a line.
    Json,
    /// A hosts file, or domain names.
    Hosts,
    /// Sets of nftables.
    Nft,
    /// Sets of nftables as JSON.
    NftJson,
    /// Sets as `ipset save` prints them.
    Ipset,
    /// Events of MISP.
    Misp,
    /// A warninglist of MISP.
    MispWarninglist,
    /// Indicators of STIX 2.
    Stix,
    /// Rules of Suricata and Snort.
    Suricata,
    /// Ranges with names, as file-sharing programs read them.
    P2p,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 28] = [
        Self::Plain,
        Self::Netset,
        Self::SpamhausText,
        Self::SpamhausJson,
        Self::FeodoText,
        Self::FeodoCsv,
        Self::Crowdsec,
        Self::FeodoJson,
        Self::SslblCsv,
        Self::ThreatfoxCsv,
        Self::ThreatfoxJson,
        Self::UrlhausCsv,
        Self::Urls,
        Self::Dshield,
        Self::Ipsum,
        Self::Sections,
        Self::TorExits,
        Self::Csv,
        Self::Json,
        Self::Hosts,
        Self::Nft,
        Self::NftJson,
        Self::Ipset,
        Self::Misp,
        Self::MispWarninglist,
        Self::Stix,
        Self::Suricata,
        Self::P2p,
    ];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Netset => "netset",
            Self::SpamhausText => "spamhaus-text",
            Self::SpamhausJson => "spamhaus-json",
            Self::FeodoText => "feodo-text",
            Self::FeodoCsv => "feodo-csv",
            Self::Crowdsec => "crowdsec",
            Self::FeodoJson => "feodo-json",
            Self::SslblCsv => "sslbl-csv",
            Self::ThreatfoxCsv => "threatfox-csv",
            Self::ThreatfoxJson => "threatfox-json",
            Self::UrlhausCsv => "urlhaus-csv",
            Self::Urls => "urls",
            Self::Dshield => "dshield",
            Self::Ipsum => "ipsum",
            Self::Sections => "sections",
            Self::TorExits => "tor-exits",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Hosts => "hosts",
            Self::Nft => "nft",
            Self::NftJson => "nft-json",
            Self::Ipset => "ipset",
            Self::Misp => "misp",
            Self::MispWarninglist => "misp-warninglist",
            Self::Stix => "stix",
            Self::Suricata => "suricata",
            Self::P2p => "p2p",
        }
    }

    /// The format of this name; `None` for `auto`, which is to find it out.
    ///
    /// # Errors
    /// No format has the name; the message lists them.
    pub fn or_auto(name: &str) -> anyhow::Result<Option<Self>> {
        match name {
            "auto" => Ok(None),
            name => name.parse().map(Some),
        }
    }

    /// Whether lists of this format are empty at times, rightly: the Feodo Tracker once all of its botnets
    /// are gone, SSLBL since it has ended, and decisions of a server that has none.
    pub fn may_be_empty(self) -> bool {
        matches!(
            self,
            Self::FeodoText | Self::FeodoCsv | Self::FeodoJson | Self::SslblCsv | Self::Crowdsec
        )
    }

    /// What ports mean in feeds of this format. The Feodo Tracker lists machines that are wholly bad:
    /// rented for the purpose.
    pub fn ports(self) -> Ports {
        match self {
            Self::FeodoCsv | Self::FeodoJson => Ports::Address,
            _ => Ports::Exact,
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
            anyhow::anyhow!("no format is named `{name}`; use auto or one of {names}")
        })
    }
}

/// How content is read, beside its format.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct How {
    /// What the configuration says.
    pub options: Options,
    /// When what has an end must still be valid; `None` takes what is long over.
    pub at: Option<Timestamp>,
}

/// The indicators in `bytes`, which are decompressed content of this format.
///
/// # Errors
/// The content as a whole is not to be taken: another format, cut off, or too long. Single bad
/// lines are no error; they are rejected and counted.
pub fn parse(format: Format, how: &How, bytes: &[u8]) -> Result<Parsed, Refused> {
    let mut parsed = Parsed::default();
    fill(format, how, bytes, &mut parsed)?;
    Ok(parsed)
}

/// What the content says about the entry on `line`, beside its address; nothing if that is nothing.
pub fn said(format: Format, how: &How, bytes: &[u8], line: u32) -> Option<Said> {
    let mut parsed = Parsed {
        asked: Some(line),
        ..Parsed::default()
    };
    // What is refused by now was good when it was put in force.
    let _ = fill(format, how, bytes, &mut parsed);
    parsed.said
}

fn fill(format: Format, how: &How, bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    check_no_page(bytes)?;
    let bytes = &text::normal(bytes);
    match format {
        Format::Plain => plain::parse(bytes, parsed),
        Format::Netset => plain::parse_netset(bytes, parsed),
        Format::SpamhausText => plain::parse_spamhaus(bytes, parsed),
        Format::SpamhausJson => spamhaus_json::parse(bytes, parsed),
        Format::FeodoText => plain::parse_feodo(bytes, parsed),
        Format::FeodoCsv => feodo_csv::parse(bytes, parsed),
        Format::Crowdsec => crowdsec::parse(bytes, parsed),
        Format::FeodoJson => abuse_json::parse_feodo(bytes, parsed),
        Format::SslblCsv => sslbl_csv::parse(bytes, parsed),
        Format::ThreatfoxCsv => threatfox_csv::parse(bytes, &how.options, parsed),
        Format::ThreatfoxJson => abuse_json::parse_threatfox(bytes, &how.options, parsed),
        Format::UrlhausCsv => urls::parse_urlhaus(bytes, parsed),
        Format::Urls => urls::parse(bytes, parsed),
        Format::Dshield => dshield::parse(bytes, parsed),
        Format::Ipsum => ipsum::parse(bytes, &how.options, parsed),
        Format::Sections => sections::parse(bytes, parsed),
        Format::TorExits => tor_exits::parse(bytes, parsed),
        Format::Csv => csv::parse(bytes, &how.options, parsed),
        Format::Json => json::parse(bytes, &how.options, parsed),
        Format::Hosts => hosts::parse(bytes, parsed),
        Format::Nft => nft::parse(bytes, parsed),
        Format::NftJson => nft_json::parse(bytes, parsed),
        Format::Ipset => ipset::parse(bytes, parsed),
        Format::Misp => misp::parse(bytes, parsed),
        Format::MispWarninglist => warninglist::parse(bytes, parsed),
        Format::Stix => stix::parse(bytes, how, parsed),
        Format::Suricata => suricata::parse(bytes, parsed),
        Format::P2p => p2p::parse(bytes, parsed),
    }
}

/// Reads `bytes` as the format, or as the one that is found, and looks whether what came of it can be:
/// for the fuzzer and for property tests. Panics if it cannot.
pub fn exercise(format: Option<Format>, bytes: &[u8]) {
    let how = How {
        at: Some(Timestamp::UNIX_EPOCH),
        ..How::default()
    };
    let parsed = match format {
        Some(format) => parse(format, &how, bytes),
        None => detect_and_parse(&how, bytes).map(|(_, parsed)| parsed),
    };
    let Ok(parsed) = parsed else {
        return;
    };
    let clear = |it: &Indicator<u32>| it.address == it.address.first(it.length);
    assert!(parsed.v4.iter().all(clear), "host bits are clear");
    let clear = |it: &Indicator<u128>| it.address == it.address.first(it.length);
    assert!(parsed.v6.iter().all(clear), "host bits are clear");
    let host = |it: &Indicator<u32>| it.port.is_none() || it.length == 32;
    assert!(parsed.v4.iter().all(host), "a port of one address");
    assert!(parsed.v6_entries <= parsed.entries && parsed.with_port <= parsed.entries);
    assert!(parsed.rejected.len() <= parsed.rejected_count.min(REJECTED_KEPT));
    let lines = parsed.lines as u32;
    assert!(
        parsed.v4.iter().all(|it| (1..=lines).contains(&it.line)),
        "a line that there is"
    );
}

/// Login pages, error pages and portals come with status 200 and may show an address.
fn check_no_page(bytes: &[u8]) -> Result<(), Refused> {
    let begin = text::without_mark(bytes).trim_ascii_start();
    if begin.starts_with(b"<") {
        return Err(Refused(
            "the content is an HTML or XML page, no list; open the address of the feed in a browser"
                .to_owned(),
        ));
    }
    Ok(())
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
