//! What a format needs to know beside its name.

use std::fmt;

use anyhow::bail;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Format, rows::Between};

/// The keys of a `[[feed]]` that say how its content is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// `csv`: the column with the address, if it is not to be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<Column>,
    /// `csv`: what separates columns, if it is not to be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<Separator>,
    /// `json`: where addresses are, such as `prefixes[].ip_prefix`; empty to find out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub json_path: Vec<String>,
    /// `ipsum`: lists that must name an address; ThreatFox and STIX: confidence from 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<u32>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Column {
    /// Its place, from 1.
    Number(usize),
    /// Its name in the header, in any case.
    Name(String),
}

/// What separates columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Separator {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// Tabulator.
    Tab,
    /// `|`
    Pipe,
    /// Any white space.
    Space,
}

impl Separator {
    /// Every separator, in the order in which they are tried.
    pub const ALL: [Self; 5] = [
        Self::Comma,
        Self::Semicolon,
        Self::Tab,
        Self::Pipe,
        Self::Space,
    ];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
            Self::Pipe => "pipe",
            Self::Space => "space",
        }
    }

    pub(super) fn between(self) -> Between {
        match self {
            Self::Comma => Between::Byte(b','),
            Self::Semicolon => Between::Byte(b';'),
            Self::Tab => Between::Byte(b'\t'),
            Self::Pipe => Between::Byte(b'|'),
            Self::Space => Between::Space,
        }
    }
}

impl Options {
    /// That each of them is one that content of `format` is read by.
    ///
    /// # Errors
    /// One is for another format; the message names that one.
    pub fn check(&self, format: Option<Format>) -> anyhow::Result<()> {
        let csv = format == Some(Format::Csv);
        let counts = [
            Format::Ipsum,
            Format::ThreatfoxCsv,
            Format::ThreatfoxJson,
            Format::Stix,
        ];
        let minimum = format.is_some_and(|format| counts.contains(&format));
        let table = [
            ("column", self.column.is_some(), csv, "csv"),
            ("separator", self.separator.is_some(), csv, "csv"),
            (
                "json_path",
                !self.json_path.is_empty(),
                format == Some(Format::Json),
                "json",
            ),
            (
                "minimum",
                self.minimum.is_some(),
                minimum,
                "ipsum, threatfox-csv, threatfox-json or stix",
            ),
        ];
        for (key, given, fits, formats) in table {
            if given && !fits {
                bail!("{key} is for format = {formats}; name that format or leave {key} out");
            }
        }
        if self.column == Some(Column::Number(0)) {
            bail!("column = 0: columns are counted from 1");
        }
        Ok(())
    }
}

/// Reads a format by its name, `auto` as none.
///
/// # Errors
/// No format has the name.
pub fn or_auto<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Format>, D::Error> {
    let name = String::deserialize(deserializer)?;
    Format::or_auto(&name).map_err(serde::de::Error::custom)
}

/// Reads one text, or an array of them.
///
/// # Errors
/// It is neither.
pub fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(text) => vec![text],
        OneOrMore::More(texts) => texts,
    })
}

impl fmt::Display for Column {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Name(name) => write!(formatter, "'{name}'"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_of_another_format_is_refused() {
        let column = Options {
            column: Some(Column::Number(2)),
            ..Options::default()
        };
        assert!(column.check(Some(Format::Csv)).is_ok());
        let error = column.check(Some(Format::Plain)).unwrap_err().to_string();
        assert!(error.contains("column is for format = csv"), "{error}");
        assert!(column.check(None).is_err());
        let minimum = Options {
            minimum: Some(3),
            ..Options::default()
        };
        assert!(minimum.check(Some(Format::Ipsum)).is_ok());
        assert!(minimum.check(Some(Format::Json)).is_err());
        let zero = Options {
            column: Some(Column::Number(0)),
            ..Options::default()
        };
        assert!(zero.check(Some(Format::Csv)).is_err());
    }
}
