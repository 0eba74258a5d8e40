//! `misp`: events of MISP as its feeds publish them and its API answers. Attributes stand in the event
//! or in objects of it, at any depth of the wrapping: `Event`, `response`, arrays of events.
//!
//! Only what is meant for detection (`to_ids`) and not deleted is an entry.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Parsed, Refused, check_size,
    item::item,
    loose::{Text, flag},
    said::{Said, Skipped, word},
    tabular::port_number,
    text,
    walk::{Step, is_item_of, records},
};
use crate::subject::Port;

#[derive(Deserialize)]
struct Attribute {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    object_relation: Option<String>,
    value: Option<Text>,
    #[serde(default, deserialize_with = "flag")]
    to_ids: bool,
    #[serde(default, deserialize_with = "flag")]
    deleted: bool,
    category: Option<Text>,
    comment: Option<Text>,
    first_seen: Option<Text>,
    last_seen: Option<Text>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    name: String,
    #[serde(default, deserialize_with = "flag")]
    deleted: bool,
    #[serde(rename = "Attribute", default)]
    attributes: Vec<Attribute>,
}

impl Object {
    fn is_empty(&self) -> bool {
        self.name.is_empty() && self.attributes.is_empty()
    }
}

/// The indicators of all events.
///
/// # Errors
/// It is no JSON or cut off, or the list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    // Events that are only mentioned, and what others propose, is nobody's word yet.
    let is_aside = |step: &Step<'_>| matches!(step, Step::Key(key) if ["RelatedEvent", "ShadowAttribute"].contains(&&**key));
    let has_list = records(
        bytes,
        |path| {
            let is_record = is_item_of(path, "Object") || is_item_of(path, "Attribute");
            is_record && !path.iter().any(is_aside)
        },
        |line, value| {
            take(parsed, line, value);
            check_size(parsed)
        },
    )?;
    parsed.lines = text::lines(bytes).count();
    parsed.complete = has_list;
    Ok(())
}

/// An attribute has a value; what has none is an object.
fn take(parsed: &mut Parsed, line: u32, value: &RawValue) {
    let attribute = serde_json::from_str::<Attribute>(value.get());
    if let Some(attribute) = attribute.ok().filter(|it| it.value.is_some()) {
        return take_attribute(parsed, line, &attribute, false, None);
    }
    match serde_json::from_str::<Object>(value.get()) {
        Ok(object) if !object.is_empty() => take_object(parsed, line, &object),
        _ => parsed.reject(line, value.get().as_bytes(), "neither attribute nor object"),
    }
}

fn take_object(parsed: &mut Parsed, line: u32, object: &Object) {
    let port = object_port(object);
    for attribute in &object.attributes {
        // Of a connection it is the port of who was called.
        let port = port.filter(|_| object.name == "ip-port" || attribute.kind == "ip-dst");
        take_attribute(parsed, line, attribute, object.deleted, port);
    }
}

/// The one port that an object of addresses and ports names.
fn object_port(object: &Object) -> Option<Port> {
    const NAMES: [&str; 3] = ["ip-port", "network-connection", "network-socket"];
    if !NAMES.contains(&object.name.as_str()) {
        return None;
    }
    let is_port = |it: &&Attribute| it.object_relation.as_deref() == Some("dst-port");
    let mut ports = object.attributes.iter().filter(is_port);
    let number = port_number(&ports.next()?.value.as_ref()?.0)?;
    ports.next().is_none().then_some(Port {
        number,
        protocol: None,
    })
}

fn take_attribute(
    parsed: &mut Parsed,
    line: u32,
    attribute: &Attribute,
    deleted: bool,
    port: Option<Port>,
) {
    let value = attribute
        .value
        .as_ref()
        .map_or("", |value| value.0.as_str());
    let Some((address, own_port)) = address_of(&attribute.kind, value) else {
        let names = ["domain", "hostname", "domain|ip", "url", "uri"];
        let is_name = names.contains(&attribute.kind.as_str());
        // A port or a note beside an address is not something that could not be used.
        if attribute.object_relation.is_none() || is_name {
            parsed.skip(if is_name {
                Skipped::Name
            } else {
                Skipped::Other
            });
        }
        return;
    };
    if attribute.deleted || deleted {
        return parsed.skip(Skipped::Revoked);
    }
    if !attribute.to_ids {
        return parsed.skip(Skipped::NotForDetection);
    }
    let own_port = own_port.map(|text| {
        let number = port_number(text).ok_or("no port from 1 to 65535 after the `|`")?;
        Ok(Port {
            number,
            protocol: None,
        })
    });
    let added = own_port
        .transpose()
        .and_then(|own_port| parsed.add_item(line, item(address.as_bytes())?, own_port.or(port)));
    match added {
        Ok(()) => parsed.say(line, || said(attribute)),
        Err(reason) => parsed.reject(line, value.as_bytes(), reason),
    }
}

/// The address in a value, and the port after it, by the type of the attribute.
fn address_of<'a>(kind: &str, value: &'a str) -> Option<(&'a str, Option<&'a str>)> {
    match kind {
        "ip-dst" | "ip-src" => Some((value, None)),
        "ip-dst|port" | "ip-src|port" => match value.split_once('|') {
            Some((address, port)) => Some((address.trim(), Some(port.trim()))),
            None => Some((value, None)),
        },
        "domain|ip" => Some((value.split_once('|')?.1.trim(), None)),
        _ => None,
    }
}

fn said(attribute: &Attribute) -> Said {
    let of = |text: &Option<Text>| text.as_ref().and_then(|text| word(&text.0));
    Said {
        status: of(&attribute.category),
        description: of(&attribute.comment),
        first_seen: of(&attribute.first_seen),
        last_seen: of(&attribute.last_seen),
        ..Said::default()
    }
}
