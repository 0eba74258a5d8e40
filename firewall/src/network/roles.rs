//! Where interfaces look to: pure, a table in its test.

use firewall_common::ledger::Role;

use super::{Device, Network};

/// A device that is judged, and the name that it was asked for by: it may have got another one since.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The device.
    pub device: &'a Device,
    /// The name.
    pub name: &'a str,
}

impl Network {
    /// Where each of `ports` looks to: outside if the configuration says so of it or of a device stacked on
    /// it, or where it says nothing, if one of them carries a default route; else inside. Unknown where none looks outside or there is
    /// only one, and for ports of one bridge that carries a default route: one of them leads out, and
    /// the routing table does not say which.
    pub fn roles(&self, ports: &[Asked], outside: &[String]) -> Vec<Role> {
        let is_outside = |port: &Asked| match outside {
            [] => self.carries_default_route(port.device),
            named => named
                .iter()
                .any(|name| name == port.name || self.is_called(port.device, name)),
        };
        let cannot_tell = ports.len() == 1 || !ports.iter().any(is_outside);
        let role = |port: &Asked| match is_outside(port) {
            _ if cannot_tell => Role::Unknown,
            false => Role::Inside,
            true if outside.is_empty() && self.shares_default_route(port, ports) => Role::Unknown,
            true => Role::Outside,
        };
        ports.iter().map(role).collect()
    }

    /// Whether `device`, or one stacked on it, has this name.
    fn is_called(&self, device: &Device, name: &str) -> bool {
        device.name == name || self.above(device).any(|upper| self.is_called(upper, name))
    }

    /// Whether `device`, or one stacked on it, carries a default route.
    pub fn carries_default_route(&self, device: &Device) -> bool {
        self.default_route_devices.contains(&device.index)
            || self
                .above(device)
                .any(|upper| self.carries_default_route(upper))
    }

    /// Whether it is by their bridge that `port` and another one of `ports` carry it.
    fn shares_default_route(&self, port: &Asked, ports: &[Asked]) -> bool {
        let bridge = self.bridge_of(port.device);
        bridge.is_some_and(|bridge| {
            let mut others = ports
                .iter()
                .filter(|it| it.device.index != port.device.index);
            self.carries_default_route(bridge)
                && others.any(|it| self.bridge_of(it.device) == Some(bridge))
        })
    }

    /// The bridge that a device, or one stacked on it, is a port of.
    pub fn bridge_of<'a>(&'a self, device: &'a Device) -> Option<&'a Device> {
        self.above(device).find_map(|upper| match &*upper.kind {
            "bridge" => Some(upper),
            _ => self.bridge_of(upper),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ports 1 and 2, a VLAN (3) on the first; a bridge (4) of ports 5 and 6.
    fn network(default_route: &[u32]) -> Network {
        let device = |index, name: &str, kind: &str| Device {
            index,
            name: name.into(),
            kind: kind.into(),
            ..Device::default()
        };
        let port = |index, name: &str| Device {
            controller: Some(4),
            ..device(index, name, "")
        };
        let vlan = Device {
            lower: Some(1),
            ..device(3, "eth0.10", "vlan")
        };
        Network {
            devices: vec![
                device(1, "eth0", ""),
                device(2, "eth1", ""),
                vlan,
                device(4, "br0", "bridge"),
                port(5, "p1"),
                port(6, "p2"),
            ],
            default_route_devices: default_route.to_vec(),
            ..Network::default()
        }
    }

    #[test]
    fn roles_follow_the_default_route_and_the_configuration_beats_it() {
        let (inside, outside, unknown) = (Role::Inside, Role::Outside, Role::Unknown);
        for (default_route, ports, named, expected) in [
            (
                &[1][..],
                &["eth0", "eth1"][..],
                &[][..],
                vec![outside, inside],
            ),
            // By the VLAN on it.
            (&[3], &["eth0", "eth1"], &[], vec![outside, inside]),
            (&[1], &["eth0", "eth1"], &["eth1"], vec![inside, outside]),
            // Callers cannot be told apart.
            (&[], &["eth0", "eth1"], &[], vec![unknown, unknown]),
            (&[1], &["eth0"], &[], vec![unknown]),
            (&[1], &["eth0"], &["eth0"], vec![unknown]),
            // Which port of a bridge leads out, its default route does not say.
            (&[4], &["p1", "p2"], &[], vec![unknown, unknown]),
            (&[4], &["p1", "p2"], &["p1"], vec![outside, inside]),
            (
                &[4],
                &["p1", "p2", "eth1"],
                &[],
                vec![unknown, unknown, inside],
            ),
            (&[4], &["p1", "eth1"], &[], vec![outside, inside]),
            // What stands on it is named.
            (
                &[],
                &["p1", "p2", "eth0", "eth1"],
                &["br0", "eth0.10"],
                vec![outside, outside, outside, inside],
            ),
            (
                &[1],
                &["p1", "p2", "eth0"],
                &[],
                vec![inside, inside, outside],
            ),
        ] {
            let network = network(default_route);
            let asked = |name: &&'static str| Asked {
                device: network.device(name).unwrap(),
                name,
            };
            let asked: Vec<Asked> = ports.iter().map(asked).collect();
            let named: Vec<String> = named.iter().map(|&name| name.to_owned()).collect();
            let found = network.roles(&asked, &named);
            assert_eq!(found, expected, "{default_route:?} {ports:?} {named:?}");
        }
    }

    #[test]
    fn a_device_that_was_renamed_keeps_what_the_configuration_calls_it() {
        let network = network(&[1]);
        let asked = [("eth0", "wan"), ("eth1", "lan")].map(|(now, name)| Asked {
            device: network.device(now).unwrap(),
            name,
        });
        let roles = network.roles(&asked, &["lan".to_owned()]);
        assert_eq!(roles, [Role::Inside, Role::Outside]);
    }
}
