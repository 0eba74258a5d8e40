//! Whether the kernel has TCX, and what is said where it does not.

use std::io;

use anyhow::anyhow;
use aya::programs::{ProgramError, SchedClassifier, TcAttachType};

use super::device;

/// What a kernel without it lacks, and where it came from (commit e420bed02507).
pub const NO_TCX: &str = "this kernel has no TCX, which Linux has since 6.6 (CONFIG_NET_XGRESS)";

/// Whether the kernel has TCX, found by asking what stands there: one that does not know the place says that
/// the question is wrong (`bpf_prog_query`, kernel/bpf/syscall.c). `None` for those who may not ask.
pub fn kernel_has_tcx() -> Option<bool> {
    match SchedClassifier::query_tcx("lo", TcAttachType::Ingress) {
        Ok(_) => Some(true),
        Err(ProgramError::SyscallError(error)) => {
            let errno = error.io_error.raw_os_error();
            (errno == Some(libc::EINVAL)).then_some(false)
        }
        Err(_) => None,
    }
}

/// Why TCX does not take a program on the device of this attachment.
pub fn explain(error: io::Error, attachment: &str) -> anyhow::Error {
    let device = device(attachment);
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            anyhow!("not allowed to attach to {device}; run as root (CAP_BPF, CAP_NET_ADMIN)")
        }
        Some(libc::ENODEV) => {
            anyhow!("the interface {device} went away; run again when it is back")
        }
        _ => anyhow::Error::new(error).context(format!("the kernel refuses TCX on {device}")),
    }
}
