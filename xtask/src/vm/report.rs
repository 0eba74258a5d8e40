//! What a guest says while it runs, line by line, and whether that is all it should say.

use super::checks::Check;
use crate::test::tally;

/// What the first process of a guest begins its own lines with.
const GUEST: &str = "GUEST ";

/// What became of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It said that this kernel or this guest lacks something.
    Skipped,
}

/// One test program.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Its name.
    pub program: String,
    /// Its tests by name, those aside that it ignored.
    pub tests: Vec<(String, Outcome)>,
    /// How many tests passed or failed by its own count.
    counted: usize,
    /// What it ended with.
    code: Option<i32>,
}

/// Everything that a guest said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The kernel, as that names itself.
    pub release: Option<String>,
    /// The test programs that were started.
    pub runs: Vec<Run>,
    ended: bool,
    /// What the first process could not do.
    troubles: Vec<String>,
}

impl Report {
    /// Takes in a line of a guest.
    pub fn take(&mut self, line: &str) {
        match line.strip_prefix(GUEST) {
            Some(said) => self.of_guest(said),
            None => {
                if let Some(run) = self.runs.last_mut() {
                    run.take(line);
                }
            }
        }
    }

    fn of_guest(&mut self, said: &str) {
        if let Some(release) = said.strip_prefix("began ") {
            self.release = Some(release.to_owned());
        } else if let Some(program) = said.strip_prefix("runs ") {
            self.runs.push(Run {
                program: program.to_owned(),
                ..Run::default()
            });
        } else if let (Some((program, code)), Some(run)) = (ran(said), self.runs.last_mut())
            && run.program == program
        {
            run.code = Some(code);
        } else if said == "ended" {
            self.ended = true;
        } else {
            self.troubles.push(said.to_owned());
        }
    }

    /// Whether all that is wrong is tests that failed: the guest itself came to its end.
    pub fn failed_only(&self) -> bool {
        self.ended && self.runs.iter().any(Run::failed)
    }

    /// Whether every check ran, ended and passed; if not, what is wrong first.
    pub fn fault(&self, checks: &[&Check]) -> Option<String> {
        if self.release.is_none() {
            return Some("it never got to the tests".to_owned());
        }
        if let Some(trouble) = self.troubles.first() {
            return Some(format!("its first process: {trouble}"));
        }
        let fault = |check: &&Check| {
            let run = self.runs.iter().find(|run| run.program == check.target);
            match run {
                Some(run) => run.fault(check),
                None => Some(format!("{} never ran", check.target)),
            }
        };
        let fault = checks.iter().find_map(fault);
        fault.or_else(|| (!self.ended).then(|| "it ended before its last line".to_owned()))
    }
}

impl Run {
    fn take(&mut self, line: &str) {
        if let Some((name, outcome)) = test(line) {
            self.tests.push((name.to_owned(), outcome));
        } else if let Some(name) = skipped(line) {
            self.skip(name);
        } else if let Some((passed, failed)) = tally::numbers(line) {
            self.counted += passed + failed;
        }
    }

    /// A test that lacks something passes and says so; it names itself without its module.
    fn skip(&mut self, name: &str) {
        for (test, outcome) in &mut self.tests {
            if test.rsplit("::").next() == Some(name) {
                *outcome = Outcome::Skipped;
            }
        }
    }

    fn failed(&self) -> bool {
        let is_failed = |(_, outcome): &(_, Outcome)| *outcome == Outcome::Failed;
        self.tests.iter().any(is_failed)
    }

    fn fault(&self, check: &Check) -> Option<String> {
        let Self { program, .. } = self;
        let Some(code) = self.code else {
            return Some(format!("{program} never ended"));
        };
        if code != 0 || self.failed() {
            return Some(format!("{program} FAILED and ended with {code}"));
        }
        let is_there = |only: &&&str| self.tests.iter().any(|(name, _)| name.contains(**only));
        if let Some(unknown) = check.only.iter().find(|only| !is_there(only)) {
            return Some(format!("{program} has no test called {unknown}"));
        }
        let (named, counted) = (self.tests.len(), self.counted);
        match named {
            0 => Some(format!("{program} has no test")),
            _ if named == counted => None,
            _ => Some(format!(
                "{program} counts {counted} tests and names {named}"
            )),
        }
    }
}

/// The name in a line of the test runner about one test, and what became of it.
fn test(line: &str) -> Option<(&str, Outcome)> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    match outcome {
        "ok" => Some((name, Outcome::Passed)),
        "FAILED" => Some((name, Outcome::Failed)),
        _ => None,
    }
}

/// The name in `SKIPPED name: needs X`.
pub fn skipped(line: &str) -> Option<&str> {
    Some(line.strip_prefix("SKIPPED ")?.split_once(": ")?.0)
}

/// Program and code in `ran verdicts, which ended with 101`.
fn ran(said: &str) -> Option<(&str, i32)> {
    let said = said.strip_prefix("ran ")?;
    let (program, code) = said.split_once(", which ended with ")?;
    Some((program, code.parse().ok()?))
}

/// What begins a line of the kernel's log about something that must not happen.
const FAULTS: [&str; 6] = [
    "BUG: ",
    "Kernel panic",
    "Oops",
    "WARNING: ",
    "general protection fault",
    "invoked oom-killer",
];

/// What a kernel warns of when a driver refuses to give a program back, as virtio_net of Linux 6.1 does at a
/// large MTU; a test says what comes of it.
const REFUSED_DETACH: &str = "bpf_xdp_link_release";

/// The first line of the kernel's log that tells of a fault of it.
pub fn fault_of_kernel(console: &str) -> Option<&str> {
    let is_fault = |line: &&str| {
        FAULTS.iter().any(|fault| line.contains(fault)) && !line.contains(REFUSED_DETACH)
    };
    console.lines().find(is_fault).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn checks() -> [&'static Check; 2] {
        [
            &Check {
                target: "budget",
                only: &[],
                except: &[],
            },
            &Check {
                target: "namespaces",
                only: &["force::", "wishes::one"],
                except: &[],
            },
        ]
    }

    const WHOLE: &str = "\
        GUEST began 6.12.117+deb12-amd64\n\
        GUEST runs budget\n\
        running 1 test\n\
        test the_verifier ... ok\n\
        test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s\n\
        GUEST ran budget, which ended with 0\n\
        GUEST runs namespaces\n\
        test force::a_restart ... ok\n\
        test force::a_kill ... ok\n\
        test swap_flood::a_thousand ... ignored, takes minutes\n\
        test wishes::one_port ... ok\n\
        ---- force::a_restart stdout ----\n\
        SKIPPED a_restart: needs tcx\n\
        test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 9 filtered out; finished in 1s\n\
        GUEST ran namespaces, which ended with 0\n\
        GUEST ended\n";

    fn report(text: &str) -> Report {
        let mut report = Report::default();
        text.lines().for_each(|line| report.take(line));
        report
    }

    #[test]
    fn tests_of_a_guest_are_told_apart() {
        let report = report(WHOLE);
        assert_eq!(report.fault(&checks()), None);
        assert_eq!(report.release.as_deref(), Some("6.12.117+deb12-amd64"));
        let names = |run: &Run| run.tests.iter().map(|it| it.0.clone()).collect::<Vec<_>>();
        assert_eq!(names(&report.runs[0]), ["the_verifier"]);
        let expected = [
            ("force::a_restart", Outcome::Skipped),
            ("force::a_kill", Outcome::Passed),
            ("wishes::one_port", Outcome::Passed),
        ];
        assert_eq!(
            report.runs[1].tests,
            expected.map(|(name, it)| (name.to_owned(), it))
        );
    }

    #[test]
    fn whatever_is_missing_from_what_a_guest_says_is_a_fault() {
        let without = |words: &str| {
            let lines = WHOLE.lines().filter(|line| !line.contains(words));
            lines.map(|line| format!("{line}\n")).collect::<String>()
        };
        for (text, fault) in [
            (String::new(), "it never got to the tests"),
            (without("began"), "it never got to the tests"),
            (
                without("runs namespaces"),
                "its first process: ran namespaces",
            ),
            (without(" namespaces"), "namespaces never ran"),
            (without("ran namespaces"), "namespaces never ended"),
            (without("the_verifier"), "budget has no test"),
            (without("a_kill"), "namespaces counts 3 tests and names 2"),
            (
                without("wishes"),
                "namespaces has no test called wishes::one",
            ),
            (without("GUEST ended"), "it ended before its last line"),
        ] {
            let found = report(&text).fault(&checks()).unwrap_or_default();
            assert!(found.starts_with(fault), "{found}: {text}");
        }
    }

    #[test]
    fn what_a_guest_says_is_wrong_is_a_fault() {
        for (old, new, fault) in [
            (
                "GUEST runs budget",
                "GUEST cannot load /m\nGUEST runs budget",
                "its first process: cannot load /m",
            ),
            (
                "wishes::one_port ... ok",
                "wishes::one_port ... FAILED",
                "namespaces FAILED and ended with 0",
            ),
            (
                "budget, which ended with 0",
                "budget, which ended with 101",
                "budget FAILED and ended with 101",
            ),
        ] {
            let found = report(&WHOLE.replace(old, new)).fault(&checks());
            assert_eq!(found.as_deref().unwrap_or_default(), fault);
        }
    }

    #[test]
    fn where_tests_failed_the_guest_may_be_well() {
        let failed = WHOLE.replace("wishes::one_port ... ok", "wishes::one_port ... FAILED");
        assert!(report(&failed).failed_only());
        assert!(!report(&failed.replace("GUEST ended", "")).failed_only());
        assert!(!report(WHOLE).failed_only());
    }

    #[test]
    fn faults_of_the_kernel_are_found_in_its_log() {
        let quiet = "[    0.8] acpi PNP0A03:00: fail to add MMCONFIG information\n\
            [  1.0] WARNING: CPU: 0 PID: 1 at net/core/dev.c:9453 bpf_xdp_link_release+0x151/0x160\n\
            [    1.1] Unstable clock detected, switching\n[ 29.9] reboot: Power down\n";
        assert_eq!(fault_of_kernel(quiet), None);
        for fault in [
            "[  570.2] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI",
            "[  1.0] Kernel panic - not syncing: Attempted to kill init!",
            "[  1.0] WARNING: CPU: 0 PID: 1 at net/core/dev.c:9500 dev_xdp_uninstall+0x1/0x2",
            "[  1.0] BUG: kernel NULL pointer dereference",
            "[  1.0] namespaces invoked oom-killer: gfp_mask=0x1",
        ] {
            let log = format!("{quiet}{fault}\r\n{quiet}");
            assert_eq!(fault_of_kernel(&log), Some(fault));
        }
    }
}
