//! `replay`: captures judged by the kernel program and by its code in user space.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, net::IpAddr, path::PathBuf};

use serde_json::{Value, json};
use tests::{
    frame::{ethernet, later_fragment, tcp_syn, udp},
    product::{Product, Said, binary},
    skip_unless,
};

/// Link type of Ethernet (https://www.tcpdump.org/linktypes.html).
const ETHERNET: u32 = 1;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A packet of each kind, with what becomes of it: verdict, reason, matched address.
fn packets() -> Vec<(Vec<u8>, &'static str, &'static str, Option<&'static str>)> {
    let (host, bad, good) = (
        address("10.0.0.1"),
        address("192.0.2.7"),
        address("198.51.100.1"),
    );
    let (host6, bad6) = (address("fd00::1"), address("2001:db8::7"));
    let to = ethernet([2; 6]);
    vec![
        (
            to.clone().ip(&udp(host, bad, b"x")),
            "drop",
            "blocked",
            Some("192.0.2.7"),
        ),
        (
            to.clone().ip(&tcp_syn(bad, host, b"x")),
            "drop",
            "blocked",
            Some("192.0.2.7"),
        ),
        (
            to.clone().ip(&later_fragment(host6, bad6, b"x")),
            "drop",
            "blocked",
            Some("2001:db8::7"),
        ),
        (
            to.clone().tag(0x8100, 5).ip(&udp(host, bad, b"x")),
            "drop",
            "blocked",
            Some("192.0.2.7"),
        ),
        (
            to.clone().pppoe(&udp(host6, bad6, b"x")),
            "drop",
            "blocked",
            Some("2001:db8::7"),
        ),
        (
            to.clone().ip(&udp(host, good, b"x")),
            "pass",
            "no-match",
            None,
        ),
        (to.clone().payload(0x0806, &[0; 28]), "pass", "not-ip", None),
        (to.payload(0x0800, &[0x45; 19]), "pass", "truncated", None),
        (vec![1, 2, 3], "pass", "truncated", None),
    ]
}

/// A capture in the format of tcpdump, of this link type.
fn pcap(link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, link] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    for frame in frames {
        for word in [0, 0, frame.len() as u32, frame.len() as u32] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(frame);
    }
    bytes
}

/// The same as pcapng: a section, an interface, an enhanced packet block for each frame.
fn pcapng(frames: &[Vec<u8>]) -> Vec<u8> {
    let block = |kind: u32, words: &[u32], data: &[u8]| {
        let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        body.extend_from_slice(data);
        body.resize(body.len().next_multiple_of(4), 0);
        let length = (body.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes(), &length, body.as_slice(), &length].concat()
    };
    let mut bytes = block(0x0a0d_0d0a, &[0x1a2b_3c4d, 1, u32::MAX, u32::MAX], &[]);
    bytes.extend(block(1, &[ETHERNET, 65_535], &[]));
    for frame in frames {
        let length = frame.len() as u32;
        bytes.extend(block(6, &[0, 0, 0, length, length], frame));
    }
    bytes
}

struct Scene(Product);

impl Scene {
    fn new() -> Self {
        let product = Product::new(&binary().unwrap(), "").unwrap();
        fs::write(product.folder().join("list"), "192.0.2.0/24\n2001:db8::7\n").unwrap();
        Self(product)
    }

    fn replay(&self, capture: &[u8], more: &[&str]) -> Said {
        let path = |name: &str| -> PathBuf { self.0.folder().join(name) };
        fs::write(path("capture"), capture).unwrap();
        let (capture, list) = (path("capture"), path("list"));
        let arguments = [
            "replay",
            capture.to_str().unwrap(),
            "--blocklist",
            list.to_str().unwrap(),
        ];
        self.0.run_here(&[&arguments, more].concat(), "").unwrap()
    }
}

fn rows(said: &Said) -> Vec<Value> {
    said.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn expect_all_judged(capture: &[u8], more: &[&str]) {
    let scene = Scene::new();
    let said = scene.replay(capture, &[&["--each", "--json"], more].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    let rows = rows(&said);
    for (index, ((_, verdict, reason, matched), row)) in packets().iter().zip(&rows).enumerate() {
        assert_eq!(row["index"], index + 1);
        assert_eq!(row["verdict"], *verdict, "{row}");
        assert_eq!(row["reason"], *reason, "{row}");
        assert_eq!(row["matched"], json!(matched), "{row}");
        assert_eq!(
            row["sources"].as_array().unwrap().len(),
            usize::from(matched.is_some())
        );
    }
    let reasons = json!({"blocked": 5, "no-match": 1, "not-ip": 1, "truncated": 2});
    let totals = json!({
        "packets": 9, "dropped": 5, "passed": 4, "reasons": reasons, "disagreements": 0,
    });
    assert_eq!(rows[9], totals);
}

fn frames() -> Vec<Vec<u8>> {
    packets().into_iter().map(|(frame, ..)| frame).collect()
}

#[test]
fn every_packet_of_a_pcap_is_judged_and_the_kernel_agrees() {
    skip_unless!(
        "every_packet_of_a_pcap_is_judged_and_the_kernel_agrees",
        Bpf
    );
    expect_all_judged(&pcap(ETHERNET, &frames()), &[]);
}

#[test]
fn every_packet_of_a_pcapng_is_judged_and_the_kernel_agrees() {
    skip_unless!(
        "every_packet_of_a_pcapng_is_judged_and_the_kernel_agrees",
        Bpf
    );
    expect_all_judged(&pcapng(&frames()), &[]);
}

#[test]
fn without_the_kernel_the_same_code_judges_alone() {
    expect_all_judged(&pcap(ETHERNET, &frames()), &["--no-kernel"]);
}

#[test]
fn a_cut_capture_is_judged_up_to_the_cut_and_is_an_error() {
    let whole = pcap(ETHERNET, &frames());
    for capture in [whole, pcapng(&frames())] {
        let said = Scene::new().replay(&capture[..capture.len() - 5], &["--json", "--no-kernel"]);
        assert_eq!(said.code, 2);
        assert!(
            said.stderr.contains("the capture is cut off"),
            "{}",
            said.stderr
        );
        assert_eq!(rows(&said)[0]["packets"], 8);
    }
}

#[test]
fn what_is_no_capture_of_ethernet_is_an_error_that_says_so() {
    let table: [(&[u8], &str); 4] = [
        (b"", "is empty"),
        (
            b"192.0.2.1\n192.0.2.2\n192.0.2.3\n192.0.2.4\n",
            "is no pcap or pcapng",
        ),
        (&pcap(113, &frames()), "link type 113 is not Ethernet"),
        (&pcap(ETHERNET, &[])[..20], "is no pcap or pcapng"),
    ];
    for (capture, message) in table {
        let said = Scene::new().replay(capture, &["--no-kernel"]);
        assert_eq!(said.code, 2, "{message}");
        assert!(said.stderr.contains(message), "{}", said.stderr);
    }
    let said = Scene::new().replay(&pcap(ETHERNET, &[]), &["--no-kernel"]);
    assert_eq!(
        (said.code, said.stdout.as_str()),
        (0, "0 packets: 0 dropped, 0 passed\n")
    );
}

#[test]
fn a_length_that_lies_ends_with_an_error() {
    let mut capture = pcap(ETHERNET, &frames());
    // The captured length of the first packet.
    capture[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    let said = Scene::new().replay(&capture, &["--no-kernel"]);
    assert_eq!(said.code, 2, "{}", said.stdout);
}
