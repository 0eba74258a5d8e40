//! When feeds are due, and fetching them beside the event loop.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::{
    command::feeds::{Answer, Request, fetch, findings},
    config::Feed,
    feed::{Outcome, due::due, store::Name},
    filter::Filter,
    protected::Protected,
};

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
            if !self.under_way.contains(&feed.name) && due_at(filter, feed, now) <= now {
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
        let now = Timestamp::now();
        let waiting = filter
            .config
            .fetched_feeds()
            .filter(|it| !self.under_way.contains(&it.name));
        waiting.map(|feed| due_at(filter, feed, now)).min()
    }
}

fn due_at(filter: &Filter, feed: &Feed, now: Timestamp) -> Timestamp {
    let store = filter.state.feed_store(&feed.name);
    let meta = store.meta().unwrap_or_default();
    due(&meta, feed.interval, feed.minimum_interval, now)
}
