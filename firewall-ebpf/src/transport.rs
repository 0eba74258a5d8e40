//! What a packet shows beyond its addresses: protocol, ports, and whether it opens something.
//!
//! Only first fragments show it. IPv6 extension headers are walked over, so many and no more: what
//! comes behind them is hidden, and `filter` takes that for the worst that it may be.

use crate::packet::{Header, Packet, Version};

/// Protocol numbers (IANA "Protocol Numbers").
mod protocol {
    pub const HOP_BY_HOP: u8 = 0;
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const AUTHENTICATION: u8 = 51;
    pub const ICMPV6: u8 = 58;
    pub const DESTINATION_OPTIONS: u8 = 60;
    pub const MOBILITY: u8 = 135;
    pub const HIP: u8 = 139;
    pub const SHIM6: u8 = 140;
}

/// IPv6 extension headers that are walked over. A packet with more is no packet of this internet
/// (RFC 9098 §6: most networks drop far fewer).
const MAX_EXTENSIONS: usize = 6;

/// Types of ICMP (RFC 792) and ICMPv6 (RFC 4443 §4.1) echo requests.
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;

/// Flags in the fourteenth byte of a TCP header (RFC 9293 §3.1).
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// Where a packet stands in a conversation, as far as it shows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// The transport header is not where it belongs, or not within reach: nobody honest hides it.
    Hidden = 0,
    /// TCP SYN without ACK, ICMP echo request.
    Opening = 1,
    /// TCP SYN with ACK: answers an opening.
    Accepting = 2,
    /// Any other TCP or ICMP packet.
    Later = 3,
    /// The protocol does not say.
    Connectionless = 4,
    /// A later fragment: it has no transport header.
    Fragment = 5,
}

impl Stage {
    const fn from_raw(raw: u8) -> Self {
        match raw {
            1 => Self::Opening,
            2 => Self::Accepting,
            3 => Self::Later,
            4 => Self::Connectionless,
            5 => Self::Fragment,
            _ => Self::Hidden,
        }
    }
}

/// What a packet shows beyond its addresses. Ports are 0 where the protocol has none or they are
/// not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// Protocol number after extension headers.
    pub protocol: u8,
    /// Where it stands in a conversation.
    pub stage: Stage,
    /// Port of the sender.
    pub source: u16,
    /// Port of the receiver.
    pub destination: u16,
}

impl Transport {
    /// Of a packet whose transport header is not seen.
    const fn unseen(protocol: u8) -> Self {
        Self {
            protocol,
            stage: Stage::Hidden,
            source: 0,
            destination: 0,
        }
    }

    /// Of a later fragment, so many units of 8 bytes behind the first. One of TCP that begins with the
    /// second unit is none that any host makes: it would bring the flags, which a first fragment of 8 bytes
    /// leaves out (RFC 3128).
    #[inline(always)]
    const fn fragment(protocol: u8, units: u16) -> Self {
        let stage = match (protocol, units) {
            (protocol::TCP, 1) => Stage::Hidden,
            _ => Stage::Fragment,
        };
        Self {
            stage,
            ..Self::unseen(protocol)
        }
    }

    /// Whether the packet shows no ports, though its protocol may have some.
    #[inline(always)]
    pub const fn hides_ports(self) -> bool {
        matches!(self.stage, Stage::Hidden | Stage::Fragment) && self.source | self.destination == 0
    }

    /// All of it in one word, which a global function of the kernel program can return.
    pub const fn to_raw(self) -> u64 {
        self.source as u64
            | (self.destination as u64) << 16
            | (self.protocol as u64) << 32
            | (self.stage as u64) << 40
    }

    /// What [`Self::to_raw`] made.
    pub const fn from_raw(raw: u64) -> Self {
        Self {
            protocol: (raw >> 32) as u8,
            stage: Stage::from_raw((raw >> 40) as u8),
            source: raw as u16,
            destination: (raw >> 16) as u16,
        }
    }
}

/// The part of an IPv4 header that says what follows it (RFC 791 §3.1).
#[derive(Clone, Copy)]
#[repr(C)]
struct Ipv4Start {
    version_and_length: u8,
    service: u8,
    total_length: [u8; 2],
    identification: [u8; 2],
    fragment: [u8; 2],
    time_to_live: u8,
    protocol: u8,
}

/// The part of an IPv6 header that says what follows it (RFC 8200 §3).
#[derive(Clone, Copy)]
#[repr(C)]
struct Ipv6Start {
    version_and_flow: [u8; 4],
    payload_length: [u8; 2],
    next: u8,
    hop_limit: u8,
}

/// The first eight bytes of an extension header (RFC 8200 §4); all have at least these.
#[derive(Clone, Copy)]
#[repr(C)]
struct Extension {
    next: u8,
    length: u8,
    /// Of a fragment header: offset in eights, two reserved bits, more fragments (§4.5).
    fragment: [u8; 2],
    rest: [u8; 4],
}

/// Ports, at the start of a TCP (RFC 9293 §3.1) or UDP (RFC 768) header.
#[derive(Clone, Copy)]
#[repr(C)]
struct PortsHdr {
    source: [u8; 2],
    destination: [u8; 2],
}

/// What follows the ports of a TCP header, up to the flags.
#[derive(Clone, Copy)]
#[repr(C)]
struct TcpRest {
    sequence: [u8; 4],
    acknowledgment: [u8; 4],
    offset: u8,
    flags: u8,
}

/// The start of an ICMP (RFC 792) or ICMPv6 (RFC 4443 §2.1) message.
#[derive(Clone, Copy)]
#[repr(C)]
struct IcmpStart {
    kind: u8,
    code: u8,
    checksum: [u8; 2],
}

// SAFETY: integers and byte arrays, `repr(C)`.
unsafe impl Header for Ipv4Start {}
// SAFETY: as above.
unsafe impl Header for Ipv6Start {}
// SAFETY: as above.
unsafe impl Header for Extension {}
// SAFETY: as above.
unsafe impl Header for PortsHdr {}
// SAFETY: as above.
unsafe impl Header for TcpRest {}
// SAFETY: as above.
unsafe impl Header for IcmpStart {}

impl Packet<'_> {
    /// What the packet shows beyond its addresses, its IP header of `version` being `network` bytes
    /// in.
    #[inline(always)]
    pub fn transport(mut self, version: Version, network: u32) -> Transport {
        self.skip(network);
        match version {
            Version::V4 => self.transport4(),
            Version::V6 => self.transport6(),
        }
    }

    #[inline(always)]
    fn transport4(mut self) -> Transport {
        let mut after = self;
        let Ok(header) = self.take::<Ipv4Start>() else {
            return Transport::unseen(0);
        };
        let offset = u16::from_be_bytes(header.fragment) & 0x1fff;
        let length = u32::from(header.version_and_length & 0xf) << 2;
        if offset != 0 {
            return Transport::fragment(header.protocol, offset);
        }
        if length < 20 {
            return Transport::unseen(header.protocol);
        }
        after.skip(length);
        after.message(header.protocol)
    }

    #[inline(always)]
    fn transport6(mut self) -> Transport {
        let mut after = self;
        let Ok(header) = self.take::<Ipv6Start>() else {
            return Transport::unseen(0);
        };
        after.skip(40);
        let mut next = header.next;
        for _ in 0..MAX_EXTENSIONS {
            if !is_extension(next) {
                break;
            }
            let mut inside = after;
            let Ok(extension) = inside.take::<Extension>() else {
                return Transport::unseen(next);
            };
            let offset = u16::from_be_bytes(extension.fragment) >> 3;
            if next == protocol::FRAGMENT && offset != 0 {
                return Transport::fragment(extension.next, offset);
            }
            after.skip(extension_bytes(next, extension.length));
            next = extension.next;
        }
        match is_extension(next) {
            true => Transport::unseen(next),
            false => after.message(next),
        }
    }

    /// Reads the start of a transport header.
    #[inline(always)]
    fn message(self, protocol: u8) -> Transport {
        match protocol {
            protocol::TCP | protocol::UDP => self.with_ports(protocol),
            protocol::ICMP => self.icmp(protocol, ECHO_REQUEST),
            protocol::ICMPV6 => self.icmp(protocol, ECHO_REQUEST_V6),
            _ => Transport {
                stage: Stage::Connectionless,
                ..Transport::unseen(protocol)
            },
        }
    }

    #[inline(always)]
    fn with_ports(mut self, protocol: u8) -> Transport {
        let Ok(ports) = self.take::<PortsHdr>() else {
            return Transport::unseen(protocol);
        };
        let stage = match protocol {
            protocol::TCP => self.tcp_stage(),
            _ => Stage::Connectionless,
        };
        Transport {
            protocol,
            stage,
            source: u16::from_be_bytes(ports.source),
            destination: u16::from_be_bytes(ports.destination),
        }
    }

    /// A first fragment too small for the flags hides what it opens (RFC 1858 §3).
    #[inline(always)]
    fn tcp_stage(mut self) -> Stage {
        let Ok(rest) = self.take::<TcpRest>() else {
            return Stage::Hidden;
        };
        match rest.flags & (SYN | ACK) {
            SYN => Stage::Opening,
            ACK => Stage::Later,
            0 => Stage::Later,
            _ => Stage::Accepting,
        }
    }

    #[inline(always)]
    fn icmp(mut self, protocol: u8, echo_request: u8) -> Transport {
        let Ok(header) = self.take::<IcmpStart>() else {
            return Transport::unseen(protocol);
        };
        Transport {
            stage: match header.kind == echo_request {
                true => Stage::Opening,
                false => Stage::Later,
            },
            ..Transport::unseen(protocol)
        }
    }
}

#[inline(always)]
fn is_extension(next: u8) -> bool {
    matches!(
        next,
        protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::FRAGMENT
            | protocol::AUTHENTICATION
            | protocol::DESTINATION_OPTIONS
            | protocol::MOBILITY
            | protocol::HIP
            | protocol::SHIM6
    )
}

/// Bytes of an extension header with this length field (RFC 8200 §4; RFC 4302 §2.2 for AH).
#[inline(always)]
fn extension_bytes(next: u8, length: u8) -> u32 {
    let length = u32::from(length);
    match next {
        protocol::FRAGMENT => 8,
        protocol::AUTHENTICATION => (length + 2) << 2,
        _ => (length + 1) << 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_holds_all_of_it() {
        for stage in [
            Stage::Hidden,
            Stage::Opening,
            Stage::Accepting,
            Stage::Later,
            Stage::Connectionless,
            Stage::Fragment,
        ] {
            let transport = Transport {
                protocol: 254,
                stage,
                source: 65_535,
                destination: 4_444,
            };
            assert_eq!(Transport::from_raw(transport.to_raw()), transport);
        }
    }
}
