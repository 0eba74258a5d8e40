//! What waits before it drops anything, and who ends that: whoever puts files in force, under the lock.

use anyhow::Result;
use firewall_common::ledger::Direction as Way;
use jiff::Timestamp;

use super::{Filter, held::Held};
use crate::{
    config::{Direction, Feed},
    feed::stage::{Call, Entries, HeldBack, Stage, Waiting},
    inputs::{Inputs, StoredFeed},
    ledger,
};

/// What an operator let go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetGo {
    /// How many entries waited.
    pub waiting: usize,
    /// What was held back.
    pub held_back: Vec<HeldBack>,
}

impl Filter {
    /// Which entries of `feed` are only monitored because they are new; `None` if new ones do not wait.
    ///
    /// # Errors
    /// The state folder cannot be read.
    pub fn waiting(&self, feed: &Feed) -> Result<Option<Waiting>> {
        if feed.staging().is_none() {
            return Ok(None);
        }
        let stored = StoredFeed::read(feed, &self.state)?;
        Ok(stored.and_then(|stored| stored.waiting().cloned()))
    }

    /// When to look next whether something that waits is to be judged, by who has just looked at `now`.
    pub fn next_judgement(&self, now: Timestamp) -> Option<Timestamp> {
        let feeds = self.config.active_feeds();
        let staged = feeds.filter(|feed| feed.staging().is_some());
        let stages = staged.filter_map(|it| self.state.feed_store(&it.name).stage().ok());
        stages.filter_map(|stage| stage.next_look(now)).min()
    }

    /// Lets everything go on that `feed` lists now; `None` if nothing waited or was held back.
    ///
    /// # Errors
    /// The state folder cannot be read or written.
    pub fn let_go(&self, feed: &Feed) -> Result<Option<LetGo>> {
        let _held = Held::wait(self)?;
        let Some(waiting) = self.waiting(feed)?.filter(|it| !it.is_empty()) else {
            return Ok(None);
        };
        let store = self.state.feed_store(&feed.name);
        store.write_stage(&waiting.let_go())?;
        Ok(Some(LetGo {
            waiting: waiting.entries(),
            held_back: waiting.held_back().to_vec(),
        }))
    }

    /// Judges what has waited long enough of each feed. Says what was held back, and what cannot be
    /// written down: that goes on waiting, as a full disk must keep nothing else out of force. Where
    /// nothing `is_watched`, because nothing was in force until now, the wait begins anew.
    pub(super) fn judge(
        &self,
        inputs: &mut Inputs,
        is_watched: bool,
        now: Timestamp,
    ) -> Result<Vec<String>> {
        let mut said = Vec::new();
        for stored in &mut inputs.feeds {
            if stored.feed.staging().is_none() {
                let removed = self.state.feed_store(&stored.feed.name).remove_stage();
                said.extend(removed.err().map(|it| not_judged(&stored.feed, &it)));
                continue;
            }
            let before = stored.stage().clone();
            stored.set_back(now);
            stored.watch(is_watched, now);
            if stored.has_news() {
                said.extend(self.judge_feed(stored, &before, now)?);
            }
        }
        Ok(said)
    }

    fn judge_feed(
        &self,
        stored: &mut StoredFeed,
        written: &Stage,
        now: Timestamp,
    ) -> Result<Vec<String>> {
        let before = stored.stage().clone();
        if let (None, Some(rule)) = (before.judged, stored.feed.staging())
            && rule.entries == Entries::All
        {
            // At the first time, all that is listed is new.
            let mut begin = before;
            begin.judged = Some(Timestamp::UNIX_EPOCH);
            stored.set_stage(begin);
        }
        let Some(waiting) = stored.waiting().cloned() else {
            return Ok(Vec::new());
        };
        let direction = stored.feed.direction;
        let (stage, found) = waiting.judge(now, || self.calls(direction))?;
        if stage != *written {
            let store = self.state.feed_store(&stored.feed.name);
            if let Err(failure) = store.write_stage(&stage) {
                return Ok(vec![not_judged(&stored.feed, &failure)]);
            }
        }
        stored.set_stage(stage);
        Ok(found.iter().map(|it| sentence(&stored.feed, it)).collect())
    }

    /// Who called out and got through. Feeds of attackers ask nobody: whom these call from outside says
    /// nothing of whether they are wrongly listed.
    fn calls(&self, direction: Direction) -> Result<Vec<Call>> {
        if direction == Direction::In {
            return Ok(Vec::new());
        }
        // What was written down may be damaged, and that must not keep the filter from going on.
        let entries = match self.ledger() {
            Ok((entries, _)) => entries.into_iter().collect(),
            Err(_) => ledger::live(&self.dataplane, &self.records())?,
        };
        let out = entries
            .into_iter()
            .filter(|(key, entry)| key.direction == Way::Outbound && !entry.dropped);
        Ok(out
            .map(|(key, entry)| Call {
                remote: key.remote,
                inside: key.inside,
                last: entry.last_seen,
            })
            .collect())
    }
}

fn not_judged(feed: &Feed, failure: &anyhow::Error) -> String {
    format!(
        "feed {}: new entries are not judged, and what waits goes on waiting: {failure:#}",
        feed.name
    )
}

fn sentence(feed: &Feed, held: &HeldBack) -> String {
    format!(
        "feed {0}: {1} stays monitored: {2} inside hosts called it while it waited; 'firewall feeds \
         accept {0}' lets it go on",
        feed.name, held.entry, held.hosts
    )
}

#[cfg(test)]
mod tests;
