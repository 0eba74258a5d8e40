//! Whether there is memory for what is going to be compiled: better refused with the numbers than
//! ended in the middle by a kernel that has none left.

use std::fs;

use anyhow::{Result, bail};

/// What is going to be compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// IPv4 entries.
    pub v4: u64,
    /// IPv6 entries.
    pub v6: u64,
    /// Bytes of text that they are read from.
    pub text: u64,
}

impl Load {
    /// Bytes needed at most, measured and rounded up: while the text is parsed it is there with two
    /// copies of the entries; while entries are compiled, with them their sorted copy, the steps, and
    /// the image twice, once in the kernel.
    fn bytes(self) -> u64 {
        let parsing = self.text + 24 * self.v4 + 64 * self.v6;
        let compiling = 52 * self.v4 + 176 * self.v6;
        parsing.max(compiling)
    }
}

impl std::ops::Add for Load {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            v4: self.v4 + other.v4,
            v6: self.v6 + other.v6,
            text: self.text + other.text,
        }
    }
}

/// Refuses what this machine has no memory for now.
///
/// # Errors
/// It has not; the message has the numbers.
pub fn check(load: Load) -> Result<()> {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    match available(&text) {
        Some(available) => check_against(load, available),
        // Not to know is no reason to refuse.
        None => Ok(()),
    }
}

/// `MemAvailable` in bytes: what can be had without swapping (proc_meminfo(5)).
fn available(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let value = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

fn check_against(load: Load, available: u64) -> Result<()> {
    let needed = load.bytes();
    if needed > available {
        bail!(
            "{} entries need about {} MB of memory to be put in force, and {} MB are free; use \
             shorter lists or switch a feed off",
            load.v4 + load.v6,
            needed.div_ceil(1 << 20),
            available >> 20
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_more_than_there_is_is_refused_with_the_numbers() {
        let load = Load {
            v4: 1_000_000,
            v6: 0,
            text: 15_000_000,
        };
        assert!(check_against(load, 52_000_000).is_ok());
        let refused = check_against(load, 51_999_999).unwrap_err().to_string();
        assert!(
            refused.starts_with(
                "1000000 entries need about 50 MB of memory to be put in force, and 49 MB are free"
            ),
            "{refused}"
        );
    }

    #[test]
    fn long_lines_and_long_addresses_take_more() {
        let short = Load {
            v4: 10,
            ..Load::default()
        };
        let v6 = Load {
            v6: 10,
            ..Load::default()
        };
        let wordy = Load { text: 5_000, ..v6 };
        assert!(short.bytes() < v6.bytes() && v6.bytes() < wordy.bytes());
        assert!((short + v6).bytes() > v6.bytes());
    }

    #[test]
    fn the_kernel_says_how_much_there_is() {
        let text = "MemTotal:       24683532 kB\nMemAvailable:   24020820 kB\nBuffers: 1 kB\n";
        assert_eq!(available(text), Some(24_020_820 * 1024));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
    }
}
