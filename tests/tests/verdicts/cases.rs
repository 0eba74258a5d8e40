//! What a class does by case: lists of attackers drop what opens something, exempt addresses pass.

use std::net::IpAddr;

use firewall::ruleset::Wish;
use firewall_common::{class::Action, ledger::Role, reason::Reason};
use tests::{
    frame::{ethernet, later_fragment, udp},
    kernel::Kernel,
    packet::{
        extension,
        flag::{ACK, ECE, FIN, RST, SYN},
        plain,
        protocol::{DESTINATION_OPTIONS, ESP, FRAGMENT, ICMP, ICMPV6, TCP, UDP},
        tcp, udp as udp_header, v4,
    },
    rules::ruleset,
    skip_unless,
};

use Reason::{Allowed, Blocked, Monitored, NoMatch, OpeningHidden};

use super::{
    BLOCKED, EXEMPT, INSIDE, MONITORED, ORDINARY, SCANNER, SHARED, case, check, ip, rules,
};

fn frame(packet: &[u8]) -> Vec<u8> {
    ethernet([2, 0, 0, 0, 0, 2]).ip(packet)
}

#[test]
fn an_attacker_opens_nothing_and_answers_what_was_opened_inside() {
    skip_unless!(
        "an_attacker_opens_nothing_and_answers_what_was_opened_inside",
        Bpf
    );
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    for (family, icmp, request, reply) in [(0, ICMP, 8, 0), (1, ICMPV6, 128, 129)] {
        let (inside, scanner) = (ip(INSIDE[family]), ip(SCANNER[family]));
        let from = |protocol, header: &[u8]| frame(&plain(scanner, inside, protocol, header));
        let to = |protocol, header: &[u8]| frame(&plain(inside, scanner, protocol, header));
        let with = |flags| tcp(40_000, 443, flags);
        let echo = |kind| [kind, 0, 0, 0, 0, 0, 0, 0];
        #[rustfmt::skip]
        let cases = [
            case("it opens a connection",        from(TCP, &with(SYN)),        Blocked),
            case("it opens one, asking for ECN", from(TCP, &with(SYN | ECE)),  Blocked),
            case("it pings",                     from(icmp, &echo(request)),   Blocked),
            case("it answers",                   from(TCP, &with(SYN | ACK)),  NoMatch),
            case("it goes on",                   from(TCP, &with(ACK)),        NoMatch),
            case("it closes",                    from(TCP, &with(FIN | ACK)),  NoMatch),
            case("it gives up",                  from(TCP, &with(RST)),        NoMatch),
            case("it answers a ping",            from(icmp, &echo(reply)),     NoMatch),
            case("a first fragment without flags", from(TCP, &with(SYN)[..8]), OpeningHidden),
            case("a TCP header cut before its flags", from(TCP, &with(ACK)[..13]), OpeningHidden),
            case("a TCP header cut behind its flags", from(TCP, &with(ACK)[..14]), NoMatch),
            case("an ICMP header cut off",       from(icmp, &[request, 0]),    OpeningHidden),
            case("a later fragment",             frame(&later_fragment(scanner, inside, b"x")), NoMatch),
            case("UDP says nothing",             frame(&udp(scanner, inside, b"x")), Monitored),
            case("ESP says nothing",             from(ESP, &[0; 24]),          Monitored),
            case("a connection to it",           to(TCP, &with(SYN)),          NoMatch),
            case("a ping to it",                 to(icmp, &echo(request)),     NoMatch),
            case("UDP to it",                    frame(&udp(inside, scanner, b"x")), NoMatch),
        ];
        check(&kernel, cases);
    }
}

/// A fragment of `protocol` that begins `units` of 8 bytes into the payload, in both families.
fn fragment(from: IpAddr, to: IpAddr, protocol: u8, units: u16, payload: &[u8]) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => v4(from, to, protocol, 0x2000 | units, &[], payload),
        _ => {
            let [high, low] = (units << 3 | 1).to_be_bytes();
            let header = [protocol, 0, high, low, 0, 0, 0, 7];
            plain(from, to, FRAGMENT, &[&header, payload].concat())
        }
    }
}

/// RFC 1858 §3 and RFC 3128: who opens a connection in fragments leaves the flags out of the first one, or
/// has the second one write over them.
#[test]
fn an_attacker_opens_nothing_in_fragments_and_answers_in_them() {
    skip_unless!(
        "an_attacker_opens_nothing_in_fragments_and_answers_in_them",
        Bpf
    );
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    for (family, icmp, request, reply) in [(0, ICMP, 8, 0), (1, ICMPV6, 128, 129)] {
        let (inside, scanner) = (ip(INSIDE[family]), ip(SCANNER[family]));
        let from = |protocol, units, bytes: &[u8]| {
            frame(&fragment(scanner, inside, protocol, units, bytes))
        };
        let to = |protocol, units, bytes: &[u8]| {
            frame(&fragment(inside, scanner, protocol, units, bytes))
        };
        let with = |flags| tcp(40_000, 443, flags);
        let datagram = udp_header(53, 40_000);
        let echo = |kind| [kind, 0, 0, 0, 0, 0, 0, 0];
        #[rustfmt::skip]
        let cases = [
            case("TCP, first of 8 bytes",        from(TCP, 0, &with(SYN)[..8]),  OpeningHidden),
            case("TCP, second of 8 bytes",       from(TCP, 1, &with(SYN)[8..16]), OpeningHidden),
            case("TCP, second with all the rest", from(TCP, 1, &with(ACK)[8..]), OpeningHidden),
            case("TCP, third",                   from(TCP, 2, &with(SYN)[16..]), NoMatch),
            case("TCP, first with the flags",    from(TCP, 0, &with(SYN)[..16]), Blocked),
            case("TCP, first that goes on",      from(TCP, 0, &with(ACK)[..16]), NoMatch),
            case("TCP, last of a large segment", from(TCP, 185, b"rest"),        NoMatch),
            case("UDP, first",                   from(UDP, 0, &datagram),        Monitored),
            case("UDP, second of 8 bytes",       from(UDP, 1, &[0; 8]),          NoMatch),
            case("UDP, later",                   from(UDP, 185, &[0; 8]),        NoMatch),
            case("echo request, first",          from(icmp, 0, &echo(request)),  Blocked),
            case("echo reply, first",            from(icmp, 0, &echo(reply)),    NoMatch),
            case("echo reply, later",            from(icmp, 185, &[0; 8]),       NoMatch),
            case("to it, first of 8 bytes",      to(TCP, 0, &with(SYN)[..8]),    NoMatch),
            case("to it, second of 8 bytes",     to(TCP, 1, &with(SYN)[8..16]),  NoMatch),
        ];
        check(&kernel, cases);
    }
}

#[test]
fn what_an_attacker_hides_behind_headers_counts_as_opening() {
    skip_unless!(
        "what_an_attacker_hides_behind_headers_counts_as_opening",
        Bpf
    );
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    let (inside, scanner) = (ip(INSIDE[1]), ip(SCANNER[1]));
    for (flags, shown) in [(SYN, Blocked), (ACK, NoMatch)] {
        for count in 0..20 {
            let segment = tcp(40_000, 443, flags);
            let (next, payload) = (0..count).fold((TCP, segment), |(next, rest), _| {
                (DESTINATION_OPTIONS, extension(next, &rest))
            });
            let reason = match count > 6 {
                true => OpeningHidden,
                false => shown,
            };
            let packet = plain(scanner, inside, next, &payload);
            let what = format!("flags {flags:#x} behind {count} headers");
            check(&kernel, [case(what, frame(&packet), reason)]);
        }
    }
}

/// What nobody drops is not dropped for being hidden, and what is blocked for all is blocked for that.
#[test]
fn what_is_hidden_counts_for_attackers_alone() {
    skip_unless!("what_is_hidden_counts_for_attackers_alone", Bpf);
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    for family in [0, 1] {
        for (remote, reason) in [
            (ORDINARY, NoMatch),
            (BLOCKED, Blocked),
            (MONITORED, Monitored),
            (EXEMPT, Allowed),
        ] {
            let (inside, remote) = (ip(INSIDE[family]), ip(remote[family]));
            for (units, bytes) in [(0, [0; 8]), (1, [0; 8])] {
                let packet = fragment(remote, inside, TCP, units, &bytes);
                check(
                    &kernel,
                    [case(format!("{remote}, {units}"), frame(&packet), reason)],
                );
            }
        }
    }
    let attackers = Wish::Inbound {
        opening: Action::Monitor,
        connectionless: Action::Monitor,
    };
    let watched = ruleset(&[("watched", attackers, "192.0.2.88/32")]);
    let kernel = Kernel::new(&watched, Role::Unknown).unwrap();
    let packet = fragment(ip(SCANNER[0]), ip(INSIDE[0]), TCP, 1, &[0; 8]);
    check(&kernel, [case("only watched", frame(&packet), Monitored)]);
}

#[test]
fn a_hidden_opening_is_a_hit_of_the_attacker() {
    skip_unless!("a_hidden_opening_is_a_hit_of_the_attacker", Bpf);
    let kernel = Kernel::new(&rules(), Role::Outside).unwrap();
    let packet = fragment(ip(SCANNER[0]), ip(INSIDE[0]), TCP, 1, &[0; 8]);
    check(&kernel, [case("hidden", frame(&packet), OpeningHidden)]);
    let ledger = kernel.ledger().unwrap();
    let [hit] = ledger.as_slice() else {
        panic!("not one entry: {ledger:?}");
    };
    assert_eq!((hit.remote, hit.inside), (ip(SCANNER[0]), ip(INSIDE[0])));
    assert_eq!(hit.reason, OpeningHidden);
    assert_eq!(kernel.sources(hit.class), ["scanners"]);
}

#[test]
fn the_strongest_of_both_ends_decides() {
    skip_unless!("the_strongest_of_both_ends_decides", Bpf);
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    #[rustfmt::skip]
    let table = [
        ("an attacker calls a blocked address",   SCANNER, BLOCKED,   Blocked),
        ("an attacker calls a monitored address", SCANNER, MONITORED, Blocked),
        ("exempt to blocked",                     EXEMPT,  BLOCKED,   Allowed),
        ("blocked to exempt",                     BLOCKED, EXEMPT,    Allowed),
        ("exempt to a listed port",               EXEMPT,  SHARED,    Allowed),
        ("attacker to exempt",                    SCANNER, EXEMPT,    Allowed),
        ("exempt to anybody",                     EXEMPT,  ORDINARY,  Allowed),
        ("anybody to exempt",                     ORDINARY, EXEMPT,   Allowed),
        ("exempt to exempt",                      EXEMPT,  EXEMPT,    Allowed),
    ];
    for (what, from, to, reason) in table {
        for family in [0, 1] {
            let packet = plain(
                ip(from[family]),
                ip(to[family]),
                TCP,
                &tcp(40_000, 443, SYN),
            );
            check(&kernel, [case(what, frame(&packet), reason)]);
        }
    }
    // Counted by class, and no hit: nobody asks who talked to an exempt address.
    assert!(kernel.ledger().unwrap().iter().all(|hit| {
        let ends = [hit.inside, hit.remote];
        !EXEMPT.iter().any(|exempt| ends.contains(&ip(exempt)))
    }));
}
