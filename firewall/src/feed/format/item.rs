//! One entry as people write it: an address, a prefix, a range or a port of an address, with what
//! lists put around it.

use std::{borrow::Cow, net::IpAddr};

use super::text;
use crate::{
    address::Prefix,
    subject::{Port, parse_port},
};

/// What an entry is about, host bits as given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// An address or prefix.
    Prefix(Prefix),
    /// A port of an address.
    Port(IpAddr, Port),
    /// From the first to the last address; the first may be the greater one.
    Range(IpAddr, IpAddr),
}

/// Reads an entry: quotes and a comma around it are taken off, and `192.0.2[.]1`, which providers
/// write so that nobody clicks on it, is 192.0.2.1. A netmask is a prefix length.
///
/// # Errors
/// What is wrong with the text, for people.
pub fn item(text: &[u8]) -> Result<Item, &'static str> {
    let text = bare(text);
    let text = fanged(text);
    let reason = match text::prefix(&text) {
        Ok(prefix) => return Ok(Item::Prefix(prefix)),
        Err(reason) => reason,
    };
    if let Some(item) = range(&text)
        .or_else(|| with_port(&text))
        .or_else(|| with_mask(&text))
    {
        return Ok(item);
    }
    Err(
        match text.contains(&b'-') && text.first().is_some_and(u8::is_ascii_hexdigit) {
            true => "no address, and no range of two addresses",
            false => reason,
        },
    )
}

/// Without white space, a comma at the end, quotes around, and the scope that `cscli decisions list`
/// writes in front.
fn bare(text: &[u8]) -> &[u8] {
    let text = unquoted(text);
    let scopes = [&b"Ip:"[..], b"Range:"];
    let value = scopes.iter().find_map(|scope| text.strip_prefix(*scope));
    value.unwrap_or(text)
}

fn unquoted(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    let text = text.strip_suffix(b",").unwrap_or(text).trim_ascii_end();
    for quote in [b"\"", b"'", b"`"] {
        let inner = text
            .strip_prefix(quote)
            .and_then(|it| it.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner.trim_ascii();
        }
    }
    text
}

/// With dots and colons where they were taken out of their place.
pub(super) fn fanged(text: &[u8]) -> Cow<'_, [u8]> {
    const PAIRS: [(&str, &str); 7] = [
        ("[.]", "."),
        ("(.)", "."),
        ("{.}", "."),
        ("[dot]", "."),
        ("(dot)", "."),
        ("[:]", ":"),
        ("[://]", "://"),
    ];
    let opens = |byte: &u8| matches!(byte, b'[' | b'(' | b'{');
    // A bracket in front belongs to an IPv6 address with a port.
    if !text.iter().skip(1).any(opens) {
        return Cow::Borrowed(text);
    }
    let Ok(text) = str::from_utf8(text) else {
        return Cow::Borrowed(text);
    };
    let put_back = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    let text = PAIRS.iter().fold(text.to_owned(), put_back);
    Cow::Owned(text.into_bytes())
}

fn range(text: &[u8]) -> Option<Item> {
    let dash = text.iter().position(|&byte| byte == b'-')?;
    let address = |side: &[u8]| text::address(side.trim_ascii());
    Some(Item::Range(
        address(&text[..dash])?,
        address(&text[dash + 1..])?,
    ))
}

fn with_port(text: &[u8]) -> Option<Item> {
    let (address, port) = parse_port(str::from_utf8(text).ok()?)?;
    Some(Item::Port(address, port))
}

/// `192.0.2.0/255.255.255.0`, and `192.0.2.0 255.255.255.0` as routers write it.
fn with_mask(text: &[u8]) -> Option<Item> {
    let end = text
        .iter()
        .position(|it| *it == b'/' || it.is_ascii_whitespace())?;
    let address = text::ipv4(&text[..end])?;
    let mask = text::ipv4(text[end + 1..].trim_ascii())?;
    let length = mask.leading_ones() as u8;
    let whole = mask.count_ones() == mask.leading_ones() && mask != 0;
    whole.then_some(Item::Prefix(Prefix::V4(address, length)))
}

/// A single address with the length or mask of its prefix in a field of its own; masks of routers may
/// have the bits of hosts set instead. `None` if that is none.
pub(super) fn masked(item: Item, mask: &[u8]) -> Option<Item> {
    let text = unquoted(mask);
    let text = text.strip_prefix(b"/").unwrap_or(text);
    let number: Option<u8> = str::from_utf8(text).ok().and_then(|it| it.parse().ok());
    let bits = text::address(text);
    let prefix = match (item, number, bits) {
        (Item::Prefix(Prefix::V4(address, 32)), Some(length @ 1..=32), _) => {
            Prefix::V4(address, length)
        }
        (Item::Prefix(Prefix::V6(address, 128)), Some(length @ 1..=128), _) => {
            Prefix::V6(address, length)
        }
        (Item::Prefix(Prefix::V4(address, 32)), _, Some(IpAddr::V4(mask))) => {
            let bits = mask.to_bits();
            let ones = bits.leading_ones().max((!bits).leading_ones());
            let whole = bits.count_ones() == ones || bits.count_zeros() == ones;
            Prefix::V4(
                address,
                (whole && ones > 0 && bits != 0).then_some(ones as u8)?,
            )
        }
        (Item::Prefix(Prefix::V6(address, 128)), _, Some(IpAddr::V6(mask))) => {
            let ones = mask.to_bits().leading_ones();
            let whole = mask.to_bits().count_ones() == ones && ones > 0;
            Prefix::V6(address, whole.then_some(ones as u8)?)
        }
        _ => return None,
    };
    Some(Item::Prefix(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match item(text.as_bytes()) {
            Ok(Item::Prefix(Prefix::V4(address, length))) => {
                format!("{}/{length}", std::net::Ipv4Addr::from_bits(address))
            }
            Ok(Item::Prefix(Prefix::V6(address, length))) => {
                format!("{}/{length}", std::net::Ipv6Addr::from_bits(address))
            }
            Ok(Item::Port(address, port)) => format!("{address} port {port}"),
            Ok(Item::Range(first, last)) => format!("{first} to {last}"),
            Err(reason) => reason.to_owned(),
        }
    }

    #[test]
    fn entries_as_people_write_them() {
        let table = [
            ("192.0.2.1", "192.0.2.1/32"),
            (" \"192.0.2.0/24\" ,", "192.0.2.0/24"),
            ("'2001:DB8::1'", "2001:db8::1/128"),
            ("192[.]0.2[.]1", "192.0.2.1/32"),
            ("192.0.2(dot)1", "192.0.2.1/32"),
            ("192[.]0[.]2[.]1[:]443", "192.0.2.1 port 443"),
            ("2001[:]db8[:][:]1", "2001:db8::1/128"),
            ("[2001:db8::1]:443/udp", "2001:db8::1 port 443/udp"),
            ("192.0.2.1 - 192.0.2.9", "192.0.2.1 to 192.0.2.9"),
            ("2001:db8::-2001:db8::f", "2001:db8:: to 2001:db8::f"),
            ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
            ("192.0.2.0 255.255.255.128", "192.0.2.0/25"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
            ("Ip:192.0.2.1", "192.0.2.1/32"),
            ("\"Range:2001:db8::/32\"", "2001:db8::/32"),
        ];
        for (text, expected) in table {
            assert_eq!(said(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for text in [
            "",
            "\"",
            "''",
            ",",
            "-",
            "192.0.2.1-",
            "192.0.2.0/255.0.255.0",
            "192.0.2.0/0.0.0.0",
            "192.0.2.0 0.0.0.255",
            "fe80::1%eth0",
            "192.0.2.01",
            "192.0.2.1:0",
            "192.0.2.1:70000",
            "[.]",
            "[]",
            "192.0.2.1-192.0.2.3-192.0.2.5",
            "192.0.2.\u{664}",
            "0x7f.0.0.1",
            "2130706433",
        ] {
            assert!(item(text.as_bytes()).is_err(), "{text}");
        }
    }
}
