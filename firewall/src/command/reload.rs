//! `reload`: take configuration and lists into force now, and tell a live run to read them again.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    Ending,
    coverage::{self, Scene},
    ending,
    run::wanted::{self, Missing, Present},
};
use crate::{
    config::Config,
    dataplane::{Interface, Placed, is_own, kernel_has_tcx},
    filter::{Filter, Known, Outcome, Wanted},
    network::Network,
    protected::network_namespace,
    record::{self, Record},
};

/// Detaches what is no longer configured and enforces the rest. Attaching is for a live run.
pub fn run(filter: &Filter) -> Result<Ending> {
    let here = Here::look(filter)?;
    check_names(filter, &here)?;
    let interfaces = here.configured(&filter.config);
    let running = filter.state.running();
    if interfaces.is_empty() && !here.placed.is_empty() {
        // Detaching first would leave no filter at all until a run has attached to others.
        let process = running.with_context(|| none_configured(filter, &here))?;
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
    here.say_what_is_missing(&filter.config);
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
fn check_names(filter: &Filter, here: &Here) -> Result<()> {
    let names = &filter.config.interfaces;
    match &here.before {
        Some(record) if !names.is_empty() && record.namespace == network_namespace()? => {
            let present = Present {
                network: &here.network,
                placed: &here.placed,
                before: Some(record),
                tcx: here.tcx != Some(false),
                blind: &BTreeSet::new(),
                settled: &BTreeSet::new(),
            };
            wanted::interfaces(&present, names, &filter.config, Missing::IsAnError)
                .map(|_| ())
                .context("nothing was changed, what is in force stays")
        }
        _ => Ok(()),
    }
}

/// What there is when it begins.
struct Here {
    network: Network,
    placed: Vec<Placed>,
    before: Option<Record>,
    tcx: Option<bool>,
}

impl Here {
    fn look(filter: &Filter) -> Result<Self> {
        let (network, placed) = filter.dataplane.placed()?;
        Ok(Self {
            network,
            placed,
            before: filter.in_force()?,
            tcx: kernel_has_tcx(),
        })
    }

    /// What of the configuration no run can put in force here.
    fn say_what_is_missing(&self, config: &Config) {
        let scene = Scene {
            config,
            network: &self.network,
            placed: &self.placed,
            tcx: self.tcx,
        };
        coverage::without_tcx(&scene)
            .iter()
            .for_each(|it| eprintln!("{}", it.text));
    }

    /// The attached interfaces that are still configured.
    fn configured(&self, config: &Config) -> Vec<Interface> {
        let names = &config.interfaces;
        let stays = |it: &&Placed| {
            let mut named = names.iter();
            (names.is_empty() || named.any(|name| it.is_called(name, &self.network)))
                && (config.own_traffic || !is_own(&it.link.interface))
        };
        let stay = self.placed.iter().filter(stays);
        let before = self.before.as_ref();
        stay.map(|it| record::attached(it.link.interface.clone(), before, config))
            .collect()
    }
}

fn none_configured(filter: &Filter, here: &Here) -> String {
    let placed = here.placed.iter();
    let names: Vec<String> = placed.map(|it| it.shown(&here.network)).collect();
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
