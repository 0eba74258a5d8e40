//! What a cell of a table says beside addresses: nothing, no, or something that lists have.

use super::{item::item, said::kind_of};

/// Whether the cell is empty, or says that there is nothing.
pub(super) fn is_blank(cell: &[u8]) -> bool {
    const WORDS: [&str; 10] = [
        "-", "--", "n/a", "na", "none", "null", "nil", "nan", "\\n", "unknown",
    ];
    let cell = cell.trim_ascii();
    cell.is_empty() || is_one_of(cell, &WORDS)
}

/// Whether the cell says no, as programs and spreadsheets write it.
pub(super) fn is_no(cell: &[u8]) -> bool {
    is_one_of(cell, &["0", "false", "no", "n", "f", "off"])
}

/// Whether the cell says yes.
pub(super) fn is_yes(cell: &[u8]) -> bool {
    is_one_of(cell, &["1", "true", "yes", "y", "t", "on"])
}

/// Whether the cell is one of the words, in any case.
pub(super) fn is_one_of(cell: &[u8], words: &[&str]) -> bool {
    let cell = cell.trim_ascii();
    words
        .iter()
        .any(|word| cell.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether the cell is an address, well written or not: it begins with a number as addresses do, and has
/// several parts.
pub(super) fn is_like_address(cell: &[u8]) -> bool {
    let Some(end) = cell.iter().position(|byte| matches!(byte, b'.' | b':')) else {
        return false;
    };
    let number = (1..=4).contains(&end) && cell[..end].iter().all(u8::is_ascii_hexdigit);
    number && cell.iter().filter(|&&byte| byte == cell[end]).count() > 1
}

/// Whether somebody meant an address by all of the text, and has written it wrongly: a number too great, a
/// zone.
pub(super) fn is_meant_as_address(text: &[u8]) -> bool {
    let address = text.split(|&byte| byte == b'%').next().unwrap_or_default();
    let count = |it: u8| address.iter().filter(|&&byte| byte == it).count();
    let of_address = |byte: &u8| byte.is_ascii_hexdigit() || b".:/-[]".contains(byte);
    address.iter().all(of_address) && (count(b'.') > 2 || count(b':') > 1)
}

/// Whether the cell is what tables have, and no word of a sentence: an address, a name, a number, a date,
/// a country.
pub(super) fn is_data(cell: &[u8]) -> bool {
    let country = cell.len() == 2 && cell.iter().all(u8::is_ascii_uppercase);
    let number = cell.first().is_none_or(u8::is_ascii_digit);
    let letters = cell.iter().any(u8::is_ascii_alphabetic);
    number || country || !letters || item(cell).is_ok() || kind_of(cell).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_look_like_addresses() {
        let table = [
            ("192.0.2.256", true),
            ("192.0.2.1\0", true),
            ("fe80::1%eth0", true),
            ("ip.address.v4", false),
            ("dst_ip", false),
            ("a:b", false),
            ("time: 10:30:00", false),
            ("", false),
        ];
        for (cell, expected) in table {
            assert_eq!(is_like_address(cell.as_bytes()), expected, "{cell}");
        }
    }

    #[test]
    fn addresses_written_wrongly_are_meant_as_such() {
        for text in [
            "fe80::1%eth0",
            "192.0.2.256",
            "192.0.2.01",
            "192.0.2.0/33",
            "192.0.2.9-192.0.2.1",
            "192.0.2.1192.0.2.2",
        ] {
            assert!(is_meant_as_address(text.as_bytes()), "{text}");
        }
        for text in ["", "2026-01-02", "10:30", "1.2.3", "dead", "192.0.2.1 word"] {
            assert!(!is_meant_as_address(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn words_of_sentences_are_no_data() {
        for cell in [
            "192.0.2.1",
            "evil.example",
            "443",
            "2026-01-02",
            "NL",
            "",
            "|",
        ] {
            assert!(is_data(cell.as_bytes()), "{cell}");
        }
        for cell in ["Your", "forbidden", "ERROR:", "error,client", "is"] {
            assert!(!is_data(cell.as_bytes()), "{cell}");
        }
    }
}
