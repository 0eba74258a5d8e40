//! Runs commands and watches what they hold while they run.

use std::{
    fs,
    io::{Read, Seek},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tests::namespace::Namespace;

/// Between two looks.
const STEP: Duration = Duration::from_millis(1);

/// Bytes of what a command says that are repeated.
const LONGEST_WORD: u64 = 300;

/// What a command took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// From start to end.
    pub wall: Duration,
    /// Most memory that it and the processes it started held at a time, to the last look.
    pub peak_bytes: u64,
}

/// Runs a command to its end in a namespace. It must end within `patience`, and with 0.
pub fn run(namespace: &Namespace, mut command: Command, patience: Duration) -> Result<Took> {
    let begin = Instant::now();
    // A pipe that nobody reads while the command runs could block it.
    let mut errors = tempfile::tempfile().context("cannot make a temporary file")?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors.try_clone()?);
    let mut child = namespace
        .enter(|| command.spawn())?
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let mut peak_bytes = 0;
    let status = loop {
        peak_bytes = peak(child.id()).unwrap_or(0).max(peak_bytes);
        match child.try_wait()? {
            Some(status) => break status,
            None if begin.elapsed() > patience => {
                child.kill()?;
                child.wait()?;
                bail!(
                    "{:?} did not end within {} s",
                    command.get_program(),
                    patience.as_secs()
                );
            }
            None => std::thread::sleep(STEP),
        }
    };
    if !status.success() {
        let mut said = String::new();
        errors.rewind()?;
        errors.take(LONGEST_WORD).read_to_string(&mut said)?;
        bail!(
            "{:?} ended with {status}: {}",
            command.get_program(),
            said.trim().replace('\n', " ")
        );
    }
    Ok(Took {
        wall: begin.elapsed(),
        peak_bytes,
    })
}

/// The high-water marks of a process and of those it started and waits for (`VmHWM`,
/// proc_pid_status(5)).
fn peak(process: u32) -> Option<u64> {
    let mark = |process: &str| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        kib(&status, "VmHWM:")
    };
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let children = children.unwrap_or_default();
    let started: u64 = children.split_whitespace().filter_map(mark).sum();
    Some(mark(&process.to_string())? + started)
}

/// Bytes of what the kernel holds for itself and data structures are made of: slabs that it cannot
/// give back, mapped areas, per-CPU memory (proc_meminfo(5)).
fn kernel_bytes() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let names = ["SUnreclaim:", "VmallocUsed:", "Percpu:"];
    Ok(names.iter().filter_map(|name| kib(&text, name)).sum())
}

/// [`kernel_bytes`] once they no longer change: the kernel frees sets, maps and namespaces when it
/// gets round to it.
pub fn settled_kernel_bytes() -> Result<u64> {
    const LOOKS: usize = 50;
    const STILL: u64 = 256 << 10;
    let mut before = kernel_bytes()?;
    for _ in 0..LOOKS {
        std::thread::sleep(Duration::from_millis(200));
        let now = kernel_bytes()?;
        if now.abs_diff(before) < STILL {
            return Ok(now);
        }
        before = now;
    }
    Ok(before)
}

fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number << 10)
}
