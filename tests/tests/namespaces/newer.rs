//! Files that changed since a live `run` read them: what a command puts in force of them stays.

use std::{collections::BTreeSet, fs, io::Write as _};

use tests::skip_unless;

use super::scene::{BOTH, Scene, eventually};

/// Appends to the list as an editor does: a live `run` looks then, and nobody else does. Returns when it
/// is in force.
fn write_down(scene: &Scene, address: &str) {
    let before = scene.generation();
    let path = scene.product.state().join("block.list");
    let list = fs::OpenOptions::new().create(true).append(true).open(path);
    writeln!(list.unwrap(), "{address}").unwrap();
    next_generation(scene, before);
}

fn next_generation(scene: &Scene, before: u32) {
    let next = |all: &BTreeSet<Option<u32>>| all.len() == 1 && !all.contains(&Some(before));
    eventually("another generation", || next(&scene.generations_in_force()));
}

fn feed(scene: &Scene, name: &str, address: &str) -> String {
    let path = scene.product.folder().join(name);
    fs::write(&path, format!("{address}\n")).unwrap();
    format!("[[feed]]\nname = '{name}'\npath = {path:?}\nformat = 'plain'\nmode = 'enforce'\n")
}

#[test]
fn a_live_run_follows_what_a_command_put_in_force() {
    skip_unless!("a_live_run_follows_what_a_command_put_in_force", Netns);
    let (_run, mut scene) = Scene::running(BOTH);
    let edited = format!("{BOTH}{}", feed(&scene, "new", "203.0.113.7"));
    scene.product.configure(&edited).unwrap();
    let said = scene.run(&["feeds", "update"]).stderr;
    let edit = "the configuration was edited since it was put in force last";
    assert!(said.contains(edit), "{said}");
    assert!(scene.drops("203.0.113.7"));
    let said = scene.run(&["block", "192.0.2.1"]).stderr;
    assert!(!said.contains(edit), "{said}");

    write_down(&scene, "203.0.113.8");
    assert!(scene.drops("203.0.113.8"));
    assert!(scene.drops("203.0.113.7"), "taken back");
    assert!(scene.all_in_force());

    // And it keeps the feed: what a command alone knows of would never be fetched again.
    let copy = scene.product.state().join("feeds/new");
    fs::write(scene.product.folder().join("new"), "203.0.113.9\n").unwrap();
    scene.edit("feeds/new.json", |meta| {
        meta["checked_at"] = "2026-01-01T00:00:00Z".into();
    });
    write_down(&scene, "203.0.113.10");
    eventually("it is fetched", || {
        fs::read_to_string(&copy).unwrap().contains("203.0.113.9")
    });
}

#[test]
fn an_interface_that_is_not_there_takes_no_filter_off() {
    skip_unless!("an_interface_that_is_not_there_takes_no_filter_off", Netns);
    let (_run, mut scene) = Scene::running(BOTH);
    let feed = feed(&scene, "new", "203.0.113.7");
    let mistyped = format!("interfaces = ['eth1', 'eth00']\n{feed}");
    scene.product.configure(&mistyped).unwrap();
    scene.done(&["feeds", "update"]);

    write_down(&scene, "203.0.113.8");
    assert!(scene.drops("203.0.113.8"));
    assert!(scene.drops("203.0.113.7"), "taken back");
    assert!(scene.xdp("eth0").is_some() && scene.xdp("eth1").is_some());
}
