//! IPv4: what a /24 contains.
//!
//! A *narrow* descriptor is one `u32`, its tag in bits 30–31:
//!
//! | tag | bits 0–29 |
//! |---|---|
//! | 0 | an item: the only prefix within the /24 |
//! | 1 | index of a 16-byte unit with up to four items |
//! | 2 | index of a line: a node |
//!
//! A *wide* descriptor is such a 16-byte unit itself; bit 31 of its first item set means that the
//! item is a node descriptor instead.
//!
//! An **item** is a prefix of length 24 to 32. The first one that matches decides; none: class 0.
//!
//! | bits | meaning |
//! |---|---|
//! | 0–15 | class |
//! | 16–23 | last octet of the prefix |
//! | 24–27 | 32 − length: how many low bits of the address do not matter, 8 for the whole /24 |
//!
//! A **node** is a line for a /24 with too many prefixes for items. Most of its addresses have the
//! cover class; the others are *hits* and have their classes in a list, in the order of addresses:
//!
//! | word | bits | meaning |
//! |---|---|---|
//! | 0–3 | | one bit for each address: hit |
//! | 4 | 0–31 | index (in `u16`) of the list; 0: the list is in this line |
//! | 4 | 40–63 | three `u8`: hits in the words before word 1, 2, 3 |
//! | 5 | 0–15 | cover class |
//! | 5–7 | from 16 of word 5 | the list, up to [`NODE_CLASSES`] classes |

use super::{Group, Line, Lines, rank, unit};
use crate::class::{ClassId, NONE};

/// Bits of an index in a descriptor.
pub const INDEX_BITS: u32 = 30;

/// Items in a 16-byte unit.
pub const UNIT_ITEMS: usize = 4;

/// Classes that fit into a node itself, the cover apart.
pub const NODE_CLASSES: usize = 11;

/// Tag of a narrow descriptor that is an item.
pub const TAG_ITEM: u32 = 0;

/// Tag of a narrow descriptor that leads to a unit.
pub const TAG_UNIT: u32 = 1;

/// Tag of a descriptor that leads to a node.
pub const TAG_NODE: u32 = 2;

/// Word of a node with the index of its list and the ranks of its words.
const NODE_LIST_WORD: usize = 4;
/// Word of a node where its cover class and inline list start.
const NODE_CLASS_WORD: usize = 5;
/// Bit of [`NODE_LIST_WORD`] where the rank of word 0 would be.
const NODE_RANK_SHIFT: u32 = 32;

/// An item: `class` for the `1 << wildcard_bits` addresses that agree with `octet` above these bits.
pub const fn item(class: ClassId, octet: u8, wildcard_bits: u8) -> u32 {
    class as u32 | (octet as u32) << 16 | (wildcard_bits as u32) << 24
}

/// A descriptor of the items in 16-byte unit `index`.
pub const fn unit_descriptor(index: u32) -> u32 {
    TAG_UNIT << INDEX_BITS | index
}

/// A descriptor of the node in line `index`.
pub const fn node_descriptor(index: u32) -> u32 {
    TAG_NODE << INDEX_BITS | index
}

/// A node without its inline list. `list` is the index of the list, 0 for inline.
pub const fn node(hits: [u64; 4], cover: ClassId, list: u32) -> Line {
    let [a, b, c, d] = hits;
    let first = a.count_ones() as u64;
    let second = first + b.count_ones() as u64;
    let third = second + c.count_ones() as u64;
    let ranks = (first << 8 | second << 16 | third << 24) << NODE_RANK_SHIFT;
    [a, b, c, d, list as u64 | ranks, cover as u64, 0, 0]
}

/// Index, in `u16` from the start of a node, of the first class of its inline list.
pub const NODE_INLINE_START: u32 = NODE_CLASS_WORD as u32 * 4 + 1;

/// Class of an IPv4 address (host order).
#[inline(always)]
pub fn lookup4<L: Lines + ?Sized>(lines: &L, address: u32) -> ClassId {
    find(lines, address).unwrap_or(NONE)
}

#[inline(always)]
fn find<L: Lines + ?Sized>(lines: &L, address: u32) -> Option<ClassId> {
    let group = Group::find(lines, address)?;
    let Some(descriptor) = group.descriptor(address) else {
        return Some(group.default());
    };
    if group.is_wide() {
        let items = unit(lines, descriptor)?;
        if (items.0 as u32) >> INDEX_BITS == TAG_NODE {
            return in_node(lines, items.0 as u32, address);
        }
        return in_items(items, address);
    }
    let descriptor = word32(lines, descriptor)?;
    match descriptor >> INDEX_BITS {
        TAG_ITEM => in_item(descriptor, address),
        TAG_UNIT => in_items(unit(lines, index(descriptor))?, address),
        _ => in_node(lines, descriptor, address),
    }
}

#[inline(always)]
fn index(descriptor: u32) -> u32 {
    descriptor & ((1 << INDEX_BITS) - 1)
}

/// Class of `address` if the item matches.
#[inline(always)]
fn in_item(item: u32, address: u32) -> Option<ClassId> {
    let difference = (address ^ (item >> 16)) & 0xff;
    (difference >> ((item >> 24) & 15) == 0).then_some(item as ClassId)
}

/// Class of the first of four items that matches. Written out: a loop costs the verifier states.
#[inline(always)]
fn in_items((first, second): (u64, u64), address: u32) -> Option<ClassId> {
    in_item(first as u32, address)
        .or_else(|| in_item((first >> 32) as u32, address))
        .or_else(|| in_item(second as u32, address))
        .or_else(|| in_item((second >> 32) as u32, address))
}

#[inline(always)]
fn in_node<L: Lines + ?Sized>(lines: &L, descriptor: u32, address: u32) -> Option<ClassId> {
    let node = lines.line(index(descriptor))?;
    let word = (address >> 6) & 3;
    let Some(rank) = rank(node[word as usize], address) else {
        return Some(node[NODE_CLASS_WORD] as ClassId);
    };
    let rank = rank.wrapping_add(rank_of_word(node, word));
    match node[NODE_LIST_WORD] as u32 {
        0 => Some(class_in(node, NODE_INLINE_START.wrapping_add(rank))),
        list => {
            let index = list.wrapping_add(rank);
            Some(class_in(lines.line(index >> 5)?, index))
        }
    }
}

/// Hits in the words of `node` before `word`.
#[inline(always)]
fn rank_of_word(node: &Line, word: u32) -> u32 {
    let shift = NODE_RANK_SHIFT + (word & 3) * 8;
    (node[NODE_LIST_WORD] >> shift) as u32 & 0xff
}

/// The `u16` at `index`, taken modulo the 32 of a line.
#[inline(always)]
fn class_in(line: &Line, index: u32) -> ClassId {
    (line[((index >> 2) & 7) as usize] >> ((index & 3) * 16)) as ClassId
}

#[inline(always)]
fn word32<L: Lines + ?Sized>(lines: &L, index: u32) -> Option<u32> {
    let line = lines.line(index >> 4)?;
    Some((line[((index >> 1) & 7) as usize] >> ((index & 1) * 32)) as u32)
}
