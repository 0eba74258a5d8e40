//! A kernel that does not take the filter: one sentence that says why, and no `run` that filters nothing.

use std::{fs, path::Path, process::Command};

use tests::skip_unless;

use super::scene::{BOTH, Scene};

/// Whether programs are compiled when they are loaded.
const JIT: &str = "/proc/sys/net/core/bpf_jit_enable";

/// `firewall run` started by another program: what it said, once it has ended by itself.
fn refused(scene: &Scene, program: &str, arguments: &[&str]) -> String {
    let run = scene.product.command(&["run"]);
    let mut command = Command::new("timeout");
    command
        .args(["60", program])
        .args(arguments)
        .arg(run.get_program())
        .args(run.get_args())
        .env("NO_COLOR", "1");
    let output = scene
        .lab
        .gateway
        .enter(|| command.output())
        .unwrap()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    said
}

/// Nothing of a refused start stays.
fn assert_nothing_is_left(scene: &Scene) {
    assert!(scene.dataplane().links().unwrap().is_empty());
    assert!(scene.dataplane().generations().unwrap().is_empty());
    assert_eq!((scene.xdp("eth0"), scene.xdp("eth1")), (None, None));
}

#[test]
fn each_capability_that_is_missing_is_named() {
    skip_unless!("each_capability_that_is_missing_is_named", Netns);
    let scene = Scene::new(BOTH);
    // Mounting it takes another capability.
    scene.dataplane().prepare().unwrap();
    // Without CAP_PERFMON alone, some kernels take the program and some do not.
    #[rustfmt::skip]
    let table = [
        ("-sys_admin,-bpf",               "lacks CAP_BPF;"),
        ("-sys_admin,-net_admin",         "lacks CAP_NET_ADMIN;"),
        ("-sys_admin,-bpf,-perfmon",      "lacks CAP_BPF and CAP_PERFMON;"),
        ("-sys_admin,-net_admin,-perfmon", "lacks CAP_NET_ADMIN and CAP_PERFMON;"),
    ];
    for (without, named) in table {
        let said = refused(&scene, "setpriv", &["--bounding-set", without]);
        assert!(said.contains(named), "{without}: {said}");
        assert_eq!(said.lines().count(), 1, "{without}: {said}");
        assert_nothing_is_left(&scene);
    }
}

/// A cgroup of this process's own that may use so many bytes; removed when dropped.
struct Cgroup(String);

impl Cgroup {
    fn new(bytes: u64) -> Self {
        let path = format!("/sys/fs/cgroup/firewall-test-{}", std::process::id());
        fs::create_dir(&path).unwrap();
        fs::write(Path::new(&path).join("memory.max"), bytes.to_string()).unwrap();
        Self(path)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A cgroup with a process in it stays; there is none once the command has ended.
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_cgroup_with_too_little_memory_is_named() {
    skip_unless!("a_cgroup_with_too_little_memory_is_named", Netns, Cgroup);
    let scene = Scene::new(BOTH);
    let cgroup = Cgroup::new(28 << 20);
    let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", cgroup.0);
    let said = refused(&scene, "sh", &["-c", &enter, "sh"]);
    assert!(said.contains("not enough memory"), "{said}");
    assert!(
        said.contains("/firewall-test-") && said.contains("memory.max"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_nothing_is_left(&scene);
}

/// The JIT switched off, for programs that are loaded meanwhile; on again when dropped.
struct WithoutJit;

impl WithoutJit {
    fn new() -> Self {
        fs::write(JIT, "0").unwrap();
        Self
    }
}

impl Drop for WithoutJit {
    fn drop(&mut self) {
        // A test that leaves it off makes others slow, and nothing else.
        let _ = fs::write(JIT, "1");
    }
}

#[test]
fn a_kernel_without_jit_filters_and_is_said_to_be_slow() {
    skip_unless!(
        "a_kernel_without_jit_filters_and_is_said_to_be_slow",
        Netns,
        Interpreter
    );
    let slow = |scene: &Scene| {
        scene
            .run(&["status"])
            .stdout
            .contains("interprets the filter")
    };
    let without = WithoutJit::new();
    let (_run, mut scene) = Scene::running(BOTH);
    scene.done(&["block", "203.0.113.7"]);
    assert!(scene.drops("203.0.113.7") && !scene.drops("203.0.113.8"));
    assert!(scene.all_in_force() && slow(&scene));
    drop(without);
    scene.done(&["block", "203.0.113.8"]);
    assert!(scene.drops("203.0.113.8") && !slow(&scene));
}
