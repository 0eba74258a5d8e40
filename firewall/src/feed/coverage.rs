//! How much of what one list names others name already. Pure.

use std::net::IpAddr;

use crate::{
    address::{Address, Prefix},
    image::{Class, Listing},
    subject::Subject,
};

/// Addresses, as ranges that neither touch nor overlap, and ports.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
    /// In order.
    ports: Vec<Subject>,
}

/// How much of an entry is covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// No address of it.
    Nothing,
    /// Some addresses, not all.
    Some,
    /// Every address.
    All,
}

impl Coverage {
    /// What a listing has in the classes that `wanted` holds for.
    ///
    /// # Errors
    /// None that a listing can have.
    pub fn of(listing: &Listing, wanted: impl Fn(&Class) -> bool) -> anyhow::Result<Self> {
        let mut coverage = Self::default();
        listing.each(
            |class| wanted(class).then_some(()),
            |subject, ()| {
                coverage.add(subject);
                Ok(())
            },
        )?;
        coverage.ports.sort_unstable();
        Ok(coverage)
    }

    /// Adds what comes behind everything that is there.
    fn add(&mut self, subject: Subject) {
        match Prefix::from(subject.prefix) {
            _ if subject.port.is_some() => self.ports.push(subject),
            Prefix::V4(address, length) => extend(&mut self.v4, address, address.last(length)),
            Prefix::V6(address, length) => extend(&mut self.v6, address, address.last(length)),
        }
    }

    /// How much of `subject` is covered; a port by all of its address as well.
    pub fn part(&self, subject: &Subject) -> Part {
        let part = match Prefix::from(subject.prefix) {
            Prefix::V4(address, length) => part(&self.v4, address, address.last(length)),
            Prefix::V6(address, length) => part(&self.v6, address, address.last(length)),
        };
        let Some(port) = subject.port.filter(|_| part != Part::All) else {
            return part;
        };
        let is_there = |protocol| {
            let mut one = *subject;
            one.port = Some(crate::subject::Port {
                protocol: Some(protocol),
                ..port
            });
            self.ports.binary_search(&one).is_ok()
        };
        match port.protocols().filter(|it| is_there(*it)).count() {
            0 => Part::Nothing,
            found if found == port.protocols().count() => Part::All,
            _ => Part::Some,
        }
    }

    /// Whether a packet to or from `address` and `port` is one of these.
    pub fn has(&self, address: IpAddr, service: Option<crate::subject::Port>) -> bool {
        let subject = Subject {
            prefix: address.into(),
            port: service,
        };
        self.part(&subject) == Part::All
    }
}

fn extend<A: Address>(ranges: &mut Vec<(A, A)>, first: A, last: A) {
    match ranges.last_mut() {
        Some(before) if before.1.next() == Some(first) => before.1 = last,
        _ => ranges.push((first, last)),
    }
}

fn part<A: Address>(ranges: &[(A, A)], first: A, last: A) -> Part {
    // The first that does not end before.
    let at = ranges.partition_point(|range| range.1 < first);
    match ranges.get(at) {
        Some(range) if range.0 <= first && last <= range.1 => Part::All,
        Some(range) if range.0 <= last => Part::Some,
        _ => Part::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruleset::{Ruleset, Wish};

    fn coverage(entries: &[&str]) -> Coverage {
        let mut ruleset = Ruleset::default();
        let source = ruleset.source("x", Wish::Drop).unwrap();
        for entry in entries {
            ruleset.add(&entry.parse().unwrap(), source);
        }
        let listing = Listing::of(&ruleset).unwrap();
        Coverage::of(&listing, |class| class.actions.drops()).unwrap()
    }

    #[test]
    fn how_much_of_an_entry_is_covered() {
        let coverage = coverage(&[
            "192.0.2.0/25",
            "192.0.2.128/25",
            "203.0.113.7",
            "198.51.100.7:443/tcp",
            "198.51.100.8:53",
            "2001:db8::/32",
        ]);
        for (entry, expected) in [
            ("192.0.2.0/24", Part::All),
            ("192.0.2.255", Part::All),
            ("192.0.3.0", Part::Nothing),
            ("192.0.0.0/16", Part::Some),
            ("203.0.113.7", Part::All),
            ("203.0.113.6/31", Part::Some),
            ("203.0.113.0/30", Part::Nothing),
            ("203.0.113.7:80/tcp", Part::All),
            ("198.51.100.7", Part::Nothing),
            ("198.51.100.7:443/tcp", Part::All),
            ("198.51.100.7:443/udp", Part::Nothing),
            ("198.51.100.7:443", Part::Some),
            ("198.51.100.8:53", Part::All),
            ("198.51.100.8:54", Part::Nothing),
            ("2001:db8:1::/48", Part::All),
            ("2001::/16", Part::Some),
            ("::1", Part::Nothing),
        ] {
            assert_eq!(coverage.part(&entry.parse().unwrap()), expected, "{entry}");
        }
    }
}
