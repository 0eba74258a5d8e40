//! The shipped object is one that any libbpf loader takes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use firewall::dataplane::{Dataplane, Object};
use tests::{kernel::Bpffs, namespace::command, skip_unless};

#[test]
fn bpftool_loads_the_shipped_object() {
    skip_unless!("bpftool_loads_the_shipped_object", Bpf, Bpftool);
    let bpffs = Bpffs::new().unwrap();
    Dataplane::new(bpffs.path()).prepare().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let object = folder.path().join("firewall.o");
    fs::write(&object, Object::Shipped.bytes()).unwrap();
    let pins = bpffs.path().join("loaded");
    let (object, pins) = (object.display().to_string(), pins.display().to_string());
    command("bpftool", &["prog", "loadall", &object, &pins]).unwrap();
    for (name, kind) in [("firewall", "xdp"), ("firewall_tcx", "sched_cls")] {
        let pin = format!("{pins}/{name}");
        let shown = command("bpftool", &["-j", "prog", "show", "pinned", &pin]).unwrap();
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["type"], kind);
        assert_eq!(shown["name"], name);
        assert_eq!(shown["gpl_compatible"], true);
    }
}

#[test]
fn only_the_trace_build_logs() {
    let names = |object: Object, name: &str| {
        let name = name.as_bytes();
        object
            .bytes()
            .windows(name.len())
            .any(|window| window == name)
    };
    assert!(names(Object::Trace, "AYA_LOGS"));
    assert!(!names(Object::Shipped, "AYA_LOG"));
    assert!(names(Object::Shipped, "COUNTERS"));
}
