//! What `run` attaches to: by its arguments, the configuration, and what the network looks like now.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::wanted::{self, Missing, Present};
use crate::{
    dataplane::{Place, Placed, device, kernel_has_tcx},
    filter::{Filter, Wanted},
    network::Network,
};

/// What is attached to, and what was learned about it since the start.
#[derive(Default)]
pub struct Targets {
    /// Names from the command line.
    given: Vec<String>,
    /// Indexes of bridges that could not make way for their ports.
    staying: BTreeSet<u32>,
    /// Indexes of devices whose driver runs no program though it took one.
    pub blind: BTreeSet<u32>,
    /// Indexes of devices that could not be attached in the mode that is written.
    settled: BTreeSet<u32>,
}

impl Targets {
    /// By these names from the command line, if there are any.
    pub fn new(given: Vec<String>) -> Self {
        Self {
            given,
            ..Self::default()
        }
    }

    /// Which interfaces are to enforce.
    pub fn wanted(&self, filter: &Filter, missing: Missing) -> Result<Wanted> {
        let (network, placed) = filter.dataplane.placed()?;
        let before = filter.in_force()?;
        let names = self.names(filter, &network, &placed);
        if names.is_empty() {
            bail!(
                "no port or bridge is up and has an address that is not link-local (virtual devices such \
                 as veth and tun are not chosen); name one with --interface or 'interfaces' in the \
                 configuration"
            );
        }
        let present = Present {
            network: &network,
            placed: &placed,
            before: before.as_ref(),
            tcx: kernel_has_tcx() != Some(false),
            blind: &self.blind,
            settled: &self.settled,
        };
        wanted::interfaces(&present, &names, &filter.config, missing).map(Wanted::Exactly)
    }

    /// The interfaces that are named, or those to attach to when nobody says.
    fn names(&self, filter: &Filter, network: &Network, placed: &[Placed]) -> Vec<String> {
        match (&*self.given, &*filter.config.interfaces) {
            ([], []) => self.chosen(network, placed),
            ([], configured) => configured.to_vec(),
            (given, _) => given.to_vec(),
        }
    }

    fn chosen(&self, network: &Network, placed: &[Placed]) -> Vec<String> {
        let chosen = network.choose(&attached(network, placed), &self.staying);
        let away = placed.iter().filter(|it| it.place == Place::Elsewhere);
        let away = away.map(|it| device(&it.link.interface).to_owned());
        let chosen = chosen.into_iter().map(|device| device.name.clone());
        chosen.chain(away).collect()
    }

    /// After an attempt that failed: lets what was to be made anew stay as it is, bridges that should have
    /// made way for their ports and devices in another mode than is written. Says whether there are any.
    pub fn stay(&mut self, filter: &Filter) -> Result<bool> {
        let before = self.staying.len() + self.settled.len();
        if let Wanted::Exactly(interfaces) = self.wanted(filter, Missing::IsLeftOut)? {
            let attached = interfaces.iter().filter_map(|it| it.attach);
            let anew = attached.filter(|attach| attach.renew);
            self.settled.extend(anew.map(|attach| attach.index));
        }
        if self.given.is_empty() && filter.config.interfaces.is_empty() {
            let (network, placed) = filter.dataplane.placed()?;
            let attached = attached(&network, &placed);
            let chosen = network.choose(&attached, &self.staying);
            let is_chosen = |index: &u32| chosen.iter().any(|device| device.index == *index);
            let making_way = attached.into_iter().filter(|index| !is_chosen(index));
            self.staying.extend(making_way);
        }
        Ok(self.staying.len() + self.settled.len() > before)
    }

    /// After the configuration was read again: what could not be had may be tried again.
    pub fn try_again(&mut self) {
        self.staying.clear();
        self.settled.clear();
    }
}

/// Indexes of the devices that have an attachment.
fn attached(network: &Network, placed: &[Placed]) -> Vec<u32> {
    let devices = placed.iter().filter_map(|it| it.device(network));
    devices.map(|device| device.index).collect()
}
