//! `json`: addresses in a document, or in documents one a line, wherever they stand: at the paths that
//! the configuration names (`prefixes[].ip_prefix`), or else at every path inside of an array whose
//! texts are addresses. That is how AWS, Azure, Cloudflare, Fastly, GitHub, Google and Oracle publish
//! their networks, and how most lists of records look. A `port` beside an address is its port; two ends are
//! a range, and a length or a mask makes a prefix.

use std::collections::{HashMap, HashSet};

use serde::de::IgnoredAny;

use super::{
    Options, Parsed, Refused, check_size,
    columns::is_port_name,
    item::Item,
    json_beside::{range, with_mask},
    json_names::is_attacker,
    json_paths::{Taken, key_item, masks, paths_with_addresses},
    json_template::template,
    json_texts::{Text, read},
    tabular::port_number,
    text, urls,
    walk::{Path, Step, Visit, walk},
};
use crate::subject::Port;

/// The indicators of the document.
///
/// # Errors
/// It is no JSON or cut off; no path has addresses; or the list is too long.
pub(super) fn parse(bytes: &[u8], options: &Options, parsed: &mut Parsed) -> Result<(), Refused> {
    let entries = match options.json_path.as_slice() {
        [] => Entries::Found(paths_with_addresses(bytes)?),
        paths => {
            let paths = paths.iter().map(|path| steps(path)).collect();
            Entries::Named(paths, masks(bytes))
        }
    };
    let mut take = Take::new(entries, parsed);
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
enum Entries {
    /// Those at these paths, as [`template`] writes them.
    Found(HashMap<String, Taken>),
    /// Those at the configured paths; with the masks beside them, if there are any.
    Named(Vec<Vec<String>>, HashMap<String, Taken>),
}

/// An entry of an object that is not left yet: what belongs to it may stand behind it.
struct Waiting {
    depth: usize,
    line: u32,
    item: Item,
    text: String,
    key: String,
    taken: Taken,
}

/// What may belong to an entry of the same object.
struct Member {
    depth: usize,
    key: String,
    text: String,
}

/// The second walk: takes what is an entry.
struct Take<'a> {
    entries: Entries,
    parsed: &'a mut Parsed,
    /// Lines before the document.
    offset: u32,
    waiting: Vec<Waiting>,
    members: Vec<Member>,
    /// Keys of members that belong to entries.
    wanted: HashSet<String>,
    /// Whether there is an array on the way to entries, empty or not.
    has_list: bool,
}

impl<'de> Visit<'de> for Take<'_> {
    fn key(&mut self, line: u32, path: &Path<'de>, key: &str) -> Result<(), Refused> {
        let Some(item) = key_item(key) else {
            return Ok(());
        };
        if let Entries::Found(paths) = &self.entries
            && paths.contains_key(&template(path, true))
        {
            self.add(self.offset + line, key, Ok(item), None);
        }
        check_size(self.parsed)
    }

    fn text(&mut self, line: u32, path: &Path<'de>, text: &str) -> Result<(), Refused> {
        self.member(path, || text.to_owned());
        let key = template(path, false);
        let taken = match &self.entries {
            Entries::Found(paths) => paths.get(&key).cloned(),
            Entries::Named(paths, masks) => {
                let is_named = paths.iter().any(|it| fits(it, path));
                is_named.then(|| masks.get(&key).cloned().unwrap_or_default())
            }
        };
        if let Some(taken) = taken {
            self.entry(self.offset + line, path, taken, text);
        }
        check_size(self.parsed)
    }

    fn array(&mut self, members: &Path<'de>) {
        let is_on_the_way = |steps: &Vec<String>| {
            let mut parts = (1..=steps.len()).map(|length| &steps[..length]);
            parts.any(|part| fits(part, members))
        };
        self.has_list |= match &self.entries {
            // They are found by the addresses in them.
            Entries::Found(_) => true,
            Entries::Named(paths, _) => paths.iter().any(is_on_the_way),
        };
    }

    fn number(&mut self, path: &Path<'de>, number: u64) {
        self.member(path, || number.to_string());
    }

    fn leave(&mut self, path: &Path<'de>) -> Result<(), Refused> {
        let first = self.waiting.partition_point(|it| it.depth <= path.len());
        let members = self.members.partition_point(|it| it.depth <= path.len());
        for waiting in self.waiting.split_off(first) {
            let (item, port) = whole(&waiting, &self.members[members..]);
            self.add(waiting.line, &waiting.text, item, port);
        }
        self.members.truncate(members);
        check_size(self.parsed)
    }
}

impl<'a> Take<'a> {
    fn new(entries: Entries, parsed: &'a mut Parsed) -> Self {
        let (Entries::Found(taken) | Entries::Named(_, taken)) = &entries;
        let keys = taken.values().flat_map(|it| [&it.end, &it.mask]);
        Self {
            wanted: keys.flatten().cloned().collect(),
            entries,
            parsed,
            offset: 0,
            waiting: Vec::new(),
            members: Vec::new(),
            has_list: false,
        }
    }

    fn entry(&mut self, line: u32, path: &Path<'_>, taken: Taken, text: &str) {
        if taken.is_url {
            if let Err(reason) = urls::take_url(self.parsed, line, text.as_bytes()) {
                self.parsed.reject(line, text.as_bytes(), reason);
            }
            return;
        }
        match (read(text), path.last()) {
            (Text::Entry(item), Some(Step::Key(key))) => self.waiting.push(Waiting {
                depth: path.len(),
                line,
                item,
                text: text.to_owned(),
                key: key.to_string(),
                taken,
            }),
            (Text::Entry(item), _) => self.add(line, text, Ok(item), None),
            (Text::Nothing, _) => {}
            (Text::Kind(kind), _) => self.parsed.skip(kind),
            (Text::Wrong(reason), _) => self.parsed.reject(line, text.as_bytes(), reason),
        }
    }

    fn add(&mut self, line: u32, text: &str, item: Result<Item, &'static str>, port: Option<Port>) {
        let added = item.and_then(|item| self.parsed.add_item(line, item, port));
        if let Err(reason) = added {
            self.parsed.reject(line, text.as_bytes(), reason);
        }
    }

    fn member(&mut self, path: &Path<'_>, text: impl FnOnce() -> String) {
        if let Some(Step::Key(key)) = path.last()
            && (is_port_name(key) || self.wanted.contains(&**key))
        {
            self.members.push(Member {
                depth: path.len(),
                key: key.to_string(),
                text: text(),
            });
        }
    }
}

/// An entry with what belongs to it of its object.
fn whole(waiting: &Waiting, members: &[Member]) -> (Result<Item, &'static str>, Option<Port>) {
    let of = |key: &str| members.iter().find(|it| it.key == key).map(|it| &*it.text);
    let Waiting {
        item, key, taken, ..
    } = waiting;
    let mut whole = match taken.mask.as_deref().and_then(of) {
        Some(mask) => with_mask(*item, mask, key),
        None => Ok(*item),
    };
    if let Some(end) = &taken.end {
        let end = of(end).and_then(item_of);
        whole = range(Some(*item), end);
    }
    let mut ports = members.iter().rev().filter(|it| is_port_name(&it.key));
    let number = ports.find_map(|it| port_number(&it.text));
    let port = number.filter(|_| !is_attacker(key)).map(|number| Port {
        number,
        protocol: None,
    });
    (whole, port)
}

fn item_of(text: &str) -> Option<Item> {
    match read(text) {
        Text::Entry(item) => Some(item),
        _ => None,
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
