//! Devices that are changed while they are filtered.

use std::fs;

use tests::{probe::Probe, skip_unless};

use super::{
    super::scene::{BOTH, Scene, eventually},
    LARGE, OTHER,
};

const PORTS: [&str; 2] = ["eth0 native", "eth1 native"];

#[test]
fn an_mtu_that_goes_up_and_down_changes_nothing() {
    skip_unless!("an_mtu_that_goes_up_and_down_changes_nothing", Netns);
    let (run, mut scene) = Scene::running(BOTH);
    scene.list();
    scene.set_mtu(LARGE);
    scene.assert_judged_at(&PORTS);
    scene.assert_large_judged();
    scene.done(&["block", OTHER[0]]);
    assert!(scene.drops(OTHER[0]));
    scene.done(&["unblock", OTHER[0]]);
    // The same for one who finds it so.
    assert_eq!(run.stop().unwrap(), 0);
    scene.take_away();
    let _run = scene.start();
    scene.list();
    scene.assert_judged_at(&PORTS);
    scene.assert_large_judged();
    scene.set_mtu("1500");
    scene.assert_judged_at(&PORTS);
    scene.take_away();
}

#[test]
fn devices_that_go_down_and_come_up_are_judged_as_before() {
    skip_unless!(
        "devices_that_go_down_and_come_up_are_judged_as_before",
        Netns
    );
    let (_run, mut scene) = Scene::running(BOTH);
    scene.list();
    for device in ["eth0", "eth1"] {
        for state in ["down", "up"] {
            let set = ["link", "set", device, state];
            scene.lab.gateway.ip(&set).unwrap();
        }
    }
    scene.lab.settle().unwrap();
    scene.assert_judged_at(&PORTS);
}

#[test]
fn a_device_that_is_made_again_at_once_is_judged_again() {
    skip_unless!("a_device_that_is_made_again_at_once_is_judged_again", Netns);
    let (_run, mut scene) = Scene::running(BOTH);
    scene.list();
    for pause in [false, true] {
        let lab = &scene.lab;
        lab.gateway.ip(&["link", "del", "eth0"]).unwrap();
        if pause {
            eventually("it is missed", || scene.run(&["status"]).code == 1);
        }
        lab.gateway.connect("eth0", &lab.outside, "out0").unwrap();
        lab.settle().unwrap();
        scene.probe = Probe::new(lab).unwrap();
        scene.assert_judged_at(&PORTS);
    }
}

#[test]
fn without_the_jit_listed_addresses_are_cut_off() {
    skip_unless!("without_the_jit_listed_addresses_are_cut_off", Netns, Bpf);
    let _off = Jit::off();
    let mut scene = Scene::new("");
    scene.judged_at(BOTH, &PORTS);
}

/// Programs that are loaded are interpreted as long as this is there.
struct Jit;

impl Jit {
    const SWITCH: &str = "/proc/sys/net/core/bpf_jit_enable";

    fn off() -> Self {
        fs::write(Self::SWITCH, "0").unwrap();
        Self
    }
}

impl Drop for Jit {
    fn drop(&mut self) {
        fs::write(Self::SWITCH, "1").unwrap();
    }
}
