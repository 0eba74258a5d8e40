//! `feodo-csv`: <https://feodotracker.abuse.ch/downloads/ipblocklist.csv>, addresses with ports.
//!
//! A box of `#` comments, a quoted header row, rows, and the footer `# END n entries`. Columns are
//! found by name, because the provider changes their order. The list is empty at times and says so
//! in its footer.

use csv::ByteRecord;

use super::{Parsed, Refused, check_size, text};
use crate::{ruleset::Protocol, subject::Port};

/// The columns that matter: where in a row they are.
struct Columns {
    address: usize,
    port: usize,
}

impl Columns {
    fn of(header: &ByteRecord) -> Option<Self> {
        let position = |name: &[u8]| header.iter().position(|column| column == name);
        Some(Self {
            address: position(b"dst_ip")?,
            port: position(b"dst_port")?,
        })
    }
}

/// True if the first row of `bytes` is a header with the columns of this format.
pub(super) fn has_header(bytes: &[u8]) -> bool {
    rows(bytes)
        .next()
        .and_then(Result::ok)
        .is_some_and(|header| Columns::of(&header).is_some())
}

/// The indicators of the list.
///
/// # Errors
/// No header row with `dst_ip` and `dst_port`; no footer as the last line, or one with another
/// number; or the list is too long.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Refused> {
    let (body, last) = without_last_line(bytes);
    let mut rows = rows(body);
    let header = rows
        .next()
        .transpose()
        .map_err(|error| unreadable(&error))?;
    let columns = header
        .as_ref()
        .and_then(Columns::of)
        .ok_or_else(no_header)?;
    let mut parsed = counted(bytes);
    for row in rows {
        take_row(
            &mut parsed,
            &columns,
            &row.map_err(|error| unreadable(&error))?,
        );
        check_size(&parsed)?;
    }
    check_footer(last, parsed.entries + parsed.rejected_count)?;
    parsed.complete = true;
    Ok(parsed)
}

fn rows(bytes: &[u8]) -> impl Iterator<Item = csv::Result<ByteRecord>> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(bytes)
        .into_byte_records()
}

/// Lines, comments and blank lines, which the reader of rows skips.
fn counted(bytes: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    for (_, line) in text::lines(bytes) {
        parsed.lines += 1;
        match line.trim_ascii().first() {
            None => parsed.blank += 1,
            Some(b'#') => parsed.comments += 1,
            Some(_) => {}
        }
    }
    parsed
}

fn take_row(parsed: &mut Parsed, columns: &Columns, row: &ByteRecord) {
    let line = row.position().map_or(0, |position| position.line());
    let line = u32::try_from(line).unwrap_or(u32::MAX);
    let prefix = row
        .get(columns.address)
        .ok_or("no `dst_ip` in the row")
        .and_then(text::prefix);
    match prefix.and_then(|prefix| Ok((prefix, port(row.get(columns.port))?))) {
        Ok((prefix, port)) => parsed.add(line, prefix, port),
        Err(reason) => parsed.reject(line, row.as_slice(), reason),
    }
}

fn port(text: Option<&[u8]>) -> Result<Option<Port>, &'static str> {
    let number: Option<u16> = text.and_then(|text| str::from_utf8(text).ok()?.parse().ok());
    let number = number.filter(|&port| port != 0);
    let port = number.map(|number| Port {
        number,
        protocol: Some(Protocol::Tcp),
    });
    match port {
        Some(port) => Ok(Some(port)),
        None => Err("no `dst_port` from 1 to 65535 in the row"),
    }
}

/// The footer stands apart: the reader of rows takes a comment without line end for a row.
fn without_last_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let bytes = bytes.trim_ascii_end();
    let line_end = bytes.iter().rposition(|&byte| byte == b'\n');
    bytes.split_at(line_end.map_or(0, |line_end| line_end + 1))
}

fn check_footer(line: &[u8], rows: usize) -> Result<(), Refused> {
    match footer(line) {
        Some(announced) if announced == rows => Ok(()),
        Some(announced) => Err(Refused(format!(
            "the footer announces {announced} entries and {rows} rows stand before it: \
             the copy is damaged; the next update fetches it again"
        ))),
        None => Err(Refused(
            "the last line is no footer `# END … entries`: the copy is cut off; \
             the next update fetches it again"
                .to_owned(),
        )),
    }
}

/// The number in `# END 28 entries`; other lists of the provider write `# END (114) entries`.
fn footer(line: &[u8]) -> Option<usize> {
    let number = str::from_utf8(line)
        .ok()?
        .strip_prefix("# END ")?
        .strip_suffix(" entries")?;
    number.trim_matches(['(', ')']).parse().ok()
}

fn no_header() -> Refused {
    Refused(
        "the first row is no header with the columns `dst_ip` and `dst_port`; \
         check that the address of the feed is that of the CSV list"
            .to_owned(),
    )
}

fn unreadable(error: &csv::Error) -> Refused {
    Refused(format!(
        "the rows are no CSV ({error}); check the address of the feed"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::feed::format::Indicator;

    const HEADER: &str = "####\n# C2 list #\n####\n#\n\"first_seen_utc\",\"dst_ip\",\"dst_port\",\
                          \"c2_status\",\"last_online\",\"malware\"\n";
    const ROWS: &str = "\"2026-01-01 00:00:00\",\"192.0.2.1\",\"443\",\"online\",\"2026-01-02\",\"A\"\n\
                        \"2026-01-01 00:00:00\",\"192.0.2.1\",\"8443\",\"offline\",\"\",\"A, B\"\n";

    fn parse_text(text: &str) -> Result<Parsed, String> {
        parse(text.as_bytes()).map_err(|refused| refused.to_string())
    }

    #[test]
    fn ports_are_kept() {
        let parsed = parse_text(&format!("{HEADER}{ROWS}# END 2 entries")).unwrap();
        let port = |it: &Indicator<u32>| it.port.unwrap().to_string();
        let ports: Vec<_> = parsed.v4.iter().map(|it| (it.line, port(it))).collect();
        assert_eq!(
            ports,
            [(6, "443/tcp".to_owned()), (7, "8443/tcp".to_owned())]
        );
        assert_eq!(
            (parsed.entries, parsed.unique(), parsed.complete),
            (2, 1, true)
        );
        assert_eq!((parsed.lines, parsed.comments, parsed.blank), (8, 5, 0));
    }

    #[test]
    fn an_empty_list_is_valid() {
        let parsed = parse_text(&format!("{HEADER}# END 0 entries\n")).unwrap();
        assert_eq!((parsed.entries, parsed.complete), (0, true));
    }

    #[test]
    fn line_ends_and_the_order_of_columns_do_not_matter() {
        let text = "dst_port,dst_ip\r\n443,192.0.2.1\r\n\r\n# END (1) entries\r\n";
        assert_eq!(
            { parse_text(text).unwrap().v4[0].port.unwrap().number },
            443
        );
    }

    #[test]
    fn a_bad_row_is_rejected_and_counted() {
        let rows = "\"\",\"192.0.2.01\",\"443\"\n\"\",\"192.0.2.1\",\"0\"\nword\n";
        let parsed = parse_text(&format!("{HEADER}{rows}# END 3 entries\n")).unwrap();
        assert_eq!((parsed.entries, parsed.rejected_count), (0, 3));
    }

    #[test]
    fn a_cut_or_foreign_list_is_refused() {
        let table = [
            (format!("{HEADER}{ROWS}"), "no footer `# END … entries`"),
            (
                format!("{HEADER}{ROWS}# END 3 entries"),
                "announces 3 entries and 2 rows",
            ),
            (format!("{HEADER}# END 0 entries\n{ROWS}"), "no footer"),
            (
                "ip,port\n192.0.2.1,443\n# END 1 entries".to_owned(),
                "the first row is no header",
            ),
            (String::new(), "the first row is no header"),
        ];
        for (text, reason) in table {
            let refused = parse_text(&text).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = parse(&bytes);
            let _ = parse(&[HEADER.as_bytes(), &bytes, b"\n# END 1 entries"].concat());
        }
    }
}
