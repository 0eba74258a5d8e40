//! `p2p`: ranges with names as file-sharing programs read them: `name:first-last`, and eMule's
//! `first - last , level , name`, where a level of 128 or more lets the range through.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    Parsed, Refused,
    said::{Said, Skipped, word},
    text,
};

/// One range of a list.
struct Range<'a> {
    first: IpAddr,
    last: IpAddr,
    level: u32,
    name: &'a str,
}

/// The ranges of the list.
///
/// # Errors
/// The list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    text::content_lines(bytes, parsed, |parsed, line, text| {
        // Names are of any encoding; addresses are ASCII.
        let text = String::from_utf8_lossy(text);
        let range =
            of_line(&text).ok_or("no `name:first-last` and no `first - last , level , name`")?;
        if range.level >= 128 {
            parsed.skip(Skipped::Exception);
            return Ok(());
        }
        if !parsed.add_range(line, range.first, range.last) {
            return Err("the range ends before it begins");
        }
        parsed.say(line, || Said {
            description: word(range.name),
            ..Said::default()
        });
        Ok(())
    })
}

/// True if the line is one of this format; for telling formats apart.
pub(super) fn is_row(text: &[u8]) -> bool {
    of_line(&String::from_utf8_lossy(text)).is_some()
}

fn of_line(text: &str) -> Option<Range<'_>> {
    named(text).or_else(|| levelled(text))
}

/// A name may have colons, and so may an address: the name is the shortest before which a range
/// remains.
fn named(text: &str) -> Option<Range<'_>> {
    let dash = text.rfind('-')?;
    let last = address(&text[dash + 1..])?;
    let before = &text[..dash];
    let from = |colon: usize| {
        let first = address(&before[colon + 1..])?;
        (first.is_ipv4() == last.is_ipv4()).then_some(Range {
            first,
            last,
            level: 0,
            name: &before[..colon],
        })
    };
    match last {
        // A dotted quad has no colon, so the last one ends the name.
        IpAddr::V4(_) => before.rfind(':').and_then(from),
        IpAddr::V6(_) => before.match_indices(':').find_map(|(colon, _)| from(colon)),
    }
}

fn levelled(text: &str) -> Option<Range<'_>> {
    let mut parts = text.splitn(3, ',');
    let (range, level) = (parts.next()?, parts.next()?);
    let (first, last) = range.split_once('-')?;
    Some(Range {
        first: padded(first.trim())?.into(),
        last: padded(last.trim())?.into(),
        level: level.trim().parse().ok()?,
        name: parts.next().unwrap_or_default().trim(),
    })
}

fn address(text: &str) -> Option<IpAddr> {
    text::address(text.trim().as_bytes())
}

/// A dotted quad whose octets this format pads with zeros; they are decimal.
fn padded(text: &str) -> Option<Ipv4Addr> {
    let octet = |part: &str| {
        let digits = (1..=3).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_digit());
        part.parse::<u8>().ok().filter(|_| digits)
    };
    let octets: Option<Vec<u8>> = text.split('.').map(octet).collect();
    Some(<[u8; 4]>::try_from(octets?).ok()?.into())
}
