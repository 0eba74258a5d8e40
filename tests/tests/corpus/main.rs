//! The packet corpus: every kind of frame, judged by `replay` as `expected.txt` says.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod frames;

use std::{fs, path::PathBuf};

use serde_json::Value;
use tests::{
    product::{Product, binary},
    skip_unless,
};

/// Writes the capture anew from the table of frames.
const WRITE: &str = "FIREWALL_WRITE_CORPUS";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name)
}

/// The table of frames as a capture in the format of tcpdump, Ethernet, without times.
fn capture() -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    for (_, frame) in frames::all() {
        for word in [0, 0, frame.len() as u32, frame.len() as u32] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&frame);
    }
    bytes
}

/// Lines of `expected.txt`: number, verdict, reason, what it is.
fn expected() -> Vec<[String; 4]> {
    let text = fs::read_to_string(path("expected.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (fields, what) = line.split_at(line.find(": ").unwrap());
            let mut fields = fields.split_whitespace().map(str::to_owned);
            let mut next = || fields.next().unwrap();
            [next(), next(), next(), what[2..].to_owned()]
        })
        .collect()
}

#[test]
fn the_capture_is_the_table_of_frames() {
    if std::env::var_os(WRITE).is_some() {
        fs::write(path("frames.pcap"), capture()).unwrap();
    }
    let stored = fs::read(path("frames.pcap")).unwrap();
    assert!(
        stored == capture(),
        "write it anew: {WRITE}=1 cargo test -p tests --test corpus"
    );
    assert!(stored.len() < 200_000);
    let frames = frames::all();
    let expected = expected();
    assert_eq!(frames.len(), expected.len());
    for (index, ((what, _), [number, .., said])) in frames.iter().zip(&expected).enumerate() {
        assert_eq!((&(index + 1).to_string(), what), (number, said));
    }
}

#[test]
fn every_packet_of_the_corpus_is_judged_as_written_down() {
    skip_unless!("every_packet_of_the_corpus_is_judged_as_written_down", Bpf);
    let product = Product::new(&binary().unwrap(), "").unwrap();
    let (capture, list) = (path("frames.pcap"), path("list.txt"));
    let (capture, list) = (capture.to_str().unwrap(), list.to_str().unwrap());
    let arguments = ["replay", capture, "--blocklist", list, "--each", "--json"];
    let said = product.run_here(&arguments, "").unwrap();
    assert_eq!(said.code, 0, "{}", said.stderr);
    let rows: Vec<Value> = said
        .stdout
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    let (totals, rows) = rows.split_last().unwrap();
    let expected = expected();
    assert_eq!(rows.len(), expected.len());
    for (row, [number, verdict, reason, what]) in rows.iter().zip(&expected) {
        assert_eq!(row["index"].to_string(), *number);
        let judged = [&row["verdict"], &row["reason"]];
        assert_eq!(judged, [verdict, reason], "{number}: {what}");
    }
    assert_eq!(totals["disagreements"], 0);
    assert_eq!(totals["packets"], expected.len());
}
