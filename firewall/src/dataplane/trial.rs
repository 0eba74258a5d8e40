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

    /// Runs the program once on `frame`, which starts with its Ethernet header, and returns the
    /// `XDP_*` number that it answers. The kernel takes no frame without a whole Ethernet header.
    pub fn judge(&self, frame: &[u8]) -> Result<u32> {
        let program: &Xdp = self
            .0
            .program(PROGRAM)
            .context("the object has no program 'firewall'")?
            .try_into()?;
        let options = TestRunOptions {
            data_in: Some(frame),
            ..TestRunOptions::new()
        };
        let result = program.test_run(options);
        Ok(result
            .context("the kernel does not run the program on this frame")?
            .return_value)
    }
}
