//! `tor-exits`: <https://check.torproject.org/exit-addresses>: of each relay its key, times, and the
//! addresses that its traffic comes from, which are the entries.

use super::{
    Parsed, Refused,
    said::{Said, word},
    text,
};

/// The addresses of the exits.
///
/// # Errors
/// The list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    text::content_lines(bytes, parsed, |parsed, line, text| {
        let mut words = text.split(u8::is_ascii_whitespace);
        match words.next() {
            Some(b"ExitAddress") => {
                let address = words.next().ok_or("no address")?;
                parsed.add(line, text::prefix(address)?, None);
                parsed.say(line, || Said {
                    last_seen: words
                        .next()
                        .and_then(|it| word(&String::from_utf8_lossy(it))),
                    ..Said::default()
                });
            }
            Some(b"ExitNode" | b"Published" | b"LastStatus") => parsed.comments += 1,
            _ => return Err("neither ExitAddress nor another line of this format"),
        }
        Ok(())
    })
}

/// True if `line` is the first of a relay.
pub(super) fn begins_with(line: &[u8]) -> bool {
    line.starts_with(b"ExitNode ") || line.starts_with(b"ExitAddress ")
}
