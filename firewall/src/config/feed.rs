//! What follows from the keys of a feed.

use firewall_common::class::Action;
use jiff::{SignedDuration, Timestamp};

use super::{Connectionless, Direction, Feed, Mode, WhenOld};
use crate::{
    feed::{self, due, fetch::Limits, stage, store::Meta},
    ruleset::Wish,
};

impl Feed {
    /// What an update needs to know of it.
    pub fn to_update(&self) -> feed::Feed {
        feed::Feed {
            name: self.name.clone(),
            location: self.location.clone(),
            format: self.format,
            options: self.options.clone(),
            server: self.server,
            collection: self.collection.clone(),
            key: self.key.clone(),
            limits: Limits {
                internal: self.internal,
                ..Limits::default()
            },
            max_coverage: self.max_coverage,
        }
    }

    /// When it is asked next: where the configuration says something else than at the last update, as
    /// soon as it is [`allowed`](Self::allowed).
    pub fn due(&self, meta: &Meta, now: Timestamp) -> Timestamp {
        let asked = meta.asked.as_ref();
        match asked.is_some_and(|asked| *asked != self.to_update().asked()) {
            true => self.allowed(meta, now),
            false => due::due(meta, self.interval, self.minimum_interval, now),
        }
    }

    /// When it may be asked again for its provider's sake; at once if that is another by now.
    pub fn allowed(&self, meta: &Meta, now: Timestamp) -> Timestamp {
        let asked = meta.asked.as_ref();
        match asked.is_some_and(|asked| asked.location != self.location) {
            true => Timestamp::UNIX_EPOCH,
            false => due::allowed(meta, self.minimum_interval, now),
        }
    }

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
