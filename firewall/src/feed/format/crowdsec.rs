//! `crowdsec`: decisions of a CrowdSec Local API: copies as this program keeps them, one JSON object a
//! line, and what somebody saved of `/v1/decisions`, its stream or `cscli decisions list -o json`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Parsed, Refused, Said, check_size,
    said::{self, Skipped},
    text,
    walk::{Path, Step, records},
};

/// A decision to ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// `ip` or `range`.
    pub scope: String,
    /// Address or prefix.
    pub value: String,
    /// When it ends.
    pub until: Timestamp,
    /// Who decided: `crowdsec`, `cscli`, `CAPI`, `lists`.
    pub origin: String,
    /// Why.
    pub scenario: String,
}

impl Decision {
    /// The first line of a copy; what follows it is meant to be all, even if that is nothing.
    pub const HEADER: &str = "{\"decisions\":\"crowdsec\"}\n";

    /// The decisions of a copy; lines that are none are passed over.
    pub fn all(copy: &[u8]) -> impl Iterator<Item = Self> {
        copy.split(|&byte| byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
    }
}

/// A decision as the API and `cscli` tell it.
#[derive(Clone, Debug, Deserialize)]
pub struct Told {
    /// `Ip`, `Range`, `Country` and so on, in any case.
    pub scope: String,
    /// What is decided upon.
    pub value: String,
    /// `ban`, `captcha`.
    #[serde(rename = "type")]
    pub kind: String,
    /// As Go writes durations; negative where it is over.
    pub duration: String,
    /// Who decided.
    #[serde(default)]
    pub origin: String,
    /// Why.
    #[serde(default)]
    pub scenario: String,
}

/// An alert of `cscli`, with what was decided.
#[derive(Deserialize)]
struct Alert {
    #[serde(default)]
    decisions: Option<Vec<Told>>,
}

/// Keys by which answers are known: of a stream, of a list of decisions, of a list of alerts.
pub(super) const ANSWERS: [&[&str]; 3] = [
    &[".new", ".deleted"],
    &["[].scope", "[].value", "[].type", "[].duration"],
    &["[].decisions", "[].source"],
];

/// True if `line` is the first of a copy.
pub(super) fn begins_with(line: &[u8]) -> bool {
    line == Decision::HEADER.trim_ascii_end().as_bytes()
}

/// The indicators of a copy. Whether a decision still holds is for those who write the copy.
///
/// # Errors
/// It is neither a copy nor an answer, the latter is cut off, or there are too many.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    let first = text::lines(bytes).next().map(|(_, line)| line.trim_ascii());
    if first.is_some_and(begins_with) {
        return parse_copy(bytes, parsed);
    }
    parse_answer(bytes, parsed)
}

/// What is new in a stream, and all of a list.
fn parse_answer(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    let is_record = |path: &Path<'_>| match path {
        [Step::Key(key), Step::Item] => key == "new",
        path => matches!(path, [Step::Item]),
    };
    let has_list = records(bytes, is_record, |line, value| {
        if let Err(reason) = take_answer(parsed, line, value) {
            parsed.reject(line, value.get().as_bytes(), reason);
        }
        check_size(parsed)
    })?;
    parsed.lines = text::lines(bytes).count();
    let is_answer = has_list || parsed.entries > 0;
    match is_answer {
        true => Ok(()),
        false => Err(Refused(
            "no decisions of a CrowdSec Local API; set server = \"crowdsec\" and the address of one"
                .to_owned(),
        )),
    }
}

fn take_answer(parsed: &mut Parsed, line: u32, value: &RawValue) -> Result<(), &'static str> {
    if let Ok(told) = serde_json::from_str::<Told>(value.get()) {
        return take_told(parsed, line, &told);
    }
    let alert: Alert = serde_json::from_str(value.get()).map_err(|_| "no decision")?;
    let mut decisions = alert.decisions.iter().flatten();
    decisions.try_for_each(|told| take_told(parsed, line, told))
}

fn take_told(parsed: &mut Parsed, line: u32, told: &Told) -> Result<(), &'static str> {
    let is_address = ["ip", "range"]
        .iter()
        .any(|it| told.scope.eq_ignore_ascii_case(it));
    if !is_address || told.kind != "ban" {
        parsed.skip(Skipped::Other);
    } else if told.duration.starts_with('-') {
        parsed.skip(Skipped::Expired);
    } else {
        parsed.add(line, text::prefix(told.value.trim().as_bytes())?, None);
        parsed.say(line, || said_of(&told.scenario, &told.origin));
    }
    Ok(())
}

fn said_of(scenario: &str, origin: &str) -> Said {
    Said {
        family: said::word(scenario),
        status: said::word(origin).map(|origin| format!("by {origin}")),
        ..Said::default()
    }
}

fn parse_copy(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    for (number, line) in text::lines(bytes) {
        parsed.lines += 1;
        let line = line.trim_ascii();
        match number {
            1 => (parsed.comments, parsed.complete) = (1, true),
            _ if line.is_empty() => parsed.blank += 1,
            _ => take_line(parsed, number, line),
        }
        check_size(parsed)?;
    }
    Ok(())
}

fn take_line(parsed: &mut Parsed, number: u32, line: &[u8]) {
    let Ok(decision) = serde_json::from_slice::<Decision>(line) else {
        return parsed.reject(number, line, "no decision");
    };
    match text::prefix(decision.value.as_bytes()) {
        Ok(prefix) => {
            parsed.add(number, prefix, None);
            parsed.say(number, || said_of(&decision.scenario, &decision.origin));
        }
        Err(reason) => parsed.reject(number, line, reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(lines: &str) -> Vec<u8> {
        format!("{}{lines}", Decision::HEADER).into_bytes()
    }

    fn parse(bytes: &[u8]) -> Result<Parsed, Refused> {
        let mut parsed = Parsed::default();
        super::parse(bytes, &mut parsed).map(|()| parsed)
    }

    fn line(value: &str) -> String {
        let decision = Decision {
            scope: "ip".into(),
            value: value.into(),
            until: Timestamp::UNIX_EPOCH,
            origin: "cscli".into(),
            scenario: "manual".into(),
        };
        serde_json::to_string(&decision).unwrap() + "\n"
    }

    #[test]
    fn a_copy_is_its_decisions_and_may_be_empty() {
        let text: String = ["192.0.2.7", "203.0.113.0/24", "2001:db8::7"]
            .map(line)
            .concat();
        let parsed = parse(&copy(&text)).unwrap();
        assert_eq!((parsed.v4.len(), parsed.v6.len()), (2, 1));
        let empty = parse(&copy("")).unwrap();
        assert!(empty.complete && empty.entries == 0);
        assert!(
            parse(text.as_bytes())
                .unwrap_err()
                .to_string()
                .contains("server =")
        );
        let bad = parse(&copy(&format!("{}nonsense\n", line("Alaska")))).unwrap();
        assert_eq!((bad.entries, bad.rejected_count), (0, 2));
    }

    #[test]
    fn answers_of_the_api_and_of_cscli() {
        let told = |scope: &str, value: &str, kind: &str, duration: &str| {
            format!(
                r#"{{"id":1,"scope":"{scope}","value":"{value}","type":"{kind}","duration":"{duration}"}}"#
            )
        };
        let all = [
            told("Ip", "192.0.2.7", "ban", "3h59m"),
            told("range", "203.0.113.0/24", "ban", "1h"),
            told("ip", "192.0.2.8/32", "ban", "1h"),
            told("ip", "192.0.2.9", "captcha", "1h"),
            told("Country", "XX", "ban", "1h"),
            told("ip", "192.0.2.10", "ban", "-1.5s"),
        ]
        .join(",");
        let other = told("ip", "192.0.2.99", "ban", "1h");
        for answer in [
            format!("[{all}]"),
            format!(r#"{{"deleted":[{other}],"new":[{all}]}}"#),
            format!(r#"[{{"decisions":[{all}],"source":{{"ip":"192.0.2.98"}}}}]"#),
        ] {
            let parsed = parse(answer.as_bytes()).unwrap();
            assert_eq!((parsed.entries, parsed.rejected_count), (3, 0), "{answer}");
            assert_eq!(parsed.skipped[&Skipped::Other], 2);
            assert_eq!(parsed.skipped[&Skipped::Expired], 1);
        }
        for no_answer in [
            r#"{"message":"access forbidden"}"#,
            r#"{"new":null,"deleted":null}"#,
        ] {
            assert!(parse(no_answer.as_bytes()).is_err(), "{no_answer}");
        }
    }
}
