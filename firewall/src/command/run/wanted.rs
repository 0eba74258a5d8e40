//! Which attachments the configuration asks for on this network. Pure.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use firewall_common::ledger::Role;

use crate::{
    config::{AttachMode, Config},
    dataplane::{
        Attach, Hook, Interface, NO_TCX, Place, Placed, base, device, is_own, second_base,
    },
    network::{Asked, Device, LinkLayer, Network},
    record::{Record, attached},
};

/// What a configured interface that is not there means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Somebody may have mistyped it.
    IsAnError,
    /// It went away, and may come back.
    IsLeftOut,
}

/// What there is.
#[derive(Clone, Copy)]
pub struct Present<'a> {
    /// Devices, addresses and routes.
    pub network: &'a Network,
    /// What is attached, and where.
    pub placed: &'a [Placed],
    /// What is in force.
    pub before: Option<&'a Record>,
    /// Whether the kernel has TCX.
    pub tcx: bool,
    /// Indexes of devices whose driver runs no program though it took one.
    pub blind: &'a BTreeSet<u32>,
    /// Indexes of devices that could not be attached in the mode that is written: they stay as they are.
    pub settled: &'a BTreeSet<u32>,
}

/// The attachments to the devices of these names: one for what each receives, and one for what this
/// machine sends over those that do not look inside, if that is asked for. What is attached under a name
/// stays where it is though the device has another name by now.
pub fn interfaces(
    present: &Present,
    names: &[String],
    config: &Config,
    missing: Missing,
) -> Result<Vec<Interface>> {
    let mut ports: Vec<Asked> = Vec::new();
    for name in names {
        for device in devices(present, name, missing)? {
            if !ports.iter().any(|port| port.device.index == device.index) {
                ports.push(Asked { device, name });
            }
        }
    }
    check_stack(present, &mut ports, missing)?;
    let roles = present.network.roles(&ports, &config.outside);
    let mut interfaces = Vec::new();
    for (port, role) in ports.iter().zip(roles) {
        interfaces.extend(of_port(present, port, role, config));
    }
    interfaces.extend(elsewhere(present, names, config));
    ensure!(
        !interfaces.is_empty() || missing == Missing::IsLeftOut,
        "nothing can be attached to {}: it has no Ethernet header, and {NO_TCX}; name the Ethernet port that \
         carries its traffic",
        names.join(", ")
    );
    Ok(interfaces)
}

/// The devices that `name` means: that of this name, and those that had it when they were attached.
fn devices<'a>(
    present: &Present<'a>,
    name: &str,
    missing: Missing,
) -> Result<impl Iterator<Item = &'a Device> + use<'a>> {
    let under_name = |it: &&Placed| device(&it.link.interface) == name && it.place != Place::Gone;
    let followed: Vec<&Placed> = present.placed.iter().filter(under_name).collect();
    let named = match present.network.attachable(name) {
        Ok(device) if is_possible(present, device) => Some(device),
        Err(error) if missing == Missing::IsAnError && followed.is_empty() => return Err(error),
        Ok(_) | Err(_) => None,
    };
    let network = present.network;
    let followed = followed.into_iter().filter_map(|it| it.device(network));
    Ok(named.into_iter().chain(followed))
}

/// A device without Ethernet header needs TCX.
fn is_possible(present: &Present, device: &Device) -> bool {
    present.tcx || device.link_layer == LinkLayer::Ethernet
}

/// The kernel takes no program on a port of a bridge or bond that has one. A live run leaves out what is
/// not attached yet.
fn check_stack(present: &Present, ports: &mut Vec<Asked>, missing: Missing) -> Result<()> {
    while let Some((port, controller)) = pair(present, ports) {
        if missing == Missing::IsAnError {
            bail!(
                "{0} is a port of {1}, and the kernel takes no program on it beside one on {1}. Write {2} \
                 instead of both",
                port.name,
                controller.name,
                instead(present.network, ports, controller)
            );
        }
        let left_out = match is_attached(present, controller) {
            true => port.index,
            false => controller.index,
        };
        ports.retain(|it| it.device.index != left_out);
    }
    Ok(())
}

/// A port, and the bridge or bond that it is a port of. Where both are attached, in the one order in which
/// the kernel takes it, they stay.
fn pair<'a>(present: &Present, ports: &[Asked<'a>]) -> Option<(&'a Device, &'a Device)> {
    let devices = || ports.iter().map(|port| port.device);
    devices().find_map(|port| {
        let controller = devices().find(|it| Some(it.index) == port.controller)?;
        let both = is_attached(present, port) && is_attached(present, controller);
        (!both).then_some((port, controller))
    })
}

fn is_attached(present: &Present, device: &Device) -> bool {
    let mut devices = present
        .placed
        .iter()
        .filter_map(|it| it.device(present.network));
    devices.any(|it| it == device)
}

/// The key to write where a controller and a port of it are asked for: a bridge is judged best at its ports,
/// a bond itself.
fn instead(network: &Network, ports: &[Asked], controller: &Device) -> String {
    let others = ports.iter().map(|it| it.device);
    let mut names: Vec<&str> = others
        .filter(|it| it.index != controller.index && it.controller != Some(controller.index))
        .map(|it| it.name.as_str())
        .collect();
    match network.physical_ports(controller) {
        Some(physical) => names.extend(physical.iter().map(|port| port.name.as_str())),
        None => names.push(&controller.name),
    }
    format!("interfaces = {names:?}")
}

/// The attachments to one device.
fn of_port<'a>(
    present: &'a Present,
    port: &Asked,
    role: Role,
    config: &'a Config,
) -> impl Iterator<Item = Interface> + use<'a> {
    let device = port.device;
    let ethernet = device.link_layer == LinkLayer::Ethernet;
    let mut hooks = vec![Hook::receiving(ethernet)];
    if config.own_traffic && role != Role::Inside && present.tcx {
        hooks.push(Hook::Egress { ethernet });
    }
    let its_base = base_of(present, device);
    let mode = mode(present, port, config);
    let index = device.index;
    let native = device.xdp.map(|xdp| xdp.native);
    let settled = present.settled.contains(&index);
    hooks.into_iter().map(move |hook| {
        let name = hook.attachment(&its_base);
        let is_ours = hook == Hook::Xdp && is_here(present, &name);
        let other = match mode {
            AttachMode::Auto => false,
            AttachMode::Native => native == Some(false),
            AttachMode::Generic => native == Some(true),
        };
        Interface {
            name,
            role,
            hook,
            mode,
            attach: Some(Attach {
                index,
                renew: is_ours && other && !settled,
            }),
        }
    })
}

/// Whether there is an attachment of this name to a device in our network namespace.
fn is_here(present: &Present, attachment: &str) -> bool {
    let mut placed = present.placed.iter();
    placed.any(|it| it.link.interface == attachment && it.place == Place::Here)
}

/// In which mode a port is attached: as the configuration says, and where that leaves it open, behind a
/// driver that runs no program.
fn mode(present: &Present, port: &Asked, config: &Config) -> AttachMode {
    match config.attach_of(&[port.name, &port.device.name]) {
        AttachMode::Auto if present.blind.contains(&port.device.index) => AttachMode::Generic,
        mode => mode,
    }
}

/// What the names of a device's attachments begin with: as they do where it has one, else its own name,
/// unless a device that was called so before keeps that.
fn base_of(present: &Present, device: &Device) -> String {
    let live = || present.placed.iter().filter(|it| it.place != Place::Gone);
    let of_device = |it: &&Placed| it.device(present.network) == Some(device);
    if let Some(own) = live().find(of_device) {
        return base(&own.link.interface).to_owned();
    }
    match live().any(|it| base(&it.link.interface) == device.name) {
        true => second_base(&device.name, device.index),
        false => device.name.clone(),
    }
}

/// Attachments whose device is in another network namespace: they stay as they are.
fn elsewhere(present: &Present, names: &[String], config: &Config) -> Vec<Interface> {
    let of_name = |it: &&Placed| {
        let attachment = &it.link.interface;
        it.place == Place::Elsewhere
            && names.iter().any(|name| name == device(attachment))
            && (config.own_traffic || !is_own(attachment))
    };
    let left = present.placed.iter().filter(of_name);
    left.map(|it| attached(it.link.interface.clone(), present.before, config))
        .collect()
}

#[cfg(test)]
mod tests;
