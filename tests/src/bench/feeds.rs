//! (d) Feeds: many of them to force, again when nothing changed, and text alone; against `iprange` on the
//! same files, which reads, merges and prints, and puts nothing in force.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tests::product::{Product, binary};

use crate::{
    Plan,
    family::Prefix,
    lists::{Clustered, List, length4},
    peer::{is_there, text},
    report::{Report, spread},
    scene::{FILTERED, Scene},
    watch::{self, Took},
};

/// Feeds that the entries are dealt to.
const FEEDS: usize = 10;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// All of it.
pub fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let size = plan.feeds_size;
    let list = List::generate(size, Clustered::new(), length4);
    let folder = tempfile::Builder::new()
        .prefix("firewall-bench-")
        .tempdir()?;
    let files = deal(&list.entries, folder.path())?;
    let whole = folder.path().join("whole.txt");
    fs::write(&whole, lines(&list.entries))?;

    let mut all = [Vec::new(), Vec::new()];
    for _ in 0..plan.rounds.min(5) {
        let (first, again) = update(&files)?;
        all[0].push(first);
        all[1].push(again);
    }
    let [first, again] = &all;
    row(report, "firewall", "10 feeds to enforced", size, first)?;
    row(report, "firewall", "10 feeds, nothing changed", size, again)?;
    let parse = || {
        let mut parse = Command::new(binary()?);
        parse
            .args(["feeds", "parse", "--format", "plain"])
            .arg(&whole);
        Ok(parse)
    };
    let parsed = several(plan, parse)?;
    row(report, "firewall", "feeds parse, one file", size, &parsed)?;
    if !is_there("iprange") {
        return report.left_out("feeds", "iprange", "there is no 'iprange'");
    }
    let iprange = |files: &[PathBuf]| {
        let mut merge = Command::new("iprange");
        merge.args(files);
        Ok(merge)
    };
    let merged = several(plan, || iprange(&files))?;
    row(
        report,
        "iprange",
        "10 files merged and printed",
        size,
        &merged,
    )?;
    let merged = several(plan, || iprange(std::slice::from_ref(&whole)))?;
    row(
        report,
        "iprange",
        "one file merged and printed",
        size,
        &merged,
    )
}

/// Every tenth entry to each of the files.
fn deal(entries: &[Prefix<u32>], folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    let write = |number: usize| {
        let dealt = entries.iter().skip(number).step_by(FEEDS).copied();
        let path = folder.join(format!("{number}.txt"));
        fs::write(&path, lines(&dealt.collect::<Vec<_>>()))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    };
    (0..FEEDS).map(write).collect()
}

fn lines(entries: &[Prefix<u32>]) -> String {
    text(entries, |text, entry| {
        text.push_str(entry);
        text.push('\n');
    })
}

/// A first update of feeds that nothing is known of, and another one.
fn update(files: &[PathBuf]) -> Result<(Took, Took)> {
    let scene = Scene::new("feeds")?;
    let interfaces = format!("interfaces = ['{FILTERED}']\n");
    let product = Product::new(&binary()?, &interfaces)?;
    // The filter stays in force, and nobody fetches of his own accord.
    product.start(&scene.namespace)?.stop()?;
    let feed = |(number, path): (usize, &PathBuf)| {
        format!(
            "[[feed]]\nname = 'feed{number}'\nmax_coverage = 4294967296\npath = {path:?}\n\
             mode = 'enforce'\n"
        )
    };
    let feeds: String = files.iter().enumerate().map(feed).collect();
    product.configure(&format!("{interfaces}{feeds}"))?;
    let took = || {
        watch::run(
            &scene.namespace,
            product.command(&["feeds", "update"]),
            PATIENCE,
        )
    };
    let first = took()?;
    let before = generations(&product)?;
    let again = took()?;
    let after = generations(&product)?;
    ensure!(
        before == after,
        "nothing changed, but {before:?} became {after:?}"
    );
    Ok((first, again))
}

/// The generations that there are records of.
fn generations(product: &Product) -> Result<Vec<std::ffi::OsString>> {
    let folder = fs::read_dir(product.state().join("generations"))?;
    let mut names: Vec<_> = folder
        .map(|it| Ok(it?.file_name()))
        .collect::<Result<_>>()?;
    names.sort_unstable();
    Ok(names)
}

fn several(plan: &Plan, command: impl Fn() -> Result<Command>) -> Result<Vec<Took>> {
    let scene = Scene::new("text")?;
    let run = |_| watch::run(&scene.namespace, command()?, PATIENCE);
    (0..plan.rounds.min(5)).map(run).collect()
}

fn row(report: &mut Report, variant: &str, what: &str, size: usize, took: &[Took]) -> Result<()> {
    let seconds: Vec<f64> = took.iter().map(|it| it.wall.as_secs_f64()).collect();
    let (median, lowest, highest) = spread(&seconds);
    report.add(json!({
        "bench": "feeds",
        "what": what,
        "variant": variant,
        "size": size,
        "seconds": median,
        "min": lowest,
        "max": highest,
        "rounds": seconds.len(),
        "peak_rss_bytes": took.iter().map(|it| it.peak_bytes).max(),
    }))
}
