//! Single packets through the gateway, each with an answer: did it arrive?

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    frame::{Frame, ethernet, udp},
    lab::{HOSTS, Lab, WIRES},
    tap::{Tap, mac},
};

/// Somebody whom nothing lists, IPv4 and IPv6.
pub const NOBODY: (&str, &str) = ("192.0.2.254", "2001:db8:ffff::fe");

/// For a marker; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// For a packet that a later one has overtaken on another CPU.
const OVERTAKEN: Duration = Duration::from_millis(10);

/// For a packet of many that are sent until one arrives.
const SETTLING: Duration = Duration::from_millis(30);

/// Which way through the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the inside hosts.
    Out,
    /// From the outside.
    In,
}

/// Sends probes and watches both ends.
#[derive(Debug)]
pub struct Probe {
    inside: End,
    outside: End,
    sent: u32,
}

/// One end: where frames are sent from, what they begin with, and where they are received.
#[derive(Debug)]
struct End {
    sender: Tap,
    front: Frame,
    receiver: Tap,
}

impl Probe {
    /// A probe for both ways through the gateway of `lab`.
    pub fn new(lab: &Lab) -> Result<Self> {
        let end = |front, tap: fn(&Lab) -> Result<Tap>| -> Result<End> {
            Ok(End {
                sender: tap(lab)?,
                front,
                receiver: tap(lab)?,
            })
        };
        Ok(Self {
            inside: end(lab.front(Way::Out)?, Lab::inside_tap)?,
            outside: end(lab.front(Way::In)?, Lab::outside_tap)?,
            sent: 0,
        })
    }

    /// The same with frames that are sent on the wires with these tags in them, (kind, id), and received where
    /// the addresses are.
    pub fn tagged(lab: &Lab, inside: &[(u16, u16)], outside: &[(u16, u16)]) -> Result<Self> {
        let mut probe = Self::new(lab)?;
        let ends = [
            (&mut probe.inside, inside, &lab.inside, WIRES.inside),
            (&mut probe.outside, outside, &lab.outside, WIRES.outside),
        ];
        for (end, tags, namespace, wire) in ends {
            let tag = |front: Frame, &(kind, id): &(u16, u16)| front.tag(kind, id);
            end.front = tags.iter().fold(end.front.clone(), tag);
            end.sender = Tap::open(namespace, wire)?;
        }
        Ok(probe)
    }

    /// The same past a gateway that bridges: to the other end.
    pub fn across(lab: &Lab) -> Result<Self> {
        let mut probe = Self::new(lab)?;
        probe.inside.front = ethernet(mac(&lab.outside, WIRES.outside)?);
        probe.outside.front = ethernet(mac(&lab.inside, WIRES.inside)?);
        Ok(probe)
    }

    /// Whether a packet from the first inside host to `remote` arrives.
    pub fn reaches(&mut self, remote: &str) -> Result<bool> {
        let remote: IpAddr = remote.parse()?;
        let host = if remote.is_ipv4() {
            HOSTS[0].0
        } else {
            HOSTS[0].1
        };
        self.passes(Way::Out, host.parse()?, remote)
    }

    /// Whether a packet from `remote` to the first inside host arrives.
    pub fn is_reached_from(&mut self, remote: &str) -> Result<bool> {
        let remote: IpAddr = remote.parse()?;
        let host = if remote.is_ipv4() {
            HOSTS[0].0
        } else {
            HOSTS[0].1
        };
        self.passes(Way::In, remote, host.parse()?)
    }

    /// Whether a packet arrives. What it ends with makes it long enough that no network card adds to it.
    pub fn passes(&mut self, way: Way, source: IpAddr, destination: IpAddr) -> Result<bool> {
        self.sent += 1;
        let probe = format!("probe number {:08}", self.sent);
        self.send(way, source, destination, &probe)?;
        self.has_arrived(way, source.is_ipv4(), |frame| {
            frame.ends_with(probe.as_bytes())
        })
    }

    /// Waits until packets pass both ways: some drivers set up their device anew when a program comes or goes,
    /// and a link needs a moment to be there.
    pub fn settle(&mut self) -> Result<()> {
        let start = Instant::now();
        for way in [Way::Out, Way::In] {
            for ipv4 in [true, false] {
                while !self.passes_marker(way, ipv4)? {
                    ensure!(start.elapsed() < PATIENCE, "nothing passes {way:?}");
                }
            }
        }
        Ok(())
    }

    fn passes_marker(&mut self, way: Way, ipv4: bool) -> Result<bool> {
        let marker = self.mark(way, ipv4)?;
        let mut arrived = false;
        self.receiver(way).drain(SETTLING, |frame| {
            arrived |= frame.ends_with(marker.as_bytes())
        })?;
        Ok(arrived)
    }

    /// An Ethernet header to the gateway, for a frame to be sent this way.
    pub fn to_gateway(&self, way: Way) -> Frame {
        self.from(way).front.clone()
    }

    /// Whether `payload` arrives, of which these frames are all that is sent.
    pub fn delivers(&mut self, way: Way, frames: &[Vec<u8>], payload: &[u8]) -> Result<bool> {
        for frame in frames {
            self.from(way).sender.send(frame)?;
        }
        let holds = |frame: &[u8]| frame.windows(payload.len()).any(|part| part == payload);
        self.has_arrived(way, true, holds)
    }

    /// Whether what `is_it` arrives, sent before. A marker that nothing lists is sent after it: once that
    /// one is there, what is looked for is there or lost.
    fn has_arrived(&mut self, way: Way, ipv4: bool, is_it: impl Fn(&[u8]) -> bool) -> Result<bool> {
        let marker = self.mark(way, ipv4)?;
        let mut arrived = false;
        self.wait_for(way, &marker, |frame| arrived |= is_it(frame))?;
        if !arrived {
            self.receiver(way)
                .drain(OVERTAKEN, |frame| arrived |= is_it(frame))?;
        }
        Ok(arrived)
    }

    /// Sends a marker that nothing lists, and tells its end.
    fn mark(&mut self, way: Way, ipv4: bool) -> Result<String> {
        self.sent += 1;
        let marker = format!("after number {:08}", self.sent);
        let (from, to) = marker_ends(way, ipv4)?;
        self.send(way, from, to, &marker)?;
        Ok(marker)
    }

    fn send(&self, way: Way, from: IpAddr, to: IpAddr, payload: &str) -> Result<()> {
        let front = self.to_gateway(way);
        self.from(way)
            .sender
            .send(&front.ip(&udp(from, to, payload.as_bytes())))
    }

    fn from(&self, way: Way) -> &End {
        match way {
            Way::Out => &self.inside,
            Way::In => &self.outside,
        }
    }

    fn receiver(&self, way: Way) -> &Tap {
        match way {
            Way::Out => &self.outside.receiver,
            Way::In => &self.inside.receiver,
        }
    }

    fn wait_for(&self, way: Way, marker: &str, mut each: impl FnMut(&[u8])) -> Result<()> {
        let start = Instant::now();
        let mut buffer = [0; 2048];
        loop {
            match self.receiver(way).receive(&mut buffer)? {
                Some(length) if buffer[..length].ends_with(marker.as_bytes()) => return Ok(()),
                Some(length) => each(&buffer[..length]),
                None => std::thread::sleep(Duration::from_millis(1)),
            }
            ensure!(start.elapsed() < PATIENCE, "not even the marker arrived");
        }
    }
}

fn marker_ends(way: Way, ipv4: bool) -> Result<(IpAddr, IpAddr)> {
    let (host, nobody) = match ipv4 {
        true => (HOSTS[2].0, NOBODY.0),
        false => (HOSTS[2].1, NOBODY.1),
    };
    let (host, nobody) = (host.parse()?, nobody.parse()?);
    Ok(match way {
        Way::Out => (host, nobody),
        Way::In => (nobody, host),
    })
}
