//! `stix`: bundles of STIX 2.0 and 2.1, envelopes of TAXII, and indicators alone. Of each indicator the
//! pattern counts, in its newest version, unless it is revoked or its time is over. Observables that no
//! indicator speaks about are not called bad by anybody.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    How, Parsed, Refused, check_size,
    loose::{Text, flag},
    said::{Said, Skipped, word},
    stix_pattern::{self, Term},
    text,
    walk::{Path, Step, records},
};

#[derive(Deserialize)]
struct Object {
    #[serde(rename = "type", default)]
    kind: String,
    id: Option<Text>,
    modified: Option<Text>,
    pattern: Option<String>,
    pattern_type: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    revoked: bool,
    /// What it is a sign of (STIX 2.1 §4.7); STIX 2.0 has it among the labels.
    indicator_types: Option<Value>,
    labels: Option<Value>,
    valid_from: Option<Text>,
    valid_until: Option<Text>,
    confidence: Option<Text>,
    name: Option<Text>,
    description: Option<Text>,
}

impl Object {
    fn id(&self) -> &str {
        self.id.as_ref().map_or("", |id| &id.0)
    }

    /// From 0 to 100; some write it as a text, or with a fraction.
    fn confidence(&self) -> Option<f64> {
        self.confidence.as_ref()?.0.parse().ok()
    }

    fn is_benign(&self) -> bool {
        let mut called = [&self.indicator_types, &self.labels]
            .into_iter()
            .flatten()
            .filter_map(Value::as_array)
            .flatten()
            .filter_map(Value::as_str);
        let is_bad = called.clone().any(|it| it == "malicious-activity");
        !is_bad && called.any(|it| it == "benign")
    }
}

/// The newest version of each indicator: when it was modified, by a hash of its name.
type Newest = HashMap<u64, Option<Timestamp>>;

/// The indicators of the bundle.
///
/// # Errors
/// It is no JSON or cut off, none of its objects is an indicator, or the list is too long.
pub(super) fn parse(bytes: &[u8], how: &How, parsed: &mut Parsed) -> Result<(), Refused> {
    let mut newest = Newest::new();
    let mut indicators = 0_usize;
    let found = each_indicator(bytes, &mut |_, _, object| {
        indicators += 1;
        let modified = modified(object);
        let known = newest.entry(hash(object.id())).or_insert(modified);
        *known = (*known).max(modified);
        Ok(())
    })?;
    // Not an empty list: a collection of another kind, or one that lost what it was for.
    if indicators == 0 && found.objects > 0 {
        return Err(Refused(format!(
            "none of its {} objects is an indicator; observables and reports alone call nothing bad, \
             ask the provider for indicators",
            found.objects
        )));
    }
    each_indicator(bytes, &mut |line, value, object| {
        // Only the first of equal versions.
        let hash = hash(object.id());
        if object.id().is_empty() || newest.get(&hash) == Some(&modified(object)) {
            newest.remove(&hash);
            take(parsed, how, line, value, object);
        }
        check_size(parsed)
    })?;
    parsed.complete = found.has_place && found.are_objects;
    parsed.lines = text::lines(bytes).count();
    Ok(())
}

/// What stands where objects of STIX do.
struct Found {
    /// Whether there is such a place at all.
    has_place: bool,
    /// Whether everything in it is an object of STIX.
    are_objects: bool,
    /// Objects that say something, be they indicators or not.
    objects: usize,
}

/// Objects that are around what is said: whose it is, and who may read it.
const FRAME: [&str; 5] = [
    "bundle",
    "identity",
    "marking-definition",
    "extension-definition",
    "language-content",
];

/// Takes an indicator, by the line it stands on.
type Take<'t, 'de> = &'t mut dyn FnMut(u32, &'de RawValue, &Object) -> Result<(), Refused>;

/// Calls `take` for each indicator, wherever objects stand: in a bundle, in an array, also one of bundles,
/// alone.
fn each_indicator<'de>(bytes: &'de [u8], take: Take<'_, 'de>) -> Result<Found, Refused> {
    let alone = is_alone(bytes);
    let is_object = |path: &Path<'_>| match path {
        [] => alone,
        [Step::Item] => true,
        [Step::Key(key), Step::Item] => key == "objects",
        _ => false,
    };
    // A bundle in a bundle is nobody's, and each level would be read once more.
    let is_array = bytes.trim_ascii_start().starts_with(b"[");
    let (mut are_objects, mut objects) = (true, 0);
    let has_place = records(bytes, is_object, |line, value| {
        let object = serde_json::from_str::<Object>(value.get());
        let is_one = object.as_ref().is_ok_and(|it| !it.kind.is_empty());
        are_objects &= is_one;
        let frames = object.as_ref().is_ok_and(|it| FRAME.contains(&&*it.kind));
        objects += usize::from(is_one && !frames);
        match object {
            Ok(object) if object.kind == "indicator" => take(line, value, &object),
            Ok(object) if object.kind == "bundle" && is_array => {
                let mut of_it = |within: u32, value: &'de RawValue, object: &Object| {
                    take(line + within - 1, value, object)
                };
                let found = each_indicator(value.get().as_bytes(), &mut of_it)?;
                are_objects &= found.are_objects;
                objects += found.objects;
                Ok(())
            }
            _ => Ok(()),
        }
    })?;
    Ok(Found {
        has_place,
        are_objects,
        objects,
    })
}

/// Whether the document is an indicator itself.
pub(super) fn is_alone(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Outside {
        #[serde(rename = "type")]
        kind: String,
    }
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Outside>();
    matches!(values.next(), Some(Ok(outside)) if outside.kind == "indicator")
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

fn time(text: &Option<Text>) -> Option<Timestamp> {
    text.as_ref()?.0.parse().ok()
}

fn modified(object: &Object) -> Option<Timestamp> {
    time(&object.modified)
}

fn take(parsed: &mut Parsed, how: &How, line: u32, value: &RawValue, object: &Object) {
    let until = time(&object.valid_until);
    let kind = object.pattern_type.as_deref().unwrap_or("stix");
    let minimum = how.options.minimum.map(f64::from);
    if object.revoked {
        parsed.skip(Skipped::Revoked);
    } else if object.is_benign() {
        parsed.skip(Skipped::Benign);
    } else if until.is_some_and(|until| how.at.is_some_and(|at| until <= at)) {
        parsed.skip(Skipped::Expired);
    } else if object
        .confidence()
        .zip(minimum)
        .is_some_and(|(it, minimum)| it < minimum)
    {
        parsed.skip(Skipped::BelowMinimum);
    } else if kind != "stix" {
        parsed.skip(Skipped::Other);
    } else if let Err(reason) = take_pattern(parsed, line, object) {
        parsed.reject(
            line,
            object.pattern.as_deref().unwrap_or(value.get()).as_bytes(),
            reason,
        );
    } else if let Some(until) = until {
        parsed.expires(until);
    }
}

fn take_pattern(parsed: &mut Parsed, line: u32, object: &Object) -> Result<(), &'static str> {
    let pattern = object
        .pattern
        .as_deref()
        .ok_or("an indicator without `pattern`")?;
    for term in stix_pattern::terms(pattern)? {
        match term {
            Term::Item(item, port) => parsed.add_item(line, item, port)?,
            Term::Name => parsed.skip(Skipped::Name),
            Term::Other => parsed.skip(Skipped::Other),
        }
    }
    parsed.say(line, || said(object));
    Ok(())
}

fn said(object: &Object) -> Said {
    let of = |text: &Option<Text>| text.as_ref().and_then(|text| word(&text.0));
    Said {
        family: of(&object.name),
        first_seen: of(&object.valid_from),
        confidence: of(&object.confidence),
        description: of(&object.description),
        ..Said::default()
    }
}
