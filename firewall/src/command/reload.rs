//! `reload`: take configuration and lists into force now, and tell a live run to read them again.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::{Ending, ending};
use crate::{
    dataplane::Interface,
    filter::{Filter, Wanted},
};

/// Detaches what is no longer configured and enforces the rest. Attaching is for a live run.
pub fn run(filter: &Filter) -> Result<Ending> {
    let configured = &filter.config.interfaces;
    let record = filter.in_force()?;
    let attached = filter.dataplane.links()?;
    let stays = |name: &String| configured.is_empty() || configured.contains(name);
    let interfaces = attached
        .into_iter()
        .filter(|link| stays(&link.interface))
        .map(|link| {
            let recorded = record
                .as_ref()
                .and_then(|record| record.interface(&link.interface));
            Interface {
                role: recorded.map_or(firewall_common::ledger::Role::Unknown, |known| known.role),
                name: link.interface,
                attach: None,
            }
        });
    let outcome = filter.enforce(Wanted::Exactly(interfaces.collect()), &[])?;
    if let Some(process) = filter.state.running() {
        let pid = Pid::from_raw(process).context("the run lock names no process")?;
        kill_process(pid, Signal::HUP).with_context(|| {
            format!("cannot tell 'firewall run' (process {process}); run as root")
        })?;
    }
    Ok(ending(&outcome))
}
