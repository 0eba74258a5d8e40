//! Packet sockets: frames out of a device and whatever comes in behind XDP.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use nix::{
    ifaddrs::getifaddrs,
    sys::socket::{
        AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvfrom, send,
        setsockopt, socket, sockopt,
    },
};

use crate::namespace::Namespace;

/// Bytes that the kernel keeps for us; a demo's worth of frames.
const BUFFER: usize = 64 << 20;

/// What our side sent (include/uapi/linux/if_packet.h).
const PACKET_OUTGOING: u8 = 4;

/// A packet socket on one device.
#[derive(Debug)]
pub struct Tap(OwnedFd);

impl Tap {
    /// Opens a tap on `device` of `namespace`.
    pub fn open(namespace: &Namespace, device: &str) -> Result<Self> {
        namespace
            .enter(|| Self::open_here(device))?
            .with_context(|| format!("cannot tap {device} in {}", namespace.name()))
    }

    fn open_here(device: &str) -> Result<Self> {
        let address = link_address(device)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let tap = socket(
            AddressFamily::Packet,
            SockType::Raw,
            flags,
            SockProtocol::EthAll,
        )?;
        setsockopt(&tap, sockopt::RcvBufForce, &BUFFER)?;
        bind(tap.as_raw_fd(), &address)?;
        Ok(Self(tap))
    }

    /// Sends a frame, waiting where the device is busy.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        loop {
            match send(self.0.as_fd().as_raw_fd(), frame, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(nix::Error::EAGAIN | nix::Error::ENOBUFS) => std::thread::yield_now(),
                Err(error) => return Err(error).context("cannot send a frame"),
            }
        }
    }

    /// The next frame that came in, if one waits. A packet socket sees what goes out as well, such as
    /// ICMP errors that quote what came in; that is passed over.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>> {
        loop {
            match recvfrom::<LinkAddr>(self.0.as_raw_fd(), buffer) {
                Ok((_, Some(from))) if from.pkttype() == PACKET_OUTGOING => {}
                Ok((length, _)) => return Ok(Some(length)),
                Err(nix::Error::EAGAIN) => return Ok(None),
                Err(error) => return Err(io::Error::from(error)).context("cannot receive a frame"),
            }
        }
    }

    /// Takes every frame that comes until none came for `quiet`.
    pub fn drain(&self, quiet: Duration, mut each: impl FnMut(&[u8])) -> Result<()> {
        let mut buffer = [0; 9216];
        let mut last = Instant::now();
        while last.elapsed() < quiet {
            match self.receive(&mut buffer)? {
                Some(length) => {
                    each(&buffer[..length]);
                    last = Instant::now();
                }
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        Ok(())
    }
}

fn link_address(device: &str) -> Result<LinkAddr> {
    getifaddrs()?
        .filter(|interface| interface.interface_name == device)
        .find_map(|interface| interface.address?.as_link_addr().copied())
        .ok_or_else(|| anyhow!("there is no device {device}"))
}

/// The MAC address of a device.
pub fn mac(namespace: &Namespace, device: &str) -> Result<[u8; 6]> {
    ethernet_address(namespace, device)?.with_context(|| format!("{device} has no MAC address"))
}

/// The same of a device that need not be Ethernet: others have an address of another length, or none.
pub fn ethernet_address(namespace: &Namespace, device: &str) -> Result<Option<[u8; 6]>> {
    let address = namespace.enter(|| link_address(device))??;
    Ok(address.addr().filter(|it| address.halen() == it.len()))
}
