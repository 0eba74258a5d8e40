//! The last good copy of a feed, and what it lists.

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use super::{
    records::Records,
    store::{self, GoodCopy, Meta, Store},
    worker::{Answer, Job, Task, Worker},
};

/// The last good copy.
pub(super) struct Good {
    pub copy: GoodCopy,
    pub content: Vec<u8>,
    pub records: Records,
}

/// The last good copy if its content is there and what it was: otherwise a server could go on
/// confirming a list that is no longer here. Records that are lost are made again.
pub(super) fn last_good(store: &Store, meta: &Meta, worker: &Worker) -> Result<Option<Good>> {
    let Some((copy, content)) = copy_and_content(store, meta)? else {
        return Ok(None);
    };
    let records = match store.records(&store::sha256(&content))? {
        Some(records) => records,
        None => match mend(store, &copy, &content, worker) {
            Ok(records) => records,
            // What cannot be read again is fetched again.
            Err(_) => return Ok(None),
        },
    };
    Ok(Some(Good {
        copy,
        content,
        records,
    }))
}

/// Whether there is a copy, and its records are lost or damaged. Where `all` is set each record is
/// looked at, and not the header alone.
///
/// # Errors
/// The files are there and cannot be read.
pub fn has_lost_records(store: &Store, all: bool) -> Result<bool> {
    Ok(store.meta()?.copy.is_some() && !store.has_records(all)?)
}

/// Makes records again from the content of the copy: a version of this program that writes others
/// must not take a feed out of force, nor must a damaged disk. The feed must be locked.
///
/// # Errors
/// There is no content that the copy was made of, or the folder cannot be written to.
pub fn mend_records(store: &Store, worker: &Worker) -> Result<()> {
    let meta = store.meta()?;
    let lost = "the records of the last good copy are lost, and so is its content";
    let (copy, content) = copy_and_content(store, &meta)?.context(lost)?;
    mend(store, &copy, &content, worker).map(|_| ())
}

fn copy_and_content(store: &Store, meta: &Meta) -> Result<Option<(GoodCopy, Vec<u8>)>> {
    let Some(content) = store.content()? else {
        return Ok(None);
    };
    let digest = store::hexadecimal(&store::sha256(&content));
    let copy = meta.copy.clone().filter(|copy| copy.digest == digest);
    Ok(copy.map(|copy| (copy, content)))
}

fn mend(store: &Store, copy: &GoodCopy, content: &[u8], worker: &Worker) -> Result<Records> {
    let mut records = read_again(copy, content, worker)?;
    // Since when each was listed is lost. What was in force is to stay so, and waits no more.
    records.date(None, &[], copy.changed_at);
    store.write_records(content, &records)?;
    Ok(records)
}

/// What a copy lists, parsed as it was.
pub(super) fn read_again(copy: &GoodCopy, content: &[u8], worker: &Worker) -> Result<Records> {
    let job = Job {
        format: Some(copy.format),
        how: copy.how(),
        ..Job::new(Task::Read, Timestamp::now())
    };
    match worker.ask(&job, content)? {
        Answer::New(mut new) => Ok(Records::take(&mut new.parsed)),
        _ => bail!("the worker read nothing; please report this"),
    }
}
