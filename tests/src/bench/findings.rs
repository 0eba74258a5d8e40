//! Findings, asked by what they are of.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;

/// Everything found in a run.
#[derive(Clone, Copy)]
pub struct Findings<'a>(pub &'a [Value]);

impl<'a> Findings<'a> {
    /// Those that have all these texts or numbers in these fields.
    pub fn of(self, fields: &'a [(&'a str, Value)]) -> impl Iterator<Item = &'a Value> {
        let has = move |it: &&Value| fields.iter().all(|(name, value)| it[*name] == *value);
        self.0.iter().filter(has)
    }

    /// A number of the first of those.
    pub fn number(self, fields: &[(&str, Value)], name: &str) -> Option<f64> {
        let has = |it: &&Value| fields.iter().all(|(field, value)| it[*field] == *value);
        self.0.iter().find(has)?.get(name)?.as_f64()
    }

    /// What a packet of `case` adds to the baseline, nanoseconds.
    pub fn packet(self, variant: &str, key: Key, name: &str) -> Option<f64> {
        let fields = [
            ("bench", "packet".into()),
            ("variant", variant.into()),
            ("family", key.family.into()),
            ("size", key.size.into()),
            ("set", key.set.into()),
            ("case", key.case.into()),
            ("cache", key.cache.into()),
        ];
        self.number(&fields, name)
    }

    /// Every value of a field among findings of one kind, each once, in the order of the run.
    pub fn values(self, bench: &str, name: &str) -> Vec<Value> {
        let mut values: Vec<Value> = Vec::new();
        let of_bench = self.0.iter().filter(|it| it["bench"] == bench);
        for value in of_bench.filter_map(|it| it.get(name)) {
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        values
    }
}

/// The findings that a run printed with `--json`.
pub fn read(path: &Path) -> Result<Vec<Value>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines()
        .map(|line| {
            serde_json::from_str(line)
                .with_context(|| format!("{} is no output of 'bench --json'", path.display()))
        })
        .collect()
}

/// What a packet figure is of.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// 4 or 6.
    pub family: u8,
    /// Entries of the list.
    pub size: u64,
    /// How they are spread.
    pub set: &'a str,
    /// Which packets.
    pub case: &'a str,
    /// Cold or warm.
    pub cache: &'a str,
}

/// 1000000 as 1M.
pub fn short(size: u64) -> String {
    match size {
        0..1_000 => size.to_string(),
        1_000..1_000_000 if size.is_multiple_of(1000) => format!("{}k", size / 1000),
        1_000..1_000_000 => format!("{:.1}k", size as f64 / 1e3),
        _ if size.is_multiple_of(1_000_000) => format!("{}M", size / 1_000_000),
        _ => format!("{:.2}M", size as f64 / 1e6),
    }
}
