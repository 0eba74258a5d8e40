//! The build of the kernel program that logs each hit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tests::{
    frame::{ethernet, udp},
    lab::Lab,
    product::{Product, binary},
    skip_unless,
};

#[test]
fn run_with_trace_kernel_logs_each_hit() {
    skip_unless!("run_with_trace_kernel_logs_each_hit", Bpf, Netns);
    let lab = Lab::for_test().unwrap();
    let product = Product::new(&binary().unwrap(), "interfaces = ['eth0', 'eth1']\n").unwrap();
    product
        .run(&lab.gateway, &["block", "203.0.113.7"])
        .unwrap();
    let mut daemon = product
        .spawn(&lab.gateway, &["run", "--trace-kernel"])
        .unwrap();
    daemon.wait_for("in force").unwrap();
    let (gateway, _) = lab.gateway_macs().unwrap();
    let packet = udp(
        "10.77.1.11".parse().unwrap(),
        "203.0.113.7".parse().unwrap(),
        b"listed",
    );
    lab.inside_tap()
        .unwrap()
        .send(&ethernet(gateway).ip(&packet))
        .unwrap();
    daemon
        .wait_for("blocked outbound: inside ::ffff:10.77.1.11, remote ::ffff:203.0.113.7")
        .unwrap();
}
