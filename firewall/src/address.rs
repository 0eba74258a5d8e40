//! IPv4 and IPv6 addresses as integers in host order, so that one piece of code serves both.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

/// An address as an integer: `u32` for IPv4, `u128` for IPv6, the first octet highest.
pub trait Address: Copy + Ord + Hash + std::fmt::Debug + Default + Send + Sync + 'static {
    /// Bits of an address.
    const BITS: u8;

    /// The highest address.
    const MAX: Self;

    /// The `length` highest bits set, the others clear.
    fn netmask(length: u8) -> Self;

    /// Bitwise and.
    fn and(self, other: Self) -> Self;

    /// Bitwise or with the complement of `mask`.
    fn or_not(self, mask: Self) -> Self;

    /// The next address; `None` after the last.
    fn next(self) -> Option<Self>;

    /// The address before; `None` before the first.
    fn previous(self) -> Option<Self>;

    /// Number of zero bits at the low end, [`Self::BITS`] for 0.
    fn trailing_zeros(self) -> u8;

    /// The address as the standard library has it.
    fn to_ip(self) -> IpAddr;

    /// The address of this family; `None` for one of the other.
    fn from_ip(address: IpAddr) -> Option<Self>;

    /// Difference to an address that is not higher.
    fn minus(self, lower: Self) -> Self;

    /// Appends the octets, the lowest first.
    fn write_le(self, to: &mut Vec<u8>);

    /// The address whose octets `bytes` begins with, the lowest first.
    fn read_le(bytes: &[u8]) -> Self;

    /// The last 32 of the `length` highest bits.
    fn top(self, length: u8) -> u32;

    /// First address of the prefix of `length` bits that `self` is in.
    fn first(self, length: u8) -> Self {
        self.and(Self::netmask(length))
    }

    /// Last address of the prefix of `length` bits that `self` is in.
    fn last(self, length: u8) -> Self {
        self.or_not(Self::netmask(length))
    }
}

macro_rules! address {
    ($integer:ty, $ip:ty, $family:ident) => {
        impl Address for $integer {
            const BITS: u8 = <$integer>::BITS as u8;
            const MAX: Self = <$integer>::MAX;

            fn netmask(length: u8) -> Self {
                <$integer>::MAX
                    .checked_shl(<$integer>::BITS - u32::from(length))
                    .unwrap_or(0)
            }

            fn and(self, other: Self) -> Self {
                self & other
            }

            fn or_not(self, mask: Self) -> Self {
                self | !mask
            }

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            fn previous(self) -> Option<Self> {
                self.checked_sub(1)
            }

            fn trailing_zeros(self) -> u8 {
                <$integer>::trailing_zeros(self) as u8
            }

            fn to_ip(self) -> IpAddr {
                <$ip>::from_bits(self).into()
            }

            fn from_ip(address: IpAddr) -> Option<Self> {
                match address {
                    IpAddr::$family(address) => Some(address.to_bits()),
                    _ => None,
                }
            }

            fn minus(self, lower: Self) -> Self {
                self - lower
            }

            fn write_le(self, to: &mut Vec<u8>) {
                to.extend(self.to_le_bytes());
            }

            fn read_le(bytes: &[u8]) -> Self {
                <$integer>::from_le_bytes(std::array::from_fn(|index| bytes[index]))
            }

            fn top(self, length: u8) -> u32 {
                self.checked_shr(<$integer>::BITS - u32::from(length))
                    .unwrap_or(0) as u32
            }
        }
    };
}

address!(u32, Ipv4Addr, V4);
address!(u128, Ipv6Addr, V6);

/// The fewest prefixes that cover the addresses from `first` to `last`, in order; none if they are
/// reversed.
pub fn cover<A: Address>(first: A, last: A) -> impl Iterator<Item = (A, u8)> {
    let mut rest = Some(first);
    std::iter::from_fn(move || {
        let address = rest.filter(|&address| address <= last)?;
        let mut length = A::BITS - address.trailing_zeros();
        while address.last(length) > last {
            length += 1;
        }
        rest = address.last(length).next();
        Some((address, length))
    })
}

/// A prefix of either family as integers: address (host bits as given) and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefix {
    /// IPv4.
    V4(u32, u8),
    /// IPv6.
    V6(u128, u8),
}

impl Prefix {
    /// Whether it is a single address.
    pub fn is_host(self) -> bool {
        matches!(self, Self::V4(_, 32) | Self::V6(_, 128))
    }

    /// The prefix for people and files; `None` if its length is none of its family.
    pub fn net(self) -> Option<IpNet> {
        let [first, _] = self.ends();
        let (Self::V4(_, length) | Self::V6(_, length)) = self;
        IpNet::new(first, length).ok()
    }

    /// First and last address.
    pub fn ends(self) -> [IpAddr; 2] {
        match self {
            Self::V4(address, length) => {
                [address.first(length), address.last(length)].map(u32::to_ip)
            }
            Self::V6(address, length) => {
                [address.first(length), address.last(length)].map(u128::to_ip)
            }
        }
    }
}

impl From<IpNet> for Prefix {
    fn from(net: IpNet) -> Self {
        match net {
            IpNet::V4(net) => Self::V4(net.addr().to_bits(), net.prefix_len()),
            IpNet::V6(net) => Self::V6(net.addr().to_bits(), net.prefix_len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netmask_covers_both_ends() {
        assert_eq!(u32::netmask(0), 0);
        assert_eq!(u32::netmask(32), u32::MAX);
        assert_eq!(u128::netmask(0), 0);
        assert_eq!(u128::netmask(1), 1 << 127);
    }

    #[test]
    fn top_is_the_end_of_the_highest_bits() {
        assert_eq!(0x0a01_0203_u32.top(24), 0x000a_0102);
        assert_eq!(0x0a01_0203_u32.top(0), 0);
        assert_eq!(
            0x2001_0db8_0001_0002_0000_0000_0000_0003_u128.top(48),
            0x0db8_0001
        );
    }

    #[test]
    fn first_and_last_of_a_prefix() {
        assert_eq!(0x0a01_0203_u32.first(8), 0x0a00_0000);
        assert_eq!(0x0a01_0203_u32.last(8), 0x0aff_ffff);
    }
}
