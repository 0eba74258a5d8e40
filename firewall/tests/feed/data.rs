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
        format::{self, Format, How, Parsed},
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

/// What was counted in a file, as it is written, by other programs than ours.
#[derive(Debug, PartialEq, Deserialize)]
struct Counted {
    comments: usize,
    blank: usize,
    entries: usize,
    v4: usize,
    v6: usize,
    unique: usize,
    hostbits: usize,
}

impl Sample {
    /// Tables of countries and the peers of other tests are no feeds.
    fn counted(&self) -> Option<&Counted> {
        let feed = !self.file.starts_with("geo/") && !self.file.starts_with("peers/");
        self.counted.as_ref().filter(|_| feed)
    }
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

/// The format that a name in the manifest stands for; docs/feeds.md has the same table.
fn format_of(name: &str) -> Format {
    match name {
        "plain"
        | "plain sorted"
        | "plain (confidence order)"
        | "plain-inline-comment"
        | "plain-trailing-space"
        | "cidr"
        | "cidr-#" => Format::Plain,
        "netset" => Format::Netset,
        "spamhaus-txt" => Format::SpamhausText,
        "ndjson-spamhaus" | "ndjson-asndrop" => Format::SpamhausJson,
        "csv-feodo" => Format::FeodoCsv,
        "csv-sslbl2015" => Format::SslblCsv,
        "ip:port-sections" => Format::Sections,
        "tab-count" => Format::Ipsum,
        "dshield-tsv" => Format::Dshield,
        "IP-ASN32-DAT (; header, prefix<TAB>asn)"
        | "tsv prefix asn cc"
        | "csv-cidr-count"
        | "csv-quoted-iso8601"
        | "csv-domain" => Format::Csv,
        "json-aws" | "json-nested" => Format::Json,
        "domains" => Format::Hosts,
        "misp-event" => Format::Misp,
        "misp-warninglist" => Format::MispWarninglist,
        "stix21-bundle" | "stix21-object" => Format::Stix,
        "suricata" => Format::Suricata,
        "p2p text in zip" => Format::P2p,
        name => panic!("no format is named for `{name}`, neither here nor in docs/feeds.md"),
    }
}

fn content(folder: &Path, sample: &Sample) -> Vec<u8> {
    decompress(&fs::read(folder.join(&sample.file)).unwrap(), LIMIT)
        .unwrap()
        .into_owned()
}

fn parse(format: Format, content: &[u8]) -> Result<Parsed, firewall::feed::Refused> {
    format::parse(format, &How::default(), content)
}

/// What the manifest would say of `parsed`. Where its program counts otherwise, what it says is kept:
/// comments of tables and JSON, and prefixes of which some are ranges.
fn count(format: Format, parsed: &Parsed, manifest: &Counted) -> Counted {
    let lines = [
        Format::Plain,
        Format::Netset,
        Format::SpamhausText,
        Format::Ipsum,
    ];
    let ours = lines.contains(&format);
    Counted {
        comments: if ours {
            parsed.comments
        } else {
            manifest.comments
        },
        blank: if ours { parsed.blank } else { manifest.blank },
        entries: parsed.entries,
        v4: parsed.v4_entries(),
        v6: parsed.v6_entries,
        unique: if format == Format::P2p {
            manifest.unique
        } else {
            parsed.unique()
        },
        hostbits: parsed.masked,
    }
}

/// Every file of the manifest, its format unnamed.
#[test]
fn counts_are_those_of_the_manifest() {
    let Some((folder, samples)) = samples("counts_are_those_of_the_manifest") else {
        return;
    };
    let mut wrong = Vec::new();
    for sample in &samples {
        let Some(counted) = sample.counted().filter(|counted| counted.entries > 0) else {
            continue;
        };
        let content = content(&folder, sample);
        let wanted = format_of(sample.format.as_deref().unwrap());
        match format::detect_and_parse(&How::default(), &content) {
            Err(refused) => wrong.push(format!("{}: {refused}", sample.file)),
            Ok((format, parsed)) => {
                let count = count(format, &parsed, counted);
                if format != wanted || count != *counted || parsed.rejected_count > 0 {
                    wrong.push(format!(
                        "{}: {format} for {wanted}, {count:?} for {counted:?}, {:?}",
                        sample.file,
                        parsed.rejected.first()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What each list without an address has instead.
#[test]
fn lists_without_an_address_are_refused_by_what_they_have() {
    let test = "lists_without_an_address_are_refused_by_what_they_have";
    let Some((folder, samples)) = samples(test) else {
        return;
    };
    let mut seen = 0;
    for sample in &samples {
        if sample.counted().is_none_or(|counted| counted.entries > 0) {
            continue;
        }
        let why = match sample.file.as_str() {
            file if file.starts_with("spamhaus_asndrop") => "AS numbers",
            file if file.starts_with("eset_mozi") => "5 not for detection",
            file if file.contains("ti-falsepositives") => "other things than addresses",
            _ => "domain names",
        };
        let detected = format::detect(&content(&folder, sample));
        let refused = detected.expect_err(&sample.file).to_string();
        assert!(refused.contains(why), "{}: {refused}", sample.file);
        seen += 1;
    }
    assert!(seen > 0);
}

/// Every cut of a list that carries its count is noticed.
#[test]
fn cut_copies_are_refused() {
    let Some((folder, samples)) = samples("cut_copies_are_refused") else {
        return;
    };
    for sample in &samples {
        let Some(name) = sample.counted().and(sample.format.as_deref()) else {
            continue;
        };
        let format = format_of(name);
        let says_its_end = [
            Format::SpamhausJson,
            Format::SpamhausText,
            Format::FeodoCsv,
            Format::Stix,
        ];
        if !says_its_end.contains(&format) {
            continue;
        }
        let content = content(&folder, sample);
        let whole = content.trim_ascii_end().len();
        for length in (0..whole).rev().step_by(97) {
            assert!(parse(format, &content[..length]).is_err(), "{length}");
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
        let parsed = parse(format::detect(&content).unwrap(), &content).unwrap();
        let guarded = guard::check(&parsed, &protected, guard::gates::Shortest::default()).unwrap();
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
        let parsed = parse(Format::Plain, million.as_bytes()).unwrap();
        println!(
            "{} lines, {} bytes: {:?}",
            parsed.entries,
            million.len(),
            start.elapsed()
        );
    }
}
