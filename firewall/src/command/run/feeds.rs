//! When feeds are due, and fetching them beside the event loop.

use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::{
    command::feeds::{Answer, Request, fetch, findings},
    config::Feed,
    feed::{Outcome, store::Meta, store::Name},
    filter::Filter,
    protected::Protected,
};

/// A feed that failed is tried again after this, if it is not due before.
const RETRY: SignedDuration = SignedDuration::from_mins(10);

/// Updates under way.
#[derive(Debug, Default)]
pub struct Schedule {
    updates: JoinSet<Update>,
    under_way: BTreeSet<Name>,
}

/// An update that has ended.
pub struct Update {
    name: Name,
    result: anyhow::Result<Answer>,
}

impl Update {
    /// Says what came of it, and returns the addresses of the feed's server.
    pub fn say(&self) -> &[Protected] {
        let name = &self.name;
        let answer = match &self.result {
            Ok(answer) => answer,
            Err(failure) => {
                warn!("feed {name}: {failure:#}");
                return &[];
            }
        };
        match &answer.outcome {
            Outcome::Changed(copy, _) => {
                info!("feed {name}: changed, {} entries", copy.entries);
                if !answer.said {
                    findings(copy)
                        .iter()
                        .for_each(|line| warn!("feed {name}: {line}"));
                }
            }
            // Each refusal once, not at each retry.
            _ if answer.said => {}
            Outcome::Unchanged => {}
            Outcome::Quarantined(reason) => warn!(
                "feed {name}: quarantined, the last good copy stays: {reason}; 'firewall feeds \
                 accept {name}' takes it all the same"
            ),
            Outcome::Failed(reason) => {
                warn!("feed {name}: stalled, the last good copy stays: {reason}");
            }
        }
        &answer.hosts
    }
}

impl Schedule {
    /// Starts an update of every feed that is due and not being updated.
    pub fn start_due(&mut self, filter: &Filter) {
        let now = Timestamp::now();
        for feed in filter.config.fetched_feeds() {
            if !self.under_way.contains(&feed.name) && due(filter, feed) <= now {
                self.under_way.insert(feed.name.clone());
                let request = Request::new(filter, feed);
                let name = feed.name.clone();
                self.updates.spawn_blocking(move || Update {
                    name,
                    result: fetch(&request),
                });
            }
        }
    }

    /// The next update that ends; never while none is under way.
    pub async fn finished(&mut self) -> Option<Update> {
        match self.updates.join_next().await {
            None => std::future::pending().await,
            Some(Ok(update)) => {
                self.under_way.remove(&update.name);
                Some(update)
            }
            Some(Err(failure)) => {
                warn!("an update of a feed ended unexpectedly, please report this: {failure}");
                self.under_way.clear();
                None
            }
        }
    }

    /// When the next feed is due that is not being updated.
    pub fn next_due(&self, filter: &Filter) -> Option<Timestamp> {
        let waiting = filter
            .config
            .fetched_feeds()
            .filter(|it| !self.under_way.contains(&it.name));
        waiting.map(|feed| due(filter, feed)).min()
    }
}

fn due(filter: &Filter, feed: &Feed) -> Timestamp {
    let meta = filter
        .state
        .feed_store(&feed.name)
        .meta()
        .unwrap_or_default();
    due_after(&meta, feed.interval)
}

/// At once if it was never fetched; sooner than its interval if that failed.
fn due_after(meta: &Meta, interval: Duration) -> Timestamp {
    let Some(checked) = meta.checked_at else {
        return Timestamp::UNIX_EPOCH;
    };
    let interval = SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX);
    let wait = if meta.stalled.is_some() {
        interval.min(RETRY)
    } else {
        interval
    };
    checked.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::store::Stalled;

    #[test]
    fn a_feed_is_due_at_once_then_by_its_interval_and_sooner_after_a_failure() {
        let day = Duration::from_secs(86_400);
        let checked: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        assert_eq!(due_after(&Meta::default(), day), Timestamp::UNIX_EPOCH);
        let mut meta = Meta {
            checked_at: Some(checked),
            ..Meta::default()
        };
        assert_eq!(due_after(&meta, day).to_string(), "2026-11-24T12:00:00Z");
        meta.stalled = Some(Stalled {
            since: checked,
            reason: "away".into(),
        });
        assert_eq!(due_after(&meta, day).to_string(), "2026-11-23T12:10:00Z");
    }
}
