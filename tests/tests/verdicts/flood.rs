//! A flood of never-seen pairs: what the ledger leaves out is counted, and it pushes nothing out.

use std::net::{IpAddr, Ipv4Addr};

use firewall_common::{
    ledger::{Direction, LedgerCounter, Role},
    reason::Reason,
};
use tests::{
    frame::{ethernet, udp},
    kernel::Kernel,
    skip_unless,
};

use super::{BLOCKED, INSIDE, ip, rules};

/// More than any machine admits in the time that it takes.
const PAIRS: u32 = 30_000;

fn packet(kernel: &Kernel, source: IpAddr, destination: IpAddr) {
    let frame = ethernet([2, 0, 0, 0, 0, 2]).ip(&udp(source, destination, b"data"));
    kernel.answer(&frame).unwrap();
}

fn counted(kernel: &Kernel, what: LedgerCounter) -> usize {
    let counts = kernel.ledger_counts().unwrap();
    let count = counts
        .iter()
        .find(|(counter, _)| *counter == what)
        .unwrap()
        .1;
    usize::try_from(count.packets).unwrap()
}

#[test]
fn a_flood_is_counted_exactly_and_leaves_room_for_who_calls_out() {
    skip_unless!(
        "a_flood_is_counted_exactly_and_leaves_room_for_who_calls_out",
        Bpf
    );
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    let mut events = kernel.events().unwrap();
    for number in 0..PAIRS {
        let host = Ipv4Addr::from_bits(0x0a00_0000 + number).into();
        packet(&kernel, ip(BLOCKED[0]), host);
    }
    packet(&kernel, ip(INSIDE[0]), ip(BLOCKED[0]));

    let ledger = kernel.ledger().unwrap();
    let (outbound, inbound): (Vec<_>, Vec<_>) = ledger
        .iter()
        .partition(|hit| hit.direction == Direction::Outbound);
    assert_eq!(outbound.len(), 1, "the caller is named, whatever comes in");
    let unrecorded = counted(&kernel, LedgerCounter::Skipped);
    assert!(unrecorded > 0, "{} entries were admitted", inbound.len());
    assert_eq!(inbound.len() + unrecorded, PAIRS as usize);

    let said = std::iter::from_fn(|| events.take()).count();
    assert_eq!(
        said + counted(&kernel, LedgerCounter::EventLost),
        ledger.len()
    );
    assert_eq!(counted(&kernel, LedgerCounter::New), ledger.len());

    let reasons = kernel.reasons().unwrap();
    let blocked = reasons
        .iter()
        .find(|(reason, _)| *reason == Reason::Blocked)
        .unwrap()
        .1;
    assert_eq!(blocked.packets, u64::from(PAIRS) + 1);
}

/// In a flood, pairs whose entry was hit before are found among those that have none.
#[test]
fn a_flood_takes_nothing_from_entries_that_are_known() {
    skip_unless!("a_flood_takes_nothing_from_entries_that_are_known", Bpf);
    /// Known pairs, and how often each is hit again.
    const KNOWN: u32 = 50;
    const AGAIN: u32 = 60;
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    let known = |number: u32| Ipv4Addr::from_bits(0xc0a8_0000 + number).into();
    for number in (0..KNOWN).chain(0..KNOWN) {
        packet(&kernel, ip(BLOCKED[0]), known(number));
    }
    for number in 0..KNOWN * AGAIN {
        for flood in number * 10..number * 10 + 10 {
            let host = Ipv4Addr::from_bits(0x0a00_0000 + flood).into();
            packet(&kernel, ip(BLOCKED[0]), host);
        }
        packet(&kernel, ip(BLOCKED[0]), known(number % KNOWN));
    }
    let ledger = kernel.ledger().unwrap();
    for number in 0..KNOWN {
        let entry = ledger.iter().find(|hit| hit.inside == known(number));
        let packets = entry.map(|hit| hit.count.packets);
        assert_eq!(packets, Some(u64::from(2 + AGAIN)), "of pair {number}");
    }
    let skipped = counted(&kernel, LedgerCounter::Skipped);
    assert!(skipped > 0, "the ration was never used up");
    let recorded: u64 = ledger.iter().map(|hit| hit.count.packets).sum();
    assert_eq!(
        recorded + skipped as u64,
        u64::from(KNOWN * (2 + 11 * AGAIN))
    );
}
