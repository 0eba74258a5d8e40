//! argv → standard output, standard error, exit code; with nothing attached, and no kernel needed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod catalogue;
mod configuration;
mod export;
mod feeds;
mod lists;
mod pipes;
mod providers;

use tests::product::{Product, Said, binary};

/// What every command says that stores something.
const NOT_IN_FORCE: &str = "stored, NOT in force: nothing is attached; run 'firewall run'\n";

fn product(configuration: &str) -> Product {
    Product::new(&binary().unwrap(), configuration).unwrap()
}

fn run(product: &Product, arguments: &[&str]) -> Said {
    product.run_here(arguments, "").unwrap()
}

/// Exit code, standard output and standard error, all of them.
fn check(product: &Product, arguments: &[&str], code: i32, stdout: &str, stderr: &str) {
    let said = run(product, arguments);
    assert_eq!(
        (said.code, said.stdout.as_str(), said.stderr.as_str()),
        (code, stdout, stderr),
        "firewall {}",
        arguments.join(" ")
    );
}

/// Exit code 2, nothing on standard output, and this on standard error.
fn refused(product: &Product, arguments: &[&str], why: &str) {
    let said = run(product, arguments);
    assert_eq!(
        (said.code, said.stdout.as_str()),
        (2, ""),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr.contains(why),
        "'{why}' is not in: {}",
        said.stderr
    );
}
