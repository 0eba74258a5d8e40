//! `crowdsec`: decisions of a CrowdSec Local API, one JSON object a line, as this program keeps them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Parsed, Refused, Said, check_size, said, text};

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

/// True if `line` is the first of a copy.
pub(super) fn begins_with(line: &[u8]) -> bool {
    line == Decision::HEADER.trim_ascii_end().as_bytes()
}

/// The indicators of a copy. Whether a decision still holds is for those who write the copy.
///
/// # Errors
/// The first line is missing, or there are too many.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    for (number, line) in text::lines(bytes) {
        parsed.lines += 1;
        let line = line.trim_ascii();
        match number {
            1 if begins_with(line) => (parsed.comments, parsed.complete) = (1, true),
            1 => {
                return Err(Refused(
                    "no copy of decisions of a CrowdSec Local API; set server = \"crowdsec\" and \
                     the address of one"
                        .to_owned(),
                ));
            }
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
            parsed.say(number, || Said {
                family: said::word(&decision.scenario),
                status: said::word(&decision.origin).map(|origin| format!("by {origin}")),
                ..Said::default()
            });
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
}
