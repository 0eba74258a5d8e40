//! Tunnels to the outside, named: what goes in and what comes out is judged at the tunnel.

use tests::{
    lab::{Devices, Lab},
    skip_unless,
    stack::{gre, vxlan, wireguard},
};

use super::super::scene::Scene;

/// The tunnel that `stack` makes, judged at its end of this name in this mode.
fn judged(stack: impl FnOnce(&Lab) -> anyhow::Result<Devices>, name: &str, mode: &str) {
    let mut scene = Scene::over(Lab::for_test_over(stack).unwrap(), "");
    let mut judged = ["eth1 native".to_owned(), format!("{name} {mode}")];
    judged.sort_unstable();
    let judged = judged.each_ref().map(|it| &it[..]);
    scene.judged_at(&format!("interfaces = ['eth1', '{name}']\n"), &judged);
}

#[test]
fn what_goes_over_wireguard_is_judged() {
    skip_unless!("what_goes_over_wireguard_is_judged", Netns, Tcx, Wireguard);
    judged(wireguard, "wg0", "tcx");
}

#[test]
fn what_goes_over_gre_is_judged() {
    skip_unless!("what_goes_over_gre_is_judged", Netns, Tcx);
    judged(gre, "gre1", "tcx");
}

#[test]
fn what_goes_over_vxlan_is_judged() {
    skip_unless!("what_goes_over_vxlan_is_judged", Netns);
    judged(vxlan, "vx0", "generic");
}
