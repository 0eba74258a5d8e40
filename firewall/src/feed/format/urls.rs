//! `urls`: a URL on each line; `urlhaus-csv`: the table of abuse.ch URLhaus, whose column `url` is
//! read alike. What counts is an address as host, with the port of the URL. Names are counted.

use super::{
    Parsed, Refused,
    item::fanged,
    rows::Between,
    said::{Skipped, is_name},
    tabular::{SaidColumns, Table, port_number},
    text,
};
use crate::{address::Prefix, ruleset::Protocol, subject::Port};

/// The hosts of a list of URLs.
///
/// # Errors
/// The list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    text::content_lines(bytes, parsed, |parsed, line, text| {
        take_url(parsed, line, text)
    })
}

/// The hosts of the URLs of URLhaus.
///
/// # Errors
/// The list is too long.
pub(super) fn parse_urlhaus(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    let table = Table {
        bytes,
        between: Between::Byte(b','),
    };
    let header = table.header();
    let url = header
        .as_ref()
        .and_then(|header| header.find(&["url"]))
        .unwrap_or(2);
    let said = SaidColumns::of(header.as_ref());
    table.each_row(header.as_ref(), parsed, |parsed, line, fields| {
        take_url(parsed, line, fields.get(url).ok_or("no `url` in the row")?)?;
        parsed.say(line, || said.said(fields));
        Ok(())
    })
}

/// Takes the host of a URL.
///
/// # Errors
/// It is neither an address nor a name.
pub(super) fn take_url(parsed: &mut Parsed, line: u32, text: &[u8]) -> Result<(), &'static str> {
    let text = fanged(text);
    let text = str::from_utf8(&text).map_err(|_| "no URL")?;
    let (host, port) = host_and_port(text).ok_or("no URL with a scheme, a host and a port")?;
    match text::prefix(host.as_bytes()) {
        Ok(prefix) if prefix.is_host() => parsed.add(line, prefix, port),
        _ if is_name(host) => parsed.skip(Skipped::Url),
        Ok(_) => return Err("a prefix is no host"),
        Err(reason) => return Err(reason),
    }
    Ok(())
}

/// Host and port of a URL (RFC 3986 §3.2), the port by its scheme where it names none. `hxxp`, which
/// providers write so that nobody clicks on it, is `http`.
pub(super) fn host_and_port(url: &str) -> Option<(&str, Option<Port>)> {
    let (scheme, rest) = url.split_once("://")?;
    // RFC 3986 §3.1: what has a comma is a row of a table with a URL in it.
    let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if !scheme
        .trim_start_matches(['"', '\''])
        .bytes()
        .all(is_of_scheme)
    {
        return None;
    }
    let authority = rest.split(['/', '?', '#', '\\', ' ']).next()?;
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let number = match port.filter(|port| !port.is_empty()) {
        Some(port) => Some(port_number(port)?),
        None => usual_port(scheme),
    };
    let protocol = Some(Protocol::Tcp);
    Some((host, number.map(|number| Port { number, protocol })))
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "hxxp" | "ws" => Some(80),
        "https" | "hxxps" | "wss" => Some(443),
        "ftp" | "fxp" => Some(21),
        _ => None,
    }
}

/// True if `text` is a URL; for telling formats apart.
pub(super) fn is_url(text: &[u8]) -> bool {
    let text = fanged(text);
    let host = str::from_utf8(&text).ok().and_then(host_and_port);
    host.is_some_and(|(host, _)| is_address(host) || is_name(host))
}

/// True if `text` is a URL whose host is an address; likewise.
pub(super) fn is_of_address(text: &str) -> bool {
    let text = fanged(text.as_bytes());
    let host = str::from_utf8(&text).ok().and_then(host_and_port);
    host.is_some_and(|(host, _)| is_address(host))
}

fn is_address(host: &str) -> bool {
    text::prefix(host.as_bytes()).is_ok_and(Prefix::is_host)
}
