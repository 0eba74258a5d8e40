//! Loads an interface's own copy of the program against the maps of a generation.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use aya::{Ebpf, EbpfLoader, VerifierLogLevel, maps::Map, programs::Program};
use firewall_common::{image::Line, ledger::LEDGER_ENTRIES, marks::MARKS};

use super::{
    Hook, Interface,
    pins::{Pins, Shape, check_map},
    refusal,
};
use crate::{image::Image, sys};

/// Which build of the program is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Object {
    /// The silent one.
    #[default]
    Shipped,
    /// The one that says each hit through aya-log.
    Trace,
}

impl Object {
    /// The object file.
    pub fn bytes(self) -> &'static [u8] {
        match self {
            Self::Shipped => {
                aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/firewall-kernel"))
            }
            Self::Trace => aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/firewall-trace")),
        }
    }
}

/// The shared maps: name in the object, name of the pin, `enum bpf_map_type`, key, value, entries.
const SHARED: [(&str, &str, Shape); 4] = [
    ("LEDGER_OUTBOUND", "ledger_outbound", LEDGER),
    ("LEDGER_INBOUND", "ledger_inbound", LEDGER),
    (
        "LEDGER_MARKS",
        "ledger_marks",
        Shape {
            map_type: 2,
            key_size: 4,
            value_size: MARKS as u32,
            max_entries: 1,
        },
    ),
    (
        "EVENTS",
        "events",
        Shape {
            map_type: 27,
            key_size: 0,
            value_size: 0,
            max_entries: 1 << 18,
        },
    ),
];

const LEDGER: Shape = Shape {
    map_type: 9,
    key_size: 40,
    value_size: 56,
    max_entries: LEDGER_ENTRIES as u32,
};

const COUNTERS: Shape = Shape {
    map_type: 6,
    key_size: 4,
    value_size: 16,
    max_entries: firewall_common::COUNTERS as u32,
};

/// Refuses foreign maps among the pins that the copies for `interfaces` would adopt.
pub fn check_pins(pins: &Pins, interfaces: &[Interface]) -> Result<()> {
    for (_, pin, shape) in SHARED {
        check_map(&pins.shared(pin), shape)?;
    }
    interfaces
        .iter()
        .try_for_each(|interface| check_map(&pins.counters(&interface.name), COUNTERS))
}

/// Loads a copy of `object` for each of `interfaces` into the kernel and pins it. The first copy of a
/// generation makes the generation's maps, the others find them.
pub fn load(
    pins: &Pins,
    object: Object,
    generation: u32,
    image: &Image,
    interfaces: &[Interface],
) -> Result<Vec<Ebpf>> {
    let ports = u32::try_from(image.ports.len()).context("too many ports are listed")?;
    let constants: Vec<Constants> = interfaces.iter().map(Constants::new).collect();
    // One for all copies: it begins by reading the type information of the whole kernel.
    let mut loader = EbpfLoader::new();
    loader
        // Of a refusal only the reason: to write down all that the verifier looked at takes it minutes.
        .verifier_log_level(VerifierLogLevel::STATS)
        .override_global("GENERATION", &generation, true)
        .override_global("PORT_COUNT", &ports, true);
    for (name, pin, _) in SHARED {
        loader.map_pin_path(name, pins.shared(pin));
    }
    for (name, pin, size) in own_maps(pins, generation, image)? {
        loader.map_max_entries(name, size).map_pin_path(name, pin);
    }
    let mut programs = Vec::new();
    for (interface, constants) in interfaces.iter().zip(&constants) {
        loader
            .override_global("ROLE", &constants.role, true)
            .override_global("ETHERNET", &constants.ethernet, true)
            .override_global("OWN_TRAFFIC", &constants.own_traffic, true)
            .map_pin_path("COUNTERS", pins.counters(&interface.name));
        let mut program = loader.load(object.bytes()).map_err(refusal::of_maps)?;
        Hook::load(program_mut(&mut program, interface.hook)?).map_err(refusal::of_program)?;
        program_mut(&mut program, interface.hook)?
            .pin(pins.program(generation, &interface.name))
            .context("cannot pin the program")?;
        programs.push(program);
    }
    Ok(programs)
}

/// What differs between the copies of a generation.
struct Constants {
    role: u32,
    ethernet: u32,
    own_traffic: u32,
}

impl Constants {
    fn new(interface: &Interface) -> Self {
        let hook = interface.hook;
        Self {
            role: hook.role(interface.role),
            ethernet: hook.ethernet(),
            own_traffic: hook.own_traffic(),
        }
    }
}

/// The maps of a generation: name in the object, pin, entries.
fn own_maps(
    pins: &Pins,
    generation: u32,
    image: &Image,
) -> Result<[(&'static str, PathBuf, u32); 5]> {
    let folder = pins.generation(generation);
    // Class 0 is that of unlisted addresses.
    let classes = size(image.classes.len() + 1)?;
    Ok([
        ("IMAGE4", folder.join("image4"), size(image.v4.len())?),
        ("IMAGE6", folder.join("image6"), size(image.v6.len())?),
        ("PORTS", folder.join("ports"), size(image.ports.len())?),
        ("CLASSES", folder.join("classes"), classes),
        ("CLASS_COUNTERS", folder.join("class_counters"), classes),
    ])
}

/// An array map has at least one entry.
fn size(entries: usize) -> Result<u32> {
    u32::try_from(entries.max(1)).context("the ruleset is too large for the kernel")
}

/// The program of a loaded object for `hook`.
pub fn program_mut(ebpf: &mut Ebpf, hook: Hook) -> Result<&mut Program> {
    let name = hook.program();
    ebpf.program_mut(name)
        .with_context(|| format!("the object has no program '{name}'"))
}

/// Puts `image` into the maps of its generation.
pub fn fill(ebpf: &Ebpf, image: &Image) -> Result<()> {
    fill_lines(ebpf, "IMAGE4", &image.v4)?;
    fill_lines(ebpf, "IMAGE6", &image.v6)?;
    sys::fill_array(array(ebpf, "PORTS")?, &image.ports).context("cannot fill PORTS")?;
    let actions = image.classes.iter().map(|class| class.actions.to_raw());
    let with_none: Vec<u64> = std::iter::once(0).chain(actions).collect();
    sys::fill_array(array(ebpf, "CLASSES")?, &with_none)
}

fn fill_lines(ebpf: &Ebpf, name: &str, lines: &[Line]) -> Result<()> {
    sys::fill_array(array(ebpf, name)?, lines).with_context(|| format!("cannot fill {name}"))
}

fn array<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a aya::maps::MapFd> {
    match ebpf.map(name) {
        Some(Map::Array(map)) => Ok(map.fd()),
        _ => Err(anyhow!("the object has no array {name}")),
    }
}
