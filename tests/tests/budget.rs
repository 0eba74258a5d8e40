//! What the verifier has to look at, held against what is written down: a program that grows without
//! anybody noticing is one day refused by some kernel.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs};

use firewall::ruleset::{PortEntry, Protocol, Ruleset, Wish};
use firewall_common::ledger::Role;
use tests::{kernel::Kernel, skip_unless};

/// Instructions by kernel release, without its patch level. A new kernel is added by hand.
const RECORD: &str = include_str!("../verified-instructions.json");

/// Growth that needs a word: a fifth.
const ALLOWED: (u32, u32) = (6, 5);

/// Without any listed port the search for one is dead code to the verifier.
fn with_a_port() -> Ruleset {
    let mut ruleset = Ruleset::default();
    let source = ruleset.source("local", Wish::Drop).unwrap();
    ruleset.ports.push(PortEntry {
        address: "203.0.113.7".parse().unwrap(),
        protocol: Protocol::Tcp,
        port: 4444,
        source,
    });
    ruleset
}

#[test]
fn the_verifier_looks_at_no_more_than_a_fifth_above_the_record() {
    skip_unless!(
        "the_verifier_looks_at_no_more_than_a_fifth_above_the_record",
        Bpf
    );
    let record: BTreeMap<String, u32> = serde_json::from_str(RECORD).unwrap();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let series: Vec<&str> = release.split('.').take(2).collect();
    let kernel = Kernel::new(&with_a_port(), Role::Inside).unwrap();
    let found = kernel.verified_instructions().unwrap();
    println!("{} instructions on {}", found, series.join("."));
    // Other kernels look at more or less; the largest number on record bounds those not on it.
    let most = record.values().copied().max().unwrap();
    let recorded = record.get(&series.join(".")).copied().unwrap_or(most);
    assert!(
        found <= recorded / ALLOWED.1 * ALLOWED.0,
        "{found} instructions, {recorded} on record: make the program smaller, or say in the commit \
         why not and write the new number into tests/verified-instructions.json"
    );
}
