//! A MISP feed: a manifest, and a file for each event.

use std::{collections::BTreeMap, io::Write, net::TcpStream};

use firewall::feed::{Outcome, server::Server};
use serde_json::{Value, json};

use crate::scene::{Scene, feed_at};

const ONE: &str = "5b3d1c8e-1234-4abc-9def-0123456789a1";
const OTHER: &str = "5b3d1c8e-1234-4abc-9def-0123456789a2";

fn event(uuid: &str, timestamp: u32, addresses: &[&str]) -> Value {
    let attribute = |address: &&str| json!({"type": "ip-dst", "value": address, "to_ids": true});
    let attributes: Vec<Value> = addresses.iter().map(attribute).collect();
    json!({"Event": {
        "uuid": uuid, "timestamp": timestamp.to_string(), "info": "C&C", "Attribute": attributes,
    }})
}

/// A feed of these events; the manifest is made of them.
fn serve(scene: &mut Scene, events: &[Value]) {
    let of = |key: &str, event: &Value| event["Event"][key].as_str().unwrap().to_owned();
    let manifest: BTreeMap<String, Value> = events
        .iter()
        .map(|event| {
            (
                of("uuid", event),
                json!({"timestamp": of("timestamp", event)}),
            )
        })
        .collect();
    let mut files = BTreeMap::from([("/manifest.json".to_owned(), json!(manifest))]);
    for event in events {
        files.insert(format!("/{}.json", of("uuid", event)), event.clone());
    }
    scene.answers(Box::new(move |request: &str, stream: &mut TcpStream| {
        let path = request.split(' ').nth(1).unwrap();
        let (status, body) = match files.get(path) {
            Some(file) => ("200 OK", file.to_string()),
            None => ("404 Not Found", String::new()),
        };
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    }));
}

fn scene() -> Scene {
    let mut scene = Scene::new();
    let address = scene.feed.location.to_string();
    let address = address.split("/list").next().unwrap();
    scene.feed = feed_at(&format!("{address}/"));
    scene.feed.server = Some(Server::Misp);
    scene
}

fn entries(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Changed(copy, _) => copy.entries,
        other => panic!("not changed: {other:?}"),
    }
}

#[test]
fn events_are_fetched_when_they_change() {
    let mut scene = scene();
    let first = event(ONE, 1, &["192.0.2.1", "192.0.2.2"]);
    serve(
        &mut scene,
        &[first.clone(), event(OTHER, 1, &["198.51.100.1"])],
    );
    assert_eq!(entries(&scene.update(0)), 3);
    assert_eq!(scene.update(1), Outcome::Unchanged);
    scene.requests.lock().unwrap().clear();
    serve(
        &mut scene,
        &[
            first.clone(),
            event(OTHER, 2, &["198.51.100.1", "198.51.100.2"]),
        ],
    );
    assert_eq!(entries(&scene.update(2)), 4);
    let requests = scene.requests.lock().unwrap().join("\n");
    assert!(
        requests.contains(OTHER) && !requests.contains(ONE),
        "{requests}"
    );
    serve(&mut scene, &[first]);
    assert_eq!(entries(&scene.update(3)), 2, "an event was taken back");
}

#[test]
fn an_event_that_is_missing_or_no_identifier_leaves_the_copy() {
    let mut scene = scene();
    serve(&mut scene, &[event(ONE, 1, &["192.0.2.1"])]);
    assert_eq!(entries(&scene.update(0)), 1);
    serve(&mut scene, &[event("../../etc/passwd", 1, &["192.0.2.1"])]);
    let Outcome::Failed(why) = scene.update(1) else {
        panic!("taken");
    };
    assert!(why.contains("no UUID"), "{why}");
    assert_eq!(scene.guarded(&[]).unwrap().v4.len(), 1);
}
