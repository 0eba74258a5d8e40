use super::*;
use crate::{dataplane::Link, network::Xdp};

fn device(index: u32, name: &str, link_layer: LinkLayer) -> Device {
    Device {
        index,
        name: name.to_owned(),
        link_layer,
        ..Device::default()
    }
}

/// Two ports, a tunnel and loopback; the default route is over the second port.
fn network() -> Network {
    Network {
        devices: vec![
            device(1, "lan0", LinkLayer::Ethernet),
            device(2, "wan0", LinkLayer::Ethernet),
            device(3, "wg0", LinkLayer::Ip),
            device(4, "lo", LinkLayer::Other),
        ],
        default_route_devices: vec![2],
        ..Network::default()
    }
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// An attachment of this name to the device with this index.
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

const NONE: &BTreeSet<u32> = &BTreeSet::new();

fn present<'a>(network: &'a Network, placed: &'a [Placed]) -> Present<'a> {
    Present {
        network,
        placed,
        before: None,
        tcx: true,
        blind: NONE,
        settled: NONE,
    }
}

fn wanted(present: &Present, names: &[&str], config: &Config) -> Result<Vec<Interface>> {
    interfaces(present, &strings(names), config, Missing::IsAnError)
}

/// Name, role and place of what is wanted.
fn attachments(present: &Present, names: &[&str], own_traffic: bool) -> Vec<(String, Role, Hook)> {
    let config = Config {
        own_traffic,
        ..Config::default()
    };
    let wanted = wanted(present, names, &config).unwrap();
    let shown = wanted.into_iter().map(|it| (it.name, it.role, it.hook));
    shown.collect()
}

#[test]
fn a_port_gets_xdp_and_a_tunnel_gets_tcx() {
    assert_eq!(
        attachments(&present(&network(), &[]), &["lan0", "wan0", "wg0"], false),
        [
            ("lan0".to_owned(), Role::Inside, Hook::Xdp),
            ("wan0".to_owned(), Role::Outside, Hook::Xdp),
            ("wg0".to_owned(), Role::Inside, Hook::Ingress),
        ]
    );
}

#[test]
fn own_traffic_is_judged_where_it_leaves_to_the_outside_and_nowhere_else() {
    let own = ("wan0:own".to_owned(), Role::Outside);
    let found = attachments(&present(&network(), &[]), &["lan0", "wan0"], true);
    assert_eq!(found.len(), 3);
    assert_eq!(found[2], (own.0, own.1, Hook::Egress { ethernet: true }));
}

#[test]
fn with_one_port_own_traffic_leaves_by_it() {
    let found = attachments(&present(&network(), &[]), &["wg0"], true);
    let hook = Hook::Egress { ethernet: false };
    assert_eq!(found[1], ("wg0:own".to_owned(), Role::Unknown, hook));
}

#[test]
fn without_tcx_all_else_is_attached() {
    let network = network();
    let without = Present {
        tcx: false,
        ..present(&network, &[])
    };
    let found = attachments(&without, &["lan0", "wan0", "wg0"], true);
    let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["lan0", "wan0"]);
    let error = wanted(&without, &["wg0"], &Config::default()).unwrap_err();
    assert!(error.to_string().contains("has no TCX"), "{error}");
}

#[test]
fn a_device_of_another_kind_is_refused_and_one_that_is_gone_is_left_out() {
    let network = network();
    let present = present(&network, &[]);
    let error = wanted(&present, &["lo", "wan0"], &Config::default()).unwrap_err();
    assert!(error.to_string().contains("lo"), "{error}");
    let names = strings(&["lo", "wan0"]);
    let left = interfaces(&present, &names, &Config::default(), Missing::IsLeftOut).unwrap();
    assert_eq!(left.len(), 1);
}

/// What there is, what is attached where (name, index, place), which names are asked for, and what is
/// wanted: `name@index`, or the name alone of what stays where it is.
type Case = (
    &'static str,
    Vec<(&'static str, u32, Place)>,
    &'static [&'static str],
    &'static [&'static str],
);

fn check(cases: Vec<Case>) {
    for (what, placed, names, expected) in cases {
        let network = network();
        let placed: Vec<Placed> = placed
            .into_iter()
            .map(|(name, index, place)| attachment(name, index, place))
            .collect();
        let wanted = wanted(&present(&network, &placed), names, &Config::default()).unwrap();
        let shown = |it: Interface| match it.attach {
            Some(attach) => format!("{}@{}", it.name, attach.index),
            None => it.name,
        };
        let shown: Vec<String> = wanted.into_iter().map(shown).collect();
        assert_eq!(shown, expected, "{what}");
    }
}

#[test]
fn an_attachment_stays_on_its_device_whatever_that_is_called() {
    let here = Place::Here;
    check(vec![
        (
            "renamed",
            vec![("old", 1, here)],
            &["old", "wan0"],
            &["old@1", "wan0@2"],
        ),
        (
            "renamed, and the configuration follows",
            vec![("old", 1, here)],
            &["lan0"],
            &["old@1"],
        ),
        (
            "renamed, and another one has its name",
            vec![("wan0", 1, here)],
            &["wan0"],
            &["wan0:2@2", "wan0@1"],
        ),
        (
            "the same a moment later",
            vec![("wan0", 1, here), ("wan0:2", 2, here)],
            &["wan0"],
            &["wan0:2@2", "wan0@1"],
        ),
        (
            "renamed, and left out",
            vec![("old", 1, here)],
            &["wan0"],
            &["wan0@2"],
        ),
        (
            "two swapped their names",
            vec![("lan0", 2, here), ("wan0", 1, here)],
            &["lan0", "wan0"],
            &["wan0@1", "lan0@2"],
        ),
    ]);
}

#[test]
fn an_attachment_ends_with_its_device_and_not_where_that_went() {
    let (gone, elsewhere) = (Place::Gone, Place::Elsewhere);
    check(vec![
        (
            "gone, and another one has its name",
            vec![("lan0", 9, gone)],
            &["lan0"],
            &["lan0@1"],
        ),
        (
            "in another namespace",
            vec![("old", 1, elsewhere)],
            &["old", "wan0"],
            &["wan0@2", "old"],
        ),
        (
            "in another namespace, and another one has its name",
            vec![("lan0", 1, elsewhere)],
            &["lan0"],
            &["lan0:1@1", "lan0"],
        ),
    ]);
}

#[test]
fn what_is_attached_in_another_mode_than_is_written_is_made_anew() {
    use AttachMode::{Auto, Generic, Native};
    for (native, mode, blind, renew) in [
        (true, Auto, false, false),
        (true, Native, false, false),
        (true, Generic, false, true),
        (false, Auto, false, false),
        (false, Native, false, true),
        (false, Generic, false, false),
        // Only `auto` leaves the next mode open.
        (true, Auto, true, true),
        (true, Native, true, false),
    ] {
        let mut network = network();
        network.devices[0].xdp = Some(Xdp { program: 7, native });
        let placed = [attachment("lan0", 1, Place::Here)];
        let blind = blind.then_some(1).into_iter().collect();
        let present = Present {
            blind: &blind,
            ..present(&network, &placed)
        };
        let config = Config {
            attach: mode,
            ..Config::default()
        };
        let wanted = wanted(&present, &["lan0"], &config).unwrap();
        assert_eq!(
            wanted[0].attach.unwrap().renew,
            renew,
            "{native} {mode:?} {blind:?}"
        );
    }
}

#[test]
fn a_controller_and_its_port_are_refused_with_the_line_to_write() {
    let port = |index, name: &str, kind: &str| Device {
        controller: Some(9),
        kind: kind.into(),
        ..device(index, name, LinkLayer::Ethernet)
    };
    let controller = |name: &str, kind: &str| Device {
        kind: kind.into(),
        ..device(9, name, LinkLayer::Ethernet)
    };
    for (devices, names, instead) in [
        (
            vec![
                controller("br0", "bridge"),
                port(5, "p1", ""),
                port(6, "p2", ""),
            ],
            &["br0", "p1", "wan0"][..],
            r#"["wan0", "p1", "p2"]"#,
        ),
        (
            vec![
                controller("br0", "bridge"),
                port(5, "p1", ""),
                port(6, "vnet0", "tun"),
            ],
            &["p1", "br0"],
            r#"["br0"]"#,
        ),
        (
            vec![
                controller("bond0", "bond"),
                port(5, "p1", ""),
                port(6, "p2", ""),
            ],
            &["p1", "p2", "bond0"],
            r#"["bond0"]"#,
        ),
    ] {
        let mut network = network();
        network.devices.extend(devices);
        let error = wanted(&present(&network, &[]), names, &Config::default()).unwrap_err();
        let line = format!("Write interfaces = {instead} instead of both");
        assert!(error.to_string().contains(&line), "{error}");
    }
}

#[test]
fn a_live_run_leaves_out_what_is_not_attached_of_a_controller_and_its_port() {
    for attached in [&["br0"][..], &["p1"], &["p1", "br0"]] {
        let mut network = network();
        network.devices.extend([
            device(8, "br0", LinkLayer::Ethernet),
            Device {
                controller: Some(8),
                ..device(9, "p1", LinkLayer::Ethernet)
            },
        ]);
        let index = |name: &str| network.device(name).unwrap().index;
        let placed: Vec<Placed> = attached
            .iter()
            .map(|&name| attachment(name, index(name), Place::Here))
            .collect();
        let present = present(&network, &placed);
        let names = strings(&["br0", "p1"]);
        let config = Config::default();
        let wanted = interfaces(&present, &names, &config, Missing::IsLeftOut).unwrap();
        let mut wanted: Vec<&str> = wanted.iter().map(|it| it.name.as_str()).collect();
        wanted.reverse();
        assert_eq!(wanted, attached);
    }
}
