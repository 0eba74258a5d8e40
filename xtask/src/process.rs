//! Other programs: running them, and being root for them.

use std::{env, fs, os::unix::fs::MetadataExt, process::Command};

use anyhow::{Context, Result, bail};

/// Runs `line`, program first, and waits for it. Its output goes to standard error, so that ours
/// stays data.
pub fn run(line: &[&str]) -> Result<()> {
    let (program, arguments) = line.split_first().context("an empty command")?;
    let status = Command::new(program)
        .args(arguments)
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("cannot start '{program}'"))?;
    if !status.success() {
        bail!("'{}' failed ({status})", line.join(" "));
    }
    Ok(())
}

/// Refuses to go on without root; `purpose` says what needs it.
pub fn require_root(purpose: &str) -> Result<()> {
    if is_root()? {
        return Ok(());
    }
    bail!("{purpose} needs root; type: {}", as_root(env::args()));
}

fn is_root() -> Result<bool> {
    let own = fs::metadata("/proc/self").context("cannot read /proc/self; is /proc mounted?")?;
    Ok(own.uid() == 0)
}

/// The command that does the same as root. The path is handed on because sudo has its own, without
/// `~/.cargo/bin`.
fn as_root(arguments: impl Iterator<Item = String>) -> String {
    let arguments: Vec<String> = arguments.skip(1).collect();
    format!(
        "sudo -E env \"PATH=$PATH\" cargo xtask {}",
        arguments.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_for_root_is_the_one_that_was_typed() {
        let typed = ["target/debug/xtask", "test", "--long"].map(str::to_owned);
        assert_eq!(
            as_root(typed.into_iter()),
            "sudo -E env \"PATH=$PATH\" cargo xtask test --long"
        );
    }

    #[test]
    fn a_command_that_fails_is_named() {
        let error = run(&["false"]).unwrap_err().to_string();
        assert!(error.starts_with("'false' failed"), "{error}");
    }
}
