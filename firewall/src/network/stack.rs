//! Devices above and below one another: VLANs and their port, bridges, bonds and their ports. Pure.

use super::{Device, Network, Xdp};

/// What keeps a program off a device, whatever the mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// The device is gone.
    Gone,
    /// It runs another program.
    Program(Xdp),
    /// The device of this name, which stands on it, runs a program.
    Above(String),
}

impl Network {
    /// The device with this index.
    pub fn by_index(&self, index: u32) -> Option<&Device> {
        self.devices.iter().find(|device| device.index == index)
    }

    /// The devices that stand immediately on `device`: its VLANs, the bridge or bond it is a port of.
    pub fn above<'a>(&'a self, device: &'a Device) -> impl Iterator<Item = &'a Device> {
        self.devices.iter().filter(|upper| {
            upper.lower == Some(device.index) || Some(upper.index) == device.controller
        })
    }

    /// The ports of a bridge or bond.
    pub fn ports<'a>(&'a self, controller: &Device) -> impl Iterator<Item = &'a Device> {
        let index = controller.index;
        let devices = self.devices.iter();
        devices.filter(move |port| port.controller == Some(index))
    }

    /// Why the kernel takes no XDP program on the device of this index, as far as it can be seen. The
    /// conditions are those of `dev_xdp_attach` (net/core/dev.c).
    pub fn hindrance(&self, index: u32) -> Option<Hindrance> {
        let Some(device) = self.by_index(index) else {
            return Some(Hindrance::Gone);
        };
        let above = self.above(device).find(|upper| upper.xdp.is_some());
        match (device.xdp, above) {
            (Some(xdp), _) => Some(Hindrance::Program(xdp)),
            (None, Some(upper)) => Some(Hindrance::Above(upper.name.clone())),
            (None, None) => None,
        }
    }

    /// A port of the bridge or bond of this name that runs a program: some controllers take none then.
    pub fn port_with_program(&self, name: &str) -> Option<&Device> {
        let mut ports = self.ports(self.device(name)?);
        ports.find(|port| port.xdp.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XDP: Option<Xdp> = Some(Xdp {
        program: 7,
        native: true,
    });

    /// A port of a bridge, with a VLAN on it.
    fn network(programs: [Option<Xdp>; 3]) -> Network {
        let [port, bridge, vlan] = programs;
        let device = |index, name: &str, xdp| Device {
            index,
            name: name.into(),
            xdp,
            ..Device::default()
        };
        Network {
            devices: vec![
                Device {
                    controller: Some(2),
                    ..device(1, "eth0", port)
                },
                device(2, "br0", bridge),
                Device {
                    lower: Some(1),
                    ..device(3, "eth0.10", vlan)
                },
            ],
            ..Network::default()
        }
    }

    #[test]
    fn what_keeps_a_program_off_is_told_from_what_the_driver_says() {
        let above = |name: &str| Some(Hindrance::Above(name.into()));
        let there = XDP.map(Hindrance::Program);
        for (programs, index, expected) in [
            ([None, None, None], 1, None),
            ([None, None, None], 9, Some(Hindrance::Gone)),
            ([XDP, None, None], 1, there.clone()),
            ([XDP, XDP, None], 1, there),
            ([None, XDP, None], 1, above("br0")),
            ([None, None, XDP], 1, above("eth0.10")),
            // The kernel takes one above.
            ([XDP, None, None], 2, None),
            ([XDP, None, None], 3, None),
        ] {
            let found = network(programs).hindrance(index);
            assert_eq!(found, expected, "{programs:?} {index}");
        }
    }

    #[test]
    fn a_port_with_a_program_is_found_below() {
        let found = |programs, name| {
            let network = network(programs);
            let port = network.port_with_program(name);
            port.map(|port| port.name.clone())
        };
        assert_eq!(found([XDP, None, None], "br0"), Some("eth0".to_owned()));
        assert_eq!(found([None, XDP, XDP], "br0"), None);
        assert_eq!(found([XDP, None, None], "eth0"), None);
    }
}
