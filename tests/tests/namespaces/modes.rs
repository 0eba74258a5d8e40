//! Where in a device the program stands: in its driver, or behind it.

use tests::skip_unless;

use super::scene::{BOTH, Scene, eventually};

const BAD: [&str; 2] = ["203.0.113.7", "2001:db8:bad::7"];
const OTHER: [&str; 2] = ["198.51.100.9", "2001:db8:600d::9"];

/// Starts in this mode, has the listed addresses cut off, and takes everything away again.
pub fn cut_off(scene: &mut Scene, ports: &str, mode: &str) {
    let configuration = format!("{ports}attach = '{mode}'\n");
    scene.product.configure(&configuration).unwrap();
    let _run = scene.start();
    for interface in scene.status()["interfaces"].as_array().unwrap() {
        assert_eq!(interface["mode"], mode, "{interface}");
    }
    scene.done(&["block", BAD[0], BAD[1]]);
    for address in BAD {
        assert!(scene.drops(address), "{address}, {mode}");
    }
    for address in OTHER {
        assert!(!scene.drops(address), "{address}, {mode}");
    }
    scene.done(&["unload"]);
    scene.run(&["unblock", BAD[0], BAD[1]]);
    // Right after a native program is detached, a veth loses packets for a moment.
    for address in BAD {
        eventually("nothing is dropped", || {
            let there = scene.probe.reaches(address).unwrap();
            there && scene.probe.is_reached_from(address).unwrap()
        });
    }
}

#[test]
fn listed_addresses_are_cut_off_in_the_driver_and_behind_it() {
    skip_unless!(
        "listed_addresses_are_cut_off_in_the_driver_and_behind_it",
        Netns
    );
    let mut scene = Scene::new("");
    for mode in ["native", "generic"] {
        cut_off(&mut scene, BOTH, mode);
    }
}
