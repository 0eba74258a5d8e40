//! `demo`: builds the product and shows its main job.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

use crate::{process, setup};

/// Builds, then becomes the demo: what it prints, how it ends and which signals it gets are its own.
pub fn run(arguments: &[OsString]) -> Result<ExitCode> {
    process::require_root("the demo makes network namespaces and loads a kernel program; it")?;
    setup::run()?;
    setup::require_kernel()?;
    process::run(&["cargo", "build", "--release", "--package", "firewall"])?;
    let error = Command::new("cargo")
        .args([
            "run",
            "--release",
            "--package",
            "tests",
            "--bin",
            "demo",
            "--",
        ])
        .args(arguments)
        .exec();
    Err(error).context("cannot start 'cargo'")
}
