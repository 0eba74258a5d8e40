//! The kernel program in the real kernel, attached nowhere: frames are handed to it.

use std::path::Path;

use anyhow::{Context, Result};
use firewall::{
    config::AttachMode,
    dataplane::{Dataplane, Events, Hit, Hook, Interface, Trial},
    image::Image,
    ruleset::Ruleset,
};
use firewall_common::{
    ledger::{LedgerCounter, Role},
    reason::{Count, Reason},
};
use rustix::mount::{UnmountFlags, unmount};
use tempfile::TempDir;

/// What a program that failed answers (`enum xdp_action`, include/uapi/linux/bpf.h); ours never.
pub const XDP_ABORTED: u32 = 0;
/// What the program answers (likewise).
pub const XDP_DROP: u32 = 1;
/// Likewise.
pub const XDP_PASS: u32 = 2;

/// What the program at TCX answers (`enum tcx_action_base`, likewise); `TCX_NEXT` is -1.
pub const TCX_DROP: u32 = 2;
/// Likewise.
pub const TCX_NEXT: u32 = u32::MAX;

/// Bytes of `struct __sk_buff` (likewise), and where `ingress_ifindex` is in it.
const SK_BUFF: usize = 192;
const INGRESS_IFINDEX: usize = 9 * 4;

/// Name of the interface that the copy believes to be for.
const INTERFACE: &str = "trial0";

/// The only generation.
pub const GENERATION: u32 = 7;

/// A BPF file system of its own; unmounted when dropped.
#[derive(Debug)]
pub struct Bpffs(TempDir);

impl Bpffs {
    /// A folder where one is going to be mounted.
    pub fn new() -> Result<Self> {
        Ok(Self(
            tempfile::Builder::new().prefix("firewall-bpf-").tempdir()?,
        ))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        while unmount(self.path(), UnmountFlags::DETACH).is_ok() {}
    }
}

/// A loaded ruleset.
#[derive(Debug)]
pub struct Kernel {
    /// What was compiled of the ruleset.
    pub image: Image,
    dataplane: Dataplane,
    trial: Trial,
    _bpffs: Bpffs,
}

/// What became of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The `XDP_*` number.
    pub action: u32,
    /// The reason whose counter moved.
    pub reason: Reason,
    /// By how many bytes.
    pub bytes: u64,
}

impl Kernel {
    /// Loads `ruleset` for an interface of `role`.
    pub fn new(ruleset: &Ruleset, role: Role) -> Result<Self> {
        Self::at(ruleset, role, Hook::Xdp)
    }

    /// The same, to stand at `hook`.
    pub fn at(ruleset: &Ruleset, role: Role, hook: Hook) -> Result<Self> {
        let bpffs = Bpffs::new()?;
        let dataplane = Dataplane::new(bpffs.path());
        dataplane.prepare()?;
        let image = Image::compile(ruleset)?;
        let interface = Interface {
            name: INTERFACE.to_owned(),
            role,
            hook,
            mode: AttachMode::Auto,
            attach: None,
        };
        let trial = dataplane.try_out(GENERATION, &image, interface)?;
        Ok(Self {
            image,
            dataplane,
            trial,
            _bpffs: bpffs,
        })
    }

    /// The program's answer.
    pub fn answer(&self, frame: &[u8]) -> Result<u32> {
        self.trial.judge(frame)
    }

    /// The answer of a program at TCX to a packet that came in by the device of this index; 0 if this
    /// machine sends it.
    pub fn answer_from(&self, frame: &[u8], ingress: u32) -> Result<u32> {
        let mut context = [0; SK_BUFF];
        context[INGRESS_IFINDEX..][..4].copy_from_slice(&ingress.to_ne_bytes());
        self.trial.judge_from(frame, Some(&context))
    }

    /// The program's answer, and what it counted.
    pub fn judge(&self, frame: &[u8]) -> Result<Judged> {
        self.judge_by(|kernel| kernel.answer(frame))
    }

    /// The same of `answer`.
    pub fn judge_by(&self, answer: impl FnOnce(&Self) -> Result<u32>) -> Result<Judged> {
        let before = self.reasons()?;
        let action = answer(self)?;
        let after = self.reasons()?;
        let mut moved = after.iter().zip(&before).filter(|(new, old)| new != old);
        let ((reason, new), (_, old)) = moved.next().context("no counter moved")?;
        anyhow::ensure!(moved.next().is_none(), "a packet was counted twice");
        anyhow::ensure!(new.packets == old.packets + 1, "not counted as one packet");
        Ok(Judged {
            action,
            reason: *reason,
            bytes: new.bytes - old.bytes,
        })
    }

    /// Instructions that the verifier looked at.
    pub fn verified_instructions(&self) -> Result<u32> {
        self.trial
            .verified_instructions()?
            .context("this kernel does not tell")
    }

    /// Packets and bytes by reason.
    pub fn reasons(&self) -> Result<Vec<(Reason, Count)>> {
        self.dataplane.reason_counts(INTERFACE)
    }

    /// Packets that the ledger does not know of, by how it came.
    pub fn ledger_counts(&self) -> Result<Vec<(LedgerCounter, Count)>> {
        self.dataplane.ledger_counts(INTERFACE)
    }

    /// Packets and bytes by class.
    pub fn classes(&self) -> Result<Vec<Count>> {
        self.dataplane.class_counts(GENERATION)
    }

    /// Both ledgers.
    pub fn ledger(&self) -> Result<Vec<Hit>> {
        self.dataplane.ledger()
    }

    /// The events that wait from now on.
    pub fn events(&self) -> Result<Events> {
        self.dataplane.events()
    }

    /// Names of the sources of a class.
    pub fn sources(&self, class: u16) -> Vec<&str> {
        let class = self.image.class(class);
        let sources = class.map(|class| class.sources.as_slice());
        let name = |&source: &u16| self.image.sources[usize::from(source)].name.as_str();
        sources.unwrap_or_default().iter().map(name).collect()
    }
}
