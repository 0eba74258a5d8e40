//! The fuzzer: each target of `fuzz/` for a while, from the seeds that are kept with it.

use std::{
    path::Path,
    process::{Child, Command},
};

use anyhow::{Context, Result};

use crate::process;

/// The targets, and each of them its folder of seeds.
const TARGETS: [&str; 3] = ["feed", "content", "records"];

/// Seconds of each target.
const TIME: &str = "-max_total_time=600";

/// Lists are longer, but what breaks a parser is short.
const LONGEST: &str = "-max_len=16384";

/// What each find of new code is like is for who looks at one target; at the end, how much was tried.
const QUIET: &str = "-verbosity=0";
const FIGURES: &str = "-print_final_stats=1";

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
    // All at once, on the cores that there are; what is built is built before.
    process::run(&["cargo", "+nightly", "fuzz", "build"])?;
    let running: Vec<Child> = TARGETS.into_iter().map(start).collect::<Result<_>>()?;
    let mut found_nothing = true;
    for mut target in running {
        found_nothing &= target.wait().context("lost the fuzzer")?.success();
    }
    Ok(found_nothing)
}

fn start(target: &str) -> Result<Child> {
    let corpus = format!("fuzz/corpus/{target}");
    let seeds = format!("fuzz/seeds/{target}");
    std::fs::create_dir_all(Path::new(&corpus)).with_context(|| format!("cannot make {corpus}"))?;
    eprintln!("test: fuzz {target}: what it finds goes to fuzz/artifacts");
    Command::new("cargo")
        .args(["+nightly", "fuzz", "run", target, &corpus, &seeds, "--"])
        .args([TIME, LONGEST, QUIET, FIGURES])
        .spawn()
        .context("cannot start 'cargo fuzz'")
}

fn answers(line: &[&str]) -> bool {
    let output = Command::new(line[0]).args(&line[1..]).output();
    output.is_ok_and(|output| output.status.success())
}
