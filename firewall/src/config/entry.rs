//! A `[[feed]]` as it is written, and what becomes of it.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use jiff::SignedDuration;
use serde::Deserialize;

use super::{
    Connectionless, Direction, Feed, Mode, Ports, WhenOld, duration, group, secret::Secret,
};
use crate::{
    feed::{
        catalogue,
        fetch::Location,
        format::{self, Column, Format, Options, Separator},
        guard::gates::{Gates, Shortest},
        server::Server,
        stage::{self, Entries},
        store::Name,
    },
    local::{ALLOW, LOCAL},
    protected::Kind,
    ruleset::Group,
};

/// What feeds have unless they say otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    pub mode: Mode,
    #[serde(deserialize_with = "duration::required")]
    pub interval: SignedDuration,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            interval: SignedDuration::from_hours(1),
        }
    }
}

/// A `[[feed]]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedEntry {
    name: String,
    url: Option<String>,
    path: Option<PathBuf>,
    #[serde(default, deserialize_with = "format::or_auto")]
    format: Option<Format>,
    column: Option<Column>,
    separator: Option<Separator>,
    #[serde(default, deserialize_with = "format::one_or_more")]
    json_path: Vec<String>,
    minimum: Option<u32>,
    mode: Option<Mode>,
    #[serde(default)]
    direction: Direction,
    connectionless: Option<Connectionless>,
    ports: Option<Ports>,
    #[serde(default, deserialize_with = "duration::optional")]
    interval: Option<SignedDuration>,
    server: Option<Server>,
    collection: Option<String>,
    key_file: Option<PathBuf>,
    credential: Option<String>,
    key_header: Option<String>,
    user: Option<String>,
    internal: Option<bool>,
    max_coverage: Option<u64>,
    min_entries: Option<usize>,
    max_entries: Option<usize>,
    may_be_empty: Option<bool>,
    shortest_prefix: Option<u8>,
    shortest_prefix_v6: Option<u8>,
    #[serde(default, deserialize_with = "duration::optional")]
    max_age: Option<SignedDuration>,
    #[serde(default, deserialize_with = "duration::optional")]
    max_unchanged: Option<SignedDuration>,
    when_old: Option<WhenOld>,
    hold: Option<bool>,
    group: Option<String>,
    stage: Option<SignedDuration>,
    stage_entries: Option<Entries>,
    stage_hosts: Option<usize>,
}

/// Shortest time between two fetches: providers lock out those who ask more often.
const SHORTEST_INTERVAL: SignedDuration = SignedDuration::from_mins(1);

/// How long new entries of others wait: long enough to be seen by who looks, and for calls from inside.
const STAGE: SignedDuration = SignedDuration::from_mins(30);

/// Calls from so many inside hosts do not hold a new entry back. More than a few infected machines that
/// call the same network within half an hour are less likely than a network that everybody uses.
const STAGE_HOSTS: usize = 3;

/// What `max_coverage` can be at most.
const ALL_OF_IPV4: u64 = 1 << 32;

/// A Local API is ours, and asked for what is new, as its own bouncers do.
const DECISIONS_INTERVAL: SignedDuration = SignedDuration::from_secs(10);

impl FeedEntry {
    /// The feed, all of it checked; `groups` are those that it can be in.
    pub fn finish(self, defaults: &Defaults, groups: &[Group]) -> Result<Feed> {
        let name: Name = self.name.parse()?;
        // Our own sources must not be mistaken for a feed, nor a feed for them.
        if [LOCAL, ALLOW].contains(&name.as_str()) || Kind::is_name(name.as_str()) {
            bail!("'{name}' is taken; give the feed another name");
        }
        self.check(&name)?;
        let provider = self.url.as_deref().map(catalogue::at).transpose()?;
        let provider = provider.flatten();
        let (interval, minimum_interval) = self.intervals(&name, defaults, provider.as_ref())?;
        let [max_age, max_unchanged] = self.ages(&name, interval)?;
        let gates = self.gates(&name)?;
        let stage = self.stage(&name)?;
        let secret = Secret {
            key_file: self.key_file,
            credential: self.credential,
            key_header: self.key_header,
            user: self.user,
        };
        let group = self.group.map(|group| group::find(groups, &group));
        let group = group
            .transpose()
            .with_context(|| format!("feed '{name}'"))?;
        let key = secret.finish(&name, self.url.as_deref(), self.server)?;
        let options = Options {
            column: self.column,
            separator: self.separator,
            json_path: self.json_path,
            minimum: self.minimum,
        };
        options
            .check(self.format)
            .with_context(|| format!("feed '{name}'"))?;
        Ok(Feed {
            location: location(&name, self.url, self.path)?,
            options,
            direction: self.direction,
            connectionless: self.connectionless.unwrap_or_default(),
            ports: self.ports,
            format: self.format,
            mode: self.mode.unwrap_or(defaults.mode),
            interval,
            minimum_interval,
            catalogued: provider.map(|entry| entry.name),
            server: self.server,
            collection: self.collection,
            key,
            internal: self.internal.unwrap_or(false),
            gates,
            max_age,
            max_unchanged,
            when_old: self.when_old.unwrap_or_default(),
            hold: self.hold.unwrap_or(true),
            group,
            stage,
            name,
        })
    }

    /// The protect list, all of it checked.
    pub fn finish_protect(self, defaults: &Defaults) -> Result<Feed> {
        let says_what_is_done = self.mode.is_some()
            || self.direction != Direction::default()
            || self.connectionless.is_some()
            || self.ports.is_some()
            || self.hold.is_some()
            || self.when_old.is_some()
            || self.group.is_some()
            || self.stage.is_some()
            || self.stage_entries.is_some()
            || self.stage_hosts.is_some()
            || self.server.is_some();
        if says_what_is_done {
            bail!(
                "protect '{}': a protect list only holds entries of feeds; mode, direction, \
                 connectionless, ports, hold, group, stage, when_old and server are for [[feed]]",
                self.name
            );
        }
        let feed = self.finish(defaults, &[])?;
        Ok(Feed {
            mode: Mode::Protect,
            ..feed
        })
    }

    /// Refuses keys that mean nothing beside the others.
    fn check(&self, name: &Name) -> Result<()> {
        if self.server.is_some() && (self.url.is_none() || self.format.is_some()) {
            bail!("feed '{name}': a server needs a url, and has a format of its own");
        }
        if self.collection.is_some() && self.server != Some(Server::Taxii) {
            bail!("feed '{name}': a collection is what a TAXII server has; set server = \"taxii\"");
        }
        if self.internal.is_some() && self.path.is_some() {
            bail!(
                "feed '{name}': internal is for a url, and says that it may lead to private addresses; \
                 a path is on this machine, leave internal out"
            );
        }
        if self.connectionless.is_some() && self.direction == Direction::Out {
            bail!(
                "feed '{name}': connectionless is for direction = \"in\"; with \"out\" all that \
                 comes from its addresses is treated alike"
            );
        }
        Ok(())
    }

    /// What its lists have to keep to.
    fn gates(&self, name: &Name) -> Result<Gates> {
        let usual = Gates::default();
        if !(1..=ALL_OF_IPV4).contains(&self.max_coverage.unwrap_or(1)) {
            bail!("feed '{name}': max_coverage is a number of IPv4 addresses, 1 to {ALL_OF_IPV4}");
        }
        let shortest = Shortest {
            v4: self.shortest_prefix.unwrap_or(usual.shortest.v4),
            v6: self.shortest_prefix_v6.unwrap_or(usual.shortest.v6),
        };
        if !(1..=32).contains(&shortest.v4) || !(1..=128).contains(&shortest.v6) {
            bail!(
                "feed '{name}': shortest_prefix is a length from 1 to 32, shortest_prefix_v6 from 1 to 128"
            );
        }
        let gates = Gates {
            shortest,
            max_coverage: self.max_coverage.unwrap_or(usual.max_coverage),
            min_entries: self.min_entries.unwrap_or(usual.min_entries),
            max_entries: self.max_entries.unwrap_or(usual.max_entries),
            // What a server of one's own has no more is nothing.
            may_be_empty: self.may_be_empty.or(self.server.map(|_| true)),
        };
        if gates.min_entries > gates.max_entries {
            bail!("feed '{name}': min_entries is more than max_entries");
        }
        Ok(gates)
    }

    /// `max_age` and `max_unchanged`.
    fn ages(&self, name: &Name, interval: Duration) -> Result<[Option<Duration>; 2]> {
        let ages = [self.max_age, self.max_unchanged];
        if self.when_old.is_some() && ages == [None, None] {
            bail!("feed '{name}': when_old needs max_age or max_unchanged, which say when that is");
        }
        let least = SignedDuration::try_from(2 * interval)?;
        if ages.iter().flatten().any(|age| *age < least) {
            bail!(
                "feed '{name}': max_age or max_unchanged is shorter than two intervals; one failed fetch \
                 would make the feed old"
            );
        }
        Ok(ages.map(|age| age.map(|age| age.unsigned_abs())))
    }

    /// What is fetched from others waits for a while; a file of the operator's own does not, nor do the
    /// decisions of a server of his own, which count by seconds.
    fn stage(&self, name: &Name) -> Result<Option<stage::Rule>> {
        let ours = self.path.is_some() || self.server.is_some_and(Server::comes_and_goes);
        let usual = if ours { SignedDuration::ZERO } else { STAGE };
        let wait = self.stage.unwrap_or(usual);
        if wait.is_zero() {
            if self.stage_entries.is_some() || self.stage_hosts.is_some() {
                bail!(
                    "feed '{name}': stage_entries and stage_hosts need stage, which says how long new \
                     entries wait, such as stage = \"30m\""
                );
            }
            return Ok(None);
        }
        if wait < stage::SHORTEST {
            bail!(
                "feed '{name}': stage is shorter than {:#}; \"0s\" lets new entries drop at once",
                stage::SHORTEST
            );
        }
        Ok(Some(stage::Rule {
            wait: wait.unsigned_abs(),
            entries: self.stage_entries.unwrap_or_default(),
            max_hosts: self.stage_hosts.unwrap_or(STAGE_HOSTS),
        }))
    }

    /// The interval, and the shortest that the provider in the catalogue allows.
    fn intervals(
        &self,
        name: &Name,
        defaults: &Defaults,
        provider: Option<&catalogue::Entry>,
    ) -> Result<(Duration, Duration)> {
        let (usual, shortest) = match self.server {
            Some(Server::Crowdsec) => (DECISIONS_INTERVAL, SignedDuration::from_secs(1)),
            _ => (defaults.interval, SHORTEST_INTERVAL),
        };
        let minimum = provider.map_or(SignedDuration::ZERO, |it| it.minimum_interval);
        let interval = self.interval.unwrap_or(usual.max(minimum));
        if interval < shortest {
            bail!(
                "feed '{name}': the interval is shorter than {shortest:#}; providers lock such \
                 readers out"
            );
        }
        if let Some(provider) = provider.filter(|_| interval < minimum) {
            bail!(
                "feed '{name}': {} is to be asked each {minimum:#} at most; set interval = \
                 \"{minimum:#}\" or a longer one",
                provider.title
            );
        }
        Ok((interval.unsigned_abs(), minimum.unsigned_abs()))
    }
}

fn location(name: &Name, url: Option<String>, path: Option<PathBuf>) -> Result<Location> {
    match (url, path) {
        (Some(url), None) if is_http(&url) => url.parse(),
        (Some(url), None) => bail!("feed '{name}': '{url}' is no http: or https: URL"),
        (None, Some(path)) if path.is_relative() => bail!(
            "feed '{name}': the path '{}' would be another file for each process, by the folder that it \
             was started in; write all of it, from / on",
            path.display()
        ),
        (None, Some(path)) => Ok(Location::File(path)),
        _ => bail!("feed '{name}' needs a url or a path, and only one of them"),
    }
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}
