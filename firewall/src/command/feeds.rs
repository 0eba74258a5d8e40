//! `feeds`: list and update; the other commands are in files of their own.

use std::io::Write;

use anyhow::{Context, Result};
use ipnet::IpNet;
use jiff::Timestamp;
use serde_json::json;

use super::{Ending, open, open_or_kept, table, write_json};
mod accept;
mod catalogue;
mod compare;
mod enable;
mod parse;
mod show;
pub mod standing;
mod trial;
mod update;

use crate::{
    cli::{FeedsCommand, Options},
    config::Feed,
    feed::{
        self, Means, Outcome,
        guard::{Action, Finding},
        stage::Waiting,
        store::{GoodCopy, Meta},
        worker::Worker,
    },
    filter::Filter,
    inputs::FreshCopy,
    network::Network,
    protected::{Facts, Protected, feed_host},
    state::{self, State},
};

/// Does what is asked; the list if nothing is.
pub fn run(
    options: &Options,
    command: Option<FeedsCommand>,
    output: &mut dyn Write,
) -> Result<Ending> {
    match command {
        Some(FeedsCommand::Parse(arguments)) => parse::run(&arguments, options.json, output),
        Some(FeedsCommand::Compare) => compare::run(&open_or_kept(options)?, options.json, output),
        Some(FeedsCommand::Try(arguments)) => {
            trial::run(&open_or_kept(options)?, &arguments, options.json, output)
        }
        Some(FeedsCommand::Catalogue { name }) => {
            let config = open_or_kept(options)?.config;
            catalogue::run(&config, name.as_ref(), options.json, output)
        }
        Some(FeedsCommand::Enable(arguments)) => enable::enable(options, &arguments, output),
        Some(FeedsCommand::Disable { name }) => enable::disable(options, &name, output),
        Some(FeedsCommand::Update(arguments)) => {
            update::run(&open(options)?, &arguments, options.json, output)
        }
        Some(FeedsCommand::Show { name }) => {
            show::run(&open_or_kept(options)?, &name, options.json, output)
        }
        Some(FeedsCommand::Accept { name }) => {
            accept::run(&open(options)?, &name, options.json, output)
        }
        Some(FeedsCommand::List) | None => list(&open_or_kept(options)?, options.json, output),
    }
}

fn list(filter: &Filter, json: bool, output: &mut dyn Write) -> Result<Ending> {
    let now = Timestamp::now();
    let header = [
        "FEED", "MODE", "FORMAT", "ENTRIES", "LEFT OUT", "CHANGED", "CHECKED", "STATE",
    ];
    let mut table = table::table(&header);
    let held = standing::held(filter)?;
    for feed in filter.config.all_feeds() {
        let meta = filter.state.feed_store(&feed.name).meta()?;
        let waiting = filter.waiting(feed)?;
        let waiting = waiting.as_ref();
        let held = held.get(&feed.name).copied().unwrap_or_default();
        let troubles = standing::troubles(feed, &meta, waiting, now);
        if json {
            let row = json!({
                "name": feed.name, "mode": feed.mode, "location": feed.location.to_string(),
                "checked_at": meta.checked_at, "stalled": meta.stalled,
                "troubles": troubles,
                "waiting": waiting.and_then(|waiting| Some(json!({
                    "entries": waiting.entries(),
                    "until": waiting.ends()?[1],
                }))),
                "held_back": waiting.map(Waiting::held_back),
                "held": held,
                "entries": meta.copy.as_ref().map(|copy| copy.entries),
                "format": meta.copy.as_ref().map(|copy| copy.format),
                "v4": meta.copy.as_ref().map(|copy| copy.v4),
                "v6": meta.copy.as_ref().map(|copy| copy.v6),
                "rejected": meta.copy.as_ref().map(|copy| copy.rejected),
                "left_out": meta.copy.as_ref().map(|copy| copy.left_out),
                "findings": meta.copy.as_ref().map(|copy| &copy.findings),
                "changed_at": meta.copy.as_ref().map(|copy| copy.changed_at),
            });
            write_json(output, &row)?;
            continue;
        }
        let ago =
            |time: Option<Timestamp>| time.map(|time| table::ago(time, now)).unwrap_or_default();
        let copy = meta.copy.as_ref();
        let number = |count: Option<usize>| count.map(|it| table::number(it as u64));
        table.add_row([
            feed.name.to_string(),
            feed.mode.as_str().to_owned(),
            copy.map(|copy| copy.format.to_string()).unwrap_or_default(),
            number(copy.map(|copy| copy.entries)).unwrap_or_default(),
            number(copy.map(|copy| copy.left_out)).unwrap_or_default(),
            ago(copy.map(|copy| copy.changed_at)),
            ago(meta.checked_at),
            standing::state(&troubles, &meta, waiting, held, now),
        ]);
    }
    let none = filter.config.all_feeds().next().is_none();
    if !json && !none {
        write!(output, "{}", table::text(&table))?;
    }
    if none {
        eprintln!("no feed is configured; 'firewall feeds catalogue' lists those to choose from");
    }
    Ok(Ending::Success)
}

/// The feed `name`, which must be on.
fn active<'a>(filter: &'a Filter, name: &str) -> Result<&'a Feed> {
    let mut feeds = filter.config.fetched_feeds();
    let found = feeds.find(|feed| feed.name.as_str() == name);
    found.with_context(|| {
        format!("there is no feed '{name}' that is on; 'firewall feeds' lists them")
    })
}

/// Everything that an update of one feed needs, so that it can be made beside the event loop.
#[derive(Clone, Debug)]
pub struct Request {
    feed: feed::Feed,
    state: State,
}

impl Request {
    /// The request to update `feed`.
    pub fn new(filter: &Filter, feed: &Feed) -> Self {
        Self {
            feed: feed.to_update(),
            state: filter.state.clone(),
        }
    }
}

/// What came of an update, and the addresses of the feed's server.
pub struct Answer {
    /// What became of the last good copy.
    pub outcome: Outcome,
    /// The new copy, if there is one, so that it need not be read again.
    pub copy: Option<FreshCopy>,
    /// Not to be blocked: the next update comes from there.
    pub hosts: Vec<Protected>,
    /// The same trouble, or the same findings, as the last time: there is nothing new to say.
    pub said: bool,
    /// What the outcome leaves in force where it brings nothing, in words.
    pub stays: &'static str,
}

/// What is in force of a feed that brings nothing new, in words.
fn stays(meta: &Meta) -> &'static str {
    match meta.copy {
        Some(_) => "the last good copy stays",
        None => "nothing of it is in force yet",
    }
}

/// Updates one feed's copy; puts nothing in force.
pub fn fetch(request: &Request) -> Result<Answer> {
    let Request {
        feed: wanted,
        state,
    } = request;
    let _lock = state.lock_feed(&wanted.name)?;
    let mut feed = wanted.clone();
    feed.limits.connected = Network::read()?.connected();
    let hosts = feed_host(&feed.location);
    let facts: Facts = state::read_json(&state.protected())?.unwrap_or_default();
    let mut protected = facts.all();
    protected.extend_from_slice(&hosts);
    let store = state.feed_store(&feed.name);
    let before = store.meta()?;
    let means = Means {
        worker: &Worker::of_this_program()?,
        protected: &protected,
        now: Timestamp::now(),
    };
    let mut outcome = feed::update(&feed, state.root(), &means)?;
    let copy = match &mut outcome {
        // Under the lock: nobody has put another copy in its place.
        Outcome::Changed(_, records) => FreshCopy::of(&store, std::mem::take(records))?,
        _ => None,
    };
    Ok(Answer {
        said: was_said(&before, &outcome),
        stays: stays(&before),
        outcome,
        copy,
        hosts,
    })
}

/// Whether what there is to say of `outcome`, apart from the change itself, was said before.
fn was_said(before: &Meta, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Unchanged => true,
        Outcome::Changed(copy, _) => before
            .copy
            .as_ref()
            .is_some_and(|before| judged(before).eq(judged(copy))),
        Outcome::Quarantined(reason) | Outcome::Failed(reason) => {
            before.trouble() == Some(reason.as_str())
        }
    }
}

/// What the guard had to say, wherever in the list the entries stand by now.
fn judged(copy: &GoodCopy) -> impl Iterator<Item = (IpNet, &str)> {
    let findings = copy.findings.iter();
    findings.map(|finding| (finding.entry, finding.rule.as_str()))
}

/// What the guard left out or subtracted from, in a few lines.
pub fn findings(copy: &GoodCopy) -> Vec<String> {
    /// Enough to see what it is about; `feeds show` has more.
    const SAID: usize = 3;
    let all = copy.left_out + copy.subtracted;
    let mut lines: Vec<String> = copy.findings.iter().take(SAID).map(finding_text).collect();
    if copy.rejected > 0 {
        lines.push(format!(
            "lines that are no entries: {}; 'firewall feeds parse' shows them",
            table::number(copy.rejected as u64)
        ));
    }
    if all > SAID {
        lines.push(format!(
            "and {} more; 'firewall feeds show' has them",
            all - SAID
        ));
    }
    lines
}

fn finding_text(finding: &Finding) -> String {
    let Finding {
        line,
        entry,
        rule,
        action,
    } = finding;
    let done = match action {
        Action::LeftOut => "left out",
        Action::Subtracted => "in force but for protected addresses in it",
        Action::Held => "held for you",
    };
    format!("line {line}: {entry} {done} ({rule})")
}
