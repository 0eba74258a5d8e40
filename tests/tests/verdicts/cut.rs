//! Frames cut off: whatever is not there is not judged.

use firewall_common::{ledger::Role, reason::Reason};
use tests::{
    frame::{Frame, ethernet, udp},
    kernel::Kernel,
    rules::reason_on_host,
    skip_unless,
};

use super::{BLOCKED, INSIDE, case, check, ip, rules};

/// The kernel hands over no frame without a whole Ethernet header (`bpf_test_init`,
/// net/bpf/test_run.c); the host does.
const ETHERNET: usize = 14;

/// Everything in front of the IP header, and how long it is.
fn fronts() -> Vec<(&'static str, Frame, bool, usize)> {
    let frame = || ethernet([2, 0, 0, 0, 0, 2]);
    let one = || frame().tag(0x8100, 1);
    let two = || frame().tag(0x88a8, 1).tag(0x8100, 2);
    vec![
        ("untagged", frame(), false, 14),
        ("one tag", one(), false, 18),
        ("two tags", two(), false, 22),
        ("PPPoE", frame(), true, 22),
        ("PPPoE in one tag", one(), true, 26),
        ("PPPoE in two tags", two(), true, 30),
    ]
}

/// Every whole frame to a blocked address, and how many of its bytes a verdict takes.
fn whole_frames() -> Vec<(String, Vec<u8>, usize)> {
    let mut frames = Vec::new();
    for (family, header) in [(0, 20), (1, 40)] {
        let packet = udp(ip(INSIDE[family]), ip(BLOCKED[family]), b"data");
        for (what, front, pppoe, length) in fronts() {
            let frame = match pppoe {
                true => front.pppoe(&packet),
                false => front.ip(&packet),
            };
            frames.push((format!("{what}, family {family}"), frame, length + header));
        }
    }
    frames
}

fn expected(length: usize, needed: usize) -> Reason {
    match length < needed {
        true => Reason::Truncated,
        false => Reason::Blocked,
    }
}

#[test]
fn a_frame_cut_before_the_end_of_its_ip_header_passes_as_truncated() {
    skip_unless!(
        "a_frame_cut_before_the_end_of_its_ip_header_passes_as_truncated",
        Bpf
    );
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    for (what, frame, needed) in whole_frames() {
        let cuts = (ETHERNET..=frame.len()).map(|length| {
            let what = format!("{what}, {length} bytes of {}", frame.len());
            case(what, frame[..length].to_vec(), expected(length, needed))
        });
        check(&kernel, cuts);
    }
}

#[test]
fn a_frame_cut_within_its_ethernet_header_is_truncated() {
    let kernel_free = firewall::image::Image::compile(&rules()).unwrap();
    for (what, frame, needed) in whole_frames() {
        for length in 0..=frame.len() {
            let reason = reason_on_host(&kernel_free, &frame[..length]);
            assert_eq!(reason, expected(length, needed), "{what}, {length} bytes");
        }
    }
}
