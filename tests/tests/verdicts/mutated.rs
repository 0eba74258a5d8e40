//! Frames with anything wrong in them: kernel, host and an independent parser agree.

use std::net::IpAddr;

use etherparse::{LinkExtSlice, NetSlice, SlicedPacket, TransportSlice};
use firewall_common::{
    ledger::Role,
    reason::{Reason, Verdict},
};
use firewall_ebpf::transport::{Stage, Transport};
use proptest::{collection::vec, prelude::*, sample::select};
use tests::{
    frame::{ethernet, later_fragment, tcp_syn, udp},
    kernel::{Kernel, XDP_ABORTED, XDP_DROP, XDP_PASS},
    packet::{extension, flag, plain, protocol, tcp as header},
    rules::{addresses, decide_on_host, ip as address, transport},
    skip_unless,
};

use super::{ALLOWED, BLOCKED, EXEMPT, INSIDE, MONITORED, ORDINARY, SCANNER, SHARED, ip, rules};

const CASES: u32 = 10_000;

fn packet() -> impl Strategy<Value = Vec<u8>> {
    let ends = select(vec![
        INSIDE, ORDINARY, BLOCKED, MONITORED, ALLOWED, SHARED, SCANNER, EXEMPT,
    ]);
    (ends.clone(), ends, 0..2_usize, 0..8_u8).prop_map(|(source, destination, family, kind)| {
        let (source, destination) = (ip(source[family]), ip(destination[family]));
        match kind {
            0 => udp(source, destination, b"some data"),
            1 => tcp_syn(source, destination, b""),
            2 => later_fragment(source, destination, b"rest"),
            3 => plain(
                source,
                destination,
                protocol::ICMPV6,
                &[128, 0, 0, 0, 0, 0, 0, 0],
            ),
            4 => plain(
                source,
                destination,
                protocol::ICMP,
                &[8, 0, 0, 0, 0, 0, 0, 0],
            ),
            5 => plain(
                source,
                destination,
                protocol::HOP_BY_HOP,
                &extension(protocol::TCP, &header(40_000, 443, flag::SYN | flag::ACK)),
            ),
            6 => plain(
                source,
                destination,
                protocol::HOP_BY_HOP,
                &extension(59, &[]),
            ),
            _ => plain(
                source,
                destination,
                protocol::TCP,
                &header(40_000, 443, flag::SYN)[..8],
            ),
        }
    })
}

fn whole_frame() -> impl Strategy<Value = Vec<u8>> {
    let tag = (
        select(vec![0x8100_u16, 0x88a8, 0x9100, 0x9200]),
        any::<u16>(),
    );
    let tags = prop_oneof![9 => vec(tag.clone(), 0..4), 1 => vec(tag, 7..12)];
    (packet(), tags, any::<bool>()).prop_map(|(packet, tags, pppoe)| {
        let front = ethernet([2, 0, 0, 0, 0, 2]);
        let front = tags
            .into_iter()
            .fold(front, |front, (kind, id)| front.tag(kind, id));
        if pppoe {
            front.pppoe(&packet)
        } else {
            front.ip(&packet)
        }
    })
}

/// A frame with a few bytes changed, mostly in the headers, and sometimes an end cut off.
pub fn frame() -> impl Strategy<Value = Vec<u8>> {
    let change = (
        prop_oneof![3 => 12..80_usize, 1 => any::<usize>()],
        any::<u8>(),
    );
    let cut = prop_oneof![4 => Just(usize::MAX), 1 => 14..90_usize];
    (whole_frame(), vec(change, 0..4), cut).prop_map(|(mut frame, changes, cut)| {
        for (position, byte) in changes {
            let position = position % frame.len();
            frame[position] = byte;
        }
        frame.truncate(cut);
        frame
    })
}

/// What the independent parser says: the addresses, `None` where there is no IP, an error where it
/// refuses the frame for reasons of its own.
pub fn independent(frame: &[u8]) -> Result<Option<(IpAddr, IpAddr)>, String> {
    let sliced = SlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
    let tags = sliced.link_exts.iter();
    let tags = tags
        .filter(|tag| matches!(tag, LinkExtSlice::Vlan(_)))
        .count();
    // What it does not walk over and we do, and the other way round.
    if tags != sliced.link_exts.len() || tags > 2 {
        return Err("more than two tags, or not only tags".to_owned());
    }
    Ok(match sliced.net {
        Some(NetSlice::Ipv4(packet)) => {
            let header = packet.header();
            Some((
                header.source_addr().into(),
                header.destination_addr().into(),
            ))
        }
        Some(NetSlice::Ipv6(packet)) => {
            let header = packet.header();
            Some((
                header.source_addr().into(),
                header.destination_addr().into(),
            ))
        }
        _ => None,
    })
}

/// What the independent parser says about the transport header, where it reads one.
pub fn independent_transport(frame: &[u8]) -> Option<Transport> {
    let of = |protocol, stage, source, destination| Transport {
        protocol,
        stage,
        source,
        destination,
    };
    let echo = |protocol, is_request| match is_request {
        true => of(protocol, Stage::Opening, 0, 0),
        false => of(protocol, Stage::Later, 0, 0),
    };
    Some(match SlicedPacket::from_ethernet(frame).ok()?.transport? {
        TransportSlice::Udp(udp) => {
            let ports = (udp.source_port(), udp.destination_port());
            of(17, Stage::Connectionless, ports.0, ports.1)
        }
        TransportSlice::Tcp(tcp) => {
            let stage = match (tcp.syn(), tcp.ack()) {
                (true, false) => Stage::Opening,
                (true, true) => Stage::Accepting,
                (false, _) => Stage::Later,
            };
            of(6, stage, tcp.source_port(), tcp.destination_port())
        }
        TransportSlice::Icmpv4(icmp) => echo(1, icmp.type_u8() == 8),
        TransportSlice::Igmp(_) => of(2, Stage::Connectionless, 0, 0),
        TransportSlice::Icmpv6(icmp) => echo(58, icmp.type_u8() == 128),
    })
}

/// PPPoE, and the oldest tag of QinQ, are walked over by us alone.
fn is_read_by_us_alone(frame: &[u8]) -> bool {
    let pairs = [[0x88, 0x64], [0x92, 0x00]];
    frame
        .windows(2)
        .any(|pair| pairs.iter().any(|it| it == pair))
}

/// Kernel = host, for one frame.
pub fn compare_kernel(kernel: &Kernel, frame: &[u8]) -> Result<Reason, TestCaseError> {
    let judged = kernel.judge(frame).unwrap();
    let host = decide_on_host(&kernel.image, frame).map(|decision| decision.reason);
    prop_assert_eq!(judged.reason, host.unwrap_or_else(|reason| reason));
    prop_assert_eq!(judged.bytes, frame.len() as u64);
    let action = match judged.reason.verdict() {
        Verdict::Drop => XDP_DROP,
        Verdict::Pass => XDP_PASS,
    };
    prop_assert_ne!(judged.action, XDP_ABORTED);
    prop_assert_eq!(judged.action, action);
    Ok(judged.reason)
}

/// Host = independent parser, where that one has an opinion. Says whether it had one.
pub fn compare_parsers(frame: &[u8]) -> Result<bool, TestCaseError> {
    let Ok(expected) = independent(frame) else {
        return Ok(false);
    };
    match (addresses(frame), expected) {
        (Ok(found), Some(expected)) => {
            let of = |halves| address(halves, found.version);
            prop_assert_eq!((of(found.source), of(found.destination)), expected);
            if let Some(expected) = independent_transport(frame) {
                prop_assert_eq!(transport(frame, &found), expected);
            }
        }
        (Err(Reason::NotIp | Reason::Truncated), None) => {}
        (Err(Reason::TooManyTags), None) => prop_assert!(is_read_by_us_alone(frame)),
        (Ok(_), None) => prop_assert!(is_read_by_us_alone(frame)),
        (Err(reason), _) => prop_assert!(false, "{reason:?} where there are addresses"),
    }
    Ok(true)
}

#[test]
fn kernel_host_and_an_independent_parser_agree_on_mutated_frames() {
    skip_unless!(
        "kernel_host_and_an_independent_parser_agree_on_mutated_frames",
        Bpf
    );
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    let (reasons, opinions) = (std::cell::RefCell::new(Vec::new()), std::cell::Cell::new(0));
    proptest!(ProptestConfig::with_cases(CASES), |(frame in frame())| {
        reasons.borrow_mut().push(compare_kernel(&kernel, &frame)?);
        opinions.set(opinions.get() + u32::from(compare_parsers(&frame)?));
    });
    // Agreement means something only if every reason came up and the other parser had a say.
    let reasons = reasons.into_inner();
    for reason in Reason::ALL {
        let count = reasons.iter().filter(|&&other| other == reason).count();
        assert!(count > 50, "{reason:?} came up {count} times only");
    }
    assert!(
        opinions.get() > CASES / 10,
        "{} opinions only",
        opinions.get()
    );
}
