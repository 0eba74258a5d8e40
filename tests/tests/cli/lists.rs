//! `block`, `unblock`, `allow`, `disallow`, `list`, `why`.

use serde_json::{Value, json};
use tests::product::Product;

use super::{NOT_IN_FORCE, check, product, refused, run};

const BAD: &str = "203.0.113.7";

fn listed(product: &Product) -> Vec<Value> {
    let said = run(product, &["list", "--local", "--json"]);
    said.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn with_nothing_attached_a_change_is_stored_and_said_not_to_be_in_force() {
    let product = product("");
    for (verb, done) in [
        ("block", "blocked"),
        ("unblock", "unblocked"),
        ("allow", "allowed"),
        ("disallow", "disallowed"),
    ] {
        check(
            &product,
            &[verb, BAD],
            3,
            &format!("{done} {BAD}\n"),
            NOT_IN_FORCE,
        );
    }
    assert!(listed(&product).is_empty());
}

#[test]
fn saying_it_twice_changes_nothing() {
    let product = product("");
    check(
        &product,
        &["block", BAD],
        3,
        "blocked 203.0.113.7\n",
        NOT_IN_FORCE,
    );
    let before = listed(&product);
    check(
        &product,
        &["block", BAD],
        3,
        "already blocked 203.0.113.7\n",
        NOT_IN_FORCE,
    );
    assert_eq!(listed(&product), before);
    check(
        &product,
        &["unblock", BAD],
        3,
        "unblocked 203.0.113.7\n",
        NOT_IN_FORCE,
    );
    check(
        &product,
        &["unblock", BAD],
        3,
        "not in the block list 203.0.113.7\n",
        NOT_IN_FORCE,
    );
}

#[test]
fn unblocking_what_a_wider_entry_covers_names_that_entry() {
    let product = product("");
    run(&product, &["block", "203.0.113.0/24"]);
    let said = run(&product, &["unblock", BAD]);
    assert_eq!(said.stdout, "not in the block list 203.0.113.7\n");
    let hint = "203.0.113.7/32 has no entry of its own; it is covered by 203.0.113.0/24\n";
    assert!(said.stderr.starts_with(hint), "{}", said.stderr);
}

#[test]
fn a_block_that_an_allow_entry_covers_is_refused_naming_it() {
    let product = product("");
    run(&product, &["allow", "203.0.113.0/24"]);
    let why = "203.0.113.7 is allowed by the entry 203.0.113.0/24; 'firewall disallow 203.0.113.0/24' first";
    refused(&product, &["block", BAD], why);
    refused(
        &product,
        &["block", "203.0.113.0/24", "--force"],
        "is allowed by the entry",
    );
    // Partly covered: stored, and what stays open is said.
    let said = run(&product, &["block", "203.0.0.0/16"]);
    assert_eq!(
        (said.code, said.stdout.as_str()),
        (3, "blocked 203.0.0.0/16\n")
    );
    let open = "203.0.0.0/16: 203.0.113.0/24 stays open, it is allowed\n";
    assert!(said.stderr.starts_with(open), "{}", said.stderr);
    assert_eq!(listed(&product).len(), 2);
}

#[test]
fn what_is_too_wide_needs_force() {
    let product = product("");
    for (prefix, widest) in [("198.0.0.0/7", "/8"), ("2001::/18", "/19")] {
        for verb in ["block", "allow"] {
            let why = format!("{prefix} is wider than {widest}; say --force if you mean it");
            refused(&product, &[verb, prefix], &why);
        }
        let said = run(&product, &["block", prefix, "--force"]);
        assert_eq!((said.code, said.stdout), (3, format!("blocked {prefix}\n")));
    }
    check(
        &product,
        &["block", "198.0.0.0/8"],
        3,
        "blocked 198.0.0.0/8\n",
        NOT_IN_FORCE,
    );
}

#[test]
fn an_address_that_can_be_read_in_two_ways_is_refused() {
    let product = product("");
    for (wrong, why) in [
        ("203.0.113.07", "is no address or prefix"),
        (
            "203.0.113.7/24",
            "has host bits set; write 203.0.113.0/24 for the network or 203.0.113.7",
        ),
        ("203.0.113.0/33", "is no address or prefix"),
        ("example.org", "is no address or prefix"),
        ("", "is no address or prefix"),
    ] {
        refused(&product, &["block", wrong], why);
    }
}

#[test]
fn time_and_reason_of_an_entry_are_listed() {
    let product = product("");
    run(
        &product,
        &["block", BAD, "--for", "2h", "--reason", "scans us"],
    );
    let row = listed(&product).remove(0);
    assert_eq!(
        (&row["list"], &row["prefix"]),
        (&json!("block"), &json!("203.0.113.7/32"))
    );
    assert_eq!(
        (&row["reason"], &row["expired"]),
        (&json!("scans us"), &json!(false))
    );
    assert!(row["until"].is_string() && row["added"].is_string());
    refused(
        &product,
        &["block", BAD, "--for", "soon"],
        "'soon' is no time; write for example",
    );
    refused(
        &product,
        &["block", BAD, "--reason", "two\nlines"],
        "a reason is one line",
    );
}

#[test]
fn a_bulk_block_says_a_number() {
    let product = product("");
    let lines: String = (0..30)
        .map(|host| format!("198.51.100.{host} # a host\n"))
        .collect();
    let said = product.run_here(&["block", "-f", "-"], &lines).unwrap();
    assert_eq!(
        (said.code, said.stdout.as_str()),
        (3, "blocked: 30 prefixes\n")
    );
    assert_eq!(listed(&product).len(), 30);
}

#[test]
fn one_bad_line_of_a_bulk_block_refuses_it_whole_and_all_bad_lines_are_named() {
    let product = product("");
    let said = product
        .run_here(&["block", "-f", "-"], "198.51.100.1\nwrong\n\n10.0.0.1/8\n")
        .unwrap();
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    assert!(
        said.stderr
            .starts_with("firewall: nothing was changed, 2 bad lines:\n"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr.contains("-:2: 'wrong' is no address"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr.contains("-:4: 10.0.0.1/8 has host bits set"),
        "{}",
        said.stderr
    );
    assert!(listed(&product).is_empty());
}

#[test]
fn blocking_again_without_a_reason_keeps_the_one_that_was_given() {
    let product = product("");
    run(&product, &["block", BAD, "--reason", "a botnet"]);
    let said = run(&product, &["block", BAD]);
    assert_eq!(said.stdout, format!("already blocked {BAD}\n"));
    let list = run(&product, &["list", "--local"]).stdout;
    assert!(list.contains("a botnet"), "{list}");
}

#[test]
fn why_says_who_blocks_and_ends_accordingly() {
    let product = product("");
    run(
        &product,
        &["block", "203.0.113.0/24", "--reason", "a botnet"],
    );
    run(&product, &["allow", "198.51.100.0/24"]);
    let said = run(&product, &["why", BAD]);
    assert_eq!(said.code, 1);
    assert!(
        said.stdout
            .starts_with("203.0.113.7 is blocked\n  local blocks: 203.0.113.0/24, since "),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("(a botnet)"), "{}", said.stdout);
    assert!(
        said.stderr
            .contains("this is what 'firewall run' would put in force"),
        "{}",
        said.stderr
    );
    for (address, words) in [
        (
            "198.51.100.1",
            "198.51.100.1 is not blocked: it is allowed\n  allow allows: 198.51.100.0/24",
        ),
        (
            "10.1.2.3",
            "10.1.2.3 is not blocked: it is protected\n  special is protected: 10.0.0.0/8",
        ),
        (
            "192.0.2.1",
            "192.0.2.1 is not blocked: no source names it\n",
        ),
    ] {
        let said = run(&product, &["why", address]);
        assert_eq!(said.code, 0, "{address}");
        assert!(said.stdout.starts_with(words), "{}", said.stdout);
    }
    assert_eq!(run(&product, &["why", "192.0.2.1", BAD]).code, 1);
    refused(
        &product,
        &["why", "example.org"],
        "invalid value 'example.org'",
    );
    refused(
        &product,
        &["why", "203.0.113.7:443"],
        "leave the port out: the answer for 203.0.113.7 also says which ports are blocked",
    );
}

#[test]
fn status_without_anything_attached_is_the_other_answer() {
    let product = product("");
    let said = run(&product, &["status"]);
    assert_eq!(said.code, 1);
    assert!(
        said.stdout
            .starts_with("NOT enforcing; 1 trouble:\n  nothing is attached; run 'firewall run'\n"),
        "{}",
        said.stdout
    );
    check(&product, &["unload"], 0, "", "nothing was loaded\n");
}
