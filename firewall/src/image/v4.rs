//! IPv4: what a /24 contains. The layout is described in [`firewall_common::image::v4`].

use anyhow::Result;
use firewall_common::{
    class::ClassId,
    image::{
        LINE_BYTES, Line,
        v4::{INDEX_BITS, NODE_CLASSES, NODE_INLINE_START, UNIT_ITEMS},
        v4::{item, node, node_descriptor, unit_descriptor},
    },
};

use super::{
    block::Block,
    first_level::{self, Descriptors},
    steps::Step,
    store::Store,
};

const UNIT_BYTES: usize = 16;

/// The lines of the IPv4 image.
pub fn build(steps: &[Step<u32, ClassId>]) -> Result<Vec<Line>> {
    first_level::build(steps, describe)
}

/// What a /24 needs.
enum Contents<'a> {
    /// One item or none.
    Item(u32),
    /// Two to four items.
    Items([u32; UNIT_ITEMS]),
    /// More.
    Node(Block<'a, u32>),
}

impl<'a> Contents<'a> {
    fn of(network: &Block<'a, u32>) -> Self {
        let mut items = [0; UNIT_ITEMS];
        let mut count = 0;
        for prefix in network.prefixes(24) {
            let Some(place) = items.get_mut(count) else {
                return Self::Node(*network);
            };
            *place = item(prefix.class, prefix.address as u8, 32 - prefix.length);
            count += 1;
        }
        if count > 1 {
            Self::Items(items)
        } else {
            Self::Item(items[0])
        }
    }
}

fn describe(store: &mut Store, networks: &[Block<u32>]) -> Result<Descriptors> {
    let contents: Vec<Contents> = networks.iter().map(Contents::of).collect();
    let wide = is_wide_cheaper(&contents);
    let base = if wide {
        write_wide(store, &contents)
    } else {
        write_narrow(store, &contents)
    }?;
    Ok(Descriptors { base, wide })
}

/// Wide descriptors waste 12 bytes where there is one item; narrow ones need one more line where
/// there are some. Up to two of the former are worth one of the latter.
fn is_wide_cheaper(contents: &[Contents]) -> bool {
    let count = |wanted: fn(&Contents) -> bool| contents.iter().filter(|c| wanted(c)).count();
    let single = count(|contents| matches!(contents, Contents::Item(_)));
    let some = count(|contents| matches!(contents, Contents::Items(_)));
    some > 0 && 2 * some >= single
}

fn write_narrow(store: &mut Store, contents: &[Contents]) -> Result<u32> {
    let base = store.allocate(contents.len(), 4, u32::BITS)?;
    for (index, contents) in (base..).zip(contents) {
        let descriptor = match contents {
            Contents::Item(item) => *item,
            Contents::Items(items) => {
                let unit = store.allocate(1, UNIT_BYTES, INDEX_BITS)?;
                write_unit(store, unit, *items);
                unit_descriptor(unit)
            }
            Contents::Node(network) => write_node(store, *network)?,
        };
        store.put32(index, descriptor);
    }
    Ok(base)
}

fn write_wide(store: &mut Store, contents: &[Contents]) -> Result<u32> {
    let base = store.allocate(contents.len(), UNIT_BYTES, INDEX_BITS)?;
    for (unit, contents) in (base..).zip(contents) {
        let items = match contents {
            Contents::Item(item) => [*item, 0, 0, 0],
            Contents::Items(items) => *items,
            Contents::Node(network) => [write_node(store, *network)?, 0, 0, 0],
        };
        write_unit(store, unit, items);
    }
    Ok(base)
}

fn write_unit(store: &mut Store, unit: u32, items: [u32; UNIT_ITEMS]) {
    for (position, item) in (0..).zip(items) {
        store.put32(unit * UNIT_ITEMS as u32 + position, item);
    }
}

/// Writes a node; returns its descriptor.
fn write_node(store: &mut Store, network: Block<u32>) -> Result<u32> {
    let cover = network.cover();
    let mut hits = [0_u64; 4];
    let mut classes: Vec<ClassId> = Vec::new();
    for run in network.runs().filter(|run| run.class != cover) {
        for address in run.first..=run.last {
            hits[(address >> 6 & 3) as usize] |= 1 << (address & 63);
            classes.push(run.class);
        }
    }
    let line = store.allocate(1, LINE_BYTES, INDEX_BITS)?;
    let inline = classes.len() <= NODE_CLASSES;
    let list = if inline {
        0
    } else {
        store.allocate(classes.len(), 2, u32::BITS)?
    };
    store.put_line(line, node(hits, cover, list));
    let first = if inline {
        line * 32 + NODE_INLINE_START
    } else {
        list
    };
    for (index, class) in (first..).zip(classes) {
        store.put16(index, class);
    }
    Ok(node_descriptor(line))
}
