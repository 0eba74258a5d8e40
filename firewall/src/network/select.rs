//! Which interfaces to attach to when nobody says: pure, a table in its test.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Device, LinkLayer, Network};

/// Kinds of device that stand for containers and virtual machines: their traffic crosses a bridge
/// or a physical port, and is judged there.
const OTHERS: [&str; 4] = ["veth", "tun", "dummy", "ifb"];

/// Kinds of device that lead out of this machine: a physical port, which has none, and ports joined.
const LEADING_OUT: [&str; 3] = ["", "bond", "team"];

impl Network {
    /// What to attach to, in the order of the indexes: what is attached already (these indexes) stays,
    /// also without an address; but what stands on ports that judge all of its traffic and more makes
    /// way for them, if all of them can have a program and it is none of `staying`.
    pub fn choose(&self, attached: &[u32], staying: &BTreeSet<u32>) -> Vec<&Device> {
        let mut chosen = self.select();
        for device in attached.iter().filter_map(|&index| self.by_index(index)) {
            let is_there = chosen.iter().any(|it| it.index == device.index);
            let stays = staying.contains(&device.index);
            if is_there || (!stays && self.makes_way(device, &chosen, attached)) {
                continue;
            }
            chosen.retain(|other| !self.are_stacked(device, other));
            chosen.push(device);
        }
        chosen.sort_by_key(|device| device.index);
        chosen
    }

    /// Physical ports and bridges that carry traffic of ours, or a stacked device that does: each once.
    fn select(&self) -> Vec<&Device> {
        let mut chosen: Vec<&Device> = Vec::new();
        let counting = || self.devices.iter().filter(|device| self.counts(device));
        for port in counting().flat_map(|device| self.judging(device)) {
            if is_ethernet(port) && !chosen.contains(&port) {
                chosen.push(port);
            }
        }
        let below: Vec<u32> = counting().filter_map(|device| device.lower).collect();
        self.without_doubles(chosen, &below)
    }

    /// Leaves out ports of a bridge or bond that is chosen itself, and bridges of which a port has to be
    /// chosen, since devices of ours (`below` has what they stand on) stand on it beside the bridge.
    fn without_doubles<'a>(&'a self, chosen: Vec<&'a Device>, below: &[u32]) -> Vec<&'a Device> {
        let is_needed = |port: &&Device| below.contains(&port.index);
        let (bridges, mut left): (Vec<&Device>, Vec<&Device>) = chosen
            .iter()
            .partition(|device| self.ports(device).any(|port| is_needed(&port)));
        for port in bridges.iter().flat_map(|bridge| self.ports(bridge)) {
            let port = self.physical(port);
            if leads_out(port) && !left.contains(&port) {
                left.push(port);
            }
        }
        let is_double = |port: &Device| {
            let controller = port.controller;
            !is_needed(&port) && left.iter().any(|it| Some(it.index) == controller)
        };
        let doubles: Vec<u32> = left
            .iter()
            .filter(|port| is_double(port))
            .map(|port| port.index)
            .collect();
        left.retain(|port| !doubles.contains(&port.index));
        left
    }

    /// Whether the traffic of `device` is to be judged: every device of ours that is up has an address
    /// beyond its own wire, or carries the default route or a PPPoE session; a bridge of physical ports
    /// forwards without any.
    fn counts(&self, device: &Device) -> bool {
        let address = |ip: &IpAddr| match ip {
            IpAddr::V4(ip) => !ip.is_link_local(),
            IpAddr::V6(ip) => !ip.is_unicast_link_local(),
        };
        device.up
            && !OTHERS.contains(&device.kind.as_str())
            && (device.addresses.iter().any(|it| address(&it.addr()))
                || self.default_route_devices.contains(&device.index)
                || self.pppoe_carriers.contains(&device.name)
                || self.physical_ports(device).is_some())
    }

    /// Where the traffic of `device` is judged.
    fn judging<'a>(&'a self, device: &'a Device) -> Vec<&'a Device> {
        let port = self.physical(device);
        self.physical_ports(port).unwrap_or_else(|| vec![port])
    }

    /// The ports that are judged instead of a bridge: what is bridged between them, a program on the
    /// bridge itself does not see. `None` unless they are two or more, and all lead out: the ports of
    /// virtual machines come and go.
    pub fn physical_ports(&self, bridge: &Device) -> Option<Vec<&Device>> {
        let ports: Vec<&Device> = match bridge.kind.as_str() {
            "bridge" => self.ports(bridge).map(|port| self.physical(port)).collect(),
            _ => return None,
        };
        (ports.len() > 1 && ports.iter().all(|port| leads_out(port))).then_some(ports)
    }

    /// Goes down from VLAN and macvlan devices to what carries them.
    pub fn physical<'a>(&'a self, device: &'a Device) -> &'a Device {
        match device.lower.and_then(|index| self.by_index(index)) {
            Some(lower) => self.physical(lower),
            None => device,
        }
    }

    /// Whether `device`, which is attached, stands on chosen ports that judge its traffic, and all of them
    /// can have a program once it has none.
    fn makes_way(&self, device: &Device, chosen: &[&Device], attached: &[u32]) -> bool {
        let ports = self.judging(device);
        ports.iter().all(|port| {
            port.index != device.index
                && chosen.contains(port)
                && (attached.contains(&port.index) || self.can_have_program(port, device))
        })
    }

    /// Whether `port` can have a program once `device` has none.
    fn can_have_program(&self, port: &Device, device: &Device) -> bool {
        let mut above = self.above(port);
        port.xdp.is_none() && above.all(|upper| upper.xdp.is_none() || upper.index == device.index)
    }

    fn are_stacked(&self, one: &Device, other: &Device) -> bool {
        let stands_on = |upper: &Device, lower: &Device| {
            let mut above = self.above(lower);
            above.any(|device| device.index == upper.index)
        };
        stands_on(one, other) || stands_on(other, one)
    }
}

fn is_ethernet(device: &Device) -> bool {
    device.link_layer == LinkLayer::Ethernet
}

fn leads_out(port: &Device) -> bool {
    is_ethernet(port) && LEADING_OUT.contains(&port.kind.as_str())
}

#[cfg(test)]
mod tests;
