//! Ports that are listed on their own. The layout is described in [`firewall_common::image::ports`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Result, ensure};
use firewall_common::{
    class::ClassId,
    image::ports::{MAX_PORTS, PortEntry, is_v6, service},
};
use ipnet::IpNet;

use super::{
    class::{ALLOWED, Numbering, PORTS, SetId, Sets},
    overlay::Classes,
    steps::Step,
};
use crate::{
    address::Address,
    ruleset::{self, Entry, Protocol},
    subject::{Port, Subject},
};

/// A port and the set of sources that name it, or all of its address.
#[derive(Clone, Copy, Debug)]
pub struct ListedPort {
    key: [u64; 3],
    /// Those sources.
    pub set: SetId,
}

impl ListedPort {
    /// The port, with its address.
    pub fn subject(&self) -> Subject {
        let [high, low, service] = self.key;
        let address: IpAddr = match is_v6(service) {
            true => Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into(),
            false => Ipv4Addr::from_bits(low as u32).into(),
        };
        let number = (service >> 16) as u8;
        let protocol = Protocol::ALL.into_iter().find(|it| *it as u8 == number);
        Subject {
            prefix: IpNet::from(address),
            port: Some(Port {
                number: service as u16,
                protocol,
            }),
        }
    }
}

/// `entries`, and for each address of `ports` one that says so to whom looks it up.
pub fn with_hosts<A: Address>(entries: &[Entry<A>], ports: &[ruleset::PortEntry]) -> Vec<Entry<A>> {
    let hosts = ports.iter().filter_map(|port| {
        Some(Entry {
            address: A::from_ip(port.address)?,
            length: A::BITS,
            source: PORTS,
        })
    });
    entries.iter().copied().chain(hosts).collect()
}

/// The set of sources of each port, in order of its key. A port of an address that is allowed,
/// protected or exempt is none.
pub fn sweep(
    ports: &[ruleset::PortEntry],
    v4: &[Step<u32, SetId>],
    v6: &[Step<u128, SetId>],
    sets: &mut Sets,
) -> Result<Vec<ListedPort>> {
    let mut listed: Vec<ListedPort> = Vec::new();
    let mut sorted: Vec<_> = ports
        .iter()
        .map(|port| (key(port.address, port.protocol, port.port), port))
        .collect();
    sorted.sort_unstable();
    for (key, port) in sorted {
        let around = match port.address {
            IpAddr::V4(address) => set_at(v4, address.to_bits()),
            IpAddr::V6(address) => set_at(v6, address.to_bits()),
        };
        if around == ALLOWED || sets.is_exempt(around) {
            continue;
        }
        match listed.last_mut().filter(|last| last.key == key) {
            Some(last) => last.set = sets.with(last.set, port.source),
            None => listed.push(ListedPort {
                key,
                set: sets.with(around, port.source),
            }),
        }
    }
    ensure!(
        listed.len() <= MAX_PORTS,
        "{} ports are listed on their own, more than {MAX_PORTS}; set ports = \"address\" for the \
         largest feed",
        listed.len()
    );
    Ok(listed)
}

/// The array of the image.
pub fn build(ports: &[ListedPort], numbering: &Numbering) -> Vec<PortEntry> {
    let entry = |port: &ListedPort| {
        let [high, low, service] = port.key;
        [high, low, service, numbering.class_of(port.set).into()]
    };
    ports.iter().map(entry).collect()
}

/// Ports of an image with other entries laid over their addresses.
pub fn lay_over(
    mut ports: Vec<PortEntry>,
    v4: &[Step<u32, SetId>],
    v6: &[Step<u128, SetId>],
    classes: &mut Classes,
) -> Vec<PortEntry> {
    ports.retain_mut(|[high, low, service, class]| {
        let over = match is_v6(*service) {
            true => set_at(v6, u128::from(*high) << 64 | u128::from(*low)),
            false => set_at(v4, *low as u32),
        };
        *class = classes.with(*class as ClassId, over).into();
        over != ALLOWED && !classes.sets.is_exempt(over)
    });
    ports
}

/// The words that make the key of a port.
pub fn key(address: IpAddr, protocol: Protocol, port: u16) -> [u64; 3] {
    match address {
        IpAddr::V4(address) => {
            let low = address.to_bits().into();
            [0, low, service(false, protocol as u8, port)]
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let (high, low) = ((bits >> 64) as u64, bits as u64);
            [high, low, service(true, protocol as u8, port)]
        }
    }
}

/// The set of the step that `address` is in.
fn set_at<A: Address>(steps: &[Step<A, SetId>], address: A) -> SetId {
    let after = steps.partition_point(|step| step.first <= address);
    steps[after - 1].value
}
