//! Reads what a /24 contains back out of the lines.

use anyhow::{Context, Result};
use firewall_common::{
    class::ClassId,
    image::{
        Group, Line, lookup6,
        v6::{INNER_SLOTS, LEAF_SLOTS, TAG_SHIFT, TAG_TAILS, TAG_TREE},
        v6::{TAIL_INDEX_BITS, TREE_INDEX_BITS},
    },
};

use super::{TAIL_START, TREE_BITS};
use crate::{
    address::Address as _,
    image::{first_level::BEYOND, steps::Step},
};

/// The classes of the /24 at `network`, which has a descriptor in `group`.
pub fn steps(lines: &[Line], group: Group, network: u128) -> Result<Vec<Step<u128, ClassId>>> {
    let mut steps: Vec<_> = firsts(lines, group, network)
        .context(BEYOND)?
        .into_iter()
        .map(|first| Step {
            first,
            value: lookup6(lines, (first >> 64) as u64, first as u64),
        })
        .collect();
    steps.dedup_by_key(|step| step.value);
    Ok(steps)
}

/// The descriptor of the /24 at `network`.
pub fn descriptor(lines: &[Line], group: Group, network: u128) -> Option<u64> {
    let index = group.descriptor(network.top(32))? as usize;
    Some(lines.get(index / 8)?[index % 8])
}

/// Where the class can change in the /24 at `network`, its start first.
fn firsts(lines: &[Line], group: Group, network: u128) -> Option<Vec<u128>> {
    let descriptor = descriptor(lines, group, network)?;
    let mut edges = Edges {
        lines,
        found: vec![network],
    };
    if descriptor >> 56 == 0 {
        edges.of_value(descriptor as u32, network, 16)?;
    } else {
        let single = network | u128::from(descriptor >> 32 & 0xff) << 96;
        edges.of_prefix(single, 32);
        edges.of_value(descriptor as u32, single, TAIL_START)?;
    }
    let mut firsts = edges.found;
    firsts.retain(|edge| edge.first(24) == network);
    firsts.sort_unstable();
    firsts.dedup();
    Some(firsts)
}

/// Addresses where the class can change.
struct Edges<'a> {
    lines: &'a [Line],
    found: Vec<u128>,
}

impl Edges<'_> {
    fn of_prefix(&mut self, first: u128, length: u8) {
        self.found.push(first);
        self.found.extend(first.last(length).next());
    }

    /// Those that `value` tells apart from `first` on, of whose bits `known_bits` are looked at
    /// already. The first range of a tree may start before `first`.
    fn of_value(&mut self, value: u32, first: u128, known_bits: u8) -> Option<()> {
        match value >> TAG_SHIFT {
            TAG_TAILS => self.of_tails(value, first),
            TAG_TREE if known_bits <= 128 - TREE_BITS => {
                let levels = value >> TREE_INDEX_BITS & 7;
                let root = value & ((1 << TREE_INDEX_BITS) - 1);
                let key = first.top(known_bits + TREE_BITS) as u16;
                self.of_tree(root, levels, key, (first.first(known_bits), known_bits))
            }
            _ => Some(()),
        }
    }

    fn of_tails(&mut self, value: u32, first: u128) -> Option<()> {
        let index = value & ((1 << TAIL_INDEX_BITS) - 1);
        let count = (value >> TAIL_INDEX_BITS & 3) + 1;
        for tail in (index..).take(count as usize) {
            let line = self.lines.get(tail as usize / 4)?;
            let word = tail as usize % 4 * 2;
            let length = 128 - (line[word] >> 24 & 127) as u8;
            let address = u128::from(line[word] >> 32) << 64 | u128::from(line[word + 1]);
            self.of_prefix((first.first(32) | address).first(length), length);
        }
        Some(())
    }

    /// Those of the line `index` of a tree, `levels` above the leaves, whose first key is `key`.
    fn of_tree(&mut self, index: u32, levels: u32, key: u16, from: (u128, u8)) -> Option<()> {
        let line = self.lines.get(index as usize)?;
        let slots = if levels == 0 { LEAF_SLOTS } else { INNER_SLOTS };
        let separators = (0..slots - 1)
            .map(|place| (line[place / 4] >> (place % 4 * 16)) as u16)
            .take_while(|&separator| separator != u16::MAX);
        let keys = std::iter::once(key).chain(separators.map(|separator| separator + 1));
        for (slot, key) in (0..).zip(keys) {
            if levels == 0 {
                self.of_leaf_slot(line, slot, key, from)?;
            } else {
                let child = ((line[7] >> 32) as u32).checked_add(slot)?;
                self.of_tree(child, levels - 1, key, from)?;
            }
        }
        Some(())
    }

    fn of_leaf_slot(
        &mut self,
        line: &Line,
        slot: u32,
        key: u16,
        (first, known_bits): (u128, u8),
    ) -> Option<()> {
        let half = slot as usize + 5;
        let value = (line[half / 2] >> (half % 2 * 32)) as u32;
        let first = first | u128::from(key) << (128 - TREE_BITS - known_bits);
        self.found.push(first);
        self.of_value(value, first, known_bits + TREE_BITS)
    }
}
