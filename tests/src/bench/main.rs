//! The bench: what a packet, a load and an entry cost, for this filter and for what its user could
//! pick instead, in one run. Exit 0 only if every variant gave right verdicts.

mod account;
mod cpu;
mod document;
mod end_to_end;
mod family;
mod feeds;
mod findings;
mod lists;
mod loading;
mod machine;
mod model;
mod object;
mod packet;
mod peer;
mod plot;
mod random;
mod report;
mod scene;
mod sizes;
mod targets;
mod traffic;
mod watch;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Result;
use clap::{Parser, ValueEnum};

use loading::Wanted;
use report::Report;

/// Compares this filter with what could be picked instead, and with nothing at all.
#[derive(Debug, Parser)]
struct Arguments {
    /// Fewer rounds, shorter samples, smaller lists: minutes instead of a quarter of an hour
    #[arg(long)]
    quick: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Entries of the lists; may be given several times [default: 1000 100000 1000000 10000000]
    #[arg(long, value_name = "N")]
    size: Vec<usize>,
    /// Only this part
    #[arg(long, value_name = "PART")]
    only: Option<Part>,
    /// Write the figures of this run into docs/performance.md, and the plots beside it
    #[arg(long, conflicts_with_all = ["quick", "only", "size"])]
    write_docs: bool,
    /// Measure nothing; with --write-docs, take the figures that an earlier run printed with --json
    #[arg(long, value_name = "FILE", requires = "write_docs")]
    figures: Option<PathBuf>,
    /// Only see that it works: figures are worth nothing
    #[arg(long, hide = true)]
    smoke: bool,
    /// Add a variant that gives wrong verdicts, to see the bench fail
    #[arg(long, hide = true)]
    wrong_variant: bool,
}

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What a packet costs, by test run
    Packet,
    /// Packets through a pair of devices, against the other filters
    EndToEnd,
    /// From a text file to force, one more entry, a swap
    Load,
    /// What the kernel and the loading process hold
    Memory,
    /// Many feeds from text to force, against iprange
    Feeds,
}

/// How much is measured.
#[derive(Debug)]
pub struct Plan {
    /// Entries of the lists.
    pub sizes: Vec<usize>,
    /// Entries of the lists that are loaded from a file.
    pub load_sizes: Vec<usize>,
    /// Entries of all feeds together.
    pub feeds_size: usize,
    /// Entries of the lists that packets are sent against.
    pub end_to_end_size: usize,
    /// Rounds of each comparison.
    pub rounds: usize,
    /// CPU time of a sample.
    pub sample_time: Duration,
    /// Packets that a cold walk goes through, a power of two.
    pub pairs: u32,
    /// Whether only a part of the lists is wanted.
    pub quick: bool,
    /// Whether nobody wants the figures, only to see that they can be taken.
    pub smoke: bool,
    /// Whether to add the variant that is wrong.
    pub wrong_variant: bool,
}

impl From<&Arguments> for Plan {
    fn from(arguments: &Arguments) -> Self {
        let (quick, smoke) = (arguments.quick || arguments.smoke, arguments.smoke);
        let sizes: &[usize] = match quick {
            true if smoke => &[1_000],
            true => &[1_000, 1_000_000],
            false => &[1_000, 100_000, 1_000_000, 10_000_000],
        };
        let given = arguments.size.as_slice();
        let or = |sizes: &[usize]| match given {
            [] => sizes.to_vec(),
            given => given.to_vec(),
        };
        // nft takes 15 s for a million entries and 80 s for one more.
        let most = if quick { 100_000 } else { 1_000_000 };
        Self {
            sizes: or(sizes),
            load_sizes: or(if quick {
                &[100_000]
            } else {
                &[1_000_000, 10_000_000]
            }),
            feeds_size: given.iter().copied().max().unwrap_or(most),
            end_to_end_size: given.iter().copied().max().unwrap_or(most).min(most),
            rounds: match (smoke, quick) {
                (true, _) => 1,
                (_, true) => 3,
                _ => 9,
            },
            // The first level of an image takes a while to get into the caches.
            sample_time: Duration::from_millis(if smoke { 1 } else { 50 }),
            pairs: if smoke { 1 << 14 } else { 1 << 20 },
            quick,
            smoke,
            wrong_variant: arguments.wrong_variant,
        }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(path) = &arguments.figures {
        return document::write(&findings::read(path)?);
    }
    let plan = Plan::from(arguments);
    let mut report = Report::new(arguments.json);
    let wants = |part: Part| arguments.only.is_none_or(|only| only == part);
    machine::name(&mut report)?;
    machine::latency(&mut report, "before")?;
    if wants(Part::Packet) {
        cpu::on_one(|| sizes::packet(&plan, &mut report))?;
    }
    if wants(Part::EndToEnd) {
        end_to_end::measure(&plan, &mut report)?;
    }
    let wanted = Wanted {
        load: wants(Part::Load),
        memory: wants(Part::Memory),
    };
    if wanted.load || wanted.memory {
        loading::measure(&plan, &mut report, wanted)?;
    }
    if wants(Part::Feeds) {
        report.phase("feeds", |report| feeds::measure(&plan, report))?;
    }
    machine::latency(&mut report, "after")?;
    if arguments.write_docs {
        document::write(&report.findings)?;
    }
    report.end();
    Ok(())
}
