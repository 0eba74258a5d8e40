//! What a worker gives up before it reads what a stranger sent: privileges, files, kernel calls, and
//! more memory and time than its job may cost.

use std::{collections::BTreeMap, env, ffi::OsString, fs};

use anyhow::{Context, Result, ensure};
use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
    path_beneath_rules,
};
use rustix::{
    process::{
        DumpableBehavior, Resource, Rlimit, Signal, getppid, getrlimit, set_dumpable_behavior,
        set_parent_process_death_signal, setrlimit,
    },
    thread::{
        CapabilitySet, CapabilitySets, clear_ambient_capability_set, secure_computing_mode,
        set_capabilities, set_no_new_privs,
    },
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, apply_filter};

use super::{Job, PARSE_TIME, Task};
use crate::feed::{format::MOST_INDICATORS, records::LONGEST_RECORD};

mod calls;

/// What the resolver reads (nsswitch.conf(5), resolv.conf(5), hosts(5), gai.conf(5)), the libraries
/// that it loads to do so, and where `resolv.conf` leads to.
const FILES_OF_RESOLVER: [&str; 15] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/run/systemd/resolve",
    "/run/resolvconf",
];

/// Variables that say how the internet is reached and whom to trust.
const VARIABLES: [&str; 12] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "RES_OPTIONS",
    "LOCALDOMAIN",
];

/// Memory beside content: the program, its stacks, and the indicators of an endless list.
const MEMORY_BESIDE_CONTENT: u64 = 2 << 30;

/// Threads of all processes of its user, among which may be those of other services.
const MOST_THREADS: u64 = 1024;

/// What the environment of a worker is.
pub fn environment() -> BTreeMap<&'static str, OsString> {
    let variable = |name| Some((name, env::var_os(name)?));
    VARIABLES.into_iter().filter_map(variable).collect()
}

/// Gives up everything that `job` does not need. There must be one thread only.
///
/// # Errors
/// Something that every kernel has was refused.
pub fn confine(job: &Job) -> Result<()> {
    let is_online = matches!(job.task, Task::Fetch(_));
    limit(job).context("cannot limit memory and time of the worker")?;
    give_up_privileges(job.parent).context("cannot give up the privileges of the worker")?;
    hide_files(is_online).context("cannot hide the file system from the worker")?;
    forbid_calls(is_online).context("cannot forbid kernel calls to the worker")
}

/// Bytes of an answer at most.
pub fn most_answer(job: &Job) -> u64 {
    let records = (MOST_INDICATORS * LONGEST_RECORD) as u64;
    job.limits.content as u64 + records + (8 << 20)
}

fn limit(job: &Job) -> Result<()> {
    let content = job.limits.content as u64;
    let time = (job.limits.time + PARSE_TIME).as_secs();
    for (resource, most) in [
        // A vector that grows is there twice, and so is what was read and what it was read from.
        (
            Resource::As,
            job.limits.transfer as u64 + 4 * content + MEMORY_BESIDE_CONTENT,
        ),
        (Resource::Fsize, most_answer(job)),
        (Resource::Cpu, time),
        (Resource::Nofile, 64),
        (Resource::Nproc, MOST_THREADS),
        (Resource::Core, 0),
    ] {
        // Whoever started us may allow less, and no more can be had.
        let allowed = getrlimit(resource).maximum;
        let most = Some(allowed.map_or(most, |allowed| allowed.min(most)));
        setrlimit(
            resource,
            Rlimit {
                current: most,
                maximum: most,
            },
        )?;
    }
    // Where memory runs out, the worker goes and not the filter; a kernel without it ends another.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

fn give_up_privileges(parent: u32) -> Result<()> {
    set_no_new_privs(true)?;
    // A service that is not root has its capabilities here too.
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    // Others of the same user must not look into it.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // Who would take the answer is gone then.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let is_there = getppid().is_some_and(|it| it.as_raw_pid() as u32 == parent);
    ensure!(is_there, "who started it is gone");
    Ok(())
}

/// Landlock (landlock(7)), as far as the kernel has it: 5.13 and later.
fn hide_files(is_online: bool) -> Result<()> {
    let abi = ABI::V6;
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(abi))?;
    let ruleset = match is_online {
        true => ruleset.create()?.add_rules(path_beneath_rules(
            FILES_OF_RESOLVER,
            AccessFs::from_read(abi),
        ))?,
        // Not even a connection, on 6.7 and later.
        false => ruleset.handle_access(AccessNet::ConnectTcp)?.create()?,
    };
    ruleset.restrict_self()?;
    Ok(())
}

/// Seccomp (seccomp(2)): what is not on the list does not exist.
fn forbid_calls(is_online: bool) -> Result<()> {
    if secure_computing_mode().is_err() {
        // A kernel without seccomp.
        return Ok(());
    }
    let rules: BTreeMap<i64, Vec<SeccompRule>> = calls::allowed(is_online)?;
    let filter = SeccompFilter::new(
        rules,
        // As on a kernel that does not know the call: libraries then use another one, or fail.
        SeccompAction::Errno(libc::ENOSYS as u32),
        SeccompAction::Allow,
        env::consts::ARCH.try_into()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    apply_filter(&program)?;
    Ok(())
}

#[cfg(test)]
mod tests;
