//! `feeds accept`: what is in quarantine becomes the last good copy, and all that it lists is put in
//! force, what waits and what is held back as well.

use std::io::Write;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use serde_json::json;

use super::{Request, active, update::say};
use crate::{
    command::{Ending, ending, table, write_json},
    feed::{self, Means, Outcome, store::Name, worker::Worker},
    filter::{Filter, Known, LetGo, Wanted, changes},
    inputs::FreshCopy,
};

/// Accepts what is in quarantine of the feed `name`, what waits and what is held back.
pub(super) fn run(
    filter: &Filter,
    name: &str,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let configured = active(filter, name)?;
    filter.state.prepare()?;
    let Request { feed, state } = Request::new(filter, configured);
    let store = state.feed_store(&feed.name);
    let lock = state.lock_feed(&feed.name)?;
    let mut copies = Vec::new();
    let mut accepted = None;
    if store.meta()?.quarantined.is_some() {
        let means = Means {
            worker: &Worker::of_this_program()?,
            protected: &[],
            now: Timestamp::now(),
        };
        let mut outcome = feed::accept(&feed, state.root(), &means)?;
        if let Outcome::Changed(_, records) = &mut outcome {
            copies.extend(FreshCopy::of(&store, std::mem::take(records))?);
        }
        accepted = Some(outcome);
    }
    drop(lock);
    let let_go = filter.let_go(configured)?;
    ensure!(
        accepted.is_some() || let_go.is_some(),
        "nothing of feed {name} is in quarantine, waits or is held back; 'firewall feeds' lists what is"
    );
    // What keeps packets out must not fail for want of the audit trail.
    if let Err(failure) = changes::audit_accepted(&state, &feed.name) {
        eprintln!("not in the audit trail: {failure:#}");
    }
    if let Some(outcome) = &accepted {
        say(configured, (outcome, ""), json, output)?;
    }
    if let Some(let_go) = &let_go {
        say_let_go(&feed.name, let_go, json, output)?;
    }
    let known = Known {
        protected: &[],
        copies,
    };
    Ok(ending(&filter.enforce(Wanted::Attached, known)?))
}

fn say_let_go(name: &Name, let_go: &LetGo, json: bool, output: &mut dyn Write) -> Result<()> {
    let LetGo { waiting, held_back } = let_go;
    if json {
        let row = json!({
            "feed": name, "result": "let-go", "waiting": waiting,
            "held_back": held_back,
        });
        return write_json(output, &row);
    }
    let number = |count: usize| table::number(count as u64);
    if *waiting > 0 {
        let count = number(*waiting);
        writeln!(
            output,
            "{name}: {count} new entries go on, without waiting longer"
        )?;
    }
    for held in held_back {
        let hosts = number(held.hosts);
        writeln!(
            output,
            "{name}: {} goes on, which {hosts} inside hosts called",
            held.entry
        )?;
    }
    Ok(())
}
