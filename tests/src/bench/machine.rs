//! The machine that figures are of: what it is, and how fast its memory is while they are taken.

use std::{fs, time::Instant};

use anyhow::Result;
use serde_json::json;

use crate::{
    random::Random,
    report::{Report, rounded},
};

/// Names the machine.
pub fn name(report: &mut Report) -> Result<()> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown", |(_, model)| model.trim());
    report.add(json!({
        "bench": "machine",
        "what": "name",
        "cpu": model,
        "cores": information.matches("processor\t").count(),
        "kernel": release.trim(),
        "virtual": information.contains(" hypervisor"),
    }))
}

/// Nanoseconds of a dependent read somewhere in so many bytes, `when` in the run. Caches are shared
/// with strangers on many machines: without these no cold figure of two runs can be compared.
pub fn latency(report: &mut Report, when: &str) -> Result<()> {
    for kib in [512, 4 << 10, 16 << 10, 64 << 10] {
        report.add(json!({
            "bench": "machine",
            "what": "read latency",
            "when": when,
            "kib": kib,
            "ns": rounded(chase(kib << 10)),
        }))?;
    }
    Ok(())
}

/// A walk through all lines of a buffer in an order that no prefetcher guesses.
fn chase(bytes: usize) -> f64 {
    const STEPS: usize = 500_000;
    let lines = bytes / 64;
    let mut order: Vec<usize> = (0..lines).collect();
    let mut random = Random::new(1);
    for place in (1..lines).rev() {
        // Never with itself: one cycle through all of them (Sattolo).
        order.swap(place, random.below(place as u64) as usize);
    }
    let mut buffer = vec![[0_usize; 8]; lines];
    for (line, next) in buffer.iter_mut().zip(&order) {
        line[0] = *next;
    }
    let mut place = 0;
    for _ in 0..lines {
        place = buffer[place][0];
    }
    let begin = Instant::now();
    for _ in 0..STEPS {
        place = buffer[place][0];
    }
    let took = begin.elapsed();
    std::hint::black_box(place);
    took.as_nanos() as f64 / STEPS as f64
}
