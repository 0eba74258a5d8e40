//! VLAN devices of the kernel on both sides of the gateway. Their tags are beside a frame where the device below
//! can carry them so, and in it where that cannot.

use anyhow::Result;
use tests::{
    lab::{Devices, Lab},
    namespace::Namespace,
    probe::Probe,
    skip_unless,
};

use super::{
    modes::cut_off,
    scene::{BOTH, Scene},
};

const CUSTOMER: (&str, u16) = ("802.1Q", 0x8100);
const SERVICE: (&str, u16) = ("802.1ad", 0x88a8);

/// Id of the VLAN inside and outside.
const IDS: [u16; 2] = [10, 20];
/// Of what is around it where there are two tags.
const AROUND: u16 = 7;

const ONE_TAG: Devices = Devices {
    inside: "in0-10",
    towards_inside: "eth1-10",
    towards_outside: "eth0-20",
    outside: "out0-20",
};
const TWO_TAGS: Devices = Devices {
    inside: "in0-7-10",
    towards_inside: "eth1-7-10",
    towards_outside: "eth0-7-20",
    outside: "out0-7-20",
};

/// Puts a VLAN device on one that is there; both names say of which id.
fn vlan(namespace: &Namespace, below: &str, (protocol, _): (&str, u16), id: u16) -> Result<()> {
    let name = format!("{below}-{id}");
    let id = id.to_string();
    let add = ["link", "add", "link", below, "name", &name, "type", "vlan"];
    namespace.ip(&[&add[..], &["proto", protocol, "id", &id]].concat())?;
    namespace.ip(&["link", "set", &name, "up"]).map(drop)
}

/// Where the wires end: namespace, device, id of the VLAN.
fn ends(lab: &Lab) -> [(&Namespace, &'static str, u16); 4] {
    [
        (&lab.inside, "in0", IDS[0]),
        (&lab.gateway, "eth1", IDS[0]),
        (&lab.gateway, "eth0", IDS[1]),
        (&lab.outside, "out0", IDS[1]),
    ]
}

fn one_tag(lab: &Lab) -> Result<Devices> {
    for (namespace, wire, id) in ends(lab) {
        vlan(namespace, wire, CUSTOMER, id)?;
    }
    Ok(ONE_TAG)
}

fn two_tags(lab: &Lab) -> Result<Devices> {
    for (namespace, wire, id) in ends(lab) {
        vlan(namespace, wire, SERVICE, AROUND)?;
        vlan(namespace, &format!("{wire}-{AROUND}"), CUSTOMER, id)?;
    }
    Ok(TWO_TAGS)
}

#[test]
fn what_vlan_devices_carry_is_judged_at_the_ports_below_them() {
    skip_unless!(
        "what_vlan_devices_carry_is_judged_at_the_ports_below_them",
        Netns,
        Vlan
    );
    let mut scene = Scene::over(Lab::for_test_over(one_tag).unwrap(), "");
    for mode in ["native", "generic"] {
        cut_off(&mut scene, BOTH, mode);
    }
    let tags = IDS.map(|id| [(CUSTOMER.1, id)]);
    scene.probe = Probe::tagged(&scene.lab, &tags[0], &tags[1]).unwrap();
    for mode in ["native", "generic"] {
        cut_off(&mut scene, BOTH, mode);
    }
}

#[test]
fn what_vlan_devices_carry_is_judged_at_themselves() {
    skip_unless!(
        "what_vlan_devices_carry_is_judged_at_themselves",
        Netns,
        Vlan
    );
    let mut scene = Scene::over(Lab::for_test_over(one_tag).unwrap(), "");
    cut_off(
        &mut scene,
        "interfaces = ['eth1-10', 'eth0-20']\n",
        "generic",
    );
}

#[test]
fn what_has_two_tags_is_judged_at_the_ports_below_their_devices() {
    skip_unless!(
        "what_has_two_tags_is_judged_at_the_ports_below_their_devices",
        Netns,
        Vlan
    );
    let mut scene = Scene::over(Lab::for_test_over(two_tags).unwrap(), "");
    cut_off(&mut scene, BOTH, "native");
    let tags = IDS.map(|id| [(SERVICE.1, AROUND), (CUSTOMER.1, id)]);
    scene.probe = Probe::tagged(&scene.lab, &tags[0], &tags[1]).unwrap();
    for mode in ["native", "generic"] {
        cut_off(&mut scene, BOTH, mode);
    }
}
