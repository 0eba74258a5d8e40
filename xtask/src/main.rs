//! Development tasks: `cargo xtask setup`, `demo`, `test`, `vm`, `bench`.
//!
//! This crate builds without anything that `setup` installs, and depends on no other member.
//! [`setup`] brings what is missing, and the others begin with it.

mod bench;
mod demo;
mod process;
mod setup;
mod test;
mod vm;

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Development tasks
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what building and testing need and this machine lacks
    Setup,
    /// Build the product and show its main job in network namespaces (needs root)
    #[command(disable_help_flag = true)]
    Demo {
        /// Handed to the demo as they are; 'cargo xtask demo --help' lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Compare cost, load and memory with what could be picked instead (needs root)
    #[command(disable_help_flag = true)]
    Bench {
        /// Handed to the bench as they are; 'cargo xtask bench --help' lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Check format and lints, then run every test (needs root)
    Test {
        /// Run what takes minutes and measure as well, in a release build
        #[arg(long)]
        long: bool,
    },
    /// Run the tests that other kernels may break on those kernels, booted under QEMU
    Vm {
        /// Series of Linux, such as 6.1, or 'newest'; 6.1 and 6.12 if none is named
        versions: Vec<vm::Series>,
        /// Device shapes as well, in guests of their own; and the newest kernel of Debian, where no version is
        /// named
        #[arg(long)]
        long: bool,
        /// Only this test program, of those that guests run, or this guest of --long: shapes, virtio, vmxnet3,
        /// e1000e; may be given several times
        #[arg(long, value_name = "PROGRAM")]
        only: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Setup => {
            setup::run()?;
            vm::prepare();
            Ok(ExitCode::SUCCESS)
        }
        Task::Demo { arguments } => demo::run(&arguments),
        Task::Bench { arguments } => bench::run(&arguments),
        Task::Test { long } => test::run(long),
        Task::Vm {
            versions,
            long,
            only,
        } => vm::run(versions, long, &only),
    }
}
