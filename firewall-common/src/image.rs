//! The image and the one lookup over it.

use crate::class::ClassId;

/// One cache line of an image: eight little-endian words.
pub type Line = [u64; 8];

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

/// Class of an IPv4 address (host order).
#[inline(always)]
pub fn lookup4<L: Lines + ?Sized>(_lines: &L, _address: u32) -> ClassId {
    crate::class::NONE
}

/// Class of an IPv6 address, given as its upper and lower 64 bits.
#[inline(always)]
pub fn lookup6<L: Lines + ?Sized>(_lines: &L, _high: u64, _low: u64) -> ClassId {
    crate::class::NONE
}
