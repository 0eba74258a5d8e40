//! The lines of an image while it is built.

use anyhow::{Result, ensure};
use firewall_common::image::{FIRST_LEVEL_LINES, Group, LINE_BYTES, Line};

/// Lines, handed out from the front and zero until written.
pub struct Store {
    lines: Vec<Line>,
    /// Bytes handed out.
    used: usize,
}

impl Store {
    /// An empty first level and nothing else.
    pub fn new() -> Self {
        let lines = vec![[0; 8]; FIRST_LEVEL_LINES];
        Self {
            used: lines.len() * LINE_BYTES,
            lines,
        }
    }

    /// Goes on behind the lines of an image.
    pub fn behind(lines: Vec<Line>) -> Self {
        Self {
            used: lines.len() * LINE_BYTES,
            lines,
        }
    }

    /// What is written so far.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Hands out `count` places of `size` bytes, a power of two up to that of a line. Returns the
    /// index of the first, counted in `size`. Fails if the last index does not fit `index_bits`.
    pub fn allocate(&mut self, count: usize, size: usize, index_bits: u32) -> Result<u32> {
        let start = self.used.div_ceil(size);
        let end = start + count;
        ensure!(
            end as u64 <= 1 << index_bits,
            "the ruleset is too large for an image: place {end} of {size} bytes is needed, \
             an index has {index_bits} bits"
        );
        self.used = end * size;
        self.lines.resize(self.used.div_ceil(LINE_BYTES), [0; 8]);
        Ok(start as u32)
    }

    /// Leaves the rest of the last line unused if it is less than `bytes`.
    pub fn keep_together(&mut self, bytes: usize) {
        let free = self.used.next_multiple_of(LINE_BYTES) - self.used;
        if free < bytes {
            self.used += free;
        }
    }

    /// Writes the `u16` at `index`.
    pub fn put16(&mut self, index: u32, value: u16) {
        self.put(index as usize * 2, value.into());
    }

    /// Writes the `u32` at `index`.
    pub fn put32(&mut self, index: u32, value: u32) {
        self.put(index as usize * 4, value.into());
    }

    /// Writes the `u64` at `index`.
    pub fn put64(&mut self, index: u32, value: u64) {
        self.put(index as usize * 8, value);
    }

    /// Group `index` of the first level.
    pub fn group(&self, index: u32) -> Group {
        let line = &self.lines[index as usize / 4];
        let word = index as usize % 4 * 2;
        Group {
            listed: line[word],
            rest: line[word + 1],
        }
    }

    /// Writes group `index` of the first level with its coarse bit, whatever they were.
    pub fn put_group(&mut self, index: u32, group: Group) {
        let line = &mut self.lines[index as usize / 4];
        let word = index as usize % 4 * 2;
        line[word] = group.listed;
        line[word + 1] = group.rest;
        let (line, word, bit) = Group::coarse(index << 14);
        let word = &mut self.lines[line as usize][word];
        *word = *word & !(1 << bit) | u64::from(group.lists()) << bit;
    }

    /// Writes line `index`.
    pub fn put_line(&mut self, index: u32, line: Line) {
        self.lines[index as usize] = line;
    }

    fn put(&mut self, byte: usize, value: u64) {
        let word = &mut self.lines[byte / LINE_BYTES][byte / 8 % 8];
        *word |= value << (byte % 8 * 8);
    }

    /// The image.
    pub fn into_lines(mut self) -> Vec<Line> {
        self.lines.shrink_to_fit();
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_index_that_fits_is_handed_out_and_none_after_it() {
        let mut store = Store::new();
        let free = (1 << 17) - FIRST_LEVEL_LINES;
        let first = store.allocate(free, LINE_BYTES, 17).unwrap();
        assert_eq!(first as usize, FIRST_LEVEL_LINES);
        assert!(store.allocate(1, LINE_BYTES, 17).is_err());
        assert_eq!(store.allocate(1, LINE_BYTES, 18).unwrap(), 1 << 17);
    }
}
