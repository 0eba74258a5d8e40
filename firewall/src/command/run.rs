//! `run`: attach, enforce, refresh feeds until told to stop. Stopping leaves the filter in force.

mod daemon;
mod feeds;
mod sightings;
mod wanted;
mod watch;

use anyhow::{Context, Result};

use super::{Ending, open};
use crate::{
    cli::{Options, Run},
    dataplane::Object,
};
use daemon::Daemon;

/// Runs until SIGTERM or SIGINT.
pub fn run(options: &Options, arguments: &Run) -> Result<Ending> {
    start_logging();
    let mut filter = open(options)?;
    if arguments.trace_kernel {
        filter.object = Object::Trace;
    }
    filter.state.prepare()?;
    let _lock = filter.state.lock_run()?;
    filter.prepare()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    let ended = runtime.block_on(Daemon::new(options.clone(), filter, arguments.clone()).run());
    // Updates under way are not waited for: a server may take two minutes. Their workers end with us
    // (PR_SET_PDEATHSIG), and files are replaced whole or not at all.
    runtime.shutdown_background();
    ended.map(|()| Ending::Success)
}

/// Messages go to standard error; a service has its own clock in the journal.
fn start_logging() {
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr())
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::INFO)
        .with_ansi(colours)
        .with_target(false)
        .without_time()
        .init();
}
