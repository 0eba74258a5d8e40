//! The kernel calls of a worker: what the standard library, the C library and its resolver need to talk
//! to a server and to parse.

use std::{collections::BTreeMap, process};

use anyhow::Result;
use libc::{c_int, c_long};
use seccompiler::{
    SeccompCmpArgLen,
    SeccompCmpOp::{self, Eq, MaskedEq},
    SeccompCondition, SeccompRule,
};

/// Memory, time, threads, and files that are open.
const ALWAYS: [c_long; 45] = [
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getcwd,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
    libc::SYS_statx,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_dup,
];

/// Names, connections, and the files of the resolver.
const ONLINE: [c_long; 17] = [
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_faccessat,
    libc::SYS_getdents64,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_newfstatat,
    libc::SYS_readlinkat,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
];

/// What the C library still calls by its old number on this machine.
#[cfg(target_arch = "x86_64")]
const OLD: [c_long; 4] = [
    libc::SYS_access,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_stat,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: [c_long; 0] = [];

/// Families of sockets and their protocols: the internet with TCP and UDP, and the kernel's own
/// addresses (`NETLINK_ROUTE`), which the resolver asks for.
const SOCKETS: [(c_int, &[c_int]); 3] = [
    (libc::AF_INET, &[0, libc::IPPROTO_TCP, libc::IPPROTO_UDP]),
    (libc::AF_INET6, &[0, libc::IPPROTO_TCP, libc::IPPROTO_UDP]),
    (libc::AF_NETLINK, &[libc::NETLINK_ROUTE]),
];

/// What may be asked of open files: nothing that sends signals.
const FCNTL: [c_int; 4] = [libc::F_GETFL, libc::F_SETFL, libc::F_GETFD, libc::F_SETFD];

/// Of `ioctl` likewise.
const IOCTL: [libc::Ioctl; 2] = [libc::FIONBIO, libc::FIONREAD];

/// Of `prctl`: names of threads and of memory. Not to outlive the parent after all.
const PRCTL: [c_int; 2] = [libc::PR_SET_NAME, libc::PR_SET_VMA];

/// Flags that open a file for more than reading.
const NOT_READING: c_int =
    libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_TMPFILE & !libc::O_DIRECTORY;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What may be called, and with which arguments where these matter.
pub fn allowed(is_online: bool) -> Result<Rules> {
    let online = ONLINE.iter().chain(&OLD).filter(|_| is_online);
    let calls = ALWAYS.iter().chain(online);
    let mut rules: Rules = calls.map(|&call| (call, Vec::new())).collect();
    // Limits of others, and signals to them, end processes of the same user.
    rules.insert(libc::SYS_prlimit64, one_of(0, &[0])?);
    rules.insert(libc::SYS_tgkill, one_of(0, &[u64::from(process::id())])?);
    rules.insert(libc::SYS_fcntl, one_of(1, &FCNTL.map(|it| it as u64))?);
    if is_online {
        add_online(&mut rules)?;
    }
    Ok(rules)
}

fn add_online(rules: &mut Rules) -> Result<()> {
    let sockets = SOCKETS.iter().flat_map(|(family, protocols)| {
        let rule = |protocol: &c_int| rule(&[(0, Eq, *family as u64), (2, Eq, *protocol as u64)]);
        protocols.iter().map(rule)
    });
    rules.insert(libc::SYS_socket, sockets.collect::<Result<_>>()?);
    rules.insert(libc::SYS_ioctl, one_of(1, &IOCTL)?);
    rules.insert(libc::SYS_prctl, one_of(0, &PRCTL.map(|it| it as u64))?);
    let reads = MaskedEq(NOT_READING as u64);
    rules.insert(libc::SYS_openat, vec![rule(&[(2, reads.clone(), 0)])?]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, vec![rule(&[(1, reads, 0)])?]);
    // Threads, which the resolver is given a time by, and no processes.
    let flag = libc::CLONE_THREAD as u64;
    rules.insert(libc::SYS_clone, vec![rule(&[(0, MaskedEq(flag), flag)])?]);
    Ok(())
}

/// The argument at this place is one of these.
fn one_of(place: u8, values: &[u64]) -> Result<Vec<SeccompRule>> {
    values
        .iter()
        .map(|&value| rule(&[(place, Eq, value)]))
        .collect()
}

/// Each argument compares so. All of them are 32 bits wide.
fn rule(arguments: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule> {
    let conditions = arguments.iter().map(|(place, operator, value)| {
        SeccompCondition::new(*place, SeccompCmpArgLen::Dword, operator.clone(), *value)
    });
    Ok(SeccompRule::new(conditions.collect::<Result<_, _>>()?)?)
}
