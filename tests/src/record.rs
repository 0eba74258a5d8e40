//! What the verifier found in the program, held against what is written down: a program that grows without
//! anybody noticing is one day refused by some kernel.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};

/// By kernel release, without its patch level: what was found, by name. A new kernel is added by hand.
const RECORD: &str = include_str!("../verified.json");

/// Growth of instructions that needs a word: a fifth.
const ALLOWED: (u32, u32) = (6, 5);

/// What is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Instructions that the verifier looked at.
    Instructions,
    /// Bytes of stack that the deepest calls of a program take, frames rounded up to 32.
    Stack,
}

impl Figure {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Stack => "stack",
        }
    }

    /// A few instructions more are seen with any change; of stack, each step is one of 32 bytes.
    const fn most(self, recorded: u32) -> u32 {
        match self {
            Self::Instructions => recorded / ALLOWED.1 * ALLOWED.0,
            Self::Stack => recorded,
        }
    }
}

type Recorded = BTreeMap<String, BTreeMap<String, BTreeMap<String, u32>>>;

/// Holds what was `found`, by name, against the record of this kernel. Other kernels look at more or less:
/// one that is not on record is held against the largest number that is.
///
/// # Errors
/// It is more than is written down.
pub fn check(figure: Figure, found: &BTreeMap<String, u32>) -> Result<()> {
    let record: Recorded = serde_json::from_str(RECORD).context("tests/verified.json")?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let series: Vec<&str> = release.split('.').take(2).collect();
    let series = series.join(".");
    let word = figure.as_str();
    for (name, &found) in found {
        println!("{found} {word} of {name} on {series}");
        let recorded = |kernel: &str| record.get(kernel)?.get(word)?.get(name).copied();
        let all = record.keys().filter_map(|kernel| recorded(kernel));
        let recorded = recorded(&series).or(all.max());
        let recorded = recorded.with_context(|| format!("no {word} of {name} in verified.json"))?;
        ensure!(
            found <= figure.most(recorded),
            "{found} {word} of {name} on Linux {series}, {recorded} on record: make the program smaller, \
             or say in the commit why not and write the new number into tests/verified.json"
        );
    }
    Ok(())
}
