//! Where in a document of any shape the addresses stand: the first of two walks.

use std::collections::{HashMap, HashSet};

use super::{
    Refused,
    cell::is_meant_as_address,
    is_tolerable,
    item::{Item, item},
    json::{Documents, each_document},
    json_beside::{Beside, Member},
    json_certainty::{Candidate, Certainty, keep},
    json_names::{is_mask, is_of_addresses, rank, says_indicator},
    json_refusal::refusal,
    json_template::{is_in_list, shown, template},
    json_texts::{Text, read},
    urls,
    walk::{Path, Step, Visit},
};
use crate::address::Prefix;

/// Different paths that are told apart; more of them are keys with a meaning of their own.
const PATHS: usize = 10_000;

/// Members of one object that are looked at beside each other.
const MEMBERS: usize = 64;

/// How the texts at a path are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// They are URLs, the hosts of which are the entries.
    pub is_url: bool,
    /// The key beside them with the other ends of their ranges.
    pub end: Option<String>,
    /// The key beside them with their lengths or masks.
    pub mask: Option<String>,
}

/// What stands at a path.
#[derive(Clone, Default)]
pub(super) struct Stands {
    pub path: String,
    /// The same as the configuration takes it.
    pub shown: String,
    /// The key that it ends with; empty in arrays.
    key: String,
    /// Whether that is called after addresses, and after masks.
    is_named: bool,
    is_mask: bool,
    /// Whether it is one of many, and in no error.
    pub is_in_list: bool,
    /// Those that say anything.
    pub texts: usize,
    pub families: [usize; 2],
    /// Addresses that are no networks.
    hosts: usize,
    /// URLs, at a path that is called so, the hosts of which are addresses.
    urls: usize,
    /// Names and whatever else lists have beside addresses.
    pub others: usize,
    /// Addresses that are written wrongly.
    slips: usize,
    /// The first that is no address.
    pub wrong: Option<String>,
}

/// The first walk: counts what stands where.
#[derive(Default)]
struct Look {
    paths: HashMap<String, usize>,
    stands: Vec<Stands>,
    /// Members of the objects that are not left yet, with the length of their path.
    open: Vec<(usize, usize, Option<Item>, String)>,
    beside: Beside,
    /// Paths called after addresses; at the second stands an address in an object with the first.
    together: HashSet<(usize, usize)>,
    is_lines: bool,
}

/// The paths with the entries, and how these are taken.
///
/// # Errors
/// There are none; the JSON is damaged.
pub(super) fn paths_with_addresses(bytes: &[u8]) -> Result<HashMap<String, Taken>, Refused> {
    let mut look = Look::default();
    each_document(bytes, &mut look)?;
    let kept = look.kept();
    let taken = |at: &usize| (look.stands[*at].path.clone(), look.taken(*at));
    if !kept.is_empty() {
        return Ok(kept.iter().map(taken).collect());
    }
    let urls = look
        .stands
        .iter()
        .filter(|it| it.is_in_list && it.has_urls());
    let is_url = |it: &Stands| {
        let is_url = true;
        (
            it.path.clone(),
            Taken {
                is_url,
                ..Taken::default()
            },
        )
    };
    let urls: HashMap<String, Taken> = urls.map(is_url).collect();
    match urls.is_empty() {
        true => Err(refusal(&look.stands, look.is_lines)),
        false => Ok(urls),
    }
}

/// What stands beside the addresses at paths that are known, by these.
pub(super) fn masks(bytes: &[u8]) -> HashMap<String, Taken> {
    let mut look = Look::default();
    // What is wrong with it is said by whoever takes the entries.
    let _ = each_document(bytes, &mut look);
    let with_mask = |(at, stands): (usize, &Stands)| {
        let mask = look.taken(at).mask?;
        let mask = Some(mask);
        Some((
            stands.path.clone(),
            Taken {
                mask,
                ..Taken::default()
            },
        ))
    };
    look.stands
        .iter()
        .enumerate()
        .filter_map(with_mask)
        .collect()
}

impl<'de> Visit<'de> for Look {
    fn key(&mut self, _: u32, path: &Path<'de>, key: &str) -> Result<(), Refused> {
        if let Some(item) = key_item(key) {
            let at = self.path(path, true)?;
            self.stands[at].count(Text::Entry(item), key);
        }
        Ok(())
    }

    fn text(&mut self, _: u32, path: &Path<'de>, text: &str) -> Result<(), Refused> {
        let at = self.path(path, false)?;
        let what = read(text);
        let stands = &mut self.stands[at];
        stands.count(what, text);
        let item = match what {
            Text::Entry(item) => Some(item),
            _ => None,
        };
        let is_wanted = item.is_some() || stands.is_mask || stands.is_named;
        if !stands.key.is_empty() && is_wanted && what != Text::Nothing {
            let mask = if stands.is_mask { text } else { "" };
            self.open.push((path.len(), at, item, mask.to_owned()));
        }
        Ok(())
    }

    fn number(&mut self, path: &Path<'de>, number: u64) {
        let is_length = matches!(path.last(), Some(Step::Key(key)) if is_mask(key));
        if let Some(at) = is_length.then(|| self.path(path, false).ok()).flatten() {
            self.open.push((path.len(), at, None, number.to_string()));
        }
    }

    fn leave(&mut self, path: &Path<'de>) -> Result<(), Refused> {
        let first = self.open.partition_point(|(at, ..)| *at <= path.len());
        if self.open.len() - first > 1 {
            self.look_beside(first);
        }
        self.open.truncate(first);
        Ok(())
    }
}

impl Look {
    /// The number of the path.
    fn path(&mut self, path: &Path<'_>, key: bool) -> Result<usize, Refused> {
        let text = template(path, key);
        if let Some(&at) = self.paths.get(&text) {
            return Ok(at);
        }
        if self.paths.len() >= PATHS {
            return Err(Refused(format!(
                "more than {PATHS} different paths; name the one with the addresses with `json_path`"
            )));
        }
        let last = match path.last() {
            Some(Step::Key(last)) if !key => last.to_string(),
            _ => String::new(),
        };
        self.stands.push(Stands {
            path: text.clone(),
            shown: shown(path),
            is_named: rank(&last).is_some(),
            is_mask: is_mask(&last),
            key: last,
            is_in_list: is_in_list(&text, path, self.is_lines),
            ..Stands::default()
        });
        self.paths.insert(text, self.stands.len() - 1);
        Ok(self.stands.len() - 1)
    }

    /// Looks at the members of one object, which begin at that number.
    fn look_beside(&mut self, first: usize) {
        let stands = &self.stands;
        let member = |(_, at, item, text): &'_ (usize, usize, Option<Item>, String)| {
            (*at, *item, text.clone())
        };
        let members: Vec<_> = self.open[first..]
            .iter()
            .take(MEMBERS)
            .map(member)
            .collect();
        for (at, item, text) in &members {
            let (at, item) = (*at, *item);
            let first = Member {
                at,
                key: &stands[at].key,
                item,
                text,
            };
            for (at, item, text) in members.iter().filter(|(other, ..)| *other != at) {
                let (at, item) = (*at, *item);
                let second = Member {
                    at,
                    key: &stands[at].key,
                    item,
                    text,
                };
                self.beside.look(&first, &second);
                if first.item.is_some() {
                    self.together.insert((second.at, first.at));
                }
            }
        }
    }

    /// The numbers of the paths with entries.
    fn kept(&self) -> HashSet<usize> {
        let ends: HashSet<usize> = (0..self.stands.len())
            .filter(|&at| self.stands[at].has_addresses())
            .filter_map(|at| self.beside.end_of(at))
            .collect();
        let paths = self.stands.iter().enumerate();
        let paths = paths.filter(|(at, it)| it.may_have_indicators() && !ends.contains(at));
        let mut candidates: Vec<Candidate<'_>> = paths
            .map(|(at, it)| it.candidate(at, self.is_lines))
            .collect();
        let mut kept = keep(&mut candidates, &self.together, self.is_lines);
        kept.retain(|&at| {
            self.stands[at].candidate(at, self.is_lines).certainty != Certainty::Others
        });
        kept
    }

    fn taken(&self, at: usize) -> Taken {
        let key = |at: usize| self.stands[at].key.clone();
        Taken {
            is_url: false,
            end: self.beside.end_of(at).map(key),
            mask: self.beside.mask_of(at).map(key),
        }
    }
}

impl Documents<'_> for Look {
    fn at_line(&mut self, _: u32) {
        self.is_lines = true;
    }

    fn bad_line(&mut self, _: u32, _: &[u8]) {}
}

impl Stands {
    fn count(&mut self, what: Text, text: &str) {
        self.texts += usize::from(what != Text::Nothing);
        match what {
            Text::Entry(item) => {
                let (family, is_host) = of(item);
                self.families[family] += 1;
                self.hosts += usize::from(is_host);
                return;
            }
            Text::Nothing => return,
            _ if self.key == "url" && urls::is_of_address(text) => self.urls += 1,
            Text::Kind(_) => self.others += 1,
            Text::Wrong(_) => self.slips += usize::from(is_meant_as_address(text.as_bytes())),
        }
        self.wrong
            .get_or_insert_with(|| text.chars().take(40).collect());
    }

    pub fn addresses(&self) -> usize {
        self.families.iter().sum()
    }

    /// Whether the texts are addresses, as far as they say anything. Names may be among them where the path
    /// is called after addresses, and what somebody has written wrongly.
    pub fn has_addresses(&self) -> bool {
        let addresses = self.addresses();
        let others = self.texts - addresses;
        if addresses == 0 || !self.is_in_list {
            return false;
        }
        if !is_of_addresses(self.name()) {
            return is_tolerable(others, self.texts);
        }
        let wrong = others - self.others - self.slips;
        wrong < addresses || is_tolerable(wrong, self.texts)
    }

    /// Whether it has addresses, or else is called after indicators and has some of another kind.
    fn may_have_indicators(&self) -> bool {
        let others = self.others + self.urls;
        let is_of_others = self.is_in_list && others > 0 && says_indicator(self.name());
        self.has_addresses() || (is_of_others && 2 * others > self.texts)
    }

    fn has_urls(&self) -> bool {
        self.urls > 0 && self.urls + self.others == self.texts
    }

    pub fn candidate(&self, at: usize, lines: bool) -> Candidate<'_> {
        let families = match self.has_addresses() {
            true => self.families.map(|count| count > 0),
            false => [false; 2],
        };
        Candidate::new(at, &self.path, families, self.hosts > 0, lines)
    }

    /// The last key, be it that of an array.
    fn name(&self) -> &str {
        let path = self.path.trim_end_matches("[]");
        path.rsplit(['.', ']']).next().unwrap_or_default()
    }
}

/// The entry that a key is.
pub(super) fn key_item(key: &str) -> Option<Item> {
    let may_be = key.contains(['.', ':']) && key.contains(|it: char| it.is_ascii_hexdigit());
    may_be.then(|| item(key.as_bytes()).ok()).flatten()
}

/// Family of an entry, and whether it is a single address.
fn of(item: Item) -> (usize, bool) {
    match item {
        Item::Prefix(prefix @ Prefix::V4(..)) => (0, prefix.is_host()),
        Item::Prefix(prefix @ Prefix::V6(..)) => (1, prefix.is_host()),
        Item::Port(address, _) => (usize::from(address.is_ipv6()), true),
        Item::Range(first, _) => (usize::from(first.is_ipv6()), false),
    }
}
