//! What comes in and goes out: JSON, broken pipes, closed input.

use std::{
    io::Read,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{product, refused, run};

#[test]
fn json_output_parses_line_by_line() {
    let product = product("[[feed]]\nname = 'a'\npath = '/does/not/exist'\n");
    run(&product, &["allow", "198.51.100.0/24"]);
    for arguments in [
        vec!["block", "203.0.113.7", "2001:db8::7"],
        vec!["list"],
        vec!["status"],
        vec!["stats"],
        vec!["hosts"],
        vec!["why", "203.0.113.7", "192.0.2.1"],
        vec!["feeds"],
        vec!["feeds", "update"],
        vec!["feeds", "catalogue"],
        vec!["feeds", "compare"],
        vec!["export"],
        vec!["config", "check"],
        vec!["unblock", "203.0.113.7"],
    ] {
        let said = run(&product, &[arguments.as_slice(), &["--json"]].concat());
        assert_ne!(said.code, 2, "{arguments:?} {}", said.stderr);
        for line in said.stdout.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            assert!(value.is_object(), "{arguments:?}: {line}");
        }
    }
    assert_eq!(
        run(&product, &["why", "--json", "192.0.2.1", "192.0.2.2"])
            .stdout
            .lines()
            .count(),
        2
    );
}

#[test]
fn whoever_has_read_enough_may_close_the_pipe() {
    let product = product("");
    let lines: String = (0..20_000)
        .map(|host| format!("198.{}.{}.1\n", 18 + host / 250 % 2, host % 250))
        .collect();
    let said = product.run_here(&["block", "-f", "-"], &lines).unwrap();
    assert_eq!(said.code, 3, "{}", said.stderr);
    // Far more than the pipe and all buffers hold.
    let addresses: Vec<String> = (0..5000)
        .map(|host| format!("198.51.{}.{}", host / 250, host % 250))
        .collect();
    let mut arguments = vec!["why"];
    arguments.extend(addresses.iter().map(String::as_str));
    let mut child = product
        .command(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        !stderr.contains("roken pipe") && !stderr.contains("panicked"),
        "{stderr}"
    );
}

#[test]
fn an_empty_input_is_an_error() {
    let product = product("");
    for text in ["", "\n", "# nothing yet\n"] {
        let said = product.run_here(&["block", "-f", "-"], text).unwrap();
        assert_eq!((said.code, said.stdout.as_str()), (2, ""));
        assert!(
            said.stderr
                .contains("- holds no address; nothing was changed"),
            "{}",
            said.stderr
        );
    }
}

#[test]
fn a_closed_standard_input_is_an_error_not_a_hang() {
    let product = product("");
    let shell = format!(
        "exec '{}' {} block -f - <&-",
        tests::product::binary().unwrap().display(),
        product.options().join(" ")
    );
    let output = Command::new("sh").args(["-c", &shell]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

#[test]
fn an_input_that_is_no_text_is_an_error() {
    let product = product("");
    let path = product.folder().join("binary");
    std::fs::write(&path, [0xff, 0xfe, 0, 1]).unwrap();
    refused(
        &product,
        &["block", "-f", path.to_str().unwrap()],
        "cannot read",
    );
}
