//! The kernel program in the real kernel by test run: packet × rules → verdict and reason.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cases;
mod cut;
mod flood;
mod ledger;
mod million;
mod mutated;
mod ports;
mod table;
mod tags;
mod tcx;

use std::net::IpAddr;

use firewall::ruleset::{Ruleset, Wish};
use firewall_common::{
    class::Action,
    reason::{Reason, Verdict},
};
use tests::{
    kernel::{Judged, Kernel, XDP_DROP, XDP_PASS},
    rules::{reason_on_host, ruleset},
};

/// Addresses of the rules below.
const INSIDE: [&str; 2] = ["192.0.2.1", "2001:db8:1::1"];
const ORDINARY: [&str; 2] = ["192.0.2.200", "2001:db8:2::2"];
const BLOCKED: [&str; 2] = ["203.0.113.7", "2001:db8:bad::7"];
const MONITORED: [&str; 2] = ["198.51.100.7", "2001:db8:aaaa::7"];
const ALLOWED: [&str; 2] = ["203.0.113.70", "2001:db8:bad:1::7"];
/// Of these only ports are listed: 443 and 53,000.
const SHARED: [&str; 2] = ["192.0.2.77", "2001:db8:3::77"];
/// Of the feed that lists attackers.
const SCANNER: [&str; 2] = ["192.0.2.88", "2001:db8:4::88"];
const EXEMPT: [&str; 2] = ["192.0.2.99", "2001:db8:5::99"];

/// What an enforced feed of attackers wishes.
const ATTACKERS: Wish = Wish::Inbound {
    opening: Action::Drop,
    connectionless: Action::Monitor,
};

/// (source, what it wishes, prefix or port of an address)
const RULES: [(&str, Wish, &str); 15] = [
    ("local", Wish::Drop, "203.0.113.0/24"),
    ("local", Wish::Drop, "2001:db8:bad::/48"),
    ("allow", Wish::Allow, "203.0.113.64/26"),
    ("allow", Wish::Allow, "2001:db8:bad:1::/64"),
    ("watched", Wish::Monitor, "198.51.100.0/24"),
    ("watched", Wish::Monitor, "2001:db8:aaaa::/48"),
    ("watched", Wish::Monitor, "203.0.113.7/32"),
    ("cc", Wish::Drop, "192.0.2.77:443"),
    ("cc", Wish::Drop, "192.0.2.77:53000"),
    ("cc", Wish::Drop, "[2001:db8:3::77]:443"),
    ("cc", Wish::Drop, "[2001:db8:3::77]:53000"),
    ("scanners", ATTACKERS, "192.0.2.88/32"),
    ("scanners", ATTACKERS, "2001:db8:4::/48"),
    ("exempt", Wish::Exempt, "192.0.2.99/32"),
    ("exempt", Wish::Exempt, "2001:db8:5::/48"),
];

fn rules() -> Ruleset {
    ruleset(&RULES)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A packet, what it is, and what should become of it.
struct Case {
    what: String,
    frame: Vec<u8>,
    reason: Reason,
}

fn case(what: impl Into<String>, frame: Vec<u8>, reason: Reason) -> Case {
    Case {
        what: what.into(),
        frame,
        reason,
    }
}

/// The kernel says what the table says, the host says the same, and the frame is counted whole.
fn check(kernel: &Kernel, cases: impl IntoIterator<Item = Case>) -> usize {
    let answer = |kernel: &Kernel, frame: &[u8]| kernel.answer(frame);
    check_by(kernel, (XDP_PASS, XDP_DROP), answer, cases)
}

/// The same of a program that answers with other numbers, or to other questions.
fn check_by(
    kernel: &Kernel,
    (pass, drop): (u32, u32),
    answer: impl Fn(&Kernel, &[u8]) -> anyhow::Result<u32>,
    cases: impl IntoIterator<Item = Case>,
) -> usize {
    let mut checked = 0;
    for Case {
        what,
        frame,
        reason,
    } in cases
    {
        let action = match reason.verdict() {
            Verdict::Drop => drop,
            Verdict::Pass => pass,
        };
        let bytes = frame.len() as u64;
        let expected = Judged {
            action,
            reason,
            bytes,
        };
        let judged = kernel.judge_by(|kernel| answer(kernel, &frame)).unwrap();
        assert_eq!(judged, expected, "{what}");
        let host = reason_on_host(&kernel.image, &frame);
        assert_eq!(host, reason, "the host about: {what}");
        checked += 1;
    }
    checked
}
