//! Which interfaces to attach to when nobody says: pure, a table in its test.

use super::{Device, LinkLayer, Network};

/// Kinds of device that stand for containers and virtual machines: their traffic crosses a bridge
/// or a physical port, and is judged there.
const OTHERS: [&str; 4] = ["veth", "tun", "dummy", "ifb"];

impl Network {
    /// Physical ports and bridges that carry an address, or a stacked device that does: each once,
    /// in the order of their indexes.
    pub fn select(&self) -> Vec<String> {
        let mut chosen: Vec<&Device> = Vec::new();
        for device in &self.devices {
            if !device.up || device.addresses.is_empty() || OTHERS.contains(&device.kind.as_str()) {
                continue;
            }
            let port = self.physical(device);
            if port.link_layer == LinkLayer::Ethernet && !chosen.contains(&port) {
                chosen.push(port);
            }
        }
        chosen.sort_by_key(|device| device.index);
        chosen
            .into_iter()
            .map(|device| device.name.clone())
            .collect()
    }

    /// Goes down from VLAN and macvlan devices to what carries them.
    fn physical<'a>(&'a self, device: &'a Device) -> &'a Device {
        match self.by_index(device.lower) {
            Some(lower) => self.physical(lower),
            None => device,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firewall_common::ledger::Role;

    fn device(index: u32, name: &str, kind: &str) -> Device {
        Device {
            index,
            name: name.into(),
            kind: kind.into(),
            link_layer: LinkLayer::Ethernet,
            up: true,
            addresses: vec!["192.0.2.1/24".parse().unwrap()],
            ..Device::default()
        }
    }

    fn network(devices: Vec<Device>) -> Network {
        Network {
            devices,
            ..Network::default()
        }
    }

    #[test]
    fn ports_that_are_up_and_have_an_address_are_chosen() {
        let idle = Device {
            addresses: vec![],
            ..device(3, "eth2", "")
        };
        let down = Device {
            up: false,
            ..device(4, "eth3", "")
        };
        let network = network(vec![
            device(1, "eth0", ""),
            device(2, "eth1", ""),
            idle,
            down,
        ]);
        assert_eq!(network.select(), ["eth0", "eth1"]);
    }

    #[test]
    fn two_vlans_on_one_port_choose_the_port_once() {
        let port = Device {
            addresses: vec![],
            ..device(1, "eth0", "")
        };
        let ten = Device {
            lower: Some(1),
            ..device(2, "eth0.10", "vlan")
        };
        let twenty = Device {
            lower: Some(1),
            ..device(3, "eth0.20", "vlan")
        };
        assert_eq!(network(vec![port, ten, twenty]).select(), ["eth0"]);
    }

    #[test]
    fn a_bridge_is_chosen_itself_and_its_ports_are_not() {
        let port = Device {
            addresses: vec![],
            controller: Some(2),
            ..device(1, "eth0", "")
        };
        assert_eq!(
            network(vec![port, device(2, "br0", "bridge")]).select(),
            ["br0"]
        );
    }

    #[test]
    fn loopback_tunnels_and_containers_are_not_chosen() {
        let loopback = Device {
            link_layer: LinkLayer::Other,
            ..device(1, "lo", "")
        };
        let tunnel = Device {
            link_layer: LinkLayer::Ip,
            ..device(2, "wg0", "wireguard")
        };
        let container = device(3, "veth1a2b", "veth");
        assert!(
            network(vec![loopback, tunnel, container])
                .select()
                .is_empty()
        );
    }

    #[test]
    fn the_port_under_a_vlan_with_the_default_route_looks_outside() {
        let vlan = Device {
            lower: Some(1),
            ..device(3, "eth0.10", "vlan")
        };
        let mut network = network(vec![device(1, "eth0", ""), device(2, "eth1", ""), vlan]);
        network.default_route_devices = vec![3];
        let attached = ["eth0".to_owned(), "eth1".to_owned()];
        assert_eq!(network.role("eth0", &attached, &[]), Role::Outside);
        assert_eq!(network.role("eth1", &attached, &[]), Role::Inside);
    }

    #[test]
    fn the_configuration_beats_the_default_route() {
        let mut network = network(vec![device(1, "eth0", ""), device(2, "eth1", "")]);
        network.default_route_devices = vec![1];
        let attached = ["eth0".to_owned(), "eth1".to_owned()];
        assert_eq!(
            network.role("eth0", &attached, &["eth1".into()]),
            Role::Inside
        );
        assert_eq!(
            network.role("eth1", &attached, &["eth1".into()]),
            Role::Outside
        );
    }

    #[test]
    fn callers_cannot_be_told_apart_without_an_outside_or_on_one_port() {
        let mut network = network(vec![device(1, "eth0", ""), device(2, "eth1", "")]);
        let both = ["eth0".to_owned(), "eth1".to_owned()];
        assert_eq!(network.role("eth0", &both, &[]), Role::Unknown);
        network.default_route_devices = vec![1];
        assert_eq!(network.role("eth0", &both[..1], &[]), Role::Unknown);
    }
}
