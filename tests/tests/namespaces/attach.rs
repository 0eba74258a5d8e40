//! In which mode an interface is attached, and what is said where the kernel or a driver refuses.

use tests::{refusing::Refused, skip_unless};

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
