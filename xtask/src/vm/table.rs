//! What became of each test on each kernel, as a table.

use std::fmt;

use super::report::{Outcome, Report};

/// Columns of a terminal.
const WIDTH: usize = 80;
/// Of them for a kernel.
const CELL: usize = 9;
/// Before the name of a test, and before what is left of it on a second line.
const INDENT: &str = "  ";

/// Kernels across, tests down.
#[derive(Debug, Default)]
pub struct Table {
    kernels: Vec<String>,
    rows: Vec<Row>,
}

/// A test, and what became of it on each kernel; on kernels that are missing at the end it never ran.
#[derive(Debug)]
struct Row {
    program: String,
    test: String,
    outcomes: Vec<Option<Outcome>>,
}

impl Table {
    /// Adds a kernel. One that never ran gets no report.
    pub fn add(&mut self, kernel: &str) {
        self.kernels.push(kernel.to_owned());
    }

    /// Adds what a guest with the kernel that was added last has reported; `guest` tells it from other guests
    /// with that kernel.
    pub fn take(&mut self, guest: &str, report: &Report) {
        let kernels = self.kernels.len();
        for run in &report.runs {
            let program = match guest {
                "" => run.program.clone(),
                _ => format!("{}, {guest}", run.program),
            };
            for (test, outcome) in &run.tests {
                let row = self.row(&program, test);
                row.outcomes.resize(kernels, None);
                row.outcomes[kernels - 1] = Some(*outcome);
            }
        }
    }

    fn row(&mut self, program: &str, test: &str) -> &mut Row {
        let is_it = |row: &Row| row.program == program && row.test == test;
        let index = self.rows.iter().position(is_it).unwrap_or_else(|| {
            // Tests of a program stay together.
            let last = self.rows.iter().rposition(|row| row.program == program);
            let place = last.map_or(self.rows.len(), |last| last + 1);
            let row = Row {
                program: program.to_owned(),
                test: test.to_owned(),
                outcomes: Vec::new(),
            };
            self.rows.insert(place, row);
            place
        });
        &mut self.rows[index]
    }

    fn line(&self, words: &str, cells: impl Iterator<Item = String>) -> String {
        let width = WIDTH - CELL * self.kernels.len();
        let cells: String = cells.map(|cell| format!("{cell:>CELL$}")).collect();
        let mut lines = wrap(words, width);
        if let Some(last) = lines.last_mut() {
            *last = format!("{last:width$}{cells}");
        }
        lines.join("\n")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        writeln!(
            formatter,
            "{}",
            self.line("Linux", self.kernels.iter().cloned())
        )?;
        let mut program = "";
        for row in &self.rows {
            if row.program != program {
                program = &row.program;
                writeln!(formatter, "{program}")?;
            }
            let cell = |index| word(row.outcomes.get(index).copied().flatten()).to_owned();
            let cells = (0..self.kernels.len()).map(cell);
            let words = row.test.replace("::", ": ").replace('_', " ");
            writeln!(
                formatter,
                "{}",
                self.line(&format!("{INDENT}{words}"), cells)
            )?;
        }
        Ok(())
    }
}

const fn word(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Passed) => "ok",
        Some(Outcome::Failed) => "FAILED",
        Some(Outcome::Skipped) => "skipped",
        None => "–",
    }
}

/// Lines of at most `width` characters; those after the first are indented further.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![text[..text.len() - text.trim_start().len()].to_owned()];
    let mut is_first = true;
    for word in text.split_whitespace() {
        let line = lines
            .last_mut()
            .filter(|line| line.len() + 1 + word.len() <= width);
        match line {
            Some(line) if is_first => line.push_str(word),
            Some(line) => *line = format!("{line} {word}"),
            None => lines.push(format!("{INDENT}{INDENT}{word}")),
        }
        is_first = false;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str) -> Report {
        let mut report = Report::default();
        text.lines().for_each(|line| report.take(line));
        report
    }

    #[test]
    fn each_test_has_a_row_and_each_kernel_a_column() {
        let old = "GUEST runs force\ntest a::b_c ... ok\ntest tcx ... ok\nSKIPPED tcx: needs tcx\n\
            GUEST runs trace\ntest logs ... ok\n";
        let new = "GUEST runs force\ntest a::b_c ... FAILED\ntest tcx ... ok\ntest new ... ok\n";
        let mut table = Table::default();
        assert_eq!(table.to_string(), "");
        table.add("6.1");
        table.take("", &report(old));
        table.add("6.12");
        table.take("", &report(new));
        table.take("vmxnet3", &report("GUEST runs force\ntest a::b_c ... ok\n"));
        table.add("7.3");
        let expected = "\
Linux                                                      6.1     6.12      7.3
force
  a: b c                                                    ok   FAILED        –
  tcx                                                  skipped       ok        –
  new                                                        –       ok        –
trace
  logs                                                      ok        –        –
force, vmxnet3
  a: b c                                                     –       ok        –
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn a_long_name_goes_on_in_a_second_line_and_none_is_wider_than_a_terminal() {
        let name = "namespaces::what_comes_in_by_a_device_without_ethernet_header_is_judged_at_tcx";
        let mut table = Table::default();
        table.add("6.1");
        table.take("", &report(&format!("GUEST runs a\ntest {name} ... ok\n")));
        table.add("6.12");
        let text = table.to_string();
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        let words: Vec<&str> = text
            .lines()
            .skip(2)
            .flat_map(str::split_whitespace)
            .collect();
        let said = name.replace("::", ": ").replace('_', " ") + " ok –";
        assert_eq!(words.join(" "), said);
    }
}
