//! What a worker does: fetch, decompress, parse.

use anyhow::{Context, Result};
use ureq::http::Uri;

use super::{Answer, Job, New, Source, Task};
use crate::feed::{
    decompress::decompress,
    fetch::{self, Fetched, Location, Version},
    format,
    server::Question,
    store,
};

/// Does the job with the content that is given.
pub fn work(job: &Job, given: &[u8]) -> Result<Answer> {
    match &job.task {
        Task::Read => parse(job, given, Version::default()),
        Task::Say(line) => {
            let format = job
                .format
                .context("what is asked about a line has a format")?;
            let said = format::said(format, &job.how, given, *line);
            Ok(Answer::Said(said.map(Box::new)))
        }
        Task::Expire(server) => match server.without_expired(given, job.now) {
            Some(content) => parse(job, &content, Version::default()),
            None => Ok(Answer::Same(Version::default())),
        },
        Task::Fetch(source) => {
            let address: Uri = source.address.parse().context("the address is none")?;
            match fetch(job, source, &address, given)? {
                Fetched::Content(content, version) => parse(job, &content, version)
                    .with_context(|| format!("refused what {} brought", Location::Web(address))),
                Fetched::Unchanged => Ok(Answer::Same(source.known.clone())),
            }
        }
    }
}

fn fetch(job: &Job, source: &Source, address: &Uri, given: &[u8]) -> Result<Fetched> {
    let location = || Location::Web(address.clone());
    let Some(server) = source.server else {
        return fetch::get(address, source.secret.as_ref(), &source.known, &job.limits)
            .with_context(|| format!("cannot fetch {}", location()));
    };
    let question = Question {
        address,
        collection: source.collection.as_deref(),
        key: source.secret.as_ref(),
        limits: &job.limits,
        before: source.before.as_ref().map(|version| (given, version)),
        now: job.now,
    };
    server
        .ask(&question)
        .with_context(|| format!("cannot ask {}", location()))
}

fn parse(job: &Job, content: &[u8], version: Version) -> Result<Answer> {
    let content = decompress(content, job.limits.content)?;
    // Many servers send the same list again, whatever they are asked.
    let digest = || store::hexadecimal(&store::sha256(&content));
    if job.same.as_ref().is_some_and(|same| *same == digest()) {
        return Ok(Answer::Same(version));
    }
    let (format, parsed) = match job.format {
        Some(format) => (format, format::parse(format, &job.how, &content)?),
        None => format::detect_and_parse(&job.how, &content)?,
    };
    Ok(Answer::New(Box::new(New {
        version,
        content: content.into_owned(),
        format,
        parsed,
    })))
}
