//! Feeds in every format: the first line names the format, the rest is the list. A line that names none
//! leaves the format to be found out.

#![no_main]

use firewall::feed::format::{Format, exercise};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(0);
    let name = str::from_utf8(&bytes[..end]).unwrap_or_default();
    match name.parse::<Format>() {
        Ok(format) => exercise(Some(format), &bytes[end + 1..]),
        Err(_) => exercise(None, bytes),
    }
});
