//! `ipsum`: <https://github.com/stamparm/ipsum>: an address and by how many lists it is named.

use super::{
    Options, Parsed, Refused,
    said::{Said, Skipped},
    text,
};
use crate::address::Prefix;

/// The indicators of the list that are named by `minimum` lists at least.
///
/// # Errors
/// The list is too long.
pub(super) fn parse(bytes: &[u8], options: &Options, parsed: &mut Parsed) -> Result<(), Refused> {
    let minimum = options.minimum.unwrap_or(0);
    text::content_lines(bytes, parsed, |parsed, line, text| {
        let (address, count) = row(text).ok_or("no address and number of lists")?;
        if count < minimum {
            parsed.skip(Skipped::BelowMinimum);
            return Ok(());
        }
        parsed.add(line, address, None);
        parsed.say(line, || Said {
            confidence: Some(format!("{count} lists")),
            ..Said::default()
        });
        Ok(())
    })
}

/// The address and the number of lists in a row.
pub(super) fn row(text: &[u8]) -> Option<(Prefix, u32)> {
    let text = text::without_comment(text);
    let end = text.iter().position(u8::is_ascii_whitespace)?;
    let address = text::prefix(&text[..end]).ok()?;
    let count = str::from_utf8(text[end..].trim_ascii()).ok()?;
    let digits = count.bytes().all(|byte| byte.is_ascii_digit());
    Some((address, count.parse().ok().filter(|_| digits)?))
}
