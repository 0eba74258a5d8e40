//! Counts tests by what the test runner of Rust and the tests themselves print.

use std::{collections::BTreeSet, fmt};

/// How many tests passed and failed, and which were skipped.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    passed: usize,
    failed: usize,
    skipped: BTreeSet<String>,
    never_ran: BTreeSet<String>,
}

impl Tally {
    /// Takes in a line of output.
    pub fn take(&mut self, line: &str) {
        if let Some((passed, failed)) = numbers(line) {
            self.passed += passed;
            self.failed += failed;
        } else if line.starts_with("SKIPPED ") {
            self.skipped.insert(line.to_owned());
        }
    }

    /// Takes in the line of what was skipped as a whole, of which no test ran.
    pub fn never_ran(&mut self, line: String) {
        self.never_ran.insert(line);
    }

    /// Something failed. Where no test did, it counts as one: what fails must not end in a line that
    /// says `0 failed`.
    pub fn end_in_failure(&mut self) {
        self.failed = self.failed.max(1);
    }
}

/// How many tests passed and failed, in the line in which the test runner says so.
pub fn numbers(line: &str) -> Option<(usize, usize)> {
    let result = line.strip_prefix("test result: ")?;
    Some((count(result, "passed"), count(result, "failed")))
}

/// The number before `word` in `ok. 3 passed; 0 failed; …`.
fn count(result: &str, word: &str) -> usize {
    let numbers = result.split(';').filter_map(|part| {
        let number = part.strip_suffix(word)?.trim_end();
        number.rsplit(' ').next()?.parse::<usize>().ok()
    });
    numbers.sum()
}

/// Every skipped test, then the line with the sums. To the test runner a skipped test is one that
/// passed.
impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.skipped.iter().chain(&self.never_ran) {
            writeln!(formatter, "{line}")?;
        }
        let passed = self.passed.saturating_sub(self.skipped.len());
        let skipped = self.skipped.len() + self.never_ran.len();
        let failed = self.failed;
        writeln!(
            formatter,
            "{passed} passed, {failed} failed, {skipped} skipped"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.take(line));
        tally
    }

    #[test]
    fn results_of_several_runs_are_added_up() {
        let tally = tally(
            "running 12 tests\n\
             test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; \
             finished in 0.10s\n\
             test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 5 filtered out; \
             finished in 1.00s\n",
        );
        assert_eq!(tally.to_string(), "15 passed, 2 failed, 0 skipped\n");
    }

    #[test]
    fn a_skipped_test_is_listed_once_and_not_counted_as_passed() {
        let tally = tally(
            "---- data::counts stdout ----\n\
             SKIPPED data::counts: needs feeds\n\
             SKIPPED data::counts: needs feeds\n\
             test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!(
            tally.to_string(),
            "SKIPPED data::counts: needs feeds\n1 passed, 0 failed, 1 skipped\n"
        );
    }

    #[test]
    fn what_was_skipped_as_a_whole_takes_nothing_from_what_passed() {
        let mut tally = tally("test result: ok. 2 passed; 0 failed; 0 ignored;\n");
        tally.never_ran("SKIPPED vm 6.1: needs guests".to_owned());
        assert_eq!(
            tally.to_string(),
            "SKIPPED vm 6.1: needs guests\n2 passed, 0 failed, 1 skipped\n"
        );
    }

    #[test]
    fn what_only_looks_like_a_result_counts_nothing() {
        let tally =
            tally("test result: \ntest results: ok. 1 passed;\n 3 passed; x failed\nSKIPPED\n");
        assert_eq!(tally, Tally::default());
    }

    #[test]
    fn a_failure_without_a_failed_test_is_one() {
        let mut none = Tally::default();
        none.end_in_failure();
        assert_eq!(none.to_string(), "0 passed, 1 failed, 0 skipped\n");
        let mut two = tally("test result: FAILED. 0 passed; 2 failed;");
        two.end_in_failure();
        assert_eq!(two.to_string(), "0 passed, 2 failed, 0 skipped\n");
    }
}
