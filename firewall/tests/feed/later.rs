//! When a feed may be asked again, as an update leaves it behind.

use std::collections::BTreeSet;

use firewall::feed::{Outcome, server::Server, store::Stalled};

use crate::scene::{LIST, Scene, fixed, ok, time};

fn stalled(scene: &Scene) -> Stalled {
    scene.meta().stalled.unwrap()
}

#[test]
fn a_server_that_says_later_is_asked_later() {
    let date =
        "Date: Mon, 23 Nov 2026 12:00:00 GMT\r\nRetry-After: Mon, 23 Nov 2026 12:30:00 GMT\r\n";
    let table = [
        ("429 Slow Down", "Retry-After: 7200\r\n", Some(7_200)),
        ("503 Busy", "Retry-After: 60\r\n", Some(60)),
        ("503 Busy", date, Some(1_800)),
        ("503 Busy", "Retry-After: 9999999\r\n", Some(86_400)),
        ("503 Busy", "Retry-After: later\r\n", None),
        ("503 Busy", "", None),
        ("404 Gone", "Retry-After: 7200\r\n", None),
    ];
    for server in [
        None,
        Some(Server::Crowdsec),
        Some(Server::Misp),
        Some(Server::Taxii),
    ] {
        for (status, headers, seconds) in table {
            let mut scene = Scene::with_copy();
            scene.feed.server = server;
            scene.answers(fixed(status, headers, b""));
            assert!(matches!(scene.update(1), Outcome::Failed(_)));
            let stalled = stalled(&scene);
            let expected = seconds.map(|seconds| time(1 + seconds));
            assert_eq!(
                stalled.not_before, expected,
                "{status} {headers} {server:?}"
            );
            // It is the same reason each time, so that it is said once.
            assert!(
                stalled.reason.contains("answered with status"),
                "{stalled:?}"
            );
            assert!(!stalled.reason.contains("7200"), "{stalled:?}");
        }
    }
}

#[test]
fn failures_are_counted_until_the_next_success() {
    let scene = Scene::with_copy();
    scene.answers(fixed("500 Oops", "", b""));
    for failures in 1..4 {
        scene.update(failures.into());
        assert_eq!(stalled(&scene).failures, failures);
    }
    scene.answers(ok(LIST.as_bytes()));
    scene.update(4);
    scene.answers(fixed("500 Oops", "", b""));
    scene.update(5);
    assert_eq!(
        (stalled(&scene).failures, stalled(&scene).since),
        (1, time(5))
    );
}

#[test]
fn the_dice_are_thrown_for_each_update() {
    let scene = Scene::with_copy();
    let thrown: BTreeSet<i16> = (1..20)
        .map(|second| {
            scene.update(second);
            scene.meta().jitter
        })
        .collect();
    assert!(thrown.len() > 5, "{thrown:?}");
}
