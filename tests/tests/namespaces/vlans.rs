//! VLAN devices of the kernel on both sides of the gateway. Their tags are beside a frame where the device below
//! can carry them so, and in it where that cannot.

use tests::{
    lab::Lab,
    probe::Probe,
    skip_unless,
    stack::{AROUND, CUSTOMER, IDS, SERVICE, one_tag, two_tags},
};

use super::{
    modes::cut_off,
    scene::{BOTH, Scene},
};

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
