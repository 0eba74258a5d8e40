//! The stack of the kernel program as this kernel counts it: every chain of calls of every program of every
//! object, rounded as kernels round.
//!
//! The kernel tells the depths of the functions in its log, in the order of the functions of the program: in
//! one line (`stack depth 176+24+…`), or in one for each (`subprog 0 (firewall) … stack 176`). The log is handed
//! out by aya only where a load fails. So each program is loaded from a copy of the object in which its own
//! frame fills all that there is: what it calls is refused, and the log tells of all functions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../firewall/tests/stack/frames.rs"]
mod frames;

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail, ensure};
use aya::{
    EbpfLoader, VerifierLogLevel,
    programs::{Program, ProgramError, SchedClassifier, Xdp},
};
use firewall::dataplane::Object;
use frames::{Function, Functions, LIMIT, NARROW, WIDE, grown};
use tests::{
    record::{self, Figure},
    skip_unless,
};

/// `MAX_BPF_STACK` (include/linux/filter.h).
const ALL: u32 = 512;

/// The objects, by name: the two of the product, and the one whose programs the bench compares.
fn objects() -> [(&'static str, &'static [u8]); 3] {
    let bench = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/firewall-bench"));
    [
        ("shipped", Object::Shipped.bytes()),
        ("trace", Object::Trace.bytes()),
        ("bench", bench),
    ]
}

/// Depth of each function of `program` as this kernel counts it, by name.
fn depths(
    object: &[u8],
    functions: &Functions,
    program: &Function,
) -> Result<HashMap<String, u32>> {
    let linked = linked(functions, program);
    // Most programs keep something on their stack themselves.
    let filled = linked.iter().position(|function| function.frame > 0);
    let mut told = vec![0; linked.len()];
    if let Some(filled) = filled {
        let function = linked[filled];
        let copy = grown(object, function, ALL - function.frame)?;
        // Where the kernel takes it, there is room for nothing else: all others take nothing.
        if let Err(log) = load(&copy, &program.name) {
            told = stack_depth(&log.to_string())
                .with_context(|| format!("no depths of {}:\n{log}", program.name))?;
            ensure!(
                told.get(filled) == Some(&ALL),
                "depths of something else: {told:?}"
            );
        }
        told[filled] = function.frame;
    }
    ensure!(
        told.len() == linked.len(),
        "{told:?} of {} functions",
        linked.len()
    );
    let named = |(function, depth): (&&Function, u32)| (function.name.clone(), depth);
    Ok(linked.iter().zip(told).map(named).collect())
}

/// The functions of a program in the order in which loaders put them into it: a function follows once the
/// first call of it is met (`FunctionLinker::link_function`, aya-obj).
fn linked<'a>(functions: &'a Functions, program: &'a Function) -> Vec<&'a Function> {
    fn link<'a>(all: &'a Functions, function: &'a Function, linked: &mut Vec<&'a Function>) {
        if linked.iter().all(|other| other.name != function.name) {
            linked.push(function);
            all.called(function)
                .for_each(|called| link(all, called, linked));
        }
    }
    let mut linked = Vec::new();
    link(functions, program, &mut linked);
    linked
}

/// Loads one program of `object`; an error is what the verifier says.
fn load(object: &[u8], program: &str) -> Result<()> {
    let mut loaded = EbpfLoader::new()
        // Without any listed port the search for one is dead code.
        .override_global("PORT_COUNT", &1_u32, true)
        .verifier_log_level(VerifierLogLevel::STATS)
        .load(object)?;
    let result = match loaded.program_mut(program).context("no such program")? {
        Program::SchedClassifier(program) => SchedClassifier::load(program),
        program => <&mut Xdp>::try_from(program)?.load(),
    };
    match result {
        Err(ProgramError::LoadError { verifier_log, .. }) => bail!("{verifier_log}"),
        other => Ok(other?),
    }
}

fn stack_depth(log: &str) -> Option<Vec<u32>> {
    let number = |text: &str| text.trim().parse().ok();
    let one_line = |line: &str| {
        line.strip_prefix("stack depth ")?
            .split('+')
            .map(number)
            .collect()
    };
    log.lines().find_map(one_line).or_else(|| {
        let lines = log.lines().filter(|line| line.starts_with("subprog "));
        let depths = lines.map(|line| number(line.rsplit_once(" stack ")?.1));
        depths.collect()
    })
}

/// What Linux 6.18 and 7.3 say.
#[test]
fn depths_are_read_in_the_words_of_any_kernel() {
    let old =
        "combined stack size of 2 calls is 528. Too large\nstack depth 512+0+40\nprocessed 7 insns";
    let new = "verification time 1 usec\nstack depth max 528\n\
        subprog 0 (firewall) main insns_self 1799 insns_total 1799 stack 512\n\
        subprog 1 (firewall_network) global insns_self 9 insns_total 9 stack 0\n\
        subprog 2 (firewall_tree6) global insns_self 535 insns_total 535 stack 40\nprocessed 7 insns";
    for log in [old, new] {
        assert_eq!(stack_depth(log), Some(vec![512, 0, 40]), "{log}");
    }
}

#[test]
fn the_deepest_calls_stay_below_what_every_kernel_allows() {
    skip_unless!("the_deepest_calls_stay_below_what_every_kernel_allows", Bpf);
    let mut found = BTreeMap::new();
    for (name, object) in objects() {
        let functions = Functions::read(object).unwrap();
        for program in functions.programs() {
            let depths = depths(object, &functions, program).unwrap();
            let depth = |function: &Function| depths[&function.name];
            for function in linked(&functions, program) {
                let Function { name, frame, .. } = function;
                assert_eq!(
                    depth(function),
                    *frame,
                    "{name}: told, and read in the object"
                );
            }
            for rounding in [WIDE, NARROW] {
                let chain = functions.deepest(program, rounding, &depth);
                println!("{name}, rounded to {rounding}: {chain}");
                assert!(chain.bytes() <= LIMIT, "{name}: {chain}, of {LIMIT}");
                if rounding == WIDE && name != "bench" {
                    found.insert(format!("{name} {}", program.name), chain.bytes());
                }
            }
        }
    }
    record::check(Figure::Stack, &found).unwrap();
}

/// For each function that any program calls, and the programs themselves.
#[test]
fn sixty_four_bytes_more_in_a_function_are_seen_by_the_kernel_and_refused_here() {
    skip_unless!(
        "sixty_four_bytes_more_in_a_function_are_seen_by_the_kernel_and_refused_here",
        Bpf
    );
    for (name, object) in objects() {
        let functions = Functions::read(object).unwrap();
        for program in functions.programs() {
            let before = functions.deepest(program, WIDE, &|function| function.frame);
            let mut names = before.frames.iter().map(|(name, _)| name);
            let has_frame = |name: &&String| functions.named(name).unwrap().frame > 0;
            let Some(lowest) = names.rfind(has_frame) else {
                continue;
            };
            let copy = grown(object, functions.named(lowest).unwrap(), 64).unwrap();
            let functions = Functions::read(&copy).unwrap();
            let program = functions.named(&program.name).unwrap();
            let depths = depths(&copy, &functions, program).unwrap();
            let after = functions.deepest(program, WIDE, &|function| depths[&function.name]);
            assert_eq!(after.bytes(), before.bytes() + 64, "{name}: {lowest}");
            let found = [(format!("{name} {}", program.name), after.bytes())].into();
            assert!(
                record::check(Figure::Stack, &found).is_err(),
                "{name}: {after}"
            );
        }
    }
}
