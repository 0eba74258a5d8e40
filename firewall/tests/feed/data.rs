//! The formats on real feeds. The data is not part of the project: it lies in `../shared/feeds` or
//! where `FIREWALL_FEED_DATA` says, and without it the tests are skipped.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use firewall::{
    feed::{
        decompress::decompress,
        format::{self, Format},
        guard,
    },
    protected::{Kind, Protected},
};
use serde::Deserialize;

const LIMIT: usize = 256 << 20;

#[derive(Deserialize)]
struct Sample {
    file: String,
    format: Option<String>,
    counted: Option<Counted>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Counted {
    lines: Option<usize>,
    comments: usize,
    blank: usize,
    entries: usize,
    v4: usize,
    v6: usize,
    unique: usize,
    hostbits: usize,
}

/// Where the data lies unless `FIREWALL_FEED_DATA` says otherwise.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/feeds");

/// The folder and what its manifest says, or nothing where the data is missing and `test` is to be
/// skipped.
fn samples(test: &str) -> Option<(PathBuf, Vec<Sample>)> {
    let folder = std::env::var_os("FIREWALL_FEED_DATA");
    let folder = folder.map_or_else(|| PathBuf::from(DATA), PathBuf::from);
    let Ok(manifest) = fs::read(folder.join("manifest.json")) else {
        skip(test, "feeds");
        return None;
    };
    Some((folder, serde_json::from_slice(&manifest).unwrap()))
}

/// Says that `test` cannot run without `need`, in the form that `cargo xtask test` collects; fails
/// it where `FIREWALL_REQUIRE` insists (CONTRIBUTING.md).
fn skip(test: &str, need: &str) {
    let required = std::env::var("FIREWALL_REQUIRE").unwrap_or_default();
    let insists = required.split(',').any(|required| required == need);
    assert!(
        !insists,
        "{test} needs {need}, and FIREWALL_REQUIRE names it"
    );
    println!("SKIPPED {test}: needs {need}");
}

/// The format that a name in the manifest stands for.
fn format_of(name: &str) -> Option<Format> {
    match name {
        "plain"
        | "plain sorted"
        | "plain (confidence order)"
        | "plain-inline-comment"
        | "plain-trailing-space"
        | "cidr"
        | "cidr-#"
        | "netset"
        | "spamhaus-txt" => Some(Format::Plain),
        "ndjson-spamhaus" => Some(Format::SpamhausJson),
        "csv-feodo" => Some(Format::FeodoCsv),
        _ => None,
    }
}

fn content(folder: &Path, sample: &Sample) -> Vec<u8> {
    decompress(&fs::read(folder.join(&sample.file)).unwrap(), LIMIT)
        .unwrap()
        .into_owned()
}

fn count(format: Format, content: &[u8]) -> Counted {
    let parsed = format::parse(format, content).unwrap();
    assert_eq!(parsed.rejected, []);
    Counted {
        lines: Some(parsed.lines),
        comments: parsed.comments,
        blank: parsed.blank,
        entries: parsed.entries,
        v4: parsed.v4.len(),
        v6: parsed.v6.len(),
        unique: parsed.unique(),
        hostbits: parsed.masked,
    }
}

#[test]
fn counts_are_those_of_the_manifest() {
    let Some((folder, samples)) = samples("counts_are_those_of_the_manifest") else {
        return;
    };
    for sample in &samples {
        let Some(format) = sample.format.as_deref().and_then(format_of) else {
            continue;
        };
        let content = content(&folder, sample);
        assert_eq!(format::detect(&content), Ok(format), "{}", sample.file);
        assert_eq!(
            Some(&count(format, &content)),
            sample.counted.as_ref(),
            "{}",
            sample.file
        );
    }
}

#[test]
fn other_formats_are_unknown() {
    let Some((folder, samples)) = samples("other_formats_are_unknown") else {
        return;
    };
    for sample in &samples {
        if sample.format.as_deref().and_then(format_of).is_none() {
            let detected = format::detect(&content(&folder, sample));
            let reason = detected.expect_err(&sample.file);
            println!("{}: {reason}", sample.file);
        }
    }
}

/// Every cut of a list that carries its count is noticed.
#[test]
fn cut_copies_are_refused() {
    let Some((folder, samples)) = samples("cut_copies_are_refused") else {
        return;
    };
    for sample in &samples {
        let format = sample.format.as_deref().and_then(format_of);
        let Some(format @ (Format::SpamhausJson | Format::FeodoCsv)) = format else {
            continue;
        };
        let content = content(&folder, sample);
        let whole = content.trim_ascii_end().len();
        for length in (0..whole).rev().step_by(97) {
            assert!(
                format::parse(format, &content[..length]).is_err(),
                "{length}"
            );
        }
    }
}

#[test]
fn the_guard_finds_what_is_known_to_be_there() {
    let Some((folder, samples)) = samples("the_guard_finds_what_is_known_to_be_there") else {
        return;
    };
    let special = [
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "192.168.0.0/16",
        "224.0.0.0/4",
    ];
    let protected = special.map(|prefix| Protected {
        prefix: prefix.parse().unwrap(),
        kind: Kind::Special,
    });
    let table = [
        ("threatfox_ips", "special", 7),
        ("cps_cobaltstrike_ips", "special", 5),
        ("firehol_level1", "wider than /8", 1),
        ("spamhaus_drop_v4", "wider than /8", 0),
    ];
    for (name, rule, expected) in table {
        let sample = samples
            .iter()
            .find(|sample| sample.file.starts_with(name))
            .unwrap();
        let content = content(&folder, sample);
        let parsed = format::parse(format::detect(&content).unwrap(), &content).unwrap();
        let guarded = guard::check(&parsed, &protected).unwrap();
        let found = guarded.findings.iter().filter(|it| it.rule == rule).count();
        println!(
            "{name}: {} left out, {} subtracted",
            guarded.left_out, guarded.subtracted
        );
        assert_eq!(found, expected, "{name}");
    }
}

/// `cargo test --release --test feed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, true in release builds only"]
fn a_million_lines_in_a_tenth_of_a_second() {
    let million: String = (0..1_000_000_u32)
        .map(|number| {
            format!(
                "{}\n",
                std::net::Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761))
            )
        })
        .collect();
    for _ in 0..5 {
        let start = Instant::now();
        let parsed = format::parse(Format::Plain, million.as_bytes()).unwrap();
        println!(
            "{} lines, {} bytes: {:?}",
            parsed.entries,
            million.len(),
            start.elapsed()
        );
    }
}
