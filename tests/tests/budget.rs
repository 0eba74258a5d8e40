//! What the verifier has to look at, held against what is written down: a program that grows without
//! anybody noticing is one day refused by some kernel.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs};

use firewall::{
    dataplane::Hook,
    ruleset::{PortEntry, Protocol, Ruleset, Wish},
};
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
    let record: BTreeMap<String, BTreeMap<String, u32>> = serde_json::from_str(RECORD).unwrap();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let series: Vec<&str> = release.split('.').take(2).collect();
    for (name, hook) in [("xdp", Hook::Xdp), ("tcx", Hook::OWN_TRAFFIC)] {
        let kernel = Kernel::at(&with_a_port(), Role::Inside, hook).unwrap();
        let found = kernel.verified_instructions().unwrap();
        println!("{found} instructions of {name} on {}", series.join("."));
        // Other kernels look at more or less; the largest number on record bounds those not on it.
        let on_record = record.values().map(|kernel| kernel[name]);
        let of_this = record.get(&series.join(".")).map(|kernel| kernel[name]);
        let recorded = of_this.or(on_record.max()).unwrap();
        assert!(
            found <= recorded / ALLOWED.1 * ALLOWED.0,
            "{found} instructions of {name}, {recorded} on record: make the program smaller, or say \
             in the commit why not and write the new number into tests/verified-instructions.json"
        );
    }
}
