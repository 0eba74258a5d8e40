//! Times as people write them: `30m`, `2h 30m`, `7d`.

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::{Deserialize, Deserializer, de::Error};

/// The time; a day has 24 hours.
///
/// # Errors
/// It is none, negative, or of units that have no fixed length.
pub fn parse(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("'{text}' is no time; write for example 30m, 2h or 7d");
    let span: Span = text.parse().map_err(|_| wrong())?;
    let duration = SignedDuration::try_from(span)
        .or_else(|_| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .map_err(|_| wrong())?;
    match duration.is_negative() {
        true => Err(wrong()),
        false => Ok(duration),
    }
}

/// For serde's `deserialize_with`.
///
/// # Errors
/// As [`parse`].
pub fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// The same where it may be missing.
///
/// # Errors
/// As [`parse`].
pub fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SignedDuration>, D::Error> {
    required(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_people() {
        for (text, seconds) in [
            ("30m", 1800),
            ("2h 30m", 9000),
            ("7d", 604_800),
            ("1d 1s", 86_401),
            ("0s", 0),
        ] {
            assert_eq!(parse(text).unwrap().as_secs(), seconds, "{text}");
        }
        for wrong in ["", "7", "1mo", "-1h", "a while"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
