//! When feeds are due, and fetching them beside the event loop.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use tokio::task::{Id, JoinSet};
use tracing::{info, warn};

use crate::{
    command::{
        feeds::{Answer, Request, fetch, findings},
        table,
    },
    config::Feed,
    feed::{
        Outcome,
        due::jitter,
        store::{Meta, Name, Stalled},
    },
    filter::Filter,
    protected::Protected,
};

/// Updates that are made at once. Each is a process that may take gigabytes for the largest lists, and
/// what it brings is judged in a thread of ours: a small gateway has no room for more. A slow server
/// keeps one of them waiting, not all.
const AT_ONCE: usize = 4;

/// Updates under way.
#[derive(Debug, Default)]
pub struct Schedule {
    updates: JoinSet<Update>,
    under_way: BTreeSet<Name>,
    /// The feed of each of them.
    tasks: HashMap<Id, Name>,
    /// Updates that the state folder may know nothing of, as where the disk is full: by the files alone
    /// such a feed would be due again at once, and its provider be asked without end.
    tried: BTreeMap<Name, Meta>,
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
                let entries = table::count(copy.entries, "entry");
                info!("feed {name}: changed, {entries}");
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
                "feed {name}: quarantined, {}: {reason}; 'firewall feeds accept {name}' takes it all \
                 the same",
                answer.stays
            ),
            Outcome::Failed(reason) => {
                warn!("feed {name}: stalled, {}: {reason}", answer.stays);
            }
        }
        &answer.hosts
    }
}

impl Schedule {
    /// Starts updates of feeds that are due and not being updated, as many as there is room for.
    pub fn start_due(&mut self, filter: &Filter) {
        let now = Timestamp::now();
        for feed in self.turn(filter, now) {
            self.begin(&feed.name, now);
            let request = Request::new(filter, feed);
            self.spawn(&feed.name, move || fetch(&request));
        }
    }

    fn spawn(
        &mut self,
        name: &Name,
        update: impl FnOnce() -> anyhow::Result<Answer> + Send + 'static,
    ) {
        let of = name.clone();
        let task = self.updates.spawn_blocking(move || Update {
            name: of,
            result: update(),
        });
        self.tasks.insert(task.id(), name.clone());
    }

    /// Whose turn it is: those that have been due for longest.
    fn turn<'a>(&self, filter: &'a Filter, now: Timestamp) -> Vec<&'a Feed> {
        let mut due: Vec<_> = self
            .waiting(filter)
            .map(|feed| (self.due_at(filter, feed, now), feed))
            .filter(|(due, _)| *due <= now)
            .collect();
        due.sort_by_key(|(due, _)| *due);
        let due = due.into_iter().map(|(_, feed)| feed);
        due.take(self.room()).collect()
    }

    fn room(&self) -> usize {
        AT_ONCE.saturating_sub(self.under_way.len())
    }

    fn waiting<'a>(&self, filter: &'a Filter) -> impl Iterator<Item = &'a Feed> {
        let feeds = filter.config.fetched_feeds();
        feeds.filter(|feed| !self.under_way.contains(&feed.name))
    }

    /// Until it has ended well, an update counts as one that failed.
    fn begin(&mut self, name: &Name, now: Timestamp) {
        self.under_way.insert(name.clone());
        let before = self.tried.remove(name).and_then(|meta| meta.stalled);
        let stalled = Stalled {
            since: now,
            reason: String::new(),
            failures: before.map_or(1, |before| before.failures.saturating_add(1)),
            not_before: None,
        };
        let tried = Meta {
            checked_at: Some(now),
            jitter: jitter(),
            stalled: Some(stalled),
            ..Meta::default()
        };
        self.tried.insert(name.clone(), tried);
    }

    fn end(&mut self, name: &Name, is_stored: bool) {
        self.under_way.remove(name);
        if is_stored {
            self.tried.remove(name);
        }
    }

    /// The next update that ends; never while none is under way.
    pub async fn finished(&mut self) -> Option<Update> {
        match self.updates.join_next_with_id().await {
            None => std::future::pending().await,
            Some(Ok((task, update))) => {
                self.tasks.remove(&task);
                self.end(&update.name, update.result.is_ok());
                Some(update)
            }
            Some(Err(failure)) => {
                let name = self.tasks.remove(&failure.id())?;
                warn!("feed {name}: its update ended unexpectedly, please report this: {failure}");
                self.end(&name, false);
                None
            }
        }
    }

    /// When the next feed is due that is not being updated; none while there is no room for it, since
    /// the end of an update is waited for anyway.
    pub fn next_due(&self, filter: &Filter) -> Option<Timestamp> {
        let now = Timestamp::now();
        let waiting = self.waiting(filter).filter(|_| self.room() > 0);
        waiting.map(|feed| self.due_at(filter, feed, now)).min()
    }

    fn due_at(&self, filter: &Filter, feed: &Feed, now: Timestamp) -> Timestamp {
        let store = filter.state.feed_store(&feed.name);
        let stored = feed.due(&store.meta().unwrap_or_default(), now);
        let tried = self.tried.get(&feed.name).map(|meta| feed.due(meta, now));
        tried.map_or(stored, |tried| tried.max(stored))
    }
}

/// Adds addresses of servers to those that are `known`, each once however often it is asked.
pub fn remember(known: &mut Vec<Protected>, hosts: &[Protected]) {
    known.extend_from_slice(hosts);
    known.sort_unstable();
    known.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        dataplane::{Dataplane, Object},
        state::State,
    };
    use jiff::SignedDuration;
    use std::fs;

    /// A filter in `folder` with these feeds.
    fn filter(folder: &std::path::Path, feeds: &str) -> Filter {
        let path = folder.join("firewall.toml");
        fs::write(&path, feeds).unwrap();
        let filter = Filter {
            config: Config::load(Some(&path)).unwrap(),
            state: State::new(&folder.join("state")),
            dataplane: Dataplane::new(&folder.join("bpf")),
            object: Object::default(),
        };
        filter.state.prepare().unwrap();
        filter
    }

    fn feed(name: &str, more: &str) -> String {
        format!("[[feed]]\nname = '{name}'\n{more}\n")
    }

    fn names(feeds: &[&Feed]) -> Vec<String> {
        feeds.iter().map(|feed| feed.name.to_string()).collect()
    }

    /// Minutes until the feed is due that was just tried, and nothing of it stored.
    fn wait(schedule: &mut Schedule, filter: &Filter) -> f64 {
        let now = Timestamp::now();
        let feed = filter.config.fetched_feeds().next().unwrap();
        schedule.begin(&feed.name, now);
        assert_eq!(schedule.next_due(filter), None);
        schedule.end(&feed.name, false);
        let due = schedule.next_due(filter).unwrap();
        let after = |wait: SignedDuration| due.checked_add(wait).unwrap();
        let second = SignedDuration::from_secs(1);
        assert_eq!(schedule.turn(filter, after(-second)).len(), 0);
        assert_eq!(schedule.turn(filter, after(second)).len(), 1);
        due.duration_since(now).as_secs_f64() / 60.0
    }

    #[test]
    fn what_cannot_be_stored_is_tried_less_and_less_often() {
        let folder = tempfile::tempdir().unwrap();
        let mine = "url = 'http://192.0.2.1/list'\ninterval = '10m'";
        let filter = filter(folder.path(), &feed("mine", mine));
        let mut schedule = Schedule::default();
        for minutes in [1.0, 2.0, 4.0, 8.0, 10.0, 10.0] {
            let waits = wait(&mut schedule, &filter);
            assert!((waits / minutes - 1.0).abs() < 0.101, "{waits} {minutes}");
        }
        // One that is stored: what the file says holds alone.
        let mine = filter.config.fetched_feeds().next().unwrap();
        schedule.begin(&mine.name, Timestamp::now());
        schedule.end(&mine.name, true);
        assert_eq!(schedule.next_due(&filter), Some(Timestamp::UNIX_EPOCH));
    }

    #[test]
    fn nor_sooner_than_its_provider_allows() {
        let folder = tempfile::tempdir().unwrap();
        let known = "url = 'https://www.spamhaus.org/drop/drop_v4.json'\ninterval = '2h'";
        let filter = filter(folder.path(), &feed("drop", known));
        let shortest = filter.config.fetched_feeds().next().unwrap();
        let shortest = shortest.minimum_interval.as_secs_f64() / 60.0;
        assert!(shortest >= 60.0, "{shortest}");
        let waits = wait(&mut Schedule::default(), &filter);
        assert!((waits - shortest).abs() < 0.1, "{waits} {shortest}");
    }

    #[test]
    fn what_is_configured_anew_is_due_at_once_but_for_its_provider() {
        let folder = tempfile::tempdir().unwrap();
        let drop = "url = 'https://www.spamhaus.org/drop/drop_v4.json'\n";
        let own = "url = 'http://192.0.2.1/list'\n";
        let now = Timestamp::now();
        for (before, after, minutes) in [
            (own.to_owned(), own.to_owned() + "mode = 'enforce'", 60),
            (own.to_owned(), own.to_owned() + "internal = true", 0),
            (own.to_owned(), own.to_owned() + "format = 'plain'", 0),
            (own.to_owned(), own.to_owned() + "key_file = '/key'", 0),
            (own.to_owned(), own.replace("list", "other"), 0),
            (drop.to_owned(), drop.to_owned() + "format = 'json'", 60),
            (drop.to_owned(), drop.replace("v4", "v6"), 0),
        ] {
            let asked = filter(folder.path(), &feed("mine", &before));
            let asked = asked.config.feeds[0].to_update().asked();
            let meta = Meta {
                checked_at: Some(now),
                asked: Some(asked),
                ..Meta::default()
            };
            let path = folder.path().join("state/feeds/mine.json");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, serde_json::to_vec(&meta).unwrap()).unwrap();
            let filter = filter(folder.path(), &feed("mine", &after));
            let due = Schedule::default().next_due(&filter).unwrap();
            let wait = due.duration_since(now).as_mins().max(0);
            assert_eq!(wait, minutes, "{before} to {after}");
        }
    }

    #[test]
    fn a_few_at_once_and_the_others_in_turn() {
        let folder = tempfile::tempdir().unwrap();
        let feeds: Vec<String> = (0..10)
            .map(|number| feed(&format!("f{number}"), "path = '/dev/null'"))
            .collect();
        let filter = filter(folder.path(), &feeds.concat());
        let now = Timestamp::now();
        // Asked long ago: the others have waited for longer, as they never were.
        let long_ago = Meta {
            checked_at: Some(Timestamp::UNIX_EPOCH),
            ..Meta::default()
        };
        let path = folder.path().join("state/feeds/f0.json");
        fs::write(path, serde_json::to_vec(&long_ago).unwrap()).unwrap();
        let mut schedule = Schedule::default();
        let turn = schedule.turn(&filter, now);
        assert_eq!(names(&turn), ["f1", "f2", "f3", "f4"]);
        for feed in turn {
            schedule.begin(&feed.name, now);
        }
        assert_eq!(names(&schedule.turn(&filter, now)), [""; 0]);
        assert_eq!(schedule.next_due(&filter), None, "nothing to look for");
        schedule.end(&"f2".parse().unwrap(), false);
        assert_eq!(names(&schedule.turn(&filter, now)), ["f5"]);
        assert_eq!(schedule.next_due(&filter), Some(Timestamp::UNIX_EPOCH));
        for name in ["f5", "f6", "f7", "f8", "f9"] {
            schedule.begin(&name.parse().unwrap(), now);
            schedule.end(&name.parse().unwrap(), false);
        }
        let last = names(&schedule.turn(&filter, now));
        assert_eq!(last, ["f0"], "the others were tried just now");
    }

    #[test]
    fn an_update_that_panics_ends_alone() {
        let mut schedule = Schedule::default();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        let names = ["slow", "bad"].map(|name| name.parse::<Name>().unwrap());
        runtime.block_on(async {
            for name in &names {
                schedule.begin(name, Timestamp::now());
            }
            schedule.spawn(&names[1], || panic!("this is a test"));
            assert!(schedule.finished().await.is_none());
        });
        assert_eq!(schedule.under_way, BTreeSet::from([names[0].clone()]));
        assert!(schedule.tried.contains_key(&names[1]), "it has failed");
    }

    #[test]
    fn a_server_is_remembered_once() {
        let host = |last: u8| Protected {
            prefix: std::net::IpAddr::from([192, 0, 2, last]).into(),
            kind: crate::protected::Kind::FeedHost,
        };
        let mut known = Vec::new();
        for _ in 0..3 {
            remember(&mut known, &[host(2), host(1)]);
        }
        assert_eq!(known, [host(1), host(2)]);
    }
}
