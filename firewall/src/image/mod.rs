//! The image: a ruleset compiled into what a lookup reads, and nothing else.
//!
//! Entries become *steps*, ranges of addresses with one set of sources each; sets become classes;
//! steps of classes become the lines that [`firewall_common::image`] describes. The kernel program
//! and [`Image::lookup`] read the same lines with the same code.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use firewall_common::{
    class::{Action, ClassId},
    image::{Line, lookup4, lookup6},
};
use firewall_ebpf::filter::Rules;

use crate::{
    address::Address,
    ruleset::{Entry, Ruleset, Source, Wish},
};
use class::Sets;

mod block;
mod class;
mod first_level;
mod steps;
mod store;
#[cfg(test)]
mod tests;
mod v4;
mod v6;

pub use class::{Class, MAX_CLASSES};

/// A compiled ruleset. Immutable: another ruleset is another image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Lines for IPv4 addresses.
    pub v4: Vec<Line>,
    /// Lines for IPv6 addresses.
    pub v6: Vec<Line>,
    /// The classes that lines refer to. Class n is at index n − 1; 0 means that nothing is listed.
    pub classes: Vec<Class>,
    /// The sources that classes refer to.
    pub sources: Vec<Source>,
    /// Entries of the ruleset that wish monitor or drop.
    pub entries: usize,
    /// Sets of sources without a class of their own: beyond [`MAX_CLASSES`] the rarest share one
    /// for each action.
    pub folded: usize,
}

impl Image {
    /// Compiles `ruleset`.
    ///
    /// An address is named by every entry that covers it. It has no class if any of their sources
    /// wishes allow or protect.
    ///
    /// # Errors
    ///
    /// If an entry's source does not exist, or the image would need more lines than it can number.
    pub fn compile(ruleset: &Ruleset) -> Result<Self> {
        let entries = count(ruleset, &ruleset.v4)? + count(ruleset, &ruleset.v6)?;
        let mut sets = Sets::new(&ruleset.sources);
        let v4 = steps::sweep(ruleset.v4.clone(), &mut sets);
        let v6 = steps::sweep(ruleset.v6.clone(), &mut sets);
        let used = v4
            .iter()
            .map(|step| step.value)
            .chain(v6.iter().map(|step| step.value));
        let numbering = sets.number(used);
        Ok(Self {
            v4: v4::build(&numbering.apply(v4))?,
            v6: v6::build(&numbering.apply(v6))?,
            classes: numbering.classes,
            sources: ruleset.sources.clone(),
            entries,
            folded: numbering.folded,
        })
    }

    /// Class of `address`; `None` if nothing lists it or something allows it. Families are kept
    /// apart: an IPv4-mapped IPv6 address is an IPv6 address here, as it is on the wire.
    pub fn lookup(&self, address: IpAddr) -> Option<&Class> {
        self.class(match address {
            IpAddr::V4(address) => self.class4(address.to_bits()),
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                self.class6((bits >> 64) as u64, bits as u64)
            }
        })
    }

    /// Class number `id`; `None` for 0 and for a number of another image.
    pub fn class(&self, id: ClassId) -> Option<&Class> {
        self.classes.get(usize::from(id).checked_sub(1)?)
    }
}

/// The kernel program's own decision, made against an image in memory.
impl Rules for Image {
    fn class4(&self, address: u32) -> ClassId {
        lookup4(self.v4.as_slice(), address)
    }

    fn class6(&self, high: u64, low: u64) -> ClassId {
        lookup6(self.v6.as_slice(), high, low)
    }

    fn action(&self, class: ClassId) -> Option<Action> {
        Some(self.class(class)?.action)
    }
}

/// Number of entries that wish monitor or drop.
fn count<A: Address>(ruleset: &Ruleset, entries: &[Entry<A>]) -> Result<usize> {
    let mut count = 0;
    for entry in entries {
        let source = ruleset.sources.get(usize::from(entry.source));
        ensure!(
            source.is_some(),
            "source {} of an entry does not exist",
            entry.source
        );
        let listed = |source: &Source| matches!(source.wish, Wish::Monitor | Wish::Drop);
        count += usize::from(source.is_some_and(listed));
    }
    Ok(count)
}
