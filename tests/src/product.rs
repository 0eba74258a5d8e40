//! The product, run as an operator would run it, beside an installed one.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::namespace::Namespace;

/// An installation of its own: configuration, state folder, BPF file system. Removed when dropped,
/// with everything that is attached.
#[derive(Debug)]
pub struct Product {
    binary: PathBuf,
    folder: TempDir,
    keep: bool,
}

/// The product as the last `cargo build` left it, in the folder that the running test was built
/// into. `CARGO_BIN_EXE_firewall` is there for the package `firewall` alone; building from within a
/// test would wait for the very lock that `cargo test` holds.
///
/// # Errors
/// It is not there; `cargo xtask test` builds it first.
pub fn binary() -> Result<PathBuf> {
    beside("firewall")
}

/// The program of that name, likewise.
pub(crate) fn beside(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("cannot find out where this test is")?;
    let folders = test.ancestors().skip(1).take(2);
    let mut candidates = folders.map(|folder| folder.join(name));
    candidates.find(|path| path.is_file()).with_context(|| {
        format!(
            "there is no '{name}' beside {}; run 'cargo build' first",
            test.display()
        )
    })
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Product {
    /// An installation of `binary` with this configuration.
    pub fn new(binary: &Path, configuration: &str) -> Result<Self> {
        let product = Self {
            binary: binary.to_owned(),
            folder: tempfile::Builder::new().prefix("firewall-lab-").tempdir()?,
            keep: false,
        };
        product.configure(configuration)?;
        Ok(product)
    }

    /// Replaces the configuration.
    pub fn configure(&self, configuration: &str) -> Result<()> {
        Ok(fs::write(self.configuration(), configuration)?)
    }

    /// The folder that everything of it is in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    pub fn configuration(&self) -> PathBuf {
        self.folder().join("firewall.toml")
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.folder().join("state")
    }

    /// Where its BPF file system is mounted.
    pub fn bpffs(&self) -> PathBuf {
        self.folder().join("bpf")
    }

    /// The options that make a command work on this installation.
    pub fn options(&self) -> [String; 6] {
        let text = |path: PathBuf| path.display().to_string();
        [
            "--config".into(),
            text(self.configuration()),
            "--state-dir".into(),
            text(self.state()),
            "--bpffs".into(),
            text(self.bpffs()),
        ]
    }

    /// A command on this installation, for those who want to run it their own way.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.configured(Command::new(&self.binary), arguments)
    }

    /// A command that must end: `run` where it should have been refused would go on for ever.
    fn bounded(&self, arguments: &[&str]) -> Command {
        /// Long enough for the largest feeds on a slow machine.
        const SECONDS: &str = "120";
        let mut command = Command::new("timeout");
        command.arg(SECONDS).arg(&self.binary);
        self.configured(command, arguments)
    }

    fn configured(&self, mut command: Command, arguments: &[&str]) -> Command {
        command
            .args(self.options())
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end in a namespace.
    pub fn run(&self, namespace: &Namespace, arguments: &[&str]) -> Result<Said> {
        let output = namespace.enter(|| self.bounded(arguments).output())??;
        Ok(said(&output))
    }

    /// Runs a command to its end where we are, with `input` as its standard input.
    pub fn run_here(&self, arguments: &[&str], input: &str) -> Result<Said> {
        let mut child = self
            .bounded(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read its input may be gone already.
            let _ = stdin.write_all(input.as_bytes());
        }
        Ok(said(&child.wait_with_output()?))
    }

    /// Runs a command in a namespace that must end with 0; returns its standard output.
    pub fn done(&self, namespace: &Namespace, arguments: &[&str]) -> Result<String> {
        let said = self.run(namespace, arguments)?;
        if said.code != 0 {
            bail!(
                "firewall {} ended with {}:\n{}",
                arguments.join(" "),
                said.code,
                said.stderr
            );
        }
        Ok(said.stdout)
    }

    /// Starts `firewall run` in a namespace and waits until it says that a generation is in force.
    pub fn start(&self, namespace: &Namespace) -> Result<Daemon> {
        let mut daemon = self.spawn(namespace, &["run"])?;
        daemon.wait_for("in force")?;
        Ok(daemon)
    }

    /// Starts a command that goes on.
    pub fn spawn(&self, namespace: &Namespace, arguments: &[&str]) -> Result<Daemon> {
        let child = namespace.enter(|| {
            self.command(arguments)
                .env("NO_COLOR", "1")
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
        })??;
        Ok(Daemon::new(child))
    }

    /// Leaves everything behind, for a person to play with.
    pub fn keep(&mut self) {
        self.keep = true;
        self.folder.disable_cleanup(true);
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        // Pins go with the mount; an attachment without a pin goes with its last descriptor.
        let _ = self.bounded(&["unload"]).output();
        while rustix::mount::unmount(self.bpffs(), rustix::mount::UnmountFlags::DETACH).is_ok() {}
    }
}

pub(crate) fn said(output: &Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A live `firewall run`; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    lines: Receiver<String>,
    /// Everything that it said on standard error so far.
    pub log: Vec<String>,
}

impl Daemon {
    pub(crate) fn new(mut child: Child) -> Self {
        let (sender, lines) = channel();
        if let Some(stderr) = child.stderr.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Self {
            child,
            lines,
            log: Vec::new(),
        }
    }

    /// Waits until it says `text`.
    pub fn wait_for(&mut self, text: &str) -> Result<String> {
        /// Long enough for the largest feeds on a slow machine.
        const PATIENCE: Duration = Duration::from_secs(120);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).with_context(|| {
                format!(
                    "'firewall run' never said '{text}'; it said:\n{}",
                    self.log.join("\n")
                )
            })?;
            self.log.push(line.clone());
            if line.contains(text) {
                return Ok(line);
            }
        }
    }

    /// What it said up to the last line that was waited for.
    pub fn said(&self) -> &[String] {
        &self.log
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).context("cannot signal 'firewall run'")
    }

    /// Asks it to stop and waits for it; returns its exit code.
    pub fn stop(mut self) -> Result<i32> {
        self.signal(Signal::TERM)?;
        Ok(self.child.wait()?.code().unwrap_or(-1))
    }

    /// Waits for it to end by itself; returns its exit code.
    pub fn wait(mut self) -> Result<i32> {
        Ok(self.child.wait()?.code().unwrap_or(-1))
    }

    /// Tells it to read its configuration again.
    pub fn hang_up(&self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
