//! The catalogue: feeds that can be switched on by name, compiled in. `catalogue/feeds.toml` is what
//! there is to read.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use self::place::Place;
use super::{key::PLACEHOLDER, store::Name};
use crate::config::{self, Config, Mode};

mod place;
#[cfg(test)]
mod tests;

/// A feed that somebody offers, or did.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name here.
    pub name: Name,
    /// What its provider calls it, and who that is.
    pub title: String,
    /// What its entries are.
    #[serde(default)]
    pub lists: String,
    /// Who may use it for what.
    #[serde(default)]
    pub licence: String,
    /// The mode that it is usually good for, once it has been watched.
    #[serde(default)]
    pub advice: Mode,
    /// Where the key comes from, if one is needed.
    #[serde(default)]
    pub key: Option<String>,
    /// Whether it is a protect list: what feeds list of it is held.
    #[serde(default)]
    pub protect: bool,
    /// Time that the provider wants between two fetches at least, failed ones included.
    #[serde(default)]
    pub minimum_interval: SignedDuration,
    /// What to know before it is enforced.
    #[serde(default)]
    pub traps: Vec<String>,
    /// What is written into the configuration; nothing if it cannot be used.
    #[serde(default)]
    pub feed: Option<Keys>,
    /// Why it cannot be used.
    #[serde(default)]
    pub unusable: Option<String>,
    /// The entry to use instead.
    #[serde(default)]
    pub instead: Option<Name>,
}

/// The keys of a `[[feed]]` as they are written into the configuration, which checks them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Where it is fetched; `{key}` stands for the key.
    pub url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    internal: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<config::Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connectionless: Option<config::Connectionless>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<config::Ports>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_coverage: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_entries: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_entries: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shortest_prefix: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shortest_prefix_v6: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_unchanged: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    when_old: Option<config::WhenOld>,
}

impl Keys {
    /// Which traffic its addresses are about.
    pub fn direction(&self) -> config::Direction {
        self.direction.unwrap_or_default()
    }

    /// Whether it is fetched from this place.
    fn is_at(&self, place: &Place) -> bool {
        Place::of(&self.url).is_some_and(|own| own.is_at(place))
    }

    /// The format, or the server that has one of its own.
    pub fn format(&self) -> &str {
        let name = self.format.as_deref().or(self.server.as_deref());
        name.unwrap_or("auto")
    }

    /// Time between two fetches, where the catalogue asks for one.
    pub fn interval(&self) -> Option<&str> {
        self.interval.as_deref()
    }

    /// What it must keep to beside what every feed must, in words.
    pub fn gates(&self) -> Vec<String> {
        let coverage = self
            .max_coverage
            .map(|it| format!("covers {it} addresses at most"));
        let entries = [
            ("at least", self.min_entries),
            ("at most", self.max_entries),
        ];
        let entries = entries
            .into_iter()
            .filter_map(|(word, number)| Some(format!("has {word} {} entries", number?)));
        let shortest = [
            ("IPv4", self.shortest_prefix),
            ("IPv6", self.shortest_prefix_v6),
        ];
        let shortest = shortest
            .into_iter()
            .filter_map(|(family, length)| Some(format!("may list /{} of {family}", length?)));
        let ages = [
            (&self.max_age, "was not fetched"),
            (&self.max_unchanged, "did not change"),
        ];
        let ages = ages.into_iter().filter_map(|(age, what)| {
            let (age, what) = (age.as_ref()?, what);
            Some(match self.when_old {
                Some(config::WhenOld::Expire) => format!("taken out when it {what} for {age}"),
                _ => format!("kept when it {what} for {age}, and said so"),
            })
        });
        let gates = coverage.into_iter().chain(entries).chain(shortest);
        gates.chain(ages).collect()
    }

    /// How the key is sent.
    pub fn key_sent(&self) -> &'static str {
        match self.url.contains(PLACEHOLDER) {
            true => "in the address",
            false => "in a header",
        }
    }
}

/// All of the catalogue, in the order in which it is shown.
///
/// # Errors
/// None that a tested build can have.
pub fn entries() -> Result<Vec<Entry>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        entry: Vec<Entry>,
    }
    let file: File = toml::from_str(include_str!("catalogue/feeds.toml"))
        .context("the catalogue in this program is damaged; install it again")?;
    Ok(file.entry)
}

/// The entry of this name.
///
/// # Errors
/// There is none; the message names the one that was probably meant.
pub fn find(name: &str) -> Result<Entry> {
    let all = entries()?;
    if let Some(found) = all.iter().find(|entry| entry.name.as_str() == name) {
        return Ok(found.clone());
    }
    let likeness = |entry: &Entry| strsim::jaro_winkler(entry.name.as_str(), name);
    let closest = all
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match closest.filter(|entry| likeness(entry) > 0.8) {
        Some(entry) => bail!(
            "the catalogue has no feed '{name}'; did you mean '{}'?",
            entry.name
        ),
        None => bail!("the catalogue has no feed '{name}'; 'firewall feeds catalogue' lists them"),
    }
}

/// The entry of what is at `url`, if the catalogue has it, however the address is written.
///
/// # Errors
/// As [`entries`].
pub fn at(url: &str) -> Result<Option<Entry>> {
    let Some(place) = Place::of(url) else {
        return Ok(None);
    };
    let mut all = entries()?.into_iter();
    Ok(all.find(|entry| entry.feed.as_ref().is_some_and(|keys| keys.is_at(&place))))
}

impl Entry {
    /// The keys of the feed.
    ///
    /// # Errors
    /// It cannot be used; the message says why and what to use instead.
    pub fn usable(&self) -> Result<&Keys> {
        self.feed.as_ref().with_context(|| {
            let why = self.unusable.as_deref().unwrap_or("nobody offers it");
            let instead = self.instead.as_ref().map_or_else(String::new, |name| {
                format!("; use '{name}' instead: 'firewall feeds enable {name}'")
            });
            format!(
                "feed '{}' ({}) cannot be used: {why}{instead}",
                self.name, self.title
            )
        })
    }

    /// The `[[feed]]` or `[[protect]]` that switches it on, and what the configuration makes of it. The key is not read.
    ///
    /// # Errors
    /// It cannot be used, or it needs a key and none is named, or the other way round; or a mode is
    /// named for a protect list.
    pub fn configuration(
        &self,
        mode: Option<Mode>,
        key_file: Option<&Path>,
    ) -> Result<(String, config::Feed)> {
        #[derive(Serialize)]
        struct Feed<'a> {
            name: &'a Name,
            #[serde(flatten)]
            keys: &'a Keys,
            #[serde(skip_serializing_if = "Option::is_none")]
            mode: Option<Mode>,
            #[serde(skip_serializing_if = "Option::is_none")]
            key_file: Option<&'a Path>,
        }
        let keys = self.usable()?;
        self.check_key(keys, key_file)?;
        ensure!(
            !self.protect || mode.is_none(),
            "'{}' is a protect list, which has no mode: what feeds list of it is held; leave --mode out",
            self.name
        );
        let feed = Feed {
            name: &self.name,
            keys,
            mode: (!self.protect).then_some(mode.unwrap_or_default()),
            key_file,
        };
        let kind = if self.protect { "protect" } else { "feed" };
        let text = format!("[[{kind}]]\n{}", toml::to_string(&feed)?);
        let parsed = Config::parse(&text, "the catalogue")?;
        let feed = parsed.feeds.into_iter().chain(parsed.protect).next();
        Ok((text, feed.context("the catalogue made no feed")?))
    }

    fn check_key(&self, keys: &Keys, key_file: Option<&Path>) -> Result<()> {
        match (&self.key, key_file) {
            (Some(from), None) => bail!(
                "feed '{}' needs a key, sent {}; {from} gives one: write it into a file that only \
                 root can read, and name that with --key-file",
                self.name,
                keys.key_sent()
            ),
            (key, file) => {
                ensure!(
                    key.is_some() || file.is_none(),
                    "feed '{}' takes no key; leave --key-file out",
                    self.name
                );
                Ok(())
            }
        }
    }
}
