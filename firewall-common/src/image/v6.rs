//! IPv6: what a /24 contains.
//!
//! A **value** is a `u32`, its tag in bits 30–31; a lookup follows values until it has a class:
//!
//! | tag | bits | meaning |
//! |---|---|---|
//! | 0 | 0–15 | the class |
//! | 1 | 28–29 and 0–27 | number of tails − 1; index of the 16-byte unit of the first, all in one line |
//! | 2 | 27–29 and 0–26 | inner levels of a tree; line of its root |
//!
//! A **descriptor** is one word with a value:
//!
//! | bits | meaning |
//! |---|---|
//! | 0–31 | a value |
//! | 32–39 | fourth octet of the only /32 the value is about, if bit 56 is set |
//! | 40–55 | class of every other /32, if bit 56 is set |
//! | 56 | set: the value is about one /32; clear: about the whole /24 |
//!
//! A **tree** is a static B-tree over the next 16 bits of the address, from bit 16 on for a whole
//! /24 and from bit 32 on for a /32. It cuts them into ranges, each with its value. Every line
//! starts with *separators*: the last key of each range but the last, `u16` each, filled up with
//! `0xffff`. The number of separators below the key is the number of the slot:
//!
//! | line | separators | slots |
//! |---|---|---|
//! | leaf | 10, words 0–2.5 | 11 values of 32 bits, words 2.5–7 |
//! | inner | 30, words 0–7.5 | the slot's child is this many lines after the first, `u32` in word 7 from bit 32 |
//!
//! A **tail** is a prefix of length 32 to 128, compared whole. The upper 32 bits are known to agree
//! where tails are used. The first tail that matches decides; none: class 0.
//!
//! | word | bits | meaning |
//! |---|---|---|
//! | 0 | 0–15 | class |
//! | 0 | 24–30 | 128 − length: how many low bits of the address do not matter |
//! | 0 | 32–63 | bits 32–63 of the prefix, counted from its start |
//! | 1 | | bits 64–127 of the prefix |

use super::{Group, Line, Lines};
use crate::class::{ClassId, NONE};

/// Bits of the index of a tree's lines.
pub const TREE_INDEX_BITS: u32 = 27;

/// Bits of the index of tails.
pub const TAIL_INDEX_BITS: u32 = 28;

/// Tails of one value at most: they fill a line.
pub const TAILS: usize = 4;

/// Values in a leaf of a tree.
pub const LEAF_SLOTS: usize = 11;

/// Children of an inner line of a tree.
pub const INNER_SLOTS: usize = 31;

/// Bit where the tag of a value starts.
pub const TAG_SHIFT: u32 = 30;

/// Tag of a value that stands for tails.
pub const TAG_TAILS: u32 = 1;

/// Tag of a value that stands for a tree.
pub const TAG_TREE: u32 = 2;

/// 65,536 keys need no more inner levels: 11 × 31³ is 327,701.
const INNER_LEVELS: u32 = 3;

/// Trees on the way to a class at most: one for each 16 bits after the first 16.
const TREES: u32 = 7;

/// A value: tails from 16-byte unit `index` on, `count` of them (1 to 4).
pub const fn tails_value(index: u32, count: u32) -> u32 {
    TAG_TAILS << TAG_SHIFT | (count - 1) << TAIL_INDEX_BITS | index
}

/// A value: the tree whose root is in line `index`, with `levels` inner levels.
pub const fn tree_value(index: u32, levels: u32) -> u32 {
    TAG_TREE << TAG_SHIFT | levels << TREE_INDEX_BITS | index
}

/// A descriptor: `value` for the /32 whose fourth octet is `octet`, class `cover` for all others.
pub const fn single_descriptor(value: u32, octet: u8, cover: ClassId) -> u64 {
    value as u64 | (octet as u64) << 32 | (cover as u64) << 40 | 1 << 56
}

/// A tail: `class` for the addresses that agree with `address` above the low `wildcard_bits`
/// (0 to 96).
pub const fn tail(class: ClassId, address: u128, wildcard_bits: u8) -> [u64; 2] {
    let high = (address >> 64) as u64;
    [
        high << 32 | (wildcard_bits as u64) << 24 | class as u64,
        address as u64,
    ]
}

/// Class of an IPv6 address, given as its upper and lower 64 bits.
#[inline(always)]
pub fn lookup6<L: Lines + ?Sized>(lines: &L, high: u64, low: u64) -> ClassId {
    lookup6_with(lines, high, |descriptor| {
        below6(lines, high, low, descriptor, |value, key| {
            tree6(lines, value, key)
        })
    })
}

/// [`lookup6`] with what follows the first level passed in, given the index of a descriptor. Most
/// addresses have none: the kernel program makes [`below6`] a function of its own, and they cost no
/// call.
#[inline(always)]
pub fn lookup6_with<L: Lines + ?Sized>(
    lines: &L,
    high: u64,
    below: impl FnOnce(u32) -> ClassId,
) -> ClassId {
    let upper = (high >> 32) as u32;
    let Some(group) = Group::find(lines, upper) else {
        return NONE;
    };
    match group.descriptor(upper) {
        Some(descriptor) => below(descriptor),
        None => group.default(),
    }
}

/// Class of an IPv6 address whose /24 has descriptor number `descriptor`, with the search of a tree
/// passed in: the kernel program makes [`tree6`] a function of its own, which the verifier then
/// checks once instead of once for each level.
#[inline(always)]
pub fn below6<L: Lines + ?Sized>(
    lines: &L,
    high: u64,
    low: u64,
    descriptor: u32,
    tree: impl Fn(u32, u32) -> u32,
) -> ClassId {
    let Some(start) = start(lines, high, descriptor) else {
        return NONE;
    };
    let mut value = start.value;
    let (mut next, mut after) = shift_left(high, low, start.known_bits);
    for _ in 0..TREES {
        if value >> TAG_SHIFT != TAG_TREE {
            break;
        }
        value = tree(value, (next >> 48) as u32);
        (next, after) = shift_left(next, after, 16);
    }
    if value >> TAG_SHIFT == TAG_TAILS {
        return in_tails(lines, value, high, low).unwrap_or(NONE);
    }
    value as ClassId
}

/// Where a descriptor leads to.
struct Start {
    value: u32,
    /// Bits of the address that the value already depends on: 16 or 32.
    known_bits: u32,
}

#[inline(always)]
fn start<L: Lines + ?Sized>(lines: &L, high: u64, index: u32) -> Option<Start> {
    let upper = (high >> 32) as u32;
    let descriptor = lines.line(index >> 3)?[(index & 7) as usize];
    let value = descriptor as u32;
    if descriptor >> 56 == 0 {
        return Some(Start {
            value,
            known_bits: 16,
        });
    }
    if ((descriptor >> 32) as u32 ^ upper) & 0xff != 0 {
        return Some(Start {
            value: (descriptor >> 40) as u32 & 0xffff,
            known_bits: 16,
        });
    }
    Some(Start {
        value,
        known_bits: 32,
    })
}

/// A 128-bit number shifted left by 1 to 63 bits. BPF has no 128-bit arithmetic.
#[inline(always)]
fn shift_left(high: u64, low: u64, bits: u32) -> (u64, u64) {
    (
        high << (bits & 63) | low >> (64_u32.wrapping_sub(bits) & 63),
        low << (bits & 63),
    )
}

/// Value of the lower 16 bits of `key` in the tree that `value` stands for.
#[inline(always)]
pub fn tree6<L: Lines + ?Sized>(lines: &L, value: u32, key: u32) -> u32 {
    search(lines, value, key).unwrap_or(NONE.into())
}

#[inline(always)]
fn search<L: Lines + ?Sized>(lines: &L, value: u32, key: u32) -> Option<u32> {
    let key = Lanes::all(key);
    let levels = (value >> TREE_INDEX_BITS) & 7;
    let mut index = value & ((1 << TREE_INDEX_BITS) - 1);
    for level in 0..INNER_LEVELS {
        if level == levels {
            break;
        }
        let line = lines.line(index)?;
        index = ((line[7] >> 32) as u32).wrapping_add(inner_slot(line, key));
    }
    let line = lines.line(index)?;
    // The values start at the sixth `u32` of the line.
    let half = leaf_slot(line, key).wrapping_add(5);
    Some((line[((half >> 1) & 7) as usize] >> ((half & 1) * 32)) as u32)
}

#[inline(always)]
fn inner_slot(line: &Line, key: Lanes) -> u32 {
    let not_below = key.not_above(line[0])
        + key.not_above(line[1])
        + key.not_above(line[2])
        + key.not_above(line[3])
        + key.not_above(line[4])
        + key.not_above(line[5])
        + key.not_above(line[6])
        + (key.not_above(line[7]) & 0xffff_ffff);
    30_u32.wrapping_sub(sum_of_lanes(not_below))
}

#[inline(always)]
fn leaf_slot(line: &Line, key: Lanes) -> u32 {
    let not_below =
        key.not_above(line[0]) + key.not_above(line[1]) + (key.not_above(line[2]) & 0xffff_ffff);
    10_u32.wrapping_sub(sum_of_lanes(not_below))
}

const ONE_PER_LANE: u64 = 0x0001_0001_0001_0001;
const TOP_BITS: u64 = 0x8000_8000_8000_8000;

#[inline(always)]
fn sum_of_lanes(lanes: u64) -> u32 {
    (lanes.wrapping_mul(ONE_PER_LANE) >> 48) as u32
}

/// The same 16-bit key four times, compared with four separators at once.
///
/// Plain comparisons would become a branch for each separator, and the verifier would follow every
/// combination of them. Lane-wise subtraction is from Warren, *Hacker's Delight*, 2nd edition,
/// §2-18: the top bit of each lane is set before, so that no lane borrows from the next.
#[derive(Clone, Copy)]
struct Lanes {
    inverted: u64,
    without_top_bits: u64,
}

impl Lanes {
    #[inline(always)]
    fn all(key: u32) -> Self {
        let lanes = u64::from(key & 0xffff).wrapping_mul(ONE_PER_LANE);
        Self {
            inverted: !lanes,
            without_top_bits: lanes & !TOP_BITS,
        }
    }

    /// 1 in each lane whose separator is the key or higher, else 0.
    #[inline(always)]
    fn not_above(self, separators: u64) -> u64 {
        let differences = (separators | TOP_BITS).wrapping_sub(self.without_top_bits);
        let greater_top_bit = separators & self.inverted;
        let equal_top_bits = separators ^ self.inverted;
        ((greater_top_bit | (equal_top_bits & differences)) & TOP_BITS) >> 15
    }
}

/// Class of the first tail that matches.
#[inline(always)]
fn in_tails<L: Lines + ?Sized>(lines: &L, value: u32, high: u64, low: u64) -> Option<ClassId> {
    let first = value & ((1 << TAIL_INDEX_BITS) - 1);
    let last = first.wrapping_add((value >> TAIL_INDEX_BITS) & 3);
    let line = lines.line(first >> 2)?;
    for offset in 0..TAILS as u32 {
        let index = first.wrapping_add(offset);
        let word = ((index & 3) << 1) as usize;
        if matches(line[word], line[word | 1], high, low) {
            return Some(line[word] as ClassId);
        }
        if index == last {
            break;
        }
    }
    None
}

/// Whether a tail covers the address, without a branch on where its prefix ends.
#[inline(always)]
fn matches(first: u64, second: u64, high: u64, low: u64) -> bool {
    let wildcard_bits = (first >> 24) & 127;
    // All ones if the low half does not matter at all.
    let ignore_low = 0_u64.wrapping_sub(wildcard_bits >> 6);
    let shift = wildcard_bits & 63;
    let high = (high ^ (first >> 32)) & 0xffff_ffff;
    let low = low ^ second;
    high >> (shift & ignore_low) | (low >> shift) & !ignore_low == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [u16; 9] = [0, 1, 2, 0x7fff, 0x8000, 0x8001, 0xc000, 0xfffe, 0xffff];

    #[test]
    fn lanes_compare_like_numbers() {
        for key in KEYS {
            for one in KEYS {
                for other in KEYS {
                    let lanes = [one, other, one, other];
                    let word = |lane: u64, next: &u64| lane << 16 | next;
                    let pack = |lanes: [u64; 4]| lanes.iter().fold(0, word);
                    let expected = pack(lanes.map(|separator| (separator >= key).into()));
                    let separators = pack(lanes.map(u64::from));
                    assert_eq!(Lanes::all(key.into()).not_above(separators), expected);
                }
            }
        }
    }

    #[test]
    fn a_tail_matches_like_a_mask() {
        let address: u128 = 0x2001_0db8_1234_5678_9abc_def0_1357_9bdf;
        for wildcard_bits in 0..=96 {
            let [first, second] = tail(1, address, wildcard_bits);
            for bit in 0..96 {
                let other = address ^ 1 << bit;
                let (high, low) = ((other >> 64) as u64, other as u64);
                assert_eq!(
                    matches(first, second, high, low),
                    bit < wildcard_bits,
                    "bit {bit}"
                );
            }
        }
    }

    #[test]
    fn shifting_left_moves_bits_from_the_low_to_the_high_half() {
        let number = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128;
        for bits in [16, 32] {
            let (high, low) = shift_left((number >> 64) as u64, number as u64, bits);
            assert_eq!(u128::from(high) << 64 | u128::from(low), number << bits);
        }
    }
}
