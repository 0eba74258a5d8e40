//! Follows one thread from system call to system call.

use anyhow::{Context, Result, bail};
use nix::{
    errno::Errno,
    sys::{
        ptrace::{self, Options},
        signal::Signal,
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// bpf(2).
const BPF: u64 = 321;
/// A number that no system call has: the kernel does nothing, and says so.
const NONE: u64 = u64::MAX;

/// Which calls are answered with what; `None` for any.
#[derive(Debug)]
struct Rule {
    command: Option<u64>,
    attach_type: Option<u32>,
    flags: Option<u32>,
    errno: i64,
}

impl Rule {
    fn parse(text: &str) -> Result<Self> {
        let number = |word: &str| match word {
            "*" => Ok(None),
            word => word.parse::<u32>().map(Some),
        };
        let words: Vec<&str> = text.split(':').collect();
        let &[command, attach_type, flags, errno] = words.as_slice() else {
            bail!("'{text}' is no COMMAND:ATTACH_TYPE:FLAGS:ERRNO");
        };
        Ok(Self {
            command: number(command)?.map(u64::from),
            attach_type: number(attach_type)?,
            flags: number(flags)?,
            errno: errno.parse()?,
        })
    }

    fn is_about(&self, command: u64, attach_type: u32, flags: u32) -> bool {
        self.command.is_none_or(|it| it == command)
            && self.attach_type.is_none_or(|it| it == attach_type)
            && self.flags.is_none_or(|it| it == flags)
    }
}

/// Refuses what `rules` say to a process until it ends.
pub fn follow(process: i32, rules: &[String]) -> Result<()> {
    let rules: Vec<Rule> = rules
        .iter()
        .map(|it| Rule::parse(it))
        .collect::<Result<_>>()?;
    let process = Pid::from_raw(process);
    let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL;
    ptrace::seize(process, options).context("cannot trace the process; run as root")?;
    // It has stopped itself, and waits for us.
    nix::sys::signal::kill(process, Signal::SIGCONT)?;
    ptrace::interrupt(process)?;
    let mut answer = None;
    loop {
        let mut signal = None;
        match waitpid(process, None)? {
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return Ok(()),
            WaitStatus::PtraceSyscall(_) => answer = at_call(process, &rules, answer)?,
            WaitStatus::Stopped(_, Signal::SIGSTOP | Signal::SIGTRAP) => {}
            WaitStatus::Stopped(_, other) => signal = Some(other),
            _ => {}
        }
        match ptrace::syscall(process, signal) {
            Err(Errno::ESRCH) => return Ok(()),
            other => other?,
        }
    }
}

/// At the entry to a call: what it will be answered with, if it is refused. At its exit: answers.
fn at_call(process: Pid, rules: &[Rule], answer: Option<i64>) -> Result<Option<i64>> {
    let mut registers = ptrace::getregs(process)?;
    if let Some(errno) = answer {
        registers.rax = (-errno).cast_unsigned();
        ptrace::setregs(process, registers)?;
        return Ok(None);
    }
    // At an exit `rax` is the answer; at an entry the kernel has put ENOSYS there.
    let is_entry = registers.rax.cast_signed() == -i64::from(libc_enosys());
    if registers.orig_rax != BPF || !is_entry {
        return Ok(None);
    }
    let words = attributes(process, registers.rsi)?;
    // `link_create`, and `query`, whose type is in the second word and which has no flags before it.
    let (attach_type, flags) = match registers.rdi {
        PROG_QUERY => (words[1], words[2]),
        _ => (words[2], words[3]),
    };
    let rule = rules
        .iter()
        .find(|it| it.is_about(registers.rdi, attach_type, flags));
    if rule.is_some() {
        registers.orig_rax = NONE;
        ptrace::setregs(process, registers)?;
    }
    Ok(rule.map(|it| it.errno))
}

/// `BPF_PROG_QUERY` (include/uapi/linux/bpf.h).
const PROG_QUERY: u64 = 16;

fn libc_enosys() -> i32 {
    Errno::ENOSYS as i32
}

/// The first words of `union bpf_attr`.
fn attributes(process: Pid, address: u64) -> Result<[u32; 4]> {
    let mut words = [0; 4];
    for (index, pair) in words.chunks_exact_mut(2).enumerate() {
        let place = address + 8 * index as u64;
        let both = ptrace::read(process, place as ptrace::AddressType)?.cast_unsigned();
        pair.copy_from_slice(&[both as u32, (both >> 32) as u32]);
    }
    Ok(words)
}
