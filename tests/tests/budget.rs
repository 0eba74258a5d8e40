//! What the verifier has to look at, held against what is written down.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use firewall::{
    dataplane::Hook,
    ruleset::{PortEntry, Protocol, Ruleset, Wish},
};
use firewall_common::ledger::Role;
use tests::{
    kernel::Kernel,
    record::{self, Figure},
    skip_unless,
};

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
    let found = [("xdp", Hook::Xdp), ("tcx", Hook::OWN_TRAFFIC)].map(|(name, hook)| {
        let kernel = Kernel::at(&with_a_port(), Role::Inside, hook).unwrap();
        (name.to_owned(), kernel.verified_instructions().unwrap())
    });
    record::check(Figure::Instructions, &BTreeMap::from(found)).unwrap();
}
