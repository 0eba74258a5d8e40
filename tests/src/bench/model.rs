//! What is listed, found in the most naive way: sorted ranges and a binary search. It shares no code
//! with the product, so that the two cannot be wrong together.

use firewall::address::Address;

use crate::family::Prefix;

/// Disjoint ranges, ascending.
pub struct Model<A>(Vec<(A, A)>);

impl<A: Address> Model<A> {
    /// Of `entries`, ascending.
    pub fn new(entries: &[Prefix<A>]) -> Self {
        let mut ranges: Vec<(A, A)> = Vec::new();
        for &(first, length) in entries {
            let last = first.last(length);
            match ranges.last_mut() {
                Some(before) if before.1 >= first => before.1 = before.1.max(last),
                _ => ranges.push((first, last)),
            }
        }
        Self(ranges)
    }

    /// Whether an entry covers `address`.
    pub fn lists(&self, address: A) -> bool {
        let after = self.0.partition_point(|range| range.0 <= address);
        after > 0 && self.0[after - 1].1 >= address
    }
}
