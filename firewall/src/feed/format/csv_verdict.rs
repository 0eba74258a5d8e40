//! What a row of a table says about its own entry: that it is no reason to block, or no address at all.

use super::{cell, rows::Fields, said::Skipped, tabular::Header};

/// The columns that say whether a row counts.
#[derive(Default)]
pub(super) struct Verdict {
    /// Whether it is meant for detection, in tables that MISP exports.
    to_ids: Option<usize>,
    /// What is to be done, and whether nothing but `ban` is a reason to block.
    action: Option<(usize, bool)>,
    /// Whether a decision of CrowdSec is for show.
    simulated: Option<usize>,
    /// What kind of thing an indicator is.
    kind: Option<usize>,
    /// `bl` or `wl` in feeds of F5.
    list: Option<usize>,
}

impl Verdict {
    pub fn of(header: Option<&Header>, list: Option<usize>) -> Self {
        let Some(header) = header else {
            return Self {
                list,
                ..Self::default()
            };
        };
        let has = |names: &[&str]| header.find(names).is_some();
        let is_decision = has(&["simulated"])
            || has(&["scenario", "reason"]) && has(&["expiration", "duration", "eventscount"]);
        let of_decision = header.find(&["type"]).filter(|_| is_decision);
        let decision = header.find(&["action"]).or(of_decision);
        Self {
            to_ids: header.find(&["toids"]),
            action: decision.map(|column| (column, is_decision)),
            simulated: header.find(&["simulated"]),
            kind: header.find(&["type", "ioctype", "indicatortype", "kind"]),
            list,
        }
    }

    /// Why the entry of a row is not to be taken, if it is not.
    pub fn against(&self, fields: &Fields<'_>) -> Option<Skipped> {
        let cell = |column: Option<usize>| fields.get(column?);
        if cell(self.to_ids).is_some_and(|it| cell::is_no(it)) {
            return Some(Skipped::NotForDetection);
        }
        if cell(self.simulated).is_some_and(|it| cell::is_yes(it)) {
            return Some(Skipped::Other);
        }
        if cell(self.list).is_some_and(|it| cell::is_one_of(it, &["wl"])) {
            return Some(Skipped::Exception);
        }
        let (column, only_ban) = self.action?;
        let action = fields.get(column).filter(|it| !cell::is_blank(it))?;
        match only_ban {
            true => (!cell::is_one_of(action, &["ban"])).then_some(Skipped::Other),
            false => cell::is_one_of(action, &LETS_THROUGH).then_some(Skipped::Exception),
        }
    }

    /// What a row has that is no address, by the kind that it says.
    pub fn other_kind(&self, fields: &Fields<'_>) -> Option<Skipped> {
        let kind = str::from_utf8(fields.get(self.kind?)?).ok()?;
        is_other_type(kind).then_some(Skipped::Other)
    }
}

/// Actions that block nobody.
const LETS_THROUGH: [&str; 11] = [
    "allow",
    "allowed",
    "accept",
    "accepted",
    "permit",
    "permitted",
    "pass",
    "passed",
    "bypass",
    "whitelist",
    "captcha",
];

/// In the names of kinds of indicators that are no addresses.
fn is_other_type(kind: &str) -> bool {
    const OTHERS: [&str; 24] = [
        "domain", "hostname", "url", "uri", "hash", "md5", "sha", "ssdeep", "file", "path",
        "mutex", "reg", "cve", "vuln", "mail", "yara", "sigma", "bitcoin", "btc", "user", "cert",
        "ja3", "process", "pipe",
    ];
    let kind = kind.to_ascii_lowercase();
    OTHERS.iter().any(|other| kind.contains(other))
}
