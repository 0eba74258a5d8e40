//! A thousand swaps of generations under a flood, for `cargo xtask test --long`: no leak, and every
//! counter exact.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use firewall_common::reason::{Count, Reason};
use serde_json::Value;
use tests::{lab::HOSTS, skip_unless};

use super::{
    scene::{BOTH, Scene},
    swaps::{ALWAYS, Arrived, Traffic, more, swap},
};

const SWAPS: u64 = 1_000;

/// Rounds of traffic at least from one swap to the next.
const ROUNDS_BETWEEN: u64 = 10;

/// Where the flood comes in.
const DEVICE: &str = "eth1";

/// What came in on the device so far: as its driver counts, and as the filter does.
struct Counted {
    driver: u64,
    reasons: Vec<(Reason, Count)>,
}

impl Counted {
    /// Read at a moment when nothing moved: the machine beyond sends a packet of its own now and then.
    fn now(scene: &Scene) -> Self {
        loop {
            let driver = received(scene);
            let reasons = scene.dataplane().reason_counts(DEVICE).unwrap();
            thread::sleep(Duration::from_millis(100));
            if received(scene) == driver {
                return Self { driver, reasons };
            }
        }
    }

    fn of(&self, wanted: Reason) -> u64 {
        let mut reasons = self.reasons.iter();
        let (_, count) = reasons.find(|(reason, _)| *reason == wanted).unwrap();
        count.packets
    }

    fn sum(&self) -> u64 {
        self.reasons.iter().map(|(_, count)| count.packets).sum()
    }
}

fn received(scene: &Scene) -> u64 {
    let show = ["-s", "-j", "link", "show", "dev", DEVICE];
    let shown: Value = serde_json::from_str(&scene.lab.gateway.ip(&show).unwrap()).unwrap();
    shown[0]["stats64"]["rx"]["packets"].as_u64().unwrap()
}

/// Hits of all classes of one generation.
fn class_hits(scene: &Scene, generation: u32) -> u64 {
    let counts = scene.dataplane().class_counts(generation).unwrap();
    counts.iter().map(|count| count.packets).sum()
}

/// Hits of the hosts of the flood, by the ledger.
fn ledger_hits(scene: &Scene) -> u64 {
    let hosts = [HOSTS[0].0, HOSTS[0].1].map(|host| host.parse().unwrap());
    let ledger = scene.dataplane().ledger().unwrap().into_iter();
    ledger
        .filter(|hit| hosts.contains(&hit.inside))
        .map(|hit| hit.count.packets)
        .sum()
}

/// Floods and swaps: what arrived, the rounds sent, and the hits of all classes of all generations.
fn flood(scene: &Scene) -> (Arrived, u64, u64) {
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
        pause: Duration::ZERO,
    };
    let mut hits = 0;
    let arrived = thread::scope(|scope| {
        let sender = scope.spawn(|| traffic.flow());
        more(&rounds, 10);
        swap(scene, SWAPS, |old| {
            // After these the last packet that the old generation judged is counted.
            more(&rounds, ROUNDS_BETWEEN);
            hits += class_hits(scene, old);
        });
        stop.store(true, Ordering::Relaxed);
        sender.join().unwrap()
    });
    hits += class_hits(scene, scene.generation());
    (arrived, rounds.load(Ordering::Relaxed), hits)
}

#[test]
#[ignore = "takes minutes"]
fn a_thousand_swaps_under_a_flood_leak_nothing_and_count_every_packet() {
    skip_unless!(
        "a_thousand_swaps_under_a_flood_leak_nothing_and_count_every_packet",
        Netns
    );
    let scene = Scene::left_in_force(BOTH);
    scene.done(&["block", ALWAYS[0], ALWAYS[1]]);
    let (first, begin) = (scene.generation(), Instant::now());
    let before = Counted::now(&scene);
    let (arrived, rounds, class_hits) = flood(&scene);
    let seconds = begin.elapsed().as_secs_f32();
    let after = Counted::now(&scene);
    let moved = |reason| after.of(reason) - before.of(reason);
    let came_in = after.driver - before.driver;
    println!(
        "{SWAPS} swaps in {seconds:.0} s, {} packets sent, {came_in} came in",
        3 * rounds
    );
    println!(
        "{arrived:?}, {} blocked, {class_hits} by class",
        moved(Reason::Blocked)
    );

    assert_eq!(u64::from(scene.generation() - first), SWAPS);
    assert_eq!(
        arrived,
        Arrived {
            leaked: 0,
            good: rounds
        }
    );
    assert_eq!(moved(Reason::Blocked), 2 * rounds);
    assert_eq!(
        after.sum() - before.sum(),
        came_in,
        "by reason and by driver"
    );
    // Beyond the flood there is what the sending kernel says of its own: router solicitations.
    let own = came_in - 3 * rounds;
    assert!(own < 20, "{own} packets that nobody sent");
    assert_eq!(moved(Reason::NoMatch) + moved(Reason::NotIp), rounds + own);
    assert_eq!(class_hits, 2 * rounds, "by class");
    assert_eq!(ledger_hits(&scene), 2 * rounds, "by ledger");
}
