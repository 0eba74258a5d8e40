//! Whose a program on a device is, and how it is taken off.

use std::{fs, path::Path};

use aya::programs::{loaded_links, loaded_programs};

use crate::{network::Network, sys};

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
    match process_with("link_id", link) {
        Some(process) => format!("{process} holds it"),
        None => "no process holds it, so it is pinned".to_owned(),
    }
}

/// The process with a descriptor of which the kernel shows this number under this name.
fn process_with(field: &str, number: u32) -> Option<String> {
    let line = format!("{field}:\t{number}");
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut folders = processes.map(|process| process.path());
    let folder = folders.find(|folder| shows(&folder.join("fdinfo"), &line))?;
    let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
    let number = folder.file_name().unwrap_or_default().to_string_lossy();
    Some(format!("process {number} ({})", name.trim()))
}

fn shows(descriptors: &Path, line: &str) -> bool {
    let descriptors = fs::read_dir(descriptors).into_iter().flatten().flatten();
    let mut texts = descriptors.filter_map(|it| fs::read_to_string(it.path()).ok());
    texts.any(|text| text.lines().any(|it| it == line))
}

/// What is still there of a filter that was unloaded, a sentence each: what drops and how that is ended.
pub fn left(programs: &[u32]) -> Vec<String> {
    let network = Network::read_devices().unwrap_or_default();
    let sentence = |&program: &u32| {
        let mut devices = network.devices.iter();
        let device = devices.find(|device| device.xdp.is_some_and(|xdp| xdp.program == program));
        match (device, process_with("prog_id", program)) {
            (Some(device), _) => format!(
                "{0} still runs program {program} of this filter, which goes on dropping. Take it off: {1}",
                device.name,
                way_off(&device.name, device.index, program)
            ),
            (None, Some(process)) => format!(
                "the kernel still has program {program} of this filter: {process} holds it. It goes with \
                 that process; 'bpftool prog show id {program}' finds nothing then"
            ),
            (None, None) => format!(
                "the kernel still has program {program} of this filter and does not show where: a driver may \
                 have kept it and go on dropping. Set back what was changed on the interfaces since they were \
                 attached (MTU, queues, offloads), then 'firewall run' and 'firewall unload', or restart the \
                 machine"
            ),
        }
    };
    programs.iter().map(sentence).collect()
}

/// Numbers of the loaded programs that use the map with this number, attached or not; `None` for those who
/// may not list programs.
pub fn using(map: u32) -> Option<Vec<u32>> {
    let mut programs = Vec::new();
    for program in loaded_programs() {
        let program = program.ok()?;
        let maps = program.map_ids().ok().flatten().unwrap_or_default();
        if maps.contains(&map) {
            programs.push(program.id());
        }
    }
    Some(programs)
}

/// Those of `programs` that are still loaded.
pub fn still_loaded(programs: &[u32]) -> Vec<u32> {
    let loaded: Vec<u32> = loaded_programs().flatten().map(|it| it.id()).collect();
    let mut left = programs.to_vec();
    left.retain(|program| loaded.contains(program));
    left
}
