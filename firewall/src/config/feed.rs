//! What follows from the keys of a feed.

use firewall_common::class::Action;
use jiff::{SignedDuration, Timestamp};

use super::{Connectionless, Direction, Feed, Mode, WhenOld};
use crate::{
    feed::{self, due, fetch::Limits, stage, store::Meta},
    ruleset::Wish,
};

/// What says that a copy is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `max_age`: it was not fetched for so long.
    Age,
    /// `max_unchanged`: it is fetched, and the same.
    Unchanged,
}

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
            gates: self.gates.clone(),
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

    /// Since when a copy is too old that was `fetched` then for the last time and is the same since it
    /// `changed`, and by which of its limits.
    pub fn old_since(
        &self,
        (fetched, changed): (Timestamp, Timestamp),
    ) -> Option<(Timestamp, Limit)> {
        let limits = [
            (fetched, self.max_age, Limit::Age),
            (changed, self.max_unchanged, Limit::Unchanged),
        ];
        let since = limits.into_iter().filter_map(|(from, most, limit)| {
            let most = SignedDuration::try_from(most?).ok()?;
            Some((from.checked_add(most).ok()?, limit))
        });
        since.min_by_key(|(since, _)| *since)
    }

    /// Whether it is too old at `now`; of the copy as [`Self::old_since`] has it.
    pub fn is_old(&self, copy: (Timestamp, Timestamp), now: Timestamp) -> bool {
        self.old_since(copy).is_some_and(|(since, _)| since < now)
    }

    /// Whether its entries are out of force at `now` for that.
    pub fn is_expired(&self, copy: (Timestamp, Timestamp), now: Timestamp) -> bool {
        self.when_old == WhenOld::Expire && self.is_old(copy, now)
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
