//! What a feed says beside addresses: about an entry, and about what is no entry.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a feed says about an entry, in its own words. It is read again from the copy when somebody
/// asks (`why`): a million entries in memory carry none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Malware or kind of threat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Such as `online`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// When the provider saw it first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// When the provider saw it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// From 0 to 100, or the number of lists that name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
    /// Anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Characters of one word of a feed that are kept.
const KEPT: usize = 120;

/// `text` as a feed says it: without control characters and not endless. Nothing where feeds write
/// that they say nothing.
pub(super) fn word(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text == "-" || text.eq_ignore_ascii_case("none") {
        return None;
    }
    let harmless = |it: char| if it.is_control() { ' ' } else { it };
    Some(text.chars().take(KEPT).map(harmless).collect())
}

impl Said {
    /// The same without control characters.
    pub fn harmless(self) -> Self {
        let again = |text: Option<String>| text.and_then(|text| word(&text));
        Self {
            family: again(self.family),
            status: again(self.status),
            first_seen: again(self.first_seen),
            last_seen: again(self.last_seen),
            confidence: again(self.confidence),
            description: again(self.description),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("", &self.family),
            ("", &self.status),
            ("", &self.description),
            ("first seen ", &self.first_seen),
            ("last seen ", &self.last_seen),
            ("confidence ", &self.confidence),
        ];
        let said = parts
            .iter()
            .filter_map(|(name, it)| Some((name, it.as_ref()?)));
        for (number, (name, word)) in said.enumerate() {
            let between = if number == 0 { "" } else { ", " };
            write!(formatter, "{between}{name}{word}")?;
        }
        Ok(())
    }
}

/// Why something that a feed lists on purpose is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Skipped {
    /// A domain name: packets carry none.
    Name,
    /// A URL whose host is a name.
    Url,
    /// The number of a network operator: needs a table of who announces what.
    Asn,
    /// The digest of a file, a mail address, a process and whatever else is no address.
    Other,
    /// The feed says that it is no reason to act: `to_ids` is false.
    NotForDetection,
    /// The feed took it back.
    Revoked,
    /// Its time is over.
    Expired,
    /// Named by fewer lists, or with less confidence, than `minimum` asks for.
    BelowMinimum,
    /// A machine of somebody honest that was broken into.
    Compromised,
    /// What a list excepts from a wider entry.
    Exception,
    /// The feed says that it is harmless.
    Benign,
}

impl Skipped {
    /// What it is, for people, more than one of them.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "domain names",
            Self::Url => "URLs of domain names",
            Self::Asn => "AS numbers",
            Self::Other => "other things than addresses",
            Self::NotForDetection => "not for detection (to_ids is false)",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::BelowMinimum => "below the minimum",
            Self::Compromised => "compromised hosts of others",
            Self::Exception => "exceptions",
            Self::Benign => "benign by its own word",
        }
    }

    /// Whether the feed itself takes it back, so that a list of nothing else is an empty one.
    pub fn is_withdrawn(self) -> bool {
        match self {
            Self::NotForDetection
            | Self::Revoked
            | Self::Expired
            | Self::BelowMinimum
            | Self::Compromised
            | Self::Exception
            | Self::Benign => true,
            Self::Name | Self::Url | Self::Asn | Self::Other => false,
        }
    }
}

/// What a text is that names no address, as far as its looks tell; nothing if it could be a mistake.
pub(super) fn kind_of(text: &[u8]) -> Option<Skipped> {
    let text = str::from_utf8(text).ok()?.trim_end_matches('.');
    if text.contains("://") {
        return Some(Skipped::Url);
    }
    if is_asn(text) {
        return Some(Skipped::Asn);
    }
    if is_name(text) {
        return Some(Skipped::Name);
    }
    let digest = matches!(text.len(), 32 | 40 | 56 | 64 | 96 | 128)
        && text.bytes().all(|it| it.is_ascii_hexdigit());
    let mail = text.split_once('@').is_some_and(|(_, host)| is_name(host));
    (digest || mail || is_numbered(text)).then_some(Skipped::Other)
}

/// The number of a vulnerability, or the country of a decision of CrowdSec.
fn is_numbered(text: &str) -> bool {
    text.strip_prefix("CVE-").is_some_and(|number| {
        number
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
    }) || text
        .strip_prefix("Country:")
        .is_some_and(|code| code.len() == 2)
}

/// `AS64496`, and `As:64496` as `cscli` writes it.
fn is_asn(text: &str) -> bool {
    let number = ["AS", "as", "As:"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix));
    number.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()))
}

/// At least two labels, the last of which is no number (RFC 3696 §2), or a wildcard of them.
pub(super) fn is_name(text: &str) -> bool {
    let text = text
        .strip_prefix("*.")
        .unwrap_or(text.trim_start_matches('.'));
    let label = |label: &str| {
        !label.is_empty()
            && label.len() < 64
            && label
                .chars()
                .all(|it| it.is_alphanumeric() || it == '-' || it == '_')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() < 254
        && text.contains('.')
        && text.split('.').all(label)
        && last.contains(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_called_by_its_kind() {
        let table = [
            ("evil.example", Some(Skipped::Name)),
            ("*.evil.example.", Some(Skipped::Name)),
            ("b\u{fc}cher.example", Some(Skipped::Name)),
            ("xn--bcher-kva.example", Some(Skipped::Name)),
            ("http://evil.example/a", Some(Skipped::Url)),
            ("AS64496", Some(Skipped::Asn)),
            ("d41d8cd98f00b204e9800998ecf8427e", Some(Skipped::Other)),
            ("someone@evil.example", Some(Skipped::Other)),
            ("CVE-2021-44228", Some(Skipped::Other)),
            ("Country:CN", Some(Skipped::Other)),
            ("As:64496", Some(Skipped::Asn)),
            ("192.0.2.256", None),
            ("192.0.2.1.1", None),
            ("1.2.3.4192.0.2.1", None),
            ("word", None),
            ("two words.example", None),
            ("AS", None),
            ("", None),
        ];
        for (text, kind) in table {
            assert_eq!(kind_of(text.as_bytes()), kind, "{text}");
        }
    }

    #[test]
    fn what_a_feed_says_reads_as_a_line() {
        let said = Said {
            family: word("Pikabot"),
            status: word("None"),
            first_seen: word(" 2026-01-02 "),
            description: word("a\u{1b}[31m"),
            ..Said::default()
        };
        assert_eq!(said.to_string(), "Pikabot, a [31m, first seen 2026-01-02");
        assert_eq!(word(&"x".repeat(1000)).unwrap().len(), KEPT);
    }
}
