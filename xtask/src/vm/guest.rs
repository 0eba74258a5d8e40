//! One guest: a kernel booted under QEMU, without any way out, watched until it ends.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// Programs alone are emulated. One processor: with two of them QEMU runs code that the kernel has
/// changed meanwhile (`Oops: int3` where XDP programs are swapped under traffic), which no machine does.
/// No network device that leads out: what tests send stays in namespaces, and these in here.
const MACHINE: &[&str] = &[
    "-accel",
    "tcg",
    "-cpu",
    "max",
    "-smp",
    "1",
    "-m",
    "1024",
    "-nodefaults",
    "-display",
    "none",
    "-nic",
    "none",
    "-no-reboot",
];

/// A panic ends the guest, and a fault of the kernel is one. Only warnings and worse are logged. Who
/// else works on this machine must not make the kernel think that it hangs: the time limit finds that.
const COMMAND_LINE: &str =
    "console=ttyS0 loglevel=5 panic=-1 oops=panic nowatchdog mitigations=off";

/// The command that boots `image` with `root`, and writes the kernel's own log to `console`; with four cards
/// of this model, if one is named.
pub fn command(image: &Path, root: &Path, console: &Path, cards: Option<&str>) -> Command {
    // If we are killed, it is too.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
        .args(MACHINE)
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .args(["-serial", "stdio", "-append"])
        .arg(cards.map_or(COMMAND_LINE.to_owned(), |model| {
            // What the kernel does not know and has an equals sign in it is in the environment of the first
            // process (Documentation/admin-guide/kernel-parameters.rst).
            format!("{COMMAND_LINE} FIREWALL_CARDS={model}")
        }))
        .arg("-kernel")
        .arg(image)
        .arg("-initrd")
        .arg(root)
        .args(cards.into_iter().flat_map(wired));
    command
}

/// Four cards, two and two on a hub within QEMU, which nothing else is on. `tests/src/cards.rs` knows them by
/// their addresses.
fn wired(model: &str) -> Vec<String> {
    let card = |number| {
        let (hub, name) = (number / 2, format!("card{number}"));
        let (port, address) = (
            format!("hubport,id={name},hubid={hub}"),
            format!("52:54:00:77:00:{number:02x}"),
        );
        let device = format!("{model},netdev={name},mac={address},romfile=");
        ["-netdev".to_owned(), port, "-device".to_owned(), device]
    };
    (0..4).flat_map(card).collect()
}

/// How a program ended.
#[derive(Debug)]
pub enum End {
    /// By itself.
    Itself(ExitStatus),
    /// It took too long, and was killed.
    TimeLimit,
}

/// Runs `command`, hands each line that it prints to `each`, and kills it when its time is over.
pub fn watch(
    command: &mut Command,
    limit: Duration,
    mut each: impl FnMut(&str) -> Result<()>,
) -> Result<End> {
    let deadline = Instant::now() + limit;
    let name = command.get_program().to_owned();
    let mut running = Running(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name:?}"))?,
    );
    let output = running.0.stdout.take().context("it has no output")?;
    let lines = lines(output);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            // Who never stops talking is stopped, too.
            Ok(_) | Err(RecvTimeoutError::Timeout) if left.is_zero() => return Ok(End::TimeLimit),
            Ok(line) => each(&line)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return running.wait(deadline),
        }
    }
}

/// A child that does not outlive us.
#[derive(Debug)]
struct Running(Child);

impl Running {
    fn wait(&mut self, deadline: Instant) -> Result<End> {
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait().context("cannot wait for it")? {
                return Ok(End::Itself(status));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(End::TimeLimit)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines of `output` as they come, without what a serial port adds to their ends.
fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output
            .read_until(b'\n', &mut line)
            .is_ok_and(|length| length > 0)
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn watch_shell(script: &str, limit: Duration) -> (End, Vec<String>) {
        let mut lines = Vec::new();
        let end = watch(&mut shell(script), limit, |line| {
            lines.push(line.to_owned());
            Ok(())
        });
        (end.unwrap(), lines)
    }

    #[test]
    fn what_ends_by_itself_is_heard_to_its_end() {
        let (end, lines) = watch_shell("printf 'a\\r\\nb'; exit 3", Duration::from_secs(60));
        assert_eq!(lines, ["a", "b"]);
        assert!(
            matches!(end, End::Itself(status) if status.code() == Some(3)),
            "{end:?}"
        );
    }

    #[test]
    fn what_takes_too_long_is_killed_whatever_it_does() {
        for script in [
            "exec sleep 600",
            "exec >&-; exec sleep 600",
            "while :; do echo on; done",
        ] {
            let begin = Instant::now();
            let script = format!("echo $$; {script}");
            let (end, lines) = watch_shell(&script, Duration::from_millis(300));
            assert!(matches!(end, End::TimeLimit), "{script}: {end:?}");
            assert!(begin.elapsed() < Duration::from_secs(30), "{script}");
            let process = format!("/proc/{}", lines[0]);
            assert!(!Path::new(&process).exists(), "{script}: it still runs");
        }
    }

    #[test]
    fn a_guest_has_no_network_device_or_cards_that_are_joined_to_each_other_alone() {
        let [kernel, root, console] = ["k", "r", "c"].map(Path::new);
        for (cards, expected) in [(None, 0), (Some("e1000e"), 4)] {
            let command = command(kernel, root, console, cards);
            let words: Vec<&str> = command.get_args().filter_map(|it| it.to_str()).collect();
            let after = |word| {
                let pairs = words.windows(2).filter(move |pair| pair[0] == word);
                pairs.map(|pair| pair[1]).collect::<Vec<_>>()
            };
            assert_eq!(after("-nic"), ["none"]);
            assert_eq!(after("-device").len(), expected);
            let joined = after("-netdev");
            assert_eq!(joined.len(), expected);
            assert!(
                joined.iter().all(|it| it.starts_with("hubport,")),
                "{joined:?}"
            );
            assert!(
                joined.iter().all(|it| !it.contains("netdev=")),
                "{joined:?}"
            );
        }
    }
}
