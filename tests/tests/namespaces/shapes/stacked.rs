//! VLANs, macvlan and bonds: the port below them is chosen, or they are, and everything is judged once.

use tests::{
    lab::{Devices, Lab},
    skip_unless,
    stack::{bond, macvlan, one_tag, two_tags, wait_until_up},
};

use super::super::scene::Scene;

/// A scene over what `stack` makes.
fn over(stack: impl FnOnce(&Lab) -> anyhow::Result<Devices>) -> Scene {
    Scene::over(Lab::for_test_over(stack).unwrap(), "")
}

#[test]
fn the_ports_below_devices_with_addresses_are_chosen() {
    skip_unless!(
        "the_ports_below_devices_with_addresses_are_chosen",
        Netns,
        Vlan
    );
    for stack in [one_tag, two_tags, macvlan] {
        over(stack).judged_at("", &["eth0 native", "eth1 native"]);
    }
}

#[test]
fn a_bond_judges_what_all_its_ports_carry() {
    skip_unless!("a_bond_judges_what_all_its_ports_carry", Netns);
    let mut scene = over(bond);
    wait_until_up(&scene.lab.gateway, "bond0").unwrap();
    let judged = ["bond0 native", "eth0 native"];
    scene.judged_at("interfaces = ['bond0', 'eth0']\n", &judged);
    let _run = scene.start();
    scene.list();
    for (down, up) in [("eth1", "eth2"), ("eth2", "eth1")] {
        let gateway = &scene.lab.gateway;
        gateway.ip(&["link", "set", up, "up"]).unwrap();
        wait_until_up(gateway, up).unwrap();
        gateway.ip(&["link", "set", down, "down"]).unwrap();
        scene.assert_judged_at(&judged);
    }
}

#[test]
fn the_ports_of_a_bond_judge_what_it_carries() {
    skip_unless!("the_ports_of_a_bond_judge_what_it_carries", Netns);
    let mut scene = over(bond);
    wait_until_up(&scene.lab.gateway, "bond0").unwrap();
    scene.judged_at(
        "interfaces = ['eth1', 'eth2', 'eth0']\noutside = ['eth0']\n",
        &["eth0 native", "eth1 native", "eth2 native"],
    );
}

#[test]
fn a_bond_and_its_port_named_together_are_refused_with_the_line_to_write() {
    skip_unless!(
        "a_bond_and_its_port_named_together_are_refused_with_the_line_to_write",
        Netns
    );
    let scene = over(bond);
    let both = "interfaces = ['bond0', 'eth1', 'eth0']\n";
    scene.product.configure(both).unwrap();
    let said = scene.run(&["run"]);
    assert_eq!(said.code, 2, "{}", said.stderr);
    let line = "Write interfaces = [\"eth0\", \"bond0\"] instead of both";
    assert!(said.stderr.contains(line), "{}", said.stderr);
    assert_eq!(scene.xdp("eth0"), None);
}
