//! Marked packets: each carries a number by which it is known where it arrives.

use std::{net::IpAddr, time::Duration};

use anyhow::Result;
use tests::{
    frame::{later_fragment, tcp_syn, udp},
    lab::HOSTS,
    tap::Tap,
};

/// Begins the mark at the end of each packet.
const MAGIC: &[u8; 8] = b"FWALLDEM";

/// How long nothing may arrive before all is taken to have arrived.
pub const QUIET: Duration = Duration::from_millis(400);

/// Frames sent between two looks at the other side.
const BURST: usize = 64;

/// The packets that were sent, and which of them arrived.
#[derive(Debug, Default)]
pub struct Tracker {
    arrived: Vec<bool>,
    listed: Vec<bool>,
}

/// What became of some packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sent.
    pub sent: usize,
    /// Arrived.
    pub arrived: usize,
}

impl Tracker {
    /// The payload that marks the next packet.
    pub fn mark(&mut self, listed: bool) -> Vec<u8> {
        let number = self.arrived.len() as u32;
        self.arrived.push(false);
        self.listed.push(listed);
        let mut payload = vec![0; 20];
        payload.extend_from_slice(MAGIC);
        payload.extend_from_slice(&number.to_be_bytes());
        payload
    }

    /// Notes a frame that arrived.
    pub fn note(&mut self, frame: &[u8]) {
        let Some((front, number)) = frame.split_last_chunk::<4>() else {
            return;
        };
        if front.ends_with(MAGIC)
            && let Some(arrived) = self.arrived.get_mut(u32::from_be_bytes(*number) as usize)
        {
            *arrived = true;
        }
    }

    /// What became of the listed packets, or of the others.
    pub fn tally(&self, listed: bool) -> Tally {
        let of_kind = self
            .listed
            .iter()
            .zip(&self.arrived)
            .filter(|(it, _)| **it == listed);
        let arrived = of_kind.clone().filter(|(_, arrived)| **arrived).count();
        Tally {
            sent: of_kind.count(),
            arrived,
        }
    }
}

/// The address of an inside host in the family of `like`.
pub fn host(index: usize, like: IpAddr) -> IpAddr {
    let (v4, v6) = HOSTS[index % HOSTS.len()];
    let text = if like.is_ipv4() { v4 } else { v6 };
    // The lab's own constants are addresses.
    text.parse().unwrap_or(like)
}

/// A packet of one of three kinds: UDP, TCP, a fragment without ports.
pub fn packet(kind: usize, source: IpAddr, destination: IpAddr, payload: &[u8]) -> Vec<u8> {
    match kind % 3 {
        0 => udp(source, destination, payload),
        1 => tcp_syn(source, destination, payload),
        _ => later_fragment(source, destination, payload),
    }
}

/// Sends frames and takes what arrives meanwhile, until nothing more does.
pub fn exchange(tracker: &mut Tracker, frames: &[Vec<u8>], from: &Tap, to: &Tap) -> Result<()> {
    for burst in frames.chunks(BURST) {
        for frame in burst {
            from.send(frame)?;
        }
        // A veth queue is short; what overflows it is nobody's verdict.
        to.drain(Duration::from_millis(2), |frame| tracker.note(frame))?;
    }
    to.drain(QUIET, |frame| tracker.note(frame))
}
