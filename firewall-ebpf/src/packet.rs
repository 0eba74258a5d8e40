//! Finds the addresses of a packet, and what its transport header shows. The only code that reads
//! packet memory.

use core::marker::PhantomData;

use firewall_common::reason::Reason;
use network_types::{
    eth::EthHdr,
    ip::{Ipv4Hdr, Ipv6Hdr},
    vlan::VlanHdr,
};

/// Ethertypes (IANA "IEEE 802 Numbers"), in host order.
mod ethertype {
    pub const IPV4: u16 = 0x0800;
    pub const IPV6: u16 = 0x86dd;
    pub const VLAN: u16 = 0x8100;
    pub const SERVICE_VLAN: u16 = 0x88a8;
    /// What QinQ used before IEEE 802.1ad gave it a number.
    pub const OLD_SERVICE_VLAN: u16 = 0x9100;
    pub const PPPOE_SESSION: u16 = 0x8864;
}

/// PPP protocol numbers (IANA "PPP Numbers"), in host order.
mod ppp {
    pub const IPV4: u16 = 0x0021;
    pub const IPV6: u16 = 0x0057;
}

/// VLAN tags that are walked over: an outer and an inner one.
const MAX_TAGS: usize = 2;

/// Version of the Internet Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// An address as its upper and lower 64 bits in host order: the kernel has no 128-bit arithmetic. An
/// IPv4 address is mapped into IPv6 (RFC 4291 §2.5.5.2).
pub type Halves = (u64, u64);

/// Source and destination. One layout for both versions, without parts that have no value: the
/// verifier refuses what a compiler may do with those, copying them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Which header they come from.
    pub version: Version,
    /// Sender.
    pub source: Halves,
    /// Receiver.
    pub destination: Halves,
    /// Where the IP header starts, in bytes from the start of the packet.
    pub network: u32,
}

/// What the Ethernet header says about who sent a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// Ethernet address.
    pub mac: [u8; 6],
    /// Identifier of the outer VLAN; 0 without a tag.
    pub vlan: u16,
}

/// PPPoE session header (RFC 2516 §4) and the PPP protocol number that follows it.
#[derive(Clone, Copy)]
#[repr(C)]
struct PppoeSessionHdr {
    version_and_type: u8,
    code: u8,
    session: [u8; 2],
    length: [u8; 2],
    protocol: [u8; 2],
}

/// The bytes of a packet from `start` to before `end`, read front to back.
#[derive(Clone, Copy)]
pub struct Packet<'a> {
    start: usize,
    end: usize,
    memory: PhantomData<&'a [u8]>,
}

/// A header that any bytes make a valid value of, without alignment.
///
/// # Safety
/// Integers and byte arrays only, `repr(C)`.
pub unsafe trait Header: Copy {}

// SAFETY: integers and byte arrays, `repr(C)`.
unsafe impl Header for EthHdr {}
// SAFETY: as above.
unsafe impl Header for VlanHdr {}
// SAFETY: as above.
unsafe impl Header for PppoeSessionHdr {}
// SAFETY: as above.
unsafe impl Header for Ipv4Hdr {}
// SAFETY: as above.
unsafe impl Header for Ipv6Hdr {}

impl<'a> From<&'a [u8]> for Packet<'a> {
    fn from(frame: &'a [u8]) -> Self {
        let bytes = frame.as_ptr_range();
        // SAFETY: the slice is readable as long as it is borrowed.
        unsafe { Self::new(bytes.start as usize, bytes.end as usize) }
    }
}

impl<'a> Packet<'a> {
    /// The packet between two addresses.
    ///
    /// # Safety
    /// `start..end` must be readable for `'a`.
    #[inline(always)]
    pub unsafe fn new(start: usize, end: usize) -> Self {
        Self {
            start,
            end,
            memory: PhantomData,
        }
    }

    /// Takes the next header off the front; `Truncated` if it is not all there.
    #[inline(always)]
    pub(crate) fn take<H: Header>(&mut self) -> Result<H, Reason> {
        let next = self.start + size_of::<H>();
        if next > self.end {
            return Err(Reason::Truncated);
        }
        // SAFETY: `start..next` lies within the packet, which `new` was promised to be readable,
        // and any bytes make an `H`.
        let header = unsafe { (self.start as *const H).read_unaligned() };
        self.start = next;
        Ok(header)
    }

    /// Goes on `bytes` further in; that there are so many is for [`Self::take`] to see.
    #[inline(always)]
    pub(crate) fn skip(&mut self, bytes: u32) {
        // The kernel's verifier must see a bound (`MAX_PACKET_OFF`, kernel/bpf/verifier.c).
        self.start += (bytes & 0x0fff) as usize;
    }

    /// The addresses, or why there are none: `NotIp` or `Truncated`.
    ///
    /// Every fragment has both addresses, and extension headers and options come after them, so
    /// neither is looked at.
    #[inline(always)]
    pub fn addresses(mut self) -> Result<Addresses, Reason> {
        let start = self.start;
        let protocol = self.network_protocol()?;
        let network = (self.start - start) as u32;
        self.network_header(protocol, network)
    }

    /// The addresses of a packet without an Ethernet header, which the kernel takes for one of
    /// ethertype `protocol`.
    #[inline(always)]
    pub fn addresses_of(mut self, protocol: u16) -> Result<Addresses, Reason> {
        self.network_header(protocol, 0)
    }

    #[inline(always)]
    fn network_header(&mut self, protocol: u16, network: u32) -> Result<Addresses, Reason> {
        match protocol {
            ethertype::IPV4 => self.ipv4(network),
            ethertype::IPV6 => self.ipv6(network),
            _ => Err(Reason::NotIp),
        }
    }

    /// The addresses of the IP header of `version` that starts `network` bytes in.
    #[inline(always)]
    pub fn addresses_at(mut self, version: Version, network: u32) -> Result<Addresses, Reason> {
        self.skip(network);
        match version {
            Version::V4 => self.ipv4(network),
            Version::V6 => self.ipv6(network),
        }
    }

    /// Who sent the frame by its Ethernet header; zeros if it has none.
    #[inline(always)]
    pub fn sender(mut self) -> Sender {
        let Ok(header) = self.take::<EthHdr>() else {
            return Sender::default();
        };
        let vlan = match is_tag(u16::from_be(header.ether_type)) {
            true => self.take::<VlanHdr>().map_or(0, |tag| tag.vid()),
            false => 0,
        };
        Sender {
            mac: header.src_addr,
            vlan,
        }
    }

    /// Walks Ethernet, tags and PPPoE session, and says which ethertype the rest is of.
    #[inline(always)]
    fn network_protocol(&mut self) -> Result<u16, Reason> {
        let mut protocol = u16::from_be(self.take::<EthHdr>()?.ether_type);
        for _ in 0..MAX_TAGS {
            if !is_tag(protocol) {
                break;
            }
            protocol = u16::from_be(self.take::<VlanHdr>()?.ether_type);
        }
        if protocol == ethertype::PPPOE_SESSION {
            return self.pppoe();
        }
        Ok(protocol)
    }

    /// Version 1, type 1, code 0 is session data (RFC 2516 §4); anything else is not for us.
    #[inline(always)]
    fn pppoe(&mut self) -> Result<u16, Reason> {
        let header = self.take::<PppoeSessionHdr>()?;
        if header.version_and_type != 0x11 || header.code != 0 {
            return Err(Reason::NotIp);
        }
        match u16::from_be_bytes(header.protocol) {
            ppp::IPV4 => Ok(ethertype::IPV4),
            ppp::IPV6 => Ok(ethertype::IPV6),
            _ => Err(Reason::NotIp),
        }
    }

    #[inline(always)]
    fn ipv4(&mut self, network: u32) -> Result<Addresses, Reason> {
        let header = self.take::<Ipv4Hdr>()?;
        if header.version() != 4 {
            return Err(Reason::NotIp);
        }
        Ok(Addresses {
            version: Version::V4,
            source: mapped(header.src_addr),
            destination: mapped(header.dst_addr),
            network,
        })
    }

    #[inline(always)]
    fn ipv6(&mut self, network: u32) -> Result<Addresses, Reason> {
        let header = self.take::<Ipv6Hdr>()?;
        if header.version() != 6 {
            return Err(Reason::NotIp);
        }
        Ok(Addresses {
            version: Version::V6,
            source: halves(header.src_addr),
            destination: halves(header.dst_addr),
            network,
        })
    }
}

#[inline(always)]
fn is_tag(protocol: u16) -> bool {
    matches!(
        protocol,
        ethertype::VLAN | ethertype::SERVICE_VLAN | ethertype::OLD_SERVICE_VLAN
    )
}

#[inline(always)]
fn mapped(address: [u8; 4]) -> Halves {
    (0, 0xffff_0000_0000 | u64::from(u32::from_be_bytes(address)))
}

#[inline(always)]
fn halves(address: [u8; 16]) -> Halves {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address;
    (
        u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        u64::from_be_bytes([i, j, k, l, m, n, o, p]),
    )
}
