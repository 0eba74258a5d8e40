//! `why`: what happens to packets of an address, and who says so.

use std::{collections::BTreeMap, io::Write, net::IpAddr};

use anyhow::Result;
use firewall_common::reason::Count;
use ipnet::IpNet;
use jiff::Timestamp;
use serde::Serialize;

use super::{Ending, table, write_json};
use crate::{
    address::Address,
    cli::Why,
    config::{Direction, Feed, Mode, Ports},
    feed::{
        format::Indicator,
        guard::{Action, Guarded, hold::Hold},
        journal::Since,
        stage::Standing,
        worker::Worker,
    },
    filter::Filter,
    inputs::{Inputs, StoredFeed},
    ledger::{Entry, Key},
    local::{ALLOW, LOCAL, List},
    record::{Record, RecordedClass},
    subject::Subject,
};

mod naming;

use naming::{Agreement, Naming, agree};

/// What happens to packets of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Blocked,
    Monitored,
    NotBlocked,
}

/// What the ledger has on the address.
#[derive(Debug, Default, Serialize)]
struct Hits {
    packets: u64,
    bytes: u64,
    last_seen: Option<Timestamp>,
}

/// The answer for one address.
#[derive(Debug, Serialize)]
struct Answer {
    address: IpAddr,
    verdict: Verdict,
    /// Whether the verdict is what the kernel enforces; otherwise it is what the files ask for.
    in_force: bool,
    /// Whether files and kernel agree.
    agrees: bool,
    /// Whether ports of the address are blocked on their own.
    ports_blocked: bool,
    sources: Vec<Naming>,
    hits: Hits,
}

/// Everything the answers are taken from, read once for all addresses.
struct Evidence<'a> {
    filter: &'a Filter,
    inputs: Inputs,
    feeds: Vec<Guarded>,
    /// Who reads what feeds say.
    worker: Worker,
    in_force: Option<Record>,
    ledger: BTreeMap<Key, Entry>,
    now: Timestamp,
}

/// Explains each address. Negative if any of them is blocked.
pub fn run(filter: &Filter, arguments: &Why, json: bool, output: &mut dyn Write) -> Result<Ending> {
    let evidence = Evidence::read(filter)?;
    if evidence.in_force.is_none() {
        eprintln!("nothing is attached: this is what 'firewall run' would put in force");
    }
    let mut ending = Ending::Success;
    for address in &arguments.addresses {
        let answer = evidence.answer(address.to_canonical())?;
        if answer.verdict == Verdict::Blocked {
            ending = Ending::Negative;
        }
        match json {
            true => write_json(output, &answer)?,
            false => write!(output, "{}", answer.text(evidence.now))?,
        }
    }
    Ok(ending)
}

impl<'a> Evidence<'a> {
    fn read(filter: &'a Filter) -> Result<Self> {
        let inputs = Inputs::read(&filter.config, &filter.state)?;
        let protected = &inputs.protected;
        let lists = inputs.protect_lists(Err)?;
        let hold = Hold::new(&lists);
        let held = |stored: &StoredFeed| stored.held(protected, &hold);
        let feeds: Result<Vec<Guarded>> = inputs.feeds.iter().map(held).collect();
        drop(lists);
        Ok(Self {
            feeds: feeds?,
            in_force: filter.in_force()?,
            ledger: filter.ledger()?.0,
            now: Timestamp::now(),
            worker: Worker::of_this_program()?,
            filter,
            inputs,
        })
    }

    fn answer(&self, address: IpAddr) -> Result<Answer> {
        let sources = self.namings(address)?;
        let by_files = by_files(&sources);
        let by_kernel = self.by_kernel(address)?;
        Ok(Answer {
            address,
            verdict: by_kernel.unwrap_or(by_files),
            in_force: by_kernel.is_some(),
            agrees: by_kernel.is_none_or(|verdict| verdict == by_files),
            ports_blocked: sources
                .iter()
                .any(|it| it.prefix.port.is_some() && it.asks == "enforce"),
            sources,
            hits: self.hits(address),
        })
    }

    /// What the generation in force does: the same lookup that the kernel program makes, in the
    /// kernel's own memory.
    fn by_kernel(&self, address: IpAddr) -> Result<Option<Verdict>> {
        let Some(record) = &self.in_force else {
            return Ok(None);
        };
        let class = self.filter.dataplane.lookup(record.number, address)?;
        Ok(Some(match record.class(class) {
            Some(RecordedClass { exempt: true, .. }) => Verdict::NotBlocked,
            Some(RecordedClass { enforced: true, .. }) => Verdict::Blocked,
            Some(RecordedClass { sources, .. }) if !sources.is_empty() => Verdict::Monitored,
            _ => Verdict::NotBlocked,
        }))
    }

    fn namings(&self, address: IpAddr) -> Result<Vec<Naming>> {
        let host = IpNet::from(address);
        let mut namings = Vec::new();
        for protected in self
            .inputs
            .protected
            .iter()
            .filter(|it| it.prefix.contains(&host))
        {
            let kind = protected.kind.as_str().to_owned();
            namings.push(Naming {
                source: kind,
                ..Naming::new("protect", protected.prefix.into())
            });
        }
        let lists = &self.inputs.lists;
        namings.extend(self.of_list(&lists.allow, ALLOW, "allow", host));
        namings.extend(self.of_list(&lists.block, LOCAL, "enforce", host));
        for (stored, guarded) in self.inputs.feeds.iter().zip(&self.feeds) {
            self.add_feed(stored, guarded, address, &mut namings)?;
        }
        agree(&mut namings);
        Ok(namings)
    }

    fn of_list(
        &self,
        list: &List,
        source: &str,
        asks: &'static str,
        host: IpNet,
    ) -> impl Iterator<Item = Naming> {
        list.live(self.now)
            .filter(move |(subject, _)| subject.prefix.contains(&host))
            .map(move |(subject, note)| Naming {
                source: source.to_owned(),
                since: note.added,
                until: note.until,
                note: note.reason.clone(),
                ..Naming::new(if note.exempt { "exempt" } else { asks }, subject)
            })
    }

    fn add_feed(
        &self,
        stored: &StoredFeed,
        guarded: &Guarded,
        address: IpAddr,
        namings: &mut Vec<Naming>,
    ) -> Result<()> {
        let records = stored.records()?;
        let (all, taken) = match address {
            IpAddr::V4(ip) => (
                covering(&records.v4, ip.to_bits()),
                covering(&guarded.v4, ip.to_bits()),
            ),
            IpAddr::V6(ip) => (
                covering(&records.v6, ip.to_bits()),
                covering(&guarded.v6, ip.to_bits()),
            ),
        };
        for (mut subject, line) in all {
            let expired = stored.is_expired(self.now);
            let left_out = expired || !taken.contains(&(subject, line));
            let since = self.since(stored, subject.prefix)?;
            let waiting = stored.waiting().filter(|_| !left_out);
            let staged = waiting.and_then(|it| it.standing(subject.prefix.into()));
            let agreement = stored.feed.must_agree().map(Agreement::of);
            if stored.ports() == Ports::Address {
                subject.port = None;
            }
            namings.push(Naming {
                source: stored.feed.name.to_string(),
                line: Some(line),
                since: since.map(Since::time),
                or_before: since.is_some_and(Since::or_before),
                note: match left_out {
                    true if expired => Some("left out: what the feed lists is too old".to_owned()),
                    true => Some(why_left_out(guarded, line)),
                    false => self.said(stored, line),
                },
                opening: stored.feed.direction == Direction::In,
                staged: staged.map(|standing| in_words(standing, stored)),
                // What waits agrees with nobody yet.
                agreement: agreement.filter(|_| staged.is_none()),
                ..Naming::new(asks(&stored.feed, left_out, staged), subject)
            });
        }
        Ok(())
    }

    /// What the provider has to tell beside the address. The verdict does not hang on it: where it
    /// cannot be read, that is said in its place.
    fn said(&self, stored: &StoredFeed, line: u32) -> Option<String> {
        match stored.said(line, &self.worker) {
            Ok(said) => said.map(|it| it.to_string()),
            Err(error) => Some(format!(
                "what the feed says of it cannot be read: {error:#}"
            )),
        }
    }

    fn since(&self, stored: &StoredFeed, prefix: IpNet) -> Result<Option<Since>> {
        self.filter
            .state
            .feed_store(&stored.feed.name)
            .since(prefix.into())
    }

    fn hits(&self, address: IpAddr) -> Hits {
        let mut hits = Hits::default();
        for (_, entry) in self.ledger.iter().filter(|(key, _)| key.remote == address) {
            let Count { packets, bytes } = entry.count;
            hits.packets += packets;
            hits.bytes += bytes;
            hits.last_seen = hits.last_seen.max(Some(entry.last_seen));
        }
        hits
    }
}

/// The indicators that cover `address`, or a port of it, and their lines.
fn covering<A: Address>(indicators: &[Indicator<A>], address: A) -> Vec<(Subject, u32)> {
    indicators
        .iter()
        .filter(|indicator| address.first(indicator.length) == indicator.address)
        .filter_map(|indicator| Some((indicator.subject()?, indicator.line)))
        .collect()
}

/// What a feed asks for with an entry.
fn asks(feed: &Feed, left_out: bool, staged: Option<Standing>) -> &'static str {
    match (feed.mode, staged) {
        _ if left_out => "nothing",
        (Mode::Enforce, None) => "enforce",
        _ => "monitor",
    }
}

/// Why an entry of a feed that drops is only monitored.
fn in_words(standing: Standing, stored: &StoredFeed) -> String {
    match standing {
        Standing::Waits(until) => format!("new, in monitor until {until:.0}"),
        Standing::HeldBack(hosts) => format!(
            "held back in monitor: {hosts} inside hosts called it while it waited; 'firewall feeds \
             accept {}' lets it go on",
            stored.feed.name
        ),
    }
}

/// Which rule keeps the entry on `line` out of force, if it is one of the findings that are kept.
fn why_left_out(guarded: &Guarded, line: u32) -> String {
    let mut findings = guarded.findings.iter();
    let found = findings.find(|it| it.line == line && it.action != Action::Subtracted);
    match found {
        Some(it) if it.action == Action::Held => {
            format!("held for you: the protect list {} has it", it.rule)
        }
        Some(it) if it.rule.starts_with("wider") => format!("left out: it is {}", it.rule),
        Some(it) => format!("left out: all of it is protected ({})", it.rule),
        None => "left out: too wide, or protected".to_owned(),
    }
}

/// Allow beats drop beats monitor. What is said of ports alone is not said of the address.
fn by_files(sources: &[Naming]) -> Verdict {
    let whole = |naming: &&Naming| naming.prefix.port.is_none();
    let asked = |what: &str| {
        sources
            .iter()
            .filter(whole)
            .any(|naming| naming.asks == what)
    };
    if asked("exempt") || asked("protect") || asked("allow") {
        Verdict::NotBlocked
    } else if asked("enforce") {
        Verdict::Blocked
    } else if asked("monitor") {
        Verdict::Monitored
    } else {
        Verdict::NotBlocked
    }
}

impl Answer {
    fn text(&self, now: Timestamp) -> String {
        let mut text = format!("{} {}\n", self.address, self.verdict_in_words());
        for naming in &self.sources {
            text.push_str(&naming.text(now));
            text.push('\n');
        }
        if let Some(last) = self.hits.last_seen {
            let packets = usize::try_from(self.hits.packets).unwrap_or(usize::MAX);
            let packets = table::count(packets, "packet");
            text.push_str(&format!(
                "  {packets} seen, last {}\n",
                table::ago(last, now)
            ));
        }
        if !self.agrees {
            text.push_str("  the files say otherwise: 'firewall reload' puts them in force\n");
        }
        text
    }

    fn verdict_in_words(&self) -> String {
        let spared = |words: &[&str]| self.sources.iter().any(|it| words.contains(&it.asks));
        match self.verdict {
            Verdict::Blocked => "is blocked".to_owned(),
            Verdict::Monitored => "is not blocked: it is only monitored".to_owned(),
            Verdict::NotBlocked if spared(&["exempt"]) => {
                "is not blocked: all its packets pass".to_owned()
            }
            Verdict::NotBlocked if spared(&["allow"]) => "is not blocked: it is allowed".to_owned(),
            Verdict::NotBlocked if spared(&["protect"]) => {
                "is not blocked: it is protected".to_owned()
            }
            Verdict::NotBlocked if self.ports_blocked => {
                "is not blocked as a whole, only ports of it".to_owned()
            }
            Verdict::NotBlocked if self.sources.is_empty() => {
                "is not blocked: no source names it".to_owned()
            }
            Verdict::NotBlocked => "is not blocked".to_owned(),
        }
    }
}
