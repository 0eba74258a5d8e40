//! What of the traffic is judged otherwise than the configuration reads: devices that have another name or
//! place by now, and bridges. Said by `run` when it comes up and by `status` while it lasts. Pure.

use super::remark::Remark;
use crate::{
    config::{AttachMode, Config},
    dataplane::{NO_TCX, Place, Placed, device, is_own},
    network::{Device, LinkLayer, Network},
};

/// What is attached, and to what.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// What the operator configured.
    pub config: &'a Config,
    /// Devices and routes.
    pub network: &'a Network,
    /// The attachments.
    pub placed: &'a [Placed],
    /// Whether the kernel has TCX; `None` if it may not be asked.
    pub tcx: Option<bool>,
}

/// A sentence for each thing that the operator has to know.
pub fn remarks(scene: &Scene) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = main_ones(scene).filter_map(|it| name(scene, it)).collect();
    remarks.extend(main_ones(scene).filter_map(|it| mode(scene, it)));
    remarks.extend(without_tcx(scene));
    remarks.extend(bridges(scene));
    remarks
}

/// The attachments for what devices receive: one for each device.
fn main_ones<'a>(scene: &Scene<'a>) -> impl Iterator<Item = &'a Placed> + use<'a> {
    let placed = scene.placed.iter();
    placed.filter(|it| !is_own(&it.link.interface))
}

/// What there is to say of the name of an attached device.
fn name(scene: &Scene, placed: &Placed) -> Option<Remark> {
    let was = device(&placed.link.interface);
    let is_named = |name: &str| scene.config.interfaces.iter().any(|it| it == name);
    match (placed.place, placed.device(scene.network)) {
        (Place::Elsewhere, _) => Some(Remark::trouble(format!(
            "{was} is in another network namespace now, and keeps its filter there; nothing is judged here \
             under this name until it is back, or another {was} is there"
        ))),
        (Place::Here, Some(now)) if is_named(was) && !is_named(&now.name) => {
            let name = &now.name;
            let another = match scene.network.device(was) {
                Some(_) => {
                    format!("; the {was} of today is another device, and has a filter of its own")
                }
                None => String::new(),
            };
            Some(Remark::trouble(format!(
                "{was} is called {name} now, and keeps its filter{another}: write {name} instead of {was} in \
                 'interfaces' and run 'firewall reload', or give it its name back"
            )))
        }
        _ => None,
    }
}

/// That it is attached in another mode than is written: that mode could not be had.
fn mode(scene: &Scene, placed: &Placed) -> Option<Remark> {
    let now = placed.device(scene.network)?;
    let native = now.xdp.filter(|_| !placed.link.tcx)?.native;
    let name = &now.name;
    let (is, wanted) = match scene
        .config
        .attach_of(&[device(&placed.link.interface), name])
    {
        AttachMode::Native if !native => ("generic", "native"),
        AttachMode::Generic if native => ("native", "generic"),
        AttachMode::Native | AttachMode::Generic | AttachMode::Auto => return None,
    };
    Some(Remark::trouble(format!(
        "{name} filters in {is} mode, though attach = \"{wanted}\" is written for it: 'firewall reload' with a \
         live 'firewall run', whose log says why if it cannot be, or write what it is"
    )))
}

/// What is asked for and needs TCX, on a kernel without it.
pub fn without_tcx(scene: &Scene) -> Vec<Remark> {
    if scene.tcx != Some(false) {
        return Vec::new();
    }
    let mut remarks = Vec::new();
    if scene.config.own_traffic {
        remarks.push(Remark::trouble(format!(
            "what this machine itself sends is not judged, though own_traffic = true asks for it: {NO_TCX}; \
             all else is in force. Take own_traffic out of the configuration, or run a newer kernel"
        )));
    }
    let names = scene.config.interfaces.iter();
    let devices = names.filter_map(|name| scene.network.device(name));
    for Device { name, .. } in devices.filter(|it| it.link_layer == LinkLayer::Ip) {
        remarks.push(Remark::trouble(format!(
            "what comes in by {name} is not judged: it has no Ethernet header, and {NO_TCX}. Name the \
             Ethernet port that carries its traffic instead, or run a newer kernel"
        )));
    }
    remarks
}

/// Bridges whose bridged traffic is not judged, or not all of it.
fn bridges(scene: &Scene) -> Vec<Remark> {
    let attached: Vec<&Device> = main_ones(scene)
        .filter_map(|it| it.device(scene.network))
        .collect();
    let bridges = scene.network.devices.iter();
    bridges
        .filter(|device| device.kind == "bridge")
        .filter_map(|bridge| bridged(scene, bridge, &attached))
        .collect()
}

fn bridged(scene: &Scene, bridge: &Device, attached: &[&Device]) -> Option<Remark> {
    let network = scene.network;
    let is_judged =
        |port: &Device| attached.contains(&port) || attached.contains(&network.physical(port));
    let ports: Vec<&Device> = network.ports(bridge).collect();
    let unjudged: Vec<&str> = ports
        .iter()
        .filter(|port| !is_judged(port))
        .map(|port| port.name.as_str())
        .collect();
    let is_itself = attached.contains(&bridge);
    let what = match unjudged.len() {
        0 => return None,
        1 if ports.len() < 2 => return None,
        count if is_itself && count == ports.len() => format!(
            "what is bridged between the ports of {} ({}) is not judged, only what is routed",
            bridge.name,
            unjudged.join(", ")
        ),
        count if count < ports.len() => format!(
            "what enters {} by {} is not judged where it enters",
            bridge.name,
            unjudged.join(", ")
        ),
        // Nothing of it is attached: nobody asked for it.
        _ => return None,
    };
    if !scene.config.interfaces.is_empty() {
        let text = format!("{what}; name its ports in 'interfaces' to have it judged");
        return Some(Remark::note(text));
    }
    let others = attached
        .iter()
        .filter(|it| **it != bridge && it.controller != Some(bridge.index));
    let key = |of_bridge: Vec<&str>| {
        let others = others.clone().map(|it| it.name.as_str());
        format!(
            "interfaces = {:?}",
            others.chain(of_bridge).collect::<Vec<_>>()
        )
    };
    let all = key(ports.iter().map(|port| port.name.as_str()).collect());
    let judged = ports
        .iter()
        .filter(|port| is_judged(port))
        .map(|port| port.name.as_str());
    let same = key(match is_itself {
        true => vec![&bridge.name],
        false => judged.collect(),
    });
    Some(Remark::trouble(format!(
        "{what}: write {all} to have it judged, or {same} to leave it so"
    )))
}

#[cfg(test)]
mod tests;
