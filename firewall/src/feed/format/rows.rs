//! Rows of separated values, as feeds write them: RFC 4180 and what providers make of it, which is a
//! space before a quote (`"a", "b"`), comments, and quotes that are never closed.
//!
//! The `csv` crate reads none of the three: it takes `, "b, c"` for two fields, and an open quote for
//! the rest of the list.

use std::borrow::Cow;

use super::text;

/// The fields of one row, without white space and quotes around them.
pub(super) type Fields<'a> = Vec<Cow<'a, [u8]>>;

/// What separates the fields of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Between {
    /// This byte.
    Byte(u8),
    /// Any white space.
    Space,
}

/// One row and where it stands.
pub(super) struct Row<'a> {
    /// Its first line, from 1.
    pub line: u32,
    /// The text of it.
    pub text: &'a [u8],
}

/// Lines that a quoted field may go over: longer ones are an open quote.
const LINES: usize = 16;

/// Rows longer than this many bytes are rejected before anybody splits them.
pub(super) const LONGEST: usize = 65536;

/// How a text stands with its quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Closed,
    /// A field that began with a quote goes on.
    Open,
    /// A quote in a later line closes nothing, so that the first one was a stray.
    Stray,
}

/// Rows of `bytes`, comments and blank lines among them. A row with a field that begins with a quote and
/// is open at the end of its line goes on in the next; one whose quotes are never closed is one line.
pub(super) fn rows(bytes: &[u8], between: Between) -> impl Iterator<Item = Row<'_>> {
    let (mut at, mut line) = (0, 1);
    std::iter::from_fn(move || {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let first = line_length(rest);
        let (length, lines) = row_length(rest, first, between);
        let row = Row {
            line,
            text: rest[..length].trim_ascii(),
        };
        at += length;
        line += lines;
        Some(row)
    })
}

fn line_length(text: &[u8]) -> usize {
    let end = text.iter().position(|&byte| byte == b'\n');
    end.map_or(text.len(), |end| end + 1)
}

/// Bytes and lines of the row that `rest` begins with; its first line has `first` bytes.
fn row_length(rest: &[u8], first: usize, between: Between) -> (usize, u32) {
    let line = rest[..first].trim_ascii();
    if !line.contains(&b'"') || line.len() > LONGEST || text::is_comment(line) {
        return (first, 1);
    }
    let mut length = first;
    for lines in 1..=LINES as u32 {
        match quotes(&rest[..length], first, between) {
            Quotes::Closed => return (length, lines),
            Quotes::Stray => break,
            Quotes::Open => length += line_length(&rest[length..]),
        }
        if length > first + LONGEST {
            break;
        }
    }
    (first, 1)
}

/// Only a field that begins with a quote is quoted (RFC 4180 §2.5); one in the middle of a field opens
/// nothing. What closes a field in a later line than the `first` is the end of that field.
fn quotes(text: &[u8], first: usize, between: Between) -> Quotes {
    let mut rest = Some(text);
    while let Some(text_left) = rest {
        let field = trim_start(text_left, between);
        let Some(quoted) = field.strip_prefix(b"\"") else {
            rest = next_field(field, between);
            continue;
        };
        let Some(end) = closing(quoted) else {
            return Quotes::Open;
        };
        let after = &quoted[end + 1..];
        if text.len() - after.len() > first && !ends_field(after, between) {
            return Quotes::Stray;
        }
        rest = next_field(after, between);
    }
    Quotes::Closed
}

fn ends_field(after: &[u8], between: Between) -> bool {
    let line = &after[..line_length(after)];
    let next = match between {
        Between::Byte(_) => trim_start(line, between).first(),
        Between::Space => line.first(),
    };
    next.is_none_or(|&byte| between.is(byte))
}

/// The fields of one row into `fields`, which is emptied first.
pub(super) fn split<'a>(row: &'a [u8], between: Between, fields: &mut Fields<'a>) {
    fields.clear();
    let mut rest = row;
    loop {
        rest = trim_start(rest, between);
        let (field, after) = match rest.strip_prefix(b"\"") {
            Some(quoted) => quoted_field(quoted, between),
            None => bare_field(rest, between),
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return,
        }
    }
}

/// The field up to the next separator, and what follows that.
fn bare_field(text: &[u8], between: Between) -> (Cow<'_, [u8]>, Option<&[u8]>) {
    let end = text.iter().position(|&byte| between.is(byte));
    let field = text[..end.unwrap_or(text.len())].trim_ascii_end();
    (
        Cow::Borrowed(field),
        end.and_then(|end| between.after(&text[end..])),
    )
}

/// The field up to the closing quote; two quotes are one. Whatever stands between the closing quote
/// and the separator is left out.
fn quoted_field(text: &[u8], between: Between) -> (Cow<'_, [u8]>, Option<&[u8]>) {
    match closing(text) {
        Some(end) => (unescaped(&text[..end]), next_field(&text[end..], between)),
        None => (unescaped(text), None),
    }
}

/// Where the quote is that closes a field; two quotes are none.
fn closing(text: &[u8]) -> Option<usize> {
    let mut end = 0;
    loop {
        end += text[end..].iter().position(|&byte| byte == b'"')?;
        if text.get(end + 1) != Some(&b'"') {
            return Some(end);
        }
        end += 2;
    }
}

/// What follows the next separator.
fn next_field(text: &[u8], between: Between) -> Option<&[u8]> {
    let next = text.iter().position(|&byte| between.is(byte))?;
    between.after(&text[next..])
}

fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'"') {
        return Cow::Borrowed(text.trim_ascii());
    }
    let text = String::from_utf8_lossy(text).replace("\"\"", "\"");
    Cow::Owned(text.trim().as_bytes().to_vec())
}

fn trim_start(text: &[u8], between: Between) -> &[u8] {
    let blank = |byte: &u8| byte.is_ascii_whitespace() && between != Between::Byte(*byte);
    let begin = text.iter().position(|byte| !blank(byte));
    &text[begin.unwrap_or(text.len())..]
}

impl Between {
    fn is(self, byte: u8) -> bool {
        match self {
            Self::Byte(separator) => byte == separator,
            Self::Space => byte.is_ascii_whitespace(),
        }
    }

    /// What follows the separator that `text` begins with; nothing after the last field.
    fn after(self, text: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Byte(_) => text.get(1..),
            Self::Space => Some(text.trim_ascii_start()).filter(|rest| !rest.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(row: &str, between: Between) -> Vec<String> {
        let mut fields = Fields::new();
        split(row.as_bytes(), between, &mut fields);
        let text = |field: &Cow<[u8]>| String::from_utf8_lossy(field).into_owned();
        fields.iter().map(text).collect()
    }

    #[test]
    fn rows_as_providers_write_them() {
        const COMMA: Between = Between::Byte(b',');
        let table: &[(&str, Between, &[&str])] = &[
            ("a,b", COMMA, &["a", "b"]),
            ("\"a\", \"b, c\" , d", COMMA, &["a", "b, c", "d"]),
            ("\"say \"\"so\"\"\",b", COMMA, &["say \"so\"", "b"]),
            ("a,", COMMA, &["a", ""]),
            (",,", COMMA, &["", "", ""]),
            ("\"a,b", COMMA, &["a,b"]),
            ("a \"b\",c", COMMA, &["a \"b\"", "c"]),
            ("a;b,c;", Between::Byte(b';'), &["a", "b,c", ""]),
            ("a\t\tb", Between::Byte(b'\t'), &["a", "", "b"]),
            ("a\t b  c ", Between::Space, &["a", "b", "c"]),
            ("", COMMA, &[""]),
        ];
        for (row, between, expected) in table {
            assert_eq!(fields(row, *between), *expected, "{row:?}");
        }
    }

    #[test]
    fn a_quoted_field_goes_over_lines_and_an_open_quote_does_not() {
        let text = b"a,\"b\nc\"\n# it's \"open\n1,\"2\n3,4\n";
        let rows = rows(text, Between::Byte(b','));
        let rows: Vec<_> = rows.map(|row| (row.line, row.text.len())).collect();
        assert_eq!(rows, [(1, 7), (3, 12), (4, 4), (5, 3)]);
    }

    #[test]
    fn a_stray_quote_swallows_no_row() {
        let table = [
            ("a,3.5\" b\nc,d\ne,42\" f\n", 3),
            ("a,\"b\nc,\"d\ne,\"f\n", 3),
            ("\"a\",\"b?\"c\"\n\"d\",\"e\"\n\"f\",\"g \"h\"\n", 3),
            ("\"a\",\"\"b\"\n\"c\",\"d\"\n", 2),
            ("a \"b\nc\" d\n", 2),
            ("\"a, \"\"b\n c\" , d\n\"e\"\n", 2),
            ("a,\"b\n\n\nc\nd\"\n", 1),
        ];
        for (text, lines) in table {
            let rows = rows(text.as_bytes(), Between::Byte(b','));
            assert_eq!(rows.count(), lines, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_the_csv_crate_writes_is_read(row in prop::collection::vec("[a-z\",;\n]{0,6}", 1..6)) {
            let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
            writer.write_record(&row).unwrap();
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let row: Vec<_> = row.iter().map(|field| field.trim().to_owned()).collect();
            prop_assert_eq!(fields(text.trim_ascii_end(), Between::Byte(b',')), row);
        }

        #[test]
        fn what_the_csv_crate_writes_is_a_row_each(
            records in prop::collection::vec(prop::collection::vec("[a-z\",\n]{0,3}", 3), 1..5)
        ) {
            let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
            for record in &records {
                writer.write_record(record).unwrap();
            }
            let text = writer.into_inner().unwrap();
            prop_assert_eq!(rows(&text, Between::Byte(b',')).count(), records.len());
        }

        #[test]
        fn rows_hold_all_lines(text in "[a\"\n,# ]{0,80}") {
            let rows: Vec<_> = rows(text.as_bytes(), Between::Byte(b',')).collect();
            let joined: usize = rows.iter().map(|row| row.text.iter().filter(|it| !it.is_ascii_whitespace()).count()).sum();
            prop_assert_eq!(joined, text.bytes().filter(|it| !it.is_ascii_whitespace()).count());
        }
    }
}
