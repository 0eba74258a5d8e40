//! `dshield`: <https://feeds.dshield.org/block.txt>: first address, last address and prefix length,
//! separated by tabs, then how many were attacked and whose network it is.

use super::{
    Parsed, Refused,
    rows::{Between, Fields, split},
    said::{Said, word},
    text,
};
use crate::address::{Address, Prefix};

/// The indicators of the list. A header row, which some copies have, is no entry.
///
/// # Errors
/// The list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    text::content_lines(bytes, parsed, |parsed, line, text| {
        let mut fields = Fields::new();
        split(text, Between::Byte(b'\t'), &mut fields);
        if fields[0].eq_ignore_ascii_case(b"start") {
            parsed.comments += 1;
            return Ok(());
        }
        parsed.add(line, prefix(&fields)?, None);
        parsed.say(line, || said(&fields));
        Ok(())
    })
}

/// True if the row is one of this format; for telling formats apart.
pub(super) fn is_row(text: &[u8]) -> bool {
    let mut fields = Fields::new();
    split(text, Between::Byte(b'\t'), &mut fields);
    prefix(&fields).is_ok()
}

fn prefix(fields: &Fields<'_>) -> Result<Prefix, &'static str> {
    let (Some(first), Some(last), Some(length)) = (fields.first(), fields.get(1), fields.get(2))
    else {
        return Err("no first address, last address and prefix length");
    };
    let (Some(first), Some(last)) = (text::ipv4(first), text::ipv4(last)) else {
        return Err("no first and last IPv4 address");
    };
    let length = str::from_utf8(length).ok().and_then(|it| it.parse().ok());
    let fits =
        |&length: &u8| length <= 32 && first.first(length) == first && first.last(length) == last;
    let length = length
        .filter(fits)
        .ok_or("the prefix length is not that of the range")?;
    Ok(Prefix::V4(first, length))
}

fn said(fields: &Fields<'_>) -> Said {
    let of = |column: usize| word(&String::from_utf8_lossy(fields.get(column)?));
    let whose: Vec<String> = [4, 5].into_iter().filter_map(of).collect();
    Said {
        description: word(&whose.join(" ")),
        confidence: of(3).map(|count| format!("{count} targets")),
        ..Said::default()
    }
}
