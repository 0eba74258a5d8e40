//! Tables: where the header of one is, and which column says what. Columns are found by name,
//! because providers change their order.

use std::borrow::Cow;

use super::{
    Parsed, Refused, cell, check_size,
    columns::{ADDRESSES, Likely, PORTS, PROTOCOLS, is_attacker, likely, plain_name},
    item::item,
    rows::{Between, Fields, LONGEST, Row, rows, split},
    said::{Said, kind_of, word},
    text,
};
use crate::{ruleset::Protocol, subject::Port};

/// A table of separated values.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    pub bytes: &'a [u8],
    pub between: Between,
}

/// A header is no longer than so many bytes.
const MOST_OF_HEADER: usize = 4096;

/// The names of columns, in lower case without anything but letters and digits.
pub(super) struct Header {
    names: Vec<String>,
    /// The line it is on, if it is a row and not a comment.
    row: Option<u32>,
    sslbl: bool,
}

/// The columns with what a feed says about an entry.
#[derive(Clone, Default)]
pub(super) struct SaidColumns {
    family: Option<usize>,
    status: Option<usize>,
    first_seen: Option<usize>,
    last_seen: Option<usize>,
    confidence: Option<usize>,
    description: Option<usize>,
}

impl<'a> Table<'a> {
    /// The header: the first row if it has no address, or the last comment before it that names a
    /// column of addresses or URLs.
    pub fn header(self) -> Option<Header> {
        let mut commented = None;
        let mut fields = Fields::new();
        for row in rows(self.bytes, self.between) {
            let is_comment = text::is_comment(row.text);
            let text = match is_comment {
                true => uncommented(row.text),
                false => row.text,
            };
            if text.is_empty() || is_declaration(&row) {
                continue;
            }
            if text.len() > MOST_OF_HEADER {
                match is_comment {
                    true => continue,
                    false => break,
                }
            }
            split(text, self.between, &mut fields);
            let header = Header::of(&fields, Some(row.line).filter(|_| !is_comment));
            if !is_comment {
                return Some(header).filter(|_| are_names(&fields)).or(commented);
            }
            let known = |name: &String| ADDRESSES.contains(&name.as_str()) || name == "url";
            if header.names.iter().any(known) && fields.len() < 100 {
                commented = Some(header);
            }
        }
        commented
    }

    /// Calls `take` for each row that is neither header nor comment and counts the others. An error
    /// rejects the row.
    pub fn each_row(
        self,
        header: Option<&Header>,
        parsed: &mut Parsed,
        mut take: impl FnMut(&mut Parsed, u32, &Fields<'a>) -> Result<(), &'static str>,
    ) -> Result<(), Refused> {
        let header = header.and_then(|header| header.row);
        let mut fields = Fields::new();
        for row in rows(self.bytes, self.between) {
            let Row { line, text } = row;
            if text.is_empty() {
                parsed.blank += 1;
            } else if text::is_comment(text) || is_declaration(&row) {
                parsed.comments += 1;
            } else if text.len() > LONGEST {
                parsed.reject(line, text, "longer than 64 KiB");
            } else if header != Some(line) {
                split(text, self.between, &mut fields);
                if let Err(reason) = take(parsed, line, &fields) {
                    parsed.reject(line, text, reason);
                }
                check_size(parsed)?;
            }
        }
        parsed.lines = text::lines(self.bytes).count();
        Ok(())
    }
}

impl Header {
    fn of(fields: &Fields<'_>, row: Option<u32>) -> Self {
        Self {
            names: fields.iter().map(|field| plain_name(field)).collect(),
            row,
            sslbl: fields.iter().any(|it| it.eq_ignore_ascii_case(b"dstip")),
        }
    }

    /// The column of the first of `names` that there is.
    pub fn find(&self, names: &[&str]) -> Option<usize> {
        let column = |name: &&str| self.names.iter().position(|column| column == name);
        names.iter().find_map(column)
    }

    /// The column with this name, however it is written.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.find(&[&plain_name(name.as_bytes())])
    }

    /// How certainly the column has addresses, by its name: lower is more certain.
    pub fn rank(&self, column: usize) -> usize {
        let name = self.names.get(column);
        let rank = name.and_then(|name| ADDRESSES.iter().position(|known| known == name));
        rank.unwrap_or(ADDRESSES.len())
    }

    /// How likely the column has the indicators, by its name.
    pub fn likely(&self, column: usize) -> Likely {
        let name = self.names.get(column);
        name.map_or(Likely::Unknown, |name| likely(name))
    }

    /// The name of a column; nothing where there is none.
    pub fn name(&self, column: usize) -> &str {
        self.names.get(column).map_or("", String::as_str)
    }

    /// The columns beside `column` whose names, after that of `column`, fit.
    pub fn beside<'a>(
        &'a self,
        column: usize,
        fits: impl Fn(&str, &str) -> bool + 'a,
    ) -> impl Iterator<Item = usize> + 'a {
        let others = (0..self.names.len()).filter(move |&other| other != column);
        others.filter(move |&other| fits(self.name(column), self.name(other)))
    }

    /// How many columns it names, if it is a row.
    pub fn width(&self) -> Option<usize> {
        self.row.map(|_| self.names.len())
    }

    /// The columns of port and protocol. The port beside an attacker is the one that it attacked.
    pub fn port(&self, address: usize) -> Option<usize> {
        let name = self.names.get(address)?;
        self.find(&PORTS).filter(|_| !is_attacker(name))
    }

    /// Whether the columns are written as SSLBL does (`DstIP`), not as the Feodo Tracker (`dst_ip`).
    pub fn is_sslbl(&self) -> bool {
        self.sslbl
    }

    pub fn protocol(&self) -> Option<usize> {
        self.find(&PROTOCOLS)
    }

    /// Whether the column is called after addresses.
    pub fn is_named(&self, column: usize) -> bool {
        self.rank(column) < ADDRESSES.len()
    }

    /// Whether it is a row and names a column of addresses.
    pub fn names_addresses(&self) -> bool {
        self.row.is_some() && (0..self.names.len()).any(|column| self.is_named(column))
    }

    /// All names, for messages.
    pub fn names(&self) -> String {
        self.names.join(", ")
    }
}

impl SaidColumns {
    pub fn of(header: Option<&Header>) -> Self {
        let Some(header) = header else {
            return Self::default();
        };
        Self {
            family: header.find(&[
                "malwareprintable",
                "malware",
                "malwarefamily",
                "family",
                "listingreason",
                "threat",
                "category",
                "categories",
                "app",
            ]),
            status: header.find(&["c2status", "urlstatus", "status"]),
            first_seen: header.find(&[
                "firstseenutc",
                "firstseen",
                "dateadded",
                "added",
                "reportdate",
                "date",
            ]),
            last_seen: header.find(&["lastseenutc", "lastseen", "lastonline"]),
            confidence: header.find(&[
                "confidencelevel",
                "confidence",
                "score",
                "reportcount",
                "count",
            ]),
            description: header.find(&["description", "detail", "comment", "note", "tags"]),
        }
    }

    /// With the family in this column where the header names none.
    pub fn or_family(self, column: usize) -> Self {
        Self {
            family: self.family.or(Some(column)),
            ..self
        }
    }

    pub fn said(&self, fields: &Fields<'_>) -> Said {
        let of = |column: Option<usize>| {
            let field: &Cow<'_, [u8]> = fields.get(column?)?;
            word(&String::from_utf8_lossy(field))
        };
        Said {
            family: of(self.family),
            status: of(self.status),
            first_seen: of(self.first_seen),
            last_seen: of(self.last_seen),
            confidence: of(self.confidence),
            description: of(self.description),
        }
    }
}

/// The port in a field, of the protocol in another; nothing where the field says that it is none.
///
/// # Errors
/// It is no port.
pub(super) fn port(
    fields: &Fields<'_>,
    port: Option<usize>,
    protocol: Option<usize>,
) -> Result<Option<Port>, &'static str> {
    let field = |column: Option<usize>| {
        let field = column.and_then(|column| fields.get(column));
        field.map_or("", |field| str::from_utf8(field).unwrap_or("?"))
    };
    let text = field(port);
    let none = ["", "-", "0", "*", "any", "none", "null", "n/a"];
    if none.iter().any(|none| text.eq_ignore_ascii_case(none)) {
        return Ok(None);
    }
    let protocol = field(protocol);
    let is = |it: &Protocol| it.as_str().eq_ignore_ascii_case(protocol);
    Ok(Some(Port {
        number: port_number(text).ok_or("no port from 1 to 65535 in the row")?,
        protocol: Protocol::ALL.into_iter().find(is),
    }))
}

/// A port from 1 to 65535 in digits.
pub(super) fn port_number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| digits && number != 0)
}

/// Whether the fields of a first row are names of columns: none is an address, well written or not, or
/// another thing that lists have.
fn are_names(fields: &Fields<'_>) -> bool {
    let is_content = |field: &Cow<'_, [u8]>| {
        item(field).is_ok() || kind_of(field).is_some() || cell::is_like_address(field)
    };
    !fields.iter().any(is_content)
}

/// `sep=;` in the first line tells spreadsheets what separates the columns.
fn is_declaration(row: &Row<'_>) -> bool {
    row.line == 1 && row.text.len() == 5 && row.text.starts_with(b"sep=")
}

fn uncommented(text: &[u8]) -> &[u8] {
    let begin = text
        .iter()
        .position(|byte| !matches!(byte, b'#' | b';' | b'/' | b' '));
    text[begin.unwrap_or(text.len())..].trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Option<(Vec<String>, Option<u32>)> {
        let table = Table {
            bytes: text.as_bytes(),
            between: Between::Byte(b','),
        };
        table.header().map(|header| (header.names, header.row))
    }

    #[test]
    fn a_header_is_a_row_or_a_comment() {
        let names = |names: &[&str]| names.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        let table = [
            (
                "# box\n\"dst_ip\", \"Dst Port\"\n192.0.2.1,1\n",
                Some((names(&["dstip", "dstport"]), Some(2))),
            ),
            (
                "# box, a, b\n# DstIP,DstPort\n192.0.2.1,1\n",
                Some((names(&["dstip", "dstport"]), None)),
            ),
            ("# id,url\n", Some((names(&["id", "url"]), None))),
            ("192.0.2.1,ip\n", None),
            ("# the list of bad things, by us\n192.0.2.1,1\n", None),
            ("evil.example,ip\n", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(header(text), expected, "{text}");
        }
    }

    #[test]
    fn a_field_with_a_port() {
        let read = |text: &'static str, protocol: &'static str| {
            let fields: Fields<'_> = [text, protocol]
                .map(|it| Cow::Borrowed(it.as_bytes()))
                .into();
            port(&fields, Some(0), Some(1)).map(|port| port.map(|port| port.to_string()))
        };
        assert_eq!(read("443", ""), Ok(Some("443".to_owned())));
        assert_eq!(read("53", "UDP"), Ok(Some("53/udp".to_owned())));
        assert_eq!(read("None", ""), Ok(None));
        for text in ["65536", "+1", "-1", "http", "0x50"] {
            assert!(read(text, "").is_err(), "{text}");
        }
    }
}
