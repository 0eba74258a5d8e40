//! Tables and times for people.

use comfy_table::{Table, presets};
use jiff::Timestamp;

/// A table without lines whose columns are as wide as they need to be.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    table
}

/// A table as text: no padding at the line ends, and a newline after the last line.
pub fn text(table: &Table) -> String {
    let lines = table.lines().map(|line| format!("{}\n", line.trim()));
    lines.collect()
}

/// How long ago, in its two largest units as systemd says it: `3h 5min ago`.
pub fn ago(time: Timestamp, now: Timestamp) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let seconds = now.duration_since(time).as_secs();
    let Some(largest) = UNITS.iter().position(|(length, _)| seconds >= *length) else {
        return "just now".to_owned();
    };
    let mut rest = seconds;
    let mut words = String::new();
    for (length, unit) in UNITS.iter().skip(largest).take(2) {
        if rest >= *length {
            words.push_str(&format!("{}{unit} ", rest / length));
        }
        rest %= length;
    }
    words + "ago"
}

/// How soon, likewise: `in 3h 5min`.
pub fn until(time: Timestamp, now: Timestamp) -> String {
    match ago(now, time).strip_suffix(" ago") {
        Some(wait) => format!("in {wait}"),
        None => "now".to_owned(),
    }
}

/// Digits in groups of three.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many there are of something: `1 entry`, `2,000 entries`.
pub fn count(number: usize, one: &str) -> String {
    let digits = self::number(number as u64);
    match (number, one.strip_suffix('y')) {
        (1, _) => format!("{digits} {one}"),
        (_, Some(stem)) => format!("{digits} {stem}ies"),
        (_, None) => format!("{digits} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        let written: Vec<String> = [0, 999, 1_000, 1_234_567].map(number).into();
        assert_eq!(written, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn one_is_not_many() {
        let counted = [(1, "feed"), (0, "feed"), (2_000, "entry"), (1, "entry")];
        let written = counted.map(|(number, one)| count(number, one));
        assert_eq!(written, ["1 feed", "0 feeds", "2,000 entries", "1 entry"]);
    }

    #[test]
    fn an_age_has_its_two_largest_units() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let age = |text: &str| ago(text.parse().unwrap(), now);
        assert_eq!(age("2026-11-23T12:00:00Z"), "just now");
        assert_eq!(age("2026-11-23T11:59:01Z"), "59s ago");
        assert_eq!(age("2026-11-23T11:58:02Z"), "1min 58s ago");
        assert_eq!(age("2026-11-23T09:30:01Z"), "2h 29min ago");
        assert_eq!(age("2026-11-23T11:00:00Z"), "1h ago");
        assert_eq!(age("2026-11-22T11:59:00Z"), "1d ago");
        assert_eq!(age("2026-11-23T13:00:00Z"), "just now");
        assert_eq!(age("2026-11-20T12:00:00Z"), "3d ago");
    }
}
