//! A copy of the program that is attached nowhere: it judges what it is handed.

use anyhow::{Context, Result};
use aya::{
    Ebpf,
    programs::{Program, TestRun, TestRunOptions},
};

use super::Hook;

/// A loaded copy that sees no traffic. What it judges is counted like any other packet.
#[derive(Debug)]
pub struct Trial {
    ebpf: Ebpf,
    hook: Hook,
}

impl Trial {
    /// A trial of what is loaded in `ebpf` for `hook`.
    pub(super) fn new(ebpf: Ebpf, hook: Hook) -> Self {
        Self { ebpf, hook }
    }

    fn program(&self) -> Result<&Program> {
        let program = self.ebpf.program(self.hook.program());
        program.context("the object lacks the program that was loaded from it")
    }

    /// Instructions that the verifier looked at, where the kernel tells (Linux 5.16).
    pub fn verified_instructions(&self) -> Result<Option<u32>> {
        Ok(self.program()?.info()?.verified_instruction_count())
    }

    /// Runs the program once on `frame`, which starts with its Ethernet header, and returns the
    /// `XDP_*` or `TCX_*` number that it answers. The kernel takes no frame without a whole Ethernet
    /// header.
    pub fn judge(&self, frame: &[u8]) -> Result<u32> {
        self.judge_from(frame, None)
    }

    /// The same with a context of the hook's own kind, in the layout of the kernel's `struct xdp_md` or
    /// `struct __sk_buff`.
    pub fn judge_from(&self, frame: &[u8], context: Option<&[u8]>) -> Result<u32> {
        let options = TestRunOptions {
            data_in: Some(frame),
            ctx_in: context,
            ..TestRunOptions::new()
        };
        let result = match self.program()? {
            Program::SchedClassifier(program) => program.test_run(options),
            Program::Xdp(program) => program.test_run(options),
            _ => anyhow::bail!("the object has a program of an unknown kind"),
        };
        Ok(result
            .context("the kernel does not run the program on this frame")?
            .return_value)
    }
}
