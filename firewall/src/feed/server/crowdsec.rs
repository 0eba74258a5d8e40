//! Decisions of a CrowdSec Local API (`/v1/decisions/stream`, crowdsec.net "LAPI").
//!
//! The server remembers for each key what it told, and tells what is new and what is gone. The same
//! address may be decided upon twice, and then only one of both is said to be gone, so that
//! everything is asked for again now and then.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer};
use ureq::http::Uri;

use super::{Conversation, Question};
use crate::feed::{
    fetch::{Fetched, Version},
    format::crowdsec::{Decision, Told},
};

/// Everything is asked for again after this.
const RESYNC: SignedDuration = SignedDuration::from_hours(1);

/// What the server says. Lists that are empty are `null`, and both are there: an error in JSON must not
/// be taken for an answer without decisions.
#[derive(Debug, Deserialize)]
struct Stream {
    #[serde(deserialize_with = "list")]
    new: Vec<Told>,
    #[serde(deserialize_with = "list")]
    deleted: Vec<Told>,
}

fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Told>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// What is in force, by what is decided upon: scope and value.
type State = BTreeMap<(String, String), Decision>;

pub fn ask(question: &Question) -> Result<Fetched> {
    let Question { before, now, .. } = *question;
    let synced = before.and_then(|(_, version)| version.cursor.as_deref()?.parse().ok());
    let delta = before.zip(synced).filter(|(_, synced): &(_, Timestamp)| {
        synced.checked_add(RESYNC).is_ok_and(|due| now < due)
    });
    let body = Conversation::new(question)?.get(&stream(question.address, delta.is_none())?)?;
    let stream: Stream = serde_json::from_slice(&body)
        .context("the answer is no stream of decisions; is this the address of a Local API?")?;
    let (mut state, synced) = match delta {
        Some(((copy, _), synced)) => (read(copy), synced),
        None => (State::new(), now),
    };
    // Of the deleted first: what is decided upon anew comes in both lists.
    for told in &stream.deleted {
        state.remove(&told.key());
    }
    for told in stream.new.iter().filter(|told| told.kind == "ban") {
        state.insert(told.key(), told.decision(now)?);
    }
    // Times are told as durations and vary by a moment; what did not change is to stay as it was.
    if let Some((copy, _)) = before {
        keep_times(&mut state, &read(copy));
    }
    let version = Version {
        cursor: Some(synced.to_string()),
        ..Version::default()
    };
    Ok(Fetched::Content(write(&state, now), version))
}

pub fn without_expired(copy: &[u8], now: Timestamp) -> Option<Vec<u8>> {
    let content = write(&read(copy), now);
    (content != copy).then_some(content)
}

fn stream(address: &Uri, everything: bool) -> Result<Uri> {
    let base = address.to_string();
    let base = base.trim_end_matches('/');
    format!("{base}/v1/decisions/stream?startup={everything}&scopes=ip,range")
        .parse()
        .context("the address of the Local API is none; write it like http://127.0.0.1:8080")
}

impl Told {
    fn key(&self) -> (String, String) {
        let value = self.value.trim();
        // A host comes as an address or as a prefix of full length, depending on who decided.
        let value = match value.parse::<ipnet::IpNet>() {
            Ok(prefix) if prefix.prefix_len() == prefix.max_prefix_len() => {
                prefix.addr().to_string()
            }
            _ => value.to_owned(),
        };
        (self.scope.to_lowercase(), value)
    }

    fn decision(&self, now: Timestamp) -> Result<Decision> {
        let (scope, value) = self.key();
        let lasts = duration(&self.duration)?;
        Ok(Decision {
            scope,
            value,
            until: now.checked_add(lasts).unwrap_or(Timestamp::MAX),
            origin: self.origin.clone(),
            scenario: self.scenario.clone(),
        })
    }
}

/// `1h59m58.724461844s`, as Go writes it (`time.Duration.String`).
fn duration(text: &str) -> Result<SignedDuration> {
    let Some(rest) = text.strip_prefix('-') else {
        return text
            .parse()
            .with_context(|| format!("the duration '{text}' of a decision is none"));
    };
    if rest.parse::<SignedDuration>().is_err() {
        bail!("the duration '{text}' of a decision is none");
    }
    Ok(SignedDuration::ZERO)
}

fn keep_times(state: &mut State, before: &State) {
    const MOMENT: SignedDuration = SignedDuration::from_secs(2);
    for (key, decision) in state {
        if let Some(old) = before.get(key)
            && old.until.duration_since(decision.until).abs() <= MOMENT
        {
            decision.until = old.until;
        }
    }
}

fn read(copy: &[u8]) -> State {
    Decision::all(copy)
        .map(|it| ((it.scope.clone(), it.value.clone()), it))
        .collect()
}

/// A line for each decision that has not expired.
fn write(state: &State, now: Timestamp) -> Vec<u8> {
    let live = state.values().filter(|decision| decision.until > now);
    let mut content = Decision::HEADER.as_bytes().to_vec();
    for decision in live {
        // Strings and a time: nothing in it can fail to be written to memory.
        content.extend(serde_json::to_vec(decision).unwrap_or_default());
        content.push(b'\n');
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read() {
        for (text, seconds) in [
            ("1h59m58.724461844s", 7198),
            ("29m58s", 1798),
            ("999.5ms", 0),
            ("-1.01551667s", 0),
            ("4h0m0s", 14400),
        ] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds, "{text}");
        }
        for wrong in ["", "soon", "-", "1 fortnight"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_host_has_one_key_however_it_is_written() {
        let told = |scope: &str, value: &str| Told {
            scope: scope.into(),
            value: value.into(),
            kind: "ban".into(),
            duration: "1h".into(),
            origin: String::new(),
            scenario: String::new(),
        };
        let key = told("Ip", "192.0.2.7").key();
        assert_eq!(told("ip", "192.0.2.7/32").key(), key);
        assert_ne!(told("Range", "192.0.2.0/24").key(), key);
    }
}
