//! Feeds: from a named source to indicators that are safe to put in force.
//!
//! Fetch, decompress, parse, guard, store. Whatever fails on the way leaves the last good copy in
//! force, and the feed says that it is stalled, since when and why.

use std::{borrow::Cow, collections::VecDeque, fmt, path::Path};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;

use crate::feed::{
    decompress::decompress,
    fetch::{Fetched, Limits, Location, Version, fetch},
    format::{Format, How, Options, Parsed},
    guard::{Guarded, rejected, size},
    key::Key,
    server::{Question, Server},
    store::{GoodCopy, Meta, Name, Quarantined, Stalled, Store},
};
use crate::{
    memory::{self, Load},
    protected::Protected,
};

pub mod catalogue;
pub mod coverage;
pub mod decompress;
pub mod fetch;
pub mod format;
pub mod guard;
pub mod http;
pub mod journal;
pub mod key;
pub mod overlap;
pub mod server;
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
    /// What is asked there, if it is no file.
    pub server: Option<Server>,
    /// Which of its collections.
    pub collection: Option<String>,
    /// The key, where one is needed.
    pub key: Option<Key>,
    /// What an update may cost.
    pub limits: Limits,
    /// IPv4 addresses that it may cover without a question; IPv6 as [`coverage::objection`] has it.
    pub max_coverage: u64,
}

impl Feed {
    /// The format, where it is known before the content is.
    fn format(&self) -> Option<Format> {
        self.server.map(Server::format).or(self.format)
    }
}

/// What came of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is a new copy, and this is what it says.
    Changed(Box<GoodCopy>, Box<Parsed>),
    /// The last good copy is the newest.
    Unchanged,
    /// There is something new that is not put in force without a question: it is kept aside, and the
    /// last good copy, if any, stays; why, for people.
    Quarantined(String),
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
    meta.sizes = sizes(feed, &meta, old.as_ref());
    let obtained = obtain(feed, &meta, old.as_ref(), protected, now);
    let stalled = obtained.as_ref().err().map(|error| Stalled {
        since: meta.stalled.as_ref().map_or(now, |stalled| stalled.since),
        reason: format!("{error:#}"),
    });
    let obtained =
        obtained.or_else(|error| expire(feed, &meta, old.as_ref(), protected, now).ok_or(error));
    let outcome = match obtained {
        Ok(Obtained::Same(copy)) => {
            meta.copy = Some(*copy);
            meta.quarantined = None;
            Outcome::Unchanged
        }
        Ok(Obtained::New(copy, content, parsed)) => {
            store.write_content(&content, &changes(old.as_ref(), &parsed, now))?;
            size::remember(&mut meta.sizes, copy.entries);
            meta.copy = Some((*copy).clone());
            meta.quarantined = None;
            Outcome::Changed(copy, parsed)
        }
        Ok(Obtained::Odd(copy, content, reason)) => {
            store.write_quarantined(&content)?;
            let before = meta.quarantined.as_ref();
            meta.quarantined = Some(Quarantined {
                since: before.map_or(now, |before| before.since),
                reason: reason.clone(),
                copy: *copy,
            });
            Outcome::Quarantined(reason)
        }
        Err(error) => Outcome::Failed(format!("{error:#}")),
    };
    meta.stalled = stalled;
    store.write_meta(&meta)?;
    if meta.quarantined.is_none() {
        store.remove_quarantined()?;
    }
    Ok(outcome)
}

/// Makes the content in quarantine the last good copy, whatever speaks against it: what comes next is
/// compared with it alone.
///
/// # Errors
/// There is none, it is of another configuration, or the folder `state` cannot be written to.
pub fn accept(feed: &Feed, state: &Path, now: Timestamp) -> Result<Outcome> {
    let name = &feed.name;
    let store = Store::new(state, name);
    let mut meta = store.meta()?;
    let Some(Quarantined { copy, .. }) = meta.quarantined.take() else {
        anyhow::bail!("nothing of feed {name} is in quarantine; 'firewall feeds' lists what is");
    };
    let content = store.quarantined()?.unwrap_or_default();
    ensure!(
        is_of(&copy, feed) && store::digest(&content) == copy.digest,
        "what is in quarantine is not of feed {name} as it is configured now, or damaged; 'firewall \
         feeds update {name}' brings it anew"
    );
    let parsed = format::parse(copy.format, &copy.how(), &content)
        .with_context(|| format!("what is in quarantine of feed {name} cannot be read"))?;
    let old = last_good(&store, &meta)?;
    store.write_content(&content, &changes(old.as_ref(), &parsed, now))?;
    meta.sizes = [copy.entries].into();
    meta.copy = Some(copy.clone());
    store.write_meta(&meta)?;
    store.remove_quarantined()?;
    Ok(Outcome::Changed(Box::new(copy), Box::new(parsed)))
}

/// Entries of the good copies that a new one is compared with; none if they are of another
/// configuration.
fn sizes(feed: &Feed, meta: &Meta, old: Option<&(GoodCopy, Vec<u8>)>) -> VecDeque<usize> {
    match old.filter(|(copy, _)| is_of(copy, feed)) {
        None => VecDeque::new(),
        // A copy of a version of ours that did not remember sizes.
        Some((copy, _)) if meta.sizes.is_empty() => [copy.entries].into(),
        Some(_) => meta.sizes.clone(),
    }
}

/// What a fetch brought, judged.
enum Obtained {
    Same(Box<GoodCopy>),
    New(Box<GoodCopy>, Vec<u8>, Box<Parsed>),
    /// It would be this copy, but for what speaks against it.
    Odd(Box<GoodCopy>, Vec<u8>, String),
}

fn obtain(
    feed: &Feed,
    meta: &Meta,
    old: Option<&(GoodCopy, Vec<u8>)>,
    protected: &[Protected],
    now: Timestamp,
) -> Result<Obtained> {
    let old = old.filter(|(copy, _)| is_of(copy, feed));
    // What has ended since must go, whether the content is another or not.
    let same = old
        .map(|(copy, _)| copy)
        .filter(|copy| copy.next_expiry.is_none_or(|expiry| now < expiry));
    let known = same.map_or_else(Version::default, |copy| copy.version.clone());
    let fetched = match (feed.server, &feed.location) {
        (Some(server), Location::Web(address)) => server
            .ask(&Question {
                address,
                collection: feed.collection.as_deref(),
                key: feed.key.as_ref(),
                limits: &feed.limits,
                before: old
                    .filter(|_| meta.trouble().is_none())
                    .map(|(copy, content)| (content.as_slice(), &copy.version)),
                now,
            })
            .with_context(|| format!("cannot ask {}", feed.location))?,
        _ => fetch(&feed.location, feed.key.as_ref(), &known, &feed.limits)?,
    };
    let (content, version) = match (fetched, same) {
        (Fetched::Content(content, version), _) => (content, version),
        (Fetched::Unchanged, Some(copy)) => return Ok(confirmed(copy, known, now)),
        (Fetched::Unchanged, None) => anyhow::bail!("{} is unchanged, but unknown", feed.location),
    };
    take(feed, same, &meta.sizes, (content, version), protected, now)
        .with_context(|| format!("refused what {} brought", feed.location))
}

/// Whether the copy is one of this feed as it is configured now.
fn is_of(copy: &GoodCopy, feed: &Feed) -> bool {
    copy.location == feed.location
        && copy.options == feed.options
        && feed.format().is_none_or(|format| format == copy.format)
}

/// What is left of the last good copy while its server is away, if some of it has expired.
fn expire(
    feed: &Feed,
    meta: &Meta,
    old: Option<&(GoodCopy, Vec<u8>)>,
    protected: &[Protected],
    now: Timestamp,
) -> Option<Obtained> {
    let (copy, content) = old.filter(|(copy, _)| is_of(copy, feed))?;
    let content = feed.server?.without_expired(content, now)?;
    take(
        feed,
        Some(copy),
        &meta.sizes,
        (content, copy.version.clone()),
        protected,
        now,
    )
    .ok()
}

fn take(
    feed: &Feed,
    same: Option<&GoodCopy>,
    sizes: &VecDeque<usize>,
    (content, version): (Vec<u8>, Version),
    protected: &[Protected],
    now: Timestamp,
) -> Result<Obtained> {
    let content = match decompress(&content, feed.limits.content)? {
        Cow::Owned(content) => content,
        Cow::Borrowed(_) => content,
    };
    let digest = store::digest(&content);
    // Many servers send the same list again, whatever they are asked.
    if let Some(copy) = same.filter(|copy| copy.digest == digest) {
        return Ok(confirmed(copy, version, now));
    }
    let how = How {
        options: feed.options.clone(),
        at: Some(now),
    };
    let (format, parsed, guarded) = judge(feed.format(), &how, &content, protected)?;
    // Refused now, the copy before stays; in force it could not be put.
    memory::check(Load {
        v4: parsed.v4.len() as u64,
        v6: parsed.v6.len() as u64,
        text: content.len() as u64,
    })?;
    let objection = objection(feed, sizes, &parsed, &guarded);
    let copy = Box::new(GoodCopy {
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
    });
    Ok(match objection {
        None => Obtained::New(copy, content, Box::new(parsed)),
        Some(reason) => Obtained::Odd(copy, content, reason),
    })
}

/// What speaks against putting it in force without a question.
fn objection(
    feed: &Feed,
    sizes: &VecDeque<usize>,
    parsed: &Parsed,
    guarded: &Guarded,
) -> Option<String> {
    let compares = !feed.server.is_some_and(Server::comes_and_goes);
    let size = compares.then(|| size::objection(sizes, parsed.entries));
    size.flatten().or_else(|| {
        let objection = guard::coverage::objection(guarded, feed.max_coverage)?;
        Some(format!("{objection}; max_coverage sets another"))
    })
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
    rejected::check(format, &parsed)?;
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
