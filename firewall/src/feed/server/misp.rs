//! A MISP feed: `manifest.json` names the events with the time of their last change, and each event is a
//! file (MISP "Feeds", PyMISP `MISPEvent.to_feed`). The copy has an event on each line.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Conversation, Question, join};
use crate::feed::fetch::{Fetched, Version};

/// Events fetched in one update, the newest first; the next one goes on.
const MOST_EVENTS: usize = 2_000;

/// What the manifest says of an event.
#[derive(Debug, Deserialize)]
struct Listed {
    /// Seconds since 1970, as text or as a number.
    timestamp: Value,
}

/// Events by identifier.
type Events = BTreeMap<String, Value>;

pub fn ask(question: &Question) -> Result<Fetched> {
    let conversation = Conversation::new(question)?;
    let base = question.address.to_string();
    let base = base.trim_end_matches("manifest.json").trim_end_matches('/');
    let base = format!("{base}/")
        .parse()
        .context("the address of the feed is none")?;
    let body = conversation.get(&join(&base, "manifest.json")?)?;
    let manifest: BTreeMap<String, Listed> = serde_json::from_slice(&body)
        .context("manifest.json names no events; is this the address of a MISP feed?")?;
    let before = question
        .before
        .map(|(copy, _)| read(copy))
        .unwrap_or_default();
    let mut events = Events::new();
    let mut wanted = Vec::new();
    for (uuid, listed) in &manifest {
        check_identifier(uuid)?;
        match before.get(uuid) {
            Some(event) if seconds(&event["Event"]["timestamp"]) == seconds(&listed.timestamp) => {
                events.insert(uuid.clone(), event.clone());
            }
            // The version before is better than none, should this update not come so far.
            known => {
                events.extend(known.map(|event| (uuid.clone(), event.clone())));
                wanted.push((seconds(&listed.timestamp), uuid));
            }
        }
    }
    wanted.sort_unstable_by(|one, other| other.cmp(one));
    for (_, uuid) in wanted.into_iter().take(MOST_EVENTS) {
        let body = conversation.get(&join(&base, &format!("{uuid}.json"))?)?;
        let event: Value = serde_json::from_slice(&body)
            .with_context(|| format!("the event {uuid} is no JSON; ask the provider"))?;
        events.insert(uuid.clone(), shortened(&event));
    }
    Ok(Fetched::Content(write(&events), Version::default()))
}

/// An identifier becomes part of an address.
fn check_identifier(uuid: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    ensure!(
        uuid.len() == 36 && uuid.bytes().all(allowed),
        "manifest.json names an event that is no UUID: {}; ask the provider",
        uuid.escape_debug()
    );
    Ok(())
}

fn seconds(value: &Value) -> i64 {
    let text = value.as_str().and_then(|text| text.parse().ok());
    text.or_else(|| value.as_i64()).unwrap_or(0)
}

/// The event without what is no address: events carry samples and pictures.
fn shortened(event: &Value) -> Value {
    let event = &event["Event"];
    let objects = event["Object"].as_array().into_iter().flatten();
    let objects: Vec<Value> = objects
        .map(|object| json!({ "Attribute": addresses(&object["Attribute"]) }))
        .filter(|object| {
            object["Attribute"]
                .as_array()
                .is_some_and(|it| !it.is_empty())
        })
        .collect();
    json!({ "Event": {
        "uuid": event["uuid"], "info": event["info"], "timestamp": event["timestamp"],
        "Attribute": addresses(&event["Attribute"]), "Object": objects,
    }})
}

fn addresses(attributes: &Value) -> Vec<Value> {
    let attributes = attributes.as_array().into_iter().flatten();
    let is_address = |it: &&Value| it["type"].as_str().is_some_and(|kind| kind.contains("ip-"));
    attributes.filter(is_address).cloned().collect()
}

fn read(copy: &[u8]) -> Events {
    let lines = copy.split(|&byte| byte == b'\n');
    let events = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let event = |it: Value| Some((it["Event"]["uuid"].as_str()?.to_owned(), it));
    events.filter_map(event).collect()
}

fn write(events: &Events) -> Vec<u8> {
    let lines = events.values().map(|event| format!("{event}\n"));
    lines.collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_keeps_its_addresses_and_nothing_large() {
        let attribute = |kind: &str| json!({"type": kind, "value": "x", "to_ids": true});
        let event = json!({"Event": {
            "uuid": "u", "info": "i", "timestamp": "7", "Orgc": {"name": "o"},
            "Attribute": [attribute("ip-dst"), attribute("attachment"), attribute("ip-dst|port")],
            "Object": [
                {"name": "file", "Attribute": [attribute("md5")]},
                {"name": "ip-port", "Attribute": [attribute("ip-src"), attribute("port")]},
            ],
        }});
        let short = shortened(&event);
        assert_eq!(short["Event"]["Attribute"].as_array().unwrap().len(), 2);
        assert_eq!(short["Event"]["Object"].as_array().unwrap().len(), 1);
        let events = Events::from([("u".to_owned(), short)]);
        assert_eq!(read(&write(&events)), events);
    }

    #[test]
    fn an_event_is_named_by_a_uuid_alone() {
        assert!(check_identifier("5b3d1c8e-1234-4abc-9def-0123456789ab").is_ok());
        for wrong in [
            "",
            "../../etc/passwd",
            "5b3d1c8e",
            "5b3d1c8e-1234-4abc-9def-0123456789a/",
        ] {
            assert!(check_identifier(wrong).is_err(), "{wrong}");
        }
    }
}
