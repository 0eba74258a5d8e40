//! Makes an attachment: in which mode, and what is to be done where the kernel refuses.

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

use anyhow::{Result, anyhow};
use aya::programs::TcAttachType;

use super::{Change, device, holder, tcx};
use crate::{
    config::AttachMode,
    network::{Hindrance, Network},
    sys,
};

/// `enum bpf_attach_type` (include/uapi/linux/bpf.h).
const BPF_XDP: u32 = 37;
const BPF_TCX_INGRESS: u32 = 46;
const BPF_TCX_EGRESS: u32 = 47;

/// `XDP_FLAGS_SKB_MODE` and `XDP_FLAGS_DRV_MODE` (include/uapi/linux/if_link.h).
const GENERIC: u32 = 1 << 1;
const NATIVE: u32 = 1 << 2;

/// `BPF_F_BEFORE`; relative to nobody it means in front of all: what others let pass without asking
/// further would not come to us.
const BEFORE_ALL: u32 = 1 << 3;

/// In-kernel errno that leaks from some drivers (include/linux/errno.h).
const ENOTSUPP: i32 = 524;

/// Attaches `program` to the device with this index, under this name: to XDP, or to an end of TCX. The
/// link is not pinned yet.
pub fn attach(
    program: BorrowedFd,
    (name, index): (&str, u32),
    end: Option<TcAttachType>,
    mode: AttachMode,
) -> Result<(OwnedFd, Change)> {
    if let Some(end) = end {
        let end = match end {
            TcAttachType::Egress => BPF_TCX_EGRESS,
            _ => BPF_TCX_INGRESS,
        };
        let link = sys::create_link(program, index, end, BEFORE_ALL);
        return match link {
            Ok(link) => Ok((link, Change::AttachedTcx)),
            Err(error) => Err(tcx::explain(error, name)),
        };
    }
    let make = |flags| sys::create_link(program, index, BPF_XDP, flags);
    let made = by_mode(mode, make, || hindrance(index));
    made.map_err(|refusal| explain(&refusal, device(name), index))
}

/// What keeps a program off, by what the network looks like now.
fn hindrance(index: u32) -> Option<Hindrance> {
    Network::read_devices().ok()?.hindrance(index)
}

/// Why there is no attachment.
#[derive(Debug)]
enum Refusal {
    /// It could not be in any mode.
    Hindered(Hindrance),
    /// Who asks is not allowed to.
    NotAllowed,
    /// The driver does not take it, and no other mode was to be tried.
    Native(io::Error),
    /// The kernel does not take it behind the driver either, or only that was to be tried.
    Generic(io::Error),
}

/// Tries the modes that `wanted` stands for. Drivers say in many ways that they do not take a program as
/// they are set up: whatever they say, `auto` goes on to generic mode, unless that cannot be either.
fn by_mode<T>(
    wanted: AttachMode,
    mut make: impl FnMut(u32) -> io::Result<T>,
    hindrance: impl Fn() -> Option<Hindrance>,
) -> Result<(T, Change), Refusal> {
    let lasting = |error: &io::Error| match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => Some(Refusal::NotAllowed),
        // Also what a driver may say of itself, or what is said of a device that is gone.
        _ => hindrance().map(Refusal::Hindered),
    };
    let mut answer = None;
    if wanted != AttachMode::Generic {
        match make(NATIVE) {
            Ok(link) => return Ok((link, Change::AttachedNative)),
            Err(error) => {
                if let Some(refusal) = lasting(&error) {
                    return Err(refusal);
                }
                if wanted == AttachMode::Native {
                    return Err(Refusal::Native(error));
                }
                answer = error.raw_os_error();
            }
        }
    }
    match make(GENERIC) {
        Ok(link) => Ok((link, Change::AttachedGeneric { answer })),
        Err(error) => Err(lasting(&error).unwrap_or(Refusal::Generic(error))),
    }
}

fn explain(refusal: &Refusal, interface: &str, index: u32) -> anyhow::Error {
    match refusal {
        Refusal::NotAllowed => {
            anyhow!("not allowed to attach to {interface}; run as root (CAP_BPF, CAP_NET_ADMIN)")
        }
        Refusal::Hindered(Hindrance::Gone) => {
            anyhow!("the interface {interface} went away; run again when it is back")
        }
        Refusal::Hindered(Hindrance::Program(xdp)) => anyhow!(
            "{interface} already runs another XDP program{}; nothing was replaced. Take it off first ({}), \
             or leave {interface} out",
            holder::named(xdp.program),
            holder::way_off(interface, index, xdp.program)
        ),
        Refusal::Hindered(Hindrance::Above(upper)) => anyhow!(
            "{upper}, which stands on {interface}, runs an XDP program, and the kernel takes none below \
             another: attach to one of them only; 'interfaces' in the configuration names which"
        ),
        Refusal::Native(error) => anyhow!(
            "{}; write attach = \"auto\" or attach = \"generic\" in the configuration",
            driver_says(interface, error.raw_os_error())
        ),
        Refusal::Generic(error) => anyhow!(
            "the kernel refuses XDP on {interface}, in generic mode too: {}; 'dmesg' or 'ethtool -i \
             {interface}' say more",
            words(error.raw_os_error())
        ),
    }
}

/// What the answer of a driver to native mode means.
pub fn driver_says(interface: &str, answer: Option<i32>) -> String {
    const SETUP: &str = "in its present setup (MTU, queues, offloads)";
    let network = Network::read_devices().unwrap_or_default();
    if let Some(port) = network.port_with_program(interface) {
        return format!(
            "{interface} takes no native XDP while {}, a port of it, runs a program",
            port.name
        );
    }
    let words = words(answer);
    match answer {
        Some(libc::EOPNOTSUPP | ENOTSUPP) => {
            format!("the driver of {interface} has no native XDP, or none {SETUP}: {words}")
        }
        _ => format!("the driver of {interface} refuses native XDP {SETUP}: {words}"),
    }
}

/// The kernel's words for an errno.
fn words(errno: Option<i32>) -> String {
    match errno {
        Some(ENOTSUPP) => "Operation is not supported (os error 524)".to_owned(),
        Some(errno) => io::Error::from_raw_os_error(errno).to_string(),
        None => "no reason given".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Xdp;

    fn errno(errno: i32) -> io::Error {
        io::Error::from_raw_os_error(errno)
    }

    /// What becomes of it where the driver answers `native`, and the kernel takes generic mode.
    fn came_to(wanted: AttachMode, native: i32, hindrance: Option<&Hindrance>) -> String {
        let make = |flags| match flags {
            NATIVE => Err(errno(native)),
            _ => Ok(()),
        };
        match by_mode(wanted, make, || hindrance.cloned()) {
            Ok(((), change)) => format!("{change:?}"),
            Err(Refusal::Native(error)) => format!("native {:?}", error.raw_os_error()),
            Err(refusal) => format!("{refusal:?}"),
        }
    }

    #[test]
    fn auto_goes_on_to_generic_mode_whatever_way_the_driver_says_no() {
        for answer in [
            libc::EINVAL,
            libc::EOPNOTSUPP,
            ENOTSUPP,
            libc::ENOMEM,
            libc::ENOSPC,
            libc::ERANGE,
            libc::E2BIG,
            libc::EIO,
            libc::EBUSY,
            libc::EEXIST,
            libc::ENOTCONN,
        ] {
            let generic = format!("AttachedGeneric {{ answer: Some({answer}) }}");
            assert_eq!(came_to(AttachMode::Auto, answer, None), generic);
            let native = format!("native Some({answer})");
            assert_eq!(came_to(AttachMode::Native, answer, None), native);
        }
        let asked_for = came_to(AttachMode::Generic, libc::EINVAL, None);
        assert_eq!(asked_for, "AttachedGeneric { answer: None }");
    }

    #[test]
    fn what_no_mode_helps_against_is_the_end_of_it() {
        for answer in [libc::EPERM, libc::EACCES] {
            assert_eq!(came_to(AttachMode::Auto, answer, None), "NotAllowed");
        }
        let theirs = Hindrance::Program(Xdp {
            program: 7,
            native: true,
        });
        let above = Hindrance::Above("br0".into());
        for (answer, hindrance) in [
            (libc::EBUSY, theirs),
            (libc::EEXIST, above),
            // How XDP says that there is no such device (bpf_xdp_link_attach, net/core/dev.c).
            (libc::EINVAL, Hindrance::Gone),
        ] {
            let hindered = format!("Hindered({hindrance:?})");
            assert_eq!(
                came_to(AttachMode::Auto, answer, Some(&hindrance)),
                hindered
            );
        }
    }

    #[test]
    fn what_the_driver_answered_is_said_as_what_it_may_mean() {
        let said = |answer| driver_says("no device", Some(answer));
        assert_eq!(
            said(libc::EINVAL),
            "the driver of no device refuses native XDP in its present setup (MTU, queues, offloads): Invalid \
             argument (os error 22)"
        );
        let none = "the driver of no device has no native XDP, or none in its present setup";
        assert!(said(libc::EOPNOTSUPP).starts_with(none));
        assert!(said(ENOTSUPP).starts_with(none) && said(ENOTSUPP).contains("524"));
    }
}
