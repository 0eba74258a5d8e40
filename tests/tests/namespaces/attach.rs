//! In which mode an interface is attached, and what is said where the kernel or a driver refuses.

use firewall::dataplane::{Dataplane, Object};
use tests::{kernel::Bpffs, namespace::command, refusing::Refused, skip_unless};

use super::scene::{BOTH, Scene};

const EINVAL: i32 = 22;
const ENOMEM: i32 = 12;
const EOPNOTSUPP: i32 = 95;
const BAD: &str = "203.0.113.7";

#[test]
fn a_driver_that_refuses_native_mode_in_any_way_gets_the_generic_one() {
    skip_unless!(
        "a_driver_that_refuses_native_mode_in_any_way_gets_the_generic_one",
        Netns
    );
    for (errno, said) in [
        (
            EINVAL,
            "refuses native XDP in its present setup (MTU, queues, offloads): Invalid argument",
        ),
        (
            ENOMEM,
            "refuses native XDP in its present setup (MTU, queues, offloads): Cannot allocate",
        ),
        (
            EOPNOTSUPP,
            "has no native XDP, or none in its present setup (MTU, queues, offloads): ",
        ),
    ] {
        let mut scene = Scene::new(BOTH);
        let daemon = scene.start_refused(&[Refused::Native(errno)]);
        let line =
            format!("attached in generic mode, each packet costs more: the driver of eth1 {said}");
        let log = daemon.said().join("\n");
        assert!(log.contains(&line), "{errno}: {log}");
        assert_eq!(scene.status()["interfaces"][0]["mode"], "generic");
        scene.done(&["block", BAD]);
        assert!(scene.drops(BAD));
    }
}

#[test]
fn a_refusal_of_every_mode_attaches_nothing_and_names_the_answer() {
    skip_unless!(
        "a_refusal_of_every_mode_attaches_nothing_and_names_the_answer",
        Netns
    );
    let scene = Scene::new(BOTH);
    let said = scene.run_refused(
        &[Refused::Native(EINVAL), Refused::Generic(ENOMEM)],
        &["run"],
    );
    assert_eq!(said.code, 2, "{}", said.stderr);
    let text = "the kernel refuses XDP on eth0, in generic mode too: Cannot allocate memory";
    assert!(said.stderr.contains(text), "{}", said.stderr);
    assert_eq!((scene.xdp("eth0"), scene.xdp("eth1")), (None, None));
}

#[test]
fn another_program_that_no_link_holds_is_taken_off_as_is_said() {
    skip_unless!(
        "another_program_that_no_link_holds_is_taken_off_as_is_said",
        Netns,
        Bpftool
    );
    let scene = Scene::new(BOTH);
    let bpffs = Bpffs::new().unwrap();
    Dataplane::new(bpffs.path()).prepare().unwrap();
    let object = scene.product.folder().join("theirs.o");
    std::fs::write(&object, Object::Shipped.bytes()).unwrap();
    let pins = bpffs.path().join("theirs").display().to_string();
    let load = ["prog", "loadall", &object.display().to_string(), &pins];
    command("bpftool", &load).unwrap();
    let pin = format!("{pins}/firewall");
    let gateway = &scene.lab.gateway;
    let attach = ["net", "attach", "xdp", "pinned", &pin, "dev", "eth1"];
    gateway
        .enter(|| command("bpftool", &attach))
        .unwrap()
        .unwrap();
    let said = scene.run(&["run"]);
    assert_eq!(said.code, 2);
    let way = "Take it off first (ip link set dev eth1 xdp off), or leave eth1 out";
    assert!(said.stderr.contains(way), "{}", said.stderr);
    gateway
        .ip(&["link", "set", "dev", "eth1", "xdp", "off"])
        .unwrap();
    let _run = scene.start();
    assert!(scene.all_in_force());
}

#[test]
fn a_driver_that_refuses_a_new_generation_gets_it_in_generic_mode() {
    skip_unless!(
        "a_driver_that_refuses_a_new_generation_gets_it_in_generic_mode",
        Netns
    );
    let mut scene = Scene::left_in_force(BOTH);
    let refused = [Refused::Update(EINVAL)];
    let said = scene.run_refused(&refused, &["block", BAD]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let line = "eth0: attached anew in generic mode, each packet costs more; what came in between was not \
                judged: the driver of eth0 refuses native XDP in its present setup";
    assert!(said.stderr.contains(line), "{}", said.stderr);
    assert!(scene.drops(BAD));
    assert_eq!(scene.status()["interfaces"][0]["mode"], "generic");
    assert_eq!(scene.generations_in_force().len(), 1);
    // Behind the driver already, or in the driver or not at all: what was in force stays.
    let before = scene.generation();
    let said = scene.run_refused(&refused, &["unblock", BAD]);
    assert_eq!(said.code, 2, "{}", said.stderr);
    let line = "cannot put the new generation in force on eth0: Invalid argument";
    assert!(said.stderr.contains(line), "{}", said.stderr);
    assert_eq!(scene.generation(), before);
    assert!(scene.drops(BAD));
}

#[test]
fn what_no_mode_takes_is_put_back_in_its_place() {
    skip_unless!("what_no_mode_takes_is_put_back_in_its_place", Netns);
    for (configuration, refused) in [
        (
            BOTH.to_owned(),
            vec![Refused::Update(EINVAL), Refused::Generic(ENOMEM)],
        ),
        (
            format!("{BOTH}attach = 'native'\n"),
            vec![Refused::Update(EINVAL)],
        ),
    ] {
        let mut scene = Scene::left_in_force(&configuration);
        scene.done(&["block", BAD]);
        let before = scene.generation();
        let said = scene.run_refused(&refused, &["unblock", BAD]);
        assert_eq!(said.code, 2, "{}", said.stderr);
        assert!(said.stderr.contains("Invalid argument"), "{}", said.stderr);
        assert_eq!(scene.generation(), before);
        assert_eq!(scene.status()["interfaces"][0]["mode"], "native");
        assert!(scene.drops(BAD));
    }
}

#[test]
fn a_mode_that_is_written_for_one_interface_is_taken_into_force() {
    skip_unless!(
        "a_mode_that_is_written_for_one_interface_is_taken_into_force",
        Netns
    );
    let (mut daemon, mut scene) = Scene::running(BOTH);
    scene.done(&["block", BAD]);
    let modes = |scene: &Scene| {
        let status = scene.status();
        let rows = status["interfaces"].as_array().unwrap().clone();
        rows.iter()
            .map(|row| row["mode"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for (mode, said, expected) in [
        (
            "generic",
            "eth0: attached in generic mode, each packet costs more",
            ["native", "generic"],
        ),
        (
            "native",
            "eth0: attached, in the driver",
            ["native", "native"],
        ),
    ] {
        let key = format!("[[interface]]\nname = 'eth0'\nattach = '{mode}'\n");
        scene.product.configure(&format!("{BOTH}{key}")).unwrap();
        scene.done(&["reload"]);
        daemon.wait_for(said).unwrap();
        assert_eq!(modes(&scene), expected);
        assert!(scene.drops(BAD));
    }
}

#[test]
fn a_mode_that_cannot_be_had_is_tried_once_and_keeps_nothing_else_out() {
    skip_unless!(
        "a_mode_that_cannot_be_had_is_tried_once_and_keeps_nothing_else_out",
        Netns
    );
    let mut scene = Scene::new("attach = 'generic'\ninterfaces = ['eth1', 'eth0']\n");
    let mut daemon = scene.start_refused(&[Refused::Native(EINVAL)]);
    let native = "attach = 'native'\ninterfaces = ['eth1', 'eth0']\n";
    scene.product.configure(native).unwrap();
    scene.done(&["reload"]);
    daemon
        .wait_for("what is attached stays as it is: ")
        .unwrap();
    daemon
        .wait_for("eth1 filters in generic mode, though attach = \"native\" is written for it")
        .unwrap();
    scene.done(&["block", BAD]);
    assert!(scene.drops(BAD));
    let said = scene.run(&["status"]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    assert!(
        said.stdout.starts_with("enforcing; 2 troubles:\n"),
        "{}",
        said.stdout
    );
    daemon.hang_up().unwrap();
    daemon
        .wait_for("what is attached stays as it is: ")
        .unwrap();
    assert_eq!(daemon.stop().unwrap(), 0);
}
