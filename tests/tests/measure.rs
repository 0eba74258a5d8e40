//! Measurements, for `cargo xtask test --long`: they print figures and judge nothing but the result.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fmt::Write as _,
    fs,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use tests::{
    lab::Lab,
    product::{Product, binary},
};

/// `count` addresses over all of the unicast space, in order, the same each time.
fn addresses(count: u32) -> String {
    let spread = |index: u32| 0x0100_0000 + index.wrapping_mul(0x9e37_79b9) % 0xde00_0000;
    let mut addresses: Vec<u32> = (0..count).map(spread).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let mut text = String::new();
    for address in addresses {
        writeln!(text, "{}", Ipv4Addr::from_bits(address)).unwrap();
    }
    text
}

/// How long a command takes and how much memory it ever had, which must end with 0.
fn measure(product: &Product, lab: &Lab, arguments: &[&str]) -> (Duration, usize) {
    let begin = Instant::now();
    let mut child = lab
        .gateway
        .enter(|| product.command(arguments).spawn())
        .unwrap()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let code = loop {
        peak = memory(&status).unwrap_or_default().max(peak);
        if let Some(code) = child.try_wait().unwrap() {
            break code;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(code.success(), "{arguments:?}: {code}");
    (begin.elapsed(), peak / 1024)
}

/// The most memory that a process had so far, in KiB.
fn memory(status: &str) -> Option<usize> {
    let text = fs::read_to_string(status).ok()?;
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix(" kB")?.parse().ok()
}

fn from_text_to_force_and_by_hand(count: u32) {
    let lab = Lab::for_test().unwrap();
    let product = Product::new(&binary().unwrap(), "").unwrap();
    let list = product.folder().join("list.txt");
    let text = addresses(count);
    fs::write(&list, &text).unwrap();
    let configuration = format!(
        "interfaces = ['eth0', 'eth1']\n[[feed]]\nname = 'list'\npath = {list:?}\nmode = 'enforce'\n"
    );
    product.configure(&configuration).unwrap();
    let daemon = product.start(&lab.gateway).unwrap();
    product.done(&lab.gateway, &["feeds", "update"]).unwrap();
    assert_eq!(daemon.stop().unwrap(), 0);
    fs::write(&list, text + "192.0.2.1\n").unwrap();
    println!("{count} plain entries on two interfaces:");
    let say = |what: &str, arguments: &[&str]| {
        let (time, memory) = measure(&product, &lab, arguments);
        println!("  {what:<40} {:.2} s, {memory:4} MB", time.as_secs_f32());
    };
    say(
        "feeds update, text to enforced, cache:",
        &["feeds", "update"],
    );
    say("one more entry by hand:", &["block", "192.0.2.2"]);
    say("and another:", &["block", "2001:db8::2"]);
    say("taken out again:", &["unblock", "192.0.2.2"]);
    say("a /16 allowed:", &["allow", "198.51.0.0/16"]);
    fs::remove_file(product.state().join("image.cache")).unwrap();
    say("by hand without the cache:", &["block", "192.0.2.3"]);
}

#[test]
#[ignore = "a measurement, true in release builds only"]
fn a_million_plain_entries_from_text_to_force_and_by_hand() {
    from_text_to_force_and_by_hand(1_000_000);
}

#[test]
#[ignore = "a measurement, true in release builds only"]
fn ten_million_plain_entries_from_text_to_force_and_by_hand() {
    from_text_to_force_and_by_hand(10_000_000);
}
