//! Network cards as wires: drivers with queues, offloads and limits, which no device of the kernel has.

use tests::{
    cards,
    lab::{Devices, Lab, WIRES},
    namespace::{Namespace, command},
    probe::{NOBODY, Probe},
    product::Daemon,
    skip_unless,
    stack::{macvlan, one_tag, two_tags, wait_until_up},
};

use super::{
    super::scene::{Scene, eventually},
    LARGE, LISTED, OTHER,
};

const NATIVE: [&str; 2] = ["eth0 native", "eth1 native"];
const GENERIC: [&str; 2] = ["eth0 generic", "eth1 generic"];

/// What a driver says that takes no program as it is set up.
const REFUSED: [&str; 2] = [
    "refuses native XDP in its present setup",
    "has no native XDP",
];

/// The mode that `auto` came to, behind the driver only if that has refused.
fn found(scene: &Scene, run: &Daemon) -> [&'static str; 2] {
    let modes = scene.modes();
    let is_generic = modes == GENERIC;
    assert!(is_generic || modes == NATIVE, "{modes:?}");
    let log = run.said().join("\n");
    let is_explained = REFUSED.iter().any(|words| log.contains(words));
    assert_eq!(is_generic, is_explained, "{log}");
    if is_generic { GENERIC } else { NATIVE }
}

/// Starts with this configuration, has listed addresses cut off, and takes everything away again; the mode.
fn judged(scene: &mut Scene, configuration: &str) -> [&'static str; 2] {
    scene.product.configure(configuration).unwrap();
    let run = scene.start();
    let ports = found(scene, &run);
    scene.list();
    scene.assert_judged_at(&ports);
    scene.take_away();
    ports
}

/// A scene over what `stack` makes on the cards.
fn over(stack: impl FnOnce(&Lab) -> anyhow::Result<Devices>) -> Scene {
    let scene = Scene::over(Lab::of_cards(stack).unwrap(), "");
    for (namespace, wire) in ends(&scene.lab) {
        wait_until_up(namespace, wire).unwrap();
    }
    scene
}

fn plain(_: &Lab) -> anyhow::Result<Devices> {
    Ok(WIRES)
}

fn ends(lab: &Lab) -> [(&Namespace, &'static str); 4] {
    [
        (&lab.inside, WIRES.inside),
        (&lab.gateway, WIRES.towards_inside),
        (&lab.gateway, WIRES.towards_outside),
        (&lab.outside, WIRES.outside),
    ]
}

#[test]
fn ports_are_chosen_and_attached_as_their_driver_allows() {
    skip_unless!(
        "ports_are_chosen_and_attached_as_their_driver_allows",
        Cards
    );
    let ports = judged(&mut over(plain), "");
    // Of other models it depends on the kernel.
    let expected = match cards::model().as_deref() {
        Some("virtio-net-pci") => NATIVE,
        Some("e1000e") => GENERIC,
        _ => ports,
    };
    assert_eq!(ports, expected);
}

#[test]
fn what_vlans_and_macvlans_carry_is_judged_at_the_cards() {
    skip_unless!(
        "what_vlans_and_macvlans_carry_is_judged_at_the_cards",
        Cards
    );
    judged(&mut over(one_tag), "");
    judged(&mut over(macvlan), "");
}

#[test]
fn what_has_two_tags_is_judged_at_the_cards() {
    skip_unless!("what_has_two_tags_is_judged_at_the_cards", Cards, TwoTags);
    judged(&mut over(two_tags), "");
}

#[test]
fn a_tag_is_found_whether_the_card_takes_it_off_or_not() {
    skip_unless!(
        "a_tag_is_found_whether_the_card_takes_it_off_or_not",
        Cards,
        RxVlan
    );
    let mut scene = over(one_tag);
    let run = scene.start();
    let ports = found(&scene, &run);
    scene.list();
    for state in ["off", "on"] {
        for device in ["eth0", "eth1"] {
            let set = || command("ethtool", &["-K", device, "rxvlan", state]);
            scene.lab.gateway.enter(set).unwrap().unwrap();
        }
        scene.assert_judged_at(&ports);
    }
}

/// A bridge of both cards, with the gateway's address on it; the outside is a neighbour of the inside hosts.
fn bridge(lab: &Lab) -> anyhow::Result<Devices> {
    let add = ["link", "add", "br0", "type", "bridge", "forward_delay", "0"];
    lab.gateway.ip(&add)?;
    for port in [WIRES.towards_inside, WIRES.towards_outside] {
        lab.gateway.ip(&["link", "set", port, "master", "br0"])?;
    }
    lab.gateway.ip(&["link", "set", "br0", "up"])?;
    Ok(Devices {
        towards_inside: "br0",
        towards_outside: "br0",
        ..WIRES
    })
}

#[test]
fn a_bridge_of_cards_is_judged_at_its_ports() {
    skip_unless!("a_bridge_of_cards_is_judged_at_its_ports", Cards);
    let mut scene = over(bridge);
    scene.probe = Probe::across(&scene.lab).unwrap();
    judged(&mut scene, "outside = ['eth0']\n");
}

#[test]
fn where_a_large_mtu_is_too_large_for_the_driver_the_filter_is_behind_it() {
    skip_unless!(
        "where_a_large_mtu_is_too_large_for_the_driver_the_filter_is_behind_it",
        Cards
    );
    let mut scene = over(plain);
    scene.set_mtu(LARGE);
    scene.probe.settle().unwrap();
    // Some models of QEMU lose large packets by themselves (vmxnet3).
    let large = scene.passes_large(OTHER[0]);
    let run = scene.start();
    let ports = found(&scene, &run);
    scene.list();
    scene.assert_judged_at(&ports);
    assert_eq!(scene.passes_large(OTHER[0]), large);
    assert!(!scene.passes_large(LISTED[0]));
    scene.take_away();
}

#[test]
fn after_a_large_mtu_changes_are_in_force_and_what_unload_says_is_so() {
    skip_unless!(
        "after_a_large_mtu_changes_are_in_force_and_what_unload_says_is_so",
        Cards
    );
    let mut scene = over(plain);
    let _run = scene.start();
    scene.set_mtu(LARGE);
    scene.probe.settle().unwrap();
    // Some drivers lose large packets as long as they run a program (virtio_net of Linux 6.1).
    let are_lost = !scene.passes_large(OTHER[0]);
    // What no longer runs in the driver runs behind it from here on.
    scene.list();
    scene.assert_cut_off("a change at this MTU");
    assert!(!scene.passes_large(LISTED[0]));
    assert!(are_lost || scene.passes_large(OTHER[0]));
    let said = scene.run(&["status"]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    let said = scene.run(&["unload"]);
    scene.probe.settle().unwrap();
    let claims_so = said.stderr.contains("no traffic is filtered any more");
    // A driver that keeps a program may drop by it (virtio_net of Linux 6.1) or not (vmxnet3): that it may
    // is what is said then.
    for address in LISTED {
        let drops = scene.drops(address);
        assert!(!(claims_so && drops), "{address}: {}", said.stderr);
    }
    let warns = said.stderr.contains("the kernel still has program");
    assert_ne!(claims_so, warns, "{}", said.stderr);
    assert_eq!(said.code, if claims_so { 0 } else { 2 }, "{}", said.stderr);
}

#[test]
fn a_driver_that_stops_running_the_program_is_a_trouble() {
    skip_unless!(
        "a_driver_that_stops_running_the_program_is_a_trouble",
        Cards
    );
    let mut scene = over(plain);
    let _run = scene.start();
    scene.list();
    scene.set_mtu(LARGE);
    scene.probe.settle().unwrap();
    if scene.drops(LISTED[0]) {
        scene.assert_cut_off("at a large MTU");
        return;
    }
    eventually("it is said", || {
        let passes = |_| scene.probe.reaches(NOBODY.0).unwrap();
        assert!((0..20).all(passes));
        scene.run(&["status"]).code == 1
    });
}
