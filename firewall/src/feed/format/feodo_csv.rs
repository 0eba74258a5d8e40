//! `feodo-csv`: <https://feodotracker.abuse.ch/downloads/ipblocklist.csv>, addresses with ports.
//!
//! A box of `#` comments, a quoted header row, rows, and the footer `# END n entries`. The list is
//! empty at times and says so in its footer.

use super::{
    Parsed, Refused,
    item::item,
    mark,
    rows::Between,
    tabular::{SaidColumns, Table, port},
};
use crate::{ruleset::Protocol, subject::Port};

/// The indicators of the list.
///
/// # Errors
/// No header row with `dst_ip` and `dst_port`; no footer as the last line, or one with another
/// number; or the list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    let table = Table {
        bytes,
        between: Between::Byte(b','),
    };
    let header = table.header();
    let columns = header
        .as_ref()
        .and_then(|it| Some((it.find(&["dstip"])?, it.find(&["dstport"])?)));
    let (address, dst_port) = columns.ok_or_else(no_header)?;
    let said = SaidColumns::of(header.as_ref());
    table.each_row(header.as_ref(), parsed, |parsed, line, fields| {
        let entry = item(fields.get(address).ok_or("no `dst_ip` in the row")?)?;
        let port = port(fields, Some(dst_port), None)?;
        let number = port
            .ok_or("no `dst_port` from 1 to 65535 in the row")?
            .number;
        let protocol = Some(Protocol::Tcp);
        parsed.add_item(line, entry, Some(Port { number, protocol }))?;
        parsed.say(line, || said.said(fields));
        Ok(())
    })?;
    let announced = mark::footer(bytes).ok_or_else(mark::no_footer)?;
    mark::check("footer", announced, parsed)
}

fn no_header() -> Refused {
    Refused(
        "the first row is no header with the columns `dst_ip` and `dst_port`; \
         check that the address of the feed is that of the CSV list"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> Result<Parsed, Refused> {
        let mut parsed = Parsed::default();
        super::parse(bytes, &mut parsed).map(|()| parsed)
    }
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
                "announces 3 entries and the list has 2",
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
