//! The figures that were asked for, and whether a run has them.

use std::fmt::Write as _;

use crate::findings::{Findings, Key};

const M: u64 = 1_000_000;

/// A figure that was asked for.
struct Target {
    name: &'static str,
    reach: f64,
    aim: f64,
    /// Whether more is better.
    more: bool,
    found: fn(Findings) -> Option<f64>,
}

fn v4(findings: Findings, size: u64, case: &str, cache: &str) -> Option<f64> {
    packet(findings, 4, size, "clustered", case, cache)
}

fn v6(findings: Findings, size: u64, case: &str) -> Option<f64> {
    packet(findings, 6, size, "clustered", case, "cold")
}

fn packet(
    findings: Findings,
    family: u8,
    size: u64,
    set: &str,
    case: &str,
    cache: &str,
) -> Option<f64> {
    let key = Key {
        family,
        size,
        set,
        case,
        cache,
    };
    findings.packet("firewall", key, "added_ns")
}

fn counted(findings: Findings, variant: &str, case: &str, cache: &str) -> Option<f64> {
    let key = Key {
        family: 4,
        size: M,
        set: "clustered",
        case,
        cache,
    };
    findings.packet(variant, key, "added_ns")
}

fn image(findings: Findings, family: u8, size: u64, set: &str) -> Option<f64> {
    let fields = [
        ("what", "image".into()),
        ("family", family.into()),
        ("size", size.into()),
        ("set", set.into()),
    ];
    findings.number(&fields, "bytes_per_entry")
}

/// How many times more the trie adds than the product, cold.
fn against_trie(findings: Findings, case: &str) -> Option<f64> {
    let key = Key {
        family: 4,
        size: M,
        set: "clustered",
        case,
        cache: "cold",
    };
    let [trie, own] = ["lpm", "firewall"].map(|it| findings.packet(it, key, "added_ns"));
    Some(trie? / own?)
}

fn end_to_end(findings: Findings, variant: &str, set: &str) -> Option<f64> {
    let fields = [
        ("bench", "end-to-end".into()),
        ("variant", variant.into()),
        ("set", set.into()),
        ("size", M.into()),
        ("case", "hit-flood".into()),
    ];
    findings.number(&fields, "firewall_ratio")
}

fn load(findings: Findings, variant: &str, size: u64) -> Option<f64> {
    let fields = [
        ("bench", "load".into()),
        ("what", "text file to enforced".into()),
        ("variant", variant.into()),
        ("size", size.into()),
    ];
    findings.number(&fields, "seconds")
}

macro_rules! targets {
    ($($name:literal, $reach:literal, $aim:literal, $more:literal, $found:expr;)*) => {
        [$(Target { name: $name, reach: $reach, aim: $aim, more: $more, found: $found }),*]
    };
}

fn feeds(findings: Findings, what: &str, field: &str) -> Option<f64> {
    let fields = [
        ("bench", "feeds".into()),
        ("what", what.into()),
        ("variant", "firewall".into()),
        ("size", M.into()),
    ];
    findings.number(&fields, field)
}

/// What was asked for: ns added over parse-and-walk in the same run, unless another unit is named.
const TARGETS: [Target; 37] = targets! {
    "far miss, 1M, warm", 12.0, 5.0, false, |it| v4(it, M, "far-miss", "warm");
    "far miss, 1M, cold", 60.0, 25.0, false, |it| v4(it, M, "far-miss", "cold");
    "far miss, 10M, warm", 25.0, 15.0, false, |it| v4(it, 10 * M, "far-miss", "warm");
    "far miss, 10M, cold", 170.0, 90.0, false, |it| v4(it, 10 * M, "far-miss", "cold");
    "near miss, 1M, cold", 130.0, 60.0, false, |it| v4(it, M, "near-miss", "cold");
    "near miss, 10M, cold", 400.0, 220.0, false, |it| v4(it, 10 * M, "near-miss", "cold");
    "source hit, 1M, cold", 220.0, 120.0, false, |it| v4(it, M, "hit-source", "cold");
    "source hit, 10M, cold", 430.0, 200.0, false, |it| v4(it, 10 * M, "hit-source", "cold");
    "IPv6 far miss, 1M, cold", 15.0, 8.0, false, |it| v6(it, M, "far-miss");
    "IPv6 near miss, 1M, cold", 180.0, 120.0, false, |it| v6(it, M, "near-miss");
    "IPv6 source hit, 1M, cold", 400.0, 250.0, false, |it| v6(it, M, "hit-source");
    "IPv6 source hit, 10M, cold", 1000.0, 350.0, false, |it| v6(it, 10 * M, "hit-source");
    "counters, on a pass, warm", 8.0, 4.0, false,
        |it| counted(it, "firewall-counters", "counted-pass", "warm");
    "counters + ledger, known entry", 130.0, 80.0, false,
        |it| counted(it, "firewall-ledger", "known-entry", "warm");
    "counters + ledger, flood", 60.0, 30.0, false,
        |it| counted(it, "firewall-ledger", "flood", "cold");
    "memory, B per entry, 1M clustered", 14.0, 11.0, false, |it| image(it, 4, M, "clustered");
    "memory, B per entry, 1M uniform", 12.0, 9.0, false, |it| image(it, 4, M, "uniform");
    "memory, B per entry, 10M", 14.0, 10.0, false, |it| image(it, 4, 10 * M, "clustered");
    "memory, B per entry, IPv6 1M", 36.0, 30.0, false, |it| image(it, 6, M, "clustered");
    "text file to enforced, 1M, s", 0.5, 0.25, false, |it| load(it, "firewall", M);
    "text file to enforced, 10M, s", 5.0, 2.5, false, |it| load(it, "firewall", 10 * M);
    "times less than LPM, far miss", 20.0, 50.0, true, |it| against_trie(it, "far-miss");
    "times less than LPM, near miss", 20.0, 50.0, true, |it| against_trie(it, "near-miss");
    "times less than LPM, source hit", 8.0, 15.0, true, |it| against_trie(it, "hit-source");
    "times less than LPM, destination hit", 8.0, 15.0, true,
        |it| against_trie(it, "hit-destination");
    "drop rate against nft interval, ingress", 4.0, 6.0, true,
        |it| end_to_end(it, "nft-interval-ingress", "clustered");
    "drop rate against nft interval, raw", 4.0, 6.0, true,
        |it| end_to_end(it, "nft-interval-raw", "clustered");
    "drop rate against ipset", 3.0, 5.0, true, |it| end_to_end(it, "ipset-raw", "clustered");
    "drop rate against LPM", 3.0, 5.0, true, |it| end_to_end(it, "lpm", "clustered");
    "drop rate against nft exact, ingress", 1.5, 2.5, true,
        |it| end_to_end(it, "nft-exact-ingress", "hosts");
    "drop rate against nft exact, raw", 1.5, 2.5, true,
        |it| end_to_end(it, "nft-exact-raw", "hosts");
    "load against nft -f, interval", 25.0, 60.0, true,
        |it| Some(load(it, "nft-interval-ingress", M)? / load(it, "firewall", M)?);
    "load against nft -f, exact", 25.0, 60.0, true,
        |it| Some(load(it, "nft-exact-ingress", M)? / load(it, "firewall", M)?);
    "load against ipset restore", 12.0, 30.0, true,
        |it| Some(load(it, "ipset-raw", M)? / load(it, "firewall", M)?);
    "10 feeds of 1M entries to enforced, s", 1.5, 0.75, false,
        |it| feeds(it, "10 feeds to enforced", "seconds");
    "and the peak of all its processes, MB", 250.0, 125.0, false,
        |it| Some(feeds(it, "10 feeds to enforced", "peak_rss_bytes")? / 1e6);
    "feeds parse, 1M plain lines, s", 0.15, 0.1, false,
        |it| feeds(it, "feeds parse, one file", "seconds");
};

impl Target {
    fn verdict(&self, found: f64) -> &'static str {
        let meets = |wanted: f64| match self.more {
            true => found >= wanted,
            false => found <= wanted,
        };
        match (meets(self.aim), meets(self.reach)) {
            (true, _) => "aim met",
            (false, true) => "reach met",
            (false, false) => "**missed**",
        }
    }
}

/// A table of all figures that the run has.
pub fn table(findings: Findings) -> String {
    let mut table = String::from("| figure | reach | aim | found | |\n|---|---:|---:|---:|---|\n");
    for target in &TARGETS {
        let Target {
            name, reach, aim, ..
        } = target;
        let (found, verdict) = match (target.found)(findings) {
            Some(found) => (format!("{found:.*}", digits(found)), target.verdict(found)),
            None => ("–".to_owned(), "not in this run"),
        };
        let _ = writeln!(table, "| {name} | {reach} | {aim} | {found} | {verdict} |");
    }
    table
}

/// Digits after the point that mean something.
fn digits(number: f64) -> usize {
    match number.abs() {
        0.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    }
}
