//! Generations change under traffic, and in the middle of being killed.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use firewall::{
    config::AttachMode,
    dataplane::{Hook, Interface, Object},
    image::Image,
    ruleset::Wish,
};
use firewall_common::ledger::Role;
use serde_json::Value;
use tests::{
    frame::{ethernet, udp},
    lab::HOSTS,
    need::is_guest,
    product::Said,
    rules::ruleset,
    skip_unless,
    tap::Tap,
};

use super::scene::{BOTH, Scene, names};

/// In every generation.
pub const ALWAYS: [&str; 2] = ["203.0.113.7", "2001:db8:bad::7"];
/// In none.
const NEVER: &str = "192.0.2.200";

const SWAPS: u64 = 200;
const SWAPS_IN_A_GUEST: u64 = 10;

/// Packets to listed and ordinary addresses in turn, until told to stop.
pub struct Traffic<'a> {
    pub from: &'a Tap,
    pub to: &'a Tap,
    pub towards_gateway: [u8; 6],
    pub rounds: &'a AtomicU64,
    pub stop: &'a AtomicBool,
    /// After each round.
    pub pause: Duration,
}

/// What came out on the other side.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    pub leaked: u64,
    pub good: u64,
}

impl Arrived {
    fn note(&mut self, frame: &[u8]) {
        self.leaked += u64::from(frame.ends_with(b"leak"));
        self.good += u64::from(frame.ends_with(b"good"));
    }
}

impl Traffic<'_> {
    /// Takes what arrives as it comes: the buffer of a tap is finite.
    pub fn flow(&self) -> Arrived {
        let [host, host6] = [HOSTS[0].0, HOSTS[0].1].map(|host| host.parse().unwrap());
        let frame = |from, to: &str, mark: &str| {
            ethernet(self.towards_gateway).ip(&udp(from, to.parse().unwrap(), mark.as_bytes()))
        };
        let frames = [
            frame(host, ALWAYS[0], "leak"),
            frame(host6, ALWAYS[1], "leak"),
            frame(host, NEVER, "good"),
        ];
        let mut arrived = Arrived::default();
        let mut buffer = [0; 2048];
        while !self.stop.load(Ordering::Relaxed) {
            frames
                .iter()
                .for_each(|frame| self.from.send(frame).unwrap());
            self.rounds.fetch_add(1, Ordering::Relaxed);
            while let Some(length) = self.to.receive(&mut buffer).unwrap() {
                arrived.note(&buffer[..length]);
            }
            thread::sleep(self.pause);
        }
        let rest = self
            .to
            .drain(Duration::from_millis(500), |frame| arrived.note(frame));
        rest.unwrap();
        arrived
    }
}

/// Waits until `count` more rounds of traffic were sent.
pub fn more(rounds: &AtomicU64, count: u64) {
    let end = rounds.load(Ordering::Relaxed) + count;
    while rounds.load(Ordering::Relaxed) < end {
        thread::yield_now();
    }
}

#[test]
fn swapping_generations_under_traffic_leaks_nothing_and_loses_nothing() {
    skip_unless!(
        "swapping_generations_under_traffic_leaks_nothing_and_loses_nothing",
        Netns
    );
    let scene = Scene::left_in_force(BOTH);
    scene.done(&["block", ALWAYS[0], ALWAYS[1]]);
    let (inside, outside) = (
        scene.lab.inside_tap().unwrap(),
        scene.lab.outside_tap().unwrap(),
    );
    let (rounds, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let traffic = Traffic {
        from: &inside,
        to: &outside,
        towards_gateway: scene.lab.gateway_macs().unwrap().0,
        rounds: &rounds,
        stop: &stop,
        // Still thousands of packets for each swap.
        pause: Duration::from_micros(200),
    };
    let swaps = if is_guest() { SWAPS_IN_A_GUEST } else { SWAPS };
    let arrived = thread::scope(|scope| {
        let sender = scope.spawn(|| traffic.flow());
        more(&rounds, 10);
        swap(&scene, swaps, |_| more(&rounds, 3));
        stop.store(true, Ordering::Relaxed);
        sender.join().unwrap()
    });
    let good = rounds.load(Ordering::Relaxed);
    assert_eq!(arrived, Arrived { leaked: 0, good });
}

/// Full installs of two images in turn. `between` is told the generation that was in force before,
/// which is removed after it.
pub fn swap(scene: &Scene, swaps: u64, mut between: impl FnMut(u32)) {
    let dataplane = scene.dataplane();
    let interfaces = ["eth0", "eth1"].map(|name| Interface {
        name: name.to_owned(),
        role: Role::Unknown,
        hook: Hook::Xdp,
        mode: AttachMode::Auto,
        attach: None,
    });
    let always = ALWAYS.map(|address| ("local", Wish::Drop, address));
    let hosts =
        ALWAYS.map(|address| format!("{address}/{}", if address.contains(':') { 128 } else { 32 }));
    let wider = ruleset(&[
        ("local", Wish::Drop, "203.0.113.0/24"),
        ("local", Wish::Drop, "2001:db8:bad::/48"),
    ]);
    let exact = ruleset(&[
        (always[0].0, Wish::Drop, &hosts[0]),
        (always[1].0, Wish::Drop, &hosts[1]),
    ]);
    let images = [wider, exact].map(|ruleset| Image::compile(&ruleset).unwrap());
    let mut number = scene.generation();
    for swap in 0..swaps {
        let image = &images[swap as usize % 2];
        number += 1;
        dataplane
            .install(Object::Shipped, number, image, &interfaces)
            .unwrap();
        between(number - 1);
        dataplane.remove_generation(number - 1).unwrap();
    }
}

/// A number from 0 to below `end`, of the clock: when a kill comes is the one thing here that
/// should differ from run to run.
fn some(end: u64) -> u64 {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    u64::from(now.subsec_nanos()) % end
}

#[test]
fn kills_in_the_middle_of_installs_are_repaired_by_the_next_change() {
    skip_unless!(
        "kills_in_the_middle_of_installs_are_repaired_by_the_next_change",
        Netns
    );
    let mut scene = Scene::left_in_force(BOTH);
    scene.done(&["block", ALWAYS[0], ALWAYS[1]]);
    let start = Instant::now();
    scene.done(&["block", "198.51.100.255"]);
    let whole = start.elapsed().as_micros() as u64;
    for round in 0..50 {
        let address = format!("198.51.100.{round}");
        let block = scene
            .product
            .spawn(&scene.lab.gateway, &["block", &address])
            .unwrap();
        thread::sleep(Duration::from_micros(1000 + some(whole)));
        block.kill().unwrap();
        if round % 10 == 0 {
            assert!(ALWAYS.iter().all(|address| scene.drops(address)));
        }
    }
    scene.done(&["block", "198.51.101.1"]);
    let generation = scene.generation();
    assert_eq!(scene.dataplane().generations().unwrap(), [generation]);
    // A hidden file is one that was being written when its writer was killed: no change yet.
    let mut changes = names(&scene.product.state().join("changes"));
    changes.retain(|name| !name.starts_with('.'));
    assert!(changes.is_empty(), "{changes:?}");
    assert!(scene.all_in_force());
    assert!(scene.drops("198.51.101.1") && !scene.drops(NEVER));
    assert!(ALWAYS.iter().all(|address| scene.drops(address)));
    // What the list has is what the kernel drops, whichever of the killed ones got that far.
    let listed = scene.run(&["list", "--local"]).stdout;
    for round in 0..50 {
        let address = format!("198.51.100.{round}");
        let is_listed = listed.contains(&format!("{address}/32"));
        assert_eq!(
            scene.run(&["why", &address]).code,
            i32::from(is_listed),
            "{address}"
        );
    }
}

#[test]
fn an_install_that_ended_between_two_interfaces_is_brought_forward() {
    skip_unless!(
        "an_install_that_ended_between_two_interfaces_is_brought_forward",
        Netns
    );
    let mut scene = Scene::left_in_force(BOTH);
    scene.done(&["block", ALWAYS[0]]);
    let (old, roles) = (scene.generation(), roles(&scene));
    half_install(&scene, old);
    assert_eq!(scene.generations_in_force().len(), 2);
    assert!(!scene.all_in_force());
    scene.done(&["block", ALWAYS[1]]);
    assert_eq!(scene.dataplane().generations().unwrap(), [old + 2]);
    assert_eq!(scene.generation(), old + 2);
    assert!(ALWAYS.iter().all(|address| scene.drops(address)));
    // What only the record knows is not lost either.
    assert_eq!(self::roles(&scene), roles);
}

fn roles(scene: &Scene) -> Vec<Value> {
    let status = scene.status();
    let interfaces = status["interfaces"].as_array().unwrap();
    interfaces.iter().map(|it| it["role"].clone()).collect()
}

/// What a `kill -9` leaves that comes after the first of two links was moved.
fn half_install(scene: &Scene, old: u32) {
    let records = scene.product.state().join("generations");
    let record = std::fs::read_to_string(records.join(format!("{old}.json"))).unwrap();
    let mut record: Value = serde_json::from_str(&record).unwrap();
    record["number"] = (old + 1).into();
    record["inputs"] = "of the change that was killed".into();
    std::fs::write(
        records.join(format!("{}.json", old + 1)),
        record.to_string(),
    )
    .unwrap();
    let dataplane = scene.dataplane();
    let interfaces = ["eth0", "eth1"].map(|name| Interface {
        name: name.to_owned(),
        role: Role::Unknown,
        hook: Hook::Xdp,
        mode: AttachMode::Auto,
        attach: None,
    });
    let image = Image::compile(&ruleset(&[("local", Wish::Drop, "203.0.113.7/32")])).unwrap();
    dataplane
        .install(Object::Shipped, old + 1, &image, &interfaces)
        .unwrap();
    let links = dataplane.links().unwrap();
    let behind = links.iter().find(|link| link.interface == "eth1").unwrap();
    dataplane.move_to(behind, old).unwrap();
}

#[test]
fn a_hundred_blocks_at_once_on_top_of_a_hundred_thousand_entries_are_all_in_force() {
    skip_unless!(
        "a_hundred_blocks_at_once_on_top_of_a_hundred_thousand_entries_are_all_in_force",
        Netns
    );
    let feed: String = (0..100_000_u32)
        .map(|host| format!("{}\n", Ipv4Addr::from_bits(0x0b00_0000 + 3 * host)))
        .collect();
    let mut scene = Scene::with_feed("enforce", &feed);
    scene.load_feed();
    assert_eq!(scene.status()["entries"], 100_000);
    let before = scene.generation();
    let begin = Instant::now();
    let addresses: Vec<String> = (0..100).map(|host| format!("198.51.100.{host}")).collect();
    let said: Vec<Said> = thread::scope(|scope| {
        let block = |address| {
            let scene = &scene;
            scope.spawn(move || scene.run(&["block", address]))
        };
        let running: Vec<_> = addresses.iter().map(|address| block(address)).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    println!(
        "100 blocks at once on 100,000 entries: {:.2} s, {} installs",
        begin.elapsed().as_secs_f32(),
        scene.generation() - before
    );
    for (said, address) in said.iter().zip(&addresses) {
        assert_eq!(
            (said.code, &said.stdout),
            (0, &format!("blocked {address}\n")),
            "{}",
            said.stderr
        );
    }
    let why: Vec<&str> = ["why"]
        .into_iter()
        .chain(addresses.iter().map(String::as_str))
        .collect();
    let answers = scene.json(&why);
    assert_eq!(answers.len(), 100);
    assert!(
        answers
            .iter()
            .all(|answer| answer["verdict"] == "blocked" && answer["in_force"] == true)
    );
    let installs = scene.generation() - before;
    assert!((1..=100).contains(&installs), "{installs} installs");
    assert!(scene.drops("198.51.100.0") && scene.drops("198.51.100.99"));
    let audit = std::fs::read_to_string(scene.product.state().join("audit.jsonl")).unwrap();
    let lines: Vec<Value> = audit
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 100);
}
