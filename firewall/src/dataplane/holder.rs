//! Whose a program on a device is, and how it is taken off.

use std::{fs, path::Path};

use aya::programs::{loaded_links, loaded_programs};

use crate::sys;

/// The program with this number: `": 'name' (id 7)"`, or nothing if the kernel does not say.
pub fn named(program: u32) -> String {
    let name = loaded_programs()
        .flatten()
        .find(|it| it.id() == program)
        .and_then(|it| it.name_as_str().map(str::to_owned))
        .unwrap_or_default();
    format!(": '{name}' (id {program})")
}

/// How the program with this number is taken off `device`, whose index is `index`. What a BPF link holds
/// goes in no other way than with that link (`dev_xdp_attach`, net/core/dev.c).
pub fn way_off(device: &str, index: u32, program: u32) -> String {
    let links = loaded_links().flatten();
    let mut of_program = links.filter(|link| link.program_id() == program);
    match of_program.find(|link| is_on(link.id(), index)) {
        None => format!("ip link set dev {device} xdp off"),
        Some(link) => {
            let id = link.id();
            format!("bpftool link detach id {id}; {}", owner(id))
        }
    }
}

fn is_on(link: u32, index: u32) -> bool {
    let device = sys::open_link(link).map(|link| sys::object_info(&link, "ifindex"));
    matches!(device, Ok(Ok(device)) if device == index)
}

/// Who has a descriptor of a link.
fn owner(link: u32) -> String {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut holding = processes.filter_map(|process| {
        let folder = process.path();
        has_link(&folder.join("fdinfo"), link).then_some(folder)
    });
    match holding.next() {
        Some(folder) => {
            let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
            let number = folder.file_name().unwrap_or_default();
            let number = number.to_string_lossy();
            format!("process {number} ({}) holds it", name.trim())
        }
        None => "no process holds it, so it is pinned".to_owned(),
    }
}

fn has_link(descriptors: &Path, link: u32) -> bool {
    let line = format!("link_id:\t{link}");
    let descriptors = fs::read_dir(descriptors).into_iter().flatten().flatten();
    let mut texts = descriptors.filter_map(|it| fs::read_to_string(it.path()).ok());
    texts.any(|text| text.lines().any(|it| it == line))
}
