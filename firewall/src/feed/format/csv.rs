//! `csv`: a table with addresses in one column, separated by comma, semicolon, tab, `|` or white
//! space, with a header or without, and a port in a column that is called so.
//!
//! The column is the one that the configuration names, or else the one with the most addresses. Two
//! columns called start and end are a range. Names, URLs and digests in the column are counted as
//! what cannot be used.

use super::{
    Options, Parsed, Refused,
    item::{Item, item, masked},
    mark,
    options::{Column, Separator},
    rows::{Fields, rows, split},
    said::{Skipped, is_name, kind_of},
    tabular::{Header, SaidColumns, Table, port, port_number},
    text,
};
use crate::subject::Port;

/// Rows that are looked at to find the separator and the column.
const SAMPLE: usize = 1000;

/// Where in a row what stands.
struct Layout {
    address: usize,
    /// The last address of a range that begins in `address`.
    last: Option<usize>,
    /// The length of the prefix that begins in `address`, or its mask.
    mask: Option<usize>,
    port: Option<usize>,
    protocol: Option<usize>,
    /// Whether it is meant for detection, in tables that MISP exports.
    to_ids: Option<usize>,
    said: SaidColumns,
    /// Every column has an address: rows of them, several a line.
    all: bool,
}

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
    let layout = layout(table, header.as_ref(), options)?;
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
    let address = fields
        .get(layout.address)
        .ok_or("no such column in the row")?;
    let item = match (layout.last, entry(address)) {
        (Some(last), Ok(_)) => range(address, fields.get(last).map_or(&[], |it| it))?,
        (None, Ok(item)) => item,
        (_, Err(reason)) => {
            parsed.skip(kind_of(address).ok_or(reason)?);
            return Ok(());
        }
    };
    let field = |column: Option<usize>| column.and_then(|column| fields.get(column));
    if field(layout.to_ids).is_some_and(|it| matches!(&**it, b"0" | b"false" | b"False")) {
        parsed.skip(Skipped::NotForDetection);
        return Ok(());
    }
    let item = match field(layout.mask) {
        Some(mask) => masked(item, mask).ok_or("no mask of an address in the row")?,
        None => item,
    };
    let port = port(fields, layout.port, layout.protocol)?;
    parsed.add_item(line, item, port)?;
    parsed.say(line, || layout.said.said(fields));
    Ok(())
}

/// An entry, or one of two parts as MISP writes it in tables: `192.0.2.7|443`, `evil.example|192.0.2.7`.
fn entry(field: &[u8]) -> Result<Item, &'static str> {
    let of_parts = || {
        let (first, second) = str::from_utf8(field).ok()?.split_once('|')?;
        match (text::address(first.as_bytes()), port_number(second)) {
            (Some(address), Some(number)) => {
                let protocol = None;
                Some(Item::Port(address, Port { number, protocol }))
            }
            _ => item(second.as_bytes()).ok().filter(|_| is_name(first)),
        }
    };
    item(field).or_else(|reason| of_parts().ok_or(reason))
}

fn take_all(parsed: &mut Parsed, line: u32, fields: &Fields<'_>) -> Result<(), &'static str> {
    for field in fields.iter().filter(|field| !field.is_empty()) {
        parsed.add_item(line, item(field)?, None)?;
    }
    Ok(())
}

fn range(first: &[u8], last: &[u8]) -> Result<Item, &'static str> {
    match (text::address(first), text::address(last)) {
        (Some(first), Some(last)) => Ok(Item::Range(first, last)),
        _ => Err("no range of two addresses in the row"),
    }
}

/// The separator by which the most rows have an address in a column of their own.
fn separator(bytes: &[u8], options: &Options) -> Separator {
    let found = |separator: &Separator| {
        let table = Table {
            bytes,
            between: separator.between(),
        };
        let counts = addresses_by_column(table);
        match options.column {
            Some(Column::Number(number)) => counts.get(number - 1).copied().unwrap_or(0),
            _ => counts.into_iter().max().unwrap_or(0),
        }
    };
    // The last of the greatest is taken, and the first is to be.
    let best = Separator::ALL.iter().rev().max_by_key(|it| found(it));
    best.copied().unwrap_or(Separator::Comma)
}

/// How many of the first rows have an address in each column.
fn addresses_by_column(table: Table<'_>) -> Vec<usize> {
    let mut counts = Vec::new();
    each_of_sample(table, |fields| {
        counts.resize(counts.len().max(fields.len()), 0);
        for (count, field) in counts.iter_mut().zip(fields) {
            *count += usize::from(entry(field).is_ok());
        }
    });
    counts
}

fn each_of_sample(table: Table<'_>, mut look: impl FnMut(&Fields<'_>)) {
    let mut fields = Fields::new();
    let content = |text: &&[u8]| !text.is_empty() && !text::is_comment(text);
    for text in rows(table.bytes, table.between)
        .map(|row| row.text)
        .filter(content)
        .take(SAMPLE)
    {
        split(text, table.between, &mut fields);
        look(&fields);
    }
}

fn layout(table: Table<'_>, header: Option<&Header>, options: &Options) -> Result<Layout, Refused> {
    let counts = addresses_by_column(table);
    let address = match &options.column {
        Some(column) => configured(column, header)?,
        None => most_addresses(&counts, header).ok_or_else(|| no_column(table.bytes, header))?,
    };
    let fits = |column: &usize| counts.get(*column) == counts.get(address);
    let mask = mask_of(table, header, address);
    let last = match options.column {
        _ if mask.is_some() => None,
        None => last_of_range(table, header, address).filter(fits),
        Some(_) => None,
    };
    Ok(Layout {
        address,
        last,
        mask,
        to_ids: header.and_then(|header| header.find(&["toids"])),
        port: header.and_then(|header| header.port(address)),
        protocol: header.and_then(Header::protocol),
        said: SaidColumns::of(header),
        all: header.is_none() && options.column.is_none() && are_all_addresses(table),
    })
}

/// Whether the rows are addresses and nothing else, and more than two of them: two could be a range, or
/// source and destination.
fn are_all_addresses(table: Table<'_>) -> bool {
    let (mut all, mut most) = (true, 0);
    each_of_sample(table, |fields| {
        let fields = fields.iter().filter(|field| !field.is_empty());
        all &= fields.clone().all(|field| item(field).is_ok());
        most = most.max(fields.count());
    });
    all && most > 2
}

fn configured(column: &Column, header: Option<&Header>) -> Result<usize, Refused> {
    match column {
        Column::Number(number) => Ok(number - 1),
        Column::Name(name) => header.and_then(|header| header.named(name)).ok_or_else(|| {
            let names = header.map_or("there is no header".to_owned(), Header::names);
            Refused(format!(
                "no column is named '{name}' ({names}); mend `column`"
            ))
        }),
    }
}

/// The column with the most addresses; of several the one whose name is the most certain.
fn most_addresses(counts: &[usize], header: Option<&Header>) -> Option<usize> {
    let rank = |column: usize| header.map_or(0, |header| header.rank(column));
    let columns = (0..counts.len()).filter(|&column| counts[column] > 0);
    columns.min_by_key(|&column| (usize::MAX - counts[column], rank(column), column))
}

/// The column with the end of the range that begins in `first`. Without names two columns of
/// addresses beside each other are a range if no row speaks against it.
fn last_of_range(table: Table<'_>, header: Option<&Header>, first: usize) -> Option<usize> {
    const NAMES: [(&str, &str); 9] = [
        ("start", "end"),
        ("startip", "endip"),
        ("ipstart", "ipend"),
        ("first", "last"),
        ("firstip", "lastip"),
        ("from", "to"),
        ("fromip", "toip"),
        ("rangestart", "rangeend"),
        ("startaddress", "endaddress"),
    ];
    if let Some(header) = header {
        let pair = |(begin, end): &(&str, &str)| {
            header.find(&[begin]).filter(|&column| column == first)?;
            header.find(&[end])
        };
        return NAMES.iter().find_map(pair);
    }
    let (mut fits, mut wide) = (true, false);
    each_of_sample(table, |fields| {
        let address = |column: usize| fields.get(column).and_then(|field| text::address(field));
        match (address(first), address(first + 1)) {
            (Some(first), Some(last)) if first.is_ipv4() == last.is_ipv4() => {
                fits &= first <= last;
                wide |= first < last;
            }
            _ => fits = false,
        }
    });
    (fits && wide).then_some(first + 1)
}

/// The column with the masks of the addresses in `address`: it is called so, or stands behind them and has
/// nothing but masks of four numbers.
fn mask_of(table: Table<'_>, header: Option<&Header>, address: usize) -> Option<usize> {
    const NAMES: [&str; 8] = [
        "netmask",
        "mask",
        "subnetmask",
        "masklen",
        "masklength",
        "prefixlen",
        "prefixlength",
        "cidr",
    ];
    let named = header.and_then(|header| header.find(&NAMES));
    let column = named.or(header.is_none().then_some(address + 1))?;
    let mut fits = false;
    let mut against = column == address;
    each_of_sample(table, |fields| {
        let (Some(address), Some(mask)) = (fields.get(address), fields.get(column)) else {
            return;
        };
        let Ok(item) = item(address) else { return };
        let is_mask = masked(item, mask).is_some() && (named.is_some() || mask.contains(&b'.'));
        fits |= is_mask;
        against |= !is_mask;
    });
    (fits && !against).then_some(column)
}

fn no_column(bytes: &[u8], header: Option<&Header>) -> Refused {
    let what = match kind_of_most(bytes) {
        Some(kind) => format!("no column has addresses, only {}", kind.as_str()),
        None => "no column has addresses".to_owned(),
    };
    let names = header.map_or(String::new(), |header| format!(" ({})", header.names()));
    Refused(format!(
        "{what}{names}; firewall filters by address, port and protocol"
    ))
}

/// What most rows have in place of addresses, if it is something that lists have.
fn most_are(table: Table<'_>) -> Option<Skipped> {
    let (mut kinds, mut rows) = (Vec::new(), 0);
    each_of_sample(table, |fields| {
        kinds.extend(fields.iter().find_map(|field| kind_of(field)));
        rows += 1;
    });
    kinds.sort_unstable();
    kinds
        .get(kinds.len() / 2)
        .copied()
        .filter(|_| 2 * kinds.len() >= rows)
}

/// What most rows have in place of addresses, whatever separates columns; for telling formats apart.
pub(super) fn kind_of_most(bytes: &[u8]) -> Option<Skipped> {
    let mut tables = Separator::ALL.iter().map(|separator| Table {
        bytes,
        between: separator.between(),
    });
    tables.find_map(most_are)
}

/// Whether the first row names a column of addresses; for telling formats apart.
pub(super) fn has_header(bytes: &[u8]) -> bool {
    let named = |separator: &Separator| {
        let between = separator.between();
        let header = Table { bytes, between }.header();
        header.is_some_and(|header| header.names_addresses())
    };
    Separator::ALL.iter().any(named)
}
