//! IPv4: what a /24 contains. The layout is described in [`firewall_common::image::v4`].

use anyhow::{Context, Result};
use firewall_common::{
    class::ClassId,
    image::{
        Group, LINE_BYTES, Line, lookup4,
        v4::{
            INDEX_BITS, NODE_CLASSES, NODE_INLINE_START, TAG_ITEM, TAG_NODE, TAG_UNIT, UNIT_ITEMS,
        },
        v4::{item, node, node_descriptor, unit_descriptor},
    },
};

use super::{
    block::Block,
    first_level::{self, BEYOND, Descriptors, Network},
    steps::Step,
    store::Store,
};
use crate::address::Address as _;

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
    /// More, written before: the descriptor of the node.
    Written(u32),
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

    /// What the descriptor of `address` in `group` leads to. `None` if it leads beyond `lines`.
    fn read(lines: &[Line], group: Group, address: u32) -> Option<Self> {
        let index = group.descriptor(address)?;
        if group.is_wide() {
            return Some(match unit(lines, index)? {
                [node, ..] if node >> INDEX_BITS == TAG_NODE => Self::Written(node),
                [item, 0, 0, 0] => Self::Item(item),
                items => Self::Items(items),
            });
        }
        let line = lines.get(index as usize / 16)?;
        let descriptor = half(line, index % 16);
        Some(match descriptor >> INDEX_BITS {
            TAG_ITEM => Self::Item(descriptor),
            TAG_UNIT => Self::Items(unit(lines, descriptor & ((1 << INDEX_BITS) - 1))?),
            _ => Self::Written(descriptor),
        })
    }
}

/// The items of 16-byte unit `index`.
fn unit(lines: &[Line], index: u32) -> Option<[u32; UNIT_ITEMS]> {
    let line = lines.get(index as usize / 4)?;
    Some([0, 1, 2, 3].map(|place| half(line, index % 4 * 4 + place)))
}

/// The `u32` at `index` of a line.
fn half(line: &Line, index: u32) -> u32 {
    (line[index as usize / 2] >> (index % 2 * 32)) as u32
}

fn describe(store: &mut Store, networks: &[Block<u32>]) -> Result<Descriptors> {
    let contents: Vec<Contents> = networks.iter().map(Contents::of).collect();
    write(store, &contents)
}

/// Writes the descriptors of `group` once more, with those of some networks new.
pub fn describe_again(
    store: &mut Store,
    group: Group,
    networks: &[Network<u32>],
) -> Result<Descriptors> {
    let contents: Vec<Contents> = networks
        .iter()
        .map(|network| match network {
            Network::New(block) => Some(Contents::of(block)),
            Network::Kept(address) => Contents::read(store.lines(), group, *address),
        })
        .collect::<Option<_>>()
        .context(BEYOND)?;
    write(store, &contents)
}

/// The classes of the /24 at `network`, which has a descriptor in `group`.
pub fn steps(lines: &[Line], group: Group, network: u32) -> Result<Vec<Step<u32, ClassId>>> {
    let firsts: Vec<u32> = match Contents::read(lines, group, network).context(BEYOND)? {
        Contents::Item(item) => edges(network, &[item]),
        Contents::Items(items) => edges(network, &items),
        Contents::Node(_) | Contents::Written(_) => (network..=network.last(24)).collect(),
    };
    let mut steps: Vec<_> = firsts
        .into_iter()
        .map(|first| Step {
            first,
            value: lookup4(lines, first),
        })
        .collect();
    steps.dedup_by_key(|step| step.value);
    Ok(steps)
}

/// Where the class can change in the /24 at `network`: its start, and both ends of each item.
fn edges(network: u32, items: &[u32]) -> Vec<u32> {
    let last = network.last(24);
    let mut edges = vec![network];
    for &item in items {
        let length = 32 - (item >> 24 & 15) as u8;
        let first = (network | item >> 16 & 0xff).first(length);
        edges.push(first);
        edges.extend(first.last(length).next().filter(|&after| after <= last));
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

fn write(store: &mut Store, contents: &[Contents]) -> Result<Descriptors> {
    let wide = is_wide_cheaper(contents);
    let base = if wide {
        write_wide(store, contents)
    } else {
        write_narrow(store, contents)
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
            Contents::Written(descriptor) => *descriptor,
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
            Contents::Written(descriptor) => [*descriptor, 0, 0, 0],
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
