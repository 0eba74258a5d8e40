//! Attachments: made, moved to another program, put back, taken off.

use std::{fs, io, os::fd::AsFd};

use anyhow::{Context, Result, anyhow, bail};
use aya::programs::{
    LinkOrder, Program, ProgramError, SchedClassifier, TcAttachType, Xdp,
    links::{FdLink, LinkError},
    loaded_programs,
    tc::TcAttachOptions,
    xdp::XdpMode,
};

use super::{
    Attach, Interface, hook,
    pins::{Pins, open},
};
use crate::{config::AttachMode, sys};

/// A pinned attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name ([`super::Hook::attachment`]).
    pub interface: String,
    /// Index of the device; 0 when the device is gone.
    pub index: u32,
    /// Kernel's number of the program that it runs.
    pub program: u32,
}

/// How an interface came to run the new program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Attached, in the driver.
    AttachedNative,
    /// Attached behind the driver, slower.
    AttachedGeneric,
    /// Attached to TCX, where packets have left the driver or not reached it yet.
    AttachedTcx,
    /// It ran an older generation, and was moved.
    Moved,
    /// Its device is gone: the attachment was removed.
    Gone,
}

/// The attachment pinned for `interface`, if there is one.
pub fn find(pins: &Pins, interface: &str) -> Result<Option<Link>> {
    let path = pins.link(interface);
    if !path.exists() {
        return Ok(None);
    }
    let link = open(&path)?;
    let foreign = || {
        format!(
            "the pin {} is no XDP or TCX link; remove it, then run 'firewall run' again",
            path.display()
        )
    };
    Ok(Some(Link {
        interface: interface.to_owned(),
        index: sys::object_info(&link, "ifindex").with_context(foreign)?,
        program: sys::object_info(&link, "prog_id").with_context(foreign)?,
    }))
}

/// Makes `interface` run `program`: moves its attachment if it has one, makes one if not and if
/// `attach` says so.
pub fn put(
    pins: &Pins,
    program: &mut Program,
    interface: &Interface,
    existing: Option<&Link>,
) -> Result<Change> {
    match (existing, &interface.attach) {
        (Some(link), None) => replace(pins, program.fd()?.as_fd(), link),
        (Some(link), Some(attach)) if link.index == attach.index => {
            replace(pins, program.fd()?.as_fd(), link)
        }
        (Some(link), Some(attach)) => {
            // The device went away, or another one took its name: this link cannot follow.
            remove(pins, &link.interface)?;
            make(pins, program, interface, attach)
        }
        (None, Some(attach)) => make(pins, program, interface, attach),
        (None, None) => bail!("nothing is attached to {}", interface.name),
    }
}

/// Moves an existing attachment to `program`, atomically for each packet.
pub fn replace(pins: &Pins, program: impl AsFd, link: &Link) -> Result<Change> {
    let pinned = open(&pins.link(&link.interface))?;
    match sys::update_link(pinned, program) {
        Ok(()) => Ok(Change::Moved),
        // What `bpf_xdp_link_update` answers once the device is gone (net/core/dev.c).
        Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => {
            remove(pins, &link.interface)?;
            Ok(Change::Gone)
        }
        Err(error) => Err(error).with_context(|| {
            format!(
                "cannot put the new generation in force on {}",
                link.interface
            )
        }),
    }
}

fn make(
    pins: &Pins,
    program: &mut Program,
    interface: &Interface,
    attach: &Attach,
) -> Result<Change> {
    let name = &interface.name;
    let (link, change) = match interface.hook.tcx() {
        Some(end) => (
            attach_tcx(program, hook::device(name), end).map_err(|error| explain_tcx(error, name)),
            Change::AttachedTcx,
        ),
        None => {
            let (link, change) = attach_xdp(program.try_into()?, attach);
            (
                link.map_err(|error| explain(error, name, attach.index)),
                change,
            )
        }
    };
    link?
        .pin(pins.link(name))
        .with_context(|| format!("cannot pin the attachment of {name}"))?;
    Ok(change)
}

fn attach_xdp(program: &mut Xdp, wanted: &Attach) -> (Result<FdLink, ProgramError>, Change) {
    let index = wanted.index;
    match wanted.mode {
        AttachMode::Native => (
            attach(program, index, XdpMode::Driver),
            Change::AttachedNative,
        ),
        AttachMode::Generic => (
            attach(program, index, XdpMode::Skb),
            Change::AttachedGeneric,
        ),
        AttachMode::Auto => match attach(program, index, XdpMode::Driver) {
            Err(error) if native_unsupported(&error) => (
                attach(program, index, XdpMode::Skb),
                Change::AttachedGeneric,
            ),
            other => (other, Change::AttachedNative),
        },
    }
}

/// Attaches in front of all other programs: what they let pass without asking further would not come
/// to us.
fn attach_tcx(
    program: &mut Program,
    device: &str,
    end: TcAttachType,
) -> Result<FdLink, ProgramError> {
    let program: &mut SchedClassifier = program.try_into()?;
    let order = TcAttachOptions::TcxOrder(LinkOrder::first());
    let id = program.attach_with_options(device, end, order)?;
    program.take_link(id)?.try_into().map_err(no_fd_link)
}

/// Attaches by a BPF link; a netlink attachment, to which aya falls back on `EINVAL`, cannot be
/// pinned and would outlive us unseen, so it is taken off again.
fn attach(program: &mut Xdp, index: u32, mode: XdpMode) -> Result<FdLink, ProgramError> {
    let id = program.attach_to_if_index(index, mode)?;
    program.take_link(id)?.try_into().map_err(no_fd_link)
}

fn no_fd_link(_: LinkError) -> ProgramError {
    ProgramError::IOError(io::Error::from_raw_os_error(libc::EINVAL))
}

/// Whether the driver has no native XDP, or not for this device as it is set up.
fn native_unsupported(error: &ProgramError) -> bool {
    /// In-kernel errno that leaks from some drivers.
    const ENOTSUPP: i32 = 524;
    matches!(
        os_error(error),
        Some(libc::EOPNOTSUPP | libc::EINVAL | libc::ERANGE | libc::ENOSPC | ENOTSUPP)
    )
}

fn os_error(error: &ProgramError) -> Option<i32> {
    match error {
        ProgramError::SyscallError(error) => error.io_error.raw_os_error(),
        ProgramError::IOError(error) => error.raw_os_error(),
        _ => None,
    }
}

fn explain(error: ProgramError, interface: &str, index: u32) -> anyhow::Error {
    match os_error(&error) {
        Some(libc::EBUSY | libc::EEXIST) => anyhow!(
            "{interface} already runs another XDP program{}; nothing was replaced. Take it off \
             first (for example: ip link set dev {interface} xdp off), or leave {interface} out",
            holder(index)
        ),
        Some(libc::EPERM | libc::EACCES) => {
            anyhow!("not allowed to attach to {interface}; run as root (CAP_BPF, CAP_NET_ADMIN)")
        }
        Some(libc::EOPNOTSUPP) => anyhow!(
            "the driver of {interface} has no native XDP; write attach = \"auto\" or \
             attach = \"generic\" in the configuration"
        ),
        Some(libc::ENODEV) => {
            anyhow!("the interface {interface} went away; run again when it is back")
        }
        _ => anyhow::Error::new(error).context(format!(
            "the kernel refuses XDP on {interface}; dmesg or 'ethtool -i {interface}' say more"
        )),
    }
}

/// Why TCX does not take a program. Kernels before it know no such attachment (`EINVAL`, commit
/// e420bed02507, Linux 6.6).
fn explain_tcx(error: ProgramError, name: &str) -> anyhow::Error {
    let device = hook::device(name);
    let remedy = match hook::is_own(name) {
        true => "take own_traffic out of the configuration".to_owned(),
        false => format!(
            "attach to the Ethernet port that carries the traffic of {device} instead of {device}"
        ),
    };
    match os_error(&error) {
        Some(libc::EINVAL) => anyhow!(
            "{name} needs TCX, which Linux has since 6.6 (CONFIG_NET_XGRESS) and this kernel does \
             not: {remedy}, or run a newer kernel"
        ),
        Some(libc::EPERM | libc::EACCES) => {
            anyhow!("not allowed to attach to {device}; run as root (CAP_BPF, CAP_NET_ADMIN)")
        }
        Some(libc::ENODEV) => {
            anyhow!("the interface {device} went away; run again when it is back")
        }
        _ => anyhow::Error::new(error).context(format!("the kernel refuses TCX on {device}")),
    }
}

/// The other program on the device: `": 'name' (id 7)"`, or nothing if the kernel does not say.
fn holder(index: u32) -> String {
    let Some(id) = crate::network::attached_program(index) else {
        return String::new();
    };
    let name = loaded_programs()
        .flatten()
        .find(|program| program.id() == id)
        .and_then(|program| program.name_as_str().map(str::to_owned))
        .unwrap_or_default();
    format!(": '{name}' (id {id})")
}

/// Takes the attachment of `interface` off.
pub fn remove(pins: &Pins, interface: &str) -> Result<()> {
    let path = pins.link(interface);
    fs::remove_file(&path).with_context(|| format!("cannot remove the pin {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn einval() -> ProgramError {
        ProgramError::IOError(io::Error::from_raw_os_error(libc::EINVAL))
    }

    #[test]
    fn a_kernel_without_tcx_is_named_with_what_to_do_about_it() {
        let own = explain_tcx(einval(), "eth0:own").to_string();
        assert!(own.contains("6.6") && own.contains("own_traffic"), "{own}");
        let tunnel = explain_tcx(einval(), "wg0").to_string();
        assert!(
            tunnel.contains("6.6") && tunnel.contains("Ethernet port"),
            "{tunnel}"
        );
    }
}
