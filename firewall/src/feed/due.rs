//! When a feed is asked next. Pure, but for the dice.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{fetch::Location, http::later::LONGEST, store::Meta};

/// The wait after a first failure; it doubles with each further one, up to the interval.
const FIRST_RETRY: Duration = Duration::from_mins(1);

/// Thousandths by which a wait varies at most, so that a fleet does not ask in the same second.
const MOST_JITTER: i16 = 100;

/// By how many thousandths the next wait is varied; thrown anew for each update.
pub fn jitter() -> i16 {
    // Its keys come from the kernel's random numbers (std::hash::RandomState).
    let random = RandomState::new().hash_one(());
    let sides = 2 * MOST_JITTER.unsigned_abs() + 1;
    // Less than 201.
    let side = (random % u64::from(sides)) as i16;
    side - MOST_JITTER
}

/// What an update asked for and how: where that is another by now, what came of it says nothing of the
/// next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Where, keys included.
    pub location: Location,
    /// Everything else that the outcome hangs on, to be compared alone.
    pub how: String,
}

/// When a feed that is fetched each `interval` is asked next: at once if it never was, sooner than
/// its interval if that failed, and not before it is [`allowed`].
pub fn due(meta: &Meta, interval: Duration, shortest: Duration, now: Timestamp) -> Timestamp {
    let wait = match &meta.stalled {
        None => interval,
        Some(stalled) => backoff(stalled.failures).min(interval),
    };
    let due = after(meta.checked_at, varied(wait, meta.jitter), now);
    due.max(allowed(meta, shortest, now))
}

/// When a feed may be asked again for its provider's sake: not before `shortest` has passed, nor when
/// the server said not to.
pub fn allowed(meta: &Meta, shortest: Duration, now: Timestamp) -> Timestamp {
    let rested = after(meta.checked_at, shortest, now);
    let not_before = meta.stalled.as_ref().and_then(|stalled| stalled.not_before);
    let longest = later(now, Duration::from_secs(LONGEST.into()));
    not_before
        .filter(|not_before| *not_before <= longest)
        .map_or(rested, |not_before| rested.max(not_before))
}

/// When the wait is over that began when it was `checked`, if it ever was.
fn after(checked: Option<Timestamp>, wait: Duration, now: Timestamp) -> Timestamp {
    let over = checked.map(|checked| later(checked, wait));
    // Beyond that the clock was wrong when it was asked the last time.
    let latest = later(now, wait.saturating_mul(2));
    over.filter(|over| *over <= latest)
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The wait after so many failures in a row.
fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    FIRST_RETRY.saturating_mul(1 << doublings)
}

fn varied(wait: Duration, jitter: i16) -> Duration {
    let jitter = jitter.clamp(-MOST_JITTER, MOST_JITTER);
    wait.saturating_mul(1000_u32.saturating_add_signed(jitter.into())) / 1000
}

fn later(time: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::feed::store::Stalled;

    const HOUR: Duration = Duration::from_hours(1);

    fn time(text: &str) -> Timestamp {
        format!("2026-11-23T{text}Z").parse().unwrap()
    }

    /// Asked at noon, with so many failures.
    fn meta(failures: u32) -> Meta {
        Meta {
            checked_at: Some(time("12:00:00")),
            stalled: (failures > 0).then(|| Stalled {
                since: time("11:00:00"),
                reason: "away".into(),
                failures,
                not_before: None,
            }),
            ..Meta::default()
        }
    }

    fn at(meta: &Meta, interval: Duration, shortest: Duration) -> String {
        due(meta, interval, shortest, time("12:00:00")).to_string()
    }

    #[test]
    fn at_once_then_by_its_interval_and_sooner_after_failures() {
        assert_eq!(at(&Meta::default(), HOUR, HOUR), "1970-01-01T00:00:00Z");
        let table = [
            (0, HOUR * 6, "2026-11-23T18:00:00Z"),
            (1, HOUR * 6, "2026-11-23T12:01:00Z"),
            (2, HOUR * 6, "2026-11-23T12:02:00Z"),
            (3, HOUR * 6, "2026-11-23T12:04:00Z"),
            (8, HOUR * 6, "2026-11-23T14:08:00Z"),
            (10, HOUR * 6, "2026-11-23T18:00:00Z"),
            (u32::MAX, HOUR * 6, "2026-11-23T18:00:00Z"),
            (1, Duration::from_secs(1), "2026-11-23T12:00:01Z"),
            (u32::MAX, Duration::MAX, "2028-11-20T16:16:00Z"),
        ];
        for (failures, interval, expected) in table {
            let found = at(&meta(failures), interval, Duration::ZERO);
            assert_eq!(found, expected, "{failures} failures");
        }
        assert_eq!(
            at(&meta(0), Duration::MAX, HOUR),
            Timestamp::MAX.to_string()
        );
    }

    #[test]
    fn waits_vary_by_a_tenth_and_no_more() {
        for (jitter, failures, expected) in [
            (100, 0, "2026-11-23T13:06:00Z"),
            (-100, 0, "2026-11-23T12:54:00Z"),
            (100, 1, "2026-11-23T12:01:06Z"),
            (i16::MAX, 0, "2026-11-23T13:06:00Z"),
        ] {
            let meta = Meta {
                jitter,
                ..meta(failures)
            };
            assert_eq!(at(&meta, HOUR, Duration::ZERO), expected, "{jitter}");
        }
        let thrown: BTreeSet<i16> = (0..2_000).map(|_| jitter()).collect();
        assert!(
            thrown.iter().all(|it| (-100..=100).contains(it)),
            "{thrown:?}"
        );
        assert!(thrown.len() > 150, "{thrown:?}");
    }

    #[test]
    fn never_sooner_than_the_provider_wants() {
        for (failures, jitter) in [(0, -100), (1, 0), (1, -100)] {
            let meta = Meta {
                jitter,
                ..meta(failures)
            };
            assert_eq!(at(&meta, HOUR, HOUR), "2026-11-23T13:00:00Z");
        }
    }

    #[test]
    fn by_hand_as_soon_as_its_provider_allows() {
        let at = |meta: &Meta, shortest| allowed(meta, shortest, time("12:00:00")).to_string();
        assert_eq!(at(&Meta::default(), HOUR), "1970-01-01T00:00:00Z");
        assert_eq!(at(&meta(0), Duration::ZERO), "2026-11-23T12:00:00Z");
        assert_eq!(at(&meta(9), HOUR), "2026-11-23T13:00:00Z");
        let mut meta = meta(1);
        meta.stalled.as_mut().unwrap().not_before = Some(time("15:00:00"));
        assert_eq!(at(&meta, HOUR), "2026-11-23T15:00:00Z");
        assert_eq!(at(&meta, 4 * HOUR), "2026-11-23T16:00:00Z");
    }

    #[test]
    fn not_before_the_server_said_and_within_a_day() {
        let mut meta = meta(1);
        let mut asked = |not_before: Timestamp| {
            meta.stalled.as_mut().unwrap().not_before = Some(not_before);
            at(&meta, HOUR, Duration::ZERO)
        };
        assert_eq!(asked(time("15:00:00")), "2026-11-23T15:00:00Z");
        assert_eq!(asked(time("12:00:30")), "2026-11-23T12:01:00Z");
        let years = "2036-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(asked(years), "2026-11-23T12:01:00Z");
    }

    #[test]
    fn a_clock_that_was_wrong_silences_no_feed() {
        let mut meta = meta(0);
        meta.checked_at = Some("2036-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(at(&meta, HOUR, HOUR), "1970-01-01T00:00:00Z");
        // Set back by less than an interval: the provider is not asked twice for that.
        meta.checked_at = Some(time("12:30:00"));
        assert_eq!(at(&meta, HOUR, HOUR), "2026-11-23T13:30:00Z");
    }
}
