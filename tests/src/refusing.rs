//! The product on a kernel that refuses what this one does not: some of its bpf(2) calls are answered
//! with an error.

use std::{
    fmt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    namespace::Namespace,
    product::{Daemon, Product, Said, beside, said},
};

/// Calls that are refused. Numbers are those of include/uapi/linux/bpf.h and if_link.h.
#[derive(Clone, Copy, Debug)]
pub enum Refused {
    /// Attaching in the driver, with this errno.
    Native(i32),
    /// Attaching behind the driver.
    Generic(i32),
    /// Moving a link to another program.
    Update(i32),
    /// TCX, as a kernel before it does: nothing of it can be attached or asked for.
    Tcx,
}

impl fmt::Display for Refused {
    fn fmt(&self, text: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Native(errno) => write!(text, "28:37:4:{errno}"),
            Self::Generic(errno) => write!(text, "28:37:2:{errno}"),
            Self::Update(errno) => write!(text, "29:*:*:{errno}"),
            Self::Tcx => write!(text, "28:46:*:22 28:47:*:22 16:46:*:22 16:47:*:22"),
        }
    }
}

impl Product {
    /// Runs a command to its end on a kernel that refuses.
    pub fn run_refused(
        &self,
        namespace: &Namespace,
        refused: &[Refused],
        arguments: &[&str],
    ) -> Result<Said> {
        /// The machine may be busy.
        const PATIENCE: Duration = Duration::from_secs(60);
        let mut child = self.spawn_refused(namespace, refused, arguments)?;
        let start = Instant::now();
        while child.try_wait()?.is_none() {
            if start.elapsed() > PATIENCE {
                child.kill()?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(said(&child.wait_with_output()?))
    }

    /// Starts `firewall run` on a kernel that refuses, and waits until a generation is in force.
    pub fn start_refused(&self, namespace: &Namespace, refused: &[Refused]) -> Result<Daemon> {
        let mut daemon = Daemon::new(self.spawn_refused(namespace, refused, &["run"])?);
        daemon.wait_for("in force")?;
        Ok(daemon)
    }

    /// The command stops itself, and goes on once its calls are looked at.
    fn spawn_refused(
        &self,
        namespace: &Namespace,
        refused: &[Refused],
        arguments: &[&str],
    ) -> Result<Child> {
        let command = self.command(arguments);
        let mut stopped = Command::new("sh");
        stopped
            .args(["-c", "kill -STOP $$; exec \"$@\"", "sh"])
            .arg(command.get_program())
            .args(command.get_args())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = namespace.enter(|| stopped.spawn())??;
        let mut tracer = Command::new(beside("refuse")?);
        tracer.arg(child.id().to_string());
        for rule in refused {
            tracer.args(rule.to_string().split(' '));
        }
        let mut tracer = tracer.spawn().context("cannot start 'refuse'")?;
        // It ends with the process that it follows.
        std::thread::spawn(move || tracer.wait());
        Ok(child)
    }
}
