//! What feeds have in common, and what each of them has alone. Pure.

use std::ops::Add;

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use crate::{image::Listing, ruleset::SourceId, subject::Subject};

/// How much is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Size {
    /// IPv4 addresses.
    pub v4: u64,
    /// IPv6 addresses; in JSON as a floating number, since few programs read larger whole ones.
    #[serde(serialize_with = "floating")]
    pub v6: u128,
    /// Ports that are listed on their own, for each protocol.
    pub ports: u64,
}

fn floating<S: Serializer>(number: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(*number as f64)
}

impl Size {
    fn of(subject: &Subject) -> Self {
        let mut size = Self::default();
        match subject.prefix {
            _ if subject.port.is_some() => size.ports = 1,
            IpNet::V4(net) => size.v4 = 1 << (32 - net.prefix_len()),
            IpNet::V6(net) => {
                let bits = 128 - u32::from(net.prefix_len());
                size.v6 = 1_u128.checked_shl(bits).unwrap_or(u128::MAX);
            }
        }
        size
    }

    /// How much of `whole` this is, in hundredths: of its IPv4 addresses, or else of its IPv6
    /// addresses, or else of its ports.
    pub fn share(self, whole: Self) -> Option<u64> {
        let parts = [
            (self.v4.into(), whole.v4.into()),
            (self.v6, whole.v6),
            (self.ports.into(), whole.ports.into()),
        ];
        let (part, all): (u128, u128) = parts.into_iter().find(|(_, all)| *all > 0)?;
        // A hundred times as much must still be a number.
        let shift = if all > u128::MAX >> 8 { 8 } else { 0 };
        Some(((part >> shift) * 100 / (all >> shift)) as u64)
    }
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            v4: self.v4.saturating_add(other.v4),
            v6: self.v6.saturating_add(other.v6),
            ports: self.ports.saturating_add(other.ports),
        }
    }
}

/// What some sources list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// What no other of them lists, by source.
    pub alone: Vec<Size>,
    /// What two of them list, and in the diagonal what one does.
    pub common: Vec<Vec<Size>>,
}

impl Overlap {
    /// Compares `sources`, which are some of the listing's; others are not there.
    ///
    /// # Errors
    /// None that a listing can have.
    pub fn of(listing: &Listing, sources: &[SourceId]) -> anyhow::Result<Self> {
        let mut overlap = Self {
            alone: vec![Size::default(); sources.len()],
            common: vec![vec![Size::default(); sources.len()]; sources.len()],
        };
        let place = |source: &SourceId| sources.iter().position(|it| it == source);
        listing.each(
            |class| {
                let places: Vec<usize> = class.sources.iter().filter_map(place).collect();
                (!places.is_empty()).then_some(places)
            },
            |subject, places| {
                overlap.add(Size::of(&subject), places);
                Ok(())
            },
        )?;
        Ok(overlap)
    }

    fn add(&mut self, size: Size, places: &[usize]) {
        if let [only] = places {
            self.alone[*only] = self.alone[*only] + size;
        }
        for &one in places {
            for &other in places {
                self.common[one][other] = self.common[one][other] + size;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruleset::{Ruleset, Wish};

    #[test]
    fn what_is_common_and_what_is_alone() {
        let mut ruleset = Ruleset::default();
        let lists: [(&str, &[&str]); 3] = [
            (
                "a",
                &[
                    "192.0.2.0/24",
                    "203.0.113.7",
                    "2001:db8::/48",
                    "198.51.100.7:443/tcp",
                ],
            ),
            (
                "b",
                &[
                    "192.0.2.0/25",
                    "203.0.113.7",
                    "2001:db8::7",
                    "198.51.100.7:443",
                ],
            ),
            ("c", &["192.0.2.1"]),
        ];
        let mut sources = Vec::new();
        for (name, entries) in lists {
            sources.push(ruleset.source(name, Wish::Drop).unwrap());
            for entry in entries {
                ruleset.add(&entry.parse().unwrap(), *sources.last().unwrap());
            }
        }
        let listing = Listing::of(&ruleset).unwrap();
        let overlap = Overlap::of(&listing, &sources).unwrap();
        let size = |v4, v6, ports| Size { v4, v6, ports };
        assert_eq!(overlap.common[0][0].v4, 257);
        assert_eq!(overlap.common[0][1], size(129, 1, 1));
        assert_eq!(overlap.common[1][0], overlap.common[0][1]);
        assert_eq!(overlap.common[1][2], size(1, 0, 0));
        assert_eq!(overlap.alone[0].v4, 128);
        assert_eq!(overlap.alone[1], size(0, 0, 1), "UDP");
        assert_eq!(overlap.alone[2], Size::default());
        assert_eq!(
            overlap.alone[0].share(overlap.common[0][0]),
            Some(49),
            "128 of 257"
        );
        assert_eq!(
            size(0, u128::MAX, 0).share(size(0, u128::MAX, 0)),
            Some(100)
        );
        assert_eq!(size(50, 1, 0).share(size(200, 1, 0)), Some(25));
        assert_eq!(Size::default().share(Size::default()), None);
        let overlap = Overlap::of(&listing, &sources[..1]).unwrap();
        assert_eq!(overlap.alone[0].v4, 257, "the others are not there");
    }
}
