//! The ledger: whom a hit is written down for, and that each new entry is said once.

use std::net::IpAddr;

use firewall::dataplane::Hit;
use firewall_common::{
    ledger::{Direction, Role},
    reason::Count,
};
use tests::{
    frame::{ethernet, udp},
    kernel::{GENERATION, Kernel},
    skip_unless,
};

use super::{BLOCKED, INSIDE, MONITORED, ORDINARY, ip, rules};

use Direction::{Inbound, Outbound, OwnListed};

/// An end of the conversation; see the addresses of the rules.
type End = [&'static str; 2];

/// Seen on an interface of this role, a packet from here to there is written down in this direction
/// for this inside host and this remote.
#[rustfmt::skip]
const ENTRIES: [(&str, Role, End, End, Direction, End, End); 9] = [
    ("a call out",                Role::Inside,  INSIDE,    BLOCKED,   Outbound,  INSIDE,   BLOCKED),
    ("a call out, monitored",     Role::Inside,  INSIDE,    MONITORED, Outbound,  INSIDE,   MONITORED),
    ("a call in",                 Role::Outside, BLOCKED,   INSIDE,    Inbound,   INSIDE,   BLOCKED),
    ("a call in, monitored",      Role::Outside, MONITORED, INSIDE,    Inbound,   INSIDE,   MONITORED),
    ("our own address calls out", Role::Inside,  BLOCKED,   ORDINARY,  OwnListed, BLOCKED,  ORDINARY),
    ("our own address is called", Role::Outside, ORDINARY,  BLOCKED,   OwnListed, BLOCKED,  ORDINARY),
    ("unknown role, listed receiver", Role::Unknown, INSIDE, BLOCKED,  Outbound,  INSIDE,   BLOCKED),
    ("unknown role, listed sender",   Role::Unknown, BLOCKED, INSIDE,  Inbound,   INSIDE,   BLOCKED),
    ("both are listed",           Role::Inside,  MONITORED, BLOCKED,   Outbound,  MONITORED, BLOCKED),
];

fn frame(source: IpAddr, destination: IpAddr) -> Vec<u8> {
    ethernet([2, 0, 0, 0, 0, 2]).ip(&udp(source, destination, b"data"))
}

#[test]
fn a_hit_is_written_down_for_the_inside_host_by_the_role_of_the_interface() {
    skip_unless!(
        "a_hit_is_written_down_for_the_inside_host_by_the_role_of_the_interface",
        Bpf
    );
    for role in [Role::Inside, Role::Outside, Role::Unknown] {
        let kernel = Kernel::new(&rules(), role).unwrap();
        for (what, _, source, destination, direction, inside, remote) in
            ENTRIES.into_iter().filter(|entry| entry.1 == role)
        {
            for family in [0, 1] {
                let frame = frame(ip(source[family]), ip(destination[family]));
                let hit = new_entry(&kernel, &frame);
                assert_eq!(hit.inside, ip(inside[family]), "{what}");
                assert_eq!(hit.remote, ip(remote[family]), "{what}");
                assert_eq!(hit.direction, direction, "{what}");
            }
        }
    }
}

/// Sends a frame three times and returns the one ledger entry that it makes.
fn new_entry(kernel: &Kernel, frame: &[u8]) -> Hit {
    let before = kernel.ledger().unwrap();
    for _ in 0..3 {
        kernel.answer(frame).unwrap();
    }
    let mut ledger = kernel.ledger().unwrap();
    ledger.retain(|hit| !before.contains(hit));
    assert_eq!(ledger.len(), 1, "{ledger:?}");
    let hit = ledger.remove(0);
    let bytes = 3 * frame.len() as u64;
    assert_eq!(hit.count, Count { packets: 3, bytes });
    assert_eq!(hit.generation, GENERATION);
    assert!(hit.first_seen < hit.last_seen);
    hit
}

#[test]
fn a_hit_carries_all_sources_that_name_the_address() {
    skip_unless!("a_hit_carries_all_sources_that_name_the_address", Bpf);
    let kernel = Kernel::new(&rules(), Role::Inside).unwrap();
    kernel
        .answer(&frame(ip(INSIDE[0]), ip(BLOCKED[0])))
        .unwrap();
    let hit = &kernel.ledger().unwrap()[0];
    let mut sources = kernel.sources(hit.class);
    sources.sort_unstable();
    assert_eq!(sources, ["local", "watched"]);
    assert_eq!(kernel.classes().unwrap()[usize::from(hit.class)].packets, 1);
}

#[test]
fn each_new_entry_is_said_once() {
    skip_unless!("each_new_entry_is_said_once", Bpf);
    let kernel = Kernel::new(&rules(), Role::Inside).unwrap();
    let mut events = kernel.events().unwrap();
    for _ in 0..3 {
        for remote in [BLOCKED, MONITORED, ORDINARY] {
            for family in [0, 1] {
                kernel
                    .answer(&frame(ip(INSIDE[family]), ip(remote[family])))
                    .unwrap();
            }
        }
    }
    let said: Vec<_> = std::iter::from_fn(|| events.take()).collect();
    let ends: Vec<_> = said
        .iter()
        .map(|event| (event.key.inside(), event.key.remote()))
        .collect();
    let pairs = [BLOCKED, MONITORED]
        .map(|remote| [0, 1].map(|family| (ip(INSIDE[family]), ip(remote[family]))));
    assert_eq!(ends, pairs.concat());
    let ledger = kernel.ledger().unwrap();
    for event in said {
        let hit = ledger
            .iter()
            .find(|hit| hit.remote == event.key.remote())
            .unwrap();
        assert_eq!((event.class, event.generation), (hit.class, GENERATION));
        assert_eq!(u128::from(event.seen), hit.first_seen.as_nanos());
    }
}

#[test]
fn what_matches_nothing_leaves_no_trace() {
    skip_unless!("what_matches_nothing_leaves_no_trace", Bpf);
    let kernel = Kernel::new(&rules(), Role::Inside).unwrap();
    kernel
        .answer(&frame(ip(INSIDE[0]), ip(ORDINARY[0])))
        .unwrap();
    assert_eq!(kernel.ledger().unwrap(), []);
    assert!(kernel.events().unwrap().take().is_none());
    assert!(
        kernel
            .classes()
            .unwrap()
            .iter()
            .all(|count| count.packets == 0)
    );
}
