//! (a) What a packet costs, by test run: programs interleaved round by round, their order rotated,
//! each against the walking and parsing baseline of its own round.

use anyhow::{Result, bail};
use firewall::image::Image;
use serde_json::json;
use tests::kernel::{XDP_DROP, XDP_PASS};

use crate::{
    Plan,
    family::Family,
    lists::List,
    model::Model,
    object::{Object, WARM, Walk},
    report::{Report, rounded, spread},
    traffic::{Case, Pair, pairs},
};

/// A program among those compared.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Name in figures.
    pub name: &'static str,
    /// Name of the program.
    pub program: String,
    /// Whether it gives verdicts, which are then held against the model.
    pub judges: bool,
    /// How far its walk is.
    next: u32,
}

impl Variant {
    /// The variant `name`, which is the program of that name.
    pub fn new(name: &'static str, program: String, judges: bool) -> Self {
        Self {
            name,
            program,
            judges,
            next: 0,
        }
    }
}

/// Packets of each case whose verdicts are checked.
const SAMPLE: usize = 512;

/// Name of the baseline.
pub const BASELINE: &str = "walk";

/// The variants for family `A`.
pub fn variants<A: Family>(plan: &Plan, with_trie: bool) -> Vec<Variant> {
    let of_family = |name: &str| format!("{name}_{}", A::NUMBER);
    let mut variants = vec![
        Variant::new("empty", "bench_empty".into(), false),
        Variant::new("parse", "bench_parse".into(), false),
        Variant::new(BASELINE, of_family("walk"), false),
        Variant::new("firewall", of_family("lookup"), true),
        Variant::new("firewall-counters", of_family("counters"), true),
        Variant::new("firewall-ledger", of_family("ledger"), true),
    ];
    if with_trie {
        variants.push(Variant::new("lpm", of_family("lpm"), true));
    }
    if plan.wrong_variant {
        variants.push(Variant::new("wrong", of_family("wrong"), true));
    }
    variants
}

/// Compares all variants on `list` in all cases, cold and warm.
pub fn measure<A: Family>(
    plan: &Plan,
    report: &mut Report,
    list: &List<A>,
    with_trie: bool,
) -> Result<()> {
    let model = list.model();
    let image = Image::compile(&A::ruleset(&list.entries)?)?;
    let lines = if A::NUMBER == 4 { &image.v4 } else { &image.v6 };
    report.add(json!({
        "bench": "memory",
        "what": "image",
        "variant": "firewall",
        "family": A::NUMBER,
        "size": list.entries.len(),
        "set": list.spread.name(),
        "bytes_per_entry": rounded(size_of_val(lines.as_slice()) as f64 / list.entries.len() as f64),
    }))?;
    let trie = if with_trie {
        list.entries.as_slice()
    } else {
        &[]
    };
    let mut object = Object::new(&image, trie, plan.pairs)?;
    let mut variants = variants::<A>(plan, with_trie);
    for variant in &variants {
        object.load(&variant.program)?;
    }
    for case in Case::ALL {
        let packets = pairs(case, list, &model, plan.pairs as usize);
        object.put(&packets)?;
        check(plan, &mut object, &variants, &model, &packets)?;
        for cold in [true, false] {
            let rounds = time(plan, &mut object, &mut variants, cold)?;
            let what = json!({
                "bench": "packet",
                "family": A::NUMBER,
                "size": list.entries.len(),
                "set": list.spread.name(),
                "case": case.as_str(),
                "cache": if cold { "cold" } else { "warm" },
            });
            rows(report, &what, &variants, &rounds, BASELINE)?;
        }
    }
    Ok(())
}

/// Holds what every judging variant answers for a sample of `packets` against the model.
pub fn check<A: Family>(
    plan: &Plan,
    object: &mut Object,
    variants: &[Variant],
    model: &Model<A>,
    packets: &[Pair<A>],
) -> Result<()> {
    for index in (0..packets.len()).step_by(packets.len() / SAMPLE) {
        let (source, destination) = packets[index];
        let expected = match model.lists(source) || model.lists(destination) {
            true => XDP_DROP,
            false => XDP_PASS,
        };
        for variant in variants.iter().filter(|variant| variant.judges) {
            object.walk_from(Walk {
                next: index as u32,
                pairs: plan.pairs,
                interface: 0,
            })?;
            let answer = object.run(&variant.program, 1)?.answer;
            if answer != expected {
                bail!(
                    "WRONG VERDICT: '{}' answers {answer} to {} → {}, and {expected} is right; its \
                     figures would be worth nothing",
                    variant.name,
                    source.to_ip(),
                    destination.to_ip()
                );
            }
        }
    }
    Ok(())
}

/// Nanoseconds a packet: by round, then by variant.
pub fn time(
    plan: &Plan,
    object: &mut Object,
    variants: &mut [Variant],
    cold: bool,
) -> Result<Vec<Vec<f64>>> {
    let pairs = if cold { plan.pairs } else { WARM };
    let mut repeats = Vec::new();
    for variant in &mut *variants {
        let nanoseconds = one(object, variant, pairs, WARM)?;
        // Few pairs are soon seen often enough.
        let sample_time = if cold {
            plan.sample_time
        } else {
            plan.sample_time / 2
        };
        let packets = sample_time.as_nanos() as f64 / nanoseconds.max(1.0);
        repeats.push(packets.clamp(f64::from(WARM), f64::from(4 * plan.pairs)) as u32);
    }
    let mut rounds = Vec::new();
    for round in 0..plan.rounds {
        let mut times = vec![0.0; variants.len()];
        for place in 0..variants.len() {
            let index = (place + round) % variants.len();
            let variant = &mut variants[index];
            if !cold {
                // What ran before has displaced what is to be warm.
                one(object, variant, pairs, 2 * WARM)?;
            }
            times[index] = one(object, variant, pairs, repeats[index])?;
        }
        rounds.push(times);
    }
    Ok(rounds)
}

/// One sample of one variant, which walks on from where it was.
fn one(object: &mut Object, variant: &mut Variant, pairs: u32, repeat: u32) -> Result<f64> {
    object.walk_from(Walk {
        next: variant.next,
        pairs,
        interface: 0,
    })?;
    let run = object.run(&variant.program, repeat)?;
    variant.next = variant.next.wrapping_add(repeat);
    Ok(run.cpu.as_nanos() as f64 / f64::from(repeat))
}

/// A row for each variant: medians over rounds of the difference and the ratio to `baseline`.
pub fn rows(
    report: &mut Report,
    what: &serde_json::Value,
    variants: &[Variant],
    rounds: &[Vec<f64>],
    baseline: &str,
) -> Result<()> {
    let Some(base) = variants.iter().position(|it| it.name == baseline) else {
        bail!("there is no variant '{baseline}'");
    };
    for (index, variant) in variants.iter().enumerate() {
        let over = |figure: fn(f64, f64) -> f64| -> Vec<f64> {
            let of_round = |times: &Vec<f64>| figure(times[index], times[base]);
            rounds.iter().map(of_round).collect()
        };
        let (added, lowest, highest) = spread(&over(|own, base| own - base));
        let (ratio, ..) = spread(&over(|own, base| own / base));
        let (whole, ..) = spread(&over(|own, _| own));
        let mut finding = what.clone();
        finding["variant"] = variant.name.into();
        finding["baseline"] = baseline.into();
        finding["added_ns"] = rounded(added).into();
        finding["ratio"] = rounded(ratio).into();
        finding["ns"] = rounded(whole).into();
        finding["rounds"] = rounds.len().into();
        finding["min"] = rounded(lowest).into();
        finding["max"] = rounded(highest).into();
        report.add(finding)?;
    }
    Ok(())
}
