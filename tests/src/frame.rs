//! Builds Ethernet frames: header by header, as they are said.

use std::net::IpAddr;

use etherparse::{EtherType, IpFragOffset, IpNumber, Ipv4Header, Ipv6FragmentHeader, Ipv6Header};

/// MAC addresses of the frames that tests build; a device takes what is sent to its own.
pub const SENDER: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// A frame in the making: everything in front of the IP header.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Vec<u8>,
}

/// Ethernet up to the ethertype, to `destination`.
pub fn ethernet(destination: [u8; 6]) -> Frame {
    let mut bytes = destination.to_vec();
    bytes.extend_from_slice(&SENDER);
    Frame { bytes }
}

/// Nothing: what a device without an Ethernet header takes.
pub const fn bare() -> Frame {
    Frame { bytes: Vec::new() }
}

impl Frame {
    /// A VLAN tag of `protocol` (0x8100, 0x88a8, 0x9100).
    pub fn tag(mut self, protocol: u16, id: u16) -> Self {
        self.bytes.extend_from_slice(&protocol.to_be_bytes());
        self.bytes.extend_from_slice(&id.to_be_bytes());
        self
    }

    /// Any payload of any ethertype, which is a part of the Ethernet header.
    pub fn payload(mut self, ethertype: u16, payload: &[u8]) -> Vec<u8> {
        if !self.bytes.is_empty() {
            self.bytes.extend_from_slice(&ethertype.to_be_bytes());
        }
        self.bytes.extend_from_slice(payload);
        self.bytes
    }

    /// An IP packet, with the ethertype of its version.
    pub fn ip(self, packet: &[u8]) -> Vec<u8> {
        let ethertype = if packet[0] >> 4 == 4 {
            EtherType::IPV4
        } else {
            EtherType::IPV6
        };
        self.payload(ethertype.0, packet)
    }

    /// An IP packet in a PPPoE session (RFC 2516 §4).
    pub fn pppoe(self, packet: &[u8]) -> Vec<u8> {
        let protocol: u16 = if packet[0] >> 4 == 4 { 0x0021 } else { 0x0057 };
        let length = (packet.len() + 2) as u16;
        let mut session = vec![0x11, 0, 0, 1];
        session.extend_from_slice(&length.to_be_bytes());
        session.extend_from_slice(&protocol.to_be_bytes());
        session.extend_from_slice(packet);
        self.payload(0x8864, &session)
    }
}

/// A UDP packet, checksums right.
pub fn udp(source: IpAddr, destination: IpAddr, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    // Writing to a vector does not fail, and the payloads of tests are short.
    let written = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            etherparse::PacketBuilder::ipv4(source.octets(), destination.octets(), 64)
                .udp(40_000, 53_000)
                .write(&mut packet, payload)
        }
        (source, destination) => {
            etherparse::PacketBuilder::ipv6(octets6(source), octets6(destination), 64)
                .udp(40_000, 53_000)
                .write(&mut packet, payload)
        }
    };
    debug_assert!(written.is_ok());
    packet
}

/// The first segment of a TCP connection, with `payload` as its data.
pub fn tcp_syn(source: IpAddr, destination: IpAddr, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let written = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            etherparse::PacketBuilder::ipv4(source.octets(), destination.octets(), 64)
                .tcp(40_000, 443, 1, 64_240)
                .syn()
                .write(&mut packet, payload)
        }
        (source, destination) => {
            etherparse::PacketBuilder::ipv6(octets6(source), octets6(destination), 64)
                .tcp(40_000, 443, 1, 64_240)
                .syn()
                .write(&mut packet, payload)
        }
    };
    debug_assert!(written.is_ok());
    packet
}

/// A fragment that is not the first: addresses and no ports.
pub fn later_fragment(source: IpAddr, destination: IpAddr, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header = Ipv4Header {
                total_len: (Ipv4Header::MIN_LEN + payload.len()) as u16,
                time_to_live: 64,
                protocol: IpNumber::UDP,
                source: source.octets(),
                destination: destination.octets(),
                fragment_offset: fragment_offset(),
                ..Ipv4Header::default()
            };
            header.header_checksum = header.calc_header_checksum();
            packet.extend_from_slice(&header.to_bytes());
        }
        (source, destination) => {
            let fragment = Ipv6FragmentHeader::new(IpNumber::UDP, fragment_offset(), false, 7);
            let header = Ipv6Header {
                payload_length: (Ipv6FragmentHeader::LEN + payload.len()) as u16,
                next_header: IpNumber::IPV6_FRAGMENTATION_HEADER,
                hop_limit: 64,
                source: octets6(source),
                destination: octets6(destination),
                ..Ipv6Header::default()
            };
            packet.extend_from_slice(&header.to_bytes());
            packet.extend_from_slice(&fragment.to_bytes());
        }
    }
    packet.extend_from_slice(payload);
    packet
}

/// 800 bytes into the packet.
fn fragment_offset() -> IpFragOffset {
    IpFragOffset::try_new(100).unwrap_or(IpFragOffset::ZERO)
}

fn octets6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}
