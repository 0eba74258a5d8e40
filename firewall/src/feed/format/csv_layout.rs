//! What separates the columns of a table, and which column says what.
//!
//! The column of addresses is the one that the configuration names, or one that is called after
//! indicators, or the one with the most addresses.

use super::{
    Options, Refused, cell,
    columns::{Likely, are_families},
    csv_prose,
    csv_verdict::Verdict,
    csv_widen::Widening,
    item::{Item, item},
    options::{Column, Separator},
    rows::{Between, Fields, LONGEST, rows, split},
    said::{Skipped, is_name, kind_of},
    tabular::{Header, SaidColumns, Table, port_number},
    text,
};
use crate::subject::Port;

/// Rows that are looked at to find the separator and the columns.
const SAMPLE: usize = 1000;

/// Bytes of them.
const SAMPLE_BYTES: usize = 1 << 20;

/// Where in a row what stands.
pub(super) struct Layout {
    pub address: usize,
    /// The address of the other family.
    pub other_family: Option<usize>,
    pub widening: Option<Widening>,
    pub port: Option<usize>,
    pub protocol: Option<usize>,
    pub verdict: Verdict,
    pub said: SaidColumns,
    /// Every column has an address: rows of them, several a line.
    pub all: bool,
}

/// What the columns have in the sample.
#[derive(Default)]
struct Tally {
    addresses: Vec<usize>,
    rows: usize,
}

impl Layout {
    /// The layout of the table.
    ///
    /// # Errors
    /// No column has addresses, or the configured one is not there; or it is no table, but prose.
    pub fn of(
        table: Table<'_>,
        header: Option<&Header>,
        options: &Options,
    ) -> Result<Self, Refused> {
        let tally = Tally::of(table);
        let is_free = options.column.is_none();
        let address = match &options.column {
            Some(column) => configured(column, header)?,
            None => tally
                .best(header)
                .ok_or_else(|| no_column(table, &tally, header))?,
        };
        let all = header.is_none() && is_free && are_all_addresses(table);
        let is_told = !is_free || options.separator.is_some() || all;
        if !is_told && !csv_prose::is_table(table, address, header) {
            return Err(prose(table));
        }
        let widening = Widening::of(table, header, address)
            .filter(|it| is_free || !matches!(it, Widening::Last(_)));
        let list = match widening {
            Some(Widening::F5(length)) => Some(length + 1),
            _ => None,
        };
        Ok(Self {
            address,
            other_family: header
                .filter(|_| is_free)
                .and_then(|header| tally.other_family(header, address)),
            widening,
            port: header.and_then(|header| header.port(address)),
            protocol: header.and_then(Header::protocol),
            verdict: Verdict::of(header, list),
            said: SaidColumns::of(header),
            all,
        })
    }
}

impl Tally {
    fn of(table: Table<'_>) -> Self {
        let mut tally = Self::default();
        each_of_sample(table, |fields| {
            let columns = tally.addresses.len().max(fields.len());
            tally.addresses.resize(columns, 0);
            tally.rows += 1;
            for (count, field) in tally.addresses.iter_mut().zip(fields) {
                *count += usize::from(entry(field).is_ok());
            }
        });
        tally
    }

    /// The column with the indicators: one that is called after them and has some, or else the one with the
    /// most addresses. None is called after somebody else.
    fn best(&self, header: Option<&Header>) -> Option<usize> {
        let rank = |column: usize| header.map_or(0, |header| header.rank(column));
        let is = |likely: Likely| move |&column: &usize| self::likely(header, column) == likely;
        let count = |column: usize| self.addresses[column];
        let certain = || self.with_addresses().filter(is(Likely::Certain));
        // The address is meant and not the network that it is in, even where a few rows lack it.
        let most = certain().map(count).max().unwrap_or(0);
        let certain = certain().filter(|&column| 2 * count(column) >= most);
        let unknown = self.with_addresses().filter(is(Likely::Unknown));
        certain
            .min_by_key(|&column| (rank(column), column))
            .or_else(|| {
                unknown.min_by_key(|&column| (usize::MAX - count(column), rank(column), column))
            })
    }

    fn with_addresses(&self) -> impl Iterator<Item = usize> {
        (0..self.addresses.len()).filter(|&column| self.addresses[column] > 0)
    }

    fn other_family(&self, header: &Header, address: usize) -> Option<usize> {
        let mut others = header.beside(address, are_families);
        others.find(|&other| self.addresses.get(other).is_some_and(|&count| count > 0))
    }

    fn most(&self) -> usize {
        self.addresses.iter().copied().max().unwrap_or(0)
    }
}

/// The separator by which a header names a column that has addresses, or else by which the most rows have
/// an address in a column of their own; of equals one by which they are in the first column.
pub(super) fn separator(bytes: &[u8], options: &Options) -> Separator {
    let found = |separator: &Separator| {
        let between = separator.between();
        let table = Table { bytes, between };
        let tally = Tally::of(table);
        if let Some(Column::Number(number)) = options.column {
            let count = tally.addresses.get(number - 1).copied();
            return (false, count.unwrap_or(0), false);
        }
        let header = table.header().filter(Header::names_addresses);
        let best = header.as_ref().and_then(|header| {
            let named = |column: &usize| header.is_named(*column);
            tally.best(Some(header)).filter(named)
        });
        let most = tally.most();
        let is_first = most > 0 && tally.addresses.first() == Some(&most);
        match best.filter(|_| header.is_some_and(|it| fits(table, &it))) {
            Some(best) => (true, tally.addresses[best], best == 0),
            None => (false, most, is_first),
        }
    };
    // The last of the greatest is taken, and the first is to be.
    let best = Separator::ALL.iter().rev().max_by_key(|it| found(it));
    best.copied().unwrap_or(Separator::Comma)
}

/// Whether the header has as many names as rows have fields. A sentence has words as well.
fn fits(table: Table<'_>, header: &Header) -> bool {
    let Some(width) = header.width().filter(|_| table.between == Between::Space) else {
        return true;
    };
    let mut fits = true;
    each_of_sample(table, |fields| fits &= fields.len() == width);
    fits
}

/// The first rows that are neither blank nor a comment, nor too long.
pub(super) fn each_of_sample(table: Table<'_>, mut look: impl FnMut(&Fields<'_>)) {
    let mut fields = Fields::new();
    let mut left = SAMPLE_BYTES;
    let content =
        |text: &&[u8]| !text.is_empty() && !text::is_comment(text) && text.len() <= LONGEST;
    for text in rows(table.bytes, table.between)
        .map(|row| row.text)
        .filter(content)
        .take(SAMPLE)
    {
        split(text, table.between, &mut fields);
        look(&fields);
        left = left.saturating_sub(text.len());
        if left == 0 {
            return;
        }
    }
}

/// An entry, or one of two parts as MISP writes it in tables: `192.0.2.7|443`, `evil.example|192.0.2.7`;
/// also with a comment right behind it.
pub(super) fn entry(field: &[u8]) -> Result<Item, &'static str> {
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
    let commented = || {
        let end = field.iter().position(|&byte| byte == b'#')?;
        item(&field[..end]).ok()
    };
    item(field).or_else(|reason| of_parts().or_else(commented).ok_or(reason))
}

/// Whether the rows are addresses and nothing else, and more than two of them: two could be a range, or
/// source and destination.
fn are_all_addresses(table: Table<'_>) -> bool {
    let (mut all, mut most) = (true, 0);
    each_of_sample(table, |fields| {
        let fields = fields.iter().filter(|field| !cell::is_blank(field));
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

fn likely(header: Option<&Header>, column: usize) -> Likely {
    header.map_or(Likely::Unknown, |header| header.likely(column))
}

fn no_column(table: Table<'_>, tally: &Tally, header: Option<&Header>) -> Refused {
    let names = header.map_or(String::new(), |header| format!(" ({})", header.names()));
    let headers = usize::from(header.and_then(Header::width).is_some());
    if header.is_some() && tally.rows <= headers {
        return Refused(format!(
            "the table has a header and no rows{names}: its provider has nothing to list, or has ended it"
        ));
    }
    // The address of who reports an indicator is none.
    if let Some(column) = tally.with_addresses().next() {
        let name = header.map_or("", |header| header.name(column));
        return Refused(format!(
            "no column has addresses of those listed, only '{name}'{names}; \
             if these are to be blocked, name it with `column`"
        ));
    }
    let what = match kind_of_most(table.bytes) {
        Some(kind) => format!("no column has addresses, only {}", kind.as_str()),
        None => "no column has addresses".to_owned(),
    };
    Refused(format!(
        "{what}{names}; firewall filters by address, port and protocol"
    ))
}

fn prose(table: Table<'_>) -> Refused {
    let mut rows = rows(table.bytes, table.between).map(|row| row.text);
    let first = rows.find(|text| !text.is_empty() && !text::is_comment(text));
    let begin = first.map_or(&b""[..], |text| &text[..text.len().min(200)]);
    let begin = super::harmless(&String::from_utf8_lossy(begin));
    Refused(format!(
        "this reads like a message of the server, not like a list: `{begin}`; \
         open the address of the feed in a browser. If it is a table, name its `column`"
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
        let table = Table { bytes, between };
        let header = table.header();
        header.is_some_and(|header| header.names_addresses() && fits(table, &header))
    };
    Separator::ALL.iter().any(named)
}

/// Whether the numbers behind addresses are the lengths of prefixes; for telling formats apart.
pub(super) fn has_lengths(bytes: &[u8]) -> bool {
    let between = Between::Space;
    super::csv_widen::are_lengths(Table { bytes, between }, 0)
}
