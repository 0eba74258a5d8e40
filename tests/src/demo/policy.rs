//! What is listed by now, and addresses to send to: listed ones of every feed, and ordinary ones
//! near them and far from them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use firewall::{
    address::Address,
    config::Config,
    image::Image,
    inputs::Inputs,
    protected::SPECIAL,
    ruleset::{Entry, Ruleset, Wish},
    state::State,
};
use ipnet::IpNet;
use tests::product::Product;

/// Addresses of the lab itself.
const LAB: [&str; 2] = ["10.77.0.0/16", "fd77::/16"];

/// Listed and ordinary addresses at most, over all feeds.
const ADDRESSES: usize = 600;

/// What should be in force, compiled as the product compiles it.
pub struct Policy {
    /// Every entry with its source.
    pub ruleset: Ruleset,
    /// The same, for lookups.
    pub image: Image,
}

impl Policy {
    /// Reads the files of `product`.
    pub fn read(product: &Product) -> Result<Self> {
        let config = Config::load(Some(&product.configuration()))?;
        let inputs = Inputs::read(&config, &State::new(&product.state()))?;
        let (ruleset, _) = inputs.ruleset(jiff::Timestamp::now(), false)?;
        let image = Image::compile(&ruleset)?;
        Ok(Self { ruleset, image })
    }

    /// Whether packets of an address are dropped.
    pub fn is_listed(&self, address: IpAddr) -> bool {
        self.image.lookup(address).is_some()
    }

    /// Addresses that are listed, some of every feed, and addresses that are not.
    pub fn samples(&self) -> (Vec<IpAddr>, Vec<IpAddr>) {
        let mut listed = Vec::new();
        let mut ordinary: Vec<IpAddr> = far().collect();
        let sources = self
            .ruleset
            .sources
            .iter()
            .filter(|source| source.wish == Wish::Drop)
            .count();
        let each = (ADDRESSES / sources.max(1)).max(6);
        for (index, source) in self.ruleset.sources.iter().enumerate() {
            if source.wish == Wish::Drop {
                take(&self.ruleset.v4, index, each, &mut listed, &mut ordinary);
                take(
                    &self.ruleset.v6,
                    index,
                    each / 2,
                    &mut listed,
                    &mut ordinary,
                );
            }
        }
        listed.retain(|&address| self.is_listed(address) && can_be_sent_to(address));
        ordinary.retain(|&address| !self.is_listed(address) && can_be_sent_to(address));
        for addresses in [&mut listed, &mut ordinary] {
            addresses.sort_unstable();
            addresses.dedup();
        }
        (listed, ordinary)
    }
}

/// Spread over the entries of a source: both ends of a prefix are listed, what lies just beyond them
/// may be ordinary.
fn take<A: Address>(
    entries: &[Entry<A>],
    source: usize,
    most: usize,
    listed: &mut Vec<IpAddr>,
    near: &mut Vec<IpAddr>,
) {
    let own: Vec<&Entry<A>> = entries
        .iter()
        .filter(|entry| usize::from(entry.source) == source)
        .collect();
    for entry in own
        .iter()
        .step_by((own.len() / most.max(1)).max(1))
        .take(most)
    {
        listed.push(entry.address.to_ip());
        listed.push(entry.last().to_ip());
        near.extend(entry.address.previous().map(Address::to_ip));
        near.extend(entry.last().next().map(Address::to_ip));
    }
}

/// Addresses from everywhere, the same each time.
fn far() -> impl Iterator<Item = IpAddr> {
    let spread = |index: u32| index.wrapping_mul(0x9e37_79b9);
    let v4 = (1..200).map(move |index| Ipv4Addr::from_bits(spread(index)).into());
    let v6 = (1..100).map(move |index| {
        let high = 0x2000_0000 | spread(index) >> 4;
        Ipv6Addr::from_bits(u128::from(high) << 96 | u128::from(spread(index + 7))).into()
    });
    v4.chain(v6)
}

/// What a kernel forwards to, and is not the lab's own.
fn can_be_sent_to(address: IpAddr) -> bool {
    let lab = LAB.iter().filter_map(|text| text.parse::<IpNet>().ok());
    let global_v6 = match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => address.segments()[0] >> 13 == 1,
    };
    global_v6
        && !SPECIAL
            .iter()
            .copied()
            .chain(lab)
            .any(|net| net.contains(&address))
}
