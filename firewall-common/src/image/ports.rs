//! Ports of addresses that are listed on their own.
//!
//! A sorted array beside the lines of an image, and a binary search in it. Only an address whose
//! class has [`crate::class::Actions::has_ports`] is looked for.
//!
//! | word | bits | meaning |
//! |---|---|---|
//! | 0 | 0–63 | upper half of the address; 0 for IPv4 |
//! | 1 | 0–63 | lower half of the address; IPv4: its 32 bits |
//! | 2 | 0–15 | port |
//! | 2 | 16–23 | protocol number (IANA "Protocol Numbers") |
//! | 2 | 24 | family: 1 for IPv6 |
//! | 3 | 0–15 | class |

use crate::class::{ClassId, NONE};

/// One port of one address. Sorted as words, the first three make the key.
pub type PortEntry = [u64; 4];

/// Entries of the array at most: what so many halvings find.
pub const MAX_PORTS: usize = (1 << HALVINGS) - 1;

const HALVINGS: u32 = 20;

/// Gives entry `index` of the array.
pub trait Ports {
    /// The entry, or `None` past the end.
    fn entry(&self, index: u32) -> Option<&PortEntry>;

    /// Number of entries.
    fn count(&self) -> u32;
}

impl Ports for [PortEntry] {
    fn entry(&self, index: u32) -> Option<&PortEntry> {
        self.get(index as usize)
    }

    fn count(&self) -> u32 {
        self.len() as u32
    }
}

/// The last word of a key.
#[inline(always)]
pub const fn service(is_v6: bool, protocol: u8, port: u16) -> u64 {
    (is_v6 as u64) << 24 | (protocol as u64) << 16 | port as u64
}

/// Whether the last word of a key is that of an IPv6 address.
pub const fn is_v6(service: u64) -> bool {
    service >> 24 & 1 != 0
}

/// Class of a port of an address, given as the three words of the key; 0 if it is not listed.
#[inline(always)]
pub fn lookup_port<P: Ports + ?Sized>(ports: &P, high: u64, low: u64, service: u64) -> ClassId {
    let mut first = 0;
    let mut rest = ports.count();
    for _ in 0..HALVINGS {
        if rest == 0 {
            break;
        }
        let half = rest >> 1;
        let middle = first + half;
        let Some(entry) = ports.entry(middle) else {
            return NONE;
        };
        if is_below(entry, high, low, service) {
            first = middle + 1;
            rest -= half + 1;
        } else {
            rest = half;
        }
    }
    match ports.entry(first) {
        Some(entry) if entry[0] == high && entry[1] == low && entry[2] == service => {
            entry[3] as ClassId
        }
        _ => NONE,
    }
}

#[inline(always)]
fn is_below(entry: &PortEntry, high: u64, low: u64, service: u64) -> bool {
    if entry[0] != high {
        entry[0] < high
    } else if entry[1] != low {
        entry[1] < low
    } else {
        entry[2] < service
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found_and_nothing_else() {
        for count in 0..40_u64 {
            let mut entries: Vec<PortEntry> = (0..count)
                .map(|n| [n / 7, n / 3, service(n % 2 == 1, 6, 2 * n as u16), n + 1])
                .collect();
            entries.sort_unstable();
            for entry in &entries {
                let [high, low, wanted, class] = *entry;
                let find = |high, low, wanted| lookup_port(&entries[..], high, low, wanted);
                assert_eq!(u64::from(find(high, low, wanted)), class);
                assert_eq!(find(high, low, wanted + 1), NONE);
                assert_eq!(find(high + 9, low, wanted), NONE);
                assert_eq!(find(high, low + 40, wanted), NONE);
            }
        }
    }
}
