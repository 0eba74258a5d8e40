//! The worker: a process of this program that fetches and parses one feed, and can do nothing else. It
//! is the only one that reads what a stranger sends.
//!
//! The process is started with a [`Job`] on its standard input and writes an [`Answer`] to its standard
//! output; both are files in memory ([`exchange`]). Before it reads the job it gives up everything that
//! it needs no more ([`confine`]). Whatever comes back is looked at as if a stranger had sent it.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    process::{self, Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create},
    io::Errno,
    process::{Pid, PidfdFlags, pidfd_open},
};
use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use super::{
    fetch::{Limits, Version},
    format::{Format, How, Parsed, Said, harmless},
    http,
    key::Secret,
    server::Server,
};

use crate::{
    memory::{self, Load},
    sys,
};

mod confine;
mod exchange;
mod task;
mod user;

/// Time that parsing may take beyond that of a transfer.
const PARSE_TIME: Duration = Duration::from_secs(60);

/// Bytes of what a worker may say on its way out.
const LAST_WORDS: usize = 4096;

/// What a worker is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The task.
    pub task: Task,
    /// The format; found from the content if not named.
    pub format: Option<Format>,
    /// How the content is read.
    pub how: How,
    /// What it may cost.
    pub limits: Limits,
    /// The SHA-256, in hexadecimal, of the content that is known: it need not be parsed again.
    pub same: Option<String>,
    /// When it is done.
    pub now: Timestamp,
    /// The process that waits for it.
    pub parent: u32,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Reads the content that is given.
    Read,
    /// Reads what the content that is given says about this line, beside its address.
    Say(u32),
    /// Reads what is left of the copy of this server that is given.
    Expire(Server),
    /// Fetches the content, and reads it.
    Fetch(Box<Source>),
}

/// Where content is fetched from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The address, which is valid.
    pub address: String,
    /// What is asked there, if it is no file.
    pub server: Option<Server>,
    /// Which of its collections.
    pub collection: Option<String>,
    /// The key, where one is needed.
    pub secret: Option<Secret>,
    /// The version that is known.
    pub known: Version,
    /// The version of the copy that is given, if one is.
    pub before: Option<Version>,
}

impl Task {
    /// Fetches a list from `address`, of which nothing is known.
    pub fn fetch(address: &Uri) -> Self {
        Self::Fetch(Box::new(Source {
            address: address.to_string(),
            ..Source::default()
        }))
    }
}

impl Job {
    /// A job, done as of `now`, of which nothing more is known.
    pub fn new(task: Task, now: Timestamp) -> Self {
        Self {
            task,
            format: None,
            how: How {
                at: Some(now),
                ..How::default()
            },
            limits: Limits::default(),
            same: None,
            now,
            parent: process::id(),
        }
    }
}

/// What a worker brings.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// What is known is the newest, by this version.
    Same(Version),
    /// What the content says about a line.
    Said(Option<Box<Said>>),
    /// Something new.
    New(Box<New>),
}

/// Content, and what it says.
#[derive(Debug, PartialEq, Eq)]
pub struct New {
    /// What the server calls it.
    pub version: Version,
    /// The content, decompressed.
    pub content: Vec<u8>,
    /// Its format.
    pub format: Format,
    /// What it says; indicators in the order of [`super::records`].
    pub parsed: Parsed,
}

/// Who does jobs.
#[derive(Debug)]
pub enum Worker {
    /// Processes of this program.
    Program(File),
    /// This process: unit tests have no program.
    #[cfg(test)]
    Here,
}

impl Worker {
    /// Processes of the program that we are.
    ///
    /// # Errors
    /// The program cannot be opened.
    pub fn of_this_program() -> Result<Self> {
        // The file that runs, whatever has taken its name since.
        let program = File::open("/proc/self/exe").context("cannot open our own program")?;
        Ok(Self::Program(program))
    }

    /// Does a job with the content that is `given`. Blocks, for the time of its limits and a minute at
    /// most.
    ///
    /// # Errors
    /// Says what was wrong with the feed, or with the worker.
    pub fn ask(&self, job: &Job, given: &[u8]) -> Result<Answer> {
        match self {
            Self::Program(program) => ask(program, job, given),
            #[cfg(test)]
            Self::Here => task::work(job, given),
        }
    }
}

fn ask(program: &File, job: &Job, given: &[u8]) -> Result<Answer> {
    let files = Files::new(job, given)
        .context("cannot write the job of a worker; is there memory left?")?;
    let mut child = spawn(program, &files).context("cannot start the worker that fetches feeds")?;
    let ended = wait(&child, job.limits.time + PARSE_TIME);
    // Whatever came of the waiting, nothing of it is left.
    let _ = child.kill();
    let status = child.wait();
    if !ended.context("cannot wait for the worker that fetches feeds")? {
        bail!("it took too long to fetch and parse; the next update tries again");
    }
    let status = status.context("cannot learn how the worker that fetches feeds ended")?;
    if !status.success() {
        bail!(died(status, &files.last_words()));
    }
    files.answer(job)
}

/// Files in memory that no process started later inherits.
struct Files {
    input: File,
    output: File,
    words: File,
}

impl Files {
    fn new(job: &Job, given: &[u8]) -> io::Result<Self> {
        let memory = |name| -> io::Result<File> {
            Ok(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?.into())
        };
        let (mut input, words) = (memory("job")?, memory("messages")?);
        exchange::write_job(&mut input, job, given)?;
        input.rewind()?;
        fcntl_add_seals(
            &input,
            SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK,
        )?;
        words.set_len(LAST_WORDS as u64)?;
        fcntl_add_seals(&words, SealFlags::GROW | SealFlags::SHRINK)?;
        Ok(Self {
            input,
            output: memory("answer")?,
            words,
        })
    }

    /// What the worker said on its way out; nothing if that is no text.
    fn last_words(mut self) -> String {
        let mut said = Vec::new();
        let read = self
            .words
            .rewind()
            .and_then(|()| self.words.read_to_end(&mut said));
        said.retain(|&byte| byte != 0);
        read.ok()
            .and_then(|_| String::from_utf8(said).ok())
            .unwrap_or_default()
    }

    /// Nothing of it is read that this machine has no memory for.
    fn answer(mut self, job: &Job) -> Result<Answer> {
        let length = self.output.metadata()?.len();
        ensure!(
            length <= confine::most_answer(job),
            "the worker answered more than it may; please report which feed it was"
        );
        memory::check(Load {
            text: length,
            ..Load::default()
        })?;
        self.output.rewind()?;
        exchange::read_answer(&mut self.output, job)
    }
}

fn spawn(program: &File, files: &Files) -> Result<Child> {
    // By descriptor: another user may not get through the folders that the program is in.
    let path = format!("/proc/self/fd/{}", program.as_raw_fd());
    let mut command = Command::new(path);
    command
        .arg0("firewall")
        .arg("worker")
        .env_clear()
        .envs(confine::environment())
        .current_dir("/")
        .stdin(Stdio::from(files.input.try_clone()?))
        .stdout(Stdio::from(files.output.try_clone()?))
        .stderr(Stdio::from(files.words.try_clone()?));
    if let Some((user, group)) = user::of_worker()? {
        command.uid(user).gid(group);
    }
    sys::keep_descriptors();
    Ok(command.spawn()?)
}

/// Whether the child ends before `time` is over.
fn wait(child: &Child, time: Duration) -> Result<bool> {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let begin = Instant::now();
    loop {
        let left = Timespec::try_from(time.saturating_sub(begin.elapsed()))?;
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&left)) {
            Err(Errno::INTR) => {}
            ended => return Ok(ended? > 0),
        }
    }
}

fn died(status: ExitStatus, said: &str) -> String {
    let said = said.lines().next().map(harmless).unwrap_or_default();
    let colon = if said.is_empty() { "" } else { ": " };
    format!(
        "the worker that reads it died ({status}){colon}{said}; the content is too large for it, or \
         made to break it: please report which feed"
    )
}

/// What the process of a worker does, from its start to its end.
///
/// # Errors
/// It could not be confined, or was not started by us. What is wrong with a feed is in its answer.
pub fn run(output: &mut dyn io::Write) -> Result<()> {
    let (job, given) = exchange::read_job(io::stdin().lock())?;
    if matches!(&job.task, Task::Fetch(source) if source.address.starts_with("https:")) {
        http::load_certificates();
    }
    confine::confine(&job)?;
    let answer = task::work(&job, &given);
    exchange::write_answer(output, answer).context("cannot hand over the answer")
}

#[cfg(test)]
mod tests;
