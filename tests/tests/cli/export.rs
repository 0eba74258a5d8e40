//! `export`, and what another gateway makes of it; `feeds try`.

use std::{fs, process::Command};

use serde_json::{Value, json};
use tests::{namespace::Namespace, product::Product, skip_unless};

use super::{product, refused, run};

/// A feed that drops, one of attackers, one that is only monitored, and the operator's lists.
fn gateway() -> Product {
    let product = product("");
    let mut configuration = String::new();
    for (name, keys, content) in [
        (
            "cert",
            "mode = 'enforce'",
            "203.0.113.0/24\n2001:db8:bad::/48\n198.51.100.7:443/tcp\n[2001:db8::7]:53/udp\n",
        ),
        (
            "scan",
            "mode = 'enforce'\ndirection = 'in'",
            "198.18.0.128/25\n198.18.1.7:22/tcp\n2001:db8:5::7\n",
        ),
        ("watch", "mode = 'monitor'", "198.51.100.128/25\n"),
    ] {
        let path = product.folder().join(name);
        fs::write(&path, content).unwrap();
        let path = path.display();
        configuration +=
            &format!("[[feed]]\nname = '{name}'\npath = '{path}'\nformat = 'plain'\n{keys}\n");
    }
    product.configure(&configuration).unwrap();
    assert_eq!(run(&product, &["feeds", "update"]).code, 3);
    run(&product, &["allow", "203.0.113.128/25"]);
    run(&product, &["block", "198.51.100.66"]);
    product
}

fn exported(product: &Product, arguments: &[&str]) -> String {
    let said = run(product, &[&["export"], arguments].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    said.stdout
}

#[test]
fn another_gateway_drops_what_this_one_exports() {
    let here = gateway();
    let text = exported(&here, &["--direction", "out"]);
    assert_eq!(
        text.lines().skip(1).collect::<Vec<_>>(),
        [
            "198.51.100.66",
            "203.0.113.0/25",
            "2001:db8:bad::/48",
            "198.51.100.7:443/tcp",
            "[2001:db8::7]:53/udp",
            "# END 5 entries"
        ]
    );
    let there = product("");
    for format in ["plain", "csv", "json", "nft", "ipset", "stix", "misp"] {
        let path = there.folder().join(format);
        fs::write(
            &path,
            exported(&here, &["--direction", "out", "--format", format]),
        )
        .unwrap();
        let path = path.display();
        let feed = format!("[[feed]]\nname = '{format}'\npath = '{path}'\nmode = 'enforce'\n");
        there.configure(&feed).unwrap();
        assert_eq!(run(&there, &["feeds", "update"]).code, 3, "{format}");
        for (address, blocked) in [
            ("203.0.113.9", true),
            ("198.51.100.66", true),
            ("2001:db8:bad::1", true),
            ("203.0.113.200", false),
            ("198.51.100.200", false),
            ("198.18.0.200", false),
        ] {
            let code = run(&there, &["why", address]).code;
            assert_eq!(code == 1, blocked, "{format}: {address}");
        }
    }
}

#[test]
fn what_is_dropped_here_no_more_is_dropped_there_no_more() {
    let (here, there) = (product(""), product(""));
    run(&here, &["block", "198.51.100.66"]);
    let path = there.folder().join("neighbour");
    let feed = format!(
        "[[feed]]\nname = 'neighbour'\npath = {path:?}\nmode = 'enforce'\nmay_be_empty = true\n"
    );
    there.configure(&feed).unwrap();
    let update = |text: &str| {
        fs::write(&path, text).unwrap();
        let said = run(&there, &["feeds", "update", "--json"]).stdout;
        serde_json::from_str::<Value>(said.lines().next().unwrap()).unwrap()
    };
    let whole = exported(&here, &[]);
    assert_eq!(update(&whole)["result"], "changed");
    assert_eq!(run(&there, &["why", "198.51.100.66"]).code, 1);
    // Cut off by a line, it is no shorter list.
    let cut = whole.replace("198.51.100.66\n", "");
    let said = update(&cut);
    assert_eq!(said["result"], "failed", "{said}");
    assert!(
        said["reason"]
            .as_str()
            .unwrap()
            .contains("announces 1 entries")
    );
    run(&here, &["unblock", "198.51.100.66"]);
    assert_eq!(update(&exported(&here, &[]))["result"], "changed");
    assert_eq!(run(&there, &["why", "198.51.100.66"]).code, 0);
}

#[test]
fn no_state_folder_is_no_empty_list() {
    let here = product("");
    refused(&here, &["export"], "there is no state folder");
}

#[test]
fn an_export_of_both_directions_says_so() {
    let here = gateway();
    let said = run(&here, &["export"]);
    assert!(
        said.stderr.contains("who makes a feed of it wants two"),
        "{}",
        said.stderr
    );
    let said = run(&here, &["export", "--direction", "in", "--json"]);
    assert_eq!(said.stderr, "");
    let rows: Vec<Value> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        rows.iter().all(|row| row["direction"] == "in") && rows.len() == 3,
        "{}",
        said.stdout
    );
    assert!(exported(&here, &["--monitored"]).contains("198.51.100.128/25\n"));
    refused(
        &here,
        &["export", "--json", "--format", "csv"],
        "leave one of the two out",
    );
}

/// What a program says to a file, in a namespace of its own.
fn takes(namespace: &Namespace, program: &str, arguments: &[&str], file: &str) -> (bool, String) {
    let mut command = Command::new(program);
    command.args(arguments);
    command.stdin(fs::File::open(file).unwrap());
    let output = namespace.enter(move || command.output()).unwrap().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn nft_and_ipset_take_their_exports() {
    skip_unless!("nft_and_ipset_take_their_exports", Netns, Ipset, Nft);
    let here = gateway();
    let namespace = Namespace::new("firewall-export").unwrap();
    for arguments in [&["--monitored"][..], &[]] {
        let path = here.folder().join("nft.export");
        let path = path.to_str().unwrap();
        fs::write(
            path,
            exported(&here, &[&["--format", "nft"], arguments].concat()),
        )
        .unwrap();
        // Twice: what is there is replaced.
        for options in [&["-c", "-f", path][..], &["-f", path], &["-f", path]] {
            let (done, said) = takes(&namespace, "nft", options, "/dev/null");
            assert!(done, "{said}");
        }
        let list = [
            "get",
            "element",
            "inet",
            "firewall_export",
            "drop_out_v4",
            "{ 203.0.113.9 }",
        ];
        let (found, said) = takes(&namespace, "nft", &list, "/dev/null");
        assert!(found && said.contains("203.0.113.0/25"), "{said}");
    }
    let path = here.folder().join("ipset.export");
    let path = path.to_str().unwrap();
    fs::write(path, exported(&here, &["--format", "ipset", "--monitored"])).unwrap();
    // Twice, here as well: of what was in a set before nothing stays.
    let stale: [&[&str]; 2] = [&[], &["add", "drop_out_v4", "192.0.2.1"]];
    for before in stale {
        if !before.is_empty() {
            let (added, said) = takes(&namespace, "ipset", before, "/dev/null");
            assert!(added, "{said}");
        }
        let (done, said) = takes(&namespace, "ipset", &["restore"], path);
        assert!(done, "{said}");
    }
    for (set, member, is_in) in [
        ("drop_out_v4", "203.0.113.9", true),
        ("drop_out_v4", "203.0.113.200", false),
        ("drop_out_v4", "192.0.2.1", false),
        ("drop_out_v4_ports", "198.51.100.7,tcp:443", true),
        ("drop_out_v6_ports", "2001:db8::7,udp:53", true),
        ("drop_in_v4", "198.18.0.200", true),
        ("monitor_out_v4", "198.51.100.200", true),
    ] {
        let (found, said) = takes(&namespace, "ipset", &["test", set, member], "/dev/null");
        assert_eq!(found, is_in, "{set} {member}: {said}");
    }
}

#[test]
fn a_list_is_tried_before_it_is_a_feed() {
    let here = gateway();
    let list = here.folder().join("list");
    let lines = [
        "203.0.113.5",    // dropped by cert
        "203.0.113.200",  // allowed
        "203.0.112.0/23", // cert has a part of it
        "198.51.100.200", // watched
        "198.51.100.7:443/tcp",
        "198.51.100.9",
        "10.0.0.1",
        "2001:db8:1::7",
    ];
    fs::write(&list, lines.join("\n")).unwrap();
    let before = run(&here, &["list"]).stdout;
    let said = run(&here, &["feeds", "try", list.to_str().unwrap(), "--json"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let row: Value = serde_json::from_str(&said.stdout).unwrap();
    let count = |key: &str| row[key].as_u64().unwrap();
    assert_eq!(
        [
            "entries",
            "new",
            "partly_new",
            "dropped_already",
            "monitored_already",
            "allowed",
            "left_out"
        ]
        .map(count),
        [8, 3, 1, 2, 1, 2, 1]
    );
    assert_eq!(row["findings"][0]["rule"], "special");
    let said = run(&here, &["feeds", "try", list.to_str().unwrap()]).stdout;
    assert!(said.contains("line 7: 10.0.0.1/32 (special)"), "{said}");
    assert!(
        said.contains("no inside host in the ledger talked to them"),
        "{said}"
    );
    assert_eq!(run(&here, &["list"]).stdout, before, "nothing changed");
    refused(
        &here,
        &["feeds", "try", "/does/not/exist"],
        "cannot find /does/not/exist",
    );
    fs::write(&list, "0.0.0.0/0\n203.0.113.7\n").unwrap();
    refused(
        &here,
        &["feeds", "try", list.to_str().unwrap()],
        "every address",
    );
}

/// Feeds of which the first and the second have half a prefix in common.
fn configure_three(here: &Product) {
    let mut configuration = String::new();
    for (name, content) in [
        ("a", "203.0.113.0/24\n198.51.100.7\n10.0.0.1\n"),
        ("b", "203.0.113.0/25\n192.0.2.7\n192.0.2.8\n"),
        ("c", "2001:db8::/48\n"),
    ] {
        let path = here.folder().join(name);
        fs::write(&path, content).unwrap();
        let path = path.display();
        configuration += &format!("[[feed]]\nname = '{name}'\npath = '{path}'\n");
    }
    here.configure(&configuration).unwrap();
}

#[test]
fn feeds_are_compared() {
    let here = product("");
    configure_three(&here);
    let said = run(&here, &["feeds", "compare"]);
    assert_eq!(
        (said.code, said.stdout.as_str()),
        (0, ""),
        "nothing fetched yet: {}",
        said.stderr
    );
    run(&here, &["feeds", "update"]);
    fs::write(
        here.folder().join("b"),
        "203.0.113.0/25\n192.0.2.7\n192.0.2.9\n192.0.2.10\n",
    )
    .unwrap();
    run(&here, &["feeds", "update"]);
    let rows = run(&here, &["feeds", "compare", "--json"]).stdout;
    let rows: Vec<Value> = rows
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows[0]["size"]["v4"], 257);
    assert_eq!(
        (&rows[0]["unique"]["v4"], &rows[0]["left_out"]),
        (&129.into(), &1.into())
    );
    assert_eq!(
        (&rows[0]["common"]["b"]["v4"], &rows[1]["common"]["a"]["v4"]),
        (&128.into(), &128.into())
    );
    assert_eq!(
        (&rows[1]["added"], &rows[1]["removed"]),
        (&2.into(), &1.into())
    );
    assert_eq!(
        (&rows[2]["unique_percent"], &rows[2]["size"]["v6"]),
        (&100.into(), &json!((1_u128 << 80) as f64))
    );
    let text = run(&here, &["feeds", "compare"]).stdout;
    let line = |begin: &str| text.lines().rfind(|it| it.starts_with(begin)).unwrap();
    assert_eq!(
        line("b ").split_whitespace().collect::<Vec<_>>(),
        ["b", "128", "-", "0"],
        "{text}"
    );
    assert!(text.contains("+2 -1") && text.contains("50%"), "{text}");
}

#[test]
fn a_list_is_tried_as_a_feed_would_be_judged() {
    let here = product("");
    let write = |name: &str, text: &str| {
        let path = here.folder().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let protect = write("protect.txt", "8.8.8.8\n");
    here.configure(&format!("[[protect]]\nname = 'dns'\npath = {protect:?}\n"))
        .unwrap();
    run(&here, &["feeds", "update"]);
    let tries = |path: &std::path::Path, more: &[&str]| {
        run(
            &here,
            &[&["feeds", "try", path.to_str().unwrap()], more].concat(),
        )
    };
    let said = tries(&write("list.txt", "8.8.8.8\n203.0.113.7\n"), &["--json"]);
    let row: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((&row["new"], &row["held"]["dns"]), (&1.into(), &1.into()));
    assert_eq!(row["quarantined"], Value::Null);
    let wide: String = (1..9).map(|octet| format!("{octet}.0.0.0/8\n")).collect();
    let said = tries(&write("wide.txt", &wide), &[]).stdout;
    assert!(said.contains("would be quarantined"), "{said}");
    let junk = "203.0.113.7\njunk\n".repeat(50);
    let said = tries(&write("junk.txt", &junk), &["--format", "plain"]);
    assert_eq!(said.code, 2, "{}", said.stdout);
    assert!(said.stderr.contains("at most 2 in 100"), "{}", said.stderr);
}
