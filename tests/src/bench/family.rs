//! What differs between IPv4 and IPv6 here: where addresses come from and how a packet holds them.

use anyhow::{Context, Result};
use aya::{
    Ebpf,
    maps::{
        Map,
        lpm_trie::{Key, LpmTrie},
    },
};
use firewall::{
    address::Address,
    ruleset::{Entry, Ruleset, Wish},
};

use crate::random::Random;

/// A prefix: address and length.
pub type Prefix<A> = (A, u8);

/// IPv4 or IPv6.
pub trait Family: Address {
    /// 4 or 6.
    const NUMBER: u8;

    /// A number of as many bits as an address has.
    fn random(random: &mut Random) -> Self;

    /// An address as one may meet on the internet: IPv4 as [`is_public`] has it, IPv6 2000::/3.
    fn unicast(random: &mut Random) -> Self;

    /// Any address of the prefix of `length` that starts here.
    fn within(self, length: u8, random: &mut Random) -> Self;

    /// Source and destination, as words of memory that are laid out like the header.
    fn pair(source: Self, destination: Self) -> Vec<u64>;

    /// A ruleset that drops everything in `list`.
    fn ruleset(list: &[Prefix<Self>]) -> Result<Ruleset>;

    /// Puts `list` into the kernel's trie.
    fn fill_trie(ebpf: &mut Ebpf, list: &[Prefix<Self>]) -> Result<()>;

    /// An Ethernet frame of at least 64 bytes without addresses.
    fn frame() -> Vec<u8>;
}

impl Family for u32 {
    const NUMBER: u8 = 4;

    fn random(random: &mut Random) -> Self {
        (random.bits() >> 32) as Self
    }

    fn unicast(random: &mut Random) -> Self {
        loop {
            let address = (random.bits() >> 32) as Self;
            if is_public(address) {
                return address;
            }
        }
    }

    fn within(self, length: u8, random: &mut Random) -> Self {
        self | Self::random(random) & !Self::netmask(length)
    }

    fn pair(source: Self, destination: Self) -> Vec<u64> {
        let [a, b, c, d] = source.to_be_bytes();
        let [e, f, g, h] = destination.to_be_bytes();
        vec![u64::from_ne_bytes([a, b, c, d, e, f, g, h])]
    }

    fn ruleset(list: &[Prefix<Self>]) -> Result<Ruleset> {
        let mut ruleset = Ruleset::default();
        ruleset.v4 = entries(&mut ruleset, list)?;
        Ok(ruleset)
    }

    fn fill_trie(ebpf: &mut Ebpf, list: &[Prefix<Self>]) -> Result<()> {
        fill_trie(ebpf, "LPM4", list, Self::to_be_bytes)
    }

    fn frame() -> Vec<u8> {
        let mut frame = ethernet(0x0800);
        frame.extend_from_slice(&[0x45, 0, 0, 50, 0, 1, 0, 0, 64, 17, 0, 0]);
        frame.extend_from_slice(&[0; 8]);
        // UDP from 40000 to 53000, no checksum (RFC 768).
        frame.extend_from_slice(&[0x9c, 0x40, 0xcf, 0x08, 0, 30, 0, 0]);
        frame.resize(64, 0);
        frame
    }
}

impl Family for u128 {
    const NUMBER: u8 = 6;

    fn random(random: &mut Random) -> Self {
        random.wide()
    }

    fn unicast(random: &mut Random) -> Self {
        1 << 125 | random.wide() >> 3
    }

    fn within(self, length: u8, random: &mut Random) -> Self {
        self | Self::random(random) & !Self::netmask(length)
    }

    fn pair(source: Self, destination: Self) -> Vec<u64> {
        let words = |address: Self| {
            let halves = [(address >> 64) as u64, address as u64];
            halves.map(u64::to_be)
        };
        [words(source), words(destination)].concat()
    }

    fn ruleset(list: &[Prefix<Self>]) -> Result<Ruleset> {
        let mut ruleset = Ruleset::default();
        ruleset.v6 = entries(&mut ruleset, list)?;
        Ok(ruleset)
    }

    fn fill_trie(ebpf: &mut Ebpf, list: &[Prefix<Self>]) -> Result<()> {
        fill_trie(ebpf, "LPM6", list, Self::to_be_bytes)
    }

    fn frame() -> Vec<u8> {
        let mut frame = ethernet(0x86dd);
        frame.extend_from_slice(&[0x60, 0, 0, 0, 0, 10, 17, 64]);
        frame.extend_from_slice(&[0; 32]);
        frame.extend_from_slice(&[0x9c, 0x40, 0xcf, 0x08, 0, 10, 0, 0, 0, 0]);
        frame
    }
}

/// Whether an IPv4 address is in a /8 without any that have a special meaning (RFC 6890): the product
/// never blocks those.
pub fn is_public(address: u32) -> bool {
    let special = [0, 10, 100, 127, 169, 172, 192, 198, 203];
    address < 0xe000_0000 && !special.contains(&(address >> 24))
}

fn ethernet(ethertype: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    frame.extend_from_slice(&ethertype.to_be_bytes());
    frame
}

/// Lists of an operator. With one of them neighbours would always have the same class, and what is
/// dense would melt into ranges.
const SOURCES: u64 = 16;

/// Each entry is of one of the sources, as if by chance.
fn entries<A: Family>(ruleset: &mut Ruleset, list: &[Prefix<A>]) -> Result<Vec<Entry<A>>> {
    let mut random = Random::new(SOURCES);
    let sources = (0..SOURCES)
        .map(|number| ruleset.source(&format!("bench{number}"), Wish::Drop))
        .collect::<Result<Vec<_>>>()?;
    let mut entry = |&(address, length): &Prefix<A>| Entry {
        address,
        length,
        source: *random.one_of(&sources),
    };
    Ok(list.iter().map(&mut entry).collect())
}

fn fill_trie<A: Copy, const N: usize>(
    ebpf: &mut Ebpf,
    name: &str,
    list: &[Prefix<A>],
    octets: fn(A) -> [u8; N],
) -> Result<()>
where
    [u8; N]: aya::Pod,
{
    let map: &mut Map = ebpf.map_mut(name).context("the object has no trie")?;
    let mut trie: LpmTrie<_, [u8; N], u32> = LpmTrie::try_from(map)?;
    for &(address, length) in list {
        let key = Key::new(length.into(), octets(address));
        trie.insert(&key, 1, 0)
            .context("the kernel's trie takes no more")?;
    }
    Ok(())
}
