//! `csv`: a table with addresses in one column, separated by comma, semicolon, tab, `|` or white
//! space, with a header or without, and a port in a column that is called so.
//!
//! Which column that is `csv_layout.rs` finds out. Names, URLs and digests in it are counted as what
//! cannot be used; a cell that is blank is no entry.

use super::{
    Options, Parsed, Refused, cell,
    csv_layout::{Layout, entry, separator},
    item::item,
    mark,
    rows::Fields,
    said::kind_of,
    tabular::{Table, port},
};

pub(super) use super::csv_layout::{has_header, has_lengths, kind_of_most};

/// The indicators of the table.
///
/// # Errors
/// No column has addresses, or the configured one is not there; a footer with another number of rows;
/// or the list is too long.
pub(super) fn parse(bytes: &[u8], options: &Options, parsed: &mut Parsed) -> Result<(), Refused> {
    let separator = options
        .separator
        .unwrap_or_else(|| separator(bytes, options));
    let table = Table {
        bytes,
        between: separator.between(),
    };
    let header = table.header();
    let layout = Layout::of(table, header.as_ref(), options)?;
    table.each_row(header.as_ref(), parsed, |parsed, line, fields| {
        take_row(&layout, parsed, line, fields)
    })?;
    match mark::footer(bytes) {
        Some(announced) => mark::check("footer", announced, parsed),
        None => Ok(()),
    }
}

fn take_row(
    layout: &Layout,
    parsed: &mut Parsed,
    line: u32,
    fields: &Fields<'_>,
) -> Result<(), &'static str> {
    if layout.all {
        return take_all(parsed, line, fields);
    }
    let cell = |column: usize| fields.get(column).filter(|cell| !cell::is_blank(cell));
    let other = layout.other_family.and_then(cell);
    if other.is_none() && fields.len() <= layout.address {
        return Err("no such column in the row");
    }
    let mut cells = cell(layout.address).into_iter().chain(other);
    cells.try_for_each(|cell| take_cell(layout, parsed, line, fields, cell))
}

fn take_cell(
    layout: &Layout,
    parsed: &mut Parsed,
    line: u32,
    fields: &Fields<'_>,
    cell: &[u8],
) -> Result<(), &'static str> {
    let item = match entry(cell) {
        Ok(item) => item,
        Err(reason) => {
            let kind = kind_of(cell).or_else(|| layout.verdict.other_kind(fields));
            parsed.skip(kind.ok_or(reason)?);
            return Ok(());
        }
    };
    if let Some(why) = layout.verdict.against(fields) {
        parsed.skip(why);
        return Ok(());
    }
    let item = match layout.widening {
        Some(widening) => widening.widened(item, fields)?,
        None => item,
    };
    let port = port(fields, layout.port, layout.protocol)?;
    parsed.add_item(line, item, port)?;
    parsed.say(line, || layout.said.said(fields));
    Ok(())
}

fn take_all(parsed: &mut Parsed, line: u32, fields: &Fields<'_>) -> Result<(), &'static str> {
    for field in fields.iter().filter(|field| !cell::is_blank(field)) {
        parsed.add_item(line, item(field)?, None)?;
    }
    Ok(())
}
