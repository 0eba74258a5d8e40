//! The configuration: TOML files into one value. Unknown keys are refused.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    feed::{
        fetch::Location,
        format::{Format, Options},
        guard::gates::Gates,
        key::Key,
        server::Server,
        stage,
        store::Name,
    },
    ruleset::Group,
};

pub mod duration;
mod entry;
mod feed;
mod group;
mod interface;
mod notice;
mod secret;
mod source;

use entry::{Defaults, FeedEntry};
pub use feed::Limit;
use group::GroupEntry;
use interface::InterfaceEntry;
use source::Text;
pub use source::{Source, StandIn, drop_in_folder};

/// Where the configuration is unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/firewall/firewall.toml";

/// How to attach to an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachMode {
    /// In the driver; where the driver cannot, behind it, and say so.
    #[default]
    Auto,
    /// In the driver or not at all.
    Native,
    /// Behind the driver: works everywhere, costs more per packet.
    Generic,
}

/// What is done with the addresses of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The feed is neither fetched nor used.
    Off,
    /// Count and report, let pass.
    #[default]
    Monitor,
    /// Drop.
    Enforce,
    /// Hold what feeds list of its addresses: what a `[[protect]]` does.
    #[serde(skip_deserializing)]
    Protect,
}

impl Mode {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Monitor => "monitor",
            Self::Enforce => "enforce",
            Self::Protect => "protect",
        }
    }
}

/// Which traffic the addresses of a feed are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Machines inside call them: what goes to them and all that comes from them.
    #[default]
    Out,
    /// They attack: only what opens something from outside.
    In,
}

/// What the port of an indicator means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ports {
    /// Only that port is bad; others use the address too.
    Exact,
    /// All of the address is bad, whatever the port.
    Address,
}

/// What is done with packets from attackers whose protocol does not say whether they open something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connectionless {
    /// Count and report, let pass: they may be answers.
    #[default]
    Monitor,
    /// Drop.
    Drop,
}

/// What becomes of a feed whose last good fetch is too long ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenOld {
    /// It stays in force, and says so: who cuts the way to it must not free himself.
    #[default]
    Keep,
    /// Its entries are taken out: what they say is no longer true by then.
    Expire,
}

/// One feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Name, also of its files in the state folder.
    pub name: Name,
    /// Where its content comes from.
    pub location: Location,
    /// Format of the content; `None` to find out.
    pub format: Option<Format>,
    /// What the format needs to know.
    pub options: Options,
    /// What is done with its addresses.
    pub mode: Mode,
    /// Which traffic they are about.
    pub direction: Direction,
    /// What becomes of what neither opens nor answers, where the direction is `in`.
    pub connectionless: Connectionless,
    /// What its ports mean; `None` for what its format usually means.
    pub ports: Option<Ports>,
    /// Time between two fetches.
    pub interval: Duration,
    /// Time between two fetches at least, for its provider's sake; zero if nobody knows.
    pub minimum_interval: Duration,
    /// The entry of the catalogue that it is, whatever its name.
    pub catalogued: Option<Name>,
    /// What is asked there, if it is no file.
    pub server: Option<Server>,
    /// Which of the server's collections.
    pub collection: Option<String>,
    /// The key, where one is needed.
    pub key: Option<Key>,
    /// Whether it may be fetched from addresses that are not public.
    pub internal: bool,
    /// What its lists have to keep to.
    pub gates: Gates,
    /// How long ago its last good fetch may be.
    pub max_age: Option<Duration>,
    /// For how long it may be the same.
    pub max_unchanged: Option<Duration>,
    /// What becomes of it when that is longer ago.
    pub when_old: WhenOld,
    /// Whether protect lists hold entries of it.
    pub hold: bool,
    /// The feeds that it is counted with before anything is dropped.
    pub group: Option<Group>,
    /// How its new entries wait before they drop anything; `None` if they do not.
    pub stage: Option<stage::Rule>,
}

/// All of the configuration, with defaults filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Interfaces to attach to; empty to choose.
    pub interfaces: Vec<String>,
    /// Interfaces that look to the internet, where the routing table does not tell.
    pub outside: Vec<String>,
    /// Prefixes of our own that are neither connected nor special.
    pub inside_prefixes: Vec<IpNet>,
    /// How to attach.
    pub attach: AttachMode,
    /// How to attach to single interfaces, by their names.
    pub attach_single: BTreeMap<String, AttachMode>,
    /// Whether what this machine itself sends is judged, where it leaves to the outside.
    pub own_traffic: bool,
    /// Feeds, in the order of the files.
    pub feeds: Vec<Feed>,
    /// Lists of addresses that feeds must not block unasked, likewise; fetched and stored like feeds.
    pub protect: Vec<Feed>,
    /// Groups of feeds, likewise.
    pub groups: Vec<Group>,
    /// The files that it was read from.
    pub source: Source,
    /// The files that were in force when it was read: what it is to replace. Where others are in force by
    /// then, those are newer.
    pub replaces: Option<Source>,
    /// Why it is not that of the files, if so.
    pub stand_in: Option<StandIn>,
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    interfaces: Vec<String>,
    outside: Vec<String>,
    inside_prefixes: Vec<IpNet>,
    attach: Option<AttachMode>,
    own_traffic: Option<bool>,
    interface: Vec<InterfaceEntry>,
    defaults: Defaults,
    feed: Vec<FeedEntry>,
    protect: Vec<FeedEntry>,
    group: Vec<GroupEntry>,
}

impl Config {
    /// Reads `path` and the `conf.d/*.toml` beside it, in name order. `None` reads the default
    /// place, where no file at all is fine.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        Self::of(Source::read(path)?)
    }

    /// Reads one configuration text; `name` is for messages.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        Self::of(Source::text(text, name))
    }

    /// Groups come first: a feed may be in one of a later file.
    fn of(source: Source) -> Result<Self> {
        let mut config = Self::default();
        let mut files = Vec::new();
        for Text { path, text } in &source.files {
            files.push((path, parse_file(text, path)?));
        }
        for (name, file) in &files {
            let mut entries = file.group.iter();
            let added = entries.try_for_each(|entry| group::add(&mut config.groups, entry));
            added.with_context(|| (*name).clone())?;
        }
        for (name, file) in files {
            config.add(file, name)?;
        }
        config.source = source;
        interface::check(&config)?;
        config.share_providers();
        Ok(config)
    }

    fn add(&mut self, file: File, name: &str) -> Result<()> {
        for interface in file.interfaces {
            if !self.interfaces.contains(&interface) {
                self.interfaces.push(interface);
            }
        }
        self.outside.extend(file.outside);
        self.inside_prefixes
            .extend(file.inside_prefixes.iter().map(IpNet::trunc));
        self.attach = file.attach.unwrap_or(self.attach);
        self.own_traffic = file.own_traffic.unwrap_or(self.own_traffic);
        for entry in file.interface {
            entry.add(self).with_context(|| name.to_owned())?;
        }
        for entry in file.feed {
            let feed = entry.finish(&file.defaults, &self.groups);
            let feed = feed.with_context(|| name.to_owned())?;
            self.check_new(&feed, name)?;
            self.feeds.push(feed);
        }
        for entry in file.protect {
            let list = entry.finish_protect(&file.defaults);
            let list = list.with_context(|| name.to_owned())?;
            self.check_new(&list, name)?;
            self.protect.push(list);
        }
        Ok(())
    }

    /// Their files have the same names as they, so that no two may have one name.
    fn check_new(&self, feed: &Feed, file: &str) -> Result<()> {
        if self.all_feeds().any(|other| other.name == feed.name) {
            bail!(
                "{file}: there are two feeds named '{}'; rename one",
                feed.name
            );
        }
        Ok(())
    }

    /// Whether the files were edited since they were put in force last.
    pub fn is_edited(&self) -> bool {
        let before = self.replaces.as_ref();
        before.is_some_and(|before| *before != self.source)
    }

    /// Feeds and protect lists.
    pub fn all_feeds(&self) -> impl Iterator<Item = &Feed> {
        self.feeds.iter().chain(&self.protect)
    }

    /// Those of them that are fetched.
    pub fn fetched_feeds(&self) -> impl Iterator<Item = &Feed> {
        self.active_feeds().chain(&self.protect)
    }

    /// The feeds whose addresses are used.
    pub fn active_feeds(&self) -> impl Iterator<Item = &Feed> {
        self.feeds.iter().filter(|feed| feed.mode != Mode::Off)
    }
}

fn parse_file(text: &str, name: &str) -> Result<File> {
    toml::from_str(text).map_err(|error| located(&error, text, name))
}

/// The parser's message with file, line and column, and for an unknown key the one that was
/// probably meant.
fn located(error: &toml::de::Error, text: &str, name: &str) -> anyhow::Error {
    let message = error.message();
    let suggestion = suggestion(message).unwrap_or_default();
    match error.span() {
        Some(span) => {
            let before = &text[..span.start.min(text.len())];
            let line = before.matches('\n').count() + 1;
            let column = before
                .chars()
                .rev()
                .take_while(|&character| character != '\n')
                .count()
                + 1;
            anyhow!("{name}:{line}:{column}: {message}{suggestion}")
        }
        None => anyhow!("{name}: {message}{suggestion}"),
    }
}

/// `unknown field `a`, expected one of `b`, `c`` → the `b` or `c` that looks like `a`.
fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown") {
        return None;
    }
    let mut words = message.split('`').skip(1).step_by(2);
    let found = words.next()?;
    let closest = words
        .max_by(|a, b| strsim::jaro_winkler(a, found).total_cmp(&strsim::jaro_winkler(b, found)))?;
    (strsim::jaro_winkler(closest, found) > 0.7).then(|| format!("; did you mean `{closest}`?"))
}

#[cfg(test)]
mod tests;
