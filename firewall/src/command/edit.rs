//! `block`, `unblock`, `allow`, `disallow`: changes to the operator's own lists.

use std::{
    fs,
    io::{Read as _, Write},
    path::Path,
};

use anyhow::{Context, Result, anyhow, bail};
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Ending, ending, write_json};
use crate::{
    cli::{Add, Prefixes, Remove},
    filter::{Filter, Wanted, changes},
    inputs::read_lists,
    local::{Change, List, Lists, Note, Verb, parse_prefix},
    network::Network,
    protected::{Facts, Protected, live_facts, network_namespace},
    state,
};

/// Widest prefix without `--force`.
const WIDEST: (u8, u8) = (8, 19);

/// Most lines of standard output; a bulk change says a number instead.
const SAID_SINGLY: usize = 20;

/// `block` and `allow`.
pub fn add(
    filter: &Filter,
    verb: Verb,
    arguments: Add,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let prefixes = read_prefixes(&arguments.prefixes)?;
    let now = Timestamp::now();
    let note = note(&arguments, now)?;
    filter.state.prepare()?;
    let lists = read_lists(&filter.state)?;
    check_all(&prefixes, |prefix| check_width(prefix, arguments.force))?;
    if verb == Verb::Block {
        let protected = protected(filter)?;
        check_all(&prefixes, |prefix| check_protected(prefix, &protected))?;
        check_all(&prefixes, |prefix| check_allowed(prefix, &lists.allow, now))?;
        say_what_stays_open(&prefixes, &lists.allow, &protected, now);
    }
    if note.until.is_some() && filter.state.running().is_none() {
        eprintln!(
            "no 'firewall run' is live: when the time is over, 'firewall reload' or the next change \
             takes the entry out"
        );
    }
    let list = list_of(&lists, verb);
    let is_new = |prefix: &IpNet| match list.entries.get(prefix) {
        // Saying it again without a reason takes none away.
        Some(old) => {
            let reason_changes = note.reason.is_some() && old.reason != note.reason;
            old.expired(now) || old.until != note.until || reason_changes
        }
        None => true,
    };
    let (new, known): (Vec<IpNet>, Vec<IpNet>) = prefixes.into_iter().partition(is_new);
    finish(
        filter,
        Change {
            verb,
            prefixes: new,
            note,
        },
        &known,
        json,
        output,
    )
}

/// `unblock` and `disallow`.
pub fn remove(
    filter: &Filter,
    verb: Verb,
    arguments: Remove,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let prefixes = read_prefixes(&arguments.prefixes)?;
    filter.state.prepare()?;
    let lists = read_lists(&filter.state)?;
    let list = list_of(&lists, verb);
    let (found, absent): (Vec<IpNet>, Vec<IpNet>) = prefixes
        .into_iter()
        .partition(|prefix| list.entries.contains_key(prefix));
    for prefix in &absent {
        if let Some(wider) = covering(list, *prefix, Timestamp::now()) {
            eprintln!("{prefix} has no entry of its own; it is covered by {wider}");
        }
    }
    finish(
        filter,
        Change {
            verb,
            prefixes: found,
            note: Note::default(),
        },
        &absent,
        json,
        output,
    )
}

/// Stores the change, puts it in force and says so.
fn finish(
    filter: &Filter,
    change: Change,
    already: &[IpNet],
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let outcome = if change.prefixes.is_empty() {
        filter.enforce(Wanted::Attached, &[])?
    } else {
        let path = changes::store(&filter.state, &change)?;
        let outcome = filter.enforce_change(&path);
        // One that was withdrawn is no change.
        if outcome.is_ok() || path.exists() {
            note_down(filter, &change);
        }
        outcome?
    };
    let (done, undone) = words(change.verb);
    say(output, json, change.verb, done, &change.prefixes)?;
    say(output, json, change.verb, undone, already)?;
    Ok(ending(&outcome))
}

/// The audit trail comes second: what keeps packets out must not fail for want of it.
fn note_down(filter: &Filter, change: &Change) {
    if let Err(failure) = changes::audit(&filter.state, change) {
        eprintln!("not in the audit trail: {failure:#}");
    }
}

fn words(verb: Verb) -> (&'static str, &'static str) {
    match verb {
        Verb::Block => ("blocked", "already blocked"),
        Verb::Unblock => ("unblocked", "not in the block list"),
        Verb::Allow => ("allowed", "already allowed"),
        Verb::Disallow => ("disallowed", "not in the allow list"),
    }
}

fn say(
    output: &mut dyn Write,
    json: bool,
    verb: Verb,
    result: &str,
    prefixes: &[IpNet],
) -> Result<()> {
    if json {
        for prefix in prefixes {
            write_json(
                output,
                &json!({ "verb": verb, "prefix": prefix, "result": result }),
            )?;
        }
    } else if prefixes.len() > SAID_SINGLY {
        writeln!(output, "{result}: {} prefixes", prefixes.len())?;
    } else {
        for prefix in prefixes {
            writeln!(output, "{result} {}", short(*prefix))?;
        }
    }
    Ok(())
}

/// A host without its `/32`.
fn short(prefix: IpNet) -> String {
    match prefix.prefix_len() == prefix.max_prefix_len() {
        true => prefix.addr().to_string(),
        false => prefix.to_string(),
    }
}

fn note(arguments: &Add, now: Timestamp) -> Result<Note> {
    let until = match arguments.duration {
        Some(duration) => Some(
            SignedDuration::try_from(duration)
                .ok()
                .and_then(|duration| now.checked_add(duration).ok())
                .context("--for reaches beyond the calendar; leave it out for ever")?,
        ),
        None => None,
    };
    Ok(Note {
        added: Some(now),
        until,
        reason: arguments.reason.clone(),
    })
}

/// The prefixes of the command line and of the file, each once. All bad lines of a file are said,
/// and one of them refuses it whole.
fn read_prefixes(arguments: &Prefixes) -> Result<Vec<IpNet>> {
    let mut prefixes = arguments.prefixes.clone();
    if let Some(path) = &arguments.file {
        let given = prefixes.len();
        let text = read_text(path)?;
        let mut bad = Vec::new();
        for (index, line) in text.lines().enumerate() {
            match line.split(['#', ';']).next().unwrap_or_default().trim() {
                "" => {}
                entry => match parse_prefix(entry) {
                    Ok(prefix) => prefixes.push(prefix),
                    Err(error) => bad.push(format!("{}:{}: {error}", path.display(), index + 1)),
                },
            }
        }
        if !bad.is_empty() {
            bail!(
                "nothing was changed, {} bad lines:\n{}",
                bad.len(),
                bad.join("\n")
            );
        }
        if prefixes.len() == given {
            // More likely that what writes it failed than that somebody wants nothing done.
            bail!("{} holds no address; nothing was changed", path.display());
        }
    }
    prefixes.sort_unstable();
    prefixes.dedup();
    Ok(prefixes)
}

fn read_text(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        return Ok(text);
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Applies a check to every prefix and says everything that it found.
fn check_all(prefixes: &[IpNet], check: impl Fn(IpNet) -> Result<()>) -> Result<()> {
    let errors: Vec<String> = prefixes
        .iter()
        .filter_map(|&prefix| check(prefix).err())
        .map(|error| error.to_string())
        .collect();
    match errors.as_slice() {
        [] => Ok(()),
        errors => Err(anyhow!("nothing was changed: {}", errors.join("\n"))),
    }
}

fn check_width(prefix: IpNet, force: bool) -> Result<()> {
    let widest = match prefix {
        IpNet::V4(_) => WIDEST.0,
        IpNet::V6(_) => WIDEST.1,
    };
    if prefix.prefix_len() < widest && !force {
        bail!("{prefix} is wider than /{widest}; say --force if you mean it");
    }
    Ok(())
}

fn check_protected(prefix: IpNet, protected: &[Protected]) -> Result<()> {
    // The narrowest says most: our own address is also on a network that we are connected to.
    match protected
        .iter()
        .filter(|protected| protected.prefix.contains(&prefix))
        .max_by_key(|protected| protected.prefix.prefix_len())
    {
        Some(Protected {
            prefix: wider,
            kind,
        }) => Err(anyhow!(
            "{} is protected and never blocked: {wider} is {}",
            short(prefix),
            kind.describe()
        )),
        None => Ok(()),
    }
}

fn check_allowed(prefix: IpNet, allow: &List, now: Timestamp) -> Result<()> {
    match covering(allow, prefix, now) {
        Some(entry) => Err(anyhow!(
            "{} is allowed by the entry {entry}; 'firewall disallow {entry}' first",
            short(prefix)
        )),
        None => Ok(()),
    }
}

/// The entry of `list` that covers all of `prefix`.
fn covering(list: &List, prefix: IpNet, now: Timestamp) -> Option<IpNet> {
    list.live(now)
        .map(|(entry, _)| entry)
        .find(|entry| entry.contains(&prefix))
}

fn say_what_stays_open(prefixes: &[IpNet], allow: &List, protected: &[Protected], now: Timestamp) {
    for prefix in prefixes {
        let inside = |other: &IpNet| prefix.contains(other);
        for (entry, _) in allow.live(now).filter(|(entry, _)| inside(entry)) {
            eprintln!("{prefix}: {entry} stays open, it is allowed");
        }
        for other in protected.iter().filter(|other| inside(&other.prefix)) {
            eprintln!(
                "{prefix}: {} stays open, it is {}",
                other.prefix,
                other.kind.describe()
            );
        }
    }
}

fn list_of(lists: &Lists, verb: Verb) -> &List {
    match verb {
        Verb::Block | Verb::Unblock => &lists.block,
        Verb::Allow | Verb::Disallow => &lists.allow,
    }
}

/// What is protected by the last word of it, and by a look at this machine where the filter is in
/// our network namespace or nowhere yet.
fn protected(filter: &Filter) -> Result<Vec<Protected>> {
    let mut facts: Facts = state::read_json(&filter.state.protected())?.unwrap_or_default();
    let ours = match filter.in_force()? {
        Some(record) => record.namespace == network_namespace()?,
        None => true,
    };
    if ours {
        facts.refresh(
            &live_facts(&filter.config.inside_prefixes, &Network::read()?),
            Timestamp::now(),
        );
    }
    Ok(facts.all())
}
