//! `feodo-json` and `threatfox-json`: what abuse.ch publishes as objects, each an address with a port
//! or, in ThreatFox, an indicator of another type as well.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Options, Parsed, Refused, check_size,
    item::item,
    loose::{Text, flag},
    said::{Said, Skipped, kind_of, word},
    tabular::port_number,
    text,
    walk::{Path, Step, records},
};
use crate::{ruleset::Protocol, subject::Port};

#[derive(Deserialize)]
struct Feodo {
    ip_address: String,
    port: Option<Text>,
    status: Option<String>,
    first_seen: Option<String>,
    last_online: Option<String>,
    malware: Option<String>,
}

/// The indicators of the Feodo Tracker. An empty array is an empty list.
///
/// # Errors
/// It is no JSON or cut off, or the list is too long.
pub(super) fn parse_feodo(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    each(bytes, parsed, |parsed, line, value| {
        let record: Feodo = serde_json::from_str(value.get())
            .map_err(|_| "no object with `ip_address`, `port` and `malware`")?;
        let number = record.port.as_ref().and_then(|port| port_number(&port.0));
        let port = Port {
            number: number.ok_or("no `port` from 1 to 65535")?,
            protocol: Some(Protocol::Tcp),
        };
        parsed.add_item(line, item(record.ip_address.as_bytes())?, Some(port))?;
        let said = |text: Option<String>| text.as_deref().and_then(word);
        parsed.say(line, || Said {
            family: said(record.malware),
            status: said(record.status),
            first_seen: said(record.first_seen),
            last_seen: said(record.last_online),
            ..Said::default()
        });
        Ok(())
    })
}

#[derive(Deserialize)]
struct ThreatFox {
    #[serde(alias = "ioc_value")]
    ioc: String,
    malware_printable: Option<String>,
    confidence_level: Option<Text>,
    #[serde(alias = "first_seen_utc")]
    first_seen: Option<String>,
    #[serde(alias = "last_seen_utc")]
    last_seen: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    is_compromised: bool,
}

/// The indicators of ThreatFox: an array `data`, or an object of arrays by number.
///
/// # Errors
/// It is no JSON or cut off, or the list is too long.
pub(super) fn parse_threatfox(
    bytes: &[u8],
    options: &Options,
    parsed: &mut Parsed,
) -> Result<(), Refused> {
    each(bytes, parsed, |parsed, line, value| {
        let record: ThreatFox =
            serde_json::from_str(value.get()).map_err(|_| "no object with `ioc`")?;
        let entry = match item(record.ioc.as_bytes()) {
            Ok(entry) => entry,
            Err(reason) => {
                parsed.skip(kind_of(record.ioc.as_bytes()).ok_or(reason)?);
                return Ok(());
            }
        };
        let confidence = record
            .confidence_level
            .as_ref()
            .and_then(|it| it.0.parse::<u32>().ok());
        if record.is_compromised {
            parsed.skip(Skipped::Compromised);
        } else if options
            .minimum
            .is_some_and(|minimum| confidence.unwrap_or(100) < minimum)
        {
            parsed.skip(Skipped::BelowMinimum);
        } else {
            parsed.add_item(line, entry, None)?;
            let said = |text: Option<String>| text.as_deref().and_then(word);
            parsed.say(line, || Said {
                family: said(record.malware_printable),
                confidence: said(record.confidence_level.map(|text| text.0)),
                first_seen: said(record.first_seen),
                last_seen: said(record.last_seen),
                ..Said::default()
            });
        }
        Ok(())
    })
}

/// Calls `take` for each object in an array; an error rejects it.
fn each(
    bytes: &[u8],
    parsed: &mut Parsed,
    mut take: impl FnMut(&mut Parsed, u32, &RawValue) -> Result<(), &'static str>,
) -> Result<(), Refused> {
    let is_record = |path: &Path<'_>| path.last() == Some(&Step::Item) && path.len() <= 3;
    let has_list = records(bytes, is_record, |line, value| {
        if let Err(reason) = take(parsed, line, value) {
            parsed.reject(line, value.get().as_bytes(), reason);
        }
        check_size(parsed)
    })?;
    parsed.lines = text::lines(bytes).count();
    parsed.complete = has_list;
    Ok(())
}
