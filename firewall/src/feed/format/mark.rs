//! What a list says about its own length, by which a copy that is cut off is noticed.

use super::{Parsed, Refused, text};

/// The number in the last line `# END 28 entries`, `# END (114) entries` or
/// `# Number of entries: 83`.
pub(super) fn footer(bytes: &[u8]) -> Option<usize> {
    let number = || {
        last_comment(bytes)?
            .strip_prefix("Number of entries:")?
            .trim()
            .parse()
            .ok()
    };
    end(bytes).or_else(number)
}

/// The number in the last line `# END 28 entries` alone.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    let number = last_comment(bytes)?
        .strip_prefix("END ")?
        .strip_suffix("entries")?;
    number.trim().trim_matches(['(', ')']).parse().ok()
}

fn last_comment(bytes: &[u8]) -> Option<&str> {
    let bytes = bytes.trim_ascii_end();
    let begin = bytes
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |end| end + 1);
    let line = str::from_utf8(&bytes[begin..]).ok()?.trim();
    Some(line.strip_prefix('#')?.trim_start())
}

/// The number in the header line `# Entries : 2892 subnets, 619304666 unique IPs` of FireHOL, or
/// `# Entries : 12 unique IPs` where it lists no prefixes.
pub(super) fn netset(bytes: &[u8]) -> Option<usize> {
    let header = text::lines(bytes).map(|(_, line)| line.trim_ascii());
    let mut header = header.take_while(|line| line.is_empty() || line.starts_with(b"#"));
    header.find_map(|line| {
        let line = str::from_utf8(line).ok()?.trim_start_matches(['#', ' ']);
        let number = line
            .strip_prefix("Entries")?
            .trim_start()
            .strip_prefix(':')?;
        number.split_whitespace().next()?.parse().ok()
    })
}

/// Notes that the list is complete if it is as long as its `place` says.
///
/// # Errors
/// It is not.
pub(super) fn check(place: &str, announced: usize, parsed: &mut Parsed) -> Result<(), Refused> {
    let found = parsed.listed();
    if announced != found {
        return Err(Refused(format!(
            "the {place} announces {announced} entries and the list has {found}: \
             the copy is damaged; the next update fetches it again"
        )));
    }
    parsed.complete = true;
    Ok(())
}

pub(super) fn no_footer() -> Refused {
    Refused(
        "the last line is no footer `# END … entries`: the copy is cut off; \
         the next update fetches it again"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_say_how_long_they_are() {
        let table = [
            ("192.0.2.1\n# END 1 entries", Some(1)),
            ("# END (114) entries\r\n", Some(114)),
            ("x\n# Number of entries: 83", Some(83)),
            ("# END 1 entries\n192.0.2.1\n", None),
            ("# END entries", None),
            ("", None),
        ];
        for (text, number) in table {
            assert_eq!(footer(text.as_bytes()), number, "{text}");
        }
        let header =
            "#\n# name\n# Entries         : 2892 subnets, 619304666 unique IPs\n#\n10.0.0.0/8\n";
        assert_eq!(netset(header.as_bytes()), Some(2892));
        assert_eq!(netset(b"# Entries : 12 unique IPs\n"), Some(12));
        assert_eq!(netset(b"192.0.2.1\n# Entries : 12 unique IPs\n"), None);
    }
}
