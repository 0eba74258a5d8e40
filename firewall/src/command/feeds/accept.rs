//! `feeds accept`: what is in quarantine becomes the last good copy, and is put in force.

use std::io::Write;

use anyhow::Result;
use jiff::Timestamp;

use super::{Request, active, say};
use crate::{
    command::{Ending, ending},
    feed::{self, Means, Outcome, worker::Worker},
    filter::{Filter, Known, Wanted, changes},
    inputs::FreshCopy,
};

/// Accepts what is in quarantine of the feed `name`.
pub(super) fn run(
    filter: &Filter,
    name: &str,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let configured = active(filter, name)?;
    filter.state.prepare()?;
    let Request { feed, state } = Request::new(filter, configured);
    let lock = state.lock_feed(&feed.name)?;
    let means = Means {
        worker: &Worker::of_this_program()?,
        protected: &[],
        now: Timestamp::now(),
    };
    let mut outcome = feed::accept(&feed, state.root(), &means)?;
    let mut copies = Vec::new();
    if let Outcome::Changed(_, records) = &mut outcome {
        let store = state.feed_store(&feed.name);
        copies.extend(FreshCopy::of(&store, std::mem::take(records))?);
    }
    drop(lock);
    // What keeps packets out must not fail for want of the audit trail.
    if let Err(failure) = changes::audit_accepted(&state, &feed.name) {
        eprintln!("not in the audit trail: {failure:#}");
    }
    say(configured, &outcome, json, output)?;
    let known = Known {
        protected: &[],
        copies,
    };
    Ok(ending(&filter.enforce(Wanted::Attached, known)?))
}
