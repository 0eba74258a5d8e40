//! `nft-json`: sets as `nft --json list ruleset` prints them. A member is a text, a prefix, a range, an
//! address with a port (`concat`), or one of these with a time to live. Maps are left out.

use std::net::IpAddr;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, value::RawValue};

use super::{
    Parsed, Refused, check_size,
    item::{Item, item},
    nft::concatenated,
    said::{Said, Skipped, kind_of, word},
    text,
    walk::{Path, Step, is_item_of, records},
};
use crate::{address::Prefix, subject::Port};

/// A member of a set.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Member {
    Prefix {
        addr: String,
        len: u8,
    },
    Range([String; 2]),
    Concat(Vec<Value>),
    Elem {
        val: Box<AnyMember>,
        comment: Option<String>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AnyMember {
    Text(String),
    Other(Member),
    /// Numbers, and what sets of other things than addresses hold.
    Foreign(IgnoredAny),
}

/// The addresses in all sets.
///
/// # Errors
/// It is no JSON or cut off, or the list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    // Maps, and what a command takes out.
    let is_other = |step: &Step<'_>| matches!(step, Step::Key(key) if ["map", "delete", "destroy"].contains(&&**key));
    let is_member = |path: &Path<'_>| is_item_of(path, "elem") && !path.iter().any(is_other);
    records(bytes, is_member, |line, value| {
        take(parsed, line, value);
        check_size(parsed)
    })?;
    parsed.lines = text::lines(bytes).count();
    // An empty set has no `elem`.
    #[derive(Deserialize)]
    struct Outside {
        #[serde(rename = "nftables")]
        _objects: Vec<IgnoredAny>,
    }
    parsed.complete = parsed.entries > 0 || serde_json::from_slice::<Outside>(bytes).is_ok();
    Ok(())
}

fn take(parsed: &mut Parsed, line: u32, value: &RawValue) {
    let Ok(member) = serde_json::from_str::<AnyMember>(value.get()) else {
        return parsed.reject(line, value.get().as_bytes(), "no member of a set");
    };
    let added = entry(&member).and_then(|(item, port)| parsed.add_item(line, item, port));
    match (added, member) {
        (Ok(()), member) => parsed.say(line, || said(&member)),
        (Err(_), AnyMember::Foreign(_)) => parsed.skip(Skipped::Other),
        (Err(_), AnyMember::Text(text)) => {
            // Interfaces, protocols, other sets.
            parsed.skip(kind_of(text.as_bytes()).unwrap_or(Skipped::Other));
        }
        (Err(reason), AnyMember::Other(_)) => {
            parsed.reject(line, value.get().as_bytes(), reason);
        }
    }
}

fn entry(member: &AnyMember) -> Result<(Item, Option<Port>), &'static str> {
    match member {
        AnyMember::Text(text) => Ok((item(text.as_bytes())?, None)),
        AnyMember::Foreign(_) => Err("no address"),
        AnyMember::Other(Member::Elem { val, .. }) => entry(val),
        AnyMember::Other(Member::Prefix { addr, len }) => Ok((prefix(addr, *len)?, None)),
        AnyMember::Other(Member::Range([first, last])) => {
            let address =
                |text: &String| text::address(text.as_bytes()).ok_or("no address in the range");
            Ok((Item::Range(address(first)?, address(last)?), None))
        }
        AnyMember::Other(Member::Concat(parts)) => {
            let text = |part: &Value| match part {
                Value::String(text) => text.clone(),
                Value::Object(object) => of_prefix(object).unwrap_or_default(),
                part => part.to_string(),
            };
            let parts: Vec<String> = parts.iter().map(text).collect();
            concatenated(parts.iter().map(String::as_str))
        }
    }
}

fn of_prefix(object: &serde_json::Map<String, Value>) -> Option<String> {
    let prefix = object.get("prefix")?;
    Some(format!(
        "{}/{}",
        prefix.get("addr")?.as_str()?,
        prefix.get("len")?
    ))
}

fn prefix(address: &str, length: u8) -> Result<Item, &'static str> {
    match text::address(address.as_bytes()) {
        Some(IpAddr::V4(address)) if length <= 32 => {
            Ok(Item::Prefix(Prefix::V4(address.to_bits(), length)))
        }
        Some(IpAddr::V6(address)) if length <= 128 => {
            Ok(Item::Prefix(Prefix::V6(address.to_bits(), length)))
        }
        _ => Err("no prefix of an address"),
    }
}

fn said(member: &AnyMember) -> Said {
    let comment = match member {
        AnyMember::Other(Member::Elem { comment, .. }) => comment.as_deref().and_then(word),
        _ => None,
    };
    Said {
        description: comment,
        ..Said::default()
    }
}
