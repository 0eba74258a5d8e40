//! Writes what was found into `docs/performance.md`, between two marks, and the plots beside it.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    findings::{Findings, Key, short},
    plot, targets,
};

const BEGIN: &str = "<!-- figures: written by 'cargo xtask bench --write-docs' -->\n";
const END: &str = "<!-- end of figures -->\n";

/// Replaces the figures of the document.
pub fn write(findings: &[Value]) -> Result<()> {
    let findings = Findings(findings);
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"));
    for family in [4, 6] {
        if let Some(svg) = plot::draw(findings, family) {
            let path = folder.join(format!("cost-ipv{family}.svg"));
            fs::write(&path, svg).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    let path = folder.join("performance.md");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let marks = || format!("{} has lost its marks for figures", path.display());
    let (before, rest) = text.split_once(BEGIN).with_context(marks)?;
    let (_, after) = rest.split_once(END).with_context(marks)?;
    let text = format!("{before}{BEGIN}{}{END}{after}", figures(findings));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn figures(findings: Findings) -> String {
    let mut text = machine(findings);
    let _ = write!(
        text,
        "\n### Asked and found\n\n{}",
        targets::table(findings)
    );
    for family in [4, 6] {
        let svg = format!("cost-ipv{family}.svg");
        let _ = writeln!(
            text,
            "\n### A packet, IPv{family}\n\n![cost by size]({svg})"
        );
        for set in findings.values("packet", "set") {
            packets(
                &mut text,
                findings,
                family,
                set.as_str().unwrap_or_default(),
            );
        }
    }
    counted(&mut text, findings);
    end_to_end(&mut text, findings);
    loads(&mut text, findings);
    feeds(&mut text, findings);
    skipped(&mut text, findings);
    text
}

fn machine(findings: Findings) -> String {
    let mut text = String::new();
    for name in findings.of(&[("what", "name".into())]) {
        let _ = writeln!(
            text,
            "Taken on {} with {} cores{}, Linux {}.",
            name["cpu"].as_str().unwrap_or("an unknown CPU"),
            name["cores"],
            if name["virtual"] == true {
                ", a virtual machine"
            } else {
                ""
            },
            name["kernel"].as_str().unwrap_or("unknown"),
        );
    }
    let rounds = findings.values("packet", "rounds");
    if let Some(rounds) = rounds.first() {
        let _ = writeln!(text, "Figures of packets are medians of {rounds} rounds.");
    }
    let _ = writeln!(
        text,
        "\nA dependent read within so many bytes, before and after the run, ns:\n\n| KiB | before | \
         after |\n|---:|---:|---:|"
    );
    let latency = [("what", "read latency".into()), ("when", "before".into())];
    for before in findings.of(&latency) {
        let after = [("when", "after".into()), ("kib", before["kib"].clone())];
        let after = findings.number(&after, "ns").unwrap_or(f64::NAN);
        let _ = writeln!(text, "| {} | {} | {after} |", before["kib"], before["ns"]);
    }
    text
}

/// Cost of the product and, after a slash, of the trie; by case and size.
fn packets(text: &mut String, findings: Findings, family: u8, set: &str) {
    let sizes = findings.values("packet", "size");
    let key = |size: &Value, case, cache| Key {
        family,
        size: size.as_u64().unwrap_or(0),
        set,
        case,
        cache,
    };
    let is_there = |size: &&Value| {
        let key = key(size, "far-miss", "cold");
        findings.packet("firewall", key, "added_ns").is_some()
    };
    let sizes: Vec<&Value> = sizes.iter().filter(is_there).collect();
    if sizes.is_empty() {
        return;
    }
    let heads: Vec<String> = sizes
        .iter()
        .map(|size| short(size.as_u64().unwrap_or(0)))
        .collect();
    let _ = writeln!(
        text,
        "\n{set}: ns added over walk and parse, median (lowest to highest of the rounds); after the \
         slash the same of the LPM trie\n\n| packets | {} |\n|---|{}",
        heads.join(" | "),
        "---:|".repeat(sizes.len())
    );
    for case in ["far-miss", "near-miss", "hit-source", "hit-destination"] {
        for cache in ["cold", "warm"] {
            let cells: Vec<String> = sizes
                .iter()
                .map(|size| cell(findings, key(size, case, cache)))
                .collect();
            let _ = writeln!(text, "| {case}, {cache} | {} |", cells.join(" | "));
        }
    }
}

fn cell(findings: Findings, key: Key) -> String {
    let figure = |variant, name| findings.packet(variant, key, name);
    let own = ["added_ns", "min", "max"].map(|it| figure("firewall", it).unwrap_or(f64::NAN));
    let [added, lowest, highest] = own;
    let trie = figure("lpm", "added_ns").map_or("–".to_owned(), |it| format!("{it:.0}"));
    format!("**{added:.0}** ({lowest:.0} to {highest:.0}) / {trie}")
}

fn counted(text: &mut String, findings: Findings) {
    let _ = writeln!(
        text,
        "\n### Counters and ledger\n\nns added over the verdict alone, IPv4\n\n| packets | variant | \
         median | lowest | highest |\n|---|---|---:|---:|---:|"
    );
    for row in findings.of(&[("baseline", "firewall".into())]) {
        if row["variant"] == "firewall" {
            continue;
        }
        let _ = writeln!(
            text,
            "| {}, {} | {} | {} | {} | {} |",
            plain(&row["case"]),
            plain(&row["cache"]),
            plain(&row["variant"]),
            row["added_ns"],
            row["min"],
            row["max"]
        );
    }
}

fn end_to_end(text: &mut String, findings: Findings) {
    let _ = writeln!(
        text,
        "\n### End to end\n\nMillion packets in a second of CPU time, sender included (lowest to \
         highest); how many times as many this filter handles\n\n| list | traffic | filter | Mpps | \
         times |\n|---|---|---|---:|---:|"
    );
    for row in findings.of(&[("bench", "end-to-end".into())]) {
        if row.get("skipped").is_some() {
            continue;
        }
        let _ = writeln!(
            text,
            "| {} {} | {} | {} | {} ({} to {}) | {} |",
            short(row["size"].as_u64().unwrap_or(0)),
            plain(&row["set"]),
            plain(&row["case"]),
            plain(&row["variant"]),
            row["mpps"],
            row["min"],
            row["max"],
            row["firewall_ratio"],
        );
    }
}

fn loads(text: &mut String, findings: Findings) {
    let _ = writeln!(
        text,
        "\n### Load and memory\n\n| filter | entries | what | median | lowest | highest \
         |\n|---|---:|---|---:|---:|---:|"
    );
    for row in findings.of(&[("bench", "load".into())]) {
        let (unit, median) = match (row.get("seconds"), row.get("milliseconds")) {
            (Some(seconds), _) => ("s", seconds),
            (_, Some(milliseconds)) => ("ms", milliseconds),
            _ => continue,
        };
        let number = |value: &Value| format!("{:.3}", value.as_f64().unwrap_or(f64::NAN));
        let _ = writeln!(
            text,
            "| {} | {} | {}, {unit} | {} | {} | {} |",
            plain(&row["variant"]),
            row["size"].as_u64().map_or("–".to_owned(), short),
            plain(&row["what"]),
            number(median),
            number(&row["min"]),
            number(&row["max"]),
        );
    }
    let _ = writeln!(
        text,
        "\n| filter | entries | list | kernel, bytes per entry | peak of the loading process, MB \
         |\n|---|---:|---|---:|---:|"
    );
    for row in findings.of(&[("bench", "memory".into()), ("what", "loaded".into())]) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.0} |",
            plain(&row["variant"]),
            short(row["size"].as_u64().unwrap_or(0)),
            plain(&row["set"]),
            row["bytes_per_entry"],
            row["peak_rss_bytes"].as_f64().unwrap_or(f64::NAN) / 1e6,
        );
    }
}

fn feeds(text: &mut String, findings: Findings) {
    let _ = writeln!(
        text,
        "\n### Feeds\n\n| program | what | entries | median, s | lowest | highest | peak, MB \
         |\n|---|---|---:|---:|---:|---:|---:|"
    );
    for row in findings.of(&[("bench", "feeds".into())]) {
        if row.get("skipped").is_some() {
            continue;
        }
        let number = |field: &str| row[field].as_f64().unwrap_or(f64::NAN);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.3} | {:.3} | {:.3} | {:.0} |",
            plain(&row["variant"]),
            plain(&row["what"]),
            short(row["size"].as_u64().unwrap_or(0)),
            number("seconds"),
            number("min"),
            number("max"),
            number("peak_rss_bytes") / 1e6,
        );
    }
}

fn skipped(text: &mut String, findings: Findings) {
    let skipped = findings.0.iter().filter(|it| it.get("skipped").is_some());
    for row in skipped {
        let _ = writeln!(
            text,
            "\nLeft out of {}: {} ({}).",
            plain(&row["bench"]),
            plain(&row["variant"]),
            plain(&row["skipped"])
        );
    }
}

fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or("–")
}
