//! Which format JSON is of, by its keys.

use std::collections::BTreeSet;

use super::{
    Format, Refused, crowdsec, spamhaus_json, stix, text,
    walk::{Path, Step, Visit, walk},
};

/// Keys and texts that are looked at.
const MOST: usize = 20_000;

/// The format; nothing if `bytes` are no JSON.
pub(super) fn look(bytes: &[u8]) -> Option<Format> {
    if !is_json(bytes) {
        return None;
    }
    let first = text::lines(bytes)
        .next()
        .map_or(&[][..], |(_, line)| line.trim_ascii());
    if spamhaus_json::begins_with(first) {
        return Some(Format::SpamhausJson);
    }
    if crowdsec::begins_with(first) {
        return Some(Format::Crowdsec);
    }
    let mut shape = Shape::default();
    // Cut off or not, the parser of the format says it better.
    let _ = walk(bytes, &mut shape);
    Some(shape.format(bytes))
}

/// A bracket may also begin `[2001:db8::1]:443`.
fn is_json(bytes: &[u8]) -> bool {
    let next = bytes
        .get(1..)
        .and_then(|rest| rest.trim_ascii_start().first());
    match bytes.first() {
        Some(b'{') => matches!(next, Some(b'"' | b'}')),
        Some(b'[') => matches!(next, Some(b'"' | b'{' | b'[' | b']')),
        _ => false,
    }
}

/// What is where: paths with `[]` for arrays, without the keys that differ from record to record.
#[derive(Default)]
struct Shape {
    keys: BTreeSet<String>,
    is_bundle: bool,
    seen: usize,
}

impl<'de> Visit<'de> for Shape {
    fn key(&mut self, _: u32, path: &Path<'de>, key: &str) -> Result<(), Refused> {
        self.seen += 1;
        if self.seen > MOST {
            return Err(Refused("enough".to_owned()));
        }
        let mut text: String = path.iter().map(step).collect();
        text.push('.');
        text.push_str(key);
        self.keys.insert(text);
        Ok(())
    }

    fn text(&mut self, _: u32, path: &Path<'de>, text: &str) -> Result<(), Refused> {
        self.is_bundle |= matches!(path, [Step::Key(key)] if key == "type") && text == "bundle";
        Ok(())
    }
}

fn step(step: &Step<'_>) -> String {
    match step {
        Step::Item => "[]".to_owned(),
        Step::Key(key) if key.bytes().all(|byte| byte.is_ascii_digit()) => ".*".to_owned(),
        Step::Key(key) => format!(".{key}"),
    }
}

impl Shape {
    fn has(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    fn format(&self, bytes: &[u8]) -> Format {
        let ends = |key: &str| self.keys.iter().any(|it| it.ends_with(key));
        let warninglist = [".matching_attributes", ".version", ".type", ".description"];
        let stix = self.is_bundle
            || self.has(".objects[].pattern")
            || (self.has(".objects[].type") && self.has(".objects[].id"))
            || (self.has("[].pattern") && self.has("[].type"))
            || (self.has("[].objects[].type") && self.has("[].objects[].id"))
            || stix::is_alone(bytes);
        if stix {
            Format::Stix
        } else if self.has(".nftables") {
            Format::NftJson
        } else if ends(".Attribute") || ends(".Attribute[].to_ids") || self.has(".Event") {
            Format::Misp
        } else if self.has(".list")
            && warninglist.iter().any(|key| self.has(key))
            && !self.keys.iter().any(|key| key.starts_with(".list[]."))
        {
            Format::MispWarninglist
        } else if crowdsec::ANSWERS
            .iter()
            .any(|keys| keys.iter().all(|key| self.has(key)))
        {
            Format::Crowdsec
        } else if self.has("[].ip_address") && self.has("[].port") && self.has("[].malware") {
            Format::FeodoJson
        } else if [".data[]", "[]", ".*[]"].iter().any(|path| {
            ["ioc", "ioc_value"]
                .iter()
                .any(|key| self.has(&format!("{path}.{key}")))
        }) && ends(".ioc_type")
        {
            Format::ThreatfoxJson
        } else {
            Format::Json
        }
    }
}
