//! What follows from the keys of a feed.

use firewall_common::class::Action;
use jiff::{SignedDuration, Timestamp};

use super::{Connectionless, Direction, Feed, Mode, WhenOld};
use crate::{feed::stage, ruleset::Wish};

impl Feed {
    /// How new entries wait, where they would drop anything.
    pub fn staging(&self) -> Option<stage::Rule> {
        self.stage.filter(|_| self.mode == Mode::Enforce)
    }

    /// Whether its last good fetch, at `fetched`, is too long ago at `now`.
    pub fn is_old(&self, fetched: Timestamp, now: Timestamp) -> bool {
        let age = now.duration_since(fetched);
        self.max_age
            .and_then(|max_age| SignedDuration::try_from(max_age).ok())
            .is_some_and(|max_age| age > max_age)
    }

    /// Whether its entries are out of force at `now` for that.
    pub fn is_expired(&self, fetched: Timestamp, now: Timestamp) -> bool {
        self.when_old == WhenOld::Expire && self.is_old(fetched, now)
    }

    /// What the feed asks for.
    pub fn wish(&self) -> Wish {
        let enforces = self.mode == Mode::Enforce;
        match self.direction {
            Direction::Out if enforces => Wish::Drop,
            Direction::Out => Wish::Monitor,
            Direction::In => Wish::Inbound {
                opening: if enforces {
                    Action::Drop
                } else {
                    Action::Monitor
                },
                connectionless: match self.connectionless {
                    Connectionless::Drop if enforces => Action::Drop,
                    _ => Action::Monitor,
                },
            },
        }
    }
}
