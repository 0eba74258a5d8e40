//! Whether the rows of a table without names of columns are a table at all: a server that refuses a list
//! writes a sentence with the address of whoever asks, `Your IP 192.0.2.1 has been blocked`.

use super::{
    cell,
    columns::{is_of_another, plain_name},
    csv_layout::{each_of_sample, entry},
    is_tolerable,
    item::Item,
    rows::{Between, Fields},
    tabular::{Header, Table},
};

/// What rows have beside the address in one column.
#[derive(Default)]
struct Rows {
    all: usize,
    /// Rows whose words before the address are others than those of the first.
    against: usize,
    /// There is more than one address.
    several: bool,
    /// Every row has as many fields as the header.
    aligned: bool,
    /// Nothing in the row is a word of a sentence, as far as that would matter.
    is_data: bool,
    /// It begins with a word by which something is blocked.
    is_command: bool,
    /// It says that the address is one of a machine that serves names or routes.
    is_of_another: bool,
}

/// Whether the rows with an address in `column` are those of a table. Where the same words stand before
/// different addresses, or a header names the column, they are; a single address needs a row of data or a
/// command around it.
pub(super) fn is_table(table: Table<'_>, column: usize, header: Option<&Header>) -> bool {
    let rows = look(table, column, header);
    let is_named = rows.aligned && header.is_some_and(|header| header.is_named(column));
    match table.between {
        Between::Byte(_) => rows.several || rows.aligned || rows.is_data || rows.is_command,
        Between::Space if rows.several => {
            is_named || is_tolerable(rows.against, rows.all) && !rows.is_of_another
        }
        Between::Space => rows.is_data || rows.is_command,
    }
}

fn look(table: Table<'_>, column: usize, header: Option<&Header>) -> Rows {
    let width = header.and_then(Header::width);
    let mut rows = Rows {
        aligned: width.is_some(),
        is_data: true,
        ..Rows::default()
    };
    let mut first: Option<(Item, Vec<Vec<u8>>)> = None;
    each_of_sample(table, |fields| {
        let Some(Ok(item)) = fields.get(column).map(|field| entry(field)) else {
            return;
        };
        let before = &fields[..column];
        rows.all += 1;
        rows.aligned &= width == Some(fields.len());
        rows.is_data &= words_that_matter(table.between, fields, column);
        let (address, words) = first.get_or_insert_with(|| {
            rows.is_command = before.first().is_some_and(|it| is_command(it));
            rows.is_of_another = before.iter().any(|it| is_of_another(&plain_name(it)));
            (item, before.iter().map(|it| it.to_vec()).collect())
        });
        rows.several |= *address != item;
        let same = |(one, other): (&Vec<u8>, &std::borrow::Cow<'_, [u8]>)| {
            one[..] == other[..] || cell::is_data(one) && cell::is_data(other)
        };
        rows.against += usize::from(!words.iter().zip(before).all(same));
    });
    rows
}

/// Whether what stands before the address is data; in a row of words also what stands behind it.
fn words_that_matter(between: Between, fields: &Fields<'_>, column: usize) -> bool {
    let matter = match between {
        Between::Byte(_) => &fields[..column],
        Between::Space => &fields[..],
    };
    matter.iter().all(|field| cell::is_data(field))
}

/// The first word of lines that block an address, in configurations of other programs.
fn is_command(word: &[u8]) -> bool {
    const COMMANDS: [&str; 12] = [
        "deny",
        "drop",
        "block",
        "blackhole",
        "reject",
        "ban",
        "prohibit",
        "unreachable",
        "require",
        "access-list",
        "add",
        "-A",
    ];
    cell::is_one_of(word, &COMMANDS)
}
