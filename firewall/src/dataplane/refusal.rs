//! Why the kernel does not take the filter, in one sentence. What it lacks is found by trying each thing, never
//! by its version: distributions take features back into old kernels, and leave them out of new ones.

use std::{error::Error, fs, io};

use anyhow::{Error as AnyError, anyhow};
use aya::{
    EbpfError,
    maps::MapType,
    programs::{ProgramError, ProgramType},
    sys::{BpfHelper, is_helper_supported, is_map_supported},
};

use crate::memory::Room;

/// Capabilities that the filter takes, with their bits (include/uapi/linux/capability.h): maps and programs,
/// XDP, and the comparison of pointers. `CAP_SYS_ADMIN` stands in for each (`bpf_prog_load`, kernel/bpf/syscall.c).
const CAPABILITIES: [(&str, u32); 3] =
    [("CAP_BPF", 39), ("CAP_NET_ADMIN", 12), ("CAP_PERFMON", 38)];
const SYS_ADMIN: u32 = 21;

/// Something that the filter takes of a kernel.
struct Feature {
    name: &'static str,
    /// The Linux that brought it.
    since: &'static str,
    is_missing: fn() -> bool,
}

/// Newest first: a kernel that lacks an older one lacks the newer, too.
const FEATURES: [Feature; 3] = [
    Feature {
        name: "XDP programs for packets in several buffers (xdp.frags)",
        since: "5.18",
        is_missing: || lacks_helper(BpfHelper::BPF_FUNC_xdp_get_buff_len),
    },
    Feature {
        name: "the coarse clock in programs",
        since: "5.11",
        is_missing: || lacks_helper(BpfHelper::BPF_FUNC_ktime_get_coarse_ns),
    },
    Feature {
        name: "ring buffers",
        since: "5.8",
        is_missing: || matches!(is_map_supported(MapType::RingBuf), Ok(false)),
    },
];

/// What the verifier says of a function that is handed a context, where the kernel has no type information of
/// itself (`btf_get_prog_ctx_type`, kernel/bpf/btf.c).
const NO_TYPES: &str = "btf_vmlinux is malformed";

const NO_TYPES_SAID: &str = "this kernel has no type information of itself (CONFIG_DEBUG_INFO_BTF), which \
    the verifier needs; boot one that has it, as those of Debian, Ubuntu and Fedora do";

const NO_CALL: &str =
    "this kernel is built without bpf(2) (CONFIG_BPF_SYSCALL); boot one that has it";

const FORBIDDEN: &str = "this process has all capabilities that it needs, and something else forbids bpf(2): a \
    container (seccomp), kernel lockdown or a security module; run it on the host, or allow bpf(2) there";

/// Lines of the verifier's log that are shown of a refusal that nobody foresaw.
const LAST_LINES: usize = 4;

/// Why the maps of the object are not made.
pub fn of_maps(error: EbpfError) -> AnyError {
    let errno = errno(&error);
    match cause(errno, "") {
        Some(cause) => anyhow!("the kernel does not take the filter: {cause}"),
        None => AnyError::new(error).context("the kernel does not take the maps of the filter"),
    }
}

/// Why the program is not loaded.
pub fn of_program(error: ProgramError) -> AnyError {
    let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = error
    else {
        return AnyError::new(error).context("cannot load the program");
    };
    let log = verifier_log.to_string();
    match cause(io_error.raw_os_error(), &log) {
        Some(cause) => anyhow!("the kernel does not take the filter: {cause}"),
        None => anyhow!(
            "the kernel does not take the program of the filter: {io_error}; please report this \
             with 'uname -r'{}",
            last_lines(&log)
        ),
    }
}

/// The cause, with what to do about it, if it is one that is known.
fn cause(errno: Option<i32>, log: &str) -> Option<String> {
    let is_forbidden = matches!(errno, Some(libc::EPERM | libc::EACCES));
    let by_number = match errno {
        Some(libc::ENOMEM) => Some(no_memory(Room::read())),
        Some(libc::ENOSYS) => Some(NO_CALL.to_owned()),
        _ if is_forbidden => lacks_capability(),
        _ => None,
    };
    let by_log = || log.contains(NO_TYPES).then(|| NO_TYPES_SAID.to_owned());
    // Before Linux 5.11 a limit of locked memory forbids as well (RLIMIT_MEMLOCK); such a kernel lacks more.
    let forbidden = || (errno == Some(libc::EPERM)).then(|| FORBIDDEN.to_owned());
    by_number
        .or_else(by_log)
        .or_else(lacks_feature)
        .or_else(forbidden)
}

fn lacks_feature() -> Option<String> {
    let missing = FEATURES.iter().find(|feature| (feature.is_missing)());
    missing.map(|Feature { name, since, .. }| {
        format!("this kernel has no {name}, which Linux has since {since}; boot a newer one")
    })
}

fn lacks_helper(helper: BpfHelper) -> bool {
    matches!(is_helper_supported(ProgramType::Xdp, helper), Ok(false))
}

fn lacks_capability() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let missing = missing_capabilities(effective(&status)?);
    (!missing.is_empty()).then(|| {
        format!(
            "this process lacks {}; run it as root, or give it CAP_BPF, CAP_NET_ADMIN and \
             CAP_PERFMON (AmbientCapabilities= of a unit)",
            missing.join(" and ")
        )
    })
}

/// `CapEff` of `/proc/PID/status` (proc_pid_status(5)).
fn effective(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn missing_capabilities(effective: u64) -> Vec<&'static str> {
    let has = |bit: u32| effective >> bit & 1 != 0;
    let missing = CAPABILITIES
        .iter()
        .filter(|(_, bit)| !has(*bit) && !has(SYS_ADMIN));
    missing.map(|(name, _)| *name).collect()
}

/// The ledger alone takes 18 MB; the kernel counts it to who makes it.
fn no_memory(room: Option<Room>) -> String {
    let free = room.map_or_else(String::new, |room| {
        format!(", and {} MB are free{}", room.bytes >> 20, room.whose())
    });
    format!(
        "there is not enough memory; besides the lists it needs about 64 MB{free}; give it more, or \
         use shorter lists"
    )
}

/// The number of the error that is at the bottom of this one.
fn errno(error: &(dyn Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.raw_os_error();
        }
        next = error.source();
    }
    None
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let first = lines.len().saturating_sub(LAST_LINES);
    lines[first..]
        .iter()
        .map(|line| format!("\n  {line}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use aya::maps::MapError;

    use super::*;

    #[test]
    fn what_a_process_lacks_is_named() {
        let bits = |bits: &[u32]| bits.iter().map(|bit| 1_u64 << bit).sum();
        #[rustfmt::skip]
        let table: [(&[u32], &[&str]); 5] = [
            (&[39, 12, 38], &[]),
            (&[21],         &[]),
            (&[39, 12],     &["CAP_PERFMON"]),
            (&[39],         &["CAP_NET_ADMIN", "CAP_PERFMON"]),
            (&[],           &["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]),
        ];
        for (has, lacks) in table {
            assert_eq!(missing_capabilities(bits(has)), lacks, "{has:?}");
        }
        let status = "Name:\tx\nCapPrm:\t0\nCapEff:\t000001ffffffffff\n";
        assert_eq!(effective(status), Some(0x1ff_ffff_ffff));
    }

    #[test]
    fn a_kernel_without_types_of_itself_is_named() {
        let log = "Func#3 is global and assumed valid.\nbtf_vmlinux is malformed\n";
        let said = cause(Some(libc::EINVAL), log).unwrap();
        assert!(said.contains("CONFIG_DEBUG_INFO_BTF"), "{said}");
    }

    #[test]
    fn no_memory_is_said_with_who_has_no_more() {
        let room = Room {
            bytes: 40 << 20,
            cgroup: Some("/small".into()),
        };
        let said = no_memory(Some(room));
        assert!(
            said.contains("40 MB are free in the cgroup /small"),
            "{said}"
        );
        assert!(!no_memory(None).contains("free"));
    }

    #[test]
    fn the_number_at_the_bottom_of_an_error_is_found() {
        let bottom = io::Error::from_raw_os_error(libc::ENOMEM);
        let error = EbpfError::from(MapError::CreateError {
            name: "EVENTS".to_owned(),
            io_error: bottom,
        });
        assert_eq!(errno(&error), Some(libc::ENOMEM));
        assert_eq!(errno(&EbpfError::NoBTF), None);
    }

    #[test]
    fn of_a_long_log_the_end_is_shown() {
        let log = (0..200)
            .map(|n| format!("{n}: (85) call\n"))
            .collect::<String>();
        let said = last_lines(&(log + "R1 invalid\n\nprocessed 7 insns\n"));
        assert_eq!(said.lines().count(), 1 + LAST_LINES, "{said}");
        assert!(said.ends_with("processed 7 insns") && said.contains("R1 invalid"));
    }
}
