//! Decisions of a real CrowdSec Local API, put in force as they come and taken out as they go.

use tests::{server::Crowdsec, skip_unless};

use super::scene::{BOTH, Scene, eventually};

const BAD: [&str; 2] = ["203.0.113.7", "2001:db8:bad::7"];
const RANGE: &str = "198.51.100.0/24";
const IN_RANGE: &str = "198.51.100.9";

/// A gateway with a Local API on its loopback that a feed asks each second.
fn scene() -> (Crowdsec, Scene) {
    let scene = Scene::new("");
    let crowdsec = Crowdsec::start(&scene.lab.gateway).unwrap();
    let feed = format!(
        "{BOTH}[[feed]]\nname = 'decisions'\nserver = 'crowdsec'\nurl = '{}'\ninternal = true\nkey_file = '{}'\n\
         mode = 'enforce'\ninterval = '1s'\n",
        Crowdsec::URL,
        crowdsec.key().display()
    );
    scene.product.configure(&feed).unwrap();
    (crowdsec, scene)
}

/// One way only: the other may be probed in the next generation.
fn cut(scene: &mut Scene, address: &str) -> bool {
    !scene.probe.reaches(address).unwrap()
}

#[test]
fn decisions_are_enforced_as_they_come_and_go() {
    skip_unless!("decisions_are_enforced_as_they_come_and_go", Netns, Servers);
    let (crowdsec, mut scene) = scene();
    let decide = |scene: &Scene, arguments: &[&str]| {
        crowdsec.decisions(&scene.lab.gateway, arguments).unwrap();
    };
    decide(&scene, &["add", "-i", BAD[0], "-d", "1h"]);
    let _run = scene.start();
    eventually("the first is enforced", || cut(&mut scene, BAD[0]));
    decide(&scene, &["add", "-i", BAD[1], "-d", "1h"]);
    decide(&scene, &["add", "-r", RANGE, "-d", "1h"]);
    // What asks for a riddle to be solved is not to be dropped.
    decide(
        &scene,
        &["add", "-i", "192.0.2.99", "-d", "1h", "-t", "captcha"],
    );
    eventually("the others are", || {
        cut(&mut scene, BAD[1]) && cut(&mut scene, IN_RANGE)
    });
    assert!(cut(&mut scene, BAD[0]) && !cut(&mut scene, "192.0.2.99"));
    decide(&scene, &["delete", "-i", BAD[0]]);
    eventually("it is let go", || !cut(&mut scene, BAD[0]));
    assert!(cut(&mut scene, IN_RANGE));
    decide(&scene, &["delete", "--all"]);
    eventually("all are let go", || {
        !cut(&mut scene, IN_RANGE) && !cut(&mut scene, BAD[1])
    });
}

#[test]
fn without_its_server_a_decision_ends_when_it_should_and_not_before() {
    skip_unless!(
        "without_its_server_a_decision_ends_when_it_should_and_not_before",
        Netns,
        Servers
    );
    let (mut crowdsec, mut scene) = scene();
    let gateway = || &scene.lab.gateway;
    crowdsec
        .decisions(gateway(), &["add", "-i", BAD[0], "-d", "1h"])
        .unwrap();
    crowdsec
        .decisions(gateway(), &["add", "-i", BAD[1], "-d", "12s"])
        .unwrap();
    let _run = scene.start();
    eventually("both are enforced", || {
        cut(&mut scene, BAD[0]) && cut(&mut scene, BAD[1])
    });
    crowdsec.stop();
    eventually("it has ended", || !cut(&mut scene, BAD[1]));
    assert!(cut(&mut scene, BAD[0]));
    let stalled = || scene.json(&["feeds"]).remove(0)["stalled"]["reason"].clone();
    assert!(stalled().as_str().unwrap().contains("connection failed"));
    // Whatever was missed meanwhile is asked for again.
    crowdsec.resume(&scene.lab.gateway).unwrap();
    crowdsec
        .decisions(&scene.lab.gateway, &["delete", "-i", BAD[0]])
        .unwrap();
    eventually("it is let go", || !cut(&mut scene, BAD[0]));
}

#[test]
fn a_refusal_is_logged_once_and_another_one_again() {
    skip_unless!("a_refusal_is_logged_once_and_another_one_again", Netns);
    let scene = Scene::new("");
    let key = scene.product.folder().join("key");
    let feed = format!(
        "{BOTH}[[feed]]\nname = 'decisions'\nserver = 'crowdsec'\nurl = '{}'\nkey_file = '{}'\n\
         interval = '1s'\n",
        Crowdsec::URL,
        key.display()
    );
    scene.product.configure(&feed).unwrap();
    let mut run = scene.start();
    run.wait_for("there is no key").unwrap();
    let checked = || scene.json(&["feeds"]).remove(0)["checked_at"].clone();
    for _ in 0..2 {
        let before = checked();
        eventually("it is asked again", || checked() != before);
    }
    std::fs::write(&key, "no key").unwrap();
    run.wait_for("holds no key").unwrap();
    let said = run.said().iter();
    let refusals = said
        .filter(|line| line.contains("decisions: stalled"))
        .count();
    assert_eq!(refusals, 2, "{:#?}", run.said());
}

#[test]
fn a_wrong_key_is_said_and_never_shown() {
    skip_unless!("a_wrong_key_is_said_and_never_shown", Netns, Servers);
    let (crowdsec, scene) = scene();
    std::fs::write(crowdsec.key(), "of-somebody-else").unwrap();
    let said = scene.run(&["feeds", "update"]);
    assert_eq!(said.code, 3, "{}", said.stderr);
    assert!(
        said.stdout.contains("status 403; check the key"),
        "{}",
        said.stdout
    );
    std::fs::remove_file(crowdsec.key()).unwrap();
    let said = scene.run(&["feeds", "update"]);
    assert!(
        said.stdout.contains("there is no key in"),
        "{}",
        said.stdout
    );
}
