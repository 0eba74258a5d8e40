//! The ledger: who inside talked to which listed remote. Layouts of the pinned maps and the events.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::class::ClassId;

/// Where an interface looks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Role {
    /// Inside and outside meet on this interface, or nobody knows: callers cannot be told apart.
    Unknown = 0,
    /// Towards the protected network.
    Inside = 1,
    /// Towards the internet.
    Outside = 2,
}

impl Role {
    /// The role whose number is `raw`; anything unheard of is [`Role::Unknown`].
    pub const fn from_raw(raw: u32) -> Self {
        match raw {
            1 => Self::Inside,
            2 => Self::Outside,
            _ => Self::Unknown,
        }
    }
}

/// Which way a hit went. Given by which address is listed and by the role of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Direction {
    /// From inside to a listed address: the inside host calls out.
    Outbound = 0,
    /// From a listed address to the inside.
    Inbound = 1,
    /// One of our own addresses is listed; the inside host is no caller.
    OwnListed = 2,
}

impl Direction {
    /// The direction whose number is `raw`.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        match raw {
            0 => Some(Self::Outbound),
            1 => Some(Self::Inbound),
            2 => Some(Self::OwnListed),
            _ => None,
        }
    }

    /// The name that people and machines read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
            Self::OwnListed => "own-listed",
        }
    }
}

/// Entries of each ledger map.
pub const LEDGER_ENTRIES: usize = 65_536;

/// Key of a ledger entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct LedgerKey {
    /// IPv6 address in network order; an IPv4 address is mapped (`::ffff:a.b.c.d`, RFC 4291 §2.5.5.2).
    pub inside: [u8; 16],
    /// The other end, likewise.
    pub remote: [u8; 16],
    /// A [`Direction`].
    pub direction: u32,
}

impl LedgerKey {
    /// The inside host.
    pub fn inside(&self) -> IpAddr {
        address(self.inside)
    }

    /// The other end.
    pub fn remote(&self) -> IpAddr {
        address(self.remote)
    }
}

fn address(bytes: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(bytes).to_canonical()
}

/// `address` as an IPv4-mapped IPv6 address in network order.
#[inline(always)]
pub fn mapped(address: u32) -> [u8; 16] {
    Ipv4Addr::from_bits(address).to_ipv6_mapped().octets()
}

/// What the ledger counts for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct LedgerEntry {
    /// Packets that matched.
    pub packets: u64,
    /// Their bytes, as in [`crate::reason::Count`].
    pub bytes: u64,
    /// Nanoseconds since boot (CLOCK_BOOTTIME) of the first hit.
    pub first_seen: u64,
    /// Nanoseconds since boot of the last hit.
    pub last_seen: u64,
    /// Generation of the last hit: says which class table `class` belongs to.
    pub generation: u32,
    /// Interface index of the last hit.
    pub interface: u32,
    /// Class of the last hit.
    pub class: ClassId,
    /// Zero.
    pub padding: [u16; 3],
}

/// Said once through the ring buffer for each new ledger entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// Nanoseconds since boot.
    pub seen: u64,
    /// Whose entry.
    pub key: LedgerKey,
    /// Generation that judged the packet.
    pub generation: u32,
    /// Interface index.
    pub interface: u32,
    /// Class within the generation.
    pub class: ClassId,
    /// Zero.
    pub padding: u16,
}

const _: () = assert!(size_of::<LedgerKey>() == 36);
const _: () = assert!(size_of::<LedgerEntry>() == 48);
const _: () = assert!(size_of::<Event>() == 56);
