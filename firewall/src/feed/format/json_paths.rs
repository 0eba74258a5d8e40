//! Where in a document of any shape the addresses stand: the first of two walks.

use std::collections::HashMap;

use super::{
    Refused,
    item::{Item, item},
    json::{Documents, each_document},
    said::kind_of,
    tabular::address_rank,
    text, urls,
    walk::{Path, Step, Visit},
};
use crate::address::Prefix;

/// Different paths that are told apart; more of them are keys with a meaning of their own.
const PATHS: usize = 10_000;

/// What stands at a path.
#[derive(Clone, Copy, Default)]
pub(super) struct Count {
    texts: usize,
    v4: usize,
    v6: usize,
    /// URLs, at a path that is called so, the hosts of which are addresses.
    urls: usize,
    /// Names and whatever else lists have beside addresses.
    others: usize,
}

impl Count {
    fn addresses(self) -> usize {
        self.v4 + self.v6
    }

    /// Whether what stands there are URLs with addresses in them.
    pub fn has_urls(self) -> bool {
        self.addresses() == 0
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
        let is_url = path.last() == Some(&Step::Key("url".into())) && urls::is_of_address(text);
        let path = template(path, key);
        if self.paths.len() >= PATHS && !self.paths.contains_key(&path) {
            return Err(Refused(format!(
                "more than {PATHS} different paths; name the one with the addresses with `json_path`"
            )));
        }
        let count = self.paths.entry(path).or_default();
        count.texts += 1;
        match item(text.as_bytes()) {
            Ok(item) if is_v4(item) => count.v4 += 1,
            Ok(_) => count.v6 += 1,
            Err(_) if is_url => count.urls += 1,
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

pub(super) fn paths_with_addresses(bytes: &[u8]) -> Result<HashMap<String, Count>, Refused> {
    let mut look = Look::default();
    each_document(bytes, &mut look)?;
    let others: usize = look.paths.values().map(|count| count.others).sum();
    let mut urls = look.paths.clone();
    look.paths.retain(|path, count| has_addresses(path, *count));
    keep_most_certain(&mut look.paths);
    if look.paths.is_empty() {
        urls.retain(|_, count| count.urls > 0 && count.urls + count.others == count.texts);
        look.paths = urls;
    }
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

/// Where keys of one object are called after addresses, the most certain one of each family: beside an
/// address may stand the whole network that it is in, its mask, or who was attacked.
fn keep_most_certain(paths: &mut HashMap<String, Count>) {
    let families = [|count: &Count| count.v4, |count: &Count| count.v6];
    let best = families.map(|family| most_certain(paths, family));
    let is_kept = |path: &String, count: &mut Count| {
        let Some((object, _)) = object_and_key(path) else {
            return true;
        };
        let in_family = families
            .iter()
            .zip(&best)
            .filter(|(family, _)| family(count) > 0);
        let mut best = in_family.map(|(_, best)| best.get(object));
        best.any(|best| best.is_none_or(|best| *best == path))
    };
    let mut kept = paths.clone();
    kept.retain(is_kept);
    *paths = kept;
}

/// The path to the best of the keys that are called after addresses, by their object.
fn most_certain(
    paths: &HashMap<String, Count>,
    family: impl Fn(&Count) -> usize,
) -> HashMap<&str, &String> {
    let mut best = HashMap::new();
    for (path, count) in paths.iter().filter(|(_, count)| family(count) > 0) {
        let known =
            object_and_key(path).and_then(|(object, key)| Some((object, address_rank(key)?)));
        if let Some((object, rank)) = known {
            let order = (usize::MAX - family(count), rank, path);
            let so_far = best.entry(object).or_insert(order);
            *so_far = order.min(*so_far);
        }
    }
    best.into_iter()
        .map(|(object, (.., path))| (object, path))
        .collect()
}

/// Nothing for members of arrays, and for keys that are addresses.
fn object_and_key(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once('.')
        .filter(|(_, key)| !key.ends_with(['}', ']']))
}

fn is_v4(item: Item) -> bool {
    match item {
        Item::Prefix(prefix) => matches!(prefix, Prefix::V4(..)),
        Item::Port(address, _) | Item::Range(address, _) => address.is_ipv4(),
    }
}

/// Nearly all texts are addresses; names may be among them where the path is called after addresses.
fn has_addresses(path: &str, count: Count) -> bool {
    let name = path.rsplit(['.', ']']).next().unwrap_or_default();
    let others = match address_rank(name) {
        Some(_) => count.others,
        None => 0,
    };
    let addresses = count.addresses();
    addresses > 0 && 100 * (addresses + others) >= 98 * count.texts
}

/// The path as people write it. Keys that are numbers or addresses are many: they are one.
pub(super) fn template(path: &Path<'_>, key: bool) -> String {
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
