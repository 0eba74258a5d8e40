//! Attachments: found, moved to another program, taken off.

use std::{fs, io, os::fd::AsFd};

use anyhow::{Context, Result};

use super::pins::{Pins, open};
use crate::{network::Device, sys};

/// A pinned attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name ([`super::Hook::attachment`]).
    pub interface: String,
    /// Index of the device; 0 when the device is gone.
    pub index: u32,
    /// Kernel's number of the program that it runs.
    pub program: u32,
    /// Whether it is to TCX and not to XDP.
    pub tcx: bool,
}

impl Link {
    /// Whether `device` runs this attachment to XDP, and not only has its index in another network
    /// namespace.
    pub fn runs_on(&self, device: &Device) -> bool {
        let program = device.xdp.map(|xdp| xdp.program);
        device.index == self.index && program == Some(self.program)
    }
}

/// How an interface came to run the new program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Attached, in the driver.
    AttachedNative,
    /// Attached behind the driver, slower.
    AttachedGeneric {
        /// What the driver answered to native mode, if it was asked.
        answer: Option<i32>,
    },
    /// It ran in the driver, which did not take the new program: attached anew, behind the driver.
    FellBack {
        /// What the driver answered.
        answer: Option<i32>,
    },
    /// Attached to TCX, where packets have left the driver or not reached it yet.
    AttachedTcx,
    /// It ran an older generation, and was moved.
    Moved,
    /// Nobody wants it any more, and it was in the way of one that is new.
    TakenOff,
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
        tcx: sys::object_text(&link, "link_type").with_context(foreign)? == "tcx",
    }))
}

/// Moves an existing attachment to `program`, atomically for each packet.
pub fn replace(pins: &Pins, program: impl AsFd, link: &Link) -> Result<io::Result<Change>> {
    let pinned = open(&pins.link(&link.interface))?;
    match sys::update_link(pinned, program) {
        Ok(()) => Ok(Ok(Change::Moved)),
        // What `bpf_xdp_link_update` answers once the device is gone (net/core/dev.c).
        Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => {
            remove(pins, &link.interface)?;
            Ok(Ok(Change::Gone))
        }
        Err(error) => Ok(Err(error)),
    }
}

/// Takes the attachment of `interface` off at once. Removing the pin alone would leave that to the kernel
/// for a while (`bpf_link_put`, kernel/bpf/syscall.c), and nothing else could be attached meanwhile.
pub fn remove(pins: &Pins, interface: &str) -> Result<()> {
    let path = pins.link(interface);
    // A device that is gone took it along; whatever else keeps it there, it goes with its pin.
    let _ = open(&path).map(sys::detach_link);
    fs::remove_file(&path).with_context(|| format!("cannot remove the pin {}", path.display()))
}
