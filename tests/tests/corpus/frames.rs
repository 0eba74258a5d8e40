//! The packets of the corpus, in its order: what each is, and its bytes.

use std::net::IpAddr;

use tests::{
    frame::{Frame, ethernet, later_fragment, tcp_syn},
    packet::{
        extension, plain,
        protocol::{
            AUTHENTICATION, DESTINATION_OPTIONS, ESP, FRAGMENT, HOP_BY_HOP, ICMP, ICMPV6, NONE,
            ROUTING, TCP, UDP, UNHEARD_OF,
        },
        udp as ports, v4,
    },
};

/// An IPv4 and an IPv6 address of one party.
type Party = [&'static str; 2];
type Packets = Vec<(String, Vec<u8>)>;

const INSIDE: Party = ["192.0.2.1", "2001:db8:1::1"];
const ORDINARY: Party = ["198.51.100.7", "2001:db8:2::2"];
const LISTED: Party = ["203.0.113.7", "2001:db8:bad::7"];
/// Of it only port 443 is listed.
const SHARED: &str = "198.51.100.77";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn to() -> Frame {
    ethernet([2, 0, 0, 0, 0, 2])
}

/// UDP from here, from this port, to there, to that port.
fn udp(from: &str, source: u16, receiver: &str, destination: u16) -> Vec<u8> {
    plain(ip(from), ip(receiver), UDP, &ports(source, destination))
}

/// Every packet of the corpus.
pub fn all() -> Packets {
    let mut packets = encapsulated();
    for (who, remote) in [("ordinary", ORDINARY), ("listed", LISTED)] {
        packets.extend(four(who, remote[0]));
        packets.extend(six(who, remote[1]));
        packets.extend(configuration(who, remote));
    }
    packets.extend(not_ip());
    packets.extend(cut());
    packets.extend(shared());
    packets
}

fn encapsulated() -> Packets {
    let mut packets = Packets::new();
    for (version, family) in [("IPv4", 0), ("IPv6", 1)] {
        let inner = udp(INSIDE[family], 40_000, LISTED[family], 53);
        packets.push((format!("{version} to listed, untagged"), to().ip(&inner)));
        packets.push((
            format!("{version} to listed, PPPoE session"),
            to().pppoe(&inner),
        ));
        for outer in [0x8100_u16, 0x88a8, 0x9100] {
            let one = || to().tag(outer, 10);
            let two = || one().tag(0x8100, 20);
            let of = |how: &str| format!("{version} to listed, {how} {outer:04x}");
            packets.push((of("one tag"), one().ip(&inner)));
            packets.push((of("8100 in"), two().ip(&inner)));
            packets.push((of("PPPoE in 8100 in"), two().pppoe(&inner)));
        }
        let three = to().tag(0x88a8, 1).tag(0x8100, 2).tag(0x8100, 3);
        packets.push((format!("{version} to listed, three tags"), three.ip(&inner)));
        for count in [8, 9] {
            let many = (0..count).fold(to(), |frame, _| frame.tag(0x8100, 0));
            packets.push((
                format!("{version} to listed, {count} priority tags"),
                many.ip(&inner),
            ));
        }
        let oldest = to().tag(0x9200, 10).ip(&inner);
        packets.push((format!("{version} to listed, one tag 9200"), oldest));
        packets.push((
            format!("{version} to listed, PPPoE session, protocol of one byte"),
            to().payload(0x8864, &session(&inner)),
        ));
    }
    packets
}

/// A PPPoE session whose protocol number has one byte (RFC 1661 §6.5), of a version that there is not.
fn session(packet: &[u8]) -> Vec<u8> {
    let protocol = if packet[0] >> 4 == 4 { 0x21 } else { 0x57 };
    [&[0x21, 7, 0, 1, 0, 40, protocol][..], packet].concat()
}

fn four(who: &str, remote: &str) -> Packets {
    let (IpAddr::V4(from), IpAddr::V4(inside)) = (ip(remote), ip(INSIDE[0])) else {
        unreachable!("both are IPv4")
    };
    let of = |protocol, fragment, options: &[u8], payload: &[u8]| {
        v4(from, inside, protocol, fragment, options, payload)
    };
    let table = [
        ("IPv4 TCP SYN", tcp_syn(ip(remote), ip(INSIDE[0]), b"")),
        ("IPv4 UDP", of(UDP, 0, &[], &ports(53, 40_000))),
        (
            "IPv4 one option word",
            of(UDP, 0, &[1; 4], &ports(53, 40_000)),
        ),
        (
            "IPv4 40 bytes of options",
            of(UDP, 0, &[1; 40], &ports(53, 40_000)),
        ),
        (
            "IPv4 first fragment",
            of(UDP, 0x2000, &[], &ports(53, 40_000)),
        ),
        ("IPv4 middle fragment", of(UDP, 0x2064, &[], &[0; 64])),
        ("IPv4 last fragment", of(UDP, 0x0064, &[], &[0; 9])),
        (
            "IPv4 ICMP echo request",
            of(ICMP, 0, &[], &[8, 0, 0, 0, 0, 1, 0, 1]),
        ),
        (
            "IPv4 ICMP echo reply",
            of(ICMP, 0, &[], &[0, 0, 0, 0, 0, 1, 0, 1]),
        ),
        (
            "IPv4 ICMP unreachable",
            of(ICMP, 0, &[], &[3, 3, 0, 0, 0, 0, 0, 0]),
        ),
        ("IPv4 ESP", of(ESP, 0, &[], &[7; 24])),
        (
            "IPv4 AH",
            of(AUTHENTICATION, 0, &[], &[17, 4, 0, 0, 0, 0, 0, 1]),
        ),
        ("IPv4 unheard-of protocol", of(UNHEARD_OF, 0, &[], &[7; 8])),
        ("IPv4 without payload", of(TCP, 0, &[], &[])),
        ("IPv4 jumbo", of(UDP, 0, &[], &[0; 8_900])),
    ];
    table
        .map(|(what, packet)| (format!("{what} from {who}"), to().ip(&packet)))
        .into()
}

fn six(who: &str, remote: &str) -> Packets {
    let of = |next, payload: &[u8]| plain(ip(remote), ip(INSIDE[1]), next, payload);
    let inner = ports(53, 40_000);
    let mut packets = vec![
        (
            "TCP SYN".to_owned(),
            tcp_syn(ip(remote), ip(INSIDE[1]), b""),
        ),
        ("UDP".to_owned(), of(UDP, &inner)),
        (
            "hop-by-hop options".to_owned(),
            of(HOP_BY_HOP, &extension(UDP, &inner)),
        ),
        (
            "routing header".to_owned(),
            of(ROUTING, &extension(UDP, &inner)),
        ),
        (
            "destination options".to_owned(),
            of(DESTINATION_OPTIONS, &extension(UDP, &inner)),
        ),
        (
            "first fragment".to_owned(),
            of(
                FRAGMENT,
                &[&[UDP, 0, 0, 1, 0, 0, 0, 7][..], &inner].concat(),
            ),
        ),
        (
            "middle fragment".to_owned(),
            of(
                FRAGMENT,
                &[&[UDP, 0, 3, 0x21, 0, 0, 0, 7][..], &[0; 64]].concat(),
            ),
        ),
        (
            "last fragment".to_owned(),
            later_fragment(ip(remote), ip(INSIDE[1]), b"rest"),
        ),
        ("AH".to_owned(), of(AUTHENTICATION, &extension(UDP, &inner))),
        ("ESP".to_owned(), of(ESP, &[7; 24])),
        ("no next header".to_owned(), of(NONE, &[])),
        ("jumbo".to_owned(), of(UDP, &[0; 8_900])),
    ];
    // Destination unreachable, packet too big, echo request and reply; the four of neighbour discovery.
    for kind in [1, 2, 128, 129, 133, 134, 135, 136] {
        let mut message = vec![0; 24];
        message[0] = kind;
        packets.push((format!("ICMPv6 type {kind}"), of(ICMPV6, &message)));
    }
    let named = packets.into_iter();
    named
        .map(|(what, packet)| (format!("IPv6 {what} from {who}"), to().ip(&packet)))
        .collect()
}

/// DHCP and DHCPv6, both ways.
fn configuration(who: &str, remote: Party) -> Packets {
    let [remote, remote6] = remote;
    let table = [
        ("DHCP reply from", udp(remote, 67, INSIDE[0], 68)),
        ("DHCP request to", udp(INSIDE[0], 68, remote, 67)),
        ("DHCPv6 reply from", udp(remote6, 547, INSIDE[1], 546)),
        ("DHCPv6 request to", udp(INSIDE[1], 546, remote6, 547)),
    ];
    table
        .map(|(what, packet)| (format!("{what} {who}"), to().ip(&packet)))
        .into()
}

/// Each carries a packet to a listed address where a careless parser would look.
fn not_ip() -> Packets {
    let inner = udp(INSIDE[0], 40_000, LISTED[0], 53);
    let of = |ethertype| to().payload(ethertype, &inner);
    let link_control = [&[0x11, 0, 0, 1, 0, 30, 0xc0, 0x21][..], &inner].concat();
    let table = [
        ("ARP", of(0x0806)),
        ("ARP in a VLAN", to().tag(0x8100, 5).payload(0x0806, &inner)),
        ("LLDP", of(0x88cc)),
        (
            "STP",
            to().payload(0x0026, &[&[0x42, 0x42, 3][..], &[0; 35]].concat()),
        ),
        ("LACP", of(0x8809)),
        ("EAPOL", of(0x888e)),
        ("MPLS", of(0x8847)),
        ("PPPoE discovery", of(0x8863)),
        (
            "PPP link control in a PPPoE session",
            to().payload(0x8864, &link_control),
        ),
        (
            "IPv4 announced as IPv6",
            to().payload(0x86dd, &[&inner[..], &[0; 40]].concat()),
        ),
    ];
    table.map(|(what, frame)| (what.to_owned(), frame)).into()
}

fn cut() -> Packets {
    let whole = |family: usize| udp(INSIDE[family], 40_000, LISTED[family], 53);
    let table = [
        (
            "IPv4 cut one byte short of its addresses",
            to().ip(&whole(0)[..19]),
        ),
        ("IPv4 cut behind its addresses", to().ip(&whole(0)[..20])),
        (
            "IPv6 cut one byte short of its addresses",
            to().ip(&whole(1)[..39]),
        ),
        ("IPv6 cut behind its addresses", to().ip(&whole(1)[..40])),
        ("cut in the tag", to().payload(0x8100, &[0])),
        (
            "cut in the PPPoE header",
            to().payload(0x8864, &[0x11, 0, 0]),
        ),
        ("cut in the Ethernet header", vec![2; 9]),
    ];
    table.map(|(what, frame)| (what.to_owned(), frame)).into()
}

/// An address of which one port is listed.
fn shared() -> Packets {
    let table = [
        ("to the listed port", udp(INSIDE[0], 40_000, SHARED, 443)),
        ("from the listed port", udp(SHARED, 443, INSIDE[0], 40_000)),
        (
            "to a port that is not listed",
            udp(INSIDE[0], 40_000, SHARED, 80),
        ),
        (
            "later fragment to an address with a listed port",
            later_fragment(ip(INSIDE[0]), ip(SHARED), b"rest"),
        ),
    ];
    table
        .map(|(what, packet)| (what.to_owned(), to().ip(&packet)))
        .into()
}
