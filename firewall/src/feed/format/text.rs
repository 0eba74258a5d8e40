//! Addresses as text: what every format that carries them has in common.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{Parsed, Refused, check_size};
use crate::address::Prefix;

/// `bytes` without the byte order mark that some editors put in front.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// `bytes` without a byte order mark, and with line feeds where they have carriage returns alone.
pub fn normal(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = without_mark(bytes);
    if bytes.contains(&b'\n') || !bytes.contains(&b'\r') {
        return Cow::Borrowed(bytes);
    }
    let feed = |&byte: &u8| if byte == b'\r' { b'\n' } else { byte };
    Cow::Owned(bytes.iter().map(feed).collect())
}

/// The lines with their numbers from 1 and their line ends. The last one needs no line end.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    (1..).zip(bytes.split_inclusive(|&byte| byte == b'\n'))
}

/// Whether a trimmed line is only a comment: from `#`, `;` or `//`.
pub fn is_comment(line: &[u8]) -> bool {
    matches!(line.first(), Some(b'#' | b';')) || line.starts_with(b"//")
}

/// `line` without the comment at its end. `//` begins one after white space only: URLs have it.
pub fn without_comment(line: &[u8]) -> &[u8] {
    let begins = |at: usize| match line[at] {
        b'#' | b';' => true,
        b'/' => at > 0 && line[at - 1].is_ascii_whitespace() && line.get(at + 1) == Some(&b'/'),
        _ => false,
    };
    let end = (0..line.len()).find(|&at| begins(at));
    line[..end.unwrap_or(line.len())].trim_ascii_end()
}

/// The lines that are neither blank nor a comment, trimmed; what `parsed` counts of the others.
pub fn content_lines<'a>(
    bytes: &'a [u8],
    parsed: &mut Parsed,
    mut take: impl FnMut(&mut Parsed, u32, &'a [u8]) -> Result<(), &'static str>,
) -> Result<(), Refused> {
    for (number, line) in lines(bytes) {
        parsed.lines += 1;
        let line = line.trim_ascii();
        if line.is_empty() {
            parsed.blank += 1;
        } else if is_comment(line) {
            parsed.comments += 1;
        } else if line.len() > LONGEST {
            parsed.reject(number, line, "longer than 64 KiB");
        } else if let Err(reason) = take(parsed, number, line) {
            parsed.reject(number, line, reason);
        }
        check_size(parsed)?;
    }
    Ok(())
}

/// Rows and rules are longer than addresses, but not endless.
const LONGEST: usize = 65536;

/// An address or a prefix, host bits as given. An IPv4-mapped IPv6 prefix (`::ffff:192.0.2.0/120`,
/// RFC 4291 §2.5.5.2) longer than 96 bits is the IPv4 prefix it maps, which is what packets carry.
///
/// # Errors
/// What is wrong with the text, for people.
pub fn prefix(text: &[u8]) -> Result<Prefix, &'static str> {
    let Some(slash) = text.iter().position(|&byte| byte == b'/') else {
        return Ok(match address(text).ok_or_else(|| no_address(text))? {
            IpAddr::V4(address) => Prefix::V4(address.to_bits(), 32),
            IpAddr::V6(address) => Prefix::V6(address.to_bits(), 128),
        });
    };
    let (before, after) = (&text[..slash], &text[slash + 1..]);
    if let Some(address) = ipv4(before) {
        return Ok(Prefix::V4(
            address,
            length(after, 32).ok_or_else(|| no_length(text))?,
        ));
    }
    let address = ipv6(before).ok_or_else(|| no_address(text))?;
    Ok(unmapped(
        address,
        length(after, 128).ok_or_else(|| no_length(text))?,
    ))
}

/// An address; an IPv4-mapped one as IPv4.
pub fn address(text: &[u8]) -> Option<IpAddr> {
    if let Some(address) = ipv4(text) {
        return Some(Ipv4Addr::from_bits(address).into());
    }
    Some(IpAddr::V6(Ipv6Addr::from_bits(ipv6(text)?)).to_canonical())
}

/// A dotted quad in host order. Octets with leading zeros are none: some read them as octal.
pub fn ipv4(text: &[u8]) -> Option<u32> {
    // In one pass: lists have millions of them.
    let (mut address, mut dots) = (0, 0);
    let (mut octet, mut digits) = (0_u32, 0);
    for &byte in text {
        match byte {
            b'0'..=b'9' if digits == 0 || octet > 0 => {
                octet = 10 * octet + u32::from(byte - b'0');
                digits += 1;
                if octet > 255 {
                    return None;
                }
            }
            b'.' if digits > 0 && dots < 3 => {
                address = address << 8 | octet;
                (octet, digits) = (0, 0);
                dots += 1;
            }
            _ => return None,
        }
    }
    (dots == 3 && digits > 0).then_some(address << 8 | octet)
}

fn ipv6(text: &[u8]) -> Option<u128> {
    // Longer than the longest (RFC 4291 §2.2), and not to be looked through again and again.
    if text.len() > 45 {
        return None;
    }
    let address: Ipv6Addr = str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_bits())
}

fn unmapped(address: u128, length: u8) -> Prefix {
    const MAPPED: u128 = 0xffff;
    if address >> 32 == MAPPED && length > 96 {
        return Prefix::V4(address as u32, length - 96);
    }
    Prefix::V6(address, length)
}

fn length(text: &[u8], bits: u8) -> Option<u8> {
    number(text).filter(|&length| length <= bits)
}

/// One to three digits without leading zeros, up to 255.
fn number(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    let value = match *digits {
        [ones] => digit(ones)?,
        [b'0', ..] => return None,
        [tens, ones] => 10 * digit(tens)? + digit(ones)?,
        [hundreds, tens, ones] => 100 * digit(hundreds)? + 10 * digit(tens)? + digit(ones)?,
        _ => return None,
    };
    u8::try_from(value).ok()
}

const MORE: &str = "more than an address on the line";

fn no_length(text: &[u8]) -> &'static str {
    if text.iter().any(u8::is_ascii_whitespace) {
        return MORE;
    }
    "no prefix length of its address family"
}

/// Why a text that is no address is none, as far as its looks tell.
fn no_address(text: &[u8]) -> &'static str {
    if text.iter().any(u8::is_ascii_whitespace) {
        return MORE;
    }
    if text.iter().all(|byte| b"0123456789./".contains(byte)) {
        return "no IPv4 address: four numbers up to 255 without leading zeros";
    }
    "no address"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_both_families() {
        let table = [
            ("192.0.2.1", Prefix::V4(0xc000_0201, 32)),
            ("192.0.2.1/24", Prefix::V4(0xc000_0201, 24)),
            ("0.0.0.0/0", Prefix::V4(0, 0)),
            ("255.255.255.255", Prefix::V4(u32::MAX, 32)),
            ("2001:db8::", Prefix::V6(0x2001_0db8 << 96, 128)),
            ("2001:DB8::/32", Prefix::V6(0x2001_0db8 << 96, 32)),
            ("::/0", Prefix::V6(0, 0)),
            ("::ffff:192.0.2.1", Prefix::V4(0xc000_0201, 32)),
            ("::ffff:c000:200/120", Prefix::V4(0xc000_0200, 24)),
            ("::ffff:0:0/97", Prefix::V4(0, 1)),
            ("::ffff:0:0/96", Prefix::V6(0xffff << 32, 96)),
        ];
        for (text, expected) in table {
            assert_eq!(prefix(text.as_bytes()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_prefix() {
        let zeros = "no IPv4 address: four numbers up to 255 without leading zeros";
        let length = "no prefix length of its address family";
        let table = [
            ("192.0.2.01", zeros),
            ("192.0.2.256", zeros),
            ("192.0.2", zeros),
            ("192.0.2.1.1", zeros),
            ("192.0.2.1/", length),
            ("192.0.2.0/33", length),
            ("192.0.2.0/024", length),
            ("192.0.2.0/+4", length),
            ("2001:db8::/129", length),
            ("2001:db8::/256", length),
            ("192.0.2.1:443", "no address"),
            ("fe80::1%eth0", "no address"),
            ("example.com", "no address"),
            ("192.0.2.1 443", MORE),
            ("192.0.2.0/24\t64496", MORE),
            ("\0", "no address"),
        ];
        for (text, reason) in table {
            assert_eq!(prefix(text.as_bytes()), Err(reason), "{text:?}");
        }
    }
}
