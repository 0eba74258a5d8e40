//! Where a fetch may lead: not inside unless the feed says so, and never with a key to another host.

use std::fs;

use firewall::feed::{
    Outcome,
    key::{Key, Place, Sent},
    server::Server,
};

use crate::scene::{Scene, fixed, ok};

/// The port of the scene's server.
fn port(scene: &Scene) -> String {
    let location = scene.feed.location.to_string();
    let port = location.rsplit(':').next().unwrap().split('/').next();
    port.unwrap().to_owned()
}

fn refused(scene: &Scene, reason: &str) {
    scene.requests.lock().unwrap().clear();
    let Outcome::Failed(said) = scene.update(1) else {
        panic!("fetched; expected: {reason}")
    };
    assert!(said.contains(reason), "said: {said}\nexpected: {reason}");
    assert!(
        said.contains("set internal = true on the feed if that is meant"),
        "{said}"
    );
    assert!(scene.requests.lock().unwrap().is_empty(), "it was asked");
    scene.assert_copy_stays();
}

#[test]
fn a_feed_that_is_not_internal_asks_no_machine_inside() {
    let mut scene = Scene::with_copy();
    scene.feed.limits.internal = false;
    let port = port(&scene);
    refused(&scene, "127.0.0.1 is no public address (loopback)");
    for (host, reason) in [
        ("localhost", "localhost is this machine"),
        ("[::1]", "::1 is no public address (loopback)"),
        ("[::ffff:127.0.0.1]", "is no public address (loopback)"),
        ("169.254.169.254", "is no public address (link-local)"),
    ] {
        scene.feed.location = format!("http://{host}:{port}/list").parse().unwrap();
        refused(&scene, reason);
    }
}

/// Names are looked at where they are resolved: this one is loopback by /etc/hosts.
#[test]
fn a_name_that_leads_inside_is_refused_where_it_is_resolved() {
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let mut names = hosts
        .lines()
        .filter_map(|line| line.strip_prefix("127."))
        .flat_map(|line| line.split_whitespace().skip(1))
        .filter(|name| !name.starts_with("localhost") && !name.starts_with('#'));
    let Some(name) = names.next() else {
        eprintln!("skipped: /etc/hosts has no name for loopback but localhost");
        return;
    };
    let mut scene = Scene::with_copy();
    scene.feed.limits.internal = false;
    scene.feed.location = format!("http://{name}:{}/list", port(&scene))
        .parse()
        .unwrap();
    refused(&scene, &format!("{name} is at 127."));
}

#[test]
fn servers_that_are_asked_are_no_exception() {
    for server in [Server::Crowdsec, Server::Misp, Server::Taxii] {
        let mut scene = Scene::with_copy();
        scene.feed.limits.internal = false;
        scene.feed.server = Some(server);
        refused(&scene, "127.0.0.1 is no public address (loopback)");
    }
}

/// A server inside has no say in what of this machine is asked: the metadata of a cloud has its keys.
#[test]
fn a_redirect_from_inside_leads_to_no_metadata() {
    let scene = Scene::with_copy();
    for to in ["169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1]"] {
        let to = format!("Location: http://{to}/latest/meta-data\r\n");
        scene.answers(fixed("302 Found", &to, b""));
        let Outcome::Failed(said) = scene.update(1) else {
            panic!("{to}: fetched")
        };
        let part = "is link-local: internal = true lets no redirect and no name lead there";
        assert!(said.contains(part), "{to}: {said}");
        scene.assert_copy_stays();
    }
}

#[test]
fn a_redirect_takes_the_key_to_the_same_host_alone() {
    let mut scene = Scene::new();
    let file = scene.state.path().join("key");
    fs::write(&file, "geheim").unwrap();
    for sent in [
        Sent::Header("auth-key".parse().unwrap()),
        Sent::Bearer,
        Sent::Basic("me".to_owned()),
    ] {
        scene.feed.key = Some(Key {
            place: Place::File(file.clone()),
            sent,
        });
        for (host, is_sent) in [("127.0.0.1", true), ("localhost", false)] {
            let to = format!("Location: http://{host}:{}/moved\r\n", port(&scene));
            let (moved, list) = (fixed("302 Found", &to, b""), ok(b"192.0.2.1\n"));
            scene.answers(Box::new(move |request, stream| {
                let answer = match request.starts_with("GET /moved") {
                    true => &list,
                    false => &moved,
                };
                answer(request, stream)
            }));
            scene.requests.lock().unwrap().clear();
            let outcome = scene.update(0);
            assert!(!matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
            let requests = scene.requests.lock().unwrap().clone();
            let has_key = |request: &String| {
                let request = request.to_lowercase();
                request.contains("auth-key: ") || request.contains("authorization: ")
            };
            let keys: Vec<bool> = requests.iter().map(has_key).collect();
            assert_eq!(keys, [true, is_sent], "{host}: {requests:?}");
        }
    }
}
