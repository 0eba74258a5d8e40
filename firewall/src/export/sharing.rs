//! What analysts exchange: STIX 2.1 and MISP.
//!
//! Names of entries are made from what they are about, so that the same entry has the same name in
//! every export of this site.

use std::{collections::HashSet, io::Write, net::IpAddr};

use anyhow::Result;
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Export, Verdict};
use crate::{config::Direction, subject::Subject};

impl Export<'_> {
    /// A UUID that is always the same for the same text at this site. It has the form of version 5,
    /// the one for names, as the schema of STIX knows none newer; its digest is SHA-256.
    fn uuid(&self, text: &str) -> String {
        let digest = Sha256::digest(format!("firewall export\n{}\n{text}", self.site));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes[6] = bytes[6] & 0x0f | 0x50;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let [a, b, c, d, e] = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| &hex[range]);
        format!("{a}-{b}-{c}-{d}-{e}")
    }
}

/// A bundle of indicators.
pub fn stix(export: &Export, output: &mut dyn Write) -> Result<()> {
    let now = format!("{:.3}", export.now);
    // What an identifier stands for was never created at another time; we do not know when it was.
    let created = format!("{:.3}", Timestamp::UNIX_EPOCH);
    let bundle = export.uuid(&format!("bundle {now}"));
    write!(
        output,
        "{{\"type\":\"bundle\",\"id\":\"bundle--{bundle}\",\"objects\":["
    )?;
    let mut between = "\n";
    export.rows(|subject, verdict, sources| {
        let indicator = json!({
            "type": "indicator", "spec_version": "2.1",
            "id": format!("indicator--{}", export.uuid(&subject.to_string())),
            "created": created, "modified": now, "valid_from": now,
            "name": subject.short(), "description": description(verdict, sources),
            "indicator_types": ["malicious-activity"], "labels": sources,
            "pattern": pattern(&subject), "pattern_type": "stix",
        });
        write!(output, "{between}")?;
        between = ",\n";
        Ok(serde_json::to_writer(&mut *output, &indicator)?)
    })?;
    Ok(writeln!(output, "\n]}}")?)
}

fn description(verdict: Verdict, sources: &[&str]) -> String {
    let done = if verdict.drops {
        "dropped"
    } else {
        "monitored"
    };
    let which = match verdict.direction {
        Direction::Out => "all packets to and from it",
        Direction::In => "what it opens",
    };
    format!("{which}: {done}; listed by {}", sources.join(" "))
}

fn pattern(subject: &Subject) -> String {
    let address = subject.short();
    let family = match subject.prefix.addr() {
        IpAddr::V4(_) => "ipv4-addr",
        IpAddr::V6(_) => "ipv6-addr",
    };
    if let Some(port) = subject.port {
        let protocol = port.protocol.map_or_else(String::new, |protocol| {
            format!(
                " AND network-traffic:protocols[*] = '{}'",
                protocol.as_str()
            )
        });
        let (address, number) = (subject.prefix.addr(), port.number);
        return format!(
            "[network-traffic:dst_ref.type = '{family}' AND network-traffic:dst_ref.value = '{address}' \
             AND network-traffic:dst_port = {number}{protocol}]"
        );
    }
    let compared = if address.contains('/') {
        "ISSUBSET"
    } else {
        "="
    };
    format!("[{family}:value {compared} '{address}']")
}

/// An event. MISP knows a port without its protocol only.
pub fn misp(export: &Export, output: &mut dyn Write) -> Result<()> {
    let (date, time) = (format!("{:.0}", export.now), export.now.as_second());
    let date = date.split('T').next();
    let head = json!({
        "uuid": export.uuid("event"), "info": "what a firewall has in force", "date": date,
        "timestamp": time.to_string(), "published": false, "analysis": "2", "threat_level_id": "2",
        "distribution": "0", "Orgc": { "name": "firewall", "uuid": export.uuid("organisation") },
    })
    .to_string();
    let open = head.strip_suffix('}').unwrap_or(&head);
    write!(output, "{{\"Event\":{open},\"Attribute\":[")?;
    let (mut between, mut ports) = ("\n", HashSet::new());
    export.rows(|subject, verdict, sources| {
        let Some((kind, value)) = attribute(&subject, verdict, &mut ports) else {
            return Ok(());
        };
        let row = json!({
            "uuid": export.uuid(&format!("attribute {value}")), "type": kind, "value": value,
            "category": "Network activity", "to_ids": true, "timestamp": time.to_string(),
            "comment": description(verdict, sources),
        });
        write!(output, "{between}")?;
        between = ",\n";
        Ok(serde_json::to_writer(&mut *output, &row)?)
    })?;
    Ok(writeln!(output, "\n]}}}}")?)
}

/// Type and value; nothing for the second protocol of a port.
fn attribute(
    subject: &Subject,
    verdict: Verdict,
    ports: &mut HashSet<String>,
) -> Option<(String, String)> {
    let end = match verdict.direction {
        Direction::Out => "ip-dst",
        Direction::In => "ip-src",
    };
    let Some(port) = subject.port else {
        return Some((end.to_owned(), subject.short()));
    };
    let number = port.number;
    let value = format!("{}|{number}", subject.prefix.addr());
    let is_new = ports.insert(value.clone());
    is_new.then(|| (format!("{end}|port"), value))
}
