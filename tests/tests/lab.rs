//! The lab itself: packets get from inside to any address outside and back, and nowhere else.

use std::time::Duration;

use firewall_common as _;
use tests::{
    frame::{ethernet, udp},
    lab::Lab,
};

#[test]
fn a_packet_to_any_address_arrives_outside_through_the_gateway() {
    let lab = Lab::for_test().unwrap();
    let (towards_inside, _) = lab.gateway_macs().unwrap();
    let (inside, outside) = (lab.inside_tap().unwrap(), lab.outside_tap().unwrap());
    for (source, destination) in [("10.77.1.11", "203.0.113.7"), ("fd77:1::11", "2001:db8::7")] {
        let packet = udp(source.parse().unwrap(), destination.parse().unwrap(), b"marked");
        inside.send(&ethernet(towards_inside).ip(&packet)).unwrap();
    }
    let mut arrived = 0;
    outside
        .drain(Duration::from_millis(500), |frame| {
            arrived += usize::from(frame.ends_with(b"marked"));
        })
        .unwrap();
    assert_eq!(arrived, 2);
}
