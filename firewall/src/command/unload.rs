//! `unload`: detach everywhere and remove every pin.

use std::{thread::sleep, time::Duration};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::Ending;
use crate::{
    dataplane::{left, still_loaded},
    filter::Filter,
};

/// How long a live run may take to stop.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the kernel may take to free the programs.
const FREEING: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// Stops a live run, then unloads. Stdout stays empty: there is no data.
pub fn run(filter: &Filter) -> Result<Ending> {
    if let Some(process) = filter.state.running() {
        stop(filter, process)?;
    }
    if !filter.dataplane.is_pinned() {
        eprintln!("nothing was loaded");
        return Ok(Ending::Success);
    }
    // Before the pins go by which they are known.
    let programs = match filter.dataplane.programs() {
        Ok(programs) => programs,
        // Where nothing was ever attached, a run that failed may have left no map either.
        Err(_) => filter.dataplane.links()?.is_empty().then(Vec::new),
    };
    filter.unload()?;
    let Some(programs) = programs else {
        eprintln!(
            "unloaded: nothing is attached any more; whether the kernel has freed the programs could not be \
             seen, 'bpftool prog show' lists them for root"
        );
        return Ok(Ending::Success);
    };
    match wait_until_gone(programs).as_slice() {
        [] => eprintln!("unloaded: no traffic is filtered any more"),
        programs => bail!("unloaded, but {}", left(programs).join("; ")),
    }
    Ok(Ending::Success)
}

/// The programs that stay: the kernel frees them after a moment (`bpf_prog_put`, kernel/bpf/syscall.c),
/// unless somebody still has them. A driver may (seen of virtio_net on Linux 6.1, whose MTU was raised).
fn wait_until_gone(mut programs: Vec<u32>) -> Vec<u32> {
    let mut waited = Duration::ZERO;
    loop {
        programs = still_loaded(&programs);
        if programs.is_empty() || waited >= FREEING {
            return programs;
        }
        sleep(PAUSE);
        waited += PAUSE;
    }
}

fn stop(filter: &Filter, process: i32) -> Result<()> {
    let pid = Pid::from_raw(process).context("the run lock names no process")?;
    kill_process(pid, Signal::TERM)
        .with_context(|| format!("cannot stop 'firewall run' (process {process}); run as root"))?;
    let mut waited = Duration::ZERO;
    while filter.state.running() == Some(process) {
        if waited >= PATIENCE {
            bail!(
                "'firewall run' (process {process}) did not stop within 10 seconds; nothing was \
                 unloaded. {}",
                advice(process)
            );
        }
        sleep(PAUSE);
        waited += PAUSE;
    }
    Ok(())
}

/// Under systemd the unit would start it again.
fn advice(process: i32) -> String {
    let cgroup = std::fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
    let unit = cgroup
        .trim()
        .rsplit('/')
        .next()
        .filter(|unit| unit.ends_with(".service"));
    match unit {
        Some(unit) => format!("Stop it with 'systemctl stop {unit}', then unload again"),
        None => {
            format!("Look at what it does, or end it with 'kill -9 {process}', then unload again")
        }
    }
}
