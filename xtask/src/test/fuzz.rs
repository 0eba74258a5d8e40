//! The fuzzer: each target of `fuzz/` for a while, from the seeds that are kept with it.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};

use crate::process;

/// The targets, and each of them its folder of seeds.
const TARGETS: [&str; 1] = ["feed"];

/// Seconds of each target.
const TIME: &str = "-max_total_time=600";

/// Lists are longer, but what breaks a parser is short.
const LONGEST: &str = "-max_len=16384";

/// Runs all targets; whether none found anything.
pub fn run() -> Result<bool> {
    if !answers(&["rustc", "+nightly", "--version"]) {
        println!("SKIPPED fuzz: needs a nightly toolchain; 'rustup toolchain install nightly'");
        return Ok(true);
    }
    if !answers(&["cargo", "fuzz", "--version"]) {
        process::run(&[
            "cargo",
            "install",
            "cargo-fuzz",
            "--version",
            "0.13.2",
            "--locked",
        ])?;
    }
    for target in TARGETS {
        if !run_target(target)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn run_target(target: &str) -> Result<bool> {
    let corpus = format!("fuzz/corpus/{target}");
    let seeds = format!("fuzz/seeds/{target}");
    std::fs::create_dir_all(Path::new(&corpus)).with_context(|| format!("cannot make {corpus}"))?;
    eprintln!("test: fuzz {target}: what it finds goes to fuzz/artifacts");
    let status = Command::new("cargo")
        .args([
            "+nightly", "fuzz", "run", target, &corpus, &seeds, "--", TIME, LONGEST,
        ])
        .status()
        .context("cannot start 'cargo fuzz'")?;
    Ok(status.success())
}

fn answers(line: &[&str]) -> bool {
    let output = Command::new(line[0]).args(&line[1..]).output();
    output.is_ok_and(|output| output.status.success())
}
