//! What is in force stays in force, whoever stops, dies or starts again.

use std::{fs, path::Path};

use firewall_common::SCHEMA;
use serde_json::Value;
use tests::{namespace::command, product::Daemon, skip_unless};

use super::scene::{BOTH, Scene, eventually, names};

const BAD: [&str; 2] = ["203.0.113.7", "2001:db8:bad::7"];
const OTHER: &str = "198.51.100.9";

#[test]
fn a_blocked_address_is_cut_off_and_an_unblocked_one_is_not() {
    skip_unless!(
        "a_blocked_address_is_cut_off_and_an_unblocked_one_is_not",
        Netns
    );
    let (_run, mut scene) = Scene::running(BOTH);
    for address in BAD {
        assert!(!scene.drops(address));
        let said = scene.done(&["block", address]);
        assert_eq!(said, format!("blocked {address}\n"));
        assert!(scene.drops(address));
        assert!(!scene.drops(OTHER));
        scene.done(&["unblock", address]);
        assert!(!scene.drops(address));
    }
}

#[test]
fn stopping_leaves_the_filter_in_force_and_commands_still_work() {
    skip_unless!(
        "stopping_leaves_the_filter_in_force_and_commands_still_work",
        Netns
    );
    let (run, mut scene) = Scene::running(BOTH);
    scene.done(&["block", BAD[0]]);
    assert_eq!(run.stop().unwrap(), 0);
    assert!(scene.drops(BAD[0]));
    scene.done(&["block", OTHER]);
    scene.done(&["unblock", BAD[0]]);
    assert!(scene.drops(OTHER));
    assert!(!scene.drops(BAD[0]));
}

#[test]
fn a_killed_run_leaves_the_filter_in_force() {
    skip_unless!("a_killed_run_leaves_the_filter_in_force", Netns);
    let (run, mut scene) = Scene::running(BOTH);
    scene.done(&["block", BAD[0]]);
    run.kill().unwrap();
    assert!(scene.drops(BAD[0]));
    assert!(!scene.drops(OTHER));
}

#[test]
fn unload_stops_a_live_run_and_leaves_nothing() {
    skip_unless!("unload_stops_a_live_run_and_leaves_nothing", Netns);
    let (run, mut scene) = Scene::running(BOTH);
    scene.done(&["block", BAD[0]]);
    let said = scene.run(&["unload"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, ""));
    assert_eq!(run.wait().unwrap(), 0);
    assert_eq!(pins(&scene), Vec::<String>::new());
    assert_eq!((scene.xdp("eth0"), scene.xdp("eth1")), (None, None));
    assert!(!scene.drops(BAD[0]));
    assert_eq!(
        mounts_below(scene.product.folder()),
        [scene.product.bpffs()]
    );
    // The list is a file and survives; with nothing attached it is not in force.
    assert_eq!(scene.run(&["block", OTHER]).code, 3);
    assert_eq!(scene.run(&["unload"]).code, 0);
    let _run = scene.start();
    assert!(scene.drops(BAD[0]) && scene.drops(OTHER));
}

/// Numbers of what is in the kernel for this scene: links, their programs, the maps of these.
fn kept_in_kernel(scene: &Scene) -> Vec<(&'static str, u64)> {
    let mut kept = Vec::new();
    for device in ["eth0", "eth1"] {
        let (link, program) = link(scene, device);
        let shown = command(
            "bpftool",
            &["-j", "prog", "show", "id", &program.to_string()],
        );
        let shown: Value = serde_json::from_str(&shown.unwrap()).unwrap();
        let maps = shown["map_ids"].as_array().unwrap().iter();
        kept.extend([("link", link), ("prog", program)]);
        kept.extend(maps.map(|map| ("map", map.as_u64().unwrap())));
    }
    kept
}

#[test]
fn unload_leaves_no_link_no_program_and_no_map_in_the_kernel() {
    skip_unless!(
        "unload_leaves_no_link_no_program_and_no_map_in_the_kernel",
        Netns,
        Bpftool
    );
    let (_run, scene) = Scene::running(BOTH);
    scene.done(&["block", BAD[0]]);
    let kept = kept_in_kernel(&scene);
    assert!(kept.len() > 10, "{kept:?}");
    let is_there = |&&(kind, id): &&(&str, u64)| {
        command("bpftool", &[kind, "show", "id", &id.to_string()]).is_ok()
    };
    assert_eq!(kept.iter().find(|it| !is_there(it)), None);
    scene.done(&["unload"]);
    // The kernel frees them once nobody can be using them any more.
    eventually("all of them are gone", || {
        !kept.iter().any(|it| is_there(&it))
    });
}

#[test]
fn unload_takes_the_filter_off_though_the_sums_cannot_be_written() {
    skip_unless!(
        "unload_takes_the_filter_off_though_the_sums_cannot_be_written",
        Netns
    );
    let mut scene = Scene::left_in_force(BOTH);
    scene.done(&["block", BAD[0]]);
    assert!(scene.drops(BAD[0]));
    fs::write(scene.product.state().join("ledger.db"), "no database").unwrap();
    let said = scene.run(&["unload"]);
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(said.stderr.contains("unloaded, but"), "{}", said.stderr);
    assert_eq!(pins(&scene), Vec::<String>::new());
    // Right after a native program is detached, a veth loses packets for a moment.
    eventually("nothing is dropped", || {
        let there = scene.probe.reaches(BAD[0]).unwrap();
        there && scene.probe.is_reached_from(BAD[0]).unwrap()
    });
}

/// What we pinned: the kernel itself may put its iterators in (kernel/bpf/preload).
fn pins(scene: &Scene) -> Vec<String> {
    let mut pins = names(&scene.product.bpffs());
    pins.retain(|name| !name.ends_with(".debug"));
    pins
}

fn mounts_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let below = points.map(std::path::PathBuf::from);
    below.filter(|point| point.starts_with(folder)).collect()
}

/// Number of the link pinned for `device`, and of the program that it runs.
fn link(scene: &Scene, device: &str) -> (u64, u64) {
    let pin = scene
        .product
        .bpffs()
        .join(SCHEMA)
        .join("links")
        .join(device);
    let pin = pin.display().to_string();
    let shown = command("bpftool", &["-j", "link", "show", "pinned", &pin]).unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    (
        shown["id"].as_u64().unwrap(),
        shown["prog_id"].as_u64().unwrap(),
    )
}

fn dropped(scene: &Scene) -> u64 {
    let rows = scene.json(&["stats"]);
    let blocked = rows.iter().filter(|row| row["reason"] == "blocked");
    blocked.map(|row| row["packets"].as_u64().unwrap()).sum()
}

#[test]
fn a_restart_adopts_what_is_pinned() {
    skip_unless!("a_restart_adopts_what_is_pinned", Netns, Bpftool);
    let (run, mut scene) = Scene::running(BOTH);
    scene.done(&["block", BAD[0]]);
    assert!(scene.drops(BAD[0]));
    let (before, count) = (link(&scene, "eth0"), dropped(&scene));
    run.kill().unwrap();
    // The files are what is in force: nothing to do but to look after it.
    let run = scene.start();
    assert_eq!(link(&scene, "eth0"), before);
    assert!(scene.drops(BAD[0]));
    assert!(dropped(&scene) > count);
    run.kill().unwrap();
    // What changed meanwhile is put in force through the same link.
    fs::write(
        scene.product.state().join("block.list"),
        format!("{OTHER}\n"),
    )
    .unwrap();
    let _run = scene.start();
    let after = link(&scene, "eth0");
    assert_eq!(after.0, before.0);
    assert_ne!(after.1, before.1);
    assert!(scene.drops(OTHER) && !scene.drops(BAD[0]));
    assert!(dropped(&scene) > count);
}

#[test]
fn a_second_run_on_the_same_state_names_the_first() {
    skip_unless!("a_second_run_on_the_same_state_names_the_first", Netns);
    let (run, scene) = Scene::running(BOTH);
    let said = scene.run(&["run"]);
    assert_eq!(said.code, 2);
    let first = format!("another 'firewall run' (process {})", run.pid());
    assert!(said.stderr.contains(&first), "{}", said.stderr);
    assert_eq!(scene.run(&["status"]).code, 0);
}

#[test]
fn one_change_is_one_install_with_a_live_run_beside_it() {
    skip_unless!("one_change_is_one_install_with_a_live_run_beside_it", Netns);
    let (mut run, scene) = Scene::running(BOTH);
    let before = scene.generation();
    scene.done(&["block", BAD[0]]);
    settle(&mut run);
    scene.done(&["block", OTHER]);
    settle(&mut run);
    assert_eq!(scene.generation(), before + 2);
}

/// Waits until `run` has looked at everything that happened before: it reads its configuration
/// anew, then looks, one after the other.
fn settle(run: &mut Daemon) {
    for _ in 0..2 {
        run.hang_up().unwrap();
        run.wait_for("configuration read again").unwrap();
    }
}
