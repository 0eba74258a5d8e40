use super::*;
use crate::{command::remark::Weight, dataplane::Link};

fn device(index: u32, name: &str) -> Device {
    Device {
        index,
        name: name.to_owned(),
        link_layer: LinkLayer::Ethernet,
        ..Device::default()
    }
}

fn port(index: u32, name: &str, kind: &str) -> Device {
    Device {
        controller: Some(9),
        kind: kind.into(),
        ..device(index, name)
    }
}

fn bridge() -> Device {
    Device {
        kind: "bridge".into(),
        ..device(9, "br0")
    }
}

fn attachment(name: &str, index: u32, place: Place) -> Placed {
    Placed {
        link: Link {
            interface: name.to_owned(),
            index,
            program: 7,
            tcx: false,
        },
        place,
    }
}

fn said(devices: Vec<Device>, placed: &[Placed], interfaces: &[&str]) -> Vec<Remark> {
    let config = Config {
        interfaces: interfaces.iter().map(|&it| it.to_owned()).collect(),
        ..Config::default()
    };
    let network = Network {
        devices,
        ..Network::default()
    };
    remarks(&Scene {
        config: &config,
        network: &network,
        placed,
        tcx: Some(true),
    })
}

#[test]
fn a_name_that_no_longer_fits_is_said_where_the_configuration_has_it() {
    let here = |name| [attachment(name, 1, Place::Here)];
    let renamed = "lan is called inside0 now, and keeps its filter: write inside0 instead of lan in \
                   'interfaces' and run 'firewall reload', or give it its name back";
    for (devices, placed, interfaces, expected) in [
        (vec![device(1, "lan")], here("lan"), &["lan"][..], None),
        (
            vec![device(1, "inside0")],
            here("lan"),
            &["lan"],
            Some(renamed),
        ),
        (vec![device(1, "inside0")], here("lan"), &["inside0"], None),
        (vec![device(1, "inside0")], here("lan"), &[], None),
        (vec![device(1, "wan")], here("lan"), &["lan", "wan"], None),
        (
            vec![device(1, "inside0"), device(2, "lan")],
            here("lan"),
            &["lan"],
            Some("the lan of today is another device, and has a filter of its own: write inside0"),
        ),
        (vec![device(2, "lan")], here("lan:2"), &["lan"], None),
        (
            vec![],
            [attachment("lan", 1, Place::Elsewhere)],
            &[],
            Some("lan is in another network namespace now, and keeps its filter there"),
        ),
        (vec![], [attachment("lan", 0, Place::Gone)], &["lan"], None),
    ] {
        let said = said(devices, &placed, interfaces);
        assert_eq!(said.len(), usize::from(expected.is_some()), "{said:?}");
        if let Some(expected) = expected {
            assert_eq!(said[0].weight, Weight::Trouble);
            assert!(said[0].text.contains(expected), "{said:?}");
        }
    }
}

/// A port, and a bridge of another one and of a virtual machine.
fn mixed() -> Vec<Device> {
    let ports = [port(2, "lan0", ""), port(3, "vnet0", "tun")];
    [device(1, "wan0"), bridge()]
        .into_iter()
        .chain(ports)
        .collect()
}

/// What is said where these are attached to these devices.
fn said_of_bridge(
    devices: Vec<Device>,
    attached: &[(&str, u32)],
    interfaces: &[&str],
) -> Option<Remark> {
    let placed = attached.iter();
    let placed: Vec<Placed> = placed
        .map(|(name, index)| attachment(name, *index, Place::Here))
        .collect();
    said(devices, &placed, interfaces).pop()
}

const ALL: &str =
    "what is bridged between the ports of br0 (lan0, vnet0) is not judged, only what is routed";

#[test]
fn bridged_traffic_that_is_not_judged_is_a_trouble_unless_the_operator_chose() {
    let whole = [("wan0", 1), ("br0", 9)];
    let chosen = format!(
        "{ALL}: write interfaces = [\"wan0\", \"lan0\", \"vnet0\"] to have it judged, or interfaces = \
         [\"wan0\", \"br0\"] to leave it so"
    );
    assert_eq!(
        said_of_bridge(mixed(), &whole, &[]),
        Some(Remark::trouble(chosen))
    );
    let named = format!("{ALL}; name its ports in 'interfaces' to have it judged");
    assert_eq!(
        said_of_bridge(mixed(), &whole, &["wan0", "br0"]),
        Some(Remark::note(named))
    );
    // It came while the ports were attached.
    let machine = "what enters br0 by vnet0 is not judged where it enters: write interfaces = [\"wan0\", \
                   \"lan0\", \"vnet0\"] to have it judged, or interfaces = [\"wan0\", \"lan0\"] to leave \
                   it so";
    assert_eq!(
        said_of_bridge(mixed(), &[("wan0", 1), ("lan0", 2)], &[]),
        Some(Remark::trouble(machine.to_owned()))
    );
}

#[test]
fn a_bridge_of_one_port_or_that_nobody_asked_for_needs_no_word() {
    let one = vec![device(1, "wan0"), bridge(), port(2, "lan0", "")];
    assert_eq!(said_of_bridge(one, &[("wan0", 1), ("br0", 9)], &[]), None);
    let all = [("wan0", 1), ("lan0", 2), ("vnet0", 3)];
    assert_eq!(said_of_bridge(mixed(), &all, &[]), None);
    assert_eq!(said_of_bridge(mixed(), &all[..1], &["wan0"]), None);
}

#[test]
fn what_needs_tcx_is_said_where_the_kernel_has_none() {
    let config = Config {
        own_traffic: true,
        interfaces: vec!["wan0".into(), "wg0".into()],
        ..Config::default()
    };
    let tunnel = Device {
        link_layer: LinkLayer::Ip,
        ..device(2, "wg0")
    };
    let network = Network {
        devices: vec![device(1, "wan0"), tunnel],
        ..Network::default()
    };
    for (tcx, count) in [(Some(true), 0), (None, 0), (Some(false), 2)] {
        let said = remarks(&Scene {
            config: &config,
            network: &network,
            placed: &[],
            tcx,
        });
        assert_eq!(said.len(), count, "{said:?}");
        assert!(
            said.iter()
                .all(|it| it.text.contains("since 6.6") && it.weight == Weight::Trouble)
        );
    }
}
