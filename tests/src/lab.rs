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
    namespace::Namespace,
    tap::{Tap, mac},
};

/// Addresses of the inside hosts: IPv4 and IPv6 of each.
pub const HOSTS: [(&str, &str); 3] = [
    ("10.77.1.11", "fd77:1::11"),
    ("10.77.1.12", "fd77:1::12"),
    ("10.77.1.13", "fd77:1::13"),
];

/// The gateway's devices: towards the inside, towards the outside.
pub const GATEWAY_DEVICES: [&str; 2] = ["eth1", "eth0"];

/// Three joined namespaces.
#[derive(Debug)]
pub struct Lab {
    /// The inside hosts.
    pub inside: Namespace,
    /// The machine that the filter runs on.
    pub gateway: Namespace,
    /// Everybody else.
    pub outside: Namespace,
}

impl Lab {
    /// Builds a lab whose namespaces are called `prefix` and what they are.
    pub fn new(prefix: &str) -> Result<Self> {
        let lab = Self {
            inside: Namespace::new(&format!("{prefix}-inside"))?,
            gateway: Namespace::new(&format!("{prefix}-gateway"))?,
            outside: Namespace::new(&format!("{prefix}-outside"))?,
        };
        lab.inside.connect("in0", &lab.gateway, "eth1")?;
        lab.gateway.connect("eth0", &lab.outside, "out0")?;
        lab.address()?;
        lab.route()?;
        lab.introduce()?;
        lab.check_isolated()?;
        Ok(lab)
    }

    /// A lab with a name of its own, for a test.
    pub fn for_test() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self::new(&format!("fw{}-{number}", std::process::id()))
    }

    fn address(&self) -> Result<()> {
        for (v4, v6) in HOSTS {
            self.inside
                .ip(&["addr", "add", &format!("{v4}/24"), "dev", "in0"])?;
            self.inside
                .ip(&["addr", "add", &format!("{v6}/64"), "dev", "in0", "nodad"])?;
        }
        self.gateway
            .ip(&["addr", "add", "10.77.1.1/24", "dev", "eth1"])?;
        self.gateway
            .ip(&["addr", "add", "fd77:1::1/64", "dev", "eth1", "nodad"])?;
        self.gateway
            .ip(&["addr", "add", "10.77.2.1/24", "dev", "eth0"])?;
        self.gateway
            .ip(&["addr", "add", "fd77:2::1/64", "dev", "eth0", "nodad"])?;
        self.outside
            .ip(&["addr", "add", "10.77.2.2/24", "dev", "out0"])?;
        self.outside
            .ip(&["addr", "add", "fd77:2::2/64", "dev", "out0", "nodad"])?;
        Ok(())
    }

    fn route(&self) -> Result<()> {
        for (family, gateway) in [("-4", "10.77.1.1"), ("-6", "fd77:1::1")] {
            self.inside
                .ip(&[family, "route", "add", "default", "via", gateway])?;
        }
        for (family, gateway) in [("-4", "10.77.2.2"), ("-6", "fd77:2::2")] {
            self.gateway
                .ip(&[family, "route", "add", "default", "via", gateway])?;
        }
        for (family, inside, gateway) in [
            ("-4", "10.77.1.0/24", "10.77.2.1"),
            ("-6", "fd77:1::/64", "fd77:2::1"),
        ] {
            self.outside
                .ip(&[family, "route", "add", inside, "via", gateway])?;
        }
        // The outside is every address that is not inside, and answers for all of them. In the main
        // table, so that the more specific routes beside it come first.
        for (family, all) in [("-4", "0.0.0.0/0"), ("-6", "::/0")] {
            let route = ["route", "add", "local", all, "dev", "lo", "table", "main"];
            self.outside.ip(&[&[family], route.as_slice()].concat())?;
        }
        self.gateway.sysctl("net.ipv4.ip_forward", "1")?;
        self.gateway.sysctl("net.ipv6.conf.all.forwarding", "1")?;
        for device in GATEWAY_DEVICES {
            // Sources from everywhere are the point here.
            self.gateway
                .sysctl(&format!("net.ipv4.conf.{device}.rp_filter"), "0")?;
        }
        self.gateway.sysctl("net.ipv4.conf.all.rp_filter", "0")
    }

    /// Neighbours know each other from the start: while they resolve one another the kernel holds
    /// back a few packets and loses the others, which would be taken for a verdict.
    fn introduce(&self) -> Result<()> {
        let (towards_inside, towards_outside) = self.gateway_macs()?;
        let inside = mac(&self.inside, "in0")?;
        let outside = mac(&self.outside, "out0")?;
        let mut known = vec![
            (&self.inside, "in0", "10.77.1.1", towards_inside),
            (&self.inside, "in0", "fd77:1::1", towards_inside),
            (&self.outside, "out0", "10.77.2.1", towards_outside),
            (&self.outside, "out0", "fd77:2::1", towards_outside),
            (&self.gateway, "eth0", "10.77.2.2", outside),
            (&self.gateway, "eth0", "fd77:2::2", outside),
        ];
        for (v4, v6) in HOSTS {
            known.push((&self.gateway, "eth1", v4, inside));
            known.push((&self.gateway, "eth1", v6, inside));
        }
        for (namespace, device, address, mac) in known {
            let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
            namespace.ip(&["neigh", "replace", address, "lladdr", &mac, "dev", device])?;
        }
        Ok(())
    }

    /// Refuses to go on unless every device is loopback or one of our own pairs: addresses of real
    /// servers are sent to in here, and nothing may leave.
    pub fn check_isolated(&self) -> Result<()> {
        for (namespace, expected) in [
            (&self.inside, vec!["in0", "lo"]),
            (&self.gateway, vec!["eth0", "eth1", "lo"]),
            (&self.outside, vec!["lo", "out0"]),
        ] {
            let links: serde_json::Value = serde_json::from_str(&namespace.ip(&["-j", "link"])?)?;
            let mut names: Vec<&str> = links
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|link| link["ifname"].as_str())
                .collect();
            names.sort_unstable();
            ensure!(
                names == expected,
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
        Tap::open(&self.inside, "in0")
    }

    /// A tap at the outside.
    pub fn outside_tap(&self) -> Result<Tap> {
        Tap::open(&self.outside, "out0")
    }

    /// The gateway's MAC addresses: towards the inside, towards the outside.
    pub fn gateway_macs(&self) -> Result<([u8; 6], [u8; 6])> {
        Ok((mac(&self.gateway, "eth1")?, mac(&self.gateway, "eth0")?))
    }
}
