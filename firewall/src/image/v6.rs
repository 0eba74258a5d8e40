//! IPv6: what a /24 contains. The layout is described in [`firewall_common::image::v6`].

use anyhow::{Context, Result};
use firewall_common::{
    class::ClassId,
    image::{
        Group, LINE_BYTES, Line,
        v6::{INNER_SLOTS, LEAF_SLOTS, TAIL_INDEX_BITS, TAILS, TREE_INDEX_BITS},
        v6::{single_descriptor, tail, tails_value, tree_value},
    },
};

use super::{
    block::{Block, Prefix},
    first_level::{self, BEYOND, Descriptors, Network},
    steps::Step,
    store::Store,
};
use crate::address::Address;

const TAIL_BYTES: usize = 16;

/// Prefix length from which on tails may be used: they do not hold the bits before.
const TAIL_START: u8 = 32;

/// Bits that a tree distinguishes.
const TREE_BITS: u8 = 16;

mod read;

pub use read::steps;

/// The lines of the IPv6 image.
pub fn build(steps: &[Step<u128, ClassId>]) -> Result<Vec<Line>> {
    first_level::build(steps, describe)
}

fn describe(store: &mut Store, networks: &[Block<u128>]) -> Result<Descriptors> {
    let base = store.allocate(networks.len(), 8, u32::BITS)?;
    for (index, network) in (base..).zip(networks) {
        let descriptor = descriptor(store, *network)?;
        store.put64(index, descriptor);
    }
    Ok(Descriptors { base, wide: false })
}

/// Writes the descriptors of `group` once more, with those of some networks new.
pub fn describe_again(
    store: &mut Store,
    group: Group,
    networks: &[Network<u128>],
) -> Result<Descriptors> {
    let mut descriptors = Vec::with_capacity(networks.len());
    for network in networks {
        descriptors.push(match network {
            Network::New(block) => descriptor(store, *block)?,
            Network::Kept(address) => {
                read::descriptor(store.lines(), group, *address).context(BEYOND)?
            }
        });
    }
    let base = store.allocate(descriptors.len(), 8, u32::BITS)?;
    for (index, descriptor) in (base..).zip(descriptors) {
        store.put64(index, descriptor);
    }
    Ok(Descriptors { base, wide: false })
}

fn descriptor(store: &mut Store, network: Block<u128>) -> Result<u64> {
    let cover = network.cover();
    let mut others = network.parts(32).filter(|part| part.class() != Some(cover));
    match (others.next(), others.next()) {
        (Some(only), None) if only.first.top(32) == only.last.top(32) => {
            let value = value(store, only, 32)?;
            Ok(single_descriptor(value, only.first.top(32) as u8, cover))
        }
        _ => Ok(value(store, network, 16)?.into()),
    }
}

/// Writes whatever tells the addresses of `block` apart, given that their first `known_bits` bits
/// have been looked at.
fn value(store: &mut Store, block: Block<u128>, known_bits: u8) -> Result<u32> {
    if let Some(class) = block.class() {
        return Ok(class.into());
    }
    if known_bits >= TAIL_START {
        let prefixes: Vec<_> = block.prefixes(TAIL_START).take(TAILS + 1).collect();
        if prefixes.len() <= TAILS {
            return write_tails(store, &prefixes);
        }
    }
    let known_bits = known_bits + TREE_BITS;
    let slots: Vec<Step<u16, u32>> = block
        .parts(known_bits)
        .map(|part| {
            let first = part.first.top(known_bits) as u16;
            Ok(Step {
                first,
                value: value(store, part, known_bits)?,
            })
        })
        .collect::<Result<_>>()?;
    write_tree(store, &slots)
}

fn write_tails(store: &mut Store, prefixes: &[Prefix<u128>]) -> Result<u32> {
    store.keep_together(prefixes.len() * TAIL_BYTES);
    let first = store.allocate(prefixes.len(), TAIL_BYTES, TAIL_INDEX_BITS)?;
    for (index, prefix) in (first..).zip(prefixes) {
        let words = tail(prefix.class, prefix.address, 128 - prefix.length);
        store.put64(index * 2, words[0]);
        store.put64(index * 2 + 1, words[1]);
    }
    Ok(tails_value(first, prefixes.len() as u32))
}

/// Writes a tree from its leaves to its root.
fn write_tree(store: &mut Store, slots: &[Step<u16, u32>]) -> Result<u32> {
    let mut first_line = write_leaves(store, slots)?;
    let mut firsts: Vec<u16> = slots
        .iter()
        .step_by(LEAF_SLOTS)
        .map(|slot| slot.first)
        .collect();
    let mut levels = 0;
    while firsts.len() > 1 {
        first_line = write_inner_lines(store, &firsts, first_line)?;
        firsts = firsts.into_iter().step_by(INNER_SLOTS).collect();
        levels += 1;
    }
    Ok(tree_value(first_line, levels))
}

/// Writes the leaves of a tree; returns the line of the first.
fn write_leaves(store: &mut Store, slots: &[Step<u16, u32>]) -> Result<u32> {
    let leaves = slots.chunks(LEAF_SLOTS);
    let first_line = store.allocate(leaves.len(), LINE_BYTES, TREE_INDEX_BITS)?;
    for (line, slots) in (first_line..).zip(leaves) {
        let firsts = slots.iter().map(|slot| slot.first);
        write_separators(store, line, LEAF_SLOTS, firsts);
        for (place, slot) in (line * 16 + 5..).zip(slots) {
            store.put32(place, slot.value);
        }
    }
    Ok(first_line)
}

/// Writes the level above the lines that start with keys `firsts`, the first of them in line
/// `child`; returns the line of the first.
fn write_inner_lines(store: &mut Store, firsts: &[u16], child: u32) -> Result<u32> {
    let lines = firsts.chunks(INNER_SLOTS);
    let first_line = store.allocate(lines.len(), LINE_BYTES, TREE_INDEX_BITS)?;
    let children = (child..).step_by(INNER_SLOTS);
    for ((line, firsts), child) in (first_line..).zip(lines).zip(children) {
        write_separators(store, line, INNER_SLOTS, firsts.iter().copied());
        store.put32(line * 16 + 15, child);
    }
    Ok(first_line)
}

/// Writes the separators of a line with `slots` slots, of which those used start with `firsts`.
fn write_separators(store: &mut Store, line: u32, slots: usize, firsts: impl Iterator<Item = u16>) {
    let used = firsts.skip(1).map(|first| first - 1);
    let separators = used.chain(std::iter::repeat(u16::MAX)).take(slots - 1);
    for (place, separator) in (line * 32..).zip(separators) {
        store.put16(place, separator);
    }
}
