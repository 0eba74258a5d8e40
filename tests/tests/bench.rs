//! The bench itself: that it runs, that it says what it promises, that it can fail.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use serde_json::Value;
use tests::skip_unless;

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--smoke", "--json"])
        .args(arguments)
        .output()
        .unwrap()
}

fn findings(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_packet_figure_says_what_it_is_of() {
    skip_unless!("every_packet_figure_says_what_it_is_of", Bpf);
    let output = bench(&["--only", "packet"]);
    assert!(output.status.success(), "{}", errors(&output));
    let findings = findings(&output);
    let figures: Vec<&Value> = findings
        .iter()
        .filter(|it| it["bench"] == "packet" && it.get("skipped").is_none())
        .collect();
    for figure in &figures {
        for number in ["added_ns", "ratio", "min", "max"] {
            assert!(figure[number].is_number(), "{number} of {figure}");
        }
    }
    for variant in ["empty", "parse", "walk", "lpm", "firewall"] {
        for family in [4, 6] {
            for case in ["far-miss", "near-miss", "hit-source", "hit-destination"] {
                for cache in ["cold", "warm"] {
                    let is_it = |it: &&&Value| {
                        it["variant"] == variant
                            && it["family"] == family
                            && it["case"] == case
                            && it["set"] == "clustered"
                            && it["cache"] == cache
                            && it["size"] == 1000
                    };
                    let count = figures.iter().filter(is_it).count();
                    assert_eq!(count, 1, "{variant} {family} {case} {cache}");
                }
            }
        }
    }
    for (variant, case) in [
        ("firewall-counters", "counted-pass"),
        ("firewall-ledger", "known-entry"),
        ("firewall-ledger", "flood"),
    ] {
        let is_it = |it: &&&Value| {
            it["variant"] == variant && it["case"] == case && it["baseline"] == "firewall"
        };
        assert!(figures.iter().any(|it| is_it(&it)), "{variant} {case}");
    }
}

#[test]
fn a_variant_with_a_wrong_verdict_fails_the_bench() {
    skip_unless!("a_variant_with_a_wrong_verdict_fails_the_bench", Bpf);
    let output = bench(&["--only", "packet", "--wrong-variant"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = errors(&output);
    assert!(errors.contains("WRONG VERDICT: 'wrong'"), "{errors}");
}

#[test]
fn packets_end_to_end_are_judged_right_and_counted_for_every_list() {
    skip_unless!(
        "packets_end_to_end_are_judged_right_and_counted_for_every_list",
        Bpf,
        Netns
    );
    let output = bench(&["--only", "end-to-end"]);
    assert!(output.status.success(), "{}", errors(&output));
    let findings = findings(&output);
    for set in ["clustered", "hosts", "few-hosts"] {
        for case in ["hit-flood", "clean", "mix"] {
            let is_it = |it: &&Value| {
                it["bench"] == "end-to-end"
                    && it["variant"] == "firewall"
                    && it["set"] == set
                    && it["case"] == case
            };
            let found: Vec<&Value> = findings.iter().filter(is_it).collect();
            assert_eq!(found.len(), 1, "{set} {case}");
            assert!(found[0]["mpps"].as_f64() > Some(0.0), "{}", found[0]);
        }
    }
}

#[test]
fn loading_and_what_it_holds_are_found_for_this_filter() {
    skip_unless!(
        "loading_and_what_it_holds_are_found_for_this_filter",
        Bpf,
        Netns
    );
    for (part, what) in [
        ("load", "text file to enforced"),
        ("load", "one more entry"),
        ("load", "swap"),
        ("load", "program"),
        ("memory", "loaded"),
    ] {
        let output = bench(&["--only", part, "--size", "1000"]);
        assert!(output.status.success(), "{}", errors(&output));
        let is_it = |it: &Value| it["variant"] == "firewall" && it["what"] == what;
        assert!(findings(&output).iter().any(is_it), "{part}: {what}");
    }
}

#[test]
fn many_feeds_are_put_in_force_and_again_where_nothing_changed() {
    skip_unless!(
        "many_feeds_are_put_in_force_and_again_where_nothing_changed",
        Bpf,
        Netns
    );
    let output = bench(&["--only", "feeds"]);
    assert!(output.status.success(), "{}", errors(&output));
    let findings = findings(&output);
    for what in [
        "10 feeds to enforced",
        "10 feeds, nothing changed",
        "feeds parse, one file",
    ] {
        let is_it = |it: &&Value| it["bench"] == "feeds" && it["what"] == what;
        let found = findings.iter().find(is_it).unwrap();
        assert!(found["seconds"].as_f64() > Some(0.0), "{found}");
        assert!(found["peak_rss_bytes"].as_f64() > Some(0.0), "{found}");
    }
}
