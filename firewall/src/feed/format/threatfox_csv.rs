//! `threatfox-csv`: indicators of abuse.ch ThreatFox, <https://threatfox.abuse.ch/export/csv/recent/>.
//!
//! The header is the last comment of the box; fields are separated by `, `. Addresses come as
//! `ip:port`; domains, URLs and digests are counted. Hosts of others that were broken into
//! (`is_compromised`) are no entries: blocking them hits their owners.

use super::{
    Options, Parsed, Refused,
    item::item,
    mark,
    rows::{Between, Fields},
    said::{Skipped, kind_of},
    tabular::{SaidColumns, Table},
};

/// Where the columns are: by the header, or where they have been since 2020.
struct Columns {
    value: usize,
    confidence: Option<usize>,
    compromised: Option<usize>,
    said: SaidColumns,
}

/// The indicators of the list.
///
/// # Errors
/// A footer with another number of rows, or the list is too long.
pub(super) fn parse(bytes: &[u8], options: &Options, parsed: &mut Parsed) -> Result<(), Refused> {
    let table = Table {
        bytes,
        between: Between::Byte(b','),
    };
    let header = table.header();
    let named = |name: &str| header.as_ref().and_then(|header| header.find(&[name]));
    let columns = Columns {
        value: named("iocvalue").unwrap_or(2),
        confidence: named("confidencelevel"),
        compromised: named("iscompromised"),
        said: SaidColumns::of(header.as_ref()),
    };
    table.each_row(header.as_ref(), parsed, |parsed, line, fields| {
        take_row(&columns, options.minimum, parsed, line, fields)
    })?;
    match mark::footer(bytes) {
        Some(announced) => mark::check("footer", announced, parsed),
        None => Ok(()),
    }
}

fn take_row(
    columns: &Columns,
    minimum: Option<u32>,
    parsed: &mut Parsed,
    line: u32,
    fields: &Fields<'_>,
) -> Result<(), &'static str> {
    let text = |column: Option<usize>| {
        let field = column.and_then(|column| fields.get(column));
        field
            .and_then(|field| str::from_utf8(field).ok())
            .unwrap_or_default()
    };
    let value = fields
        .get(columns.value)
        .ok_or("no `ioc_value` in the row")?;
    let entry = match item(value) {
        Ok(entry) => entry,
        Err(reason) => {
            parsed.skip(kind_of(value).ok_or(reason)?);
            return Ok(());
        }
    };
    let confidence: u32 = text(columns.confidence).parse().unwrap_or(100);
    if text(columns.compromised).eq_ignore_ascii_case("true") {
        parsed.skip(Skipped::Compromised);
    } else if minimum.is_some_and(|minimum| confidence < minimum) {
        parsed.skip(Skipped::BelowMinimum);
    } else {
        parsed.add_item(line, entry, None)?;
        parsed.say(line, || columns.said.said(fields));
    }
    Ok(())
}
