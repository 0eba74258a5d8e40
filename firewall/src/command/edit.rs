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

use super::{Ending, ending, say_edited, write_json};
use crate::{
    cli::{Add, Allow, Prefixes, Remove},
    filter::{Filter, Known, Wanted, changes},
    inputs::read_lists,
    local::{Change, List, Lists, Note, Verb},
    network::Network,
    protected::{Facts, Protected, live_facts, network_namespace},
    state,
    subject::Subject,
};

/// Widest prefix without `--force`.
const WIDEST: (u8, u8) = (8, 19);

/// Most lines of standard output; a bulk change says a number instead.
const SAID_SINGLY: usize = 20;

/// `block`.
pub fn block(
    filter: &Filter,
    arguments: Add,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let subjects = read_subjects(&arguments.prefixes)?;
    let now = Timestamp::now();
    filter.state.prepare()?;
    let allow = read_lists(&filter.state)?.allow;
    check_all(&subjects, |it| check_width(it.prefix, arguments.force))?;
    let protected = protected(filter)?;
    check_all(&subjects, |it| check_protected(it, &protected))?;
    check_all(&subjects, |it| check_allowed(it, &allow, now))?;
    say_what_stays_open(&subjects, &allow, &protected, now);
    let note = note(&arguments, now)?;
    add(filter, Verb::Block, subjects, note, json, output)
}

/// `allow`.
pub fn allow(
    filter: &Filter,
    arguments: Allow,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let Allow {
        add: arguments,
        exempt,
    } = arguments;
    let subjects = read_subjects(&arguments.prefixes)?;
    check_all(&subjects, |it| check_width(it.prefix, arguments.force))?;
    check_all(&subjects, check_whole)?;
    let note = Note {
        exempt,
        ..note(&arguments, Timestamp::now())?
    };
    filter.state.prepare()?;
    add(filter, Verb::Allow, subjects, note, json, output)
}

fn add(
    filter: &Filter,
    verb: Verb,
    subjects: Vec<Subject>,
    note: Note,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    if note.until.is_some() && filter.state.running().is_none() {
        eprintln!(
            "no 'firewall run' is live: when the time is over, 'firewall reload' or the next change \
             takes the entry out"
        );
    }
    let lists = read_lists(&filter.state)?;
    let list = list_of(&lists, verb);
    let is_new = |subject: &Subject| is_new(list.entries.get(subject), &note);
    let (new, known): (Vec<Subject>, Vec<Subject>) = subjects.into_iter().partition(is_new);
    finish(
        filter,
        Change {
            verb,
            subjects: new,
            note,
        },
        &known,
        json,
        output,
    )
}

/// Whether `note` says more than the entry that is there. Saying it again without a reason takes none
/// away.
fn is_new(old: Option<&Note>, note: &Note) -> bool {
    let Some(old) = old else { return true };
    let reason_changes = note.reason.is_some() && old.reason != note.reason;
    let expired = note.added.is_some_and(|now| old.expired(now));
    expired || old.until != note.until || old.exempt != note.exempt || reason_changes
}

/// `unblock` and `disallow`.
pub fn remove(
    filter: &Filter,
    verb: Verb,
    arguments: Remove,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let subjects = read_subjects(&arguments.prefixes)?;
    filter.state.prepare()?;
    let lists = read_lists(&filter.state)?;
    let list = list_of(&lists, verb);
    let (found, absent): (Vec<Subject>, Vec<Subject>) = subjects
        .into_iter()
        .partition(|subject| list.entries.contains_key(subject));
    for subject in &absent {
        if let Some(wider) = covering(list, subject, Timestamp::now()) {
            eprintln!("{subject} has no entry of its own; it is covered by {wider}");
        }
    }
    finish(
        filter,
        Change {
            verb,
            subjects: found,
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
    already: &[Subject],
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let outcome = if change.subjects.is_empty() {
        filter.enforce(Wanted::Attached, Known::default())?
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
    say(output, json, change.verb, done, &change.subjects)?;
    say(output, json, change.verb, undone, already)?;
    say_edited(filter, &outcome);
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
    subjects: &[Subject],
) -> Result<()> {
    if json {
        for subject in subjects {
            write_json(
                output,
                &json!({ "verb": verb, "prefix": subject, "result": result }),
            )?;
        }
    } else if subjects.len() > SAID_SINGLY {
        writeln!(output, "{result}: {} prefixes", subjects.len())?;
    } else {
        for subject in subjects {
            writeln!(output, "{result} {}", subject.short())?;
        }
    }
    Ok(())
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
        exempt: false,
        reason: arguments.reason.clone(),
    })
}

/// What the command line and the file name, each once. All bad lines of a file are said,
/// and one of them refuses it whole.
fn read_subjects(arguments: &Prefixes) -> Result<Vec<Subject>> {
    let mut subjects = arguments.prefixes.clone();
    if let Some(path) = &arguments.file {
        let given = subjects.len();
        let text = read_text(path)?;
        let mut bad = Vec::new();
        for (index, line) in text.lines().enumerate() {
            match line.split(['#', ';']).next().unwrap_or_default().trim() {
                "" => {}
                entry => match entry.parse() {
                    Ok(subject) => subjects.push(subject),
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
        if subjects.len() == given {
            // More likely that what writes it failed than that somebody wants nothing done.
            bail!("{} holds no address; nothing was changed", path.display());
        }
    }
    subjects.sort_unstable();
    subjects.dedup();
    Ok(subjects)
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

/// Applies a check to every subject and says everything that it found.
fn check_all(subjects: &[Subject], check: impl Fn(&Subject) -> Result<()>) -> Result<()> {
    let errors: Vec<String> = subjects
        .iter()
        .filter_map(|subject| check(subject).err())
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

fn check_whole(subject: &Subject) -> Result<()> {
    match subject.port {
        Some(_) => Err(anyhow!(
            "{subject} is one port; an address is allowed as a whole: write {}",
            subject.prefix.addr()
        )),
        None => Ok(()),
    }
}

fn check_protected(subject: &Subject, protected: &[Protected]) -> Result<()> {
    // The narrowest says most: our own address is also on a network that we are connected to.
    match protected
        .iter()
        .filter(|protected| protected.prefix.contains(&subject.prefix))
        .max_by_key(|protected| protected.prefix.prefix_len())
    {
        Some(Protected {
            prefix: wider,
            kind,
        }) => Err(anyhow!(
            "{} is protected and never blocked: {wider} is {}",
            subject.short(),
            kind.describe()
        )),
        None => Ok(()),
    }
}

fn check_allowed(subject: &Subject, allow: &List, now: Timestamp) -> Result<()> {
    match covering(allow, subject, now) {
        Some(entry) => Err(anyhow!(
            "{} is allowed by the entry {entry}; 'firewall disallow {entry}' first",
            subject.short()
        )),
        None => Ok(()),
    }
}

/// The entry of `list` that covers all of `subject`.
fn covering(list: &List, subject: &Subject, now: Timestamp) -> Option<Subject> {
    list.live(now)
        .map(|(entry, _)| entry)
        .find(|entry| entry.covers(subject))
}

fn say_what_stays_open(
    subjects: &[Subject],
    allow: &List,
    protected: &[Protected],
    now: Timestamp,
) {
    for subject in subjects {
        let inside = |other: &IpNet| subject.prefix.contains(other);
        for (entry, _) in allow.live(now).filter(|(entry, _)| inside(&entry.prefix)) {
            eprintln!("{subject}: {entry} stays open, it is allowed");
        }
        for other in protected.iter().filter(|other| inside(&other.prefix)) {
            eprintln!(
                "{subject}: {} stays open, it is {}",
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
