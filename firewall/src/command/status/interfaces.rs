//! What `status` shows of interfaces.

use anyhow::Result;
use firewall_common::ledger::Role;
use serde::Serialize;

use crate::{
    dataplane::{Hook, Link, Place, Placed, device, is_own},
    filter::Filter,
    network::{LinkLayer, Network},
    protected::network_namespace,
    record::Record,
};

/// A device that is judged, or should be.
#[derive(Debug, Serialize)]
pub(super) struct Interface {
    /// What the device is called now; with `:own` for what this machine itself sends over it.
    pub(super) name: String,
    /// What it was called when it was attached, if that is another name.
    pub(super) attached_as: Option<String>,
    pub(super) role: &'static str,
    pub(super) mode: Option<&'static str>,
    pub(super) generation: Option<u32>,
    pub(super) state: &'static str,
}

pub(super) const ATTACHED: &str = "attached";
const ELSEWHERE: &str = "attached, in another network namespace";
pub(super) const NOT_ATTACHED: &str = "not attached";

impl Interface {
    /// Whether it has a filter, wherever it is.
    pub(super) fn is_attached(&self) -> bool {
        [ATTACHED, ELSEWHERE].contains(&self.state)
    }

    /// Its name, for people.
    pub(super) fn shown(&self, configured: &[String]) -> String {
        let Self { name, .. } = self;
        match &self.attached_as {
            None => name.clone(),
            Some(was) if configured.contains(was) => format!("{name} (configured as {was})"),
            Some(was) => format!("{name} (attached as {was})"),
        }
    }
}

/// What there is: what is attached and, where the filter is in our network namespace, the network.
pub(super) struct Seen {
    pub(super) network: Option<Network>,
    pub(super) placed: Vec<Placed>,
    /// Whether the kernel has TCX; `None` if it may not be asked.
    pub(super) tcx: Option<bool>,
}

impl Seen {
    /// Looks. What is in force in another network namespace cannot be seen from here.
    pub(super) fn look(filter: &Filter, record: Option<&Record>) -> Result<Self> {
        let (network, placed) = filter.dataplane.placed()?;
        let ours = network_namespace()?;
        let is_ours = record.is_none_or(|record| record.namespace == ours);
        Ok(Self {
            network: is_ours.then_some(network),
            placed,
            tcx: crate::dataplane::kernel_has_tcx(),
        })
    }

    /// What the device of an attachment is called now.
    fn now(&self, placed: &Placed) -> Option<&str> {
        let device = placed.device(self.network.as_ref()?)?;
        Some(&device.name)
    }
}

/// Configured interfaces first, then whatever else is attached.
pub(super) fn rows(
    filter: &Filter,
    record: Option<&Record>,
    seen: &Seen,
) -> Result<Vec<Interface>> {
    let mut left: Vec<&Placed> = seen.placed.iter().collect();
    let mut rows = Vec::new();
    let wanted = wanted(filter, record, seen);
    for name in &wanted {
        let means = |it: &&Placed| {
            let now = seen.now(it).unwrap_or_else(|| device(&it.link.interface));
            is_own(&it.link.interface) == is_own(name) && now == device(name)
        };
        let (named, others): (Vec<_>, Vec<_>) = left.iter().partition(|it| means(it));
        let was = |it: &&Placed| {
            base_is(it, name) && !wanted.iter().any(|it_is| seen.now(it) == Some(it_is))
        };
        let (followed, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|it| was(it));
        let is_another_there = seen
            .network
            .as_ref()
            .is_some_and(|network| network.device(device(name)).is_some());
        if named.is_empty() && (followed.is_empty() || is_another_there) {
            rows.push(row(filter, record, seen, name, None)?);
        }
        for placed in named.into_iter().chain(followed) {
            rows.push(row(
                filter,
                record,
                seen,
                &placed.link.interface,
                Some(placed),
            )?);
        }
        left = others;
    }
    for placed in left {
        rows.push(row(
            filter,
            record,
            seen,
            &placed.link.interface,
            Some(placed),
        )?);
    }
    Ok(rows)
}

/// Whether the device of an attachment had this name when it was attached.
fn base_is(placed: &Placed, name: &str) -> bool {
    let attachment = &placed.link.interface;
    is_own(attachment) == is_own(name) && device(attachment) == device(name)
}

/// The attachments that should enforce: those of the configuration, or those that `run` chose.
fn wanted(filter: &Filter, record: Option<&Record>, seen: &Seen) -> Vec<String> {
    let recorded = record.map_or(&[][..], |record| &record.interfaces);
    let devices = recorded.iter().filter(|it| !is_own(&it.name));
    let mut names: Vec<String> = match filter.config.interfaces.as_slice() {
        [] => devices
            .clone()
            .map(|it| device(&it.name).to_owned())
            .collect(),
        configured => configured.to_vec(),
    };
    names.dedup();
    if seen.tcx == Some(false) {
        // What needs it is no fault of the files: it is said on its own.
        names.retain(|name| !needs_tcx(seen, name));
    } else if filter.config.own_traffic {
        let egress = devices.filter(|it| it.role != Role::Inside);
        names.extend(egress.map(|it| Hook::OWN_TRAFFIC.attachment(device(&it.name))));
    }
    names
}

fn needs_tcx(seen: &Seen, name: &str) -> bool {
    let network = seen.network.as_ref();
    let device = network.and_then(|network| network.device(name));
    device.is_some_and(|device| device.link_layer == LinkLayer::Ip)
}

fn row(
    filter: &Filter,
    record: Option<&Record>,
    seen: &Seen,
    attachment: &str,
    placed: Option<&Placed>,
) -> Result<Interface> {
    let recorded = record.and_then(|record| record.interface(attachment));
    let hook = recorded.map_or(Hook::guess(attachment), |it| it.hook);
    let link = placed.map(|it| &it.link);
    let generation = match link {
        Some(link) => filter.dataplane.generation_of(link)?,
        None => None,
    };
    let was = device(attachment);
    let now = placed.and_then(|it| seen.now(it)).unwrap_or(was);
    Ok(Interface {
        name: hook.attachment(now),
        attached_as: (now != was).then(|| was.to_owned()),
        role: recorded.map_or(Role::Unknown, |it| it.role).as_str(),
        mode: mode(hook, link, now, seen),
        generation,
        state: match placed.map(|it| it.place) {
            None => NOT_ATTACHED,
            Some(Place::Gone) => "device gone",
            Some(Place::Elsewhere) if seen.network.is_some() => ELSEWHERE,
            Some(Place::Here | Place::Elsewhere) => ATTACHED,
        },
    })
}

fn mode(hook: Hook, link: Option<&Link>, name: &str, seen: &Seen) -> Option<&'static str> {
    if hook != Hook::Xdp {
        return Some("tcx");
    }
    let device = seen.network.as_ref()?.device(name)?;
    link.filter(|link| link.runs_on(device))?;
    Some(if device.xdp?.native {
        "native"
    } else {
        "generic"
    })
}
