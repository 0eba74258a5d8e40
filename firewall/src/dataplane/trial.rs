//! A copy of the program that is attached nowhere: it judges what it is handed.

use anyhow::{Context, Result};
use aya::{
    Ebpf,
    programs::{TestRun, TestRunOptions, Xdp},
};

use super::object::PROGRAM;

/// A loaded copy that sees no traffic. What it judges is counted like any other packet.
#[derive(Debug)]
pub struct Trial(Ebpf);

impl Trial {
    /// A trial of what is loaded in `ebpf`.
    pub(super) fn new(ebpf: Ebpf) -> Self {
        Self(ebpf)
    }

    fn program(&self) -> Result<&Xdp> {
        let program = self.0.program(PROGRAM);
        let program = program.context("the object has no program 'firewall'")?;
        Ok(program.try_into()?)
    }

    /// Instructions that the verifier looked at, where the kernel tells (Linux 5.16).
    pub fn verified_instructions(&self) -> Result<Option<u32>> {
        Ok(self.program()?.info()?.verified_instruction_count())
    }

    /// Runs the program once on `frame`, which starts with its Ethernet header, and returns the
    /// `XDP_*` number that it answers. The kernel takes no frame without a whole Ethernet header.
    pub fn judge(&self, frame: &[u8]) -> Result<u32> {
        let options = TestRunOptions {
            data_in: Some(frame),
            ..TestRunOptions::new()
        };
        let result = self.program()?.test_run(options);
        Ok(result
            .context("the kernel does not run the program on this frame")?
            .return_value)
    }
}
