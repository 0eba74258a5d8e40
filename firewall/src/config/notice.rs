//! What is no error in a configuration, and yet to be known.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{Config, Feed};
use crate::feed::store::Name;

impl Config {
    /// A sentence for each thing that is probably not meant so.
    pub fn notices(&self) -> impl Iterator<Item = String> {
        let keys = self.all_feeds().filter_map(|feed| {
            let said = feed.key.as_ref()?.exposed()?;
            Some(format!("feed {}: {said}", feed.name))
        });
        let groups = self.too_small_groups();
        groups.chain(self.shared_providers()).chain(keys)
    }

    /// Feeds that ask the provider of one list share the time that it wants between two fetches: each
    /// waits for as many times as long.
    pub(super) fn share_providers(&mut self) {
        let asked = self.by_provider();
        let counts: BTreeMap<Name, u32> = asked
            .iter()
            .map(|(entry, feeds)| (entry.clone(), feeds.len().try_into().unwrap_or(u32::MAX)))
            .collect();
        for feed in self.feeds.iter_mut().chain(&mut self.protect) {
            let entry = feed.catalogued.as_ref();
            let count = entry.and_then(|entry| counts.get(entry)).unwrap_or(&1);
            feed.minimum_interval = feed.minimum_interval.saturating_mul(*count);
        }
    }

    fn shared_providers(&self) -> impl Iterator<Item = String> {
        let shared = self.by_provider().into_values();
        shared.filter_map(|feeds| {
            let first = feeds.iter().find(|it| it.interval < it.minimum_interval)?;
            let each = SignedDuration::try_from(first.minimum_interval).ok()?;
            let names: Vec<&str> = feeds.iter().map(|feed| feed.name.as_str()).collect();
            Some(format!(
                "feeds {} ask for one list, {}, whose provider limits how often: each of them is fetched \
                 every {each:#} at most; one feed alone could be fetched more often",
                names.join(", "),
                first.location
            ))
        })
    }

    /// The feeds that are fetched of those whose provider is known to want time between two fetches.
    fn by_provider(&self) -> BTreeMap<Name, Vec<&Feed>> {
        let mut asked = BTreeMap::<Name, Vec<&Feed>>::new();
        for feed in self.fetched_feeds() {
            let entry = feed.catalogued.as_ref();
            if let Some(entry) = entry.filter(|_| !feed.minimum_interval.is_zero()) {
                asked.entry(entry.clone()).or_default().push(feed);
            }
        }
        asked
    }
}
