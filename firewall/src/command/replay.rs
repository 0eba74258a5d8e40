//! `replay`: what the filter would do with the packets of a capture, by the real kernel program and by
//! the same code in user space.

mod judge;

use std::{collections::BTreeMap, io::Write, net::IpAddr, path::Path};

use anyhow::{Context, Result};
use firewall_common::reason::{Reason, Verdict};
use serde::Serialize;
use serde_json::json;

use super::{Ending, write_json};
use crate::{
    capture,
    cli::Replay,
    feed::{
        decompress::decompress,
        fetch::Limits,
        format::{self, How},
        guard::Guarded,
    },
    filter::Filter,
    image::Image,
    inputs::Inputs,
    ruleset::{Ruleset, Wish},
};
use judge::{Host, Judgement, Kernel};

/// One packet, as it is printed.
#[derive(Debug, Serialize)]
struct Row<'a> {
    /// From 1.
    index: usize,
    verdict: &'static str,
    reason: &'static str,
    matched: Option<IpAddr>,
    sources: Vec<&'a str>,
}

/// What became of all packets.
#[derive(Debug, Default)]
struct Totals {
    packets: usize,
    dropped: usize,
    reasons: BTreeMap<&'static str, usize>,
    /// Packets that kernel and user space judge differently; there should be none.
    disagreements: usize,
}

/// Judges every packet and prints the totals last. Negative if kernel and user space disagree.
pub fn run(
    filter: &Filter,
    arguments: &Replay,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let image = Image::compile(&ruleset(filter, arguments.blocklist.as_deref())?)?;
    let kernel = match arguments.no_kernel {
        true => None,
        false => Some(Kernel::load(&image).context("to go without the kernel, say --no-kernel")?),
    };
    let host = Host::new(&image);
    let mut totals = Totals::default();
    let read = capture::read(&arguments.file, |frame| {
        let judgement = host.judge(frame);
        let agrees = kernel
            .as_ref()
            .map_or(Ok(true), |kernel| kernel.agrees(frame, &judgement))?;
        totals.add(&judgement, agrees);
        if arguments.each {
            Row::new(totals.packets, &judgement, &image).write(json, output)?;
        }
        Ok(())
    });
    // What is no capture at all has no totals.
    if read.is_ok() || totals.packets > 0 {
        totals.write(json, output)?;
    }
    read?;
    Ok(if totals.disagreements == 0 {
        Ending::Success
    } else {
        Ending::Negative
    })
}

/// What the files say now; or the given list as it stands, with nothing protected and nothing allowed.
fn ruleset(filter: &Filter, blocklist: Option<&Path>) -> Result<Ruleset> {
    let Some(path) = blocklist else {
        let inputs = Inputs::read(&filter.config, &filter.state)?;
        let (ruleset, _) = inputs.ruleset(jiff::Timestamp::now(), false)?;
        return Ok(ruleset);
    };
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let refused = || format!("{} is no list", path.display());
    let content = decompress(&bytes, Limits::default().content).with_context(refused)?;
    let (format, parsed) =
        format::detect_and_parse(&How::default(), &content).with_context(refused)?;
    let mut ruleset = Ruleset::default();
    let source = ruleset.source(&path.display().to_string(), Wish::Drop)?;
    let all = Guarded {
        v4: parsed.v4,
        v6: parsed.v6,
        ..Guarded::default()
    };
    all.add_to(&mut ruleset, |_| source, format.ports());
    Ok(ruleset)
}

impl Totals {
    fn add(&mut self, judgement: &Judgement, agrees: bool) {
        self.packets += 1;
        self.dropped += usize::from(judgement.reason.verdict() == Verdict::Drop);
        self.disagreements += usize::from(!agrees);
        *self.reasons.entry(judgement.reason.as_str()).or_default() += 1;
    }

    fn write(&self, json: bool, output: &mut dyn Write) -> Result<()> {
        let passed = self.packets - self.dropped;
        if json {
            let totals = json!({
                "packets": self.packets, "dropped": self.dropped, "passed": passed,
                "reasons": self.reasons, "disagreements": self.disagreements,
            });
            return write_json(output, &totals);
        }
        writeln!(
            output,
            "{} packets: {} dropped, {passed} passed",
            self.packets, self.dropped
        )?;
        for (reason, packets) in &self.reasons {
            writeln!(output, "  {reason:<10} {packets}")?;
        }
        if self.disagreements > 0 {
            let packets = self.disagreements;
            writeln!(
                output,
                "  kernel and user space DISAGREE about {packets}: please report this"
            )?;
        }
        Ok(())
    }
}

impl<'a> Row<'a> {
    fn new(index: usize, judgement: &Judgement, image: &'a Image) -> Self {
        let class = image.class(judgement.class);
        let sources = class
            .map(|class| class.sources.as_slice())
            .unwrap_or_default();
        Self {
            index,
            verdict: verdict(judgement.reason),
            reason: judgement.reason.as_str(),
            matched: judgement.matched,
            sources: sources
                .iter()
                .map(|&it| image.sources[usize::from(it)].name.as_str())
                .collect(),
        }
    }

    fn write(&self, json: bool, output: &mut dyn Write) -> Result<()> {
        if json {
            return write_json(output, self);
        }
        let Self {
            index,
            verdict,
            reason,
            matched,
            sources,
        } = self;
        let matched = matched
            .map(|address| format!(" {address}"))
            .unwrap_or_default();
        let sources = sources.join(" ");
        Ok(writeln!(
            output,
            "{}",
            format!("{index} {verdict} {reason}{matched} {sources}").trim_end()
        )?)
    }
}

fn verdict(reason: Reason) -> &'static str {
    match reason.verdict() {
        Verdict::Pass => "pass",
        Verdict::Drop => "drop",
    }
}
