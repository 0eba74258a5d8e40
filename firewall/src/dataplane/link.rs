//! Attachments: made, moved to another program, put back, taken off.

use std::{fs, io, os::fd::AsFd};

use anyhow::{Context, Result, anyhow, bail};
use aya::programs::{
    ProgramError, Xdp,
    links::{FdLink, LinkError},
    loaded_programs,
    xdp::XdpMode,
};

use super::{
    Interface,
    pins::{Pins, open},
};
use crate::{config::AttachMode, sys};

/// A pinned attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Interface that it was made for.
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
            "the pin {} is no XDP link; remove it, then run 'firewall run' again",
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
    program: &mut Xdp,
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
            make(pins, program, interface, attach.index, attach.mode)
        }
        (None, Some(attach)) => make(pins, program, interface, attach.index, attach.mode),
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
    program: &mut Xdp,
    interface: &Interface,
    index: u32,
    mode: AttachMode,
) -> Result<Change> {
    let name = &interface.name;
    let (link, change) = match mode {
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
    };
    let link = link.map_err(|error| explain(error, name, index))?;
    link.pin(pins.link(name))
        .with_context(|| format!("cannot pin the attachment of {name}"))?;
    Ok(change)
}

/// Attaches by a BPF link; a netlink attachment, to which aya falls back on `EINVAL`, cannot be
/// pinned and would outlive us unseen, so it is taken off again.
fn attach(program: &mut Xdp, index: u32, mode: XdpMode) -> Result<FdLink, ProgramError> {
    let id = program.attach_to_if_index(index, mode)?;
    let link = program.take_link(id)?;
    link.try_into()
        .map_err(|_: LinkError| ProgramError::IOError(io::Error::from_raw_os_error(libc::EINVAL)))
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
