//! What is found: as JSON, an object a line, or as a table for people.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Where findings go.
pub struct Report {
    json: bool,
    begin: Instant,
    /// Everything found so far.
    pub findings: Vec<Value>,
    /// What each part took.
    phases: Vec<(String, Duration)>,
    heading: String,
}

impl Report {
    /// As JSON lines, or as tables.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            begin: Instant::now(),
            findings: Vec::new(),
            phases: Vec::new(),
            heading: String::new(),
        }
    }

    /// Progress, for people.
    pub fn say(&self, text: &str) {
        eprintln!("{:7.1} s  {text}", self.begin.elapsed().as_secs_f32());
    }

    /// Adds a finding. Its own fields come before those of `figures`.
    pub fn add(&mut self, finding: Value) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let line = match self.json {
            true => finding.to_string(),
            false => {
                let (heading, row) = row(&finding);
                if heading != self.heading {
                    writeln!(out, "\n{heading}")?;
                    self.heading = heading;
                }
                row
            }
        };
        // A reader who goes away ends the bench; that is his way to stop it.
        writeln!(out, "{line}").context("nobody reads the figures any more")?;
        self.findings.push(finding);
        Ok(())
    }

    /// Something that is left out, and why: one line, never silence.
    pub fn left_out(&mut self, bench: &str, what: &str, why: &str) -> Result<()> {
        self.add(json!({"bench": bench, "variant": what, "skipped": why}))
    }

    /// Does a part of the bench and notes what it took.
    pub fn phase<T>(&mut self, name: &str, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.say(name);
        let begin = Instant::now();
        let value = work(self).with_context(|| format!("in '{name}'"))?;
        self.phases.push((name.to_owned(), begin.elapsed()));
        Ok(value)
    }

    /// Says where the time went.
    pub fn end(&self) {
        eprintln!("Where the time went:");
        for (name, took) in &self.phases {
            eprintln!("{:7.1} s  {name}", took.as_secs_f32());
        }
        eprintln!("{:7.1} s  all of it", self.begin.elapsed().as_secs_f32());
    }
}

/// What stands first in a row, in this order.
const COLUMNS: [&str; 6] = ["variant", "added_ns", "ratio", "min", "max", "ns"];

/// What is in a heading, in this order.
const HEADINGS: [&str; 8] = [
    "bench", "what", "when", "family", "size", "set", "case", "cache",
];

/// A finding as the heading of its table and its row.
fn row(finding: &Value) -> (String, String) {
    let text = |name: &str| match finding.get(name)? {
        Value::String(text) => Some(text.clone()),
        number => Some(format!("{name} {number}")),
    };
    let heading: Vec<String> = HEADINGS.iter().filter_map(|name| text(name)).collect();
    let others = finding.as_object().into_iter().flatten();
    let others = others
        .map(|(name, _)| name.as_str())
        .filter(|name| !HEADINGS.contains(name) && !COLUMNS.contains(name));
    let cells: Vec<String> = COLUMNS
        .into_iter()
        .chain(others)
        .filter_map(|name| Some(cell(name, finding.get(name)?)))
        .collect();
    (heading.join(", "), cells.join("  "))
}

fn cell(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) if name == "variant" => format!("{text:<20}"),
        Value::String(text) => format!("{name} {text}"),
        number => format!("{name} {:>8}", short(number)),
    }
}

fn short(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if number.fract() != 0.0 && number.abs() < 1.0 => format!("{number:.4}"),
        Some(number) if number.fract() != 0.0 => format!("{number:.2}"),
        _ => value.to_string(),
    }
}

/// The middle one of `numbers`, the lowest and the highest.
pub fn spread(numbers: &[f64]) -> (f64, f64, f64) {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.as_slice() {
        [] => (f64::NAN, f64::NAN, f64::NAN),
        [lowest, .., highest] => (sorted[sorted.len() / 2], *lowest, *highest),
        [only] => (*only, *only, *only),
    }
}

/// Rounded to hundredths: more digits say nothing.
pub fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
