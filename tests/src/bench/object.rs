//! The object of the bench in the kernel: its maps filled, its programs run.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, Map, MapFd, PerCpuArray},
    programs::{ProgramError, TestRun, TestRunAttrs, TestRunOptions, Xdp},
};
use firewall::{
    dataplane::{fill, fill_array},
    image::Image,
};
use firewall_common::{
    ledger::LedgerCounter,
    reason::{Count, Reason},
};
use rustix::time::{ClockId, clock_gettime};

use crate::{
    family::{Family, Prefix},
    traffic::Pair,
};

/// Pairs that a warm walk goes through.
pub const WARM: u32 = 4096;

/// The program that sends.
pub const GENERATOR: &str = "bench_generate";

/// The object, loaded.
pub struct Object {
    ebpf: Ebpf,
    frame: Vec<u8>,
    skipped: u64,
}

/// What `Walk` is in the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// Number of the next pair.
    pub next: u32,
    /// Pairs in use, a power of two.
    pub pairs: u32,
    /// Where a generator sends to.
    pub interface: u32,
}

/// A timed run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// CPU time of this thread.
    pub cpu: Duration,
    /// What the program answered last.
    pub answer: u32,
}

impl Object {
    /// Loads maps for `image` and tries for as many entries as `trie` has; `pairs` of family `A`.
    pub fn new<A: Family>(image: &Image, trie: &[Prefix<A>], pairs: u32) -> Result<Self> {
        let is4 = A::NUMBER == 4;
        let of = |mine: bool, size: usize| if mine { (size as u32).max(1) } else { 1 };
        let classes = image.classes.len() as u32 + 1;
        let ebpf = EbpfLoader::new()
            .map_max_entries("IMAGE4", image.v4.len() as u32)
            .map_max_entries("IMAGE6", image.v6.len() as u32)
            .map_max_entries("PORTS", (image.ports.len() as u32).max(1))
            .map_max_entries("CLASSES", classes)
            .map_max_entries("CLASS_COUNTERS", classes)
            .map_max_entries("PAIRS4", of(is4, pairs as usize))
            .map_max_entries("PAIRS6", of(!is4, pairs as usize))
            .map_max_entries("LPM4", of(is4, trie.len()))
            .map_max_entries("LPM6", of(!is4, trie.len()))
            .load(aya::include_bytes_aligned!(concat!(
                env!("OUT_DIR"),
                "/firewall-bench"
            )))
            .context("the kernel refuses the maps of the bench; run as root")?;
        let mut object = Self {
            ebpf,
            frame: A::frame(),
            skipped: 0,
        };
        fill(&object.ebpf, image)?;
        A::fill_trie(&mut object.ebpf, trie)?;
        Ok(object)
    }

    /// Loads a program and says how many instructions the verifier looked at.
    pub fn load(&mut self, program: &str) -> Result<u32> {
        let xdp = self.program_mut(program)?;
        match xdp.load() {
            Err(ProgramError::LoadError {
                io_error,
                verifier_log,
            }) => bail!("the kernel refuses {program}: {io_error}\n{verifier_log}"),
            other => other.with_context(|| format!("cannot load {program}"))?,
        }
        Ok(xdp.info()?.verified_instruction_count().unwrap_or(0))
    }

    /// The program of that name.
    pub fn program_mut(&mut self, name: &str) -> Result<&mut Xdp> {
        let program = self.ebpf.program_mut(name);
        let program = program.with_context(|| format!("the bench has no program {name}"))?;
        Ok(program.try_into()?)
    }

    /// Fills the table that is walked through.
    pub fn put<A: Family>(&self, pairs: &[Pair<A>]) -> Result<()> {
        let name = format!("PAIRS{}", A::NUMBER);
        let words: Vec<u64> = pairs
            .iter()
            .flat_map(|&(source, destination)| A::pair(source, destination))
            .collect();
        fill_array(self.array(&name)?, &words)
    }

    fn array(&self, name: &str) -> Result<&MapFd> {
        match self.ebpf.map(name) {
            Some(Map::Array(map)) => Ok(map.fd()),
            _ => Err(anyhow!("the bench has no array {name}")),
        }
    }

    /// Sets where the walk is.
    pub fn walk_from(&mut self, walk: Walk) -> Result<()> {
        let sum: u64 = self.frame[14..34]
            .chunks_exact(2)
            .map(|word| u64::from(u16::from_ne_bytes([word[0], word[1]])))
            .sum();
        let map = self.ebpf.map_mut("WALK").context("the bench has no WALK")?;
        let mut map: Array<_, [u32; 4]> = Array::try_from(map)?;
        let value = [walk.next, walk.pairs - 1, walk.interface, sum as u32];
        map.set(0, value, 0).context("cannot set the walk")
    }

    /// Packets that the ledger left out since this was last asked.
    pub fn skipped(&mut self) -> Result<u64> {
        let index = Reason::ALL.len() as u32 + LedgerCounter::Skipped as u32;
        let map = self.ebpf.map("COUNTERS");
        let map = map.context("the bench has no COUNTERS")?;
        let counters: PerCpuArray<_, Count> = PerCpuArray::try_from(map)?;
        let counts = counters.get(&index, 0).context("cannot read a counter")?;
        let all = counts.iter().map(|count| count.packets).sum();
        Ok(all - std::mem::replace(&mut self.skipped, all))
    }

    /// Runs a program `repeat` times.
    pub fn run(&self, program: &str, repeat: u32) -> Result<Run> {
        self.test_run(program, repeat, TestRunAttrs::new())
    }

    /// Runs the generator: what it redirects is sent.
    pub fn send(&self, packets: u32) -> Result<Run> {
        /// A quarter of a veth device's queue: the next batch finds room even before all of the
        /// last one is taken.
        const BATCH: u32 = 64;
        let attributes = TestRunAttrs::new().xdp_live_frames(BATCH);
        self.test_run(GENERATOR, packets, attributes)
    }

    fn test_run(&self, program: &str, repeat: u32, attrs: TestRunAttrs) -> Result<Run> {
        let xdp: &Xdp = self
            .ebpf
            .program(program)
            .with_context(|| format!("the bench has no program {program}"))?
            .try_into()?;
        let options = TestRunOptions {
            data_in: Some(&self.frame),
            repeat,
            attrs,
            ..TestRunOptions::new()
        };
        let begin = cpu_time();
        let result = xdp
            .test_run(options)
            .with_context(|| format!("the kernel does not run {program}"))?;
        Ok(Run {
            cpu: cpu_time().saturating_sub(begin),
            answer: result.return_value,
        })
    }
}

/// CPU time of this thread.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
