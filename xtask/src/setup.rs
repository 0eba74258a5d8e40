//! `setup`: finds what is missing, says what it installs and why, installs it.
//!
//! Where nothing is missing it has looked at files and asked two quick commands, and no network: demo
//! and tests can afford to begin with it each time.

mod kernel;
mod machine;
mod steps;

use anyhow::{Context, Result, bail};

use crate::process;
use machine::Machine;
use steps::{Package, Remedy, Step};

/// Installs what is missing; does nothing, and asks no network, where nothing is.
pub fn run() -> Result<()> {
    if let Some(shortcoming) = kernel::shortcoming() {
        eprintln!("setup: {shortcoming}; demo and kernel tests cannot run here");
    }
    let machine = Machine::look();
    let steps = steps::missing(&machine);
    let packages = steps::missing_packages(&machine);
    if steps.is_empty() && packages.is_empty() {
        eprintln!("setup: nothing is missing");
        return Ok(());
    }
    install_packages(&machine, &packages)?;
    steps.into_iter().try_for_each(take)?;
    check_again()
}

/// [`run`], and what the bench compares with. Without that it goes on: the bench names what it
/// leaves out.
pub fn run_for_bench() -> Result<()> {
    run()?;
    let machine = Machine::look();
    if let Err(error) = install_packages(&machine, &steps::missing_peers(&machine)) {
        eprintln!("setup: {error:#}; the bench goes on without");
    }
    Ok(())
}

/// Installs what boots guests; does nothing, and asks no network, where it is there.
pub fn run_for_guests() -> Result<()> {
    let machine = Machine::look();
    install_packages(&machine, &steps::missing_for_guests(&machine))
}

/// Installs what tests of device shapes call. Without that they go on: the tests say what they lack.
pub fn run_for_shapes() {
    let machine = Machine::look();
    if let Err(error) = install_packages(&machine, &steps::missing_for_shapes(&machine)) {
        eprintln!("setup: {error:#}; the guests go on without");
    }
}

/// Refuses a kernel that the filter cannot be loaded into.
pub fn require_kernel() -> Result<()> {
    match kernel::shortcoming() {
        Some(shortcoming) => bail!("{shortcoming}"),
        None => Ok(()),
    }
}

fn take(step: &Step) -> Result<()> {
    let Step { name, why, .. } = step;
    match step.remedy {
        Remedy::Person(advice) => bail!("{name} is missing ({why}); {advice}"),
        Remedy::Command(command) => {
            eprintln!("setup: {name} is missing ({why})");
            eprintln!("setup: {}", command.join(" "));
            process::run(command)
                .with_context(|| format!("cannot install {name}; make this succeed first"))
        }
    }
}

fn install_packages(machine: &Machine, packages: &[&Package]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    for Package { name, why, .. } in packages {
        eprintln!("setup: {name} is missing ({why})");
    }
    let names: Vec<&str> = packages.iter().map(|package| package.name).collect();
    if !machine.has("apt-get") {
        bail!(
            "there is no apt-get here; install by your own means what Debian calls: {}",
            names.join(" ")
        );
    }
    process::require_root("apt-get install")?;
    let mut install = vec![
        "apt-get",
        "install",
        "--yes",
        "--no-install-recommends",
        "--quiet",
        "--option",
        "Dpkg::Use-Pty=0",
    ];
    install.extend(names);
    eprintln!("setup: {}", install.join(" "));
    if process::run(&install).is_ok() {
        return Ok(());
    }
    // Lists that are old or were never fetched are the usual cause.
    eprintln!("setup: once more, with fresh lists");
    process::run(&["apt-get", "update", "--quiet"])?;
    process::run(&install)
}

/// What is installed and still not found is behind something else of the same name.
fn check_again() -> Result<()> {
    let machine = Machine::look();
    let steps = steps::missing(&machine)
        .into_iter()
        .map(|step| (step.name, step.program));
    let packages = steps::missing_packages(&machine)
        .into_iter()
        .map(|package| (package.name, package.command));
    if let Some((name, program)) = steps.chain(packages).next() {
        bail!(
            "{name} is installed, but not the first '{program}' in PATH; look with: type -a \
             {program}"
        );
    }
    eprintln!("setup: everything is there");
    Ok(())
}
