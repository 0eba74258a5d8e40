//! `suricata`: rules of Suricata and Snort whose header names addresses
//! (`alert ip $HOME_NET any -> [192.0.2.1,198.51.100.0/24] any (…)`), on either side and with the port
//! of that side; and HTTP rules whose host is an address. Negated addresses are no entries.

use std::borrow::Cow;

use super::{
    Parsed, Refused,
    item::item,
    said::{Said, Skipped, word},
    tabular::port_number,
    text,
};
use crate::{ruleset::Protocol, subject::Port};

/// The seven words of a rule's header, and its options.
struct Rule<'a> {
    protocol: &'a str,
    source: &'a str,
    source_port: &'a str,
    destination: &'a str,
    destination_port: &'a str,
    options: &'a str,
}

const ACTIONS: [&str; 8] = [
    "alert",
    "drop",
    "reject",
    "rejectsrc",
    "rejectdst",
    "rejectboth",
    "sdrop",
    "block",
];

/// Ports of one rule: each address is an entry with each of them.
const MOST_PORTS: usize = 64;

/// The addresses in the rules.
///
/// # Errors
/// The list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    text::content_lines(&joined(bytes), parsed, |parsed, line, text| {
        let text = str::from_utf8(text).map_err(|_| "no UTF-8 text")?;
        match text.split_ascii_whitespace().next() {
            Some("pass") => {
                parsed.skip(Skipped::Exception);
                Ok(())
            }
            _ => take_rule(parsed, line, &rule(text).ok_or("no rule")?),
        }
    })
}

/// True if `line` is a rule, or the beginning of one.
pub(super) fn begins_with(line: &[u8]) -> bool {
    let text = str::from_utf8(line).unwrap_or_default();
    let first = text.split_ascii_whitespace().next().unwrap_or_default();
    rule(text).is_some() || (ACTIONS.contains(&first) && text.ends_with('\\'))
}

fn take_rule(parsed: &mut Parsed, line: u32, rule: &Rule<'_>) -> Result<(), &'static str> {
    let before = parsed.entries;
    for (group, ports) in [
        (rule.source, rule.source_port),
        (rule.destination, rule.destination_port),
    ] {
        for address in members(group)? {
            add(parsed, line, address, ports, rule.protocol)?;
        }
    }
    if let Some(Ok(entry)) = http_host(rule).map(|host| item(host.as_bytes())) {
        parsed.add_item(line, entry, None)?;
    }
    if parsed.entries == before {
        parsed.skip(match rule.protocol {
            "dns" | "tls" | "http" | "http1" | "http2" | "quic" => Skipped::Name,
            _ => Skipped::Other,
        });
    }
    parsed.say(line, || said(rule));
    Ok(())
}

/// Adds an address with each of its ports; a variable such as `$HOME_NET` is none of ours.
fn add(
    parsed: &mut Parsed,
    line: u32,
    address: &str,
    ports: &str,
    protocol: &str,
) -> Result<(), &'static str> {
    if address.starts_with('$') || address == "any" {
        return Ok(());
    }
    let entry = item(address.as_bytes())?;
    if ports == "any" || ports.starts_with('$') || protocol == "ip" {
        return parsed.add_item(line, entry, None);
    }
    let numbers = members(ports)?;
    if numbers.len() > MOST_PORTS {
        return Err("more than 64 ports");
    }
    for number in numbers {
        let number = port_number(number).ok_or("a range of ports, which no entry can say")?;
        let protocol = match protocol {
            "udp" => Protocol::Udp,
            _ => Protocol::Tcp,
        };
        parsed.add_item(
            line,
            entry,
            Some(Port {
                number,
                protocol: Some(protocol),
            }),
        )?;
    }
    Ok(())
}

/// The members of a group `[a,[b,c],!d]` that are not negated.
fn members(group: &str) -> Result<Vec<&str>, &'static str> {
    let mut members = Vec::new();
    let (mut depth, mut negated) = (0_usize, None);
    for part in group.split_inclusive(['[', ',', ']']) {
        let (text, end) = match part.strip_suffix(['[', ',', ']']) {
            Some(text) => (text.trim(), part.as_bytes()[part.len() - 1]),
            None => (part.trim(), b','),
        };
        let not = text.starts_with('!');
        if end == b'[' {
            depth += 1;
            negated = negated.or(not.then_some(depth));
            continue;
        }
        if !text.is_empty() && !not && negated.is_none() {
            members.push(text);
        }
        if end == b']' {
            depth = depth
                .checked_sub(1)
                .ok_or("a group that ends before it begins")?;
            negated = negated.filter(|&from| from <= depth);
        }
    }
    match depth {
        0 => Ok(members),
        _ => Err("a group without end"),
    }
}

fn rule(text: &str) -> Option<Rule<'_>> {
    let (header, options) = text.split_once('(')?;
    let options = options.trim_end().strip_suffix(')')?;
    let words = words(header);
    let [
        action,
        protocol,
        source,
        source_port,
        direction,
        destination,
        destination_port,
    ] = <[&str; 7]>::try_from(words).ok()?;
    let known = ACTIONS.contains(&action) && ["->", "<>", "<-", "=>"].contains(&direction);
    known.then_some(Rule {
        protocol,
        source,
        source_port,
        destination,
        destination_port,
        options,
    })
}

/// The words of a header; white space in brackets separates none.
fn words(header: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let between = |character: char| {
        depth += i32::from(character == '[') - i32::from(character == ']');
        depth <= 0 && character.is_ascii_whitespace()
    };
    header
        .split(between)
        .filter(|word| !word.is_empty())
        .collect()
}

/// The content that a rule wants the host of a request to be: what follows the buffer `http.host`, or
/// stands before the older word `http_host` (Suricata's "HTTP Keywords").
fn http_host<'a>(rule: &Rule<'a>) -> Option<&'a str> {
    let (mut in_host, mut last) = (false, None);
    for option in options(rule.options) {
        match option {
            "http.host" | "http.host.raw" => in_host = true,
            "http_host" | "http_raw_host" if last.is_some() => return last,
            option => match option.strip_prefix("content:") {
                Some(content) => {
                    let content = content.trim().strip_prefix('"');
                    let content = content.and_then(|it| it.split('"').next());
                    last = content.filter(|it| text::address(it.as_bytes()).is_some());
                    if in_host && last.is_some() {
                        return last;
                    }
                }
                // Any other buffer is another place.
                None => in_host &= option.contains(':') || !option.contains('.'),
            },
        }
    }
    None
}

/// The options of a rule; a `;` in quotes ends none.
fn options(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let ends = move |character: char| {
        quoted ^= character == '"';
        !quoted && character == ';'
    };
    text.split(ends).map(str::trim)
}

/// The rules with those that go on over several lines (a `\` at the end) on the first of these.
fn joined(bytes: &[u8]) -> Cow<'_, [u8]> {
    let goes_on = |line: &[u8]| line.trim_ascii_end().ends_with(b"\\");
    if !text::lines(bytes).any(|(_, line)| goes_on(line)) {
        return Cow::Borrowed(bytes);
    }
    let (mut all, mut behind) = (Vec::with_capacity(bytes.len()), 0);
    for (_, line) in text::lines(bytes) {
        if let Some(part) = line.trim_ascii_end().strip_suffix(b"\\") {
            all.extend_from_slice(part);
            behind += 1;
            continue;
        }
        all.extend_from_slice(line.trim_ascii_end());
        // The lines that follow keep their numbers.
        all.extend(std::iter::repeat_n(b'\n', 1 + std::mem::take(&mut behind)));
    }
    Cow::Owned(all)
}

fn said(rule: &Rule<'_>) -> Said {
    let message = rule
        .options
        .split_once("msg:\"")
        .and_then(|(_, rest)| rest.split('"').next());
    Said {
        description: message.and_then(word),
        ..Said::default()
    }
}
