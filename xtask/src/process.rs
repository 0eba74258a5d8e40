//! Other programs: running them, and being root for them.

use std::{
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, bail};

/// Runs `line`, program first, and waits for it. Its output goes to standard error, so that ours
/// stays data.
pub fn run(line: &[&str]) -> Result<()> {
    run_in(Path::new("."), line)
}

/// The same in `folder`.
pub fn run_in(folder: &Path, line: &[&str]) -> Result<()> {
    let (program, arguments) = line.split_first().context("an empty command")?;
    let status = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("cannot start '{program}'"))?;
    if !status.success() {
        bail!("'{}' failed ({status})", line.join(" "));
    }
    Ok(())
}

/// Runs `line`, program first, and returns what it prints to standard output; a failure tells what it
/// printed to standard error.
pub fn answer(line: &[&str]) -> Result<Vec<u8>> {
    let output = output(line, Stdio::piped())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("'{}' failed: {}", line.join(" "), said.trim());
    }
    Ok(output.stdout)
}

/// The same, with its standard error where ours goes: for what takes a while and says how far it is.
pub fn answer_aloud(line: &[&str]) -> Result<Vec<u8>> {
    let output = output(line, Stdio::inherit())?;
    if !output.status.success() {
        bail!("'{}' failed ({})", line.join(" "), output.status);
    }
    Ok(output.stdout)
}

fn output(line: &[&str], errors: Stdio) -> Result<Output> {
    let (program, arguments) = line.split_first().context("an empty command")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(errors);
    command
        .output()
        .with_context(|| format!("cannot start '{program}'"))
}

/// Where programs are: the path, and folders that the path of a login without root leaves out.
pub fn folders() -> Vec<PathBuf> {
    const SYSTEM: [&str; 2] = ["/usr/sbin", "/sbin"];
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM.map(PathBuf::from))
        .collect()
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

    #[test]
    fn an_answer_is_what_was_printed_and_a_failure_says_why() {
        assert_eq!(answer(&["echo", "yes"]).unwrap(), b"yes\n");
        let error = answer(&["sh", "-c", "echo no; echo because >&2; exit 1"]).unwrap_err();
        assert!(error.to_string().ends_with("failed: because"), "{error}");
    }
}
