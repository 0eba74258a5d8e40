//! `feeds try`: what would change if a list were a feed that drops.

use std::{collections::BTreeSet, io::Write, net::IpAddr, path::PathBuf};

use anyhow::{Context, Result, bail};
use firewall_common::ledger::Direction as Way;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    cli::Try,
    command::{Ending, table, write_json},
    config::{Direction, Ports},
    dataplane::service,
    feed::{
        coverage::{Coverage, Part},
        fetch::{self, Limits, Location},
        format::{Format, Parsed},
        guard::{
            self, Finding, Guarded,
            gates::{Gates, Shortest},
            hold::Hold,
            rejected,
        },
        worker::{Answer, Job, New, Task, Worker},
    },
    filter::Filter,
    image::Listing,
    inputs::Inputs,
    ledger::{Entry, Key},
    ruleset::{Protocol, Ruleset, Wish},
    subject::{Port, Subject},
};

/// Hosts that are shown to people.
const SHOWN: usize = 20;

/// What is found.
struct Found {
    format: Format,
    parsed: Parsed,
    guarded: Guarded,
    /// Why it would wait for 'feeds accept' as a whole.
    waits: Option<String>,
    counts: Counts,
    hits: Vec<(Key, Entry)>,
}

/// Distinct entries that may be put in force, by what is listed now.
#[derive(Default)]
struct Counts {
    /// Nobody lists any of it.
    new: usize,
    /// Somebody lists some of it.
    partly: usize,
    /// Dropped already, all of it.
    dropped: usize,
    /// Listed already, all of it, and some only monitored.
    monitored: usize,
    /// Some of it is on the operator's allow list, and stays reachable.
    allowed: usize,
}

pub(super) fn run(
    filter: &Filter,
    arguments: &Try,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let refused = || format!("{} would be refused", arguments.source);
    let New { format, parsed, .. } = read(arguments).with_context(refused)?;
    let now = Timestamp::now();
    let inputs = Inputs::read(&filter.config, &filter.state)?;
    let mut guarded =
        guard::check(&parsed, &inputs.protected, Shortest::default()).with_context(refused)?;
    rejected::check(format, &parsed).with_context(refused)?;
    let waits = Gates::default().objection(format, None, &parsed, &guarded);
    let lists = inputs.protect_lists(Err)?;
    guarded.hold(&Hold::new(&lists), format.ports());
    let new = subjects(&guarded, format.ports());
    let allow: Vec<Subject> = inputs.lists.allow.live(now).map(|(it, _)| it).collect();
    let (ruleset, _) = inputs.ruleset(now, true)?;
    let counts = count(&new, &Listing::of(&ruleset)?, &allow)?;
    let (ledger, _) = filter.ledger()?;
    let hits = hits(&new, &allow, ledger, arguments.direction)?;
    let found = Found {
        format,
        parsed,
        guarded,
        waits,
        counts,
        hits,
    };
    match json {
        true => write_json(output, &row(arguments, &found))?,
        false => write_text(arguments, &found, now, output)?,
    }
    Ok(Ending::Success)
}

fn read(arguments: &Try) -> Result<New> {
    let source = &arguments.source;
    let location = match source.contains("://") {
        true => source.parse()?,
        false => Location::File(std::path::absolute(PathBuf::from(source))?),
    };
    // Who types an address in knows where it leads.
    let limits = Limits {
        internal: true,
        ..Limits::default()
    };
    let (task, given) = match &location {
        Location::File(path) => (Task::Read, fetch::read(path, limits.content)?),
        Location::Web(address) => (Task::fetch(address), Vec::new()),
    };
    let format = arguments.reading.format.0;
    let mut job = Job::new(task, Timestamp::now());
    job.limits = limits;
    job.how.options = arguments.reading.options();
    job.how.options.check(format)?;
    job.format = format;
    match Worker::of_this_program()?.ask(&job, &given)? {
        Answer::New(new) => Ok(*new),
        _ => bail!("{location} brought nothing; try again"),
    }
}

/// What would be put in force, each entry once.
fn subjects(guarded: &Guarded, ports: Ports) -> BTreeSet<Subject> {
    let v4 = guarded.v4.iter().filter_map(|it| it.subject());
    let v6 = guarded.v6.iter().filter_map(|it| it.subject());
    let whole = |mut subject: Subject| {
        subject.port = subject.port.filter(|_| ports == Ports::Exact);
        subject
    };
    v4.chain(v6).map(whole).collect()
}

fn count(new: &BTreeSet<Subject>, listing: &Listing, allow: &[Subject]) -> Result<Counts> {
    let dropped = Coverage::of(listing, |class| class.actions.drops())?;
    let listed = Coverage::of(listing, |class| {
        !class.sources.is_empty() && !class.actions.is_exempt()
    })?;
    let mut counts = Counts::default();
    for subject in new {
        let touches = |it: &Subject| it.covers(subject) || subject.prefix.contains(&it.prefix);
        counts.allowed += usize::from(allow.iter().any(touches));
        match (listed.part(subject), dropped.part(subject)) {
            (_, Part::All) => counts.dropped += 1,
            (Part::All, _) => counts.monitored += 1,
            (Part::Some, _) => counts.partly += 1,
            (Part::Nothing, _) => counts.new += 1,
        }
    }
    Ok(counts)
}

/// What the ledger has of the addresses that would be dropped, those first who called out.
fn hits(
    new: &BTreeSet<Subject>,
    allow: &[Subject],
    ledger: impl IntoIterator<Item = (Key, Entry)>,
    direction: Direction,
) -> Result<Vec<(Key, Entry)>> {
    let mut ruleset = Ruleset::default();
    let (list, own) = (
        ruleset.source("list", Wish::Drop)?,
        ruleset.source("allow", Wish::Allow)?,
    );
    new.iter().for_each(|subject| ruleset.add(subject, list));
    allow.iter().for_each(|subject| ruleset.add(subject, own));
    let coverage = Coverage::of(&Listing::of(&ruleset)?, |class| class.actions.drops())?;
    let is_hit = |(key, _): &(Key, Entry)| {
        (direction == Direction::Out || key.direction != Way::Outbound)
            && coverage.has(key.remote, port(key))
    };
    let mut hits: Vec<(Key, Entry)> = ledger.into_iter().filter(is_hit).collect();
    hits.sort_by_key(|(key, entry)| (key.direction, std::cmp::Reverse(entry.count.packets)));
    Ok(hits)
}

/// The service, where it is one that an entry can name.
fn port(key: &Key) -> Option<Port> {
    let protocol = Protocol::ALL
        .into_iter()
        .find(|it| *it as u8 == key.protocol)?;
    (key.port != 0).then_some(Port {
        number: key.port,
        protocol: Some(protocol),
    })
}

fn row(arguments: &Try, found: &Found) -> Value {
    let Found {
        guarded, counts, ..
    } = found;
    let hits = found.hits.iter().map(|(key, entry)| {
        json!({
            "inside": key.inside, "remote": key.remote, "protocol": key.protocol, "port": key.port,
            "direction": key.direction.as_str(), "packets": entry.count.packets,
            "last_seen": entry.last_seen, "dropped": entry.dropped, "sources": entry.sources,
        })
    });
    let hits: Vec<Value> = hits.collect();
    json!({
        "list": arguments.source, "format": found.format, "entries": found.parsed.entries,
        "rejected": found.parsed.rejected_count, "new": counts.new, "partly_new": counts.partly,
        "dropped_already": counts.dropped, "monitored_already": counts.monitored,
        "allowed": counts.allowed, "left_out": guarded.left_out, "subtracted": guarded.subtracted,
        "held": guarded.held, "quarantined": found.waits, "findings": guarded.findings, "hosts": hosts(&found.hits), "hits": hits,
    })
}

fn hosts(hits: &[(Key, Entry)]) -> BTreeSet<IpAddr> {
    hits.iter().map(|(key, _)| key.inside).collect()
}

fn write_text(
    arguments: &Try,
    found: &Found,
    now: Timestamp,
    output: &mut dyn Write,
) -> Result<()> {
    let Counts {
        new,
        partly,
        dropped,
        monitored,
        allowed,
    } = found.counts;
    writeln!(output, "{}: {}", arguments.source, found.format)?;
    for (name, count, note) in [
        ("entries", found.parsed.entries, "as they are written"),
        (
            "rejected",
            found.parsed.rejected_count,
            "lines that are no entries",
        ),
        ("new", new, "nobody lists them yet"),
        ("partly new", partly, "somebody lists a part of them"),
        ("dropped", dropped, "already, whoever lists them"),
        ("monitored", monitored, "already, and would be dropped"),
        (
            "allowed",
            allowed,
            "on your allow list as a whole or in part: that part stays reachable",
        ),
        ("left out", found.guarded.left_out, "protected, or too wide"),
        (
            "subtracted",
            found.guarded.subtracted,
            "with protected addresses in them, which stay reachable",
        ),
    ] {
        writeln!(
            output,
            "  {name:<11} {:>9}  {note}",
            table::number(count as u64)
        )?;
    }
    write_waits(found, output)?;
    write_findings(&found.guarded.findings, output)?;
    if arguments.direction == Direction::In {
        eprintln!(
            "the ledger does not know who opened a connection: answers to calls from inside are among the \
             hits, and a feed with direction = \"in\" lets them pass"
        );
    }
    write_hits(&found.hits, now, output)
}

/// What would wait for the operator.
fn write_waits(found: &Found, output: &mut dyn Write) -> Result<()> {
    for (list, count) in &found.guarded.held {
        let count = table::number(*count as u64);
        writeln!(
            output,
            "  held        {count:>9}  for you: the protect list {list} has them"
        )?;
    }
    if let Some(why) = &found.waits {
        writeln!(
            output,
            "  it would be quarantined until 'firewall feeds accept': {why}"
        )?;
    }
    Ok(())
}

fn write_findings(findings: &[Finding], output: &mut dyn Write) -> Result<()> {
    for finding in findings.iter().take(SHOWN) {
        writeln!(
            output,
            "  line {}: {} ({})",
            finding.line, finding.entry, finding.rule
        )?;
    }
    if findings.len() > SHOWN {
        writeln!(output, "  and more; --json has {} of them", findings.len())?;
    }
    Ok(())
}

fn write_hits(hits: &[(Key, Entry)], now: Timestamp, output: &mut dyn Write) -> Result<()> {
    eprintln!("the ledger knows the traffic of addresses only that somebody lists, or listed");
    if hits.is_empty() {
        return Ok(writeln!(
            output,
            "no inside host in the ledger talked to them"
        )?);
    }
    writeln!(
        output,
        "\nInside hosts that would have been hit: {}",
        hosts(hits).len()
    )?;
    let header = [
        "INSIDE", "REMOTE", "SERVICE", "WAY", "PACKETS", "LAST", "SO FAR",
    ];
    let mut table = table::table(&header);
    for (key, entry) in hits.iter().take(SHOWN) {
        table.add_row([
            key.inside.to_string(),
            key.remote.to_string(),
            service(key.protocol, key.port),
            key.direction.as_str().to_owned(),
            table::number(entry.count.packets),
            table::ago(entry.last_seen, now),
            if entry.dropped { "dropped" } else { "passed" }.to_owned(),
        ]);
    }
    write!(output, "{}", table::text(&table))?;
    if hits.len() > SHOWN {
        writeln!(output, "and {} more; --json shows them", hits.len() - SHOWN)?;
    }
    Ok(())
}
