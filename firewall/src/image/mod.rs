//! The image: a ruleset compiled into what a lookup reads, and nothing else.
//!
//! Entries become *steps*, ranges of addresses with one set of sources each; sets become classes;
//! steps of classes become the lines that [`firewall_common::image`] describes. Ports that are listed
//! on their own become a sorted array beside them. The kernel program and [`Image::lookup`] read the
//! same lines with the same code.

use std::net::IpAddr;

use anyhow::{Result, bail};
use firewall_common::{
    class::{Actions, ClassId},
    image::{Line, lookup_port, lookup4, lookup6, ports::PortEntry},
};
use firewall_ebpf::filter::Rules;

use crate::ruleset::{Protocol, Ruleset, Source};
use class::Sets;

mod block;
mod class;
mod first_level;
mod listing;
mod overlay;
mod ports;
mod steps;
mod store;
#[cfg(test)]
mod tests;
mod v4;
mod v6;

pub use class::{Class, MAX_CLASSES};
pub use listing::Listing;

/// A compiled ruleset. Immutable: another ruleset is another image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Lines for IPv4 addresses.
    pub v4: Vec<Line>,
    /// Lines for IPv6 addresses.
    pub v6: Vec<Line>,
    /// Ports that are listed on their own, sorted.
    pub ports: Vec<PortEntry>,
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
        let entries = count(ruleset)?;
        let mut sets = Sets::new(&ruleset.sources);
        let v4 = steps::sweep(ports::with_hosts(&ruleset.v4, &ruleset.ports), &mut sets);
        let v6 = steps::sweep(ports::with_hosts(&ruleset.v6, &ruleset.ports), &mut sets);
        let ports = ports::sweep(&ruleset.ports, &v4, &v6, &mut sets)?;
        let used = v4
            .iter()
            .map(|step| step.value)
            .chain(v6.iter().map(|step| step.value))
            .chain(ports.iter().map(|port| port.set));
        let numbering = sets.number(used);
        Ok(Self {
            ports: ports::build(&ports, &numbering),
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

    /// Class of a port of `address` that is listed on its own; `None` if it is not.
    pub fn lookup_port(&self, address: IpAddr, protocol: Protocol, port: u16) -> Option<&Class> {
        let [high, low, service] = ports::key(address, protocol, port);
        self.class(self.port_class(high, low, service))
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

    fn port_class(&self, high: u64, low: u64, service: u64) -> ClassId {
        lookup_port(self.ports.as_slice(), high, low, service)
    }

    fn actions(&self, class: ClassId) -> Actions {
        self.class(class)
            .map_or(Actions::NONE, |class| class.actions)
    }
}

/// Number of entries that list something.
fn count(ruleset: &Ruleset) -> Result<usize> {
    let sources = (ruleset.v4.iter().map(|entry| entry.source))
        .chain(ruleset.v6.iter().map(|entry| entry.source))
        .chain(ruleset.ports.iter().map(|entry| entry.source));
    let mut count = 0;
    for number in sources {
        let Some(source) = ruleset.sources.get(usize::from(number)) else {
            bail!("source {number} of an entry does not exist");
        };
        count += usize::from(source.wish.lists());
    }
    Ok(count)
}
