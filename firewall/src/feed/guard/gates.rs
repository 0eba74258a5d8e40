//! What a feed has to keep to: limits that its keys set.

use super::{Guarded, coverage, size};
use crate::feed::format::{Format, Parsed};
use std::collections::VecDeque;

/// The shortest prefixes that are taken, in bits; what is wider is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortest {
    /// Of IPv4.
    pub v4: u8,
    /// Of IPv6.
    pub v6: u8,
}

impl Default for Shortest {
    /// Nobody's list of bad addresses is right about more than a whole registry allocation.
    fn default() -> Self {
        Self { v4: 8, v6: 19 }
    }
}

/// The limits of one feed. What is beyond them waits for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gates {
    /// The shortest prefixes that are taken.
    pub shortest: Shortest,
    /// IPv4 addresses that it may cover; IPv6 as [`coverage::objection`] has it.
    pub max_coverage: u64,
    /// Prefixes that it has at least.
    pub min_entries: usize,
    /// Prefixes that it has at most.
    pub max_entries: usize,
    /// Whether it may be empty, where its content proves that it is; `None` if that depends on its format.
    pub may_be_empty: Option<bool>,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            shortest: Shortest::default(),
            max_coverage: coverage::MAX_COVERAGE,
            min_entries: 0,
            max_entries: usize::MAX,
            may_be_empty: None,
        }
    }
}

impl Gates {
    /// What speaks against putting a list in force without a question, if those before it had `sizes`, where
    /// that says something; for people.
    pub fn objection(
        &self,
        format: Format,
        sizes: Option<&VecDeque<usize>>,
        parsed: &Parsed,
        guarded: &Guarded,
    ) -> Option<String> {
        let prefixes = parsed.v4.len() + parsed.v6.len();
        let coverage = coverage::objection(guarded, self.max_coverage);
        let coverage = coverage.map(|objection| format!("{objection}; max_coverage sets another"));
        coverage
            .or_else(|| self.of_emptiness(format, sizes, prefixes))
            .or_else(|| self.of_entries(prefixes))
            .or_else(|| size::objection(sizes?, prefixes))
    }

    /// An empty list after an empty one is no news.
    fn of_emptiness(
        &self,
        format: Format,
        sizes: Option<&VecDeque<usize>>,
        prefixes: usize,
    ) -> Option<String> {
        let may_be = self.may_be_empty.unwrap_or(format.may_be_empty());
        (prefixes == 0 && !may_be && sizes.and_then(VecDeque::back) != Some(&0))
            .then(|| "it is empty; may_be_empty = true lets it be".to_owned())
    }

    fn of_entries(&self, prefixes: usize) -> Option<String> {
        let is_empty_rightly = prefixes == 0 && self.may_be_empty == Some(true);
        if prefixes < self.min_entries && !is_empty_rightly {
            return Some(format!(
                "it has {prefixes} entries, and min_entries is {}",
                self.min_entries
            ));
        }
        (prefixes > self.max_entries).then(|| {
            format!(
                "it has {prefixes} entries, and max_entries is {}",
                self.max_entries
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{
        format::{self, How},
        guard,
    };

    /// Whether the list waits for this, or for nothing, after lists of these sizes.
    fn waits(gates: &Gates, (format, text): (Format, &str), sizes: &[usize], why: Option<&str>) {
        let parsed = format::parse(format, &How::default(), text.as_bytes()).unwrap();
        let guarded = guard::check(&parsed, &[], gates.shortest).unwrap();
        let sizes = sizes.iter().copied().collect();
        let found = gates.objection(format, Some(&sizes), &parsed, &guarded);
        let fits = match (&found, why) {
            (Some(found), Some(why)) => found.contains(why),
            (found, why) => found.is_none() && why.is_none(),
        };
        assert!(fits, "{text} after {sizes:?} with {gates:?}: {found:?}");
    }

    #[test]
    fn a_list_has_so_many_entries_or_waits() {
        let one = (Format::Plain, "203.0.113.7\n");
        let three = (Format::Plain, "203.0.113.7\n203.0.113.8\n203.0.113.9\n");
        let two = Gates {
            min_entries: 2,
            max_entries: 2,
            ..Gates::default()
        };
        waits(&Gates::default(), one, &[], None);
        waits(&two, one, &[], Some("1 entries, and min_entries is 2"));
        waits(&two, three, &[], Some("3 entries, and max_entries is 2"));
    }

    #[test]
    fn an_empty_list_is_one_where_it_may_be_or_was_before() {
        let drop = (
            Format::SpamhausJson,
            "{\"type\":\"metadata\",\"size\":0,\"records\":0}",
        );
        let feodo = (Format::FeodoText, "# END 0 entries");
        let gates = |may_be_empty, min_entries| Gates {
            may_be_empty,
            min_entries,
            ..Gates::default()
        };
        let usual = gates(None, 0);
        waits(&usual, drop, &[], Some("it is empty; may_be_empty"));
        waits(&usual, drop, &[7], Some("it is empty; may_be_empty"));
        waits(&usual, drop, &[7, 0], None);
        waits(&gates(Some(true), 2), drop, &[7], None);
        waits(&usual, feodo, &[7], None);
        waits(&usual, feodo, &[700], Some("it has shrunk"));
        waits(&gates(Some(false), 0), feodo, &[7], Some("it is empty"));
    }

    #[test]
    fn a_feed_may_be_wider_than_others() {
        let parsed = format::parse(
            Format::Plain,
            &How::default(),
            b"0.0.0.0/2\n8000::/1\n::/0\n",
        );
        let mut parsed = parsed.unwrap();
        let wide = Shortest { v4: 2, v6: 1 };
        assert!(
            guard::check(&parsed, &[], wide).is_err(),
            "all is too much for anybody"
        );
        parsed.v6.pop();
        let kept = |shortest| {
            let guarded = guard::check(&parsed, &[], shortest).unwrap();
            (guarded.v4.len(), guarded.v6.len(), guarded.left_out)
        };
        assert_eq!(kept(Shortest::default()), (0, 0, 2));
        assert_eq!(kept(wide), (1, 1, 0));
    }
}
