//! The kernel calls of a worker: what the standard library, the C library and its resolver need to talk
//! to a server and to parse.

use std::collections::BTreeMap;

use anyhow::Result;
use libc::c_long;
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

/// Memory, time, threads, and files that are open.
const ALWAYS: [c_long; 48] = [
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
    libc::SYS_prlimit64,
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
    libc::SYS_tgkill,
    libc::SYS_uname,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_dup,
    libc::SYS_fcntl,
];

/// Names, connections, and the files of the resolver.
const ONLINE: [c_long; 20] = [
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_faccessat,
    libc::SYS_getdents64,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_ioctl,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_readlinkat,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_prctl,
];

/// What the C library still calls by its old number on this machine.
#[cfg(target_arch = "x86_64")]
const OLD: [c_long; 5] = [
    libc::SYS_access,
    libc::SYS_open,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_stat,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: [c_long; 0] = [];

/// Families of sockets: the internet, and the kernel's own addresses, which the resolver asks for.
const FAMILIES: [libc::c_int; 3] = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// What may be called, and with which arguments where these matter.
pub fn allowed(is_online: bool) -> Result<BTreeMap<i64, Vec<SeccompRule>>> {
    let online = ONLINE.iter().chain(&OLD).filter(|_| is_online);
    let calls = ALWAYS.iter().chain(online);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        calls.map(|&call| (call, Vec::new())).collect();
    if is_online {
        let families = FAMILIES.map(|family| argument(SeccompCmpOp::Eq, family as u64));
        rules.insert(
            libc::SYS_socket,
            families.into_iter().collect::<Result<_>>()?,
        );
        // Threads, which the resolver is given a time by, and no processes.
        let flag = libc::CLONE_THREAD as u64;
        rules.insert(
            libc::SYS_clone,
            vec![argument(SeccompCmpOp::MaskedEq(flag), flag)?],
        );
    }
    Ok(rules)
}

/// The first argument compares so.
fn argument(operator: SeccompCmpOp, value: u64) -> Result<SeccompRule> {
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, operator, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}
