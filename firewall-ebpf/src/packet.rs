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
    /// Likewise.
    pub const OLDER_SERVICE_VLAN: u16 = 0x9200;
    pub const PPPOE_SESSION: u16 = 0x8864;
}

/// PPP protocol numbers (IANA "PPP Numbers"), in host order.
mod ppp {
    pub const IPV4: u16 = 0x0021;
    pub const IPV6: u16 = 0x0057;
}

/// VLAN tags that are walked over. Networks use two; but the kernel takes off any number of tags without
/// a VLAN identifier (`__netif_receive_skb_core`, net/core/dev.c), so that what has more is no packet of
/// theirs.
pub const MAX_TAGS: usize = 8;

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

/// PPPoE session header (RFC 2516 §4).
#[derive(Clone, Copy)]
#[repr(C)]
struct PppoeSessionHdr {
    version_and_type: u8,
    code: u8,
    session: [u8; 2],
    length: [u8; 2],
}

/// A byte of a PPP protocol number.
#[derive(Clone, Copy)]
#[repr(C)]
struct PppByte(u8);

/// Where a packet's IP header is, and the ethertype that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Ethertype, in host order; anything but IPv4 and IPv6 is not IP.
    pub ethertype: u16,
    /// Bytes from the start of the packet.
    pub offset: u32,
}

impl Network {
    /// What a walk found, in one word that a global function of the kernel program can return.
    pub fn to_raw(found: Result<Self, Reason>) -> u64 {
        match found {
            Ok(Self { ethertype, offset }) => u64::from(ethertype) | u64::from(offset) << 16,
            Err(reason) => (reason as u64) << 48,
        }
    }

    /// What [`Self::to_raw`] made.
    #[inline(always)]
    pub fn from_raw(raw: u64) -> Result<Self, Reason> {
        match (raw >> 48) as u32 {
            0 => Ok(Self {
                ethertype: raw as u16,
                offset: (raw >> 16) as u32,
            }),
            reason => Err(Reason::from_raw(reason)),
        }
    }
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
unsafe impl Header for PppByte {}
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

    /// The addresses, or why there are none: `NotIp`, `Truncated` or `TooManyTags`.
    ///
    /// Every fragment has both addresses, and extension headers and options come after them, so
    /// neither is looked at.
    #[inline(always)]
    pub fn addresses(self) -> Result<Addresses, Reason> {
        self.addresses_with(|| self.network())
    }

    /// [`Self::addresses`], with the walk over tags and PPPoE passed in. Most packets have no more than one
    /// tag: the kernel program makes [`Self::network`] a function of its own, or the verifier would look
    /// at all that follows once for each number of tags.
    #[inline(always)]
    pub fn addresses_with(
        mut self,
        network: impl FnOnce() -> Result<Network, Reason>,
    ) -> Result<Addresses, Reason> {
        let whole = self;
        let mut ethertype = u16::from_be(self.take::<EthHdr>()?.ether_type);
        if is_tag(ethertype) {
            ethertype = u16::from_be(self.take::<VlanHdr>()?.ether_type);
        }
        if is_tag_or_session(ethertype) {
            let Network { ethertype, offset } = network()?;
            let mut behind = whole;
            behind.skip(offset);
            return behind.network_header(ethertype, offset);
        }
        let offset = (self.start - whole.start) as u32;
        self.network_header(ethertype, offset)
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

    /// Whether more than an Ethernet header precedes the IP header.
    #[inline(always)]
    pub fn has_tag_or_session(mut self) -> bool {
        match self.take::<EthHdr>() {
            Ok(header) => is_tag_or_session(u16::from_be(header.ether_type)),
            Err(_) => false,
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

    /// Walks Ethernet, tags and PPPoE session.
    #[inline(always)]
    pub fn network(mut self) -> Result<Network, Reason> {
        let start = self.start;
        let mut ethertype = u16::from_be(self.take::<EthHdr>()?.ether_type);
        for _ in 0..MAX_TAGS {
            if !is_tag(ethertype) {
                break;
            }
            ethertype = u16::from_be(self.take::<VlanHdr>()?.ether_type);
        }
        if is_tag(ethertype) {
            return Err(Reason::TooManyTags);
        }
        if ethertype == ethertype::PPPOE_SESSION {
            ethertype = self.pppoe()?;
        }
        let offset = (self.start - start) as u32;
        Ok(Network { ethertype, offset })
    }

    /// Ethertype of what a PPPoE session carries. The kernel looks at neither version, type nor code of
    /// a session's packet (`pppoe_rcv`, drivers/net/ppp/pppoe.c), and takes a protocol number of one byte,
    /// told by its lowest bit, whether or not the peers agreed on that (`ppp_input`,
    /// drivers/net/ppp/ppp_generic.c; RFC 1661 §6.5).
    #[inline(always)]
    fn pppoe(&mut self) -> Result<u16, Reason> {
        self.take::<PppoeSessionHdr>()?;
        let PppByte(mut first) = self.take()?;
        let mut second = first;
        match first & 1 {
            0 => PppByte(second) = self.take()?,
            _ => first = 0,
        }
        match u16::from_be_bytes([first, second]) {
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
        ethertype::VLAN
            | ethertype::SERVICE_VLAN
            | ethertype::OLD_SERVICE_VLAN
            | ethertype::OLDER_SERVICE_VLAN
    )
}

#[inline(always)]
fn is_tag_or_session(ethertype: u16) -> bool {
    is_tag(ethertype) || ethertype == ethertype::PPPOE_SESSION
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
