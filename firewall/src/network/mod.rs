//! What the machine's network looks like: devices, addresses, gateways. Read over netlink, since
//! `/sys/class/net` shows the namespace that sysfs was mounted in and not the one we are in.

mod pppoe;
mod read;
mod roles;
mod select;
mod stack;

use std::net::IpAddr;

use anyhow::{Context, Result, anyhow};
use ipnet::IpNet;

pub use read::watch;
pub use roles::Asked;
pub use stack::Hindrance;

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
    /// Frames that it received since it is there.
    pub received: u64,
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
    /// Names of the devices that carry a PPPoE session of the kernel.
    pub pppoe_carriers: Vec<String>,
}

impl Network {
    /// Asks the kernel.
    pub fn read() -> Result<Self> {
        read::network()
    }

    /// Asks the kernel for devices alone, without addresses and routes: routes may be a million.
    pub fn read_devices() -> Result<Self> {
        Ok(Self {
            devices: read::devices()?,
            ..Self::default()
        })
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
}
