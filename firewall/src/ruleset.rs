//! The ruleset: every indicator that should be in force, with the sources that name it. Pure data.

use anyhow::{Context, Result};

use crate::address::{Address, Prefix};

/// Index into [`Ruleset::sources`].
pub type SourceId = u16;

/// What a source asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// Never a reason for a drop: the operator's allow list.
    Allow,
    /// Never a reason for a drop: addresses the network cannot do without.
    Protect,
    /// Count and report, let pass.
    Monitor,
    /// Drop.
    Drop,
}

/// Where indicators come from: a feed, a local list, the protected addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name that `why`, `status` and the ledger show.
    pub name: String,
    /// What is to be done with its addresses.
    pub wish: Wish,
}

/// One prefix of one source. Host bits are clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry<A> {
    /// First address of the prefix.
    pub address: A,
    /// Prefix length in bits.
    pub length: u8,
    /// Whose entry it is.
    pub source: SourceId,
}

impl<A: Address> Entry<A> {
    /// Last address of the prefix.
    pub fn last(&self) -> A {
        self.address.last(self.length)
    }
}

/// Every indicator that should be in force. Entries in any order, duplicates and nesting allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// All sources; entries refer to them by index.
    pub sources: Vec<Source>,
    /// IPv4 entries.
    pub v4: Vec<Entry<u32>>,
    /// IPv6 entries.
    pub v6: Vec<Entry<u128>>,
}

impl Ruleset {
    /// The source of that name and wish, added if it is new.
    ///
    /// # Errors
    /// There are more sources than a [`SourceId`] can number.
    pub fn source(&mut self, name: &str, wish: Wish) -> Result<SourceId> {
        let same = |source: &Source| source.name == name && source.wish == wish;
        let index = self.sources.iter().position(same).unwrap_or_else(|| {
            self.sources.push(Source {
                name: name.to_owned(),
                wish,
            });
            self.sources.len() - 1
        });
        SourceId::try_from(index).context("there are more than 65,536 sources; switch feeds off")
    }

    /// Adds an entry of `source`.
    pub fn push(&mut self, prefix: Prefix, source: SourceId) {
        match prefix {
            Prefix::V4(address, length) => self.v4.push(Entry {
                address,
                length,
                source,
            }),
            Prefix::V6(address, length) => self.v6.push(Entry {
                address,
                length,
                source,
            }),
        }
    }
}
