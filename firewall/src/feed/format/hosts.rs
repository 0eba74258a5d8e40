//! `hosts`: a hosts(5) file, or domain names alone, one a line.
//!
//! Such lists mean the names; the address before them is where a machine that reads the file is to
//! send them: `0.0.0.0`, `127.0.0.1`, `::`. Names are counted and cannot be used: packets carry none.
//! An address that is a real one is an entry.

use std::net::IpAddr;

use super::{
    Parsed, Refused,
    said::{Skipped, is_name},
    text,
};

/// The addresses in the file, and how many names there are.
///
/// # Errors
/// The list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    text::content_lines(bytes, parsed, |parsed, line, text| {
        let text = text::without_comment(text);
        let (first, names) = halves(text);
        match text::address(without_zone(first)) {
            Some(address) if is_nowhere(address) || first.contains(&b'%') => {
                names.for_each(|_| parsed.skip(Skipped::Name));
            }
            Some(_) => parsed.add(line, text::prefix(first)?, None),
            None if names_it(text) => parsed.skip(Skipped::Name),
            None => return Err("no address, and no name"),
        }
        Ok(())
    })
}

fn halves(text: &[u8]) -> (&[u8], impl Iterator<Item = &[u8]>) {
    let mut words = text
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    (words.next().unwrap_or_default(), words)
}

fn without_zone(address: &[u8]) -> &[u8] {
    let zone = address.iter().position(|&byte| byte == b'%');
    &address[..zone.unwrap_or(address.len())]
}

/// Where hosts files send what is not to be reached, and what they say about the machine itself.
fn is_nowhere(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => it.octets()[0] == 0 || it.is_loopback() || it.is_broadcast(),
        IpAddr::V6(it) => {
            it.is_unspecified()
                || it.is_loopback()
                || it.is_multicast()
                || it.is_unicast_link_local()
        }
    }
}

/// A name alone, also as filters of browsers (`||evil.example^`) and as a list with commas has it.
fn names_it(text: &[u8]) -> bool {
    let text = str::from_utf8(text)
        .unwrap_or_default()
        .trim_end_matches(',');
    let text = text.strip_prefix("||").unwrap_or(text);
    is_name(text.strip_suffix('^').unwrap_or(text).trim_end_matches('.'))
}

/// Whether the row sends a name nowhere, be it one that reads like an address; for telling formats apart.
pub(super) fn is_row(text: &[u8]) -> bool {
    let (first, names) = halves(text::without_comment(text));
    let nowhere = text::address(without_zone(first)).is_some_and(is_nowhere);
    let name =
        |name: &[u8]| name.iter().any(u8::is_ascii_alphabetic) || text::address(name).is_some();
    let mut names = names.peekable();
    nowhere && names.peek().is_some() && names.all(name)
}

/// Whether the row sends a name to a real address, as a hosts file may; for telling formats apart.
pub(super) fn is_real_row(text: &[u8]) -> bool {
    let (first, mut names) = halves(text::without_comment(text));
    let name = |name: &[u8]| str::from_utf8(name).is_ok_and(is_name);
    text::address(first).is_some() && names.next().is_some_and(name) && names.all(name)
}

/// Whether the row is a name alone; for telling formats apart.
pub(super) fn is_name_row(text: &[u8]) -> bool {
    names_it(text::without_comment(text))
}
