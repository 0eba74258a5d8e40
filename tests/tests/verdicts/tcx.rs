//! The program at TCX: the same verdicts, about what this machine sends and nothing else.

use firewall::dataplane::Hook;
use firewall_common::{
    class::NONE,
    ledger::{Direction, Role},
    reason::Reason,
};
use tests::{
    frame::{ethernet, udp},
    kernel::{Kernel, TCX_DROP, TCX_NEXT},
    skip_unless,
};

use super::{BLOCKED, INSIDE, check_by, ip, rules, table::conversations};

/// The loopback device, which is there in each network namespace.
const SOME_DEVICE: u32 = 1;

fn egress() -> Kernel {
    Kernel::at(&rules(), Role::Outside, Hook::OWN_TRAFFIC).unwrap()
}

#[test]
fn what_this_machine_sends_is_judged_as_xdp_judges_what_it_receives() {
    skip_unless!(
        "what_this_machine_sends_is_judged_as_xdp_judges_what_it_receives",
        Bpf
    );
    let kernel = egress();
    let answer = |kernel: &Kernel, frame: &[u8]| kernel.answer_from(frame, 0);
    let checked = check_by(&kernel, (TCX_NEXT, TCX_DROP), answer, conversations());
    assert!(checked > 1500, "only {checked} cases");
}

#[test]
fn what_is_forwarded_was_judged_when_it_came_in_and_is_not_counted_again() {
    skip_unless!(
        "what_is_forwarded_was_judged_when_it_came_in_and_is_not_counted_again",
        Bpf
    );
    let kernel = egress();
    for case in conversations() {
        let answer = kernel.answer_from(&case.frame, SOME_DEVICE).unwrap();
        assert_eq!(answer, TCX_NEXT, "{}", case.what);
    }
    let counted: u64 = kernel
        .reasons()
        .unwrap()
        .iter()
        .map(|(_, it)| it.packets)
        .sum();
    assert_eq!(counted, 0);
    assert!(kernel.ledger().unwrap().is_empty());
}

#[test]
fn where_there_is_no_ethernet_header_none_is_walked_over() {
    skip_unless!("where_there_is_no_ethernet_header_none_is_walked_over", Bpf);
    // A test run puts an Ethernet header in front of every packet; that of a device without one is
    // judged where there is such a device, in `namespaces/own_traffic.rs`.
    let kernel = Kernel::at(&rules(), Role::Outside, Hook::Ingress).unwrap();
    let packet = ethernet([2, 0, 0, 0, 0, 2]).ip(&udp(ip(INSIDE[0]), ip(BLOCKED[0]), b"data"));
    let judged = kernel.judge_by(|kernel| kernel.answer_from(&packet, SOME_DEVICE));
    // The Ethernet header is no IP header.
    assert_eq!(judged.unwrap().reason, Reason::NotIp);
}

#[test]
fn a_hit_of_this_machine_goes_out_from_it() {
    skip_unless!("a_hit_of_this_machine_goes_out_from_it", Bpf);
    let kernel = egress();
    let frame = ethernet([2, 0, 0, 0, 0, 2]).ip(&udp(ip(INSIDE[1]), ip(BLOCKED[1]), b"data"));
    assert_eq!(kernel.answer_from(&frame, 0).unwrap(), TCX_DROP);
    let ledger = kernel.ledger().unwrap();
    let [hit] = ledger.as_slice() else {
        panic!("not one entry: {ledger:?}");
    };
    assert_eq!(hit.direction, Direction::Outbound);
    assert_eq!((hit.inside, hit.remote), (ip(INSIDE[1]), ip(BLOCKED[1])));
    assert_ne!(hit.class, NONE);
    assert_eq!(hit.count.packets, 1);
}
