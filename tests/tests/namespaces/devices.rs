//! Interfaces that are wrong, taken, come and go.

use aya::{
    Ebpf,
    programs::{Xdp, xdp::XdpMode},
};
use firewall::dataplane::Object;
use tests::skip_unless;

use super::scene::{BOTH, Scene, eventually};

const BAD: &str = "203.0.113.7";

/// Attaches a program of somebody else to a device of the gateway; it stays as long as the answer.
fn somebody_else(scene: &Scene, device: &str) -> Ebpf {
    let attach = || {
        let mut ebpf = Ebpf::load(Object::Shipped.bytes()).unwrap();
        let program: &mut Xdp = ebpf.program_mut("firewall").unwrap().try_into().unwrap();
        program.load().unwrap();
        program.attach(device, XdpMode::Driver).unwrap();
        ebpf
    };
    scene.lab.gateway.enter(attach).unwrap()
}

#[test]
fn another_program_on_an_interface_is_named_and_nothing_is_replaced() {
    skip_unless!(
        "another_program_on_an_interface_is_named_and_nothing_is_replaced",
        Netns
    );
    let scene = Scene::new(BOTH);
    let _theirs = somebody_else(&scene, "eth1");
    let id = scene.xdp("eth1");
    let said = scene.run(&["run"]);
    assert_eq!(said.code, 2);
    let named = format!(
        "eth1 already runs another XDP program: 'firewall' (id {})",
        id.unwrap()
    );
    assert!(said.stderr.contains(&named), "{}", said.stderr);
    // What a link holds, 'ip link set eth1 xdp off' does not take off.
    let holder = format!("process {} (namespaces", std::process::id());
    let way = said.stderr.split("bpftool link detach id ").nth(1).unwrap();
    assert!(way.contains(&holder), "{way}");
    // The other interface, which came first, is put back.
    assert_eq!((scene.xdp("eth0"), scene.xdp("eth1")), (None, id));
    assert!(scene.dataplane().generations().unwrap().is_empty());
    assert!(scene.dataplane().links().unwrap().is_empty());
}

#[test]
fn a_run_that_cannot_have_all_interfaces_puts_back_those_that_it_moved() {
    skip_unless!(
        "a_run_that_cannot_have_all_interfaces_puts_back_those_that_it_moved",
        Netns
    );
    let mut scene = Scene::left_in_force("interfaces = ['eth0']\n");
    scene.done(&["block", BAD]);
    let (before, generation) = (scene.xdp("eth0"), scene.generation());
    let theirs = somebody_else(&scene, "eth1");
    scene.product.configure(BOTH).unwrap();
    let said = scene.run(&["run"]);
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(
        said.stderr.contains("the generation before stays in force"),
        "{}",
        said.stderr
    );
    assert_eq!(scene.xdp("eth0"), before);
    assert_eq!(scene.generation(), generation);
    assert_eq!(scene.dataplane().generations().unwrap(), [generation]);
    assert!(
        !scene.probe.is_reached_from(BAD).unwrap(),
        "eth0 still drops"
    );
    drop(theirs);
    let _run = scene.start();
    assert!(scene.drops(BAD));
    assert!(scene.xdp("eth1").is_some());
}

#[test]
fn loopback_is_refused() {
    skip_unless!("loopback_is_refused", Netns);
    let scene = Scene::new("interfaces = ['eth0', 'lo']\n");
    let said = scene.run(&["run"]);
    assert_eq!(said.code, 2);
    assert!(
        said.stderr
            .contains("the packets of lo start with neither an Ethernet nor an IP header"),
        "{}",
        said.stderr
    );
    assert_eq!((scene.xdp("eth0"), scene.xdp("lo")), (None, None));
}

#[test]
fn an_interface_that_is_not_there_is_an_error() {
    skip_unless!("an_interface_that_is_not_there_is_an_error", Netns);
    let scene = Scene::new("interfaces = ['eth0', 'eth7']\n");
    let said = scene.run(&["run"]);
    assert_eq!(said.code, 2);
    assert!(
        said.stderr
            .contains("there is no interface eth7; 'ip link'"),
        "{}",
        said.stderr
    );
    assert_eq!(scene.xdp("eth0"), None);
}

#[test]
fn a_deleted_device_is_said_and_the_other_one_still_takes_changes() {
    skip_unless!(
        "a_deleted_device_is_said_and_the_other_one_still_takes_changes",
        Netns
    );
    let scene = Scene::left_in_force(BOTH);
    let before = scene.xdp("eth1");
    scene.lab.gateway.ip(&["link", "del", "eth0"]).unwrap();
    assert!(!scene.all_in_force());
    let said = scene.run(&["block", BAD]);
    assert_eq!((said.code, said.stdout), (0, format!("blocked {BAD}\n")));
    assert_eq!(said.stderr, "eth0: detached, its device is gone\n");
    assert_ne!(scene.xdp("eth1"), before);
    assert_eq!(scene.dataplane().links().unwrap().len(), 1);
    assert_eq!(scene.run(&["why", BAD]).code, 1);
    // It comes back under its name, and `run` attaches it again.
    scene
        .lab
        .gateway
        .connect("eth0", &scene.lab.outside, "out0")
        .unwrap();
    assert!(!scene.all_in_force());
    let _run = scene.start();
    assert!(scene.xdp("eth0").is_some());
    assert_eq!(scene.run(&["status"]).code, 0);
}

#[test]
fn a_live_run_follows_a_device_that_goes_and_comes_back() {
    skip_unless!(
        "a_live_run_follows_a_device_that_goes_and_comes_back",
        Netns
    );
    let (mut run, scene) = Scene::running(BOTH);
    scene.lab.gateway.ip(&["link", "del", "eth0"]).unwrap();
    run.wait_for("eth0: detached, its device is gone").unwrap();
    scene
        .lab
        .gateway
        .connect("eth0", &scene.lab.outside, "out0")
        .unwrap();
    eventually("eth0 is attached again", || scene.xdp("eth0").is_some());
    eventually("all is in force", || scene.run(&["status"]).code == 0);
}

#[test]
fn an_interface_taken_out_of_the_configuration_is_detached_and_said() {
    skip_unless!(
        "an_interface_taken_out_of_the_configuration_is_detached_and_said",
        Netns
    );
    let (_run, mut scene) = Scene::running(BOTH);
    scene.done(&["block", BAD]);
    scene.product.configure("interfaces = ['eth1']\n").unwrap();
    let said = scene.run(&["reload"]);
    assert_eq!(said.code, 0);
    let detached = "eth0: detached, it is no longer in the configuration\n";
    assert!(said.stderr.ends_with(detached), "{}", said.stderr);
    assert_eq!(scene.xdp("eth0"), None);
    assert!(!scene.probe.reaches(BAD).unwrap(), "eth1 still drops");
    assert!(scene.probe.is_reached_from(BAD).unwrap(), "eth0 does not");
}

#[test]
fn a_configuration_that_names_none_of_the_attached_interfaces_needs_a_run() {
    skip_unless!(
        "a_configuration_that_names_none_of_the_attached_interfaces_needs_a_run",
        Netns
    );
    let scene = Scene::left_in_force("interfaces = ['eth0']\n");
    scene.product.configure("interfaces = ['eth1']\n").unwrap();
    let said = scene.run(&["reload"]);
    // Commands do not attach, and to detach what there is would leave no filter at all.
    assert_eq!(said.code, 2);
    assert!(
        said.stderr
            .contains("none of the attached interfaces (eth0)"),
        "{}",
        said.stderr
    );
    assert!(scene.xdp("eth0").is_some());
    let _run = scene.start();
    assert_eq!(
        (scene.xdp("eth0"), scene.xdp("eth1").is_some()),
        (None, true)
    );
}

#[test]
fn without_a_configuration_what_is_attached_stays_though_its_address_goes() {
    skip_unless!(
        "without_a_configuration_what_is_attached_stays_though_its_address_goes",
        Netns
    );
    let scene = Scene::left_in_force(BOTH);
    // Nothing here would be chosen: all devices are veths.
    scene.product.configure("").unwrap();
    let daemon = scene.start();
    let attached = (scene.xdp("eth0"), scene.xdp("eth1"));
    scene
        .lab
        .gateway
        .ip(&["addr", "flush", "dev", "eth1"])
        .unwrap();
    // The run looks again, and a change made after that proves that it has.
    daemon.hang_up().unwrap();
    scene.done(&["block", BAD]);
    assert_eq!(scene.dataplane().links().unwrap().len(), 2);
    assert!(attached.0.is_some() && attached.1.is_some());
    drop(daemon);
}

#[test]
fn where_the_driver_has_no_native_mode_the_generic_one_is_taken_and_said() {
    skip_unless!(
        "where_the_driver_has_no_native_mode_the_generic_one_is_taken_and_said",
        Netns
    );
    let scene = Scene::new("interfaces = ['br0', 'eth0']\n");
    scene
        .lab
        .gateway
        .ip(&["link", "add", "br0", "type", "bridge"])
        .unwrap();
    let mut daemon = scene.start();
    assert!(
        daemon
            .log
            .iter()
            .any(|line| line.starts_with("br0: attached in generic mode"))
    );
    assert!(
        daemon
            .log
            .iter()
            .any(|line| line == "eth0: attached, in the driver (native)")
    );
    daemon.hang_up().unwrap();
    daemon.wait_for("configuration read again").unwrap();
    let status = &scene.json(&["status"])[0];
    assert_eq!(status["interfaces"][0]["mode"], "generic");
    assert_eq!(status["interfaces"][1]["mode"], "native");
}

#[test]
fn native_or_nothing_is_an_error_where_the_driver_cannot() {
    skip_unless!(
        "native_or_nothing_is_an_error_where_the_driver_cannot",
        Netns
    );
    let scene = Scene::new("interfaces = ['br0']\nattach = 'native'\n");
    scene
        .lab
        .gateway
        .ip(&["link", "add", "br0", "type", "bridge"])
        .unwrap();
    let said = scene.run(&["run"]);
    assert_eq!(said.code, 2);
    assert!(
        said.stderr.contains("the driver of br0 has no native XDP"),
        "{}",
        said.stderr
    );
    assert_eq!(scene.xdp("br0"), None);
}

#[test]
fn a_name_that_is_not_there_takes_no_interface_out_on_reload() {
    skip_unless!(
        "a_name_that_is_not_there_takes_no_interface_out_on_reload",
        Netns
    );
    let (mut daemon, scene) = Scene::running(BOTH);
    scene
        .product
        .configure("interfaces = ['eth0', 'eth9']\n")
        .unwrap();
    let said = scene.run(&["reload"]);
    assert_eq!(said.code, 2);
    assert!(
        said.stderr.contains("there is no interface eth9"),
        "{}",
        said.stderr
    );
    // Nor does the run, told directly.
    daemon.hang_up().unwrap();
    daemon
        .wait_for("the configuration before stays in use")
        .unwrap();
    assert_eq!(scene.dataplane().links().unwrap().len(), 2);
}
