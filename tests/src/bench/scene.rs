//! A namespace with a pair of devices: what is sent from one arrives at the other, where a filter is.

use std::net::UdpSocket;

use anyhow::{Context, Result};
use tests::namespace::Namespace;

/// The device that packets are sent from.
const SENDER: &str = "bench0";

/// The device that a filter is on.
pub const FILTERED: &str = "bench1";

/// A namespace without a way out.
pub struct Scene {
    /// The namespace.
    pub namespace: Namespace,
    /// Takes what passes; nobody reads it, so it is soon full, and what comes then is dropped.
    _sink: UdpSocket,
}

impl Scene {
    /// Both devices up; every address is the namespace's own, so that what passes arrives.
    pub fn new(name: &str) -> Result<Self> {
        let namespace = Namespace::new(&format!("bench{}-{name}", std::process::id()))?;
        for device in ["all", "default"] {
            namespace.sysctl(&format!("net.ipv6.conf.{device}.disable_ipv6"), "1")?;
            namespace.sysctl(&format!("net.ipv4.conf.{device}.rp_filter"), "0")?;
            // Sources are everybody's addresses, and those are local here.
            namespace.sysctl(&format!("net.ipv4.conf.{device}.accept_local"), "1")?;
        }
        namespace.connect(SENDER, &namespace, FILTERED)?;
        // What the frames of the bench are addressed to.
        namespace.ip(&["link", "set", FILTERED, "address", "02:00:00:00:00:02"])?;
        namespace.ip(&["route", "add", "local", "0.0.0.0/0", "dev", "lo"])?;
        let sink = namespace
            .enter(|| UdpSocket::bind("0.0.0.0:53000"))?
            .context("cannot listen in a namespace of the bench")?;
        Ok(Self {
            namespace,
            _sink: sink,
        })
    }

    /// Makes the device take frames without an XDP program (`veth_xdp_xmit`, drivers/net/veth.c:
    /// without either there is nobody to take them).
    pub fn receive_without_program(&self) -> Result<()> {
        let arguments = ["-K", FILTERED, "gro", "on"];
        let done = self
            .namespace
            .enter(|| tests::namespace::command("ethtool", &arguments))?;
        done.map(|_| ())
    }

    /// Number of a device.
    fn index(&self, device: &str) -> Result<u32> {
        let text = self.namespace.ip(&["-j", "link", "show", "dev", device])?;
        let links: serde_json::Value = serde_json::from_str(&text)?;
        let index = links[0]["ifindex"].as_u64();
        Ok(index.with_context(|| format!("'ip link' tells no number of {device}"))? as u32)
    }

    /// Number of the device that packets are sent from.
    pub fn sender(&self) -> Result<u32> {
        self.index(SENDER)
    }

    /// Number of the device that a filter is on.
    pub fn filtered(&self) -> Result<u32> {
        self.index(FILTERED)
    }

    /// IPv4 packets that arrived so far (`InDelivers`, RFC 4293).
    pub fn arrived(&self) -> Result<u64> {
        let text = self
            .namespace
            .enter(|| std::fs::read_to_string("/proc/thread-self/net/snmp"))??;
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Ip: "));
        let (names, values) = (lines.next(), lines.next());
        let (names, values) = (names.unwrap_or_default(), values.unwrap_or_default());
        names
            .split(' ')
            .zip(values.split(' '))
            .find_map(|(name, value)| (name == "InDelivers").then(|| value.parse().ok())?)
            .context("/proc/net/snmp has no InDelivers")
    }
}
