//! Ports, directions and exempt addresses: asked for by command and configuration, held by packets.

use std::fs;

use tests::{lab::HOSTS, skip_unless};

use super::scene::{BOTH, Scene};

const SHARED: [&str; 2] = ["203.0.113.7", "2001:db8:bad::7"];
/// Where the packets of these tests go to.
const PORT: u16 = 53_000;

/// How an address is written before a port.
fn with_port(address: &str, port: &str) -> String {
    match address.contains(':') {
        true => format!("[{address}]:{port}"),
        false => format!("{address}:{port}"),
    }
}

#[test]
fn one_port_of_an_address_is_blocked_and_unblocked() {
    skip_unless!("one_port_of_an_address_is_blocked_and_unblocked", Netns);
    let (_run, mut scene) = Scene::running(BOTH);
    for address in SHARED {
        let subject = with_port(address, &format!("{PORT}/udp"));
        let elsewhere = [
            with_port(address, &format!("{PORT}/tcp")),
            with_port(address, "53001"),
        ];
        for other in &elsewhere {
            scene.done(&["block", other]);
        }
        assert!(
            scene.probe.reaches(address).unwrap(),
            "other ports of {address}"
        );
        assert_eq!(
            scene.done(&["block", &subject]),
            format!("blocked {subject}\n")
        );
        assert!(!scene.probe.reaches(address).unwrap(), "{subject}");
        assert!(
            scene.probe.is_reached_from(address).unwrap(),
            "from another port"
        );
        let why = scene.run(&["why", address]);
        assert_eq!(why.code, 0);
        let words = "is not blocked as a whole, only ports of it\n";
        assert!(why.stdout.contains(words), "{}", why.stdout);
        assert!(
            why.stdout.contains(&format!("local blocks: {subject}")),
            "{}",
            why.stdout
        );
        scene.done(&["unblock", &subject]);
        assert!(scene.probe.reaches(address).unwrap(), "unblocked {subject}");
    }
    let hosts = scene.json(&["hosts"]);
    let row = hosts.iter().find(|row| row["remote"] == SHARED[0]).unwrap();
    assert_eq!((&row["protocol"], &row["port"]), (&17.into(), &PORT.into()));
    assert!(row["mac"].is_string(), "{row}");
}

#[test]
fn ports_of_a_feed_are_exact_unless_the_operator_says_otherwise() {
    skip_unless!(
        "ports_of_a_feed_are_exact_unless_the_operator_says_otherwise",
        Netns
    );
    let scene = Scene::new("");
    let path = scene.product.folder().join("feed");
    let list = format!(
        "{}\n{}\n",
        with_port(SHARED[0], "4444"),
        with_port(SHARED[1], "4444")
    );
    fs::write(&path, list).unwrap();
    let configuration = |ports: &str| {
        let path = path.display();
        let feed = "[[feed]]\nname = 'cc'\nformat = 'plain'\nmode = 'enforce'\n";
        format!("{BOTH}{feed}path = '{path}'\n{ports}")
    };
    let mut scene = scene;
    scene.product.configure(&configuration("")).unwrap();
    let _run = scene.start();
    scene.done(&["feeds", "update"]);
    assert!(!scene.drops(SHARED[0]) && !scene.drops(SHARED[1]));
    scene
        .product
        .configure(&configuration("ports = 'address'\n"))
        .unwrap();
    scene.done(&["reload"]);
    assert!(scene.drops(SHARED[0]) && scene.drops(SHARED[1]));
}

#[test]
fn a_feed_of_attackers_drops_what_comes_in_and_lets_out() {
    skip_unless!(
        "a_feed_of_attackers_drops_what_comes_in_and_lets_out",
        Netns
    );
    let mut scene = Scene::new("");
    let path = scene.product.folder().join("feed");
    fs::write(&path, SHARED.join("\n") + "\n").unwrap();
    let feed = format!(
        "[[feed]]\nname = 'scanners'\nformat = 'plain'\nmode = 'enforce'\npath = '{}'\n\
         direction = 'in'\nconnectionless = 'drop'\n",
        path.display()
    );
    scene.product.configure(&format!("{BOTH}{feed}")).unwrap();
    let _run = scene.start();
    scene.done(&["feeds", "update"]);
    for address in SHARED {
        assert!(scene.probe.reaches(address).unwrap(), "to {address}");
        assert!(
            !scene.probe.is_reached_from(address).unwrap(),
            "from {address}"
        );
    }
}

#[test]
fn an_exempt_address_talks_to_whom_it_likes() {
    skip_unless!("an_exempt_address_talks_to_whom_it_likes", Netns);
    let (_run, mut scene) = Scene::running(BOTH);
    scene.done(&["block", SHARED[0]]);
    assert!(scene.drops(SHARED[0]));
    scene.done(&["allow", "--exempt", HOSTS[0].0]);
    assert!(!scene.drops(SHARED[0]), "the host of the probe is exempt");
    let stats = scene.json(&["stats"]);
    let allowed = stats.iter().filter(|row| row["reason"] == "allowed");
    assert!(
        allowed
            .map(|row| row["packets"].as_u64().unwrap())
            .sum::<u64>()
            >= 2
    );
    let list = scene.done(&["list", "--local"]);
    assert!(list.contains("allow, exempt"), "{list}");
    // Allowed and no more: its peer is blocked again.
    scene.done(&["allow", HOSTS[0].0]);
    assert!(scene.drops(SHARED[0]));
}

#[test]
fn a_port_cannot_be_allowed() {
    skip_unless!("a_port_cannot_be_allowed", Netns);
    let scene = Scene::new(BOTH);
    let said = scene.run(&["allow", "203.0.113.7:443"]);
    assert_eq!(said.code, 2);
    assert!(
        said.stderr.contains("an address is allowed as a whole"),
        "{}",
        said.stderr
    );
}
