//! What a text in JSON is: an entry, nothing, what lists have beside addresses, or wrong.

use super::{
    item::{Item, item},
    said::{Skipped, kind_of},
};

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// An address, a prefix, a range, or a port of an address.
    Entry(Item),
    /// It says that there is none.
    Nothing,
    /// What lists have on purpose.
    Kind(Skipped),
    /// Whatever else, and why it is no entry.
    Wrong(&'static str),
}

pub(super) fn read(text: &str) -> Text {
    match item(text.as_bytes()) {
        Ok(item) => Text::Entry(item),
        Err(_) if is_nothing(text) => Text::Nothing,
        Err(reason) => kind(text).map_or(Text::Wrong(reason), Text::Kind),
    }
}

/// Whether the text says that there is no address.
pub(super) fn is_nothing(text: &str) -> bool {
    const WORDS: [&str; 6] = ["", "-", "n/a", "none", "null", "unknown"];
    let text = text.trim();
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether somebody meant an address and has written it wrongly: a number too great, a zone.
pub(super) fn is_meant_as_address(text: &str) -> bool {
    let address = text.split('%').next().unwrap_or_default();
    let count = |it: char| address.matches(it).count();
    let of_address = |byte: u8| byte.is_ascii_hexdigit() || b".:/".contains(&byte);
    address.bytes().all(of_address) && (count('.') > 2 || count(':') > 1)
}

/// Vulnerabilities and longer digests stand beside addresses in the indicators of a report.
fn kind(text: &str) -> Option<Skipped> {
    let is_digest = matches!(text.len(), 96 | 128) && text.bytes().all(|it| it.is_ascii_hexdigit());
    let number = |it: &str| it.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let is_vulnerability = text.strip_prefix("CVE-").is_some_and(number);
    kind_of(text.as_bytes()).or((is_digest || is_vulnerability).then_some(Skipped::Other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_they_look_like() {
        for nothing in ["", " ", "-", "N/A", "None", "null", "Unknown"] {
            assert_eq!(read(nothing), Text::Nothing, "{nothing}");
        }
        assert!(matches!(read("192.0.2.1"), Text::Entry(_)));
        assert!(matches!(read("a word"), Text::Wrong(_)));
        let other = Text::Kind(Skipped::Other);
        assert_eq!(read("CVE-2021-44228"), other);
        assert_eq!(read(&"a".repeat(96)), other);
        assert_eq!(read("evil.example"), Text::Kind(Skipped::Name));
    }

    #[test]
    fn addresses_written_wrongly_are_meant_as_such() {
        for text in ["fe80::1%eth0", "192.0.2.256", "192.0.2.01", "192.0.2.0/33"] {
            assert!(is_meant_as_address(text), "{text}");
        }
        for text in ["", "2026-01-02", "10:30", "1.2.3", "dead", "a word"] {
            assert!(!is_meant_as_address(text), "{text}");
        }
    }
}
