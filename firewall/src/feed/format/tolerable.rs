//! How much of a list may be no entry: somebody has typed it, or its provider has a bad day.

/// Of so many lines or records one may be rejected: 2 in 100.
const ONE_IN: usize = 50;

/// Where the lines are few, a slip or two are more than that: so many are forgiven, as long as each
/// stands among [`SLIP_ONE_IN`] lines.
const SLIPS: usize = 5;
const SLIP_ONE_IN: usize = 5;

/// Whether so many rejected of so many lines still make a list.
pub fn is_tolerable(rejected: usize, all: usize) -> bool {
    let few = rejected <= SLIPS && SLIP_ONE_IN * rejected <= all;
    few || ONE_IN * rejected <= all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_rejected_of_so_many_lines_are_tolerable_or_not() {
        let table = [
            (0, 0, true),
            (0, 1, true),
            (1, 1, false),
            (1, 4, false),
            (1, 5, true),
            (1, 10, true),
            (2, 10, true),
            (3, 10, false),
            (5, 25, true),
            (6, 30, false),
            (6, 299, false),
            (6, 300, true),
            (20, 100, false),
            (20_000, 1_000_000, true),
            (20_001, 1_000_000, false),
        ];
        for (rejected, all, expected) in table {
            assert_eq!(is_tolerable(rejected, all), expected, "{rejected} of {all}");
        }
    }
}
