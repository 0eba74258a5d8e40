//! The data plane as user space sees it: the only part that knows how programs and maps are loaded,
//! attached and pinned.
//!
//! A generation is an image in fresh maps with programs loaded against it. It is made whole beside
//! the one in force; then each interface's link is moved to its new program. Nothing edits a map
//! that a running program reads.

mod attach;
mod counters;
mod holder;
mod hook;
mod link;
mod object;
mod pins;
mod place;
mod put;
mod refusal;
mod tcx;
mod trial;

use std::{fs, net::IpAddr, path::Path};

use anyhow::{Context, Result};
use aya::Ebpf;
use firewall_common::{
    class::ClassId,
    image::{lookup4, lookup6},
    ledger::Role,
};

pub use attach::driver_says;
pub use counters::{Events, Gaps, Hit, boot_time, service};
pub use holder::{left, still_loaded};
pub use hook::{Hook, base, device, is_own, plain, second_base};
pub use link::{Change, Link};
pub use object::{Object, fill};
use pins::Pins;
pub use place::{Place, Placed};
pub use tcx::{NO_TCX, kernel_has_tcx};
pub use trial::Trial;

pub use crate::sys::fill_array;
use crate::{config::AttachMode, image::Image, network::Network, sys};

/// An interface that the new generation is to run on.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Name of the attachment ([`Hook::attachment`]).
    pub name: String,
    /// Where it looks to.
    pub role: Role,
    /// Where on the device the program stands.
    pub hook: Hook,
    /// In the driver or behind it.
    pub mode: AttachMode,
    /// To what to attach if nothing is attached yet; `None` for those who never attach.
    pub attach: Option<Attach>,
}

/// To what to attach.
#[derive(Clone, Copy, Debug)]
pub struct Attach {
    /// Index of the device.
    pub index: u32,
    /// Whether it is attached in another mode than is wanted: that cannot be changed, only made anew.
    pub renew: bool,
}

/// The pinned state of one filter.
#[derive(Debug)]
pub struct Dataplane {
    pins: Pins,
}

impl Dataplane {
    /// The data plane pinned below `bpffs`, which need not exist yet.
    pub fn new(bpffs: &Path) -> Self {
        Self {
            pins: Pins::new(bpffs),
        }
    }

    /// Mounts the BPF file system if need be and makes the folders.
    pub fn prepare(&self) -> Result<()> {
        self.pins.prepare()
    }

    /// Whether anything is pinned at all.
    pub fn is_pinned(&self) -> bool {
        self.pins.exist()
    }

    /// Every attachment.
    pub fn links(&self) -> Result<Vec<Link>> {
        let mut links = Vec::new();
        for interface in self.pins.linked_interfaces()? {
            links.extend(link::find(&self.pins, &interface)?);
        }
        Ok(links)
    }

    /// Numbers of the generations that have a folder, lowest first.
    pub fn generations(&self) -> Result<Vec<u32>> {
        self.pins.generations()
    }

    /// The generation whose program `link` runs.
    pub fn generation_of(&self, link: &Link) -> Result<Option<u32>> {
        for generation in self.pins.generations()?.into_iter().rev() {
            let path = self.pins.program(generation, &link.interface);
            if path.exists() && sys::object_info(&pins::open(&path)?, "prog_id")? == link.program {
                return Ok(Some(generation));
            }
        }
        Ok(None)
    }

    /// Whether the kernel interprets a program that is in force, since it was loaded without the JIT.
    pub fn is_interpreted(&self) -> Result<bool> {
        for link in self.links()? {
            if let Some(generation) = self.generation_of(&link)? {
                let program = pins::open(&self.pins.program(generation, &link.interface))?;
                if sys::object_info(&program, "prog_jited")? == 0 {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Makes generation `number` of `image` and puts it in force on every one of `interfaces`, or
    /// on none: if one fails, those already done are put back and the new generation is removed.
    pub fn install(
        &self,
        object: Object,
        number: u32,
        image: &Image,
        interfaces: &[Interface],
    ) -> Result<Vec<(String, Change)>> {
        object::check_pins(&self.pins, interfaces)?;
        let result = self
            .load(object, number, image, interfaces)
            .and_then(|programs| self.put_in_force(programs, interfaces));
        if result.is_err() {
            // The failure that brought us here is what is reported; a folder that stays is removed
            // by the next holder of the lock.
            let _ = self.pins.remove_generation(number);
        }
        result
    }

    /// Makes generation `number` of `image` with one copy of the program, as `interface` would have
    /// it, and attaches it nowhere: packets are handed to it.
    pub fn try_out(&self, number: u32, image: &Image, interface: Interface) -> Result<Trial> {
        let interfaces = [interface];
        object::check_pins(&self.pins, &interfaces)?;
        let mut programs = self.load(Object::Shipped, number, image, &interfaces)?;
        let program = programs.pop().context("no program was loaded")?;
        Ok(Trial::new(program, interfaces[0].hook))
    }

    /// Loads and fills all of a generation, attached nowhere.
    fn load(
        &self,
        object: Object,
        number: u32,
        image: &Image,
        interfaces: &[Interface],
    ) -> Result<Vec<Ebpf>> {
        let folder = self.pins.generation(number).join("programs");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let programs = object::load(&self.pins, object, number, image, interfaces)?;
        // All copies have the same maps.
        programs
            .first()
            .map_or(Ok(()), |program| fill(program, image))?;
        Ok(programs)
    }

    /// What stands in the way of an attachment that is new goes first.
    fn put_in_force(
        &self,
        mut programs: Vec<Ebpf>,
        interfaces: &[Interface],
    ) -> Result<Vec<(String, Change)>> {
        let mut done: Vec<(Option<Link>, String, Change)> = Vec::new();
        for link in self.in_the_way(interfaces)? {
            if let Err(error) = link::remove(&self.pins, &link.interface) {
                return Err(self.put_back(done, error));
            }
            let name = link.interface.clone();
            done.push((Some(link), name, Change::TakenOff));
        }
        for (ebpf, interface) in programs.iter_mut().zip(interfaces) {
            let result = link::find(&self.pins, &interface.name).and_then(|existing| {
                let program = object::program_mut(ebpf, interface.hook)?;
                let change = self.put(program, interface, existing.as_ref())?;
                Ok((existing, change))
            });
            match result {
                Ok((existing, change)) => done.push((existing, interface.name.clone(), change)),
                Err(error) => return Err(self.put_back(done, error)),
            }
        }
        Ok(done
            .into_iter()
            .map(|(_, name, change)| (name, change))
            .collect())
    }

    /// Attachments that nobody wants any more to devices that stand on one that is to be attached to: the
    /// kernel takes no program below another (`dev_xdp_attach`, net/core/dev.c).
    fn in_the_way(&self, interfaces: &[Interface]) -> Result<Vec<Link>> {
        let to_attach = interfaces.iter().filter_map(|it| it.attach);
        let is_wanted = |link: &Link| interfaces.iter().any(|it| it.name == link.interface);
        let mut others = self.links()?;
        others.retain(|link| link.index != 0 && !link.tcx && !is_wanted(link));
        if others.is_empty() {
            return Ok(others);
        }
        let network = Network::read_devices()?;
        let below: Vec<_> = to_attach
            .filter_map(|attach| network.by_index(attach.index))
            .collect();
        let is_above = |link: &Link| {
            let mut above = below.iter().flat_map(|device| network.above(device));
            above.any(|upper| upper.index == link.index && link.runs_on(upper))
        };
        others.retain(is_above);
        Ok(others)
    }

    /// Undoes what was done before `error`, and says what could not be undone.
    fn put_back(
        &self,
        done: Vec<(Option<Link>, String, Change)>,
        mut error: anyhow::Error,
    ) -> anyhow::Error {
        for (before, name, change) in done.into_iter().rev() {
            let undone = match (before.filter(|link| link.index != 0), change) {
                (_, Change::Gone) => Ok(()),
                (Some(link), Change::Moved) => self.move_back(&link),
                (Some(link), Change::TakenOff) => self.attach_again(&link).map(|_| ()),
                (before, _) => link::remove(&self.pins, &name).and_then(|()| {
                    before.map_or(Ok(()), |link| self.attach_again(&link).map(|_| ()))
                }),
            };
            if let Err(failure) = undone {
                error = error.context(format!("{name} could not be put back either: {failure:#}"));
            }
        }
        error
    }

    fn move_back(&self, link: &Link) -> Result<()> {
        let generation = self.generation_before(link)?;
        self.move_to(link, generation).map(|_| ())
    }

    fn generation_before(&self, link: &Link) -> Result<u32> {
        self.generation_of(link)?.with_context(|| {
            format!(
                "the generation that {} ran is no longer pinned",
                link.interface
            )
        })
    }

    /// Whether generation `number` has a program for `interface`.
    pub fn has_program(&self, number: u32, interface: &str) -> bool {
        self.pins.program(number, interface).exists()
    }

    /// Class of `address` in the image of a generation that is in the kernel.
    pub fn lookup(&self, generation: u32, address: IpAddr) -> Result<ClassId> {
        let folder = self.pins.generation(generation);
        Ok(match address {
            IpAddr::V4(address) => {
                let lines = sys::MappedLines::open(&folder.join("image4"))?;
                lookup4(lines.as_slice(), address.to_bits())
            }
            IpAddr::V6(address) => {
                let lines = sys::MappedLines::open(&folder.join("image6"))?;
                let bits = address.to_bits();
                lookup6(lines.as_slice(), (bits >> 64) as u64, bits as u64)
            }
        })
    }

    /// Takes the attachment of `interface` off. Its counters stay.
    pub fn detach(&self, interface: &str) -> Result<()> {
        link::remove(&self.pins, interface)
    }

    /// Removes the folder of a generation that no link runs any more.
    pub fn remove_generation(&self, generation: u32) -> Result<()> {
        self.pins.remove_generation(generation)
    }

    /// Numbers of the programs of this filter, of whatever generation and wherever they are; `None` for
    /// those who may not list programs.
    pub fn programs(&self) -> Result<Option<Vec<u32>>> {
        // Each copy of the program is loaded with it.
        let map = pins::open(&self.pins.shared("ledger_outbound"))?;
        Ok(holder::using(sys::object_info(&map, "map_id")?))
    }

    /// Detaches everywhere and removes every pin.
    pub fn unload(&self) -> Result<()> {
        for interface in self.pins.linked_interfaces()? {
            link::remove(&self.pins, &interface)?;
        }
        self.pins.remove_all()
    }
}
