//! How much of a content may be no entry.

use super::super::{
    Refused,
    format::{Format, Parsed, is_tolerable},
};

/// Refuses content with too many rejected lines, also where its format is named: a page, a list that
/// somebody damaged, or one in another format that looks alike.
///
/// # Errors
/// The message has the numbers and the first rejected line.
pub fn check(format: Format, parsed: &Parsed) -> Result<(), Refused> {
    let (rejected, all) = (parsed.rejected_count, parsed.listed());
    if rejects_what_is_right(format) || is_tolerable(rejected, all) {
        return Ok(());
    }
    let first = parsed.rejected.first().map_or(String::new(), |first| {
        let (line, text, reason) = (first.line, &first.text, &first.reason);
        format!(", the first is line {line}: {text} ({reason})")
    });
    Err(Refused(format!(
        "{rejected} of {all} lines are no entries{first}; at most 2 in 100 may be, so check the \
         address and the format of the feed, or ask the provider"
    )))
}

/// Whether a rejected record may be a good one that says more than a filter can do: a pattern about a
/// file as well, a rule for a range of ports. Their share says nothing about the content.
fn rejects_what_is_right(format: Format) -> bool {
    matches!(format, Format::Stix | Format::Suricata)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::format::{self, How};

    #[test]
    fn the_refusal_has_the_numbers_and_the_first_line() {
        let text = format!("{}no entry\n", "203.0.113.7\n".repeat(2)).repeat(10);
        let parsed = format::parse(Format::Plain, &How::default(), text.as_bytes()).unwrap();
        let refused = check(Format::Plain, &parsed).unwrap_err().to_string();
        let expected = "10 of 30 lines are no entries, the first is line 3: no entry (";
        assert!(refused.starts_with(expected), "{refused}");
        assert_eq!(check(Format::Suricata, &parsed), Ok(()));
    }
}
