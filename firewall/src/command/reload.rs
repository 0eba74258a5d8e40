//! `reload`: take configuration and lists into force now, and tell a live run to read them again.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::{Ending, ending};
use crate::{
    config::Config,
    dataplane::{Interface, Link, device, is_own},
    filter::{Filter, Known, Outcome, Wanted},
    network::Network,
    protected::network_namespace,
    record,
};

/// Detaches what is no longer configured and enforces the rest. Attaching is for a live run.
pub fn run(filter: &Filter) -> Result<Ending> {
    let attached = filter.dataplane.links()?;
    check_names(filter)?;
    let interfaces = configured(filter, &attached)?;
    let running = filter.state.running();
    if interfaces.is_empty() && !attached.is_empty() {
        // Detaching first would leave no filter at all until a run has attached to others.
        let process = running.with_context(|| none_configured(filter, &attached))?;
        hang_up(process)?;
        return Ok(Ending::Success);
    }
    let outcome = filter.enforce(Wanted::Exactly(interfaces), Known::default())?;
    match &outcome {
        Outcome::Installed { record, .. } => eprintln!("generation {} is in force", record.number),
        Outcome::Unchanged(_) => {
            eprintln!("the configuration is read; nothing had to change in the kernel");
        }
        Outcome::NothingAttached => {}
    }
    if let Some(process) = running {
        hang_up(process)?;
        eprintln!(
            "'firewall run' (process {process}) is told, and fetches feeds by it from now on"
        );
    }
    Ok(ending(&outcome))
}

/// A mistyped name must not take the filter off the interface that it was meant for. Where the filter
/// is in another network namespace, its devices cannot be seen from here.
fn check_names(filter: &Filter) -> Result<()> {
    match filter.in_force()? {
        Some(record) if record.namespace == network_namespace()? => {
            let network = Network::read()?;
            let names = &filter.config.interfaces;
            let all_there = names
                .iter()
                .try_for_each(|name| network.attachable(name).map(|_| ()));
            all_there.context("nothing was changed, what is in force stays")
        }
        _ => Ok(()),
    }
}

/// The attached interfaces that are still configured.
fn configured(filter: &Filter, attached: &[Link]) -> Result<Vec<Interface>> {
    let Config {
        interfaces: names,
        own_traffic,
        ..
    } = &filter.config;
    let before = filter.in_force()?;
    let stays = |link: &&Link| {
        let device = device(&link.interface);
        (names.is_empty() || names.iter().any(|name| name == device))
            && (*own_traffic || !is_own(&link.interface))
    };
    let stay = attached.iter().filter(stays);
    Ok(stay
        .map(|link| record::attached(link.interface.clone(), before.as_ref()))
        .collect())
}

fn none_configured(filter: &Filter, attached: &[Link]) -> String {
    let names: Vec<&str> = attached
        .iter()
        .map(|link| link.interface.as_str())
        .collect();
    format!(
        "none of the attached interfaces ({}) is in the configuration, which names {}; start \
         'firewall run' to attach there, or 'firewall unload' to filter nothing",
        names.join(", "),
        filter.config.interfaces.join(", ")
    )
}

fn hang_up(process: i32) -> Result<()> {
    let pid = Pid::from_raw(process).context("the run lock names no process")?;
    kill_process(pid, Signal::HUP)
        .with_context(|| format!("cannot tell 'firewall run' (process {process}); run as root"))
}
