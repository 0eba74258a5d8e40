//! Whether a content is about as large as those before it.

use std::collections::VecDeque;

/// Good copies that are remembered.
const REMEMBERED: usize = 10;

/// Entries that a list may be larger or smaller by, whatever share of it that is: short lists halve
/// and double every day.
const SLACK: usize = 50;

/// A list that is less than 1 / [`SHRINKS`] of what it was has shrunk too much.
const SHRINKS: usize = 2;

/// A list that is more than so many times what it was has grown too much.
const GROWS: usize = 3;

/// Remembers a good copy with so many entries.
pub fn remember(sizes: &mut VecDeque<usize>, entries: usize) {
    sizes.push_back(entries);
    let over = sizes.len().saturating_sub(REMEMBERED);
    sizes.drain(..over);
}

/// Why a list of `entries` entries is not put in force without a question, if those before it had
/// `sizes`; for people.
pub fn objection(sizes: &VecDeque<usize>, entries: usize) -> Option<String> {
    let usual = median(sizes)?;
    let (change, limit) = if entries < usual {
        let shrunk = entries.saturating_mul(SHRINKS) < usual;
        (shrunk.then_some("shrunk")?, "half")
    } else {
        let grown = entries > usual.saturating_mul(GROWS);
        (grown.then_some("grown")?, "three times")
    };
    (entries.abs_diff(usual) > SLACK).then(|| {
        let of = match sizes.len() {
            1 => "those of the last good copy".to_owned(),
            copies => format!("the median of the last {copies} good copies"),
        };
        format!(
            "it has {change} to {entries} entries from {usual}, {of}, and {limit} of that is the limit"
        )
    })
}

/// The middle one of the sizes; of two in the middle the larger one.
fn median(sizes: &VecDeque<usize>) -> Option<usize> {
    let mut sorted: Vec<usize> = sizes.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn so_many_entries_after_such_lists_are_objected_to_or_not() {
        let table: &[(&[usize], usize, Option<&str>)] = &[
            (&[], 0, None),
            (&[], 1_000_000, None),
            (&[100], 50, None),
            (&[100], 49, Some("shrunk to 49 entries from 100")),
            (&[100], 300, None),
            (&[100], 301, Some("grown to 301 entries from 100")),
            // The slack: short lists change much.
            (&[28], 0, None),
            (&[50], 0, None),
            (&[51], 0, Some("shrunk to 0 entries from 51")),
            (&[0], 50, None),
            (&[0], 51, Some("grown to 51 entries from 0")),
            (&[5], 55, None),
            (&[5], 56, Some("grown to 56")),
            (&[1_000], 100, Some("shrunk to 100 entries from 1000")),
            (&[1_000], 10_000, Some("grown to 10000 entries from 1000")),
            // One odd copy does not move the median, and a slow change does.
            (&[1_000, 1_000, 2_900], 2_950, None),
            (
                &[1_000, 1_000, 2_900],
                3_001,
                Some("the last 3 good copies"),
            ),
            (&[1_000, 2_000, 4_000], 6_000, None),
        ];
        for (sizes, entries, expected) in table {
            let objection = objection(&sizes.iter().copied().collect(), *entries);
            let fits = match (&objection, expected) {
                (Some(objection), Some(expected)) => objection.contains(expected),
                (None, None) => true,
                _ => false,
            };
            assert!(fits, "{sizes:?} then {entries}: {objection:?}");
        }
    }

    #[test]
    fn ten_copies_are_remembered() {
        let mut sizes = VecDeque::new();
        (0..25).for_each(|size| remember(&mut sizes, size));
        assert!(sizes.iter().copied().eq(15..25));
    }

    proptest! {
        #[test]
        fn the_median_has_as_many_below_as_above(sizes in prop::collection::vec(0..1000_usize, 1..12)) {
            let middle = median(&sizes.iter().copied().collect()).unwrap();
            prop_assert!(sizes.contains(&middle));
            let below = sizes.iter().filter(|&&size| size < middle).count();
            let above = sizes.iter().filter(|&&size| size > middle).count();
            prop_assert!(2 * below <= sizes.len() && 2 * above < sizes.len());
        }

        #[test]
        fn what_is_near_the_usual_size_is_never_objected_to(
            sizes in prop::collection::vec(0..100_000_usize, 1..12), entries in 0..400_000_usize,
        ) {
            let sizes: VecDeque<usize> = sizes.into_iter().collect();
            let usual = median(&sizes).unwrap();
            let near = entries.abs_diff(usual) <= 50 || (2 * entries >= usual && entries <= 3 * usual);
            prop_assert_eq!(objection(&sizes, entries).is_none(), near);
        }
    }
}
