//! `bench`: builds the product and compares what it costs with what others cost.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

use crate::{process, setup};

/// Builds, then becomes the bench: what it prints and how it ends are its own.
pub fn run(arguments: &[OsString]) -> Result<ExitCode> {
    process::require_root("the bench makes network namespaces and loads kernel programs; it")?;
    setup::run_for_bench()?;
    setup::require_kernel()?;
    process::run(&["cargo", "build", "--release", "--package", "firewall"])?;
    let error = Command::new("cargo")
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "tests",
            "--bin",
            "bench",
            "--",
        ])
        .args(arguments)
        .exec();
    Err(error).context("cannot start 'cargo'")
}
