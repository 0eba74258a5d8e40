//! Two judges of a frame: the kernel program in the kernel, attached nowhere, and its code here.

use std::{fs, net::IpAddr, path::PathBuf};

use anyhow::{Context, Result};
use firewall_common::{
    class::{ClassId, NONE},
    ledger::{self, Role},
    reason::{Reason, Verdict},
};
use firewall_ebpf::{
    filter::{Listed, decide},
    packet::Packet,
};
use rustix::mount::{UnmountFlags, unmount};

use crate::{
    config::AttachMode,
    dataplane::{Dataplane, Hook, Interface, Trial},
    image::Image,
};

/// Bytes of an Ethernet header: the kernel runs a program on nothing shorter
/// (`bpf_prog_test_run_xdp`, net/bpf/test_run.c).
const SHORTEST: usize = 14;

/// `XDP_DROP` (`enum xdp_action`, include/uapi/linux/bpf.h).
const XDP_DROP: u32 = 1;

/// What becomes of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    /// Why.
    pub reason: Reason,
    /// The class that matched; [`NONE`] if nothing did.
    pub class: ClassId,
    /// The address that matched.
    pub matched: Option<IpAddr>,
}

/// The code of the kernel program, run here.
pub struct Host<'a>(&'a Image);

impl<'a> Host<'a> {
    /// Judges by `image`.
    pub fn new(image: &'a Image) -> Self {
        Self(image)
    }

    /// Judges a frame that starts with its Ethernet header.
    pub fn judge(&self, frame: &[u8]) -> Judgement {
        let packet = Packet::from(frame);
        let addresses = match packet.addresses() {
            Ok(addresses) => addresses,
            Err(reason) => {
                return Judgement {
                    reason,
                    class: NONE,
                    matched: None,
                };
            }
        };
        let decision = decide(self.0, &addresses, || {
            packet.transport(addresses.version, addresses.network)
        });
        let listed = match decision.listed {
            Listed::Source => addresses.source,
            Listed::Destination => addresses.destination,
        };
        let matched = (decision.class != NONE).then(|| ledger::address(ledger::octets(listed)));
        Judgement {
            reason: decision.reason,
            class: decision.class,
            matched,
        }
    }
}

/// The kernel program, loaded against maps of its own: no counter of an installed filter moves.
pub struct Kernel {
    trial: Trial,
    _pins: Folder,
}

impl Kernel {
    /// Loads the program for `image`.
    pub fn load(image: &Image) -> Result<Self> {
        let pins = Folder::new()?;
        let dataplane = Dataplane::new(&pins.0);
        dataplane.prepare()?;
        let interface = Interface {
            name: "replay".to_owned(),
            role: Role::Unknown,
            hook: Hook::Xdp,
            mode: AttachMode::Auto,
            attach: None,
        };
        let trial = dataplane.try_out(1, image, interface)?;
        Ok(Self { trial, _pins: pins })
    }

    /// Whether the kernel comes to the same verdict.
    pub fn agrees(&self, frame: &[u8], judgement: &Judgement) -> Result<bool> {
        if frame.len() < SHORTEST {
            return Ok(true);
        }
        let drops = self.trial.judge(frame)? == XDP_DROP;
        Ok(drops == (judgement.reason.verdict() == Verdict::Drop))
    }
}

/// A folder for a BPF file system of our own; both go when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("firewall-replay-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is an empty folder among temporary files.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
        let _ = fs::remove_dir(&self.0);
    }
}
