//! Addresses of which only ports are listed: the port at their end of the packet decides.

use std::net::IpAddr;

use firewall_common::{ledger::Role, reason::Reason};
use tests::{
    frame::{ethernet, later_fragment},
    kernel::Kernel,
    packet::{
        extension,
        flag::{ACK, RST, SYN},
        plain,
        protocol::{
            AUTHENTICATION, DESTINATION_OPTIONS, ESP, FRAGMENT, HOP_BY_HOP, ICMP, ICMPV6, ROUTING,
            TCP, UDP,
        },
        tcp, udp, v4,
    },
    skip_unless,
};

use Reason::{Blocked, FragmentUnjudged, Monitored, NoMatch};

use super::{BLOCKED, INSIDE, MONITORED, SHARED, case, check, ip, rules};

/// Listed ports of the shared address, and one that is not.
const LISTED: u16 = 443;
const OTHER: u16 = 80;
const EPHEMERAL: u16 = 40_000;

type End = [&'static str; 2];

/// From here, from this port, to there, to that port.
#[rustfmt::skip]
const CONVERSATIONS: [(&str, End, u16, End, u16, Reason); 10] = [
    ("to the listed port",                   INSIDE, EPHEMERAL, SHARED, LISTED,    Blocked),
    ("to another port",                      INSIDE, EPHEMERAL, SHARED, OTHER,     NoMatch),
    ("to the port above",                    INSIDE, EPHEMERAL, SHARED, LISTED + 1, NoMatch),
    ("from the listed port",                 SHARED, LISTED,    INSIDE, EPHEMERAL, Blocked),
    ("from another port",                    SHARED, OTHER,     INSIDE, EPHEMERAL, NoMatch),
    ("from another port to our listed one",  SHARED, OTHER,     INSIDE, LISTED,    NoMatch),
    ("from our listed port to another",      INSIDE, LISTED,    SHARED, OTHER,     NoMatch),
    ("another port, and a blocked address",  SHARED, OTHER,     BLOCKED, LISTED,   Blocked),
    ("listed port, and a monitored address", SHARED, LISTED,    MONITORED, OTHER,  Blocked),
    ("another port, a monitored address",    SHARED, OTHER,     MONITORED, OTHER,  Monitored),
];

fn frame(packet: &[u8]) -> Vec<u8> {
    ethernet([2, 0, 0, 0, 0, 2]).ip(packet)
}

/// Every header that shows both ports.
fn packets(from: IpAddr, source: u16, to: IpAddr, destination: u16) -> Vec<(String, Vec<u8>)> {
    let mut packets = Vec::new();
    for flags in [SYN, SYN | ACK, ACK, RST] {
        let header = tcp(source, destination, flags);
        packets.push((format!("tcp {flags:02x}"), plain(from, to, TCP, &header)));
    }
    let header = udp(source, destination);
    packets.push(("udp".to_owned(), plain(from, to, UDP, &header)));
    if let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) {
        let of = |fragment, options: &[u8]| v4(from, to, UDP, fragment, options, &header);
        packets.push(("all options".to_owned(), of(0, &[1; 40])));
        packets.push(("a first fragment".to_owned(), of(0x2000, &[])));
        packets.push(("may not be fragmented".to_owned(), of(0x4000, &[])));
        return packets;
    }
    for kind in [HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS, FRAGMENT] {
        let one = extension(UDP, &header);
        packets.push((format!("behind {kind}"), plain(from, to, kind, &one)));
    }
    let mut authentication = extension(UDP, &header);
    // Its length counts in fours, less two (RFC 4302 §2.2): eight bytes.
    authentication[1] = 0;
    packets.push((
        "behind AH".to_owned(),
        plain(from, to, AUTHENTICATION, &authentication),
    ));
    let mut long = vec![UDP, 2];
    long.extend_from_slice(&[0; 22]);
    long.extend_from_slice(&header);
    packets.push((
        "behind 24 bytes of options".to_owned(),
        plain(from, to, HOP_BY_HOP, &long),
    ));
    let six = (0..5).fold(extension(UDP, &header), |rest, _| {
        extension(DESTINATION_OPTIONS, &rest)
    });
    packets.push((
        "behind six headers".to_owned(),
        plain(from, to, HOP_BY_HOP, &six),
    ));
    packets
}

#[test]
fn only_the_listed_port_is_blocked() {
    skip_unless!("only_the_listed_port_is_blocked", Bpf);
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    let mut checked = 0;
    for (what, from, source, to, destination, reason) in CONVERSATIONS {
        for family in [0, 1] {
            let cases = packets(ip(from[family]), source, ip(to[family]), destination);
            let cases = cases
                .into_iter()
                .map(|(how, packet)| case(format!("{what}, {how}"), frame(&packet), reason));
            checked += check(&kernel, cases);
        }
    }
    assert!(checked > 150, "only {checked} cases");
}

#[test]
fn a_packet_that_does_not_show_its_port_passes_and_is_counted() {
    skip_unless!(
        "a_packet_that_does_not_show_its_port_passes_and_is_counted",
        Bpf
    );
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    for family in [0, 1] {
        let (inside, shared) = (ip(INSIDE[family]), ip(SHARED[family]));
        let (blocked, monitored) = (ip(BLOCKED[family]), ip(MONITORED[family]));
        let rest = |from, to| frame(&later_fragment(from, to, b"rest"));
        let cut = frame(&plain(inside, shared, TCP, &[1, 187, 0]));
        check(
            &kernel,
            [
                case(
                    "a later fragment out",
                    rest(inside, shared),
                    FragmentUnjudged,
                ),
                case(
                    "a later fragment in",
                    rest(shared, inside),
                    FragmentUnjudged,
                ),
                case("a later fragment, blocked", rest(shared, blocked), Blocked),
                case(
                    "a later fragment, monitored",
                    rest(shared, monitored),
                    Monitored,
                ),
                case("cut within the ports", cut, FragmentUnjudged),
            ],
        );
    }
    let seven = (0..6).fold(extension(UDP, &udp(EPHEMERAL, LISTED)), |rest, _| {
        extension(DESTINATION_OPTIONS, &rest)
    });
    let packet = plain(ip(INSIDE[1]), ip(SHARED[1]), HOP_BY_HOP, &seven);
    check(
        &kernel,
        [case(
            "behind seven headers",
            frame(&packet),
            FragmentUnjudged,
        )],
    );
}

#[test]
fn a_protocol_without_ports_is_not_on_the_listed_one() {
    skip_unless!("a_protocol_without_ports_is_not_on_the_listed_one", Bpf);
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    for (family, protocol) in [(0, ICMP), (1, ICMPV6), (0, ESP), (1, ESP)] {
        let packet = plain(
            ip(INSIDE[family]),
            ip(SHARED[family]),
            protocol,
            &[1, 187, 1, 187],
        );
        check(
            &kernel,
            [case(
                format!("protocol {protocol}"),
                frame(&packet),
                NoMatch,
            )],
        );
    }
}
