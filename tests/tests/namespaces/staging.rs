//! New entries of a feed wait in monitor, and go on unless too many inside hosts called them.

use std::fs;

use serde_json::{Value, json};
use tests::{lab::HOSTS, probe::Way, skip_unless};

use super::scene::{BOTH, Scene, eventually};

/// In a wide entry of the first copy, in wide ones of the second, and in a narrow one of the second.
const FIRST: &str = "203.0.113.7";
const NEW: [&str; 2] = ["198.51.100.9", "2001:db8:bad::7"];
const NARROW: &str = "192.0.2.7";

/// A live feed that drops, whose first copy is in force, with these keys.
fn with_feed(keys: &str) -> Scene {
    let scene = Scene::new("");
    let path = scene.product.folder().join("list");
    let path = path.display();
    let feed = format!(
        "[[feed]]\nname = 'list'\npath = '{path}'\nformat = 'plain'\nmode = 'enforce'\n{keys}"
    );
    scene.product.configure(&format!("{BOTH}{feed}")).unwrap();
    scene
}

fn first_copy(scene: &mut Scene) {
    fs::write(scene.product.folder().join("list"), "203.0.0.0/16\n").unwrap();
    scene.done(&["feeds", "update"]);
    assert!(scene.drops(FIRST), "a first copy does not wait");
    // Updates are told apart by seconds.
    std::thread::sleep(std::time::Duration::from_secs(1));
}

fn second_copy(scene: &Scene) {
    // What is left out waits for nothing.
    let content = "203.0.0.0/16\n198.51.0.0/16\n2001:db8:bac::/46\n192.0.2.0/25\n10.99.0.0/16\n";
    fs::write(scene.product.folder().join("list"), content).unwrap();
    scene.done(&["feeds", "update"]);
}

fn feed(scene: &Scene) -> Value {
    scene.json(&["feeds"]).remove(0)
}

fn why(scene: &Scene, address: &str) -> String {
    scene.run(&["why", address]).stdout
}

fn call(scene: &mut Scene, hosts: usize, remote: &str) {
    let remote = remote.parse().unwrap();
    for (host, _) in &HOSTS[..hosts] {
        let host = host.parse().unwrap();
        assert!(
            scene.probe.passes(Way::Out, host, remote).unwrap(),
            "{host}"
        );
    }
}

/// Two hosts call what is dropped already: nothing would be lost.
fn called_in_vain(scene: &mut Scene) {
    scene.done(&["block", NEW[1]]);
    for (_, host) in &HOSTS[..2] {
        let (host, remote) = (host.parse().unwrap(), NEW[1].parse().unwrap());
        assert!(
            !scene.probe.passes(Way::Out, host, remote).unwrap(),
            "{host}"
        );
    }
}

#[test]
fn a_new_network_is_monitored_for_a_while_and_then_dropped() {
    skip_unless!(
        "a_new_network_is_monitored_for_a_while_and_then_dropped",
        Netns
    );
    let mut scene = with_feed("stage = '8s'\n");
    let run = scene.start();
    first_copy(&mut scene);
    second_copy(&scene);
    // It looks at least once a minute, or when it is told to.
    run.hang_up().unwrap();
    for address in NEW {
        assert!(!scene.drops(address), "{address} is new");
        let said = why(&scene, address);
        let words = ["only monitored", "list monitors", "new, in monitor until 2"];
        assert!(words.iter().all(|it| said.contains(it)), "{said}");
    }
    assert!(scene.drops(NARROW) && scene.drops(FIRST));
    let hosts = scene.json(&["hosts"]);
    let row = hosts.iter().find(|row| row["remote"] == NEW[0]).unwrap();
    assert_eq!(
        (&row["verdict"], &row["sources"]),
        (&json!("passed"), &json!(["list"]))
    );
    assert_eq!(feed(&scene)["waiting"]["entries"], 2);
    assert!(
        scene
            .done(&["feeds"])
            .contains("good; 2 entries wait until 2")
    );
    let shown = scene.done(&["feeds", "show", "list"]);
    let words = [
        "2 entries wait until 2",
        "  waits        198.51.0.0/16 until 2",
    ];
    assert!(words.iter().all(|it| shown.contains(it)), "{shown}");
    let row = &scene.json(&["feeds", "show", "list"])[0]["waiting_entries"];
    assert_eq!(row.as_array().unwrap().len(), 2, "{row}");
    assert!(
        scene
            .done(&["list", "--feed", "list"])
            .contains("198.51.0.0/16 list monitor")
    );
    let exported = scene.done(&["export"]);
    assert!(
        exported.contains("203.0.0.0/16") && !exported.contains("198.51"),
        "{exported}"
    );

    eventually("it goes on by itself", || {
        !scene.probe.reaches(NEW[0]).unwrap()
    });
    for address in NEW {
        assert!(scene.drops(address), "{address}");
        assert!(why(&scene, address).contains("list blocks"));
    }
    assert_eq!(feed(&scene)["waiting"], Value::Null);
    assert_eq!(scene.run(&["status"]).code, 0);
}

#[test]
fn a_network_that_many_inside_hosts_call_is_held_back_until_it_is_accepted() {
    skip_unless!(
        "a_network_that_many_inside_hosts_call_is_held_back_until_it_is_accepted",
        Netns
    );
    let mut scene = with_feed("stage = '5s'\nstage_hosts = 1\n");
    let mut run = scene.start();
    first_copy(&mut scene);
    second_copy(&scene);
    run.hang_up().unwrap();
    run.wait_for("configuration read again").unwrap();
    call(&mut scene, 2, NEW[0]);
    called_in_vain(&mut scene);
    eventually("they are judged", || feed(&scene)["waiting"].is_null());
    eventually("what is judged is in force", || scene.all_in_force());
    assert_eq!(scene.run(&["status"]).code, 1, "somebody has to look");
    scene.done(&["unblock", NEW[1]]);
    assert!(scene.drops(NEW[1]), "it goes on");
    assert!(!scene.drops(NEW[0]), "it is held back");
    let said = why(&scene, NEW[0]);
    assert!(
        said.contains("held back in monitor: 2 inside hosts called it"),
        "{said}"
    );
    let show = scene.run(&["feeds", "show", "list"]);
    assert_eq!(show.code, 1, "{}", show.stdout);
    for words in [
        "list: held-back since",
        "2 inside hosts called 198.51.0.0/16 while it waited",
        "firewall feeds accept list",
    ] {
        assert!(show.stdout.contains(words), "{words}: {}", show.stdout);
    }
    assert_eq!(feed(&scene)["held_back"][0]["entry"], "198.51.0.0/16");

    let accepted = scene.done(&["feeds", "accept", "list"]);
    assert_eq!(
        accepted,
        "list: 198.51.0.0/16 goes on, which 2 inside hosts called\n"
    );
    assert!(scene.drops(NEW[0]));
    let again = scene.run(&["feeds", "accept", "list"]);
    assert_eq!(again.code, 2);
    assert!(
        again.stderr.contains("nothing of feed list"),
        "{}",
        again.stderr
    );
    run.hang_up().unwrap();
    run.wait_for("configuration read again").unwrap();
    let log = run.log.join("\n");
    assert_eq!(
        log.matches("198.51.0.0/16 stays monitored").count(),
        1,
        "{log}"
    );
}

#[test]
fn without_a_live_run_what_has_waited_is_judged_by_the_next_change() {
    skip_unless!(
        "without_a_live_run_what_has_waited_is_judged_by_the_next_change",
        Netns
    );
    let mut scene = with_feed("stage = '3s'\nstage_entries = 'all'\nstage_hosts = 1\n");
    let run = scene.start();
    assert_eq!(run.stop().unwrap(), 0);
    fs::write(
        scene.product.folder().join("list"),
        "203.0.113.7\n192.0.2.0/25\n",
    )
    .unwrap();
    scene.done(&["feeds", "update"]);
    call(&mut scene, 2, FIRST);
    let shown = scene.done(&["feeds"]);
    assert!(shown.contains("2 entries wait until 2"), "{shown}");
    eventually("the time is over", || {
        scene.done(&["feeds"]).contains("to judge")
    });
    assert!(!scene.drops(NARROW), "nobody has judged it");
    scene.done(&["block", "203.0.113.8"]);
    assert!(scene.drops(NARROW));
    assert!(!scene.drops(FIRST), "two hosts called it");
    assert!(why(&scene, FIRST).contains("held back"));
    // What waits is let go by the operator as well.
    let content = "203.0.113.7\n192.0.2.0/25\n198.51.100.9\n";
    fs::write(scene.product.folder().join("list"), content).unwrap();
    scene.done(&["feeds", "update"]);
    assert!(!scene.drops(NEW[0]));
    let accepted = scene.done(&["feeds", "accept", "list"]);
    assert!(accepted.contains("1 new entries go on"), "{accepted}");
    assert!(accepted.contains("203.0.113.7/32 goes on"), "{accepted}");
    assert!(scene.drops(NEW[0]) && scene.drops(FIRST));
}

#[test]
fn what_waits_while_nothing_is_in_force_waits_anew() {
    skip_unless!("what_waits_while_nothing_is_in_force_waits_anew", Netns);
    let mut scene = with_feed("stage = '1h'\n");
    let run = scene.start();
    first_copy(&mut scene);
    second_copy(&scene);
    let until = |scene: &Scene| feed(scene)["waiting"]["until"].to_string();
    assert_eq!(run.stop().unwrap(), 0);
    let before = until(&scene);
    std::thread::sleep(std::time::Duration::from_secs(1));
    let run = scene.start();
    assert_eq!(until(&scene), before, "it was in force all the time");
    assert_eq!(run.stop().unwrap(), 0);
    scene.done(&["unload"]);
    let _run = scene.start();
    assert!(until(&scene) > before, "nobody could be seen to call it");
    assert!(!scene.drops(NEW[0]) && scene.drops(FIRST));
}

#[test]
fn attackers_are_not_held_back_by_who_calls_them() {
    skip_unless!("attackers_are_not_held_back_by_who_calls_them", Netns);
    let mut scene =
        with_feed("direction = 'in'\nconnectionless = 'drop'\nstage = '5s'\nstage_hosts = 0\n");
    let configuration = fs::read_to_string(scene.product.configuration()).unwrap();
    let watched = scene.product.folder().join("watched");
    fs::write(&watched, format!("{}\n", NEW[0])).unwrap();
    let watched = watched.display();
    let watch = format!("[[feed]]\nname = 'watch'\npath = '{watched}'\nformat = 'plain'\n");
    scene.product.configure(&(configuration + &watch)).unwrap();
    let run = scene.start();
    fs::write(scene.product.folder().join("list"), "203.0.0.0/16\n").unwrap();
    scene.done(&["feeds", "update"]);
    std::thread::sleep(std::time::Duration::from_secs(1));
    second_copy(&scene);
    run.hang_up().unwrap();
    assert!(scene.probe.is_reached_from(NEW[0]).unwrap(), "it is new");
    call(&mut scene, 2, NEW[0]);
    eventually("it goes on", || {
        !scene.probe.is_reached_from(NEW[0]).unwrap()
    });
    assert!(scene.probe.reaches(NEW[0]).unwrap());
}
