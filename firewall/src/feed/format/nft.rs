//! `nft`: sets as `nft list ruleset` prints them and `nft -f` reads them: the members of
//! `elements = { … }`, of `add element … { … }` and of `define NAME = { … }`. Maps are left out: what
//! they mean for an address is not said in the list.

use super::{
    Parsed, Refused, check_size,
    item::{Item, item},
    said::{Said, kind_of, word},
    tabular::port_number,
    text,
};
use crate::{ruleset::Protocol, subject::Port};

/// The addresses in all sets.
///
/// # Errors
/// A set whose braces are not closed: the copy is cut off. Or the list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    let text = str::from_utf8(bytes).map_err(|_| {
        Refused("the ruleset is no UTF-8 text; check the address of the feed".to_owned())
    })?;
    parsed.lines = text::lines(bytes).count();
    let mut reader = Reader::new(text);
    let mut members = Vec::new();
    let mut depth = 0_usize;
    while let Some(token) = reader.next() {
        match token {
            Token::Open if reader.opens_members => depth = 1,
            Token::Open => {}
            Token::Member(line, member) if depth > 0 => {
                members.push((line, member));
            }
            Token::Close if depth > 0 => {
                depth = 0;
                take_set(parsed, &mut members)?;
            }
            Token::Close | Token::Member(..) => {}
        }
    }
    if depth > 0 {
        return Err(Refused(
            "the elements of a set have no end: the copy is cut off; the next update fetches it again"
                .to_owned(),
        ));
    }
    Ok(())
}

/// True if `line` is the first of a ruleset.
pub(super) fn begins_with(line: &[u8]) -> bool {
    const FIRST: [&str; 16] = [
        "table ",
        "add table ",
        "add element ",
        "add set ",
        "create table ",
        "create element ",
        "create set ",
        "flush ruleset",
        "flush set ",
        "flush table ",
        "define ",
        "include ",
        "delete table ",
        "delete set ",
        "destroy table ",
        "destroy set ",
    ];
    let line = str::from_utf8(line).unwrap_or_default();
    FIRST.iter().any(|first| line.starts_with(first))
}

/// What a ruleset is made of, as far as it matters here.
enum Token<'a> {
    Open,
    /// A member of a set, and its line.
    Member(u32, &'a str),
    Close,
}

/// Finds braces and commas, past comments and quoted text.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    /// Where what is being read began.
    begin: usize,
    /// Whether the brace just read opens members of a set.
    opens_members: bool,
    closes: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            begin: 0,
            opens_members: false,
            closes: false,
        }
    }

    /// The text since the last token.
    fn said(&mut self) -> &'a str {
        let said = &self.text[self.begin..self.at];
        self.begin = self.at + 1;
        said.trim()
    }

    fn next(&mut self) -> Option<Token<'a>> {
        if std::mem::take(&mut self.closes) {
            return Some(Token::Close);
        }
        let bytes = self.text.as_bytes();
        let mut quoted = false;
        while let Some(&byte) = bytes.get(self.at) {
            let at = self.at;
            let token = match byte {
                b'"' => {
                    quoted = !quoted;
                    None
                }
                b'#' if !quoted => {
                    // A comment stands where white space may.
                    let end = bytes[at..].iter().position(|&it| it == b'\n');
                    self.at = end.map_or(bytes.len(), |end| at + end);
                    if self.text[self.begin..at].trim().is_empty() {
                        self.begin = self.at;
                    }
                    continue;
                }
                b'{' if !quoted => {
                    let before = self.said();
                    self.opens_members = opens_members(before);
                    Some(Token::Open)
                }
                b',' if !quoted => Some(Token::Member(self.line, self.said())),
                b'}' if !quoted => {
                    self.closes = true;
                    Some(Token::Member(self.line, self.said()))
                }
                b'\n' => {
                    self.line += 1;
                    quoted = false;
                    None
                }
                _ => None,
            };
            self.at = at + 1;
            if token.is_some() {
                return token;
            }
        }
        None
    }
}

fn opens_members(before: &str) -> bool {
    let statement = before.rsplit(['\n', ';']).next().unwrap_or_default().trim();
    let words: Vec<&str> = statement.split_ascii_whitespace().collect();
    statement == "elements ="
        || words.starts_with(&["add", "element"])
        || words.starts_with(&["create", "element"])
        || (words.first() == Some(&"define") && words.last() == Some(&"="))
}

/// Takes the members of a set, unless none of them is an address: sets are of other things too.
fn take_set(parsed: &mut Parsed, members: &mut Vec<(u32, &str)>) -> Result<(), Refused> {
    let foreign = !members.iter().any(|(_, member)| entry(member).is_ok());
    for (line, member) in members.drain(..).filter(|(_, member)| !member.is_empty()) {
        let entry = entry(member);
        let added = entry.and_then(|(item, port)| parsed.add_item(line, item, port));
        match (added, kind_of(member.as_bytes())) {
            (Ok(()), _) => parsed.say(line, || said(member)),
            (Err(_), Some(kind)) => parsed.skip(kind),
            (Err(_), None) if foreign => parsed.skip(super::said::Skipped::Other),
            (Err(reason), None) => parsed.reject(line, member.as_bytes(), reason),
        }
        check_size(parsed)?;
    }
    Ok(())
}

/// The address of a member, and its port where the set is of both.
fn entry(member: &str) -> Result<(Item, Option<Port>), &'static str> {
    // What follows is when the member ends, what it counts, what it allows and what somebody noted.
    const AFTER: [&str; 8] = [
        " timeout ",
        " expires ",
        " counter",
        " comment",
        " last ",
        " limit ",
        " quota ",
        " ct ",
    ];
    let member = &without_notes(member);
    if member.contains(" : ") {
        return Err("the key of a map");
    }
    let ends = AFTER.iter().filter_map(|word| member.find(word));
    concatenated(member[..ends.min().unwrap_or(member.len())].split(" . "))
}

/// The member without what somebody wrote in quotes or behind `#`.
fn without_notes(member: &str) -> String {
    let unquoted: String = member.split('"').step_by(2).collect();
    let lines = unquoted
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    lines.collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// An address, and after it maybe a protocol and a port.
pub(super) fn concatenated<'a>(
    parts: impl Iterator<Item = &'a str>,
) -> Result<(Item, Option<Port>), &'static str> {
    let (mut address, mut protocol, mut number) = (None, None, None);
    for part in parts.map(str::trim) {
        let named = Protocol::ALL.into_iter().find(|it| it.as_str() == part);
        match (named, port_number(part)) {
            (Some(named), _) => protocol = Some(named),
            (None, Some(port)) if number.is_none() && address.is_some() => number = Some(port),
            _ if address.is_none() => address = Some(item(part.as_bytes())?),
            _ => return Err("more than an address, a protocol and a port"),
        }
    }
    let address = address.ok_or("no address")?;
    match (number, protocol) {
        (None, Some(_)) => Err("a protocol without a port, which no entry can say"),
        (number, protocol) => Ok((address, number.map(|number| Port { number, protocol }))),
    }
}

fn said(member: &str) -> Said {
    let comment = member
        .split_once("comment \"")
        .and_then(|(_, rest)| rest.split('"').next());
    Said {
        description: comment.and_then(word),
        ..Said::default()
    }
}
