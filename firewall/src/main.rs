//! `firewall`: the one binary.

fn main() {}
