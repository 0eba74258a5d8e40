//! Staying on one CPU.

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// Does `work` on the CPU that this thread is on: caches belong to a CPU, and soft interrupts run
/// where a packet was sent. What is started meanwhile stays there as well.
pub fn on_one<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let all = sched_getaffinity(None).context("cannot tell the CPUs of this thread")?;
    let mut one = CpuSet::new();
    one.set(sched_getcpu());
    sched_setaffinity(None, &one).context("cannot stay on one CPU")?;
    let result = work();
    sched_setaffinity(None, &all).context("cannot leave one CPU")?;
    result
}
