//! `json`: addresses in a document, or in documents one a line, wherever they stand: at the paths that
//! the configuration names (`prefixes[].ip_prefix`), or else at every path inside of an array whose
//! texts are addresses. That is how AWS, Azure, Cloudflare, Fastly, GitHub, Google and Oracle publish
//! their networks, and how most lists of records look. A `port` beside an address is its port.

use std::collections::HashMap;

use serde::de::IgnoredAny;

use super::{
    Options, Parsed, Refused, check_size,
    item::{Item, item},
    said::kind_of,
    tabular::{is_address_name, is_port_name, port_number},
    text,
    walk::{Path, Step, Visit, walk},
};
use crate::subject::Port;

/// Different paths that are told apart; more of them are keys with a meaning of their own.
const PATHS: usize = 10_000;

/// The indicators of the document.
///
/// # Errors
/// It is no JSON or cut off; no path has addresses; or the list is too long.
pub(super) fn parse(bytes: &[u8], options: &Options, parsed: &mut Parsed) -> Result<(), Refused> {
    let taken = match options.json_path.as_slice() {
        [] => Taken::Found(paths_with_addresses(bytes)?),
        paths => Taken::Named(paths.iter().map(|path| steps(path)).collect()),
    };
    let mut take = Take {
        taken,
        parsed,
        offset: 0,
        waiting: Vec::new(),
        port: None,
        has_list: false,
    };
    each_document(bytes, &mut take)?;
    let has_list = take.has_list;
    parsed.lines = text::lines(bytes).count();
    parsed.complete = has_list && !is_lines(bytes);
    Ok(())
}

/// True if each line is a document of its own.
pub(super) fn is_lines(bytes: &[u8]) -> bool {
    let mut lines = text::lines(bytes).map(|(_, line)| line.trim_ascii());
    let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let whole = |line: &[u8]| serde_json::from_slice::<IgnoredAny>(line).is_ok();
    lines.any(|line| !line.is_empty()) && whole(first)
}

/// Walks through all there is; of lines, those that are no JSON are left to `Documents::bad_line`.
fn each_document<'de>(bytes: &'de [u8], visit: &mut impl Documents<'de>) -> Result<(), Refused> {
    if !is_lines(bytes) {
        return walk(bytes, visit);
    }
    for (number, line) in text::lines(bytes) {
        visit.at_line(number);
        if serde_json::from_slice::<IgnoredAny>(line).is_ok() {
            walk(line, visit)?;
        } else if !line.trim_ascii().is_empty() {
            visit.bad_line(number, line);
        }
    }
    Ok(())
}

/// A visitor of documents that stand one a line.
trait Documents<'de>: Visit<'de> {
    fn at_line(&mut self, number: u32);
    fn bad_line(&mut self, number: u32, line: &[u8]);
}

/// Which texts are entries.
enum Taken {
    /// Those at these paths, as [`template`] writes them.
    Found(HashMap<String, Count>),
    /// Those at the configured paths.
    Named(Vec<Vec<String>>),
}

/// What stands at a path.
#[derive(Clone, Copy, Default)]
struct Count {
    texts: usize,
    addresses: usize,
    /// Names and whatever else lists have beside addresses.
    others: usize,
}

/// The second walk: takes what is an entry.
struct Take<'a> {
    taken: Taken,
    parsed: &'a mut Parsed,
    /// Lines before the document.
    offset: u32,
    /// Entries of objects that are not left yet, with the length of their path and their line: a port
    /// may stand behind them.
    waiting: Vec<(usize, u32, Item)>,
    /// The port in the innermost object that has one, with the length of its path.
    port: Option<(usize, u16)>,
    /// Whether there is an array on the way to entries, empty or not.
    has_list: bool,
}

impl<'de> Visit<'de> for Take<'_> {
    fn key(&mut self, line: u32, path: &Path<'de>, key: &str) -> Result<(), Refused> {
        match text::address(key.as_bytes()) {
            Some(_) => self.entry(line, path, true, key),
            None => Ok(()),
        }
    }

    fn text(&mut self, line: u32, path: &Path<'de>, text: &str) -> Result<(), Refused> {
        self.look_for_port(path, port_number(text));
        self.entry(line, path, false, text)
    }

    fn array(&mut self, members: &Path<'de>) {
        let is_on_the_way = |steps: &Vec<String>| {
            let mut parts = (1..=steps.len()).map(|length| &steps[..length]);
            parts.any(|part| fits(part, members))
        };
        self.has_list |= match &self.taken {
            // They are found by the addresses in them.
            Taken::Found(_) => true,
            Taken::Named(paths) => paths.iter().any(is_on_the_way),
        };
    }

    fn number(&mut self, path: &Path<'de>, number: u64) {
        self.look_for_port(path, number.try_into().ok().filter(|&port| port != 0));
    }

    fn leave(&mut self, path: &Path<'de>) -> Result<(), Refused> {
        let depth = path.len() + 1;
        let port = self
            .port
            .take_if(|(at, _)| *at == depth)
            .map(|(_, number)| Port {
                number,
                protocol: None,
            });
        let first = self.waiting.partition_point(|(at, ..)| *at < depth);
        for (_, line, item) in self.waiting.split_off(first) {
            self.add(line, item, port);
        }
        check_size(self.parsed)
    }
}

impl Take<'_> {
    fn entry(&mut self, line: u32, path: &Path<'_>, key: bool, text: &str) -> Result<(), Refused> {
        let taken = match &self.taken {
            Taken::Found(paths) => paths.contains_key(&template(path, key)),
            Taken::Named(paths) => paths.iter().any(|steps| !key && fits(steps, path)),
        };
        if !taken {
            return Ok(());
        }
        let line = self.offset + line;
        match (item(text.as_bytes()), kind_of(text.as_bytes())) {
            (Ok(item), _) if !key && path.last() != Some(&Step::Item) => {
                self.waiting.push((path.len(), line, item));
            }
            (Ok(item), _) => self.add(line, item, None),
            (Err(_), Some(kind)) => self.parsed.skip(kind),
            (Err(reason), None) => self.parsed.reject(line, text.as_bytes(), reason),
        }
        check_size(self.parsed)
    }

    fn add(&mut self, line: u32, item: Item, port: Option<Port>) {
        if let Err(reason) = self.parsed.add_item(line, item, port) {
            self.parsed.reject(line, b"", reason);
        }
    }

    fn look_for_port(&mut self, path: &Path<'_>, number: Option<u16>) {
        if let (Some(Step::Key(key)), Some(number)) = (path.last(), number)
            && is_port_name(key)
        {
            self.port = Some((path.len(), number));
        }
    }
}

impl Documents<'_> for Take<'_> {
    fn at_line(&mut self, number: u32) {
        self.offset = number - 1;
    }

    fn bad_line(&mut self, number: u32, line: &[u8]) {
        self.parsed.reject(number, line, "no JSON");
    }
}

/// The first walk: counts what stands where.
#[derive(Default)]
struct Look {
    paths: HashMap<String, Count>,
    is_lines: bool,
}

impl<'de> Visit<'de> for Look {
    fn key(&mut self, _: u32, path: &Path<'de>, key: &str) -> Result<(), Refused> {
        match text::address(key.as_bytes()) {
            Some(_) => self.count(path, true, key),
            None => Ok(()),
        }
    }

    fn text(&mut self, _: u32, path: &Path<'de>, text: &str) -> Result<(), Refused> {
        // What says something about the document is no list: an error may show our own address.
        if self.is_lines || path.contains(&Step::Item) || path.len() > 2 {
            self.count(path, false, text)?;
        }
        Ok(())
    }
}

impl Look {
    fn count(&mut self, path: &Path<'_>, key: bool, text: &str) -> Result<(), Refused> {
        let path = template(path, key);
        if self.paths.len() >= PATHS && !self.paths.contains_key(&path) {
            return Err(Refused(format!(
                "more than {PATHS} different paths; name the one with the addresses with `json_path`"
            )));
        }
        let count = self.paths.entry(path).or_default();
        count.texts += 1;
        match item(text.as_bytes()) {
            Ok(_) => count.addresses += 1,
            Err(_) => count.others += usize::from(kind_of(text.as_bytes()).is_some()),
        }
        Ok(())
    }
}

impl Documents<'_> for Look {
    fn at_line(&mut self, _: u32) {
        self.is_lines = true;
    }

    fn bad_line(&mut self, _: u32, _: &[u8]) {}
}

fn paths_with_addresses(bytes: &[u8]) -> Result<HashMap<String, Count>, Refused> {
    let mut look = Look::default();
    each_document(bytes, &mut look)?;
    let others: usize = look.paths.values().map(|count| count.others).sum();
    look.paths.retain(|path, count| has_addresses(path, *count));
    if look.paths.is_empty() && others > 0 {
        return Err(Refused(format!(
            "no path has addresses, only {others} domain names, URLs, AS numbers or digests; \
             firewall filters by address, port and protocol"
        )));
    }
    if look.paths.is_empty() {
        return Err(Refused(
            "no path inside of an array has addresses; name the one that has with `json_path`"
                .to_owned(),
        ));
    }
    Ok(look.paths)
}

/// Nearly all texts are addresses; names may be among them where the path is called after addresses.
fn has_addresses(path: &str, count: Count) -> bool {
    let name = path.rsplit(['.', ']']).next().unwrap_or_default();
    let others = if is_address_name(name) {
        count.others
    } else {
        0
    };
    count.addresses > 0 && 100 * (count.addresses + others) >= 98 * count.texts
}

/// The path as people write it. Keys that are numbers or addresses are many: they are one.
fn template(path: &Path<'_>, key: bool) -> String {
    let mut text = String::with_capacity(48);
    for step in path {
        match step {
            Step::Item => text.push_str("[]"),
            Step::Key(key) => {
                let many = key.bytes().any(|it| it.is_ascii_digit())
                    && key
                        .bytes()
                        .all(|it| it.is_ascii_hexdigit() || b".:-/".contains(&it));
                text.push('.');
                text.push_str(if many { "*" } else { key });
            }
        }
    }
    if key {
        text.push_str("{}");
    }
    text
}

/// `prefixes[].ip_prefix` in steps; an array is `[]`, and `*` any key.
fn steps(path: &str) -> Vec<String> {
    let path = path
        .trim_start_matches('$')
        .replace("[*]", "[]")
        .replace("[]", ".[]");
    let parts = path.split('.').filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

fn fits(steps: &[String], path: &Path<'_>) -> bool {
    let fits = |(part, step): (&String, &Step<'_>)| match step {
        Step::Item => part == "[]",
        Step::Key(key) => part == key || part == "*",
    };
    steps.len() == path.len() && steps.iter().zip(path).all(fits)
}
