//! Who called whom, and who says that it is bad.

use std::fs;

use serde_json::{Value, json};
use tests::{lab::HOSTS, probe::Way, skip_unless};

use super::scene::{BOTH, Scene};

const BAD: &str = "203.0.113.7";
const WATCHED: &str = "198.51.100.9";

/// Two feeds that drop and name BAD, one of them by its network; one that watches.
fn with_feeds() -> Scene {
    let scene = Scene::new("");
    let mut configuration = BOTH.to_owned();
    for (name, mode, content) in [
        ("exact", "enforce", "203.0.113.7\n2001:db8:bad::7\n"),
        ("network", "enforce", "# networks\n203.0.113.0/24\n"),
        ("watch", "monitor", "198.51.100.0/24\n203.0.113.7\n"),
    ] {
        let path = scene.product.folder().join(name);
        fs::write(&path, content).unwrap();
        let path = path.display();
        configuration.push_str(&format!(
            "[[feed]]\nname = '{name}'\npath = '{path}'\nformat = 'plain'\nmode = '{mode}'\n"
        ));
    }
    scene.product.configure(&configuration).unwrap();
    assert_eq!(scene.run(&["feeds", "update"]).code, 3);
    scene
}

fn strings(value: &Value) -> Vec<&str> {
    let mut strings: Vec<&str> = value
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    strings.sort_unstable();
    strings
}

#[test]
fn an_inside_host_that_calls_out_is_named_with_all_feeds() {
    skip_unless!(
        "an_inside_host_that_calls_out_is_named_with_all_feeds",
        Netns
    );
    let mut scene = with_feeds();
    let mut run = scene.start();
    for (host, remote) in [(HOSTS[1].0, BAD), (HOSTS[1].0, BAD), (HOSTS[2].0, WATCHED)] {
        let (host, remote) = (host.parse().unwrap(), remote.parse().unwrap());
        scene.probe.passes(Way::Out, host, remote).unwrap();
    }
    assert!(!scene.probe.is_reached_from("2001:db8:bad::7").unwrap());
    let hosts = scene.json(&["hosts"]);
    let row = |inside: &str| hosts.iter().find(|row| row["inside"] == inside).unwrap();
    let infected = row(HOSTS[1].0);
    assert_eq!(infected["remote"], BAD);
    assert_eq!(infected["direction"], "outbound");
    assert_eq!(infected["verdict"], "dropped");
    assert_eq!(infected["packets"], 2);
    assert_eq!(strings(&infected["sources"]), ["exact", "network", "watch"]);
    let watched = row(HOSTS[2].0);
    assert_eq!(
        (&watched["verdict"], &watched["remote"]),
        (&json!("passed"), &json!(WATCHED))
    );
    assert_eq!(strings(&watched["sources"]), ["watch"]);
    let called = row(HOSTS[0].1);
    assert_eq!(called["direction"], "inbound");
    assert_eq!(strings(&called["sources"]), ["exact"]);
    // What is only watched gets through, and its server answers.
    let answer = hosts
        .iter()
        .find(|row| row["remote"] == WATCHED && row["direction"] == "inbound");
    assert_eq!(answer.unwrap()["inside"], HOSTS[2].0);
    assert_eq!(hosts.len(), 4);
    // The live run says it as well, once.
    let line = run
        .wait_for(&format!("inside host {} called {BAD}", HOSTS[1].0))
        .unwrap();
    assert!(line.contains("dropped, listed by"), "{line}");
}

#[test]
fn why_names_every_source_with_its_line() {
    skip_unless!("why_names_every_source_with_its_line", Netns);
    let mut scene = with_feeds();
    let _run = scene.start();
    scene.done(&["block", BAD, "--reason", "seen at night"]);
    assert!(scene.drops(BAD));
    let answer = scene.json(&["why", BAD]).remove(0);
    assert_eq!(answer["address"], BAD);
    assert_eq!(answer["verdict"], "blocked");
    assert_eq!(
        (&answer["in_force"], &answer["agrees"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(answer["hits"]["packets"], 2);
    let of = |name: &str| {
        let sources = answer["sources"].as_array().unwrap();
        sources
            .iter()
            .find(|source| source["source"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(
        (&of("exact")["prefix"], &of("exact")["line"]),
        (&json!("203.0.113.7/32"), &json!(1))
    );
    assert_eq!(
        (&of("network")["prefix"], &of("network")["line"]),
        (&json!("203.0.113.0/24"), &json!(2))
    );
    assert_eq!(
        (&of("watch")["asks"], &of("watch")["line"]),
        (&json!("monitor"), &json!(2))
    );
    assert_eq!(
        (&of("local")["asks"], &of("local")["note"]),
        (&json!("enforce"), &json!("seen at night"))
    );
    assert!(of("exact")["since"].is_string());
    // Exit codes: 1 if any is blocked, monitored is not.
    assert_eq!(scene.run(&["why", WATCHED]).code, 0);
    assert_eq!(scene.run(&["why", WATCHED, BAD]).code, 1);
    assert_eq!(scene.run(&["why", "192.0.2.1"]).code, 0);
}

#[test]
fn statistics_add_up_to_what_was_sent_over_any_number_of_generations() {
    skip_unless!(
        "statistics_add_up_to_what_was_sent_over_any_number_of_generations",
        Netns
    );
    let mut scene = with_feeds();
    let _run = scene.start();
    // Neighbour discovery counts as well; it is over once everybody knows everybody.
    for address in [BAD, "2001:db8:bad::7", WATCHED, "192.0.2.1"] {
        scene.drops(address);
    }
    let before = packets(&scene);
    for round in 0..5 {
        scene.done(&["block", &format!("198.51.101.{round}")]);
        for _ in 0..3 {
            assert!(!scene.probe.reaches(BAD).unwrap());
            assert!(scene.probe.reaches(WATCHED).unwrap());
        }
    }
    let after = packets(&scene);
    let grown = |what: &str| after(what) - before(what);
    assert_eq!(grown("eth1 blocked"), 15);
    assert_eq!(grown("eth1 monitored"), 15);
    // Every probe has a marker behind it.
    assert!(grown("eth1 no-match") >= 30);
    assert_eq!(grown("eth0 blocked"), 0);
    // What is only watched is answered, as often as the kernel outside likes to.
    let answers = grown("eth0 monitored");
    assert_eq!((grown("exact"), grown("network")), (15, 15));
    assert_eq!(grown("watch"), 30 + answers);
    assert_eq!(grown("local"), 0);
}

#[test]
fn after_an_unload_everything_is_counted_from_the_start() {
    skip_unless!(
        "after_an_unload_everything_is_counted_from_the_start",
        Netns
    );
    let mut scene = Scene::left_in_force(BOTH);
    for round in 0..2 {
        scene.done(&["block", BAD, "--reason", &round.to_string()]);
        assert!(!scene.probe.reaches(BAD).unwrap());
        let packets = packets(&scene);
        assert!(packets("local") > 0);
        assert_eq!(
            packets("local"),
            packets("eth0 blocked") + packets("eth1 blocked")
        );
        scene.done(&["unload"]);
        assert_eq!(scene.start().stop().unwrap(), 0);
    }
}

#[test]
fn hosts_is_no_all_clear_where_nothing_is_attached() {
    skip_unless!("hosts_is_no_all_clear_where_nothing_is_attached", Netns);
    let scene = Scene::new(BOTH);
    let said = scene.run(&["hosts"]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert!(
        said.stderr.contains("nothing is attached"),
        "{}",
        said.stderr
    );
}

/// Packets by "interface reason" or source.
fn packets(scene: &Scene) -> impl Fn(&str) -> u64 + use<> {
    let rows = scene.json(&["stats"]);
    move |what| {
        let is = |row: &&Value| match row["source"].as_str() {
            Some(source) => source == what,
            None => {
                format!(
                    "{} {}",
                    row["interface"].as_str().unwrap_or("all"),
                    row["reason"].as_str().unwrap_or("ledger")
                ) == what
            }
        };
        rows.iter()
            .filter(is)
            .map(|row| row["packets"].as_u64().unwrap())
            .sum()
    }
}

#[test]
fn what_was_counted_outlives_run_and_the_filter_itself() {
    skip_unless!("what_was_counted_outlives_run_and_the_filter_itself", Netns);
    let mut scene = with_feeds();
    let counted = |scene: &Scene| {
        let row = scene.json(&["hosts"]).remove(0);
        assert_eq!(row["remote"], BAD);
        assert_eq!(strings(&row["sources"]), ["exact", "network", "watch"]);
        row["packets"].as_u64().unwrap()
    };
    let run = scene.start();
    assert!(!scene.probe.reaches(BAD).unwrap());
    assert_eq!(counted(&scene), 1);
    assert_eq!(run.stop().unwrap(), 0);
    assert_eq!(counted(&scene), 1, "written down, and still in the kernel");
    assert!(!scene.probe.reaches(BAD).unwrap());
    assert_eq!(counted(&scene), 2, "without a live run");
    let run = scene.start();
    assert!(!scene.probe.reaches(BAD).unwrap());
    run.kill().unwrap();
    assert_eq!(counted(&scene), 3, "killed before it could write");
    scene.run(&["unload"]);
    assert_eq!(counted(&scene), 3, "nothing is in the kernel");
    let _run = scene.start();
    assert!(!scene.probe.reaches(BAD).unwrap());
    assert_eq!(counted(&scene), 4, "a new entry under the same key");
    let why = scene.json(&["why", BAD]).remove(0);
    assert_eq!(why["hits"]["packets"], 4);
}
