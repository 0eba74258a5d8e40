//! Measurements, for `cargo xtask test --long`: they print figures and judge nothing but the result.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fmt::Write as _, fs, net::Ipv4Addr, time::Instant};

use nix::sys::resource::{UsageWho, getrusage};
use tests::{
    lab::Lab,
    product::{Product, binary},
};

const ENTRIES: usize = 1_000_000;

/// A million addresses over all of the unicast space, the same each time.
fn addresses() -> String {
    let spread = |index: u32| 0x0100_0000 + index.wrapping_mul(0x9e37_79b9) % 0xde00_0000;
    let distinct: BTreeSet<u32> = (0..).map(spread).take(ENTRIES).collect();
    let mut text = String::new();
    for address in distinct {
        writeln!(text, "{}", Ipv4Addr::from_bits(address)).unwrap();
    }
    text
}

#[test]
#[ignore = "a measurement, true in release builds only"]
fn a_million_plain_entries_from_text_to_force() {
    let lab = Lab::for_test().unwrap();
    let product = Product::new(&binary().unwrap(), "").unwrap();
    let list = product.folder().join("list.txt");
    fs::write(&list, addresses()).unwrap();
    let configuration = format!(
        "interfaces = ['eth0', 'eth1']\n[[feed]]\nname = 'list'\npath = {list:?}\nmode = 'enforce'\n"
    );
    product.configure(&configuration).unwrap();
    let daemon = product.start(&lab.gateway).unwrap();
    drop(daemon);
    fs::write(&list, addresses() + "192.0.2.1\n").unwrap();
    let begin = Instant::now();
    product.done(&lab.gateway, &["feeds", "update"]).unwrap();
    let changed = begin.elapsed();
    let begin = Instant::now();
    product.done(&lab.gateway, &["block", "192.0.2.2"]).unwrap();
    let block = begin.elapsed();
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    println!("{ENTRIES} plain entries on two interfaces:");
    println!(
        "  feeds update, text to enforced: {:.2} s",
        changed.as_secs_f32()
    );
    println!(
        "  one more entry by hand:         {:.2} s",
        block.as_secs_f32()
    );
    println!(
        "  peak memory of a command:       {} MB, image included",
        peak / 1024
    );
}
