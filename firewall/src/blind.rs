//! Attachments whose driver took the program and runs it on no packet: what a device received is compared
//! with what the program counted. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// So many frames and none counted is no coincidence: the program counts every frame that it is shown.
const FRAMES: u64 = 16;

/// Looks that are kept: the counters of a device may be older than those of the program, since some
/// drivers ask their hardware only now and then. So the program must have stood still for one look longer.
const LOOKS: usize = 3;

/// What one attachment came to by a look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// What the device is called now.
    pub name: String,
    /// Index of the device.
    pub index: u32,
    /// Frames that the device received.
    pub received: u64,
    /// Frames that the program counted.
    pub counted: u64,
    /// Whether it runs in the driver; `None` where there is no such choice.
    pub native: Option<bool>,
}

/// The last looks, oldest first: what each attachment had come to.
#[derive(Debug, Default)]
pub struct History(Vec<BTreeMap<String, Counts>>);

impl History {
    /// Adds a look. Returns the attachments that received and counted nothing, with how many frames.
    pub fn add(&mut self, look: BTreeMap<String, Counts>) -> Vec<(String, u64)> {
        self.0.push(look);
        if self.0.len() > LOOKS {
            self.0.remove(0);
        }
        let [oldest, before, now] = self.0.as_slice() else {
            return Vec::new();
        };
        let unseen = |(name, counts): (&String, &Counts)| {
            let frames = unseen(oldest.get(name)?, before.get(name)?, counts)?;
            Some((name.clone(), frames))
        };
        now.iter().filter_map(unseen).collect()
    }
}

/// Frames between the last two looks, if there were enough of them, and none counted all the while.
fn unseen(oldest: &Counts, before: &Counts, now: &Counts) -> Option<u64> {
    let same = |counts: &Counts| {
        (counts.index, counts.native, counts.counted) == (now.index, now.native, now.counted)
    };
    // A counter may start anew with the device.
    let frames = now.received.saturating_sub(before.received);
    (same(oldest) && same(before) && frames >= FRAMES).then_some(frames)
}

/// What `run` found out, for `status`: a file in the state folder, written when it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Attachments that see nothing.
    pub blind: Vec<Blind>,
    /// Attachments that were moved behind the driver for it.
    pub moved: Vec<Moved>,
}

/// An attachment that sees nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blind {
    /// Its name.
    pub attachment: String,
    /// What its device was called then.
    pub device: String,
    /// Index of its device.
    pub index: u32,
    /// When that was found out.
    pub since: Timestamp,
    /// Frames that the device received between two looks.
    pub received: u64,
    /// Frames that the program counted until then: once it counts more, it sees packets again.
    pub counted: u64,
    /// What forwards packets without the CPU, if that was found.
    pub offload: Option<String>,
}

/// An attachment that runs behind the driver, since the driver ran it on no packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Its name.
    pub attachment: String,
    /// What its device was called then.
    pub device: String,
    /// Index of its device.
    pub index: u32,
    /// When it was moved.
    pub since: Timestamp,
}

impl Found {
    /// Forgets what is no longer so: devices that went, programs that count again, and moves that were
    /// undone.
    pub fn keep_what_holds(&mut self, now: &BTreeMap<String, Counts>) {
        self.blind.retain(|it| {
            let counts = now.get(&it.attachment);
            counts.is_some_and(|now| (now.index, now.counted) == (it.index, it.counted))
        });
        self.moved.retain(|it| {
            let counts = now.get(&it.attachment);
            counts.is_some_and(|now| (now.index, now.native) == (it.index, Some(false)))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(received: u64, counted: u64) -> Counts {
        Counts {
            name: "eth0".into(),
            index: 3,
            received,
            counted,
            native: Some(true),
        }
    }

    fn look(counts: Counts) -> BTreeMap<String, Counts> {
        BTreeMap::from([("eth0".to_owned(), counts)])
    }

    #[test]
    fn frames_that_nobody_counted_are_found_in_two_looks() {
        let other_device = Counts {
            index: 4,
            ..counts(20, 5)
        };
        for (what, looks, expected) in [
            ("too few", [counts(0, 5), counts(0, 5), counts(15, 5)], None),
            (
                "enough",
                [counts(0, 5), counts(0, 5), counts(16, 5)],
                Some(16),
            ),
            (
                "since long",
                [counts(0, 5), counts(90, 5), counts(180, 5)],
                Some(90),
            ),
            (
                "one was counted",
                [counts(0, 5), counts(0, 5), counts(900, 6)],
                None,
            ),
            (
                "counted before, shown late",
                [counts(0, 5), counts(0, 105), counts(100, 105)],
                None,
            ),
            (
                "a quiet line",
                [counts(9, 5), counts(9, 5), counts(9, 5)],
                None,
            ),
            (
                "counters that start anew",
                [counts(90, 5), counts(90, 5), counts(0, 5)],
                None,
            ),
            (
                "another device",
                [counts(0, 5), counts(0, 5), other_device],
                None,
            ),
            (
                "dropped frames count elsewhere",
                [counts(0, 0), counts(0, 50), counts(0, 99)],
                None,
            ),
        ] {
            let mut history = History::default();
            let [first, second, third] = looks.map(look);
            assert!(history.add(first).is_empty(), "{what}");
            assert!(history.add(second).is_empty(), "{what}");
            let found = history.add(third);
            assert_eq!(found.first().map(|it| it.1), expected, "{what}");
        }
    }

    #[test]
    fn only_the_last_looks_count() {
        let mut history = History::default();
        for received in 0..9 {
            let counts = counts(15 * received, 5);
            assert!(history.add(look(counts)).is_empty(), "never enough at once");
        }
    }

    #[test]
    fn what_was_found_holds_until_the_program_counts_again() {
        let found = || Found {
            blind: vec![Blind {
                attachment: "eth0".into(),
                device: "eth0".into(),
                index: 3,
                since: Timestamp::UNIX_EPOCH,
                received: 16,
                counted: 5,
                offload: None,
            }],
            moved: vec![Moved {
                attachment: "eth0".into(),
                device: "eth0".into(),
                index: 3,
                since: Timestamp::UNIX_EPOCH,
            }],
        };
        let generic = Counts {
            native: Some(false),
            ..counts(99, 5)
        };
        let elsewhere = Counts {
            index: 4,
            ..counts(99, 5)
        };
        for (now, blind, moved) in [
            (look(counts(99, 5)), 1, 0),
            (look(generic), 1, 1),
            (look(counts(99, 6)), 0, 0),
            (look(elsewhere), 0, 0),
            (BTreeMap::new(), 0, 0),
        ] {
            let mut found = found();
            found.keep_what_holds(&now);
            assert_eq!(
                (found.blind.len(), found.moved.len()),
                (blind, moved),
                "{now:?}"
            );
        }
    }
}
