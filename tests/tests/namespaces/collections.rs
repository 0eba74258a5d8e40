//! Indicators of a collection on a real TAXII 2.1 server.

use serde_json::{Value, json};
use tests::{server::Medallion, skip_unless};

use super::scene::{BOTH, Scene, eventually};

/// An indicator of this number, last changed on this day of January 2026.
fn indicator(number: u8, day: u8, pattern: &str) -> Value {
    let time = format!("2026-01-{day:02}T00:{number:02}:00.000000Z");
    json!({
        "type": "indicator", "spec_version": "2.1", "pattern_type": "stix",
        "id": format!("indicator--f88de84f-d50e-4dff-9584-c706583600{number:02}"),
        "created": "2026-01-01T00:00:00.000000Z", "modified": time, "valid_from": time,
        "pattern": pattern, "indicator_types": ["malicious-activity"], "name": "C&C",
    })
}

fn host(number: u8, day: u8) -> Value {
    indicator(
        number,
        day,
        &format!("[ipv4-addr:value = '203.0.113.{number}']"),
    )
}

fn scene(medallion: &Medallion, more: &str) -> Scene {
    let feed = format!(
        "{BOTH}[[feed]]\nname = 'shared'\nserver = 'taxii'\nurl = '{}'\ninternal = true\nuser = '{}'\n\
         key_file = '{}'\nmode = 'enforce'\n{more}",
        Medallion::URL,
        Medallion::USER,
        medallion.key().display()
    );
    Scene::new(&feed)
}

#[test]
fn a_collection_is_followed_page_by_page_and_then_by_what_is_new() {
    skip_unless!(
        "a_collection_is_followed_page_by_page_and_then_by_what_is_new",
        Netns,
        Servers
    );
    let mut medallion = Medallion::new().unwrap();
    let mut scene = scene(&medallion, "");
    // Pages have ten objects.
    let mut objects: Vec<Value> = (1..=35).map(|number| host(number, 1)).collect();
    objects.push(indicator(36, 1, "[ipv6-addr:value = '2001:db8:bad::7']"));
    objects.push(indicator(37, 1, "[domain-name:value = 'bad.example']"));
    medallion
        .serve(&scene.lab.gateway, &[("C2", &objects)])
        .unwrap();
    let _run = scene.start();
    eventually("all pages are read", || {
        scene.json(&["feeds"])[0]["entries"] == 36
    });
    eventually("in force", || !scene.probe.reaches("203.0.113.35").unwrap());
    assert!(scene.drops("203.0.113.35") && scene.drops("2001:db8:bad::7"));
    assert_eq!(scene.done(&["feeds", "update"]), "shared: unchanged\n");
    // Two are new, one is taken back, one is about another address now.
    objects.extend([host(50, 3), host(51, 3)]);
    let mut revoked = host(1, 4);
    revoked["revoked"] = json!(true);
    objects.push(revoked);
    objects.push(indicator(2, 5, "[ipv4-addr:value = '198.51.100.2']"));
    medallion
        .serve(&scene.lab.gateway, &[("C2", &objects)])
        .unwrap();
    let said = scene.done(&["feeds", "update"]);
    assert_eq!(said, "shared: changed, 37 entries\n");
    assert!(scene.drops("203.0.113.50") && scene.drops("198.51.100.2"));
    for gone in ["203.0.113.1", "203.0.113.2"] {
        assert!(!scene.drops(gone), "{gone}");
    }
}

#[test]
fn of_several_collections_one_is_named() {
    skip_unless!("of_several_collections_one_is_named", Netns, Servers);
    let mut medallion = Medallion::new().unwrap();
    let scene = scene(&medallion, "");
    let (one, other) = ([host(1, 1)], [host(2, 1), host(3, 1)]);
    let both = [("C2", &one[..]), ("scanners", &other[..])];
    medallion.serve(&scene.lab.gateway, &both).unwrap();
    let said = scene.run(&["feeds", "update"]).stdout;
    assert!(
        said.contains("name one with 'collection': 'C2' (91a7b528"),
        "{said}"
    );
    let wanted = |title: &str| {
        let scene = self::scene(&medallion, &format!("collection = '{title}'\n"));
        std::fs::read_to_string(scene.product.configuration()).unwrap()
    };
    scene.product.configure(&wanted("scanners")).unwrap();
    let said = scene.run(&["feeds", "update"]).stdout;
    assert!(said.contains("changed, 2 entries"), "{said}");
    scene.product.configure(&wanted("spam")).unwrap();
    let said = scene.run(&["feeds", "update"]).stdout;
    assert!(
        said.contains("there is no collection 'spam'; there are 'C2'"),
        "{said}"
    );
    std::fs::write(medallion.key(), "of-somebody-else").unwrap();
    let said = scene.run(&["feeds", "update"]).stdout;
    assert!(said.contains("status 401; check the key"), "{said}");
    assert!(!said.contains("somebody"), "{said}");
}
