//! `stix`: bundles of STIX 2.0 and 2.1, envelopes of TAXII, and indicators alone. Of each indicator the
//! pattern counts, in its newest version, unless it is revoked or its time is over. Observables that no
//! indicator speaks about are not called bad by anybody.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    How, Parsed, Refused, check_size,
    loose::flag,
    said::{Said, Skipped, word},
    stix_pattern::{self, Term},
    text,
    walk::{Path, Step, records},
};

#[derive(Deserialize)]
struct Object {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    id: String,
    modified: Option<String>,
    pattern: Option<String>,
    pattern_type: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    revoked: bool,
    valid_from: Option<String>,
    valid_until: Option<String>,
    confidence: Option<u32>,
    name: Option<String>,
    description: Option<String>,
}

/// The newest version of each indicator: when it was modified, by a hash of its name.
type Newest = HashMap<u64, Option<Timestamp>>;

/// The indicators of the bundle.
///
/// # Errors
/// It is no JSON or cut off, or the list is too long.
pub(super) fn parse(bytes: &[u8], how: &How, parsed: &mut Parsed) -> Result<(), Refused> {
    let mut newest = Newest::new();
    each_object(bytes, |_, _, object| {
        let modified = modified(object);
        let known = newest.entry(hash(&object.id)).or_insert(modified);
        *known = (*known).max(modified);
        Ok(())
    })?;
    parsed.complete = each_object(bytes, |line, value, object| {
        // Only the first of equal versions.
        let hash = hash(&object.id);
        if object.id.is_empty() || newest.get(&hash) == Some(&modified(object)) {
            newest.remove(&hash);
            take(parsed, how, line, value, object);
        }
        check_size(parsed)
    })?;
    parsed.lines = text::lines(bytes).count();
    Ok(())
}

/// Calls `take` for each indicator, wherever objects stand: in a bundle, in an array, alone. Returns
/// whether there is such a place, and everything in it is an object of STIX.
fn each_object<'de>(
    bytes: &'de [u8],
    mut take: impl FnMut(u32, &'de RawValue, &Object) -> Result<(), Refused>,
) -> Result<bool, Refused> {
    let alone = is_alone(bytes);
    let is_object = |path: &Path<'_>| match path {
        [] => alone,
        [Step::Item] => true,
        [Step::Key(key), Step::Item] => key == "objects",
        _ => false,
    };
    let mut all_are_objects = true;
    let has_place = records(bytes, is_object, |line, value| {
        let object = serde_json::from_str::<Object>(value.get());
        all_are_objects &= object.as_ref().is_ok_and(|it| !it.kind.is_empty());
        match object {
            Ok(object) if object.kind == "indicator" => take(line, value, &object),
            _ => Ok(()),
        }
    })?;
    Ok(has_place && all_are_objects)
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

fn time(text: &Option<String>) -> Option<Timestamp> {
    text.as_ref()?.parse().ok()
}

fn modified(object: &Object) -> Option<Timestamp> {
    time(&object.modified)
}

fn take(parsed: &mut Parsed, how: &How, line: u32, value: &RawValue, object: &Object) {
    let until = time(&object.valid_until);
    let kind = object.pattern_type.as_deref().unwrap_or("stix");
    let minimum = how.options.minimum.unwrap_or(0);
    if object.revoked {
        parsed.skip(Skipped::Revoked);
    } else if until.is_some_and(|until| how.at.is_some_and(|at| until <= at)) {
        parsed.skip(Skipped::Expired);
    } else if object
        .confidence
        .is_some_and(|confidence| confidence < minimum)
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
    let of = |text: &Option<String>| text.as_deref().and_then(word);
    Said {
        family: of(&object.name),
        first_seen: of(&object.valid_from),
        confidence: object.confidence.map(|confidence| confidence.to_string()),
        description: of(&object.description),
        ..Said::default()
    }
}
