//! What an update makes of what the worker brings: judged, compared with the copy before, and kept.

use std::{collections::VecDeque, path::Path};

use anyhow::{Context, Result, bail, ensure};
use ipnet::IpNet;
use jiff::Timestamp;

use super::{
    Feed, Outcome, due,
    fetch::{self, Location, Version},
    format::How,
    good::{Good, last_good, read_again},
    guard::{self, rejected, size},
    journal,
    key::Key,
    records::Records,
    server::Server,
    store::{self, GoodCopy, Meta, Quarantined, Stalled, Store},
    worker::{Answer, Job, New, Source, Task, Worker},
};
use crate::{
    memory::{self, Load},
    protected::Protected,
};

/// What an update is made with.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// Who fetches and parses.
    pub worker: &'a Worker,
    /// What is never blocked.
    pub protected: &'a [Protected],
    /// When it is made.
    pub now: Timestamp,
}

/// Fetches the feed and keeps what comes as the last good copy in the folder `state`, if it is
/// good. Blocks for as long as the limits of the feed allow.
///
/// # Errors
/// The folder `state` cannot be read or written. Whatever is wrong with the feed itself is
/// [`Outcome::Failed`].
pub fn update(feed: &Feed, state: &Path, means: &Means<'_>) -> Result<Outcome> {
    let store = Store::new(state, &feed.name);
    let now = means.now;
    let mut meta = store.meta()?;
    meta.checked_at = Some(now);
    meta.asked = Some(feed.asked());
    meta.jitter = due::jitter();
    let old = last_good(&store, &meta, means.worker)?;
    meta.sizes = sizes(feed, &meta);
    let obtained = obtain(feed, &meta, old.as_ref(), means);
    let stalled = obtained
        .as_ref()
        .err()
        .map(|error| Stalled::after(meta.stalled.as_ref(), error, now));
    let obtained = obtained.or_else(|error| keep(feed, &meta, old.as_ref(), means).ok_or(error));
    let outcome = match obtained {
        Ok(Obtained::Same(copy)) => {
            meta.copy = Some(*copy);
            meta.quarantined = None;
            Outcome::Unchanged
        }
        Ok(Obtained::New(copy, content, records)) => {
            let records = write(&store, old.as_ref(), &copy, &content, records, now)?;
            size::remember(&mut meta.sizes, copy.prefixes());
            meta.copy = Some((*copy).clone());
            meta.quarantined = None;
            Outcome::Changed(copy, Box::new(records))
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
pub fn accept(feed: &Feed, state: &Path, means: &Means<'_>) -> Result<Outcome> {
    let name = &feed.name;
    let store = Store::new(state, name);
    let mut meta = store.meta()?;
    let Some(Quarantined { copy, .. }) = meta.quarantined.take() else {
        bail!("nothing of feed {name} is in quarantine; 'firewall feeds' lists what is");
    };
    let content = store.quarantined()?.unwrap_or_default();
    ensure!(
        is_of(&copy, feed) && store::hexadecimal(&store::sha256(&content)) == copy.digest,
        "what is in quarantine is not of feed {name} as it is configured now, or damaged; 'firewall \
         feeds update {name}' brings it anew"
    );
    let records = read_again(&copy, &content, means.worker)
        .with_context(|| format!("what is in quarantine of feed {name} cannot be read"))?;
    let old = last_good(&store, &meta, means.worker)?;
    let records = write(&store, old.as_ref(), &copy, &content, records, means.now)?;
    meta.sizes = [copy.prefixes()].into();
    meta.copy = Some(copy.clone());
    store.write_meta(&meta)?;
    store.remove_quarantined()?;
    Ok(Outcome::Changed(Box::new(copy), Box::new(records)))
}

/// Writes a new copy; one that cannot be compared begins the journal anew.
fn write(
    store: &Store,
    old: Option<&Good>,
    copy: &GoodCopy,
    content: &[u8],
    mut records: Records,
    now: Timestamp,
) -> Result<Records> {
    // Records alone still tell since when what is listed, and keep what is in force from waiting.
    let alone = match old {
        Some(_) => None,
        None => store.any_records()?,
    };
    let before = old.map(|old| &old.records).or(alone.as_ref());
    let held_back: Vec<IpNet> = store.stage()?.held_back.iter().map(|it| it.entry).collect();
    records.date(before, &held_back, now);
    let changes = match before {
        None => journal::first_load(copy.entries, now),
        Some(before) => journal::difference(before, &records, now),
    };
    store.write_copy(content, &records, &changes)?;
    Ok(records)
}

/// Prefixes of the good copies that a new one is compared with; none if they are of another
/// configuration.
fn sizes(feed: &Feed, meta: &Meta) -> VecDeque<usize> {
    match meta.copy.as_ref().filter(|copy| is_of(copy, feed)) {
        None => VecDeque::new(),
        // A copy of a version of ours that did not remember sizes.
        Some(copy) if meta.sizes.is_empty() => [copy.prefixes()].into(),
        Some(_) => meta.sizes.clone(),
    }
}

/// What a fetch brought, judged.
enum Obtained {
    Same(Box<GoodCopy>),
    New(Box<GoodCopy>, Vec<u8>, Records),
    /// It would be this copy, but for what speaks against it.
    Odd(Box<GoodCopy>, Vec<u8>, String),
}

fn obtain(feed: &Feed, meta: &Meta, old: Option<&Good>, means: &Means<'_>) -> Result<Obtained> {
    let old = old.filter(|old| is_of(&old.copy, feed));
    // What has ended since must go, whether the content is another or not.
    let is_current = |old: &&Good| old.copy.next_expiry.is_none_or(|expiry| means.now < expiry);
    let same = old.filter(is_current);
    let known = same.map_or_else(Version::default, |same| same.copy.version.clone());
    let mut job = Job {
        same: same.map(|same| same.copy.digest.clone()),
        ..job(feed, Task::Read, means.now)
    };
    let answer = match &feed.location {
        Location::File(path) => {
            let content = fetch::read(path, feed.limits.content)?;
            means.worker.ask(&job, &content)
        }
        Location::Web(address) => {
            let before = old.filter(|_| feed.server.is_some() && meta.trouble().is_none());
            job.task = Task::Fetch(Box::new(Source {
                address: address.to_string(),
                server: feed.server,
                collection: feed.collection.clone(),
                secret: feed.key.as_ref().map(Key::read).transpose()?,
                known,
                before: before.map(|old| old.copy.version.clone()),
            }));
            let given = before.map_or(&[][..], |old| &old.content);
            means.worker.ask(&job, given)
        }
    };
    judge(feed, same, &meta.sizes, answer?, means)
        .with_context(|| format!("refused what {} brought", feed.location))
}

/// Whether the copy is one of this feed as it is configured now.
fn is_of(copy: &GoodCopy, feed: &Feed) -> bool {
    copy.location == feed.location
        && copy.options == feed.options
        && feed.format().is_none_or(|format| format == copy.format)
}

fn job(feed: &Feed, task: Task, now: Timestamp) -> Job {
    Job {
        format: feed.format(),
        how: How {
            options: feed.options.clone(),
            at: Some(now),
        },
        limits: feed.limits.clone(),
        ..Job::new(task, now)
    }
}

/// What becomes of the last good copy when nothing came: some of it may have expired.
fn keep(feed: &Feed, meta: &Meta, old: Option<&Good>, means: &Means<'_>) -> Option<Obtained> {
    let old = old.filter(|old| is_of(&old.copy, feed))?;
    let server = feed.server.filter(|server| server.comes_and_goes())?;
    let job = Job {
        format: Some(old.copy.format),
        ..job(feed, Task::Expire(server), means.now)
    };
    let answer = means.worker.ask(&job, &old.content).ok()?;
    let Answer::New(mut new) = answer else {
        return None;
    };
    new.version = old.copy.version.clone();
    let obtained = judge(feed, Some(old), &meta.sizes, Answer::New(new), means).ok()?;
    let Obtained::New(mut copy, content, records) = obtained else {
        return None;
    };
    // Nothing was fetched: it is as old as it was.
    copy.fetched_at = old.copy.fetched_at;
    Some(Obtained::New(copy, content, records))
}

fn judge(
    feed: &Feed,
    same: Option<&Good>,
    sizes: &VecDeque<usize>,
    answer: Answer,
    means: &Means<'_>,
) -> Result<Obtained> {
    let New {
        version,
        content,
        format,
        mut parsed,
    } = match (answer, same) {
        (Answer::New(new), _) => *new,
        (Answer::Same(version), Some(same)) => return Ok(confirmed(same, version, means.now)),
        _ => bail!("it is unchanged, but unknown"),
    };
    let guarded = guard::check(&parsed, means.protected, feed.gates.shortest)?;
    rejected::check(format, &parsed)?;
    // Refused now, the copy before stays; in force it could not be put.
    memory::check(Load {
        v4: parsed.v4.len() as u64,
        v6: parsed.v6.len() as u64,
        text: content.len() as u64,
    })?;
    // Bans come and go: how many they are says nothing.
    let comes_and_goes = feed.server.is_some_and(Server::comes_and_goes);
    let before = Some(sizes).filter(|_| !comes_and_goes);
    let objection = feed.gates.objection(format, before, &parsed, &guarded);
    let copy = Box::new(GoodCopy {
        location: feed.location.clone(),
        format,
        options: feed.options.clone(),
        valid_at: Some(means.now),
        next_expiry: parsed.next_expiry,
        version,
        fetched_at: means.now,
        changed_at: means.now,
        digest: store::hexadecimal(&store::sha256(&content)),
        entries: parsed.entries,
        v4: parsed.v4.len(),
        v6: parsed.v6.len(),
        rejected: parsed.rejected_count,
        left_out: guarded.left_out,
        subtracted: guarded.subtracted,
        findings: guarded.findings,
    });
    Ok(match objection {
        None => Obtained::New(copy, content, Records::take(&mut parsed)),
        Some(reason) => Obtained::Odd(copy, content, reason),
    })
}

fn confirmed(same: &Good, version: Version, now: Timestamp) -> Obtained {
    Obtained::Same(Box::new(GoodCopy {
        version,
        fetched_at: now,
        ..same.copy.clone()
    }))
}
