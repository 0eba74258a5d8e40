//! VLAN tags and PPPoE sessions as a kernel behind us takes them off: any number of tags without a VLAN
//! identifier, sessions whatever they say of themselves, protocol numbers of one byte.

use std::net::IpAddr;

use firewall::dataplane::Hook;
use firewall_common::{ledger::Role, reason::Reason};
use tests::{
    frame::{Frame, ethernet, udp},
    kernel::{Kernel, TCX_DROP, TCX_NEXT},
    skip_unless,
};

use super::{BLOCKED, Case, INSIDE, ORDINARY, case, check, check_by, ip, rules};

/// Tags that are walked over.
const WALKED: usize = 8;
const KINDS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
/// A tag that gives a priority and names no VLAN (IEEE 802.1Q §6.9.1).
const PRIORITY: u16 = 0xe000;

fn frame() -> Frame {
    ethernet([2, 0, 0, 0, 0, 2])
}

/// `count` tags, their kinds by turns, beginning with the one of this number.
fn tagged(first: usize, count: usize, identifier: u16) -> Frame {
    let kinds = KINDS.iter().cycle().skip(first).take(count);
    kinds.fold(frame(), |frame, &kind| frame.tag(kind, identifier))
}

/// Pairs of addresses, and what is to become of a packet between them.
fn pairs() -> impl Iterator<Item = (IpAddr, IpAddr, Reason)> {
    let remotes = [(ORDINARY, Reason::NoMatch), (BLOCKED, Reason::Blocked)];
    remotes.into_iter().flat_map(|(remote, reason)| {
        [0, 1].map(|family| (ip(INSIDE[family]), ip(remote[family]), reason))
    })
}

fn tags() -> Vec<Case> {
    let mut cases = Vec::new();
    for (source, destination, reason) in pairs() {
        let packet = udp(source, destination, b"data");
        for (first, kind) in KINDS.iter().enumerate() {
            for count in 0..=16 {
                for identifier in [0, PRIORITY, 10] {
                    let reason = match count > WALKED {
                        true => Reason::TooManyTags,
                        false => reason,
                    };
                    let front = || tagged(first, count, identifier);
                    let what = format!(
                        "{count} tags from {kind:04x} on, {identifier:04x}, to {destination}"
                    );
                    cases.push(case(what.clone(), front().ip(&packet), reason));
                    cases.push(case(
                        format!("PPPoE in {what}"),
                        front().pppoe(&packet),
                        reason,
                    ));
                }
            }
        }
    }
    cases
}

#[test]
fn eight_tags_are_walked_over_and_what_has_more_is_dropped() {
    skip_unless!(
        "eight_tags_are_walked_over_and_what_has_more_is_dropped",
        Bpf
    );
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    assert!(check(&kernel, tags()) > 1_000);
    let too_many = tagged(0, WALKED + 1, 0).payload(0x0806, &[0; 28]);
    check(
        &kernel,
        [case("an ARP in nine tags", too_many, Reason::TooManyTags)],
    );
}

#[test]
fn what_this_machine_sends_in_tags_is_judged_alike() {
    skip_unless!("what_this_machine_sends_in_tags_is_judged_alike", Bpf);
    let kernel = Kernel::at(&rules(), Role::Outside, Hook::OWN_TRAFFIC).unwrap();
    // The kernel takes the first tag of 802.1Q or 802.1ad off before TCX.
    let walked =
        |case: &Case| !(case.reason == Reason::TooManyTags && case.what.contains("9 tags"));
    let answer = |kernel: &Kernel, frame: &[u8]| kernel.answer_from(frame, 0);
    let cases = tags().into_iter().filter(walked);
    assert!(check_by(&kernel, (TCX_NEXT, TCX_DROP), answer, cases) > 1_000);
}

#[test]
fn a_session_is_judged_whatever_it_says_of_itself() {
    skip_unless!("a_session_is_judged_whatever_it_says_of_itself", Bpf);
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    // Version and type, code (RFC 2516 §4): the kernel looks at none of them.
    let heads = [
        [0x11, 0],
        [0x11, 0xa7],
        [0x11, 0x09],
        [0x21, 0],
        [0x12, 0],
        [0, 0xff],
    ];
    for (source, destination, reason) in pairs() {
        let packet = udp(source, destination, b"data");
        let number = if packet[0] >> 4 == 4 { 0x21 } else { 0x57 };
        for head in heads {
            for protocol in [&[0, number][..], &[number]] {
                let session = [&head[..], &[0, 1, 0, 40], protocol, &packet].concat();
                let what = format!("{head:02x?} {protocol:02x?} to {destination}");
                check(
                    &kernel,
                    [case(what, frame().payload(0x8864, &session), reason)],
                );
            }
        }
    }
}

/// The kernel goes on with none of these either.
#[test]
fn a_protocol_number_that_is_not_ip_is_none_in_one_byte_either() {
    skip_unless!(
        "a_protocol_number_that_is_not_ip_is_none_in_one_byte_either",
        Bpf
    );
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    let packet = udp(ip(INSIDE[0]), ip(BLOCKED[0]), b"data");
    for protocol in [
        &[0x23][..],
        &[0x20, 0x21],
        &[0, 0x23],
        &[0x21, 0x21],
        &[0xc0, 0x21],
    ] {
        let session = [&[0x11, 0, 0, 1, 0, 40][..], protocol, &packet].concat();
        let what = format!("{protocol:02x?}");
        // An odd first byte is a number of its own, and what follows is the packet.
        check(
            &kernel,
            [case(what, frame().payload(0x8864, &session), Reason::NotIp)],
        );
    }
}
