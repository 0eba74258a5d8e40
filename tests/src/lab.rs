//! The three networks: inside hosts, the gateway, and an outside that answers for every address.
//!
//! ```text
//!  inside 10.77.1.0/24, fd77:1::/64      gateway       outside 10.77.2.0/24, fd77:2::/64
//!  hosts .11 .12 .13  in0 ──────────── eth1   eth0 ──────────── out0   the whole internet
//! ```
//! Nothing leads out of it: real addresses of real servers are sent to in here.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, ensure};

use crate::{
    cards,
    frame::{Frame, bare, ethernet},
    namespace::Namespace,
    probe::Way,
    tap::{Tap, ethernet_address, mac},
};

/// Addresses of the inside hosts: IPv4 and IPv6 of each.
pub const HOSTS: [(&str, &str); 3] = [
    ("10.77.1.11", "fd77:1::11"),
    ("10.77.1.12", "fd77:1::12"),
    ("10.77.1.13", "fd77:1::13"),
];

/// The gateway's devices: towards the inside, towards the outside.
pub const GATEWAY_DEVICES: [&str; 2] = ["eth1", "eth0"];

/// The devices that carry the addresses, from the inside hosts to the outside. There may be others below
/// them.
#[derive(Clone, Copy, Debug)]
pub struct Devices {
    /// Of the inside hosts.
    pub inside: &'static str,
    /// Of the gateway, towards the inside.
    pub towards_inside: &'static str,
    /// Of the gateway, towards the outside.
    pub towards_outside: &'static str,
    /// Of the outside.
    pub outside: &'static str,
}

/// The devices at the ends of the two wires.
pub const WIRES: Devices = Devices {
    inside: "in0",
    towards_inside: GATEWAY_DEVICES[0],
    towards_outside: GATEWAY_DEVICES[1],
    outside: "out0",
};

/// A second wire between the inside hosts and the gateway, where something made one: its ends.
pub const SECOND_WIRE: [&str; 2] = ["in1", "eth2"];

/// Three joined namespaces.
#[derive(Debug)]
pub struct Lab {
    /// The inside hosts.
    pub inside: Namespace,
    /// The machine that the filter runs on.
    pub gateway: Namespace,
    /// Everybody else.
    pub outside: Namespace,
    devices: Devices,
}

impl Lab {
    /// Builds a lab whose namespaces are called `prefix` and what they are.
    pub fn new(prefix: &str) -> Result<Self> {
        Self::over(prefix, |_| Ok(WIRES))
    }

    /// One whose addresses are on the devices that `stack` makes on top of the wires, or the like.
    pub fn over(prefix: &str, stack: impl FnOnce(&Self) -> Result<Devices>) -> Result<Self> {
        let lab = Self::unwired(prefix)?;
        lab.inside.connect("in0", &lab.gateway, "eth1")?;
        lab.gateway.connect("eth0", &lab.outside, "out0")?;
        lab.set_up(stack)
    }

    fn unwired(prefix: &str) -> Result<Self> {
        Ok(Self {
            inside: Namespace::new(&format!("{prefix}-inside"))?,
            gateway: Namespace::new(&format!("{prefix}-gateway"))?,
            outside: Namespace::new(&format!("{prefix}-outside"))?,
            devices: WIRES,
        })
    }

    fn set_up(mut self, stack: impl FnOnce(&Self) -> Result<Devices>) -> Result<Self> {
        self.devices = stack(&self)?;
        self.settle()?;
        self.check_isolated()?;
        Ok(self)
    }

    /// Gives all devices their addresses, routes and neighbours; those again that went with a device that was
    /// down or gone.
    pub fn settle(&self) -> Result<()> {
        self.address()?;
        self.route()?;
        self.introduce()
    }

    /// A lab with a name of its own, for a test.
    pub fn for_test() -> Result<Self> {
        Self::for_test_over(|_| Ok(WIRES))
    }

    /// The same over what `stack` makes, as [`Self::over`] has it.
    pub fn for_test_over(stack: impl FnOnce(&Self) -> Result<Devices>) -> Result<Self> {
        Self::over(&test_prefix(), stack)
    }

    /// The same whose wires are the network cards of a guest, two and two joined outside of it.
    pub fn of_cards(stack: impl FnOnce(&Self) -> Result<Devices>) -> Result<Self> {
        let lab = Self::unwired(&test_prefix())?;
        let Devices {
            inside,
            towards_inside,
            towards_outside,
            outside,
        } = WIRES;
        let places = [
            (&lab.inside, inside),
            (&lab.gateway, towards_inside),
            (&lab.gateway, towards_outside),
            (&lab.outside, outside),
        ];
        for (number, (namespace, name)) in places.into_iter().enumerate() {
            cards::take(number, namespace, name)?;
        }
        lab.set_up(stack)
    }

    fn address(&self) -> Result<()> {
        let Devices {
            inside,
            towards_inside,
            towards_outside,
            outside,
        } = self.devices;
        let mut addresses = vec![
            (
                &self.gateway,
                towards_inside,
                "10.77.1.1/24",
                "fd77:1::1/64",
            ),
            (
                &self.gateway,
                towards_outside,
                "10.77.2.1/24",
                "fd77:2::1/64",
            ),
            (&self.outside, outside, "10.77.2.2/24", "fd77:2::2/64"),
        ];
        let hosts = HOSTS.map(|(v4, v6)| (format!("{v4}/24"), format!("{v6}/64")));
        addresses.extend(
            hosts
                .iter()
                .map(|(v4, v6)| (&self.inside, inside, &v4[..], &v6[..])),
        );
        for (namespace, device, v4, v6) in addresses {
            namespace.ip(&["addr", "replace", v4, "dev", device])?;
            namespace.ip(&["addr", "replace", v6, "dev", device, "nodad"])?;
        }
        Ok(())
    }

    fn route(&self) -> Result<()> {
        for (family, gateway) in [("-4", "10.77.1.1"), ("-6", "fd77:1::1")] {
            self.inside
                .ip(&[family, "route", "replace", "default", "via", gateway])?;
        }
        for (family, gateway) in [("-4", "10.77.2.2"), ("-6", "fd77:2::2")] {
            self.gateway
                .ip(&[family, "route", "replace", "default", "via", gateway])?;
        }
        for (family, inside, gateway) in [
            ("-4", "10.77.1.0/24", "10.77.2.1"),
            ("-6", "fd77:1::/64", "fd77:2::1"),
        ] {
            self.outside
                .ip(&[family, "route", "replace", inside, "via", gateway])?;
        }
        // The outside is every address that is not inside, and answers for all of them. In the main
        // table, so that the more specific routes beside it come first.
        for (family, all) in [("-4", "0.0.0.0/0"), ("-6", "::/0")] {
            let route = [
                "route", "replace", "local", all, "dev", "lo", "table", "main",
            ];
            self.outside.ip(&[&[family], route.as_slice()].concat())?;
        }
        self.gateway.sysctl("net.ipv4.ip_forward", "1")?;
        self.gateway.sysctl("net.ipv6.conf.all.forwarding", "1")?;
        for device in [self.devices.towards_inside, self.devices.towards_outside] {
            // Sources from everywhere are the point here.
            self.gateway
                .sysctl(&format!("net.ipv4.conf.{device}.rp_filter"), "0")?;
        }
        self.gateway.sysctl("net.ipv4.conf.all.rp_filter", "0")
    }

    /// Neighbours know each other from the start: while they resolve one another the kernel holds
    /// back a few packets and loses the others, which would be taken for a verdict.
    fn introduce(&self) -> Result<()> {
        let on = self.devices;
        let towards_inside = ethernet_address(&self.gateway, on.towards_inside)?;
        let towards_outside = ethernet_address(&self.gateway, on.towards_outside)?;
        let inside = ethernet_address(&self.inside, on.inside)?;
        let outside = ethernet_address(&self.outside, on.outside)?;
        let mut known = vec![
            (&self.inside, on.inside, "10.77.1.1", towards_inside),
            (&self.inside, on.inside, "fd77:1::1", towards_inside),
            (&self.outside, on.outside, "10.77.2.1", towards_outside),
            (&self.outside, on.outside, "fd77:2::1", towards_outside),
            (&self.gateway, on.towards_outside, "10.77.2.2", outside),
            (&self.gateway, on.towards_outside, "fd77:2::2", outside),
        ];
        for (v4, v6) in HOSTS {
            known.push((&self.gateway, on.towards_inside, v4, inside));
            known.push((&self.gateway, on.towards_inside, v6, inside));
        }
        // A device without an Ethernet header has no neighbours.
        let known = known.into_iter();
        let known = known.filter_map(|(on, device, ip, mac)| Some((on, device, ip, mac?)));
        for (namespace, device, address, mac) in known {
            let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
            namespace.ip(&["neigh", "replace", address, "lladdr", &mac, "dev", device])?;
        }
        Ok(())
    }

    /// Refuses to go on unless every device is loopback, one of our own pairs, or on top of one: addresses
    /// of real servers are sent to in here, and nothing may leave.
    pub fn check_isolated(&self) -> Result<()> {
        let [second_inside, second_outside] = SECOND_WIRE;
        for (namespace, own) in [
            (&self.inside, &["in0", "lo", second_inside][..]),
            (&self.gateway, &["eth0", "eth1", "lo", second_outside]),
            (&self.outside, &["lo", "out0"]),
        ] {
            let names = bottom_devices(namespace)?;
            ensure!(
                names.iter().all(|name| own.contains(&&name[..])),
                "the lab is not closed: {} has the devices {names:?}",
                namespace.name()
            );
        }
        Ok(())
    }

    /// Leaves everything behind, for a person to play with.
    pub fn keep(&mut self) {
        for namespace in [&mut self.inside, &mut self.gateway, &mut self.outside] {
            namespace.keep();
        }
    }

    /// A tap at the inside hosts.
    pub fn inside_tap(&self) -> Result<Tap> {
        Tap::open(&self.inside, self.devices.inside)
    }

    /// A tap at the outside.
    pub fn outside_tap(&self) -> Result<Tap> {
        Tap::open(&self.outside, self.devices.outside)
    }

    /// What a frame to the gateway begins with that goes this way.
    pub fn front(&self, way: Way) -> Result<Frame> {
        let device = match way {
            Way::Out => self.devices.towards_inside,
            Way::In => self.devices.towards_outside,
        };
        let address = ethernet_address(&self.gateway, device)?;
        Ok(address.map_or_else(bare, ethernet))
    }

    /// The gateway's MAC addresses: towards the inside, towards the outside.
    pub fn gateway_macs(&self) -> Result<([u8; 6], [u8; 6])> {
        Ok((
            mac(&self.gateway, self.devices.towards_inside)?,
            mac(&self.gateway, self.devices.towards_outside)?,
        ))
    }
}

/// The kinds of [`bottom_devices`]' opposite: they lead where another device or a route does.
const ON_TOP: [&str; 7] = [
    "bond",
    "bridge",
    "sit",
    "macvlan",
    "vlan",
    "vxlan",
    "wireguard",
];

/// A name for the namespaces of one test.
fn test_prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("fw{}-{number}", std::process::id())
}

/// Names of the devices that are on top of no other one of the same namespace.
fn bottom_devices(namespace: &Namespace) -> Result<Vec<String>> {
    let links: serde_json::Value = serde_json::from_str(&namespace.ip(&["-j", "-d", "link"])?)?;
    let links = links.as_array().into_iter().flatten();
    // A pair has its other end in another namespace.
    let kind = |link: &serde_json::Value| link["linkinfo"]["info_kind"].as_str().map(str::to_owned);
    let is_on_top = |kind: String| ON_TOP.contains(&&*kind);
    let bottom = links.filter(|link| !kind(link).is_some_and(is_on_top));
    let names = bottom.filter_map(|link| link["ifname"].as_str());
    Ok(names.map(str::to_owned).collect())
}
