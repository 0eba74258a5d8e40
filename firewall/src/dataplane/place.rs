//! Where the devices of attachments are now. An attachment is on a device, not on a name: the device may be
//! renamed, and it may move to another network namespace, and keeps its program.

use anyhow::Result;
use aya::programs::{SchedClassifier, TcAttachType};

use super::{Dataplane, Hook, Link, device, is_own, plain};
use crate::network::{Device, Network};

/// Where the device of an attachment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Gone, and the attachment with it.
    Gone,
    /// In our network namespace.
    Here,
    /// In another one.
    Elsewhere,
}

/// An attachment, and where its device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The attachment.
    pub link: Link,
    /// Where its device is.
    pub place: Place,
}

impl Placed {
    /// Its device, if that is in our network namespace.
    pub fn device<'a>(&self, network: &'a Network) -> Option<&'a Device> {
        let index = (self.place == Place::Here).then_some(self.link.index)?;
        network.by_index(index)
    }

    /// Whether it is what the configuration calls `name`: its device is called so, or was when it was
    /// attached.
    pub fn is_called(&self, name: &str, network: &Network) -> bool {
        let now = self.device(network);
        device(&self.link.interface) == name || now.is_some_and(|now| now.name == name)
    }

    /// The attachment by what its device is called now.
    pub fn shown(&self, network: &Network) -> String {
        let attachment = &self.link.interface;
        match self.device(network) {
            Some(now) if is_own(attachment) => Hook::OWN_TRAFFIC.attachment(&now.name),
            Some(now) => now.name.clone(),
            None => plain(attachment),
        }
    }
}

/// A swap between two looks makes a device seem to run somebody else's program.
const LOOKS: usize = 3;

impl Dataplane {
    /// The network that we are in, and where the device of each attachment is.
    pub fn placed(&self) -> Result<(Network, Vec<Placed>)> {
        self.placed_in(Network::read)
    }

    /// The same in a network of devices alone.
    pub fn placed_on_devices(&self) -> Result<(Network, Vec<Placed>)> {
        self.placed_in(Network::read_devices)
    }

    fn placed_in(&self, read: fn() -> Result<Network>) -> Result<(Network, Vec<Placed>)> {
        let mut look = 1;
        loop {
            let network = read()?;
            let links = self.links()?;
            let is_unclear = |link: &Link| {
                let device = network.by_index(link.index);
                device.is_some_and(|device| !runs_on(link, device))
            };
            if look == LOOKS || !links.iter().any(is_unclear) {
                let place = |link: Link| Placed {
                    place: place(&link, &network),
                    link,
                };
                let placed = links.into_iter().map(place).collect();
                return Ok((network, placed));
            }
            look += 1;
        }
    }
}

fn place(link: &Link, network: &Network) -> Place {
    match network.by_index(link.index) {
        _ if link.index == 0 => Place::Gone,
        Some(device) if runs_on(link, device) => Place::Here,
        _ => Place::Elsewhere,
    }
}

/// Whether it is `device` that has `link`: each network namespace counts its devices on its own.
fn runs_on(link: &Link, device: &Device) -> bool {
    if !link.tcx {
        return link.runs_on(device);
    }
    let end = match is_own(&link.interface) {
        true => TcAttachType::Egress,
        false => TcAttachType::Ingress,
    };
    match SchedClassifier::query_tcx(&device.name, end) {
        Ok((_, programs)) => programs.iter().any(|it| it.id() == link.program),
        // Not everybody who may look at pins may ask for this.
        Err(_) => true,
    }
}
