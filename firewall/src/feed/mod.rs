//! Feeds: from a named source to indicators that are safe to put in force.
//!
//! Fetch, decompress, parse, guard, store. Whatever fails on the way leaves the last good copy in
//! force, and the feed says that it is stalled, since when and why.

use std::{fmt, path::Path};

use anyhow::{Context, Result};
use jiff::Timestamp;

use crate::feed::{
    decompress::decompress,
    fetch::{Fetched, Limits, Location, Version, fetch},
    format::{Format, How, Options, Parsed},
    guard::Guarded,
    store::{GoodCopy, Meta, Name, Stalled, Store},
};
use crate::{
    memory::{self, Load},
    protected::Protected,
};

pub mod decompress;
pub mod fetch;
pub mod format;
pub mod guard;
pub mod journal;
pub mod store;

/// Why the content of a feed is not taken; for people, without the name of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

/// A feed as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Its name.
    pub name: Name,
    /// Where it comes from.
    pub location: Location,
    /// The format; found from the content if not named.
    pub format: Option<Format>,
    /// What the format needs to know.
    pub options: Options,
    /// What an update may cost.
    pub limits: Limits,
}

/// What came of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is a new copy.
    Changed(Box<GoodCopy>),
    /// The last good copy is the newest.
    Unchanged,
    /// The last good copy, if any, stays; why, for people.
    Failed(String),
}

/// Fetches the feed and keeps what comes as the last good copy in the folder `state`, if it is
/// good. Blocks for as long as the limits of the feed allow.
///
/// # Errors
/// The folder `state` cannot be read or written. Whatever is wrong with the feed itself is
/// [`Outcome::Failed`].
pub fn update(
    feed: &Feed,
    state: &Path,
    protected: &[Protected],
    now: Timestamp,
) -> Result<Outcome> {
    let store = Store::new(state, &feed.name);
    let mut meta = store.meta()?;
    meta.checked_at = Some(now);
    let old = last_good(&store, &meta)?;
    let outcome = match obtain(feed, old.as_ref().map(|(copy, _)| copy), protected, now) {
        Ok(Obtained::Same(copy)) => {
            (meta.copy, meta.stalled) = (Some(*copy), None);
            Outcome::Unchanged
        }
        Ok(Obtained::New(copy, content, parsed)) => {
            store.write_content(&content, &changes(old.as_ref(), &parsed, now))?;
            (meta.copy, meta.stalled) = (Some((*copy).clone()), None);
            Outcome::Changed(copy)
        }
        Err(error) => {
            let reason = format!("{error:#}");
            let since = meta.stalled.map_or(now, |stalled| stalled.since);
            meta.stalled = Some(Stalled {
                since,
                reason: reason.clone(),
            });
            Outcome::Failed(reason)
        }
    };
    store.write_meta(&meta)?;
    Ok(outcome)
}

/// What a fetch brought, judged.
enum Obtained {
    Same(Box<GoodCopy>),
    New(Box<GoodCopy>, Vec<u8>, Box<Parsed>),
}

fn obtain(
    feed: &Feed,
    old: Option<&GoodCopy>,
    protected: &[Protected],
    now: Timestamp,
) -> Result<Obtained> {
    let same = old.filter(|copy| {
        copy.location == feed.location
            && copy.options == feed.options
            && feed.format.is_none_or(|format| format == copy.format)
            && copy.next_expiry.is_none_or(|expiry| now < expiry)
    });
    let known = same.map_or_else(Version::default, |copy| copy.version.clone());
    let (content, version) = match (fetch(&feed.location, &known, &feed.limits)?, same) {
        (Fetched::Content(content, version), _) => (content, version),
        (Fetched::Unchanged, Some(copy)) => return Ok(confirmed(copy, known, now)),
        (Fetched::Unchanged, None) => anyhow::bail!("{} is unchanged, but unknown", feed.location),
    };
    take(feed, same, content, version, protected, now)
        .with_context(|| format!("refused what {} brought", feed.location))
}

fn take(
    feed: &Feed,
    same: Option<&GoodCopy>,
    content: Vec<u8>,
    version: Version,
    protected: &[Protected],
    now: Timestamp,
) -> Result<Obtained> {
    let content = decompress(&content, feed.limits.content)?.into_owned();
    let digest = store::digest(&content);
    // Many servers send the same list again, whatever they are asked.
    if let Some(copy) = same.filter(|copy| copy.digest == digest) {
        return Ok(confirmed(copy, version, now));
    }
    let how = How {
        options: feed.options.clone(),
        at: Some(now),
    };
    let (format, parsed, guarded) = judge(feed.format, &how, &content, protected)?;
    // Refused now, the copy before stays; in force it could not be put.
    memory::check(Load {
        v4: parsed.v4.len() as u64,
        v6: parsed.v6.len() as u64,
        text: content.len() as u64,
    })?;
    let copy = GoodCopy {
        location: feed.location.clone(),
        format,
        options: how.options,
        valid_at: Some(now),
        next_expiry: parsed.next_expiry,
        version,
        fetched_at: now,
        changed_at: now,
        digest,
        entries: parsed.entries,
        v4: parsed.v4.len(),
        v6: parsed.v6.len(),
        rejected: parsed.rejected_count,
        left_out: guarded.left_out,
        subtracted: guarded.subtracted,
        findings: guarded.findings,
    };
    Ok(Obtained::New(Box::new(copy), content, Box::new(parsed)))
}

fn confirmed(copy: &GoodCopy, version: Version, now: Timestamp) -> Obtained {
    Obtained::Same(Box::new(GoodCopy {
        version,
        fetched_at: now,
        ..copy.clone()
    }))
}

fn judge(
    format: Option<Format>,
    how: &How,
    content: &[u8],
    protected: &[Protected],
) -> Result<(Format, Parsed, Guarded), Refused> {
    let (format, parsed) = match format {
        Some(format) => (format, format::parse(format, how, content)?),
        None => format::detect_and_parse(how, content)?,
    };
    let guarded = guard::check(&parsed, protected)?;
    Ok((format, parsed, guarded))
}

/// The last good copy if both of its files are there and belong together: otherwise a server could
/// go on confirming a list that is no longer here.
fn last_good(store: &Store, meta: &Meta) -> Result<Option<(GoodCopy, Vec<u8>)>> {
    let Some(content) = store.content()? else {
        return Ok(None);
    };
    let copy = meta
        .copy
        .clone()
        .filter(|copy| copy.digest == store::digest(&content));
    Ok(copy.map(|copy| (copy, content)))
}

/// The lines for the journal; a copy that cannot be compared begins it anew.
fn changes(old: Option<&(GoodCopy, Vec<u8>)>, new: &Parsed, now: Timestamp) -> String {
    let old = old.and_then(|(copy, content)| format::parse(copy.format, &copy.how(), content).ok());
    old.map_or_else(
        || journal::first_load(new, now),
        |old| journal::difference(&old, new, now),
    )
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}
