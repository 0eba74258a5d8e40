use super::*;
use crate::network::Xdp;

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

/// Without an address.
fn bare(index: u32, name: &str, kind: &str) -> Device {
    Device {
        addresses: vec![],
        ..device(index, name, kind)
    }
}

fn with_addresses(device: Device, addresses: &[&str]) -> Device {
    Device {
        addresses: addresses.iter().map(|it| it.parse().unwrap()).collect(),
        ..device
    }
}

/// A port of the bridge or bond with the index `controller`.
fn port(controller: u32, device: Device) -> Device {
    Device {
        controller: Some(controller),
        ..device
    }
}

/// On the device with the index `lower`.
fn on(lower: u32, device: Device) -> Device {
    Device {
        lower: Some(lower),
        ..device
    }
}

fn running(device: Device) -> Device {
    Device {
        xdp: Some(Xdp {
            program: 7,
            native: true,
        }),
        ..device
    }
}

fn network(devices: Vec<Device>) -> Network {
    Network {
        devices,
        ..Network::default()
    }
}

fn chosen(network: &Network, attached: &[u32]) -> Vec<String> {
    let chosen = network.choose(attached, &BTreeSet::new());
    chosen.iter().map(|device| device.name.clone()).collect()
}

#[test]
fn ports_that_are_up_and_have_an_address_are_chosen() {
    let down = Device {
        up: false,
        ..device(4, "eth3", "")
    };
    let network = network(vec![
        device(1, "eth0", ""),
        device(2, "eth1", ""),
        bare(3, "eth2", ""),
        down,
    ]);
    assert_eq!(chosen(&network, &[]), ["eth0", "eth1"]);
}

#[test]
fn a_link_local_address_is_none_unless_traffic_crosses_the_device_all_the_same() {
    let local =
        |index, name| with_addresses(device(index, name, ""), &["fe80::1/64", "169.254.7.7/16"]);
    let mut network = network(vec![local(1, "eth0"), local(2, "eth1"), local(3, "eth2")]);
    assert!(chosen(&network, &[]).is_empty());
    // A WAN port without an address of its own, and one that carries PPPoE.
    network.default_route_devices = vec![2];
    network.pppoe_carriers = vec!["eth2".into()];
    assert_eq!(chosen(&network, &[]), ["eth1", "eth2"]);
}

#[test]
fn two_vlans_on_one_port_choose_the_port_once() {
    let network = network(vec![
        bare(1, "eth0", ""),
        on(1, device(2, "eth0.10", "vlan")),
        on(1, device(3, "eth0.20", "vlan")),
    ]);
    assert_eq!(chosen(&network, &[]), ["eth0"]);
}

fn bridge() -> Device {
    device(1, "br0", "bridge")
}

/// What is done, the devices there are, and those that are chosen of them.
type Case = (&'static str, Vec<Device>, &'static [&'static str]);

fn check(cases: Vec<Case>) {
    for (what, devices, expected) in cases {
        assert_eq!(chosen(&network(devices), &[]), expected, "{what}");
    }
}

#[test]
fn a_bridge_or_its_ports_are_chosen_and_never_both() {
    check(vec![
        (
            "one port",
            vec![bridge(), port(1, bare(2, "eth0", ""))],
            &["br0"],
        ),
        (
            "one port with an address of its own",
            vec![bridge(), port(1, device(2, "eth0", ""))],
            &["br0"],
        ),
        (
            "physical ports: what is bridged between them is judged",
            vec![
                bridge(),
                port(1, bare(2, "eth0", "")),
                port(1, device(3, "eth1", "")),
            ],
            &["eth0", "eth1"],
        ),
        (
            "the same without any address",
            vec![
                bare(1, "br0", "bridge"),
                port(1, bare(2, "eth0", "")),
                port(1, bare(3, "eth1", "")),
            ],
            &["eth0", "eth1"],
        ),
        (
            "a virtual machine among them",
            vec![
                bridge(),
                port(1, bare(2, "eth0", "")),
                port(1, bare(3, "vnet0", "tun")),
            ],
            &["br0"],
        ),
        (
            "containers only",
            vec![
                bridge(),
                port(1, bare(2, "veth1", "veth")),
                port(1, bare(3, "veth2", "veth")),
            ],
            &["br0"],
        ),
        ("no port at all", vec![bridge()], &["br0"]),
    ]);
}

#[test]
fn what_is_stacked_higher_is_chosen_once() {
    let bond = device(1, "bond0", "bond");
    check(vec![
        (
            "a bond and its ports, which have link-local addresses",
            vec![
                bond,
                port(1, with_addresses(device(2, "eth0", ""), &["fe80::2/64"])),
                port(1, device(3, "eth1", "")),
            ],
            &["bond0"],
        ),
        (
            "a bridge of a bond and a port",
            vec![
                bare(1, "bond0", "bond"),
                port(1, bare(2, "eth0", "")),
                device(3, "br0", "bridge"),
                port(3, bare(4, "eth1", "")),
                port(3, bare(5, "bond1", "bond")),
            ],
            &["eth1", "bond1"],
        ),
        (
            "a bridge of a VLAN and a port",
            vec![
                bare(2, "eth0", ""),
                port(1, on(2, bare(3, "eth0.10", "vlan"))),
                port(1, bare(4, "eth1", "")),
                bridge(),
            ],
            &["eth0", "eth1"],
        ),
        (
            "a VLAN with an address on a port of a bridge for virtual machines",
            vec![
                bridge(),
                port(1, bare(2, "eth0", "")),
                port(1, bare(3, "vnet0", "tun")),
                on(2, device(4, "eth0.10", "vlan")),
            ],
            &["eth0"],
        ),
        (
            "ports of a VRF",
            vec![bare(1, "vrf0", "vrf"), port(1, device(2, "eth0", ""))],
            &["eth0"],
        ),
    ]);
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
    let network = network(vec![loopback, tunnel, device(3, "veth1a2b", "veth")]);
    assert!(chosen(&network, &[]).is_empty());
}

#[test]
fn what_is_attached_stays_unless_its_ports_can_judge_more() {
    let bridge = || running(bridge());
    let ports = || [port(1, bare(2, "eth0", "")), port(1, bare(3, "eth1", ""))];
    let [first, second] = ports();
    let foreign = running(second.clone());
    let tap = port(1, bare(4, "vnet0", "tun"));
    let vlan = running(on(2, bare(5, "eth0.10", "vlan")));
    for (what, devices, attached, expected) in [
        (
            "an address that went",
            vec![running(bare(1, "eth0", ""))],
            &[1][..],
            &["eth0"][..],
        ),
        (
            "a bridge of physical ports",
            vec![bridge(), first.clone(), second.clone()],
            &[1],
            &["eth0", "eth1"],
        ),
        (
            "somebody else's program on one of them",
            vec![bridge(), first.clone(), foreign],
            &[1],
            &["br0"],
        ),
        (
            "something of somebody else on one of them",
            vec![bridge(), first.clone(), second.clone(), vlan],
            &[1],
            &["br0"],
        ),
        (
            "the ports, and a virtual machine came",
            vec![
                device(1, "br0", "bridge"),
                running(first.clone()),
                running(second.clone()),
                tap,
            ],
            &[2, 3],
            &["eth0", "eth1"],
        ),
        (
            "one of the ports, and the other came",
            vec![device(1, "br0", "bridge"), running(first), second],
            &[2],
            &["eth0", "eth1"],
        ),
        (
            "a VLAN, and the port under it is chosen",
            vec![
                device(1, "eth0", ""),
                running(on(1, device(2, "eth0.10", "vlan"))),
            ],
            &[2],
            &["eth0"],
        ),
    ] {
        assert_eq!(chosen(&network(devices), attached), expected, "{what}");
    }
}

#[test]
fn a_bridge_whose_ports_could_not_be_attached_stays() {
    let network = network(vec![
        running(device(1, "br0", "bridge")),
        port(1, bare(2, "eth0", "")),
        port(1, bare(3, "eth1", "")),
    ]);
    let chosen = network.choose(&[1], &BTreeSet::from([1]));
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0].name, "br0");
}
