//! What stands beside an address in its object and belongs to it: the other end of a range, the length or
//! the mask of a prefix. Whether it does is seen in all objects alike: a mask that fits by chance is none.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use super::{
    cell::is_blank,
    is_tolerable,
    item::{Item, masked},
    json_names::{are_ends, is_mask, is_network, may_be_a_flow},
};
use crate::address::{Address, Prefix};

/// One member of an object that could be beside another, at the path of that number.
pub(super) struct Member<'a> {
    pub at: usize,
    pub key: &'a str,
    pub item: Option<Item>,
    pub text: &'a str,
}

/// How often two members of one object fit together, and how often they do not.
#[derive(Clone, Copy, Default)]
struct Fits {
    fits: usize,
    against: usize,
}

/// What was seen beside each other.
#[derive(Default)]
pub(super) struct Beside {
    ends: HashMap<(usize, usize), Fits>,
    masks: HashMap<(usize, usize), Fits>,
    /// First ends that may as well be those of conversations.
    flows: HashSet<usize>,
}

impl Beside {
    /// Looks at two members of one object, the first of which may be an address.
    pub fn look(&mut self, first: &Member<'_>, second: &Member<'_>) {
        let Some(item) = first.item else {
            return;
        };
        let paths = (first.at, second.at);
        if is_mask(second.key) && !is_blank(second.text.as_bytes()) {
            let fits = with_mask(item, second.text, first.key).is_ok();
            // What has a length already needs none.
            if is_single(item) {
                self.masks.entry(paths).or_default().count(fits);
            }
        }
        if are_ends(first.key, second.key) && second.item.is_some() {
            let fits = range(Some(item), second.item).is_ok();
            self.ends.entry(paths).or_default().count(fits);
            if may_be_a_flow(first.key) {
                self.flows.insert(first.at);
            }
        }
    }

    /// The path with the ends of the ranges that begin at this one.
    pub fn end_of(&self, first: usize) -> Option<usize> {
        let is_range = |fits: &Fits| !self.flows.contains(&first) || fits.mostly();
        best(&self.ends, first, is_range)
    }

    /// The path with the masks of the addresses at this one.
    pub fn mask_of(&self, address: usize) -> Option<usize> {
        best(&self.masks, address, Fits::mostly)
    }
}

/// What fits the path most often, as far as it does.
fn best(
    seen: &HashMap<(usize, usize), Fits>,
    path: usize,
    does: impl Fn(&Fits) -> bool,
) -> Option<usize> {
    let mine = seen
        .iter()
        .filter(|((of, _), fits)| *of == path && does(fits));
    let best = mine.max_by_key(|((_, other), fits)| (fits.fits, usize::MAX - other));
    best.map(|((_, other), _)| *other)
}

impl Fits {
    fn count(&mut self, fits: bool) {
        self.fits += usize::from(fits);
        self.against += usize::from(!fits);
    }

    fn mostly(&self) -> bool {
        self.fits > 0 && is_tolerable(self.against, self.fits + self.against)
    }
}

/// A range from its two ends. Ends that are further apart than a /8 or a /16 of IPv6 are no range that
/// anybody means to block.
///
/// # Errors
/// They are none.
pub(super) fn range(first: Option<Item>, last: Option<Item>) -> Result<Item, &'static str> {
    let [Some(first), Some(last)] = [first, last].map(|it| it.and_then(address)) else {
        return Err("no range of two addresses in the object");
    };
    let distance = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => last
            .to_bits()
            .checked_sub(first.to_bits())
            .map(|it| it >> 24 > 0),
        (IpAddr::V6(first), IpAddr::V6(last)) => last
            .to_bits()
            .checked_sub(first.to_bits())
            .map(|it| it >> 112 > 0),
        _ => return Err("no range of two addresses in the object"),
    };
    match distance {
        None => Err("the range ends before it begins"),
        Some(true) => Err("the ends of the range are far apart"),
        Some(false) => Ok(Item::Range(first, last)),
    }
}

/// A single address at `key` with a length or mask. A host in its network is not the network, unless the key
/// says that it is one.
///
/// # Errors
/// It is none of the address.
pub(super) fn with_mask(item: Item, mask: &str, key: &str) -> Result<Item, &'static str> {
    if !is_single(item) || is_blank(mask.as_bytes()) {
        return Ok(item);
    }
    let item = masked(item, mask.trim_start_matches('/').as_bytes());
    item.filter(|it| is_network(key) || is_first(*it))
        .ok_or("no length or mask of the address in the object")
}

fn address(item: Item) -> Option<IpAddr> {
    match item {
        Item::Prefix(Prefix::V4(address, 32)) => Some(address.to_ip()),
        Item::Prefix(Prefix::V6(address, 128)) => Some(address.to_ip()),
        _ => None,
    }
}

fn is_single(item: Item) -> bool {
    address(item).is_some()
}

/// Whether a prefix is given by its first address.
fn is_first(item: Item) -> bool {
    match item {
        Item::Prefix(Prefix::V4(address, length)) => address == address.first(length),
        Item::Prefix(Prefix::V6(address, length)) => address == address.first(length),
        Item::Port(..) | Item::Range(..) => false,
    }
}
