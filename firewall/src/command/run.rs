//! `run`: attach, enforce, refresh feeds until told to stop. Stopping leaves the filter in force.

mod daemon;
mod feeds;
mod looks;
mod offload;
mod sightings;
mod targets;
pub(super) mod wanted;
mod watch;

use anyhow::{Context, Result};
use tracing::error;

use super::{Ending, filter};
use crate::{
    cli::{Options, Run},
    config::Config,
    dataplane::Object,
    state::State,
};
use daemon::Daemon;

/// Runs until SIGTERM or SIGINT.
pub fn run(options: &Options, arguments: &Run) -> Result<Ending> {
    start_logging();
    let mut filter = filter(options, configuration(options)?);
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

/// After a boot, a mistake in the files must not leave the gateway without its filter.
fn configuration(options: &Options) -> Result<Config> {
    let kept = State::new(&options.state_dir).configuration();
    let config = Config::load_or_kept(options.config.as_deref(), &kept)?;
    if let Some(stand_in) = &config.stand_in {
        error!("{}; 'firewall reload' then", stand_in.sentence());
    }
    Ok(config)
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
