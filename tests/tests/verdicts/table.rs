//! The table of verdicts: every kind of packet × who is listed.

use std::net::IpAddr;

use firewall_common::{
    ledger::Role,
    reason::{Count, Reason},
};
use tests::{
    frame::{Frame, ethernet, later_fragment, tcp_syn, udp},
    kernel::Kernel,
    packet::{
        extension, plain,
        protocol::{
            AUTHENTICATION, DESTINATION_OPTIONS, ESP, FRAGMENT, HOP_BY_HOP, ICMP, ICMPV6, NONE,
            ROUTING, TCP, UDP, UNHEARD_OF,
        },
        v4, v6,
    },
    skip_unless,
};

use super::{ALLOWED, BLOCKED, Case, INSIDE, MONITORED, ORDINARY, case, check, ip, rules};

const GATEWAY: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// Tags of all kinds: customer, service, and what QinQ used before.
const TAGS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
const MORE_FRAGMENTS: u16 = 0x2000;

fn kernel() -> Kernel {
    Kernel::new(&rules(), Role::Unknown).unwrap()
}

fn frame() -> Frame {
    ethernet(GATEWAY)
}

fn pair(source: [&str; 2], destination: [&str; 2]) -> [(IpAddr, IpAddr); 2] {
    [0, 1].map(|family| (ip(source[family]), ip(destination[family])))
}

/// Who sends to whom, and what becomes of it.
#[rustfmt::skip]
const CONVERSATIONS: [(&str, [&str; 2], [&str; 2], Reason); 11] = [
    ("neither is listed",          INSIDE,    ORDINARY,  Reason::NoMatch),
    ("to a blocked address",       INSIDE,    BLOCKED,   Reason::Blocked),
    ("from a blocked address",     BLOCKED,   INSIDE,    Reason::Blocked),
    ("between blocked addresses",  BLOCKED,   BLOCKED,   Reason::Blocked),
    ("to a monitored address",     INSIDE,    MONITORED, Reason::Monitored),
    ("from a monitored address",   MONITORED, INSIDE,    Reason::Monitored),
    ("from monitored to blocked",  MONITORED, BLOCKED,   Reason::Blocked),
    ("from blocked to monitored",  BLOCKED,   MONITORED, Reason::Blocked),
    ("to allowed inside blocked",  INSIDE,    ALLOWED,   Reason::NoMatch),
    ("from allowed inside blocked", ALLOWED,  INSIDE,    Reason::NoMatch),
    ("from allowed to blocked",    ALLOWED,   BLOCKED,   Reason::Blocked),
];

#[test]
fn both_addresses_are_judged_whatever_the_transport_and_the_encapsulation() {
    skip_unless!(
        "both_addresses_are_judged_whatever_the_transport_and_the_encapsulation",
        Bpf
    );
    let checked = check(&kernel(), conversations());
    assert!(checked > 1500, "only {checked} cases");
}

/// Every conversation × everything behind and before the addresses.
pub fn conversations() -> Vec<Case> {
    let mut cases = Vec::new();
    for (who, source, destination, reason) in CONVERSATIONS {
        for (source, destination) in pair(source, destination) {
            for (how, packet) in packets(source, destination) {
                let of = |(within, frame)| case(format!("{who}, {how}, {within}"), frame, reason);
                cases.extend(encapsulations(&packet).into_iter().map(of));
            }
        }
    }
    cases
}

/// Everything that can follow the addresses.
fn packets(source: IpAddr, destination: IpAddr) -> Vec<(&'static str, Vec<u8>)> {
    let mut packets = vec![
        ("tcp", tcp_syn(source, destination, b"data")),
        ("udp", udp(source, destination, b"data")),
        (
            "a later fragment",
            later_fragment(source, destination, b"data"),
        ),
        ("without any payload", plain(source, destination, UDP, &[])),
        (
            "a cut transport header",
            plain(source, destination, TCP, b"cut"),
        ),
        (
            "a protocol that nobody knows",
            plain(source, destination, UNHEARD_OF, b"data"),
        ),
    ];
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let of = |protocol, fragment, options: &[u8]| {
                v4(source, destination, protocol, fragment, options, &[8; 16])
            };
            packets.push(("icmp", of(ICMP, 0, &[])));
            packets.push(("a first fragment", of(UDP, MORE_FRAGMENTS, &[])));
            packets.push(("a middle fragment", of(UDP, MORE_FRAGMENTS | 2, &[])));
            packets.push(("one option word", of(TCP, 0, &[1; 4])));
            packets.push(("all the options that fit", of(TCP, 0, &[1; 40])));
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let of = |next, payload: &[u8]| v6(source, destination, next, payload);
            let udp = [0x9c, 0x40, 0, 53, 0, 8, 0, 0];
            packets.push(("icmpv6", of(ICMPV6, &[128, 0, 0, 0, 0, 0, 0, 0])));
            packets.push(("a first fragment", of(FRAGMENT, &extension(UDP, &udp))));
            packets.push(("hop-by-hop options", of(HOP_BY_HOP, &extension(UDP, &udp))));
            packets.push(("a routing header", of(ROUTING, &extension(UDP, &udp))));
            packets.push((
                "destination options",
                of(DESTINATION_OPTIONS, &extension(UDP, &udp)),
            ));
            packets.push(("authentication", of(AUTHENTICATION, &extension(UDP, &udp))));
            packets.push(("esp", of(ESP, &[0; 24])));
            packets.push(("no next header", of(NONE, &[])));
            let many = (0..20).fold(udp.to_vec(), |rest, _| {
                extension(DESTINATION_OPTIONS, &rest)
            });
            packets.push(("twenty extension headers", of(DESTINATION_OPTIONS, &many)));
        }
        _ => unreachable!("both are of one family"),
    }
    packets
}

/// Everything that can come before the IP header and is walked over.
fn encapsulations(packet: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut frames = vec![
        ("untagged".to_owned(), frame().ip(packet)),
        ("in PPPoE".to_owned(), frame().pppoe(packet)),
    ];
    for outer in TAGS {
        frames.push((format!("in {outer:04x}"), frame().tag(outer, 10).ip(packet)));
        let within = format!("in PPPoE in {outer:04x}");
        frames.push((within, frame().tag(outer, 10).pppoe(packet)));
        for inner in TAGS {
            let tagged = || frame().tag(outer, 10).tag(inner, 20);
            let within = format!("{inner:04x} in {outer:04x}");
            frames.push((format!("in {within}"), tagged().ip(packet)));
            frames.push((format!("in PPPoE in {within}"), tagged().pppoe(packet)));
        }
    }
    frames
}

#[test]
fn what_is_not_ip_passes_whatever_it_carries() {
    skip_unless!("what_is_not_ip_passes_whatever_it_carries", Bpf);
    // Each of them has a packet to a blocked address where a careless parser would look.
    let packet = udp(ip(INSIDE[0]), ip(BLOCKED[0]), b"data");
    let six = udp(ip(INSIDE[1]), ip(BLOCKED[1]), b"data");
    let of = |ethertype: u16| frame().payload(ethertype, &packet);
    let session = |protocol: u16, packet: &[u8]| {
        let mut payload = vec![0x11, 0, 0, 1, 0, 40];
        payload.extend_from_slice(&protocol.to_be_bytes());
        payload.extend_from_slice(packet);
        frame().payload(0x8864, &payload)
    };
    #[rustfmt::skip]
    let cases: Vec<Case> = [
        ("ARP",                           of(0x0806)),
        ("LLDP",                          of(0x88cc)),
        ("LACP",                          of(0x8809)),
        ("EAPOL",                         of(0x888e)),
        ("MPLS",                          of(0x8847)),
        ("STP: a length and LLC",         of(0x0026)),
        ("the highest 802.3 length",      of(1500)),
        ("ethertype 0",                   of(0)),
        ("an ARP in a VLAN",              frame().tag(0x8100, 1).payload(0x0806, &packet)),
        ("PPPoE discovery",               of(0x8863)),
        ("PPP: LCP",                      session(0xc021, &packet)),
        ("PPP: IPCP",                     session(0x8021, &packet)),
        ("PPP: IPv6CP",                   session(0x8057, &six)),
        ("IPv6 where IPv4 is announced",  frame().payload(0x0800, &six)),
        ("IPv4 where IPv6 is announced",  frame().payload(0x86dd, &[packet.clone(), vec![0; 40]].concat())),
        ("IPv6 as PPP's IPv4",            session(0x0021, &six)),
    ]
    .into_iter()
    .map(|(what, frame)| case(what, frame, Reason::NotIp))
    .collect();
    check(&kernel(), cases);
}

#[test]
fn an_ip_header_of_another_version_is_not_ip() {
    skip_unless!("an_ip_header_of_another_version_is_not_ip", Bpf);
    let kernel = kernel();
    for (family, right) in [(0, 4_u8), (1, 6)] {
        let packet = udp(ip(INSIDE[family]), ip(BLOCKED[family]), &[0; 40]);
        for version in 0..16_u8 {
            let mut wrong = frame().ip(&packet);
            wrong[14] = version << 4 | wrong[14] & 0xf;
            let reason = match version == right {
                true => Reason::Blocked,
                false => Reason::NotIp,
            };
            check(&kernel, [case(format!("version {version}"), wrong, reason)]);
        }
    }
}

#[test]
fn a_jumbo_frame_in_several_buffers_is_judged_and_counted_whole() {
    skip_unless!(
        "a_jumbo_frame_in_several_buffers_is_judged_and_counted_whole",
        Bpf
    );
    let kernel = kernel();
    for length in [1500, 4096, 9000, 16_000] {
        for (family, reason) in [(0, Reason::Blocked), (1, Reason::Blocked)] {
            let packet = udp(ip(INSIDE[family]), ip(BLOCKED[family]), &vec![0; length]);
            let cases = [
                case(format!("{length} bytes"), frame().ip(&packet), reason),
                case(
                    format!("{length} bytes in PPPoE"),
                    frame().pppoe(&packet),
                    reason,
                ),
            ];
            check(&kernel, cases);
        }
    }
}

#[test]
fn counters_add_up_to_what_was_sent() {
    skip_unless!("counters_add_up_to_what_was_sent", Bpf);
    let kernel = kernel();
    let (mut sent, mut listed) = (Count::default(), Count::default());
    for (_, source, destination, reason) in CONVERSATIONS {
        for (source, destination) in pair(source, destination) {
            let frame = frame().ip(&udp(source, destination, &[0; 7]));
            kernel.answer(&frame).unwrap();
            let one = Count {
                packets: 1,
                bytes: frame.len() as u64,
            };
            sent = sent + one;
            if matches!(reason, Reason::Blocked | Reason::Monitored) {
                listed = listed + one;
            }
        }
    }
    let by_reason: Count = kernel.reasons().unwrap().into_iter().map(|it| it.1).sum();
    assert_eq!(by_reason, sent);
    let by_class: Count = kernel.classes().unwrap().into_iter().sum();
    assert_eq!(by_class, listed);
    let in_ledger: Count = kernel.ledger().unwrap().iter().map(|hit| hit.count).sum();
    assert_eq!(in_ledger, listed);
}
