//! `sslbl-csv`: the list of addresses of abuse.ch SSLBL, which ended in 2025, and copies of it.
//!
//! Three ways of writing it: `# DstIP,DstPort` as a comment above rows with a third column, the header
//! row `Firstseen,DstIP,DstPort`, and a header alone. The last line, where there is one, has the
//! number of rows.

use super::{
    Parsed, Refused,
    item::item,
    mark,
    rows::Between,
    tabular::{SaidColumns, Table, port},
};

/// The indicators of the list.
///
/// # Errors
/// A footer with another number of rows, or the list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    let table = Table {
        bytes,
        between: Between::Byte(b','),
    };
    let header = table.header();
    let named = |name: &str| header.as_ref().and_then(|header| header.find(&[name]));
    let address = named("dstip").unwrap_or(0);
    let dst_port = named("dstport").unwrap_or(address + 1);
    // What the rows have more than the header is the malware.
    let said = SaidColumns::of(header.as_ref()).or_family(dst_port + 1);
    table.each_row(header.as_ref(), parsed, |parsed, line, fields| {
        let entry = item(fields.get(address).ok_or("no `DstIP` in the row")?)?;
        parsed.add_item(line, entry, port(fields, Some(dst_port), None)?)?;
        parsed.say(line, || said.said(fields));
        Ok(())
    })?;
    match mark::footer(bytes) {
        Some(announced) => mark::check("footer", announced, parsed),
        None => Ok(()),
    }
}
