//! The last good copy of each feed and what is known about it, as files.
//!
//! `<state>/feeds/NAME` is the content, exactly the bytes that were parsed; `NAME.records` is what they
//! list, see [`super::records`]; `NAME.json` is [`Meta`]; `NAME.log` tells since when what is listed, see
//! [`super::journal`]; `NAME.held` is content in quarantine; `NAME.stage` is [`Stage`], written under the
//! lock of changes, not under that of the feed: nobody who puts files in force waits for a fetch.

use std::{
    collections::VecDeque,
    fs::File,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use super::stalled::Stalled;
use super::{
    due::Asked,
    fetch::{Location, Version},
    format::{Format, How, Options},
    guard::Finding,
    journal::{self, Churn, Since},
    records::{self, Header, Records},
    stage::Stage,
};
use crate::{address::Prefix, file, state};

/// The name of a feed: lower-case letters, digits and dashes, 64 at most, no dash first. It is
/// also the name of its files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Name(String);

/// What is known about a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The last update, whatever came of it.
    pub checked_at: Option<Timestamp>,
    /// What it asked for.
    #[serde(default)]
    pub asked: Option<Asked>,
    /// By how many thousandths the wait from then on is varied ([`super::due`]).
    #[serde(default)]
    pub jitter: i16,
    /// Set while updates fail; the last good copy stays in force.
    pub stalled: Option<Stalled>,
    /// The last good copy; none before the first.
    pub copy: Option<GoodCopy>,
    /// What came since and is not put in force without a question.
    #[serde(default)]
    pub quarantined: Option<Quarantined>,
    /// Prefixes of the last good copies, the newest last.
    #[serde(default)]
    pub sizes: VecDeque<usize>,
    /// Whether there is a file that tells nothing.
    #[serde(skip)]
    pub is_damaged: bool,
}

impl Meta {
    /// Why nothing new is put in force, if so; for people.
    pub fn trouble(&self) -> Option<&str> {
        let stalled = self.stalled.as_ref().map(|it| it.reason.as_str());
        stalled.or_else(|| self.quarantined.as_ref().map(|it| it.reason.as_str()))
    }
}

/// Content that is kept beside the last good copy until the operator accepts it, or until the feed
/// brings something within the limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The first time that the feed brought such content.
    pub since: Timestamp,
    /// What speaks against it, for people.
    pub reason: String,
    /// What it would be as the good copy.
    pub copy: GoodCopy,
}

/// The last good copy of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoodCopy {
    /// Where it comes from, keys included.
    pub location: Location,
    /// The format it was parsed in.
    pub format: Format,
    /// What the format needed to know.
    #[serde(default)]
    pub options: Options,
    /// When it was parsed: what was over by then is left out for as long as this copy is in force.
    #[serde(default)]
    pub valid_at: Option<Timestamp>,
    /// When the first of its entries is over, so that it is to be parsed again.
    #[serde(default)]
    pub next_expiry: Option<Timestamp>,
    /// What the server calls this version.
    pub version: Version,
    /// The last time that it was fetched, or known to be still the newest.
    pub fetched_at: Timestamp,
    /// The first time that it was fetched.
    pub changed_at: Timestamp,
    /// SHA-256 of the content, in hexadecimal.
    pub digest: String,
    /// Accepted lines or records.
    pub entries: usize,
    /// IPv4 indicators.
    pub v4: usize,
    /// IPv6 indicators.
    pub v6: usize,
    /// Lines or records that name no address.
    pub rejected: usize,
    /// Indicators that the guard left out.
    pub left_out: usize,
    /// Indicators with protected addresses in them, which are subtracted.
    pub subtracted: usize,
    /// The first of those that were left out or subtracted from.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

impl GoodCopy {
    /// Prefixes of both families.
    pub fn prefixes(&self) -> usize {
        self.v4 + self.v6
    }

    /// How it was parsed.
    pub fn how(&self) -> How {
        How {
            options: self.options.clone(),
            at: self.valid_at,
        }
    }
}

/// The files of one feed.
#[derive(Clone, Debug)]
pub struct Store {
    content: PathBuf,
    records: PathBuf,
    meta: PathBuf,
    journal: PathBuf,
    quarantined: PathBuf,
    stage: PathBuf,
}

impl Store {
    /// The files of the feed `name` in the folder `state`, which need not be there yet.
    pub fn new(state: &Path, name: &Name) -> Self {
        let path = |extension| state.join("feeds").join(format!("{name}{extension}"));
        Self {
            content: path(""),
            records: path(".records"),
            meta: path(".json"),
            journal: path(".log"),
            quarantined: path(".held"),
            stage: path(".stage"),
        }
    }

    /// What is known about the feed. A file that does not parse tells nothing, like a missing one:
    /// the next update writes it anew.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn meta(&self) -> Result<Meta> {
        let Some(content) = file::read(&self.meta)? else {
            return Ok(Meta::default());
        };
        Ok(serde_json::from_slice(&content).unwrap_or_else(|_| Meta {
            is_damaged: true,
            ..Meta::default()
        }))
    }

    /// Opens the records of the last good copy.
    ///
    /// # Errors
    /// The file is there and cannot be opened.
    pub fn open_records(&self) -> Result<Option<File>> {
        file::open(&self.records)
    }

    /// The records of the last good copy, if they are any good and those of this content.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub(super) fn records(&self, content: &records::Digest) -> Result<Option<Records>> {
        let bytes = file::read(&self.records)?.unwrap_or_default();
        let read = Records::decode(&bytes).ok();
        Ok(read.and_then(|(header, records)| (header.content == *content).then_some(records)))
    }

    /// Whether there are records; `all` looks at each of them, and not at the header alone.
    pub(super) fn has_records(&self, all: bool) -> Result<bool> {
        if all {
            return Ok(self.any_records()?.is_some());
        }
        let file = self.open_records()?;
        Ok(file.is_some_and(|file| Header::read(file).is_ok()))
    }

    /// The records, of whatever content.
    pub(super) fn any_records(&self) -> Result<Option<Records>> {
        let bytes = file::read(&self.records)?.unwrap_or_default();
        Ok(Records::decode(&bytes).ok().map(|(_, records)| records))
    }

    /// The content of the last good copy.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn content(&self) -> Result<Option<Vec<u8>>> {
        file::read(&self.content)
    }

    /// The content in quarantine.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn quarantined(&self) -> Result<Option<Vec<u8>>> {
        file::read(&self.quarantined)
    }

    /// Where the content in quarantine is.
    pub fn quarantine(&self) -> &Path {
        &self.quarantined
    }

    /// Since when `prefix`, which the feed lists now, is listed; `None` if that is not known.
    ///
    /// # Errors
    /// The journal is there and cannot be read.
    pub fn since(&self, prefix: Prefix) -> Result<Option<Since>> {
        journal::since(&self.journal, prefix)
    }

    /// How many entries came and went from `begin` on.
    ///
    /// # Errors
    /// The journal is there and cannot be read.
    pub fn churn(&self, begin: Timestamp) -> Result<Churn> {
        journal::churn(&self.journal, begin)
    }

    /// What was judged of what the feed lists. A file that does not parse tells nothing.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn stage(&self) -> Result<Stage> {
        let content = file::read(&self.stage)?.unwrap_or_default();
        Ok(serde_json::from_slice(&content).unwrap_or_default())
    }

    /// Writes what was judged; by who holds the lock of changes.
    ///
    /// # Errors
    /// The folder cannot be written to; the old file stays.
    pub fn write_stage(&self, stage: &Stage) -> Result<()> {
        self.make_folder()?;
        state::write_json(&self.stage, stage)
    }

    /// Forgets what was judged, likewise.
    pub fn remove_stage(&self) -> Result<()> {
        file::remove(&self.stage)
    }

    /// Writes what is known about the feed.
    ///
    /// # Errors
    /// The folder cannot be written to; the old file stays.
    pub(super) fn write_meta(&self, meta: &Meta) -> Result<()> {
        self.make_folder()?;
        let mut json = serde_json::to_vec_pretty(meta).context("cannot write a feed as JSON")?;
        json.push(b'\n');
        file::replace(&self.meta, &json)
    }

    /// Writes a new copy: first what changed, which twice does no harm, then the content, and last
    /// the records, which are what is put in force.
    ///
    /// # Errors
    /// The folder cannot be written to; the old records stay.
    pub(super) fn write_copy(
        &self,
        content: &[u8],
        records: &Records,
        changes: &str,
    ) -> Result<()> {
        self.make_folder()?;
        journal::append(&self.journal, changes)?;
        file::replace(&self.content, content)?;
        self.write_records(content, records)
    }

    /// Writes the records of `content`.
    ///
    /// # Errors
    /// The folder cannot be written to; the old ones stay.
    pub(super) fn write_records(&self, content: &[u8], records: &Records) -> Result<()> {
        file::replace(&self.records, &records.encode(&sha256(content)))
    }

    /// Writes content into quarantine; the good copy stays.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub(super) fn write_quarantined(&self, content: &[u8]) -> Result<()> {
        self.make_folder()?;
        file::replace(&self.quarantined, content)
    }

    /// Removes the content in quarantine, if there is any.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub(super) fn remove_quarantined(&self) -> Result<()> {
        file::remove(&self.quarantined)
    }

    fn make_folder(&self) -> Result<()> {
        self.content.parent().map_or(Ok(()), file::make_folder)
    }
}

/// SHA-256 of `content`.
pub fn sha256(content: &[u8]) -> records::Digest {
    Sha256::digest(content).into()
}

/// A digest in hexadecimal.
pub fn hexadecimal(digest: &records::Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl std::fmt::Display for Name {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        ensure!(
            (1..=64).contains(&name.len()) && !name.starts_with('-') && name.bytes().all(allowed),
            "`{}` is no name for a feed; use up to 64 lower-case letters, digits and dashes, \
             no dash first",
            name.escape_debug()
        );
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for Name {
    type Error = anyhow::Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests;
