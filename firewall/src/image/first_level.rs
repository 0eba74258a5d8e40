//! The first level, which both families share.

use anyhow::Result;
use firewall_common::{
    class::{ClassId, NONE},
    image::{Group, Line},
};

use super::{block::Block, steps::Step, store::Store};
use crate::address::Address;

/// Prefix length of a group.
pub const GROUP: u8 = 18;

/// Prefix length of what has a descriptor.
pub const NETWORK: u8 = 24;

/// Where the descriptors of a group are.
pub struct Descriptors {
    /// Index of the first, counted in descriptors.
    pub base: u32,
    /// Whether they are wide.
    pub wide: bool,
}

/// A /24 whose descriptor is written once more.
pub enum Network<'a, A> {
    /// With these classes.
    New(Block<'a, A>),
    /// As it is. The address is its first.
    Kept(A),
}

/// Of lines that somebody changed.
pub const BEYOND: &str = "a reference in the image leads beyond its end";

/// The lines of an image. `describe` writes a descriptor for each of the /24s it is given, in
/// order, with all they refer to.
pub fn build<A: Address>(
    steps: &[Step<A, ClassId>],
    describe: impl Fn(&mut Store, &[Block<A>]) -> Result<Descriptors>,
) -> Result<Vec<Line>> {
    let mut store = Store::new();
    for part in Block::everything(steps).parts(GROUP) {
        match part.class() {
            Some(NONE) => {}
            Some(class) => {
                let group = Group::new(0, 0, class, false);
                for index in part.first.top(GROUP)..=part.last.top(GROUP) {
                    store.put_group(index, group);
                }
            }
            None => {
                let group = mixed(&mut store, part, &describe)?;
                store.put_group(part.first.top(GROUP), group);
            }
        }
    }
    Ok(store.into_lines())
}

/// The group of a /18 with several classes.
fn mixed<A: Address>(
    store: &mut Store,
    block: Block<A>,
    describe: impl Fn(&mut Store, &[Block<A>]) -> Result<Descriptors>,
) -> Result<Group> {
    let default = block.cover();
    let networks: Vec<Block<A>> = block
        .parts(NETWORK)
        .filter(|part| part.class() != Some(default))
        .flat_map(|part| part.each(NETWORK))
        .collect();
    let bit = |network: &Block<A>| 1 << (network.first.top(NETWORK) & 63);
    let listed = networks.iter().map(bit).fold(0, std::ops::BitOr::bitor);
    let descriptors = describe(store, &networks)?;
    Ok(Group::new(
        listed,
        descriptors.base,
        default,
        descriptors.wide,
    ))
}
