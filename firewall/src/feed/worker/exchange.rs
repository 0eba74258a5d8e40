//! What goes to a worker and comes back.
//!
//! A job is its length (u32, little endian), itself as JSON, and behind it the content that is given.
//! An answer is its length, [`Told`] as JSON, records ([`crate::feed::records`]), and the content.

use std::io::{Read, Write};

use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Answer, Job, New};
use crate::feed::{
    fetch::Version,
    format::{Format, Parsed, Said, harmless},
    http::later::{LONGEST as LONGEST_WAIT, Later},
    records::Records,
};

/// Longest JSON, in bytes. That of an answer has a thousand rejected lines at most.
const LONGEST: usize = 4 << 20;

/// What is told of an answer ahead of it.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    Same(Version),
    Said(Option<Box<Said>>),
    New {
        version: Version,
        format: Format,
        /// Without the indicators.
        parsed: Box<Parsed>,
        /// Bytes of the records.
        records: usize,
    },
    Failed(String),
    Later(Later),
}

pub fn write_job(to: &mut impl Write, job: &Job, given: &[u8]) -> std::io::Result<()> {
    write_json(to, job)?;
    to.write_all(given)
}

pub fn read_job(mut from: impl Read) -> Result<(Job, Vec<u8>)> {
    let not_ours = "'firewall worker' is started by 'firewall' itself, with a job; there is none";
    let job = read_json(&mut from).context(not_ours)?;
    let mut given = Vec::new();
    from.read_to_end(&mut given).context(not_ours)?;
    Ok((job, given))
}

pub fn write_answer(to: &mut dyn Write, answer: Result<Answer>) -> std::io::Result<()> {
    let new = match answer {
        Ok(Answer::New(new)) => *new,
        Ok(Answer::Same(version)) => return write_json(to, &Told::Same(version)),
        Ok(Answer::Said(said)) => return write_json(to, &Told::Said(said)),
        Err(error) => return write_json(to, &failure(&error)),
    };
    let New {
        version,
        content,
        format,
        mut parsed,
    } = new;
    let records = Records::take(&mut parsed).encode(&crate::feed::store::sha256(&content));
    let told = Told::New {
        version,
        format,
        parsed: Box::new(parsed),
        records: records.len(),
    };
    write_json(to, &told)?;
    to.write_all(&records)?;
    to.write_all(&content)
}

fn failure(error: &anyhow::Error) -> Told {
    let reason = format!("{error:#}");
    match error.downcast_ref::<Later>() {
        Some(&Later { seconds, .. }) => Told::Later(Later { reason, seconds }),
        None => Told::Failed(reason),
    }
}

/// Reads the answer to `job`. Whoever wrote it may be under the control of a stranger.
pub fn read_answer(from: &mut impl Read, job: &Job) -> Result<Answer> {
    let told = read_json(from).context("the worker answered nothing that can be read")?;
    let (version, format, mut parsed, length) = match told {
        Told::Same(version) => return Ok(Answer::Same(version)),
        Told::Said(said) => return Ok(Answer::Said(said.map(|it| Box::new(it.harmless())))),
        Told::Failed(reason) => return Err(anyhow!(harmless(&reason))),
        Told::Later(Later { reason, seconds }) => {
            return Err(anyhow!(Later {
                reason: harmless(&reason),
                seconds: seconds.min(LONGEST_WAIT),
            }));
        }
        Told::New {
            version,
            format,
            parsed,
            records,
        } => (version, format, *parsed, records),
    };
    let (_, records) = Records::decode(&read(from, length)?)?;
    records.give(&mut parsed);
    check(&mut parsed)?;
    let content = read_rest(from, job.limits.content)?;
    ensure!(
        job.format.is_none_or(|asked| asked == format),
        "the worker read the list in another format than it was to"
    );
    Ok(Answer::New(Box::new(New {
        version,
        content,
        format,
        parsed,
    })))
}

fn read(from: &mut impl Read, length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(length as u64).read_to_end(&mut bytes)?;
    ensure!(
        bytes.len() == length,
        "the worker answered less than it said"
    );
    Ok(bytes)
}

fn read_rest(from: &mut impl Read, most: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most as u64 + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() <= most, "the worker answered more than it may");
    Ok(bytes)
}

/// Counts that fit together and can be added up, and words that may be shown.
fn check(parsed: &mut Parsed) -> Result<()> {
    let counts = [
        parsed.entries,
        parsed.rejected_count,
        parsed.lines,
        parsed.comments,
        parsed.blank,
    ];
    let mut counts = counts.iter().chain(parsed.skipped.values());
    ensure!(
        counts.all(|&count| u32::try_from(count).is_ok())
            && parsed.v6_entries <= parsed.entries
            && parsed.rejected.len() <= parsed.rejected_count,
        "what the worker counted does not fit together"
    );
    for rejected in &mut parsed.rejected {
        rejected.text = harmless(&rejected.text);
        rejected.reason = harmless(&rejected.reason).into();
    }
    Ok(())
}

fn write_json(to: &mut (impl Write + ?Sized), value: &impl Serialize) -> std::io::Result<()> {
    let json = serde_json::to_vec(value)?;
    let length = u32::try_from(json.len()).map_err(std::io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&json)
}

fn read_json<T: DeserializeOwned>(from: &mut impl Read) -> Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length).context("there is nothing")?;
    let length = u32::from_le_bytes(length) as usize;
    ensure!(length <= LONGEST, "it is too long");
    Ok(serde_json::from_slice(&read(from, length)?)?)
}
