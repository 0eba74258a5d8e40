//! A TAXII 2.1 collection (OASIS TAXII Version 2.1, §4 and §5). The copy is a STIX 2.1 bundle of all its
//! indicators that still hold.
//!
//! Asked with `added_after` a server tells what came since; what it removed it never tells, so that
//! everything is asked for again once a day.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::{HeaderValue, Uri, header};

use super::{Conversation, Question, join};
use crate::feed::fetch::{Fetched, Version};

/// §1.6.8.1, "TAXII Media Types".
const MEDIA_TYPE: &str = "application/taxii+json;version=2.1";

/// Objects asked for at once; a server gives fewer if it likes.
const PAGE: usize = 1_000;

/// Pages of one update. A server that goes on for ever is stopped here at the latest.
const MOST_PAGES: usize = 10_000;

/// Indicators of one collection: they are kept as the server wrote them.
const MOST_OBJECTS: usize = 500_000;

/// Everything is asked for again after this.
const RESYNC: SignedDuration = SignedDuration::from_hours(24);

/// The last page's `X-TAXII-Date-Added-Last` (§3.4), from which to go on.
const ADDED_LAST: &str = "x-taxii-date-added-last";

#[derive(Debug, Deserialize)]
struct Discovery {
    #[serde(default)]
    api_roots: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Collections {
    #[serde(default)]
    collections: Vec<Collection>,
}

#[derive(Debug, Deserialize)]
struct Collection {
    id: String,
    title: String,
    can_read: bool,
}

/// §3.7. A page without objects may be `{}`.
#[derive(Debug, Default, Deserialize)]
struct Envelope {
    #[serde(default)]
    more: bool,
    next: Option<String>,
    #[serde(default)]
    objects: Vec<Value>,
}

/// How far a collection is known.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cursor {
    /// When everything was asked for.
    synced: Timestamp,
    /// What came up to then is known, in the server's own words.
    added_last: Option<String>,
}

/// Indicators by identifier.
type Objects = BTreeMap<String, Value>;

pub fn ask(question: &Question) -> Result<Fetched> {
    let now = question.now;
    let known = question.before.and_then(|(copy, version)| {
        let cursor = Cursor::read(version.cursor.as_deref()?)?;
        let due = cursor.synced.checked_add(RESYNC).ok()?;
        (now < due).then(|| (read(copy), cursor))
    });
    let (mut objects, mut cursor) = known.unwrap_or_else(|| {
        let cursor = Cursor {
            synced: now,
            added_last: None,
        };
        (Objects::new(), cursor)
    });
    let mut conversation = Conversation::new(question)?;
    let accept = (header::ACCEPT, HeaderValue::from_static(MEDIA_TYPE));
    conversation.headers.push(accept);
    let collection = find(&conversation, question)?;
    cursor.added_last = follow(&conversation, &collection, cursor.added_last, &mut objects)?;
    let version = Version {
        cursor: Some(cursor.write()),
        ..Version::default()
    };
    Ok(Fetched::Content(write(&objects, now), version))
}

impl Cursor {
    fn read(text: &str) -> Option<Self> {
        let (synced, added_last) = text.split_once(' ')?;
        Some(Self {
            synced: synced.parse().ok()?,
            added_last: Some(added_last.to_owned()).filter(|it| !it.is_empty()),
        })
    }

    fn write(&self) -> String {
        let added_last = self.added_last.as_deref().unwrap_or_default();
        format!("{} {added_last}", self.synced)
    }
}

/// The address of the collection, from that of the server, of an API root or of the collection.
fn find(conversation: &Conversation, question: &Question) -> Result<Uri> {
    let address = question.address;
    if address.path().contains("/collections/") {
        return join(&slashed(address)?, "objects/");
    }
    let body = conversation.get(address)?;
    let discovery: Discovery = serde_json::from_slice(&body)
        .context("the answer is no TAXII 2.1 discovery; is this the address of a TAXII server?")?;
    let mut roots = vec![slashed(address)?];
    if !discovery.api_roots.is_empty() {
        let named = discovery.api_roots.iter();
        roots = named
            .map(|root| join(address, root))
            .collect::<Result<_>>()?;
    }
    let mut found = Vec::new();
    for root in roots {
        let root = slashed(&root)?;
        let body = conversation.get(&join(&root, "collections/")?)?;
        let answer: Collections =
            serde_json::from_slice(&body).context("the answer is no list of collections")?;
        let readable = answer.collections.into_iter().filter(|it| it.can_read);
        found.extend(readable.map(|collection| (root.clone(), collection)));
    }
    let (root, collection) = choose(found, question.collection)?;
    join(&root, &format!("collections/{}/objects/", collection.id))
}

fn choose(mut found: Vec<(Uri, Collection)>, wanted: Option<&str>) -> Result<(Uri, Collection)> {
    let titles = |found: &[(Uri, Collection)]| {
        let titles = found
            .iter()
            .map(|(_, it)| format!("'{}' ({})", it.title, it.id));
        titles.collect::<Vec<_>>().join(", ")
    };
    let all = titles(&found);
    if let Some(wanted) = wanted {
        found.retain(|(_, it)| it.id == wanted || it.title == wanted);
    }
    match (found.len(), wanted) {
        (1, _) => Ok(found.remove(0)),
        (0, None) => bail!("the server has no collection that this key may read"),
        (0, Some(wanted)) => bail!("there is no collection '{wanted}'; there are {all}"),
        _ => bail!("there are several collections; name one with 'collection': {all}"),
    }
}

fn slashed(address: &Uri) -> Result<Uri> {
    let text = address.to_string();
    let text = text.trim_end_matches('/');
    format!("{text}/")
        .parse()
        .context("the address of the server is none")
}

/// Takes page after page in, and returns from where to go on the next time (§3.5 and the paging of
/// §5.4: with `next` the same question, without it from the last object on).
fn follow(
    conversation: &Conversation,
    collection: &Uri,
    mut added_after: Option<String>,
    objects: &mut Objects,
) -> Result<Option<String>> {
    let mut next: Option<String> = None;
    let mut added_last = added_after.clone();
    for _ in 0..MOST_PAGES {
        let address = page(collection, added_after.as_deref(), next.as_deref())?;
        let response = conversation.client.get(&address, &conversation.headers)?;
        let last = response.headers().get(ADDED_LAST);
        let last = last.and_then(|last| Some(last.to_str().ok()?.to_owned()));
        let body = conversation.client.success(response)?;
        let envelope: Envelope =
            serde_json::from_slice(&body).context("the answer is no TAXII 2.1 envelope")?;
        let news = take(objects, envelope.objects);
        let moved = last.is_some() && last != added_last;
        added_last = last.or(added_last);
        ensure!(
            objects.len() <= MOST_OBJECTS,
            "the collection has more than {MOST_OBJECTS} indicators; ask for a smaller one"
        );
        // A server that repeats itself would be followed without end.
        if !envelope.more || !(news || moved) {
            return Ok(added_last);
        }
        next = envelope.next.filter(|next| !next.is_empty());
        if next.is_none() {
            added_after = added_last.clone();
        }
    }
    bail!("the server sent {MOST_PAGES} pages and had more; ask who runs it")
}

fn page(collection: &Uri, added_after: Option<&str>, next: Option<&str>) -> Result<Uri> {
    // Some servers want the limit with each page and not only with the first.
    let mut address = format!("{collection}?limit={PAGE}&match%5Btype%5D=indicator");
    for (name, value) in [("added_after", added_after), ("next", next)] {
        if let Some(value) = value {
            address.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    address
        .parse()
        .context("the server names a page that cannot be asked for")
}

/// RFC 3986 §2.1: everything but unreserved characters as `%XX`.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Takes the newest version of each indicator; says whether any was new.
fn take(objects: &mut Objects, page: Vec<Value>) -> bool {
    let mut news = false;
    for object in page {
        let (Some("indicator"), Some(id)) = (object["type"].as_str(), object["id"].as_str()) else {
            continue;
        };
        let newer = |known: &Value| modified(known) < modified(&object);
        if objects.get(id).is_none_or(newer) {
            objects.insert(id.to_owned(), object);
            news = true;
        }
    }
    news
}

fn modified(object: &Value) -> Option<Timestamp> {
    object["modified"].as_str()?.parse().ok()
}

fn read(copy: &[u8]) -> Objects {
    let bundle: Value = serde_json::from_slice(copy).unwrap_or_default();
    let objects = bundle["objects"].as_array().cloned().unwrap_or_default();
    let object = |it: Value| Some((it["id"].as_str()?.to_owned(), it));
    objects.into_iter().filter_map(object).collect()
}

/// A bundle with an object on each line. What was revoked is kept, or its older version would come
/// back; what has ended is not.
fn write(objects: &Objects, now: Timestamp) -> Vec<u8> {
    let ended = |object: &Value| {
        let until = object["valid_until"].as_str();
        until
            .and_then(|it| it.parse().ok())
            .is_some_and(|until: Timestamp| until <= now)
    };
    let lines: Vec<String> = objects
        .values()
        .filter(|object| !ended(object))
        .map(Value::to_string)
        .collect();
    let head = json!({"type": "bundle", "id": "bundle--6f2f1f0e-7d4c-4c1e-9f6b-0a5f0e8d1c2b"});
    let head = head.to_string();
    let head = head.trim_end_matches('}');
    format!("{head},\"objects\":[\n{}\n]}}\n", lines.join(",\n")).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indicator(id: &str, modified: &str, until: Option<&str>) -> Value {
        let mut object = json!({"type": "indicator", "id": id, "modified": modified});
        if let Some(until) = until {
            object["valid_until"] = json!(until);
        }
        object
    }

    #[test]
    fn the_newest_version_of_an_indicator_counts() {
        let mut objects = Objects::new();
        let old = indicator("indicator--1", "2026-01-01T00:00:00Z", None);
        let new = indicator("indicator--1", "2026-02-01T00:00:00.5Z", None);
        assert!(take(&mut objects, vec![new.clone()]));
        assert!(!take(&mut objects, vec![old, new.clone()]));
        assert_eq!(objects["indicator--1"], new);
    }

    #[test]
    fn a_copy_reads_back_without_what_has_ended() {
        let now: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        let mut objects = Objects::new();
        let live = indicator(
            "indicator--1",
            "2026-01-01T00:00:00Z",
            Some("2027-01-01T00:00:00Z"),
        );
        let ended = indicator(
            "indicator--2",
            "2026-01-01T00:00:00Z",
            Some("2026-02-01T00:00:00Z"),
        );
        take(&mut objects, vec![live.clone(), ended]);
        let copy = write(&objects, now);
        assert_eq!(
            read(&copy),
            Objects::from([("indicator--1".to_owned(), live)])
        );
        let bundle: Value = serde_json::from_slice(&copy).unwrap();
        assert_eq!(bundle["type"], "bundle");
    }

    #[test]
    fn a_cursor_reads_back() {
        for added_last in [None, Some("2026-11-23T00:00:00.000001Z".to_owned())] {
            let cursor = Cursor {
                synced: Timestamp::UNIX_EPOCH,
                added_last,
            };
            assert_eq!(Cursor::read(&cursor.write()), Some(cursor));
        }
    }

    #[test]
    fn what_a_server_names_is_encoded() {
        assert_eq!(encoded("a b&c=é/-._~"), "a%20b%26c%3D%C3%A9%2F-._~");
    }
}
