//! Content as it comes from a server: compressed or not, in a format that is to be found out.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| firewall::feed::decompress::exercise(bytes));
