//! The ledger: who inside talked to which listed remote. Layouts of the pinned maps and the events.

use core::net::{IpAddr, Ipv6Addr};

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

    /// The name that people and machines read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Inside => "inside",
            Self::Outside => "outside",
        }
    }
}

/// Which way a hit went. Given by which address is listed and by the role of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Direction {
    /// From inside to a listed address: the inside host calls out.
    Outbound = 0,
    /// From a listed address to the inside.
    Inbound = 1,
    /// One of our own addresses is listed; the inside host is no caller.
    OwnListed = 2,
}

impl Direction {
    /// Every direction, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Outbound, Self::Inbound, Self::OwnListed];

    /// The direction whose number is `raw`.
    pub const fn from_raw(raw: u8) -> Option<Self> {
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

/// An IPv6 address as two words in network byte order, that is, its 16 octets as they are on the
/// wire. An IPv4 address is mapped (`::ffff:a.b.c.d`, RFC 4291 §2.5.5.2).
pub type Octets = [u64; 2];

/// New entries a second that one CPU admits for each direction. An insert costs a hundred times what
/// counting costs, and a flood of made-up addresses must not push out who called out.
pub const ADMITTED: u64 = 2_000;

/// What is counted about the ledger, behind the reasons in the counters of each interface: the ledger
/// is a sample under pressure, and these say of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum LedgerCounter {
    /// Hits without a ledger entry: more than [`ADMITTED`] were new. Once they were, also hits of an
    /// entry that was silent for so long that its [mark](crate::marks) ended.
    Skipped = 0,
    /// New entries that nobody was told of: the ring buffer was full.
    EventLost = 1,
    /// Entries made. Those that are no longer there were evicted by newer ones.
    New = 2,
}

impl LedgerCounter {
    /// Every counter, in order.
    pub const ALL: [Self; 3] = [Self::Skipped, Self::EventLost, Self::New];

    /// The name that people and machines read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "ledger-skipped",
            Self::EventLost => "event-lost",
            Self::New => "ledger-new",
        }
    }
}

/// Key of a ledger entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct LedgerKey {
    /// The inside host.
    pub inside: Octets,
    /// The other end.
    pub remote: Octets,
    /// A [`Direction`].
    pub direction: u8,
    /// Protocol number (IANA "Protocol Numbers") after any extension headers.
    pub protocol: u8,
    /// Port of the service, not the ephemeral one of who uses it; 0 where there is none to see.
    pub port: u16,
    /// Zero.
    pub padding: u32,
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

/// The address that the ledger keeps so; an IPv4-mapped one is the IPv4 address.
pub fn address([high, low]: Octets) -> IpAddr {
    let bits = u128::from(u64::from_be(high)) << 64 | u128::from(u64::from_be(low));
    Ipv6Addr::from_bits(bits).to_canonical()
}

/// An address, given as its upper and lower 64 bits in host order, as the ledger keeps it.
#[inline(always)]
pub fn octets((high, low): (u64, u64)) -> Octets {
    [high.to_be(), low.to_be()]
}

/// What the ledger counts for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct LedgerEntry {
    /// Packets that matched.
    pub packets: u64,
    /// Their bytes, as in [`crate::reason::Count`].
    pub bytes: u64,
    /// Nanoseconds since boot of the first hit, by CLOCK_MONOTONIC_COARSE: in steps of a tick, 1 to
    /// 10 ms, and without the time that the machine was suspended.
    pub first_seen: u64,
    /// Nanoseconds since boot of the last hit.
    pub last_seen: u64,
    /// Generation of the last hit: says which class table `class` belongs to.
    pub generation: u32,
    /// Interface index of the last hit.
    pub interface: u32,
    /// Class of the last hit.
    pub class: ClassId,
    /// Ethernet address that the inside host, or the router it is behind, last sent from; zero until
    /// it was seen sending.
    pub mac: [u8; 6],
    /// Outer VLAN (IEEE 802.1Q identifier) of the last hit; 0 without a tag in the frame. A tag that
    /// the driver took off is not seen.
    pub vlan: u16,
    /// [`Reason`](crate::reason::Reason) of the last hit.
    pub reason: u16,
    /// Zero.
    pub padding: [u16; 2],
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
    /// [`Reason`](crate::reason::Reason).
    pub reason: u16,
    /// Zero.
    pub padding: [u16; 2],
}

const _: () = assert!(size_of::<LedgerKey>() == 40);
const _: () = assert!(size_of::<LedgerEntry>() == 56);
const _: () = assert!(size_of::<Event>() == 64);
const _: () = assert!(core::mem::offset_of!(Event, class) == 56);

impl Event {
    /// The event that the kernel wrote as `bytes`; `None` if they are not as long as one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; size_of::<Self>()] = bytes.try_into().ok()?;
        let word = |index: usize| Some(u64::from_ne_bytes(part(bytes, 8 * index)?));
        Some(Self {
            seen: word(0)?,
            key: LedgerKey {
                inside: [word(1)?, word(2)?],
                remote: [word(3)?, word(4)?],
                direction: bytes[40],
                protocol: bytes[41],
                port: u16::from_ne_bytes(part(bytes, 42)?),
                padding: 0,
            },
            generation: u32::from_ne_bytes(part(bytes, 48)?),
            interface: u32::from_ne_bytes(part(bytes, 52)?),
            class: u16::from_ne_bytes(part(bytes, 56)?),
            reason: u16::from_ne_bytes(part(bytes, 58)?),
            padding: [0; 2],
        })
    }
}

fn part<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_from_their_octets() {
        let key = LedgerKey {
            inside: octets((0, 0xffff_c000_0207)),
            remote: octets((0x2001_0db8_0000_0000, 1)),
            direction: 0,
            protocol: 6,
            port: 443,
            padding: 0,
        };
        assert_eq!(key.inside().to_string(), "192.0.2.7");
        assert_eq!(key.remote().to_string(), "2001:db8::1");
        assert_eq!(key.remote[0].to_ne_bytes()[..4], [0x20, 0x01, 0x0d, 0xb8]);
    }
}
