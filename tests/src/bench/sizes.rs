//! Which lists are measured.

use anyhow::Result;

use crate::{
    Plan, account,
    family::Family,
    lists::{Clustered, Clustered6, List, Uniform, Uniform6, length4, length6, real},
    packet,
    report::Report,
};

/// Above this the trie is left out, except for one list: it takes a minute to fill and gigabytes.
const LARGE: usize = 1_000_000;

/// Real lists, of those in the folder of feeds.
const REAL: [&str; 3] = [
    "union_reputation_v4.2026-08-22.txt.zst",
    "bitwire_outbound.2026-01-29.txt.gz",
    "fullbogons_v6.2024-03-10.txt.gz",
];

/// Below this a list says nothing.
const SMALLEST: usize = 100;

/// The cost of a packet on all lists of the plan.
pub fn packet(plan: &Plan, report: &mut Report) -> Result<()> {
    for &size in &plan.sizes {
        one(plan, report, || {
            List::generate(size, Clustered::new(), length4)
        })?;
        one(plan, report, || {
            List::generate(size, Clustered6::new(), length6)
        })?;
        if plan.smoke {
            continue;
        }
        one(plan, report, || List::generate(size, Uniform, length4))?;
        one(plan, report, || List::generate(size, Uniform6, length6))?;
    }
    let sizes = plan.sizes.iter().copied();
    if let Some(size) = sizes
        .clone()
        .filter(|&size| size <= LARGE)
        .max()
        .or(sizes.min())
    {
        report.phase("packet: counters and ledger", |report| {
            let list = List::generate(size, Clustered::new(), length4);
            account::measure(plan, report, &list)
        })?;
    }
    if plan.quick {
        return report.left_out("packet", "real lists", "--quick");
    }
    for file in REAL {
        match real(file) {
            Err(error) => report.left_out("packet", file, &format!("{error:#}"))?,
            Ok(None) => report.left_out("packet", file, "not in the folder of real feeds")?,
            Ok(Some((v4, v6))) => {
                for_real(plan, report, v4)?;
                for_real(plan, report, v6)?;
            }
        }
    }
    Ok(())
}

fn for_real<A: Family>(plan: &Plan, report: &mut Report, list: List<A>) -> Result<()> {
    match list.entries.len() < SMALLEST {
        true => Ok(()),
        false => one(plan, report, || list),
    }
}

fn one<A: Family>(plan: &Plan, report: &mut Report, list: impl FnOnce() -> List<A>) -> Result<()> {
    let list = list();
    let (size, set) = (list.entries.len(), list.spread.name().to_owned());
    let name = format!("packet: IPv{}, {size} entries, {set}", A::NUMBER);
    let with_trie = size <= 2 * LARGE || (A::NUMBER == 4 && set == "clustered" && !plan.quick);
    report.phase(&name, |report| {
        if !with_trie {
            report.left_out("packet", "lpm", "takes minutes to fill at this size")?;
        }
        packet::measure(plan, report, &list, with_trie)
    })
}
