//! What this machine has: commands in its path, toolchains, the linker.

use std::{collections::BTreeSet, env, path::Path, process::Command};

use super::steps::{GUESTS, PACKAGES, PEERS, SERVERS, SHAPES};
use crate::process;

/// What this machine has.
#[derive(Debug, Default)]
pub struct Machine {
    /// Commands that were looked for and found.
    pub commands: BTreeSet<String>,
    /// The toolchains of rustup.
    pub toolchains: Vec<Toolchain>,
    /// Version of the first bpf-linker in the path.
    pub linker: Option<String>,
    /// Files of servers that tests talk to, of those that were looked for.
    pub servers: BTreeSet<&'static str>,
}

/// A toolchain of rustup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toolchain {
    /// Such as `1.95.0-x86_64-unknown-linux-gnu`.
    pub name: String,
    /// Whether it is the one in use.
    pub active: bool,
    /// Whether it has the source of the core library.
    pub source: bool,
    /// Whether it has clippy.
    pub clippy: bool,
    /// Whether it has rustfmt.
    pub rustfmt: bool,
}

impl Machine {
    /// Looks at this machine.
    pub fn look() -> Self {
        let folders = process::folders();
        let packages = PACKAGES.iter().chain(PEERS).chain(GUESTS).chain(SHAPES);
        let wanted = packages.map(|package| package.command);
        let is_there = |command: &&str| folders.iter().any(|it| it.join(command).is_file());
        Self {
            commands: wanted
                .chain(["rustup", "apt-get"])
                .filter(is_there)
                .map(str::to_owned)
                .collect(),
            toolchains: toolchains(),
            servers: SERVERS
                .into_iter()
                .filter(|file| Path::new(file).is_file())
                .collect(),
            linker: answer("bpf-linker", &["--version"])
                .and_then(|text| Some(text.split_whitespace().last()?.to_owned())),
        }
    }

    /// Whether `command` is there.
    pub fn has(&self, command: &str) -> bool {
        self.commands.contains(command)
    }

    /// The toolchain of this name, given with or without the platform.
    pub fn toolchain(&self, name: &str) -> Option<&Toolchain> {
        self.toolchains.iter().find(|it| it.is_named(name))
    }

    /// The toolchain in use.
    pub fn active(&self) -> Option<&Toolchain> {
        self.toolchains.iter().find(|toolchain| toolchain.active)
    }
}

impl Toolchain {
    fn is_named(&self, name: &str) -> bool {
        let rest = self.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// What a command prints, if it is there and succeeds.
fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(text)
}

fn toolchains() -> Vec<Toolchain> {
    let list = answer("rustup", &["toolchain", "list", "--verbose"]).unwrap_or_default();
    // rustup's cargo sets this for what it starts, whatever chose the toolchain.
    let in_use = env::var("RUSTUP_TOOLCHAIN").ok();
    list.lines()
        .filter_map(parse_toolchain)
        .map(|(mut toolchain, folder)| {
            if let Some(name) = &in_use {
                toolchain.active = toolchain.is_named(name);
            }
            toolchain.look(folder);
            toolchain
        })
        .collect()
}

impl Toolchain {
    fn look(&mut self, folder: &Path) {
        self.source = folder.join("lib/rustlib/src/rust/library/core").is_dir();
        self.clippy = folder.join("bin/cargo-clippy").is_file();
        self.rustfmt = folder.join("bin/cargo-fmt").is_file();
    }
}

/// A line of `rustup toolchain list --verbose`: name, remarks in parentheses, folder.
fn parse_toolchain(line: &str) -> Option<(Toolchain, &Path)> {
    let (name, rest) = line.split_once(' ')?;
    let (remarks, folder) = match rest.strip_prefix('(') {
        Some(rest) => rest.split_once(')')?,
        None => ("", rest),
    };
    let toolchain = Toolchain {
        name: name.to_owned(),
        active: remarks.contains("active"),
        ..Toolchain::default()
    };
    Some((toolchain, Path::new(folder.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toolchains_are_read_with_their_folder() {
        let line = "stable-x86_64-unknown-linux-gnu (active, default) /root/a b/stable";
        let (toolchain, folder) = parse_toolchain(line).unwrap();
        assert_eq!(toolchain.name, "stable-x86_64-unknown-linux-gnu");
        assert!(toolchain.active);
        assert_eq!(folder, Path::new("/root/a b/stable"));
        let (toolchain, folder) = parse_toolchain("1.95.0 /toolchains/1.95.0").unwrap();
        assert!(!toolchain.active);
        assert_eq!(folder, Path::new("/toolchains/1.95.0"));
    }

    #[test]
    fn a_toolchain_is_named_with_or_without_its_platform() {
        let named = |name: &str| Toolchain {
            name: name.to_owned(),
            ..Toolchain::default()
        };
        assert!(named("1.95.0-x86_64-unknown-linux-gnu").is_named("1.95.0"));
        assert!(named("1.95.0").is_named("1.95.0"));
        assert!(!named("1.95.0").is_named("1.95"));
        assert!(!named("1.95.01").is_named("1.95.0"));
    }
}
