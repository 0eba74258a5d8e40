//! What a class does by case: lists of attackers drop what opens something, exempt addresses pass.

use firewall_common::{ledger::Role, reason::Reason};
use tests::{
    frame::{ethernet, later_fragment, udp},
    kernel::Kernel,
    packet::{
        flag::{ACK, ECE, FIN, RST, SYN},
        plain,
        protocol::{ESP, ICMP, ICMPV6, TCP},
        tcp,
    },
    skip_unless,
};

use Reason::{Allowed, Blocked, Monitored, NoMatch};

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
            case("a first fragment too small for flags", from(TCP, &with(SYN)[..8]), NoMatch),
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
