//! `status`: is what the files say what the kernel enforces, and is there anything to look at?

use std::io::Write;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use super::{Ending, feeds::standing, remark::Weight, sight, table, write_json};
use crate::{
    config::Config,
    feed::store::Stalled,
    filter::Filter,
    inputs::{Inputs, read_lists},
    protected::{Facts, Kind},
    state,
};

mod interfaces;
mod troubles;

use interfaces::{Interface, Seen};
use troubles::remarks;

/// The whole answer.
#[derive(Debug, Serialize)]
struct Status {
    /// Every configured interface enforces the current files.
    enforcing: bool,
    /// What the operator has to look at, for people.
    troubles: Vec<String>,
    /// What else is worth knowing, likewise.
    remarks: Vec<String>,
    running: Option<i32>,
    generation: Option<u32>,
    installed: Option<Timestamp>,
    entries: Option<usize>,
    interfaces: Vec<Interface>,
    /// Names of interfaces in the configuration.
    #[serde(skip)]
    configured: Vec<String>,
    feeds: Vec<Feed>,
    blocked: usize,
    allowed: usize,
    ssh_peers: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Feed {
    name: String,
    mode: &'static str,
    entries: Option<usize>,
    stalled: Option<Stalled>,
    /// Entries that protect lists hold for the operator.
    held: usize,
    /// All that is wrong with it, in a line.
    state: String,
    /// What the operator has to look at, for people.
    #[serde(skip)]
    trouble: Option<String>,
}

/// Prints the status. Negative if there is anything that the operator has to look at.
pub fn run(filter: &Filter, json: bool, output: &mut dyn Write) -> Result<Ending> {
    let status = read(filter)?;
    match json {
        true => write_json(output, &status)?,
        false => write!(output, "{}", status.text(Timestamp::now()))?,
    }
    Ok(match status.troubles.is_empty() {
        true => Ending::Success,
        false => Ending::Negative,
    })
}

fn read(filter: &Filter) -> Result<Status> {
    let now = Timestamp::now();
    let record = filter.in_force()?;
    let inputs = Inputs::read(&filter.config, &filter.state)?;
    let lists = read_lists(&filter.state)?;
    let facts: Facts = state::read_json(&filter.state.protected())?.unwrap_or_default();
    let peers = facts.facts.iter().filter(|fact| fact.kind == Kind::SshPeer);
    let seen = Seen::look(filter, record.as_ref())?;
    let interfaces = interfaces::rows(filter, record.as_ref(), &seen)?;
    let feeds = feeds(filter, now)?;
    let mut said = remarks(filter, (record.as_ref(), &seen), &inputs, &interfaces, now);
    said.extend(sight::remarks_now(filter)?);
    let enforcing = !said.iter().any(|it| it.weight == Weight::Fault);
    said.extend(troubles::of_feeds(&feeds));
    let (notes, troubles): (Vec<_>, Vec<_>) =
        said.into_iter().partition(|it| it.weight == Weight::Note);
    Ok(Status {
        enforcing,
        troubles: troubles.into_iter().map(|it| it.text).collect(),
        remarks: notes.into_iter().map(|it| it.text).collect(),
        running: filter.state.running(),
        generation: record.as_ref().map(|record| record.number),
        installed: record.as_ref().map(|record| record.created),
        entries: record.as_ref().map(|record| record.entries),
        interfaces,
        configured: filter.config.interfaces.clone(),
        feeds,
        blocked: lists.block.live(now).count(),
        allowed: lists.allow.live(now).count(),
        ssh_peers: peers.map(|fact| fact.prefix.addr().to_string()).collect(),
    })
}

fn feeds(filter: &Filter, now: Timestamp) -> Result<Vec<Feed>> {
    let held = standing::held(filter)?;
    let in_force_since = Config::kept_since(&filter.state.configuration());
    filter
        .config
        .all_feeds()
        .map(|feed| {
            let meta = filter.state.feed_store(&feed.name).meta()?;
            let waiting = filter.waiting(feed)?;
            let held = held.get(&feed.name).copied().unwrap_or_default();
            let troubles = standing::troubles(feed, &meta, waiting.as_ref(), now);
            Ok(Feed {
                state: standing::state(&troubles, &meta, waiting.as_ref(), held, now),
                name: feed.name.to_string(),
                mode: feed.mode.as_str(),
                trouble: troubles::of_feed(feed, &meta, &troubles, in_force_since, now),
                entries: meta.copy.map(|copy| copy.entries),
                stalled: meta.stalled,
                held,
            })
        })
        .collect()
}

impl Status {
    /// Not to enforce what the files say is not the same as not to enforce.
    fn headline(&self) -> String {
        let attached = self.interfaces.iter().any(Interface::is_attached);
        let enforcing = match (self.enforcing, attached) {
            (true, _) => "enforcing",
            (false, true) => "enforcing, but NOT all that the files say",
            (false, false) => "NOT enforcing",
        };
        match self.troubles.len() {
            0 => enforcing.to_owned(),
            count => format!("{enforcing}; {}:", table::count(count, "trouble")),
        }
    }

    fn text(&self, now: Timestamp) -> String {
        let mut text = format!("{}\n", self.headline());
        for trouble in &self.troubles {
            text.push_str(&format!("  {trouble}\n"));
        }
        for remark in &self.remarks {
            text.push_str(&format!("note: {remark}\n"));
        }
        if let (Some(generation), Some(installed), Some(entries)) =
            (self.generation, self.installed, self.entries)
        {
            let entries = table::count(entries, "entry");
            let age = table::ago(installed, now);
            text.push_str(&format!(
                "generation {generation}: {entries}, installed {age}\n"
            ));
        }
        text.push_str(&match self.running {
            Some(process) => format!("run: live (process {process})\n"),
            None => "run: not live\n".to_owned(),
        });
        text.push_str(&format!(
            "local list: {} blocked, {} allowed\n",
            self.blocked, self.allowed
        ));
        if !self.ssh_peers.is_empty() {
            text.push_str(&format!(
                "never blocked, SSH peers: {}\n",
                self.ssh_peers.join(" ")
            ));
        }
        text + &self.tables()
    }

    fn tables(&self) -> String {
        let mut interfaces = table::table(&["INTERFACE", "ROLE", "MODE", "GENERATION", "STATE"]);
        for it in &self.interfaces {
            let generation = it
                .generation
                .map(|number| number.to_string())
                .unwrap_or_default();
            interfaces.add_row([
                it.shown(&self.configured).as_str(),
                it.role,
                it.mode.unwrap_or("?"),
                &generation,
                it.state,
            ]);
        }
        let mut feeds = table::table(&["FEED", "MODE", "ENTRIES", "STATE"]);
        for it in &self.feeds {
            let entries = it
                .entries
                .map(|count| table::number(count as u64))
                .unwrap_or_default();
            feeds.add_row([&it.name, it.mode, &entries, &it.state]);
        }
        let mut text = String::new();
        if !self.interfaces.is_empty() {
            text.push_str(&format!("\n{}", table::text(&interfaces)));
        }
        if !self.feeds.is_empty() {
            text.push_str(&format!("\n{}", table::text(&feeds)));
        }
        text
    }
}
