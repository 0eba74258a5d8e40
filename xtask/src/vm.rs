//! `vm`: the tests on other kernels, in guests under QEMU.
//!
//! A guest has nothing but memory: this machine's own small programs, the test programs and the product
//! built here, and a kernel of Debian. Nothing of it can be reached from outside, nor reaches out.

mod apt;
mod archive;
mod build;
mod checks;
mod guest;
mod kernel;
mod modules;
mod programs;
mod release;
mod report;
mod root;
mod table;

use std::{
    collections::BTreeSet,
    env,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{setup, test::tally::Tally};
use checks::{Plan, chosen};
use guest::End;
use kernel::{Kernel, MODULES};
pub use release::Series;
use report::Report;
use root::Root;
use table::Table;

/// What `cargo xtask test` boots: the oldest kernel that the product is made for, and the one that newer
/// routers have.
const DEFAULT: [Series; 2] = [Series::Of(6, 1), Series::Of(6, 12)];

/// For a guest, from its first instruction to its last; half of it is normal where nobody else works.
const LIMIT: Duration = Duration::from_secs(600);

/// The word for guests in `FIREWALL_REQUIRE`.
const NEED: &str = "guests";

/// Lines of a log that are shown where something is wrong.
const TAIL: usize = 40;

/// Runs guests with these kernels, or the usual ones, and `only` these test programs, or all; ends with a
/// line that counts all tests.
pub fn run(series: Vec<Series>, long: bool, only: &[String]) -> Result<ExitCode> {
    let plans = chosen(only, long)?;
    setup::run()?;
    let mut tally = Tally::default();
    let series = match series.is_empty() {
        true => usual(long),
        false => series,
    };
    let passed = guests(&series, &plans, &mut tally)?;
    if !passed {
        tally.end_in_failure();
    }
    print!("{tally}");
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The usual guests, as a part of all tests: whether nothing failed.
pub fn stage(long: bool, tally: &mut Tally) -> Result<bool> {
    guests(&usual(long), &chosen(&[], long)?, tally)
}

fn usual(long: bool) -> Vec<Series> {
    let newest = long.then_some(Series::Any);
    DEFAULT.into_iter().chain(newest).collect()
}

/// Gets what the usual guests need, as a part of `setup`.
pub fn prepare() {
    let prepared = require().and_then(|()| {
        let mut kernels = DEFAULT.into_iter();
        kernels.try_for_each(|series| Kernel::obtain(series).map(drop))
    });
    if let Err(error) = prepared {
        eprintln!("setup: {error:#}; the tests go on without guests");
    }
}

/// What every guest needs of this machine.
fn require() -> Result<()> {
    if env::consts::ARCH != "x86_64" {
        bail!(
            "guests are x86_64, and this machine is {}",
            env::consts::ARCH
        );
    }
    setup::run_for_guests()
}

/// Boots one guest after the other; whether nothing failed. What cannot be had is skipped by name.
fn guests(series: &[Series], plans: &[Plan], tally: &mut Tally) -> Result<bool> {
    if plans.iter().any(|plan| !plan.name.is_empty()) {
        setup::run_for_shapes();
    }
    let obtain = |&series| (series, require().and_then(|()| Kernel::obtain(series)));
    let kernels: Vec<(Series, Result<Kernel>)> = series.iter().map(obtain).collect();
    let roots = match kernels.iter().any(|(_, kernel)| kernel.is_ok()) {
        true => build_roots(plans)?,
        false => Vec::new(),
    };
    let mut table = Table::default();
    let mut passed = true;
    for (series, kernel) in kernels {
        match kernel {
            Ok(kernel) => {
                table.add(&kernel.series());
                for (plan, root) in plans.iter().zip(&roots) {
                    let (report, good) = Guest::new(series, plan)?.run(&kernel, root, tally)?;
                    table.take(plan.name, &report);
                    passed &= good;
                }
            }
            Err(error) => {
                table.add(&series.to_string());
                passed &= skip(series, &error, tally);
            }
        }
    }
    print!("{table}");
    Ok(passed)
}

fn build_roots(plans: &[Plan]) -> Result<Vec<Root>> {
    let checks = plans.iter().flat_map(|plan| &plan.checks);
    let targets: BTreeSet<&str> = checks.map(|check| check.target).collect();
    let built = build::build(&Vec::from_iter(targets))?;
    let root = |plan: &Plan| Root::new(&built, &plan.checks);
    plans.iter().map(root).collect()
}

/// A guest that cannot be had: whether that is allowed.
fn skip(series: Series, error: &anyhow::Error, tally: &mut Tally) -> bool {
    let required = env::var("FIREWALL_REQUIRE").unwrap_or_default();
    if required.split(',').any(|word| word.trim() == NEED) {
        eprintln!("vm: {series}: FAILED, it cannot be had, and {NEED} are required: {error:#}");
        return false;
    }
    eprintln!("vm: {series}: {error:#}");
    let line = format!("SKIPPED vm {series}: needs {NEED}");
    println!("{line}");
    tally.never_ran(line);
    true
}

/// What a guest runs, and where everything of it goes.
struct Guest<'a> {
    /// The kernel, and what tells it from other guests with it.
    name: String,
    plan: &'a Plan,
    folder: PathBuf,
}

impl<'a> Guest<'a> {
    fn new(series: Series, plan: &'a Plan) -> Result<Self> {
        let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let folder = target
            .unwrap_or_else(|| checkout().join("target"))
            .join("vm");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self {
            name: match plan.name {
                "" => series.to_string(),
                name => format!("{series}-{name}"),
            },
            plan,
            folder,
        })
    }

    fn path(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{}.{what}", self.name))
    }

    /// Boots it, passes on what it says; what it said, and whether all is well.
    fn run(&self, kernel: &Kernel, root: &Root, tally: &mut Tally) -> Result<(Report, bool)> {
        let Self { name, plan, .. } = self;
        let (archive, console, log) = (self.path("cpio"), self.path("console"), self.path("log"));
        let size = root.write(kernel, MODULES, &archive)?;
        eprintln!("vm: {name}: booting with {} MB of files", size >> 20);
        let mut command = guest::command(&kernel.image(), &archive, &console, plan.cards);
        let mut said = Said {
            guest: name,
            log: File::create(&log).with_context(|| format!("cannot write {}", log.display()))?,
            begin: Instant::now(),
            since: Instant::now(),
            report: Report::default(),
            tally,
        };
        let end = guest::watch(&mut command, LIMIT, |line| said.take(line))?;
        let seconds = said.begin.elapsed().as_secs_f32();
        let fault = self.fault(&end, &said.report, &console);
        match &fault {
            None => eprintln!("vm: {name}: all is well, {seconds:.1} s"),
            Some(fault) => eprintln!("vm: {name}: FAILED after {seconds:.1} s: {fault}"),
        }
        // A test that fails has said why.
        if fault.is_some() && !said.report.failed_only() {
            show(&[&log, &console]);
        }
        Ok((said.report, fault.is_none()))
    }

    /// What is wrong with a guest, the cause before what follows from it.
    fn fault(&self, end: &End, report: &Report, console: &Path) -> Option<String> {
        let console = fs::read(console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        if let Some(line) = report::fault_of_kernel(&console) {
            return Some(format!("its kernel says: {line}"));
        }
        match end {
            End::TimeLimit => Some(format!("it did not end within {} s", LIMIT.as_secs())),
            End::Itself(status) if !status.success() => Some(format!("QEMU ended with {status}")),
            End::Itself(_) => report.fault(&self.plan.checks),
        }
    }
}

/// Shows how logs end.
fn show(logs: &[&Path]) {
    for log in logs {
        let text = fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL)..];
        eprintln!("vm: the end of {}:\n{}", log.display(), tail.join("\n"));
    }
}

/// What a guest says, on its way to everybody who wants to know.
struct Said<'a> {
    guest: &'a str,
    log: File,
    begin: Instant,
    /// When it said something of its own last.
    since: Instant,
    report: Report,
    tally: &'a mut Tally,
}

impl Said<'_> {
    fn take(&mut self, line: &str) -> Result<()> {
        let seconds = self.begin.elapsed().as_secs_f32();
        writeln!(self.log, "{seconds:8.2} {line}").context("cannot write the log of a guest")?;
        self.report.take(line);
        if let Some(said) = line.strip_prefix("GUEST ") {
            self.announce(said);
        } else {
            let line = self.named(line);
            println!("{line}");
            self.tally.take(&line);
        }
        Ok(())
    }

    fn announce(&mut self, said: &str) {
        let seconds = self.since.elapsed().as_secs_f32();
        eprintln!("vm: {}: {said} ({seconds:.1} s)", self.guest);
        self.since = Instant::now();
    }

    /// The same test is skipped on each kernel for itself.
    fn named(&self, line: &str) -> String {
        match report::skipped(line) {
            Some(_) => line.replacen("SKIPPED ", &format!("SKIPPED vm {} ", self.guest), 1),
            None => line.to_owned(),
        }
    }
}

/// The folder that all of this is in.
fn checkout() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}
