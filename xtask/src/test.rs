//! `test`: format, lints, every test, one after the other; the first failure ends it.

mod fuzz;
pub mod tally;

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use anyhow::{Context, Result};

use crate::{process, setup, vm};
use tally::Tally;

/// One run of cargo.
struct Stage {
    name: &'static str,
    arguments: &'static [&'static str],
}

/// What always runs. `--show-output` prints what tests that passed have to say, each in one piece;
/// `SKIPPED` is said there.
const STAGES: &[Stage] = &[
    Stage {
        name: "format",
        arguments: &["fmt", "--all", "--check"],
    },
    Stage {
        name: "lints",
        arguments: &[
            "clippy",
            "--workspace",
            "--all-targets",
            // With the parts of the kernel program that the host does not build otherwise.
            "--all-features",
            "--",
            "--deny",
            "warnings",
        ],
    },
    Stage {
        name: "unit, property and feed tests",
        arguments: &[
            "test",
            "--workspace",
            "--exclude",
            "tests",
            "--",
            "--show-output",
        ],
    },
    Stage {
        name: "the product, for the tests that run it",
        arguments: &["build", "--package", "firewall"],
    },
    // One at a time: they share the kernel, and two cores are few for timed traffic.
    Stage {
        name: "kernel, namespace and command tests",
        arguments: &[
            "test",
            "--package",
            "tests",
            "--",
            "--show-output",
            "--test-threads=1",
        ],
    },
];

/// What `--long` adds: every ignored test. One at a time, or they would measure each other.
const LONG: Stage = Stage {
    name: "long tests and measurements",
    arguments: &[
        "test",
        "--release",
        "--workspace",
        "--",
        "--ignored",
        "--show-output",
        "--test-threads=1",
    ],
};

/// Runs the stages and ends with a line that counts all tests.
pub fn run(long: bool) -> Result<ExitCode> {
    process::require_root("tests load kernel programs and make network namespaces; this")?;
    setup::run()?;
    let mut tally = Tally::default();
    let failed = first_failure(long, &mut tally)?;
    if let Some(name) = failed {
        eprintln!("test: '{name}' FAILED; the rest was not run");
        tally.end_in_failure();
    }
    print!("{tally}");
    Ok(failed.map_or(ExitCode::SUCCESS, |_| ExitCode::FAILURE))
}

/// Runs what there is to run, up to what fails; the name of that.
fn first_failure(long: bool, tally: &mut Tally) -> Result<Option<&'static str>> {
    for stage in STAGES {
        if !stage.run(tally)? {
            return Ok(Some(stage.name));
        }
    }
    let begin = Instant::now();
    if !vm::stage(long, tally)? {
        return Ok(Some("guests"));
    }
    eprintln!("test: guests: {:.1} s", begin.elapsed().as_secs_f32());
    if long && !LONG.run(tally)? {
        return Ok(Some(LONG.name));
    }
    if long && !fuzz::run()? {
        return Ok(Some("fuzzer"));
    }
    Ok(None)
}

impl Stage {
    /// Whether it succeeds. Its output passes through and is counted.
    fn run(&self, tally: &mut Tally) -> Result<bool> {
        let Self { name, arguments } = self;
        eprintln!("test: {name}: cargo {}", arguments.join(" "));
        let begin = Instant::now();
        let mut cargo = Command::new("cargo")
            .args(*arguments)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start 'cargo'")?;
        let output = cargo.stdout.take().context("cargo has no output")?;
        let passed_through = pass_through(BufReader::new(output), tally);
        let status = cargo.wait().context("cannot wait for cargo")?;
        passed_through.context("cannot pass on the output of cargo")?;
        let seconds = begin.elapsed().as_secs_f32();
        eprintln!("test: {name}: {seconds:.1} s");
        Ok(status.success())
    }
}

fn pass_through(mut output: impl BufRead, tally: &mut Tally) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        stdout.write_all(&line)?;
        tally.take(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    stdout.flush()
}
