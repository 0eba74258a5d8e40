//! The ledger: whom a hit is written down for, and that each new entry is said once.

use std::net::IpAddr;

use firewall::dataplane::Hit;
use firewall_common::{
    ledger::{Direction, Role},
    reason::{Count, Reason},
};
use tests::{
    frame::{SENDER, ethernet, later_fragment, udp},
    kernel::{GENERATION, Kernel},
    packet::{
        self,
        flag::{ACK, SYN},
        protocol::{ICMP, ICMPV6, TCP, UDP},
    },
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
    kernel.answer(frame).unwrap();
    // Longer than a tick.
    std::thread::sleep(std::time::Duration::from_millis(11));
    for _ in 0..2 {
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

#[rustfmt::skip]
const SERVICES: [(&str, bool, u16, u16, u8, u16); 12] = [
    // What it is, from inside to the remote, its ports, TCP flags (0: UDP), the service.
    ("a connection out",                 true,  40_000, 443,    SYN,       443),
    ("one to a high port",               true,  40_000, 50_050, SYN,       50_050),
    ("one from a low port",              true,  1_000,  50_050, SYN,       50_050),
    ("its answer",                       false, 50_050, 40_000, SYN | ACK, 50_050),
    ("its rest, out",                    true,  40_000, 50_050, ACK,       50_050),
    ("its rest, in",                     false, 50_050, 40_000, ACK,       50_050),
    ("an attack",                        false, 50_000, 22,     SYN,       22),
    ("an attack on a high port",         false, 50_000, 60_000, SYN,       60_000),
    ("our answer to it",                 true,  22,     50_000, SYN | ACK, 22),
    ("its rest",                         true,  22,     50_000, ACK,       22),
    ("a UDP question",                   true,  40_000, 53,     0,         53),
    ("a UDP answer",                     false, 53,     40_000, 0,         53),
];

#[test]
fn an_entry_is_about_the_port_of_the_service() {
    skip_unless!("an_entry_is_about_the_port_of_the_service", Bpf);
    for (what, is_out, source, destination, flags, port) in SERVICES {
        for family in [0, 1] {
            let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
            let (inside, remote) = (ip(INSIDE[family]), ip(BLOCKED[family]));
            let ends = if is_out {
                (inside, remote)
            } else {
                (remote, inside)
            };
            let (protocol, header) = match flags {
                0 => (UDP, packet::udp(source, destination)),
                flags => (TCP, packet::tcp(source, destination, flags)),
            };
            let packet = packet::plain(ends.0, ends.1, protocol, &header);
            let hit = new_entry(&kernel, &ethernet([2, 0, 0, 0, 0, 2]).ip(&packet));
            assert_eq!((hit.protocol, hit.port), (protocol, port), "{what}");
        }
    }
}

#[test]
fn an_entry_without_a_visible_port_has_none() {
    skip_unless!("an_entry_without_a_visible_port_has_none", Bpf);
    let kernel = Kernel::new(&rules(), Role::Inside).unwrap();
    for (family, icmp) in [(0, ICMP), (1, ICMPV6)] {
        let (inside, remote) = (ip(INSIDE[family]), ip(BLOCKED[family]));
        let echo = packet::plain(inside, remote, icmp, &[8; 8]);
        let hit = new_entry(&kernel, &ethernet([2, 0, 0, 0, 0, 2]).ip(&echo));
        assert_eq!((hit.protocol, hit.port), (icmp, 0));
        let fragment = later_fragment(inside, remote, b"rest");
        let hit = new_entry(&kernel, &ethernet([2, 0, 0, 0, 0, 2]).ip(&fragment));
        assert_eq!((hit.protocol, hit.port), (UDP, 0));
    }
}

/// Who sent it is known where the inside host sent it, and stays known when answers come.
#[test]
fn an_entry_knows_where_the_inside_host_sends_from() {
    skip_unless!("an_entry_knows_where_the_inside_host_sends_from", Bpf);
    let (inside, remote) = (ip(INSIDE[0]), ip(BLOCKED[0]));
    let out = udp(inside, remote, b"data");
    let gateway = || ethernet([2, 0, 0, 0, 0, 2]);
    #[rustfmt::skip]
    let table = [
        ("untagged",          gateway().ip(&out),                               None),
        ("in a VLAN",         gateway().tag(0x8100, 7).ip(&out),                Some(7)),
        ("with a priority",   gateway().tag(0x8100, 0xe007).ip(&out),           Some(7)),
        ("priority only",     gateway().tag(0x8100, 0xe000).ip(&out),           None),
        ("in QinQ",           gateway().tag(0x88a8, 9).tag(0x8100, 7).ip(&out), Some(9)),
        ("in PPPoE",          gateway().pppoe(&out),                            None),
    ];
    for (what, frame, vlan) in table {
        let kernel = Kernel::new(&rules(), Role::Inside).unwrap();
        let hit = new_entry(&kernel, &frame);
        assert_eq!((hit.mac, hit.vlan), (Some(SENDER), vlan), "{what}");
        assert_eq!(hit.reason, Reason::Blocked);
    }
    let kernel = Kernel::new(&rules(), Role::Outside).unwrap();
    let hit = new_entry(
        &kernel,
        &gateway().tag(0x8100, 7).ip(&udp(remote, inside, b"data")),
    );
    assert_eq!((hit.mac, hit.vlan), (None, None), "from outside");
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
