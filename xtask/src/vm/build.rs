//! What guests run: the test programs and the product, in a profile of their own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process;

/// Of `Cargo.toml`.
const PROFILE: [&str; 2] = ["--profile", "guest"];

/// Programs that were built.
#[derive(Debug)]
pub struct Built {
    /// The product.
    pub product: PathBuf,
    /// The test programs, by name.
    pub tests: Vec<(String, PathBuf)>,
}

/// Builds the product and the test programs called `targets`.
pub fn build(targets: &[&str]) -> Result<Built> {
    let product = [&["build"][..], &PROFILE, &["--package", "firewall"]].concat();
    let named = targets.iter().flat_map(|target| ["--test", target]);
    let package = ["test", "--no-run", "--package", "tests"];
    let tests: Vec<&str> = package
        .into_iter()
        .chain(["--features", "guest"])
        .chain(PROFILE)
        .chain(named)
        .collect();
    let product = cargo(&product)?;
    let product = product.into_iter().find(|built| built.kind == "bin");
    let built = cargo(&tests)?;
    let tests = built.into_iter().filter(|built| built.kind == "test");
    let built = Built {
        product: product.context("cargo built no 'firewall'")?.file,
        tests: tests.map(|built| (built.name, built.file)).collect(),
    };
    for target in targets {
        if !built.tests.iter().any(|(name, _)| name == target) {
            bail!("cargo built no test program '{target}'");
        }
    }
    Ok(built)
}

/// One program of cargo's messages.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    kind: String,
    name: String,
    file: PathBuf,
}

fn cargo(arguments: &[&str]) -> Result<Vec<Program>> {
    eprintln!("vm: cargo {}", arguments.join(" "));
    let messages = ["--message-format", "json-render-diagnostics"];
    let line = [&["cargo"], arguments, &messages].concat();
    let answer = process::answer_aloud(&line)?;
    String::from_utf8_lossy(&answer)
        .lines()
        .filter_map(|line| program(line).transpose())
        .collect()
}

/// The program that a message of cargo is about; `None` if it is about something else (Cargo Book,
/// "External tools").
fn program(message: &str) -> Result<Option<Program>> {
    let message: Value = serde_json::from_str(message).context("cargo's messages are no JSON")?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let of = || {
        Some(Program {
            kind: text(&message["target"]["kind"][0])?,
            name: text(&message["target"]["name"])?,
            file: Path::new(message["executable"].as_str()?).to_owned(),
        })
    };
    Ok(of())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_messages_of_cargo() {
        let of_test = r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"budget"},
            "executable":"/t/guest/deps/budget-1"}"#;
        let expected = Program {
            kind: "test".to_owned(),
            name: "budget".to_owned(),
            file: "/t/guest/deps/budget-1".into(),
        };
        assert_eq!(program(of_test).unwrap(), Some(expected));
        for other in [
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"a"},"executable":null}"#,
            r#"{"reason":"build-finished","success":true}"#,
        ] {
            assert_eq!(program(other).unwrap(), None);
        }
        assert!(program("Compiling").is_err());
    }
}
