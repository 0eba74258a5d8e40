//! `json`: addresses in a document, or in documents one a line, wherever they stand: at the paths that
//! the configuration names (`prefixes[].ip_prefix`), or else at every path inside of an array whose
//! texts are addresses. That is how AWS, Azure, Cloudflare, Fastly, GitHub, Google and Oracle publish
//! their networks, and how most lists of records look. A `port` beside an address is its port.

use std::collections::HashMap;

use serde::de::IgnoredAny;

use super::{
    Options, Parsed, Refused, check_size,
    item::{Item, item},
    json_paths::{Count, paths_with_addresses, template},
    said::kind_of,
    tabular::{is_port_name, port_number},
    text, urls,
    walk::{Path, Step, Visit, walk},
};
use crate::subject::Port;

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
pub(super) fn each_document<'de>(
    bytes: &'de [u8],
    visit: &mut impl Documents<'de>,
) -> Result<(), Refused> {
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
pub(super) trait Documents<'de>: Visit<'de> {
    fn at_line(&mut self, number: u32);
    fn bad_line(&mut self, number: u32, line: &[u8]);
}

/// Which texts are entries.
enum Taken {
    /// Those at these paths, as [`template`] writes them; the hosts of URLs where these are all there is.
    Found(HashMap<String, Count>),
    /// Those at the configured paths.
    Named(Vec<Vec<String>>),
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
        let (taken, is_url) = match &self.taken {
            Taken::Found(paths) => {
                let count = paths.get(&template(path, key));
                (count.is_some(), count.is_some_and(|it| it.has_urls()))
            }
            Taken::Named(paths) => (paths.iter().any(|it| !key && fits(it, path)), false),
        };
        if !taken {
            return Ok(());
        }
        let line = self.offset + line;
        if is_url {
            if let Err(reason) = urls::take_url(self.parsed, line, text.as_bytes()) {
                self.parsed.reject(line, text.as_bytes(), reason);
            }
            return check_size(self.parsed);
        }
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
