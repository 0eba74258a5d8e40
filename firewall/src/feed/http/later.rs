//! Servers that ask to be left alone for a while: `Retry-After` (RFC 9110 §10.2.3).

use std::fmt;

use jiff::{Timestamp, civil::DateTime, fmt::strtime, tz::TimeZone};
use serde::{Deserialize, Serialize};
use ureq::http::{HeaderMap, header};

/// A server is not left alone for longer than a day, whatever it says: it could silence a feed for good.
pub const LONGEST: u32 = 86_400;

/// The forms of a date (RFC 9110 §5.6.7): the one in use, and two that are obsolete and still to be read.
const DATES: [&str; 3] = [
    "%a, %d %b %Y %H:%M:%S GMT",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %e %H:%M:%S %Y",
];

/// An update failed, and the server says when it may be asked again. An error of its own, so that who
/// plans the next update finds it in a chain of errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Later {
    /// Why it failed, for people; the same each time, however long the wait is.
    pub reason: String,
    /// Seconds to wait, [`LONGEST`] at most.
    pub seconds: u32,
}

impl fmt::Display for Later {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
    }
}

impl std::error::Error for Later {}

/// The seconds that an answer asks to wait, if it does; `now` where it does not tell its own time.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<u32> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(header::RETRY_AFTER)?;
    if asked.bytes().all(|byte| byte.is_ascii_digit()) && !asked.is_empty() {
        return Some(asked.parse().unwrap_or(LONGEST).min(LONGEST));
    }
    // By the server's own clock: one of the two may be wrong.
    let from = text(header::DATE).and_then(date).unwrap_or(now);
    let seconds = date(asked)?.duration_since(from).as_secs();
    Some(
        u32::try_from(seconds.max(0))
            .unwrap_or(LONGEST)
            .min(LONGEST),
    )
}

fn date(text: &str) -> Option<Timestamp> {
    let parsed =
        |form: &str| -> Option<DateTime> { strtime::parse(form, text).ok()?.to_datetime().ok() };
    let date = DATES.iter().find_map(|form| parsed(form))?;
    TimeZone::UTC.to_timestamp(date).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(after: &str, date: Option<&str>) -> Option<u32> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, after.parse().unwrap());
        headers.extend(date.map(|date| (header::DATE, date.parse().unwrap())));
        retry_after(&headers, "1994-11-06T08:00:00Z".parse().unwrap())
    }

    #[test]
    fn seconds_or_one_of_three_dates() {
        for (after, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 120 ", Some(120)),
            ("86401", Some(LONGEST)),
            ("99999999999999999999", Some(LONGEST)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(49 * 60 + 37)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(49 * 60 + 37)),
            ("Sun Nov  6 08:49:37 1994", Some(49 * 60 + 37)),
            ("Sun, 06 Nov 1994 07:00:00 GMT", Some(0)),
            ("Wed, 06 Nov 2199 08:49:37 GMT", Some(LONGEST)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("1994-11-06T08:49:37Z", None),
        ] {
            assert_eq!(asked(after, None), seconds, "{after}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn a_date_counts_from_the_servers_own_clock() {
        let date = Some("Sun, 06 Nov 1994 08:49:00 GMT");
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT", date), Some(37));
    }
}
