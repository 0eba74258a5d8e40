//! Programs that a driver took and runs on no packet: found out, said, and gone round.

use std::time::{Duration, Instant};

use firewall_common::{COUNTERS, SCHEMA};
use tests::{
    frame::{ethernet, udp},
    namespace::command,
    product::Daemon,
    skip_unless,
};

use super::scene::{BOTH, Scene};

/// Makes what the program on `interface` counts unseen, as if its driver did not run it: it goes on counting
/// where nobody looks, until a new generation takes what is pinned.
fn hide_counters(scene: &Scene, interface: &str) {
    let pin = scene
        .product
        .bpffs()
        .join(SCHEMA)
        .join("counters")
        .join(interface);
    std::fs::remove_file(&pin).unwrap();
    let (pin, entries) = (pin.display().to_string(), COUNTERS.to_string());
    let shape = [
        "type",
        "percpu_array",
        "key",
        "4",
        "value",
        "16",
        "entries",
        &entries,
    ];
    let map = [&["map", "create", &pin][..], &shape, &["name", "COUNTERS"]].concat();
    command("bpftool", &map).unwrap();
}

/// Sends frames from outside until something is so; three looks five seconds apart may be needed.
fn sending(scene: &Scene, what: &str, mut so: impl FnMut() -> bool) {
    const PATIENCE: Duration = Duration::from_secs(60);
    let start = Instant::now();
    let outside = scene.lab.outside_tap().unwrap();
    let (_, mac) = scene.lab.gateway_macs().unwrap();
    let packet = udp(
        "192.0.2.9".parse().unwrap(),
        "10.77.1.11".parse().unwrap(),
        b"frame",
    );
    let frame = ethernet(mac).ip(&packet);
    while !so() {
        assert!(start.elapsed() < PATIENCE, "never happened: {what}");
        for _ in 0..20 {
            outside.send(&frame).unwrap();
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn mode(scene: &Scene, interface: &str) -> String {
    let status = scene.status();
    let mut rows = status["interfaces"].as_array().unwrap().iter();
    let row = rows.find(|row| row["name"] == interface).unwrap();
    row["mode"].as_str().unwrap().to_owned()
}

fn says(scene: &Scene, text: &str) -> bool {
    scene.run(&["status"]).stdout.contains(text)
}

const BLIND: &str = "eth0 receives packets and the program sees none of them (";

#[test]
fn a_driver_that_runs_no_program_is_said_and_gone_round() {
    skip_unless!(
        "a_driver_that_runs_no_program_is_said_and_gone_round",
        Netns,
        Bpftool
    );
    let (mut daemon, mut scene) = Scene::running(BOTH);
    scene.done(&["block", "192.0.2.66"]);
    sending(&scene, "packets are seen", || {
        scene.run(&["status"]).code == 0
    });
    hide_counters(&scene, "eth0");
    sending(&scene, "generic mode is tried", || {
        mode(&scene, "eth0") == "generic"
    });
    let moved =
        "eth0 was moved to generic mode, where each packet costs more: its driver took the program";
    daemon.wait_for(moved).unwrap();
    assert!(scene.drops("192.0.2.66"));
    // It stays a trouble until it is written down, also for a run that comes later.
    assert_eq!(daemon.stop().unwrap(), 0);
    let daemon: Daemon = scene.start();
    assert!(says(&scene, moved));
    assert_eq!(
        (mode(&scene, "eth0"), scene.all_in_force()),
        ("generic".to_owned(), true)
    );
    let key = "[[interface]]\nname = 'eth0'\nattach = 'generic'\n";
    scene.product.configure(&format!("{BOTH}{key}")).unwrap();
    scene.done(&["reload"]);
    let said = scene.run(&["status"]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    drop(daemon);
}

#[test]
fn without_another_mode_it_is_a_fault_until_packets_are_seen_again() {
    skip_unless!(
        "without_another_mode_it_is_a_fault_until_packets_are_seen_again",
        Netns,
        Bpftool
    );
    let (mut daemon, scene) = Scene::running(&format!("{BOTH}attach = 'native'\n"));
    hide_counters(&scene, "eth0");
    sending(&scene, "it is said", || says(&scene, BLIND));
    daemon.wait_for(BLIND).unwrap();
    let said = scene.run(&["status"]);
    assert_eq!(said.code, 1);
    assert!(
        said.stdout.starts_with("enforcing, but NOT all"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("or write attach = \"generic\""),
        "{}",
        said.stdout
    );
    assert_eq!(mode(&scene, "eth0"), "native");
    // A new generation counts where it is looked.
    scene.done(&["block", "192.0.2.66"]);
    sending(&scene, "it is over", || scene.run(&["status"]).code == 0);
}
