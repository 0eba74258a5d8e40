//! What a text in JSON is: an entry, nothing, what lists have beside addresses, or wrong.

use super::{
    cell::is_blank,
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
        Err(_) if is_blank(text.as_bytes()) => Text::Nothing,
        Err(reason) => kind_of(text.as_bytes()).map_or(Text::Wrong(reason), Text::Kind),
    }
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
}
