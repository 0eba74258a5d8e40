//! Records as the process that reads them gets them from a worker that somebody has taken over.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| firewall::feed::records::exercise(bytes));
