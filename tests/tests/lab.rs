//! The lab itself: packets get from inside to any address outside and back, and nowhere else.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{net::IpAddr, time::Duration};

use tests::{
    frame::{ethernet, udp},
    lab::Lab,
    skip_unless,
    tap::Tap,
};

/// How many of `packets` come out at `to` as they went in at `from`. The other side answers, and
/// quotes what it answers to; answers do not count.
fn arrive(packets: &[(&str, &str)], from: &Tap, gateway: [u8; 6], to: &Tap) -> usize {
    let mut lengths = Vec::new();
    for (source, destination) in packets {
        let (source, destination): (IpAddr, IpAddr) =
            (source.parse().unwrap(), destination.parse().unwrap());
        let frame = ethernet(gateway).ip(&udp(source, destination, b"marked"));
        lengths.push(frame.len());
        from.send(&frame).unwrap();
    }
    let mut arrived = 0;
    to.drain(Duration::from_millis(500), |frame| {
        arrived += usize::from(frame.ends_with(b"marked") && lengths.contains(&frame.len()));
    })
    .unwrap();
    arrived
}

#[test]
fn a_packet_to_any_address_arrives_outside_through_the_gateway() {
    skip_unless!(
        "a_packet_to_any_address_arrives_outside_through_the_gateway",
        Netns
    );
    let lab = Lab::for_test().unwrap();
    let (gateway, _) = lab.gateway_macs().unwrap();
    let packets = [("10.77.1.11", "203.0.113.7"), ("fd77:1::11", "2001:db8::7")];
    let (inside, outside) = (lab.inside_tap().unwrap(), lab.outside_tap().unwrap());
    assert_eq!(arrive(&packets, &inside, gateway, &outside), 2);
}

#[test]
fn a_packet_from_any_address_arrives_inside_through_the_gateway() {
    skip_unless!(
        "a_packet_from_any_address_arrives_inside_through_the_gateway",
        Netns
    );
    let lab = Lab::for_test().unwrap();
    let (_, gateway) = lab.gateway_macs().unwrap();
    let packets = [("203.0.113.7", "10.77.1.11"), ("2001:db8::7", "fd77:1::11")];
    let (inside, outside) = (lab.inside_tap().unwrap(), lab.outside_tap().unwrap());
    assert_eq!(arrive(&packets, &outside, gateway, &inside), 2);
}
