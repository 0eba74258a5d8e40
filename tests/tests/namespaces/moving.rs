//! Devices that get another name, or go to another network namespace, and keep their filter.

use firewall_common::SCHEMA;
use tests::{
    namespace::{Namespace, command},
    need::Need,
    product::Daemon,
    skip_unless,
};

use super::scene::{BOTH, Scene, eventually};

const BAD: &str = "203.0.113.7";
const OTHER: &str = "203.0.113.8";

/// With an address blocked.
fn blocking(configuration: &str) -> (Daemon, Scene) {
    let (daemon, scene) = Scene::running(configuration);
    scene.done(&["block", BAD]);
    (daemon, scene)
}

fn ip(scene: &Scene, arguments: &[&str]) {
    scene.lab.gateway.ip(arguments).unwrap();
}

/// A device that is up takes another name only on newer kernels (commit bd039b5ea2a9, Linux 6.2).
fn rename(scene: &Scene, from: &str, to: &str) {
    let live = scene.lab.gateway.ip(&["link", "set", from, "name", to]);
    if live.is_err() {
        ip(scene, &["link", "set", from, "down"]);
        ip(scene, &["link", "set", from, "name", to]);
        ip(scene, &["link", "set", to, "up"]);
    }
}

/// The kernel's number of the attachment pinned under this name.
fn link(scene: &Scene, attachment: &str) -> u64 {
    let pin = scene
        .product
        .bpffs()
        .join(SCHEMA)
        .join("links")
        .join(attachment);
    let pin = pin.display().to_string();
    let shown = command("bpftool", &["-j", "link", "show", "pinned", &pin]).unwrap();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    shown["id"].as_u64().unwrap()
}

fn names(scene: &Scene) -> Vec<String> {
    let status = scene.status();
    let rows = status["interfaces"].as_array().unwrap().iter();
    rows.map(|row| {
        format!(
            "{} {}",
            row["name"].as_str().unwrap(),
            row["state"].as_str().unwrap()
        )
    })
    .collect()
}

#[test]
fn a_renamed_device_keeps_its_filter_and_is_shown_by_its_new_name() {
    skip_unless!(
        "a_renamed_device_keeps_its_filter_and_is_shown_by_its_new_name",
        Netns,
        Bpftool
    );
    let (mut daemon, mut scene) = blocking(BOTH);
    let before = link(&scene, "eth1");
    rename(&scene, "eth1", "inside0");
    daemon
        .wait_for("eth1 is called inside0 now, and keeps its filter")
        .unwrap();
    assert!(scene.xdp("inside0").is_some());
    assert!(!scene.probe.reaches(BAD).unwrap());
    // What is changed by hand and what the run changes reaches it.
    scene.done(&["block", OTHER]);
    assert!(!scene.probe.reaches(OTHER).unwrap());
    daemon.hang_up().unwrap();
    daemon.wait_for("configuration read again").unwrap();
    scene.done(&["unblock", OTHER]);
    let said = scene.run(&["status"]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    assert!(
        said.stdout.contains("inside0 (configured as eth1)"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout
            .starts_with("enforcing; 1 trouble:\n  eth1 is called inside0"),
        "{}",
        said.stdout
    );
    let stats = scene.json(&["stats"]);
    let blocked =
        |row: &&serde_json::Value| row["interface"] == "inside0" && row["reason"] == "blocked";
    assert!(
        stats.iter().find(blocked).unwrap()["packets"] != 0,
        "{stats:?}"
    );

    // The configuration follows, or the device gets its name back: no trouble either way.
    scene
        .product
        .configure("interfaces = ['inside0', 'eth0']\n")
        .unwrap();
    scene.done(&["reload"]);
    assert_eq!(scene.run(&["status"]).code, 0);
    assert_eq!(names(&scene), ["inside0 attached", "eth0 attached"]);
    scene.product.configure(BOTH).unwrap();
    scene.done(&["reload"]);
    rename(&scene, "inside0", "eth1");
    eventually("all is well", || scene.run(&["status"]).code == 0);
    assert_eq!(names(&scene), ["eth1 attached", "eth0 attached"]);
    assert_eq!(scene.dataplane().links().unwrap().len(), 2);
    assert_eq!(link(&scene, "eth1"), before, "nothing was attached anew");
}

#[test]
fn a_renamed_device_that_is_taken_out_of_the_configuration_is_detached() {
    skip_unless!(
        "a_renamed_device_that_is_taken_out_of_the_configuration_is_detached",
        Netns
    );
    let (mut daemon, scene) = blocking(BOTH);
    rename(&scene, "eth1", "inside0");
    daemon.wait_for("eth1 is called inside0 now").unwrap();
    scene.product.configure("interfaces = ['eth0']\n").unwrap();
    scene.done(&["reload"]);
    assert_eq!(scene.xdp("inside0"), None);
    assert!(scene.xdp("eth0").is_some());
}

#[test]
fn another_device_with_the_old_name_gets_a_filter_beside_the_one_that_was_renamed() {
    skip_unless!(
        "another_device_with_the_old_name_gets_a_filter_beside_the_one_that_was_renamed",
        Netns,
        Bpftool
    );
    let (mut daemon, mut scene) = blocking(&format!("own_traffic = true\n{BOTH}"));
    let before = link(&scene, "eth0");
    rename(&scene, "eth0", "old0");
    let beside = Namespace::new(&format!("{}-beside", scene.lab.gateway.name())).unwrap();
    scene.lab.gateway.connect("eth0", &beside, "peer0").unwrap();
    daemon
        .wait_for("the eth0 of today is another device")
        .unwrap();
    eventually("both are attached", || scene.xdp("eth0").is_some());
    assert_eq!(link(&scene, "eth0"), before);
    assert!(!scene.probe.is_reached_from(BAD).unwrap());
    scene.done(&["block", OTHER]);
    assert!(!scene.probe.is_reached_from(OTHER).unwrap());
    assert_eq!(scene.generations_in_force().len(), 1);
    let shown = names(&scene);
    for name in ["eth0 attached", "old0 attached", "eth1 attached"] {
        assert!(shown.iter().any(|it| it == name), "{shown:?}");
    }
    // A run that comes later finds all of it.
    assert_eq!(daemon.stop().unwrap(), 0);
    let daemon = scene.start();
    assert!(!scene.probe.is_reached_from(OTHER).unwrap());
    assert_eq!(scene.xdp("eth0").is_some(), scene.xdp("old0").is_some());
    drop(daemon);
}

#[test]
fn two_devices_that_swapped_their_names_keep_their_filters() {
    skip_unless!(
        "two_devices_that_swapped_their_names_keep_their_filters",
        Netns
    );
    let scene = Scene::left_in_force(BOTH);
    let programs = [scene.xdp("eth0"), scene.xdp("eth1")];
    rename(&scene, "eth0", "between");
    rename(&scene, "eth1", "eth0");
    rename(&scene, "between", "eth1");
    assert_eq!(scene.run(&["block", BAD]).code, 0);
    let daemon = scene.start();
    assert_eq!(
        scene.run(&["status"]).code,
        0,
        "{}",
        scene.run(&["status"]).stdout
    );
    assert!(scene.xdp("eth0").is_some() && scene.xdp("eth1").is_some());
    assert!(programs.iter().all(Option::is_some));
    assert_eq!(scene.dataplane().links().unwrap().len(), 2);
    drop(daemon);
}

#[test]
fn a_device_in_another_namespace_keeps_its_filter_and_comes_back_with_it() {
    skip_unless!(
        "a_device_in_another_namespace_keeps_its_filter_and_comes_back_with_it",
        Netns
    );
    let is_own_judged = Need::Tcx.is_met();
    let (mut daemon, scene) = blocking(&format!("own_traffic = {is_own_judged}\n{BOTH}"));
    let away = Namespace::new(&format!("{}-away", scene.lab.gateway.name())).unwrap();
    ip(&scene, &["link", "set", "eth0", "netns", away.name()]);
    daemon
        .wait_for("eth0 is in another network namespace now, and keeps its filter there")
        .unwrap();
    // The program goes along.
    let shown = away.ip(&["-j", "link", "show", "dev", "eth0"]).unwrap();
    assert!(shown.contains("\"xdp\""), "{shown}");
    let said = scene.run(&["status"]);
    assert_eq!(said.code, 1);
    assert!(
        said.stdout
            .contains("attached, in another network namespace"),
        "{}",
        said.stdout
    );
    // Changes reach it there.
    scene.done(&["block", OTHER]);
    assert_eq!(scene.generations_in_force().len(), 1);
    away.ip(&["link", "set", "eth0", "netns", scene.lab.gateway.name()])
        .unwrap();
    eventually("it is back", || {
        names(&scene).contains(&"eth0 attached".to_owned())
    });
    eventually("own traffic is judged again", || {
        !is_own_judged || names(&scene).contains(&"eth0:own attached".to_owned())
    });
    assert_eq!(
        scene.run(&["status"]).code,
        0,
        "{}",
        scene.run(&["status"]).stdout
    );
}

#[test]
fn without_a_configuration_a_renamed_device_is_not_lost() {
    skip_unless!(
        "without_a_configuration_a_renamed_device_is_not_lost",
        Netns
    );
    let scene = Scene::new("");
    let gateway = &scene.lab.gateway;
    let run = ["run", "--interface", "eth0", "--interface", "eth1"];
    let mut daemon = scene.product.spawn(gateway, &run).unwrap();
    daemon.wait_for("in force").unwrap();
    scene.done(&["block", BAD]);
    rename(&scene, "eth1", "inside0");
    daemon.hang_up().unwrap();
    daemon.wait_for("configuration read again").unwrap();
    scene.done(&["block", OTHER]);
    assert!(scene.xdp("inside0").is_some());
    let said = scene.run(&["status"]);
    assert!(
        said.stdout.contains("inside0 (attached as eth1)"),
        "{}",
        said.stdout
    );
    assert_eq!(scene.dataplane().links().unwrap().len(), 2);
}
