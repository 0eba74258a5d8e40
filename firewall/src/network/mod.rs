//! What the machine's network looks like: devices, addresses, gateways. Read over netlink, since
//! `/sys/class/net` shows the namespace that sysfs was mounted in and not the one we are in.

mod read;
mod select;

use std::net::IpAddr;

use anyhow::{Context, Result, anyhow};
use firewall_common::ledger::Role;
use ipnet::IpNet;

pub use read::watch;

/// What the packets of a device start with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkLayer {
    /// An Ethernet header.
    Ethernet,
    /// The IP header: WireGuard, PPP, tunnels, modems.
    Ip,
    /// Something else.
    #[default]
    Other,
}

/// A network device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Index, the kernel's own number.
    pub index: u32,
    /// Name.
    pub name: String,
    /// What its packets start with.
    pub link_layer: LinkLayer,
    /// Administratively up.
    pub up: bool,
    /// What made it (`vlan`, `bridge`, `veth`, …); empty for a physical port.
    pub kind: String,
    /// The device beneath it, for VLAN, macvlan and the like.
    pub lower: Option<u32>,
    /// The bridge or bond it is a port of.
    pub controller: Option<u32>,
    /// Its addresses with the connected prefix.
    pub addresses: Vec<IpNet>,
    /// The XDP program it runs.
    pub xdp: Option<Xdp>,
}

/// An XDP program on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xdp {
    /// Kernel's number of the program.
    pub program: u32,
    /// In the driver, or behind it.
    pub native: bool,
}

/// Devices and default routes of the network namespace we are in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// All devices.
    pub devices: Vec<Device>,
    /// Next hops of the default routes of all tables.
    pub gateways: Vec<IpAddr>,
    /// Indexes of the devices that carry a default route.
    pub default_route_devices: Vec<u32>,
}

impl Network {
    /// Asks the kernel.
    pub fn read() -> Result<Self> {
        read::network()
    }

    /// The networks that its addresses are in, and so those addresses themselves.
    pub fn connected(&self) -> Vec<IpNet> {
        let devices = self.devices.iter();
        let addresses = devices.flat_map(|device| &device.addresses);
        addresses.map(IpNet::trunc).collect()
    }

    /// The device of that name.
    pub fn device(&self, name: &str) -> Option<&Device> {
        self.devices.iter().find(|device| device.name == name)
    }

    /// The device that a filter can be attached to under this name, or why it cannot.
    pub fn attachable(&self, name: &str) -> Result<&Device> {
        let device = self
            .device(name)
            .with_context(|| format!("there is no interface {name}; 'ip link' lists them"))?;
        match device.link_layer {
            LinkLayer::Ethernet | LinkLayer::Ip => Ok(device),
            LinkLayer::Other => Err(anyhow!(
                "the packets of {name} start with neither an Ethernet nor an IP header, so they \
                 cannot be judged there; attach to the port that carries the traffic instead"
            )),
        }
    }

    fn by_index(&self, index: Option<u32>) -> Option<&Device> {
        self.devices
            .iter()
            .find(|device| Some(device.index) == index)
    }

    /// Where an interface looks to: outside if the configuration says so, or if the interface or a
    /// device stacked on it carries a default route; else inside. Unknown where no interface of
    /// `attached` looks outside.
    pub fn role(&self, name: &str, attached: &[String], outside: &[String]) -> Role {
        let is_outside = |name: &str| {
            outside.iter().any(|other| other == name)
                || (outside.is_empty() && self.carries_default_route(name))
        };
        if !attached.iter().any(|name| is_outside(name)) || attached.len() == 1 {
            return Role::Unknown;
        }
        if is_outside(name) {
            Role::Outside
        } else {
            Role::Inside
        }
    }

    fn carries_default_route(&self, name: &str) -> bool {
        let Some(device) = self.device(name) else {
            return false;
        };
        self.default_route_devices.contains(&device.index)
            || self
                .stacked_on(device.index)
                .any(|upper| self.carries_default_route(&upper.name))
    }

    fn stacked_on(&self, index: u32) -> impl Iterator<Item = &Device> {
        let controller = self
            .by_index(Some(index))
            .and_then(|device| device.controller);
        self.devices
            .iter()
            .filter(move |upper| upper.lower == Some(index) || Some(upper.index) == controller)
    }
}

/// Kernel's number of the XDP program on a device, whoever put it there.
pub fn attached_program(index: u32) -> Option<u32> {
    let network = Network::read().ok()?;
    Some(network.by_index(Some(index))?.xdp?.program)
}
