//! Rulesets for tests, and what a packet should come to under them by the host's own reading.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use firewall::{
    image::Image,
    ruleset::{PortEntry, Protocol, Ruleset, SourceId, Wish},
};
use firewall_common::reason::Reason;
use firewall_ebpf::{
    filter::{Decision, decide},
    packet::{Addresses, Halves, Packet},
    transport::Transport,
};
use ipnet::IpNet;

/// A ruleset of (source, what it wishes, prefix). `address:port` stands for that port, TCP and UDP.
///
/// # Panics
/// A prefix is none.
#[expect(
    clippy::unwrap_used,
    reason = "a table with a bad prefix is a failed test"
)]
pub fn ruleset(entries: &[(&str, Wish, &str)]) -> Ruleset {
    let mut ruleset = Ruleset::default();
    for &(name, wish, prefix) in entries {
        let source = ruleset.source(name, wish).unwrap();
        match prefix.parse::<SocketAddr>() {
            Ok(host) => ruleset.ports.extend(both_protocols(host, source)),
            Err(_) => ruleset.push(prefix.parse::<IpNet>().unwrap().into(), source),
        }
    }
    ruleset
}

fn both_protocols(host: SocketAddr, source: SourceId) -> impl Iterator<Item = PortEntry> {
    Protocol::ALL.into_iter().map(move |protocol| PortEntry {
        address: host.ip(),
        protocol,
        port: host.port(),
        source,
    })
}

/// What the kernel's own parser finds beyond the addresses of a frame that has `addresses`.
pub fn transport(frame: &[u8], addresses: &Addresses) -> Transport {
    Packet::from(frame).transport(addresses.version, addresses.network)
}

/// Source and destination of a frame as the kernel's own parser finds them, or why there are none.
pub fn addresses(frame: &[u8]) -> Result<Addresses, Reason> {
    Packet::from(frame).addresses()
}

/// The kernel's own decision about a frame, made by the host.
pub fn decide_on_host(image: &Image, frame: &[u8]) -> Result<Decision, Reason> {
    let addresses = addresses(frame)?;
    Ok(decide(image, &addresses, || transport(frame, &addresses)))
}

/// The reason for what happens to a frame, found by the host.
pub fn reason_on_host(image: &Image, frame: &[u8]) -> Reason {
    decide_on_host(image, frame).map_or_else(|reason| reason, |decision| decision.reason)
}

/// An address that the parser found; a mapped one is an IPv4 address.
pub fn ip((high, low): Halves, version: firewall_ebpf::packet::Version) -> IpAddr {
    match version {
        firewall_ebpf::packet::Version::V4 => Ipv4Addr::from_bits(low as u32).into(),
        firewall_ebpf::packet::Version::V6 => {
            Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into()
        }
    }
}
