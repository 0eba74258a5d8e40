//! The configuration, and the command line itself.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{product, refused, run};

#[test]
fn an_unknown_key_is_refused_with_its_place_and_a_suggestion() {
    let product = product("interfaces = []\n\n[[feed]]\nname = 'a'\npaht = '/a'\n");
    let place = format!(
        "{}:5:1: unknown field `paht`",
        product.configuration().display()
    );
    for arguments in [
        vec!["config", "check"],
        vec!["status"],
        vec!["block", "203.0.113.7"],
    ] {
        refused(&product, &arguments, &place);
        refused(&product, &arguments, "did you mean `path`?");
    }
    assert!(!product.state().exists(), "nothing was made of it");
}

#[test]
fn what_is_no_toml_is_refused_with_its_place() {
    let product = product("interfaces = ['eth0'\nattach = 'auto'\n");
    let place = format!("{}:", product.configuration().display());
    refused(&product, &["config", "check"], &place);
}

#[test]
fn what_is_no_error_and_yet_to_be_known_is_said() {
    let product = product("");
    let key = product.folder().join("key");
    fs::write(&key, "geheim").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let key = key.display();
    let drop = "https://WWW.spamhaus.org/drop/drop_v4.json";
    let feeds = format!(
        "[[feed]]\nname = 'a'\nurl = '{drop}'\nkey_file = '{key}'\n[[feed]]\nname = 'b'\nurl = '{drop}'\n"
    );
    product.configure(&feeds).unwrap();
    let said = run(&product, &["config", "check"]);
    assert_eq!(said.code, 0);
    for part in [
        &format!(
            "feed a: others than its owner can read the key in {key}; type: chmod 600 {key}\n"
        ),
        "feeds a, b ask for one list",
    ] {
        assert!(said.stderr.contains(part), "{}", said.stderr);
    }
}

#[test]
fn a_valid_configuration_is_said_to_be_valid() {
    let product = product("[[feed]]\nname = 'a'\npath = '/a'\n");
    let said = run(&product, &["config", "check"]);
    assert_eq!(said.code, 0);
    assert_eq!(
        said.stdout,
        format!("{}: valid, 1 feed\n", product.configuration().display())
    );
}

#[test]
fn a_configuration_that_is_not_there_is_an_error_if_it_was_named() {
    let product = product("");
    fs::remove_file(product.configuration()).unwrap();
    refused(
        &product,
        &["config", "check"],
        "cannot read the configuration",
    );
}

#[test]
fn a_wrong_command_line_is_an_error_with_a_hint() {
    let product = product("");
    refused(&product, &["blok", "203.0.113.7"], "block");
    refused(&product, &["block"], "required arguments were not provided");
    refused(
        &product,
        &["list", "--local", "--feed", "a"],
        "cannot be used with",
    );
    refused(&product, &[], "Usage: firewall");
}

#[test]
fn help_and_version_are_no_errors() {
    let product = product("");
    for arguments in [vec!["--help"], vec!["--version"], vec!["block", "--help"]] {
        let said = run(&product, &arguments);
        assert_eq!((said.code, said.stderr.as_str()), (0, ""));
        assert!(!said.stdout.is_empty());
    }
    assert!(run(&product, &["--help"]).stdout.contains("Exit codes: 0"));
}
