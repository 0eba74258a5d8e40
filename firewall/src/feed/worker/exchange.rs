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
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).context(not_ours)?;
    let (job, given) = split_json(&bytes).context(not_ours)?;
    let given = given.to_vec();
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

/// Whoever wrote this may be under the control of a stranger.
pub fn read_answer(mut bytes: Vec<u8>) -> Result<Answer> {
    let (told, rest) =
        split_json(&bytes).context("the worker answered nothing that can be read")?;
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
    let (records, content) = rest
        .split_at_checked(length)
        .context("the worker answered less than it said")?;
    let (_, records) = Records::decode(records)?;
    let begin = bytes.len() - content.len();
    records.give(&mut parsed);
    check(&mut parsed)?;
    bytes.drain(..begin);
    Ok(Answer::New(Box::new(New {
        version,
        content: bytes,
        format,
        parsed,
    })))
}

/// Counts that fit together, and words that may be shown.
fn check(parsed: &mut Parsed) -> Result<()> {
    ensure!(
        parsed.v6_entries <= parsed.entries && parsed.rejected.len() <= parsed.rejected_count,
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

fn split_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8])> {
    let (length, rest) = bytes.split_first_chunk().context("there is nothing")?;
    let length = u32::from_le_bytes(*length) as usize;
    ensure!(length <= LONGEST, "it is too long");
    let (json, rest) = rest.split_at_checked(length).context("it is cut off")?;
    Ok((serde_json::from_slice(json)?, rest))
}
