//! The image and the one lookup over it.
//!
//! An image is an array of 64-byte lines, one array for each address family. Every reference
//! inside is an absolute index into that array, so an image works wherever it is mapped. Words are
//! 64 bits in the byte order of the machine; fields within a word count bits from the lowest.
//!
//! # First level
//!
//! Both families start with the same table over the upper 24 bits of an address. Lines
//! 0 to 65,535 stand for the /16s; each holds four [`Group`]s, and a group speaks for the 64 /24s
//! of a /18:
//!
//! | word | bits | meaning |
//! |---|---|---|
//! | 0 | 0–63 | listed: one bit for each /24 that has a descriptor |
//! | 1 | 0–31 | base: index of the group's first descriptor, counted in descriptors |
//! | 1 | 32–47 | default: class of every /24 without a descriptor |
//! | 1 | 48 | wide: descriptors take 16 bytes (IPv4 only) |
//!
//! A descriptor's index is base plus the number of listed bits below its own.
//!
//! Lines 65,536 to 66,047 have one bit for each group, in order: *coarse*. It is clear where the group
//! has neither descriptors nor a default, and then the group is not read. These 32 KiB stay in the
//! processor's own cache, the 4 MiB of the groups do not, and most addresses need no more.
//!
//! What follows the first level differs: see [`v4`] and [`v6`]. Ports that are listed on their own are
//! beside the lines: see [`ports`].
//!
//! The kernel's verifier reads this code too. Every index into a line carries its mask, every
//! variable shift its own, and addition wraps: it must see that nothing leaves its bounds.

pub mod ports;
#[cfg(test)]
mod tests;
pub mod v4;
pub mod v6;

use crate::class::{ClassId, NONE};

pub use ports::lookup_port;
pub use v4::lookup4;
pub use v6::{below6, lookup6, lookup6_with, tree6};

/// One cache line of an image: eight words.
pub type Line = [u64; 8];

/// Bytes of a [`Line`].
pub const LINE_BYTES: usize = size_of::<Line>();

/// Lines of the first level, at the start of every image.
pub const FIRST_LEVEL_LINES: usize = GROUP_LINES + COARSE_LINES;

/// Lines of the groups: four /18s each.
const GROUP_LINES: usize = 1 << 16;

/// Lines of the coarse bits: 512 groups each.
const COARSE_LINES: usize = 1 << 9;

/// Gives line `index` of an image. The kernel program answers from a map, everyone else from memory.
pub trait Lines {
    /// The line, or `None` past the end.
    fn line(&self, index: u32) -> Option<&Line>;
}

impl Lines for [Line] {
    #[inline(always)]
    fn line(&self, index: u32) -> Option<&Line> {
        self.get(index as usize)
    }
}

/// What the first level says about the 64 /24s of a /18.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// One bit for each /24 that has a descriptor.
    pub listed: u64,
    /// Base, default and wide as in the table of this module.
    pub rest: u64,
}

impl Group {
    const DEFAULT_SHIFT: u32 = 32;
    const WIDE_SHIFT: u32 = 48;

    /// A group whose descriptors start at index `base`.
    pub const fn new(listed: u64, base: u32, default: ClassId, wide: bool) -> Self {
        let rest = base as u64
            | (default as u64) << Self::DEFAULT_SHIFT
            | (wide as u64) << Self::WIDE_SHIFT;
        Self { listed, rest }
    }

    /// Whether it lists anything.
    pub fn lists(self) -> bool {
        self.listed != 0 || self.default() != NONE
    }

    /// Line, word and bit that tell whether the group of the address whose upper 32 bits are `upper`
    /// lists anything.
    #[inline(always)]
    pub const fn coarse(upper: u32) -> (u32, usize, u32) {
        let line = GROUP_LINES as u32 + (upper >> 23);
        (line, (upper >> 20 & 7) as usize, upper >> 14 & 63)
    }

    /// The group of the address whose upper 32 bits are `upper`; `None` if it lists nothing.
    #[inline(always)]
    pub fn find<L: Lines + ?Sized>(lines: &L, upper: u32) -> Option<Self> {
        let (line, word, bit) = Self::coarse(upper);
        if lines.line(line)?[word] >> bit & 1 == 0 {
            return None;
        }
        let line = lines.line(upper >> 16)?;
        let word = ((upper >> 13) & 6) as usize;
        Some(Self {
            listed: line[word],
            rest: line[word | 1],
        })
    }

    /// Index of the descriptor of the address's /24; `None` if it has none.
    #[inline(always)]
    pub fn descriptor(self, upper: u32) -> Option<u32> {
        let rank = rank(self.listed, upper >> 8)?;
        Some((self.rest as u32).wrapping_add(rank))
    }

    /// Class of every /24 without a descriptor.
    #[inline(always)]
    pub fn default(self) -> ClassId {
        (self.rest >> Self::DEFAULT_SHIFT) as ClassId
    }

    /// Whether descriptors take 16 bytes.
    #[inline(always)]
    pub fn is_wide(self) -> bool {
        (self.rest >> Self::WIDE_SHIFT) & 1 != 0
    }
}

/// Number of set bits below `bit` (taken modulo 64); `None` if `bit` itself is clear.
#[inline(always)]
fn rank(bits: u64, bit: u32) -> Option<u32> {
    let mask = 1_u64 << (bit & 63);
    if bits & mask == 0 {
        None
    } else {
        Some((bits & mask.wrapping_sub(1)).count_ones())
    }
}

/// The two words of 16-byte unit `index`.
#[inline(always)]
fn unit<L: Lines + ?Sized>(lines: &L, index: u32) -> Option<(u64, u64)> {
    let line = lines.line(index >> 2)?;
    let word = ((index & 3) << 1) as usize;
    Some((line[word], line[word | 1]))
}
