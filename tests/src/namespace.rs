//! Network namespaces that remove themselves.
//!
//! They are entered by `setns(CLONE_NEWNET)` alone: a mount made inside `ip netns exec` would be
//! invisible to the next command.

use std::{
    fs::File,
    os::fd::AsFd,
    path::PathBuf,
    process::{Command, Output},
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace; removed when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    keep: bool,
}

impl Namespace {
    /// Makes a namespace with nothing but its loopback up.
    pub fn new(name: &str) -> Result<Self> {
        command("ip", &["netns", "add", name])?;
        let namespace = Self {
            name: name.to_owned(),
            keep: false,
        };
        // Addresses are usable at once, without looking for duplicates of them for a second.
        namespace.sysctl("net.ipv6.conf.default.accept_dad", "0")?;
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its name, as `ip netns` has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Leaves it behind when dropped, for a person to play with.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// Runs `ip` in the namespace.
    pub fn ip(&self, arguments: &[&str]) -> Result<String> {
        let mut all = vec!["-n", &self.name];
        all.extend_from_slice(arguments);
        command("ip", &all)
    }

    /// Sets a kernel parameter of the namespace, such as `net.ipv4.ip_forward`.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        let path = PathBuf::from("/proc/sys").join(name.replace('.', "/"));
        self.enter(|| std::fs::write(&path, value))?
            .with_context(|| format!("cannot set {name}"))
    }

    /// Runs `work` in a thread that is in the namespace. What it spawns and opens stays there.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let namespace = File::open(self.path())
            .with_context(|| format!("there is no namespace {}", self.name))?;
        std::thread::scope(|scope| {
            scope
                .spawn(move || {
                    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                        .context("cannot enter a network namespace; run as root")?;
                    Ok(work())
                })
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Joins this namespace to another one by a pair of Ethernet devices, both up.
    pub fn connect(&self, device: &str, other: &Self, other_device: &str) -> Result<()> {
        command(
            "ip",
            &[
                "link",
                "add",
                device,
                "netns",
                &self.name,
                "type",
                "veth",
                "peer",
                "name",
                other_device,
                "netns",
                &other.name,
            ],
        )?;
        self.ip(&["link", "set", device, "up"])?;
        other.ip(&["link", "set", other_device, "up"])?;
        Ok(())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !self.keep {
            // Nothing can be done about a namespace that does not go away; `ip netns` shows it.
            let _ = command("ip", &["netns", "del", &self.name]);
        }
    }
}

/// Runs a program to its end and returns its standard output; a failure tells its standard error.
pub fn command(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run {program}; 'cargo xtask setup' installs it"))?;
    text(output).with_context(|| format!("{program} {}", arguments.join(" ")))
}

fn text(output: Output) -> Result<String> {
    if !output.status.success() {
        bail!(
            "{}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).map_err(|_| anyhow!("the output is not UTF-8"))
}
