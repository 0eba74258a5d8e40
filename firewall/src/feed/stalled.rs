//! What is known of a feed whose updates fail.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::http::later::Later;

/// Why a feed brings nothing new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stalled {
    /// The first update that failed.
    pub since: Timestamp,
    /// Why the last one failed, for people.
    pub reason: String,
    /// Updates that failed in a row.
    #[serde(default)]
    pub failures: u32,
    /// When the server wants to be asked again at the earliest, if it said so.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
}

impl Stalled {
    /// What is known after one more failure.
    pub(super) fn after(before: Option<&Self>, error: &anyhow::Error, now: Timestamp) -> Self {
        let asked = error.downcast_ref::<Later>().and_then(|later| {
            now.checked_add(SignedDuration::from_secs(later.seconds.into()))
                .ok()
        });
        Self {
            since: before.map_or(now, |before| before.since),
            reason: format!("{error:#}"),
            failures: before.map_or(0, |before| before.failures).saturating_add(1),
            // What a server asked for outlives an update by hand that did not reach it.
            not_before: asked.max(before.and_then(|before| before.not_before)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_and_what_a_server_asked_for_is_kept() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let later = Later {
            reason: "busy".to_owned(),
            seconds: 3_600,
        };
        let error = anyhow::Error::from(later)
            .context("cannot fetch")
            .context("more");
        let first = Stalled::after(None, &error, at(10));
        assert_eq!((first.since, first.failures), (at(10), 1));
        assert_eq!(first.reason, "more: cannot fetch: busy");
        assert_eq!(first.not_before, Some(at(3_610)));
        let second = Stalled::after(Some(&first), &anyhow::anyhow!("no network"), at(20));
        assert_eq!((second.since, second.failures), (at(10), 2));
        assert_eq!(second.not_before, Some(at(3_610)));
        let third = Stalled::after(Some(&second), &error, at(30));
        assert_eq!(third.not_before, Some(at(3_630)));
    }
}
