//! The operator's own lists, and the changes made to them.
//!
//! A list is a text file, one entry a line, that can be read, diffed and edited by hand:
//!
//! ```text
//! # comments at the top stay
//! 203.0.113.7/32 added=2026-11-23T15:00:00Z until=2026-11-23T17:00:00Z # scans us
//! ```
//!
//! A change is one file in the folder `changes`: a list with a verb before each entry. Pure: text to
//! values and back.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde::Serialize;

use crate::subject::Subject;

/// Name of the operator's block list among the sources.
pub const LOCAL: &str = "local";

/// Name of the operator's allow list among the sources.
pub const ALLOW: &str = "allow";

/// What is known of an entry besides its prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Note {
    /// When the operator said so.
    pub added: Option<Timestamp>,
    /// When it ends.
    pub until: Option<Timestamp>,
    /// Whether packets of the addresses pass whatever they come from or go to; of the allow list only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exempt: bool,
    /// Why, in the operator's words.
    pub reason: Option<String>,
}

impl Note {
    /// Whether the entry has ended at `now`.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(added) = self.added {
            write!(formatter, " added={added:.0}")?;
        }
        if let Some(until) = self.until {
            write!(formatter, " until={until:.0}")?;
        }
        if self.exempt {
            write!(formatter, " exempt")?;
        }
        if let Some(reason) = &self.reason {
            write!(formatter, " # {reason}")?;
        }
        Ok(())
    }
}

/// A block or allow list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Comment lines, as they are.
    comments: Vec<String>,
    /// Entries by what they are about.
    pub entries: BTreeMap<Subject, Note>,
}

impl List {
    /// Reads a list. One bad line refuses it whole, and so does a last line without its newline: a
    /// cut `203.0.113.77` is a valid `203.0.113.7`.
    pub fn parse(text: &str) -> Result<Self> {
        if !text.is_empty() && !text.ends_with('\n') {
            bail!("the last line has no newline: the file may be cut off. Check it and add one");
        }
        let mut list = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.starts_with('#') {
                list.comments.push(line.to_owned());
            } else if !line.is_empty() {
                let (subject, note) =
                    parse_entry(line).with_context(|| format!("line {}", index + 1))?;
                list.entries.insert(subject, note);
            }
        }
        Ok(list)
    }

    /// The list as text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for comment in &self.comments {
            text.push_str(comment);
            text.push('\n');
        }
        for (subject, note) in &self.entries {
            text.push_str(&format!("{subject}{note}\n"));
        }
        text
    }

    /// The entries that have not ended at `now`.
    pub fn live(&self, now: Timestamp) -> impl Iterator<Item = (Subject, &Note)> {
        let live = move |(_, note): &(&Subject, &Note)| !note.expired(now);
        self.entries
            .iter()
            .filter(live)
            .map(|(subject, note)| (*subject, note))
    }

    /// When the next entry ends that has not ended at `now`.
    pub fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        self.live(now).filter_map(|(_, note)| note.until).min()
    }
}

/// A line without its verb: what it is about, then `added=`, `until=` and `exempt`, then `#` and the
/// reason.
fn parse_entry(line: &str) -> Result<(Subject, Note)> {
    let (fields, reason) = match line.split_once('#') {
        Some((fields, reason)) => (fields, Some(reason.trim().to_owned())),
        None => (line, None),
    };
    let mut fields = fields.split_whitespace();
    let subject = fields.next().unwrap_or_default().parse()?;
    let mut note = Note {
        reason,
        ..Note::default()
    };
    for field in fields {
        let time = |value: &str| {
            value
                .parse::<Timestamp>()
                .with_context(|| format!("'{value}' is no RFC 3339 time"))
        };
        match field.split_once('=') {
            Some(("added", value)) => note.added = Some(time(value)?),
            Some(("until", value)) => note.until = Some(time(value)?),
            None if field == "exempt" => note.exempt = true,
            _ => bail!("'{field}' is neither added=, until=, exempt nor a # reason"),
        }
    }
    Ok((subject, note))
}

/// What an operator does to the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Add to the block list.
    Block,
    /// Remove from the block list.
    Unblock,
    /// Add to the allow list.
    Allow,
    /// Remove from the allow list.
    Disallow,
}

impl Verb {
    /// The word on the command line and in a change.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Allow => "allow",
            Self::Disallow => "disallow",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Block, Self::Unblock, Self::Allow, Self::Disallow]
            .into_iter()
            .find(|verb| verb.as_str() == word)
    }
}

/// One change: a verb and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What to do.
    pub verb: Verb,
    /// To what.
    pub subjects: Vec<Subject>,
    /// Written to each.
    pub note: Note,
}

impl Change {
    /// The change as text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for subject in &self.subjects {
            text.push_str(&format!("{} {subject}{}\n", self.verb.as_str(), self.note));
        }
        text
    }
}

/// The two lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// What the operator blocks.
    pub block: List,
    /// What the operator allows.
    pub allow: List,
}

impl Lists {
    /// Folds the text of a change in. Folding the same change twice is the same as once, so a
    /// change that was folded before a crash may be folded again.
    pub fn fold(&mut self, change: &str) -> Result<()> {
        for (index, line) in change.lines().enumerate() {
            self.fold_line(line)
                .with_context(|| format!("line {}", index + 1))?;
        }
        Ok(())
    }

    fn fold_line(&mut self, line: &str) -> Result<()> {
        let (word, entry) = line.split_once(' ').unwrap_or((line, ""));
        let verb = Verb::parse(word).with_context(|| format!("'{word}' is no change"))?;
        let (subject, note) = parse_entry(entry)?;
        match verb {
            Verb::Block => self.block.entries.insert(subject, note),
            Verb::Unblock => self.block.entries.remove(&subject),
            Verb::Allow => self.allow.entries.insert(subject, note),
            Verb::Disallow => self.allow.entries.remove(&subject),
        };
        Ok(())
    }

    /// Removes what has ended at `now`.
    pub fn prune(&mut self, now: Timestamp) {
        for list in [&mut self.block, &mut self.allow] {
            list.entries.retain(|_, note| !note.expired(now));
        }
    }

    /// When the next entry of either list ends.
    pub fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = [self.block.next_expiry(now), self.allow.next_expiry(now)];
        ends.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        format!("{:#}", List::parse(text).unwrap_err())
    }

    #[test]
    fn a_list_reads_back_as_it_was_written() {
        let text = "# mine\n\
            192.0.2.0/24 added=2026-11-23T15:00:00Z # scans us # and more\n\
            203.0.113.7/32 until=2026-11-23T17:00:00Z exempt\n\
            203.0.113.8:443/tcp # a shared host\n\
            2001:db8::/32\n";
        assert_eq!(List::parse(text).unwrap().to_text(), text);
    }

    #[test]
    fn a_cut_list_is_refused() {
        assert!(error("203.0.113.7/32\n203.0.113.7").contains("no newline"));
    }

    #[test]
    fn a_bad_line_is_named() {
        assert!(
            error("192.0.2.1\nexample.org\n").starts_with("line 2: 'example.org' is no address")
        );
        assert!(error("192.0.2.1 until=tomorrow\n").contains("'tomorrow' is no RFC 3339 time"));
        assert!(error("192.0.2.1 192.0.2.2\n").contains("'192.0.2.2' is neither"));
    }

    #[test]
    fn folding_a_change_twice_is_folding_it_once() {
        let change = "block 192.0.2.1/32 # a\nunblock 192.0.2.2/32\nallow 192.0.2.3/32\n";
        let mut once = Lists::default();
        once.fold("block 192.0.2.2/32\n").unwrap();
        once.fold(change).unwrap();
        let mut twice = once.clone();
        twice.fold(change).unwrap();
        assert_eq!(once, twice);
        assert_eq!(once.block.entries.len(), 1);
        assert_eq!(once.allow.entries.len(), 1);
    }

    #[test]
    fn what_has_ended_is_not_live_and_is_pruned() {
        let now: Timestamp = "2026-11-23T16:00:00Z".parse().unwrap();
        let mut lists = Lists::default();
        lists
            .fold("block 192.0.2.1/32 until=2026-11-23T16:00:00Z\n")
            .unwrap();
        lists
            .fold("block 192.0.2.2/32 until=2026-11-23T16:00:01Z\n")
            .unwrap();
        assert_eq!(lists.block.live(now).count(), 1);
        assert_eq!(
            lists.next_expiry(now),
            Some("2026-11-23T16:00:01Z".parse().unwrap())
        );
        lists.prune(now);
        assert_eq!(lists.block.entries.len(), 1);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
            if let Ok(list) = List::parse(&text) {
                prop_assert_eq!(List::parse(&list.to_text()).unwrap(), list);
            }
        }
    }
}
