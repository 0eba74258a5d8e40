//! What `unload` leaves, and what it says of it.

use std::process::Command;

use aya::programs::ProgramInfo;
use firewall_common::SCHEMA;
use tests::{namespace::command, skip_unless};

use super::scene::{BOTH, Scene};

/// The pin of an interface's program in the generation that is in force.
fn program(scene: &Scene, interface: &str) -> String {
    let pins = scene.product.bpffs().join(SCHEMA).join("generations");
    let generation = scene.generation().to_string();
    let pin = pins.join(generation).join("programs").join(interface);
    pin.display().to_string()
}

#[test]
fn nothing_is_left_and_that_is_seen_before_it_is_said() {
    skip_unless!(
        "nothing_is_left_and_that_is_seen_before_it_is_said",
        Netns,
        Tcx
    );
    let scene = Scene::left_in_force(&format!("own_traffic = true\n{BOTH}"));
    let programs = scene.dataplane().programs().unwrap().unwrap();
    assert_eq!(programs.len(), 3);
    let said = scene.run(&["unload"]);
    assert_eq!(said.code, 0);
    assert_eq!(said.stderr, "unloaded: no traffic is filtered any more\n");
    assert!(firewall::dataplane::still_loaded(&programs).is_empty());
    assert!(!scene.product.bpffs().join(SCHEMA).exists());
}

#[test]
fn a_program_that_still_drops_somewhere_is_said_with_the_way_to_take_it_off() {
    skip_unless!(
        "a_program_that_still_drops_somewhere_is_said_with_the_way_to_take_it_off",
        Netns,
        Bpftool
    );
    let scene = Scene::left_in_force("interfaces = ['eth0']\n");
    let pin = program(&scene, "eth0");
    let gateway = &scene.lab.gateway;
    let attach = ["net", "attach", "xdp", "pinned", &pin, "dev", "eth1"];
    gateway
        .enter(|| command("bpftool", &attach))
        .unwrap()
        .unwrap();
    let said = scene.run(&["unload"]);
    assert_eq!(said.code, 2);
    assert!(
        !said.stderr.contains("no traffic is filtered"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr
            .contains("unloaded, but eth1 still runs program "),
        "{}",
        said.stderr
    );
    let way = "Take it off: ip link set dev eth1 xdp off\n";
    assert!(said.stderr.ends_with(way), "{}", said.stderr);
    gateway
        .ip(&["link", "set", "dev", "eth1", "xdp", "off"])
        .unwrap();
}

#[test]
fn a_program_that_somebody_holds_is_said_with_who_does() {
    skip_unless!("a_program_that_somebody_holds_is_said_with_who_does", Netns);
    let scene = Scene::left_in_force("interfaces = ['eth0']\n");
    let held = ProgramInfo::from_pin(program(&scene, "eth0"))
        .unwrap()
        .fd()
        .unwrap();
    let said = scene.run(&["unload"]);
    assert_eq!(said.code, 2);
    let holder = format!("process {} (namespaces", std::process::id());
    assert!(said.stderr.contains(&holder), "{}", said.stderr);
    drop(held);
}

#[test]
fn who_may_not_list_programs_is_promised_no_more_than_was_seen() {
    skip_unless!(
        "who_may_not_list_programs_is_promised_no_more_than_was_seen",
        Netns
    );
    let scene = Scene::left_in_force("interfaces = ['eth0']\n");
    let unload = scene.product.command(&["unload"]);
    let mut without = Command::new("setpriv");
    without
        .arg("--bounding-set=-sys_admin")
        .arg(unload.get_program())
        .args(unload.get_args());
    let output = scene
        .lab
        .gateway
        .enter(|| without.output())
        .unwrap()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.starts_with("unloaded: nothing is attached any more; "),
        "{said}"
    );
    assert_eq!(scene.xdp("eth0"), None);
}
