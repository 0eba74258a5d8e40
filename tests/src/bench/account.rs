//! What counting and remembering cost on top of a verdict: the same programs, each against the one
//! that only decides.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use firewall::image::Image;
use serde_json::json;

use crate::{
    Plan,
    family::Family,
    lists::List,
    object::{Object, WARM, Walk},
    packet::{Variant, check, rows, time},
    report::Report,
    traffic::{Case, pairs},
};

/// What a figure is taken over.
const BASELINE: &str = "firewall";

/// Counters on every packet; counters and ledger on drops of known entries and of a flood of pairs
/// that nobody ever saw.
pub fn measure<A: Family>(plan: &Plan, report: &mut Report, list: &List<A>) -> Result<()> {
    let model = list.model();
    let image = Image::compile(&A::ruleset(&list.entries)?)?;
    let mut object = Object::new::<A>(&image, &[], plan.pairs)?;
    let of_family = |name: &str| format!("{name}_{}", A::NUMBER);
    let mut variants = vec![
        Variant::new(BASELINE, of_family("lookup"), true),
        Variant::new("firewall-counters", of_family("counters"), true),
        Variant::new("firewall-ledger", of_family("ledger"), true),
    ];
    for variant in &variants {
        object.load(&variant.program)?;
    }
    let mut part = |object: &mut Object, name: &str, case: Case, cold: bool| -> Result<()> {
        let packets = pairs(case, list, &model, plan.pairs as usize);
        object.put(&packets)?;
        check(plan, object, &variants, &model, &packets)?;
        if name == "known-entry" {
            remember(object, &of_family("ledger"))?;
        }
        let rounds = time(plan, object, &mut variants, cold)?;
        let what = json!({
            "bench": "packet",
            "family": A::NUMBER,
            "size": list.entries.len(),
            "set": list.spread.name(),
            "case": name,
            "cache": if cold { "cold" } else { "warm" },
        });
        rows(report, &what, &variants, &rounds, BASELINE)
    };
    part(&mut object, "counted-pass", Case::FarMiss, true)?;
    part(&mut object, "counted-pass", Case::FarMiss, false)?;
    part(&mut object, "known-entry", Case::HitDestination, false)?;
    part(&mut object, "flood", Case::HitDestination, true)
}

/// Walks through the warm pairs until the ledger has all of them; it takes only so many a second.
fn remember(object: &mut Object, program: &str) -> Result<()> {
    /// Thrice what 4,096 entries at 2,000 a second take.
    const PATIENCE: Duration = Duration::from_secs(9);
    let begin = Instant::now();
    loop {
        object.walk_from(Walk {
            next: 0,
            pairs: WARM,
            interface: 0,
        })?;
        object.run(program, WARM)?;
        if object.skipped()? == 0 {
            return Ok(());
        }
        ensure!(
            begin.elapsed() < PATIENCE,
            "the ledger still leaves out some of {WARM} entries"
        );
        std::thread::sleep(Duration::from_millis(300));
    }
}
