//! Makes an interface run a program: moves its attachment, or makes one.

use std::{io, os::fd::AsFd};

use anyhow::{Context, Result, anyhow, bail};
use aya::programs::Program;

use super::{Change, Dataplane, Hook, Interface, Link, attach::attach, link, pins::open};
use crate::{config::AttachMode, network::Network, sys};

impl Dataplane {
    /// Makes `interface` run `program`: moves its attachment if it has one, makes one if not and if
    /// `attach` says so. An attachment whose device lives is never given up for another device.
    pub(super) fn put(
        &self,
        program: &mut Program,
        interface: &Interface,
        existing: Option<&Link>,
    ) -> Result<Change> {
        let renew = interface.attach.is_some_and(|attach| attach.renew);
        match (existing, interface.attach) {
            (Some(link), _) if link.index != 0 && renew => {
                self.make_anew(program, interface, link, interface.mode)
            }
            (Some(link), None) => self.move_or_fall_back(program, interface, link),
            (Some(link), _) if link.index != 0 => self.move_or_fall_back(program, interface, link),
            (Some(_), Some(attach)) => {
                // The device went away: this link cannot follow.
                link::remove(&self.pins, &interface.name)?;
                self.make(program, interface, attach.index, interface.mode)
            }
            (None, Some(attach)) => self.make(program, interface, attach.index, interface.mode),
            (None, None) => bail!("nothing is attached to {}", interface.name),
        }
    }

    fn make(
        &self,
        program: &Program,
        interface: &Interface,
        index: u32,
        mode: AttachMode,
    ) -> Result<Change> {
        let name = &interface.name;
        let program = program.fd()?.as_fd();
        let (link, change) = attach(program, (name, index), interface.hook.tcx(), mode)?;
        sys::pin(link, &self.pins.link(name))
            .with_context(|| format!("cannot pin the attachment of {name}"))?;
        Ok(change)
    }

    /// Where the driver does not take the new program, which happens when its setup was changed since the
    /// last one, `auto` goes on to generic mode.
    fn move_or_fall_back(
        &self,
        program: &Program,
        interface: &Interface,
        link: &Link,
    ) -> Result<Change> {
        let error = match link::replace(&self.pins, program.fd()?.as_fd(), link)? {
            Ok(change) => return Ok(change),
            Err(error) => error,
        };
        let may = interface.mode == AttachMode::Auto && interface.hook == Hook::Xdp;
        if !may || !is_native_here(link) {
            return Err(refused(&interface.name, error));
        }
        let answer = error.raw_os_error();
        match self.make_anew(program, interface, link, AttachMode::Generic) {
            Ok(_) => Ok(Change::FellBack { answer }),
            Err(failure) => Err(refused(&interface.name, error)
                .context(format!("generic mode was tried instead: {failure:#}"))),
        }
    }

    /// Takes `link` off and attaches `program` in its place: the kernel takes no two modes at once
    /// (`dev_xdp_attach`, net/core/dev.c), so a few packets pass unjudged.
    fn make_anew(
        &self,
        program: &Program,
        interface: &Interface,
        link: &Link,
        mode: AttachMode,
    ) -> Result<Change> {
        link::remove(&self.pins, &link.interface)?;
        self.make(program, interface, link.index, mode)
            .map_err(|error| match self.attach_again(link) {
                Ok(_) => error,
                Err(failure) => error.context(format!(
                    "nothing filters {} now: what filtered it could not be put back: {failure:#}",
                    link.interface
                )),
            })
    }

    /// Attaches what `link`, which was taken off, ran.
    pub(super) fn attach_again(&self, link: &Link) -> Result<Change> {
        let name = &link.interface;
        let generation = self.generation_before(link)?;
        let program = open(&self.pins.program(generation, name))?;
        let tcx = Hook::guess(name).tcx().filter(|_| link.tcx);
        let tcx = tcx.or_else(|| Hook::Ingress.tcx().filter(|_| link.tcx));
        let (new, change) = attach(program.as_fd(), (name, link.index), tcx, AttachMode::Auto)?;
        sys::pin(new, &self.pins.link(name))
            .with_context(|| format!("cannot pin the attachment of {name}"))?;
        Ok(change)
    }

    /// Moves one attachment to a generation that is already loaded.
    pub fn move_to(&self, link: &Link, generation: u32) -> Result<Change> {
        let program = open(&self.pins.program(generation, &link.interface))?;
        link::replace(&self.pins, program, link)?.map_err(|error| refused(&link.interface, error))
    }
}

fn refused(interface: &str, error: io::Error) -> anyhow::Error {
    anyhow!(error).context(format!(
        "cannot put the new generation in force on {interface}"
    ))
}

/// Whether `link` runs in the driver of a device in our network namespace.
fn is_native_here(link: &Link) -> bool {
    let network = Network::read_devices().unwrap_or_default();
    let device = network.by_index(link.index);
    device.is_some_and(|device| link.runs_on(device) && device.xdp.is_some_and(|xdp| xdp.native))
}
