//! `sections`: entries below headings `=== family ===`, as the text of abuse.ch SSLBL was. Prose may
//! stand before the first heading.

use super::{
    Parsed, Refused,
    item::item,
    said::{Said, word},
    text,
};

/// The indicators of the list.
///
/// # Errors
/// The list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    let mut family = None;
    text::content_lines(bytes, parsed, |parsed, line, text| {
        if let Some(name) = heading(text) {
            parsed.comments += 1;
            family = word(name);
            return Ok(());
        }
        match item(text::without_comment(text)) {
            Ok(entry) => parsed.add_item(line, entry, None)?,
            Err(_) if family.is_none() => parsed.comments += 1,
            Err(reason) => return Err(reason),
        }
        parsed.say(line, || Said {
            family: family.clone(),
            ..Said::default()
        });
        Ok(())
    })
}

/// The text of a heading, if the line is one.
pub(super) fn heading(line: &[u8]) -> Option<&str> {
    let text = str::from_utf8(line).ok()?;
    let text = text.strip_prefix("===")?.strip_suffix("===")?;
    Some(text.trim_matches('=').trim()).filter(|name| !name.is_empty())
}
