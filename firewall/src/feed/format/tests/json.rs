//! Documents in JSON as providers, programs and their error pages write them.

use super::*;
use crate::address::Prefix;

pub(super) fn read(format: Option<Format>, text: &str) -> Result<Parsed, Refused> {
    let how = How::default();
    match format {
        Some(format) => parse(format, &how, text.as_bytes()),
        None => detect_and_parse(&how, text.as_bytes()).map(|(_, parsed)| parsed),
    }
}

/// Every prefix, with its port if it has one.
pub(super) fn entries(parsed: &Parsed) -> Vec<String> {
    let v4 = parsed
        .v4
        .iter()
        .map(|it| (Prefix::V4(it.address, it.length), it.port));
    let v6 = parsed
        .v6
        .iter()
        .map(|it| (Prefix::V6(it.address, it.length), it.port));
    v4.chain(v6)
        .map(|(prefix, port)| {
            let port = port.map_or(String::new(), |port| format!(" port {port}"));
            let prefix = prefix.net().unwrap().to_string();
            let host = prefix.strip_suffix("/32").filter(|it| it.contains('.'));
            let host = host.or(prefix.strip_suffix("/128"));
            format!("{}{port}", host.unwrap_or(&prefix))
        })
        .collect()
}

#[track_caller]
pub(super) fn are(table: &[(&str, &str, &[&str])]) {
    for (what, list, expected) in table {
        let parsed = read(None, list).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(entries(&parsed), *expected, "{what}");
    }
}

#[track_caller]
pub(super) fn are_refused(table: &[(&str, &str)]) {
    for (list, reason) in table {
        for format in [None, Some(Format::Json)] {
            match read(format, list) {
                Ok(parsed) => panic!("{list}: {:?}", entries(&parsed)),
                Err(refused) => {
                    assert!(refused.to_string().contains(reason), "{list}: {refused}");
                }
            }
        }
    }
}

#[test]
fn what_stands_outside_of_arrays_or_below_an_error_is_no_list() {
    are_refused(&[
        (
            r#"{"error":{"request":{"client_ip":"203.0.113.9"}}}"#,
            "but `error.request.client_ip`, which is an error",
        ),
        (
            r#"{"status":"error","data":{"client":{"ip":"203.0.113.9"}}}"#,
            "no path inside of an array has addresses, but `data.client.ip` outside has",
        ),
        (
            r#"{"ok":true,"result":{"your":{"addr":"203.0.113.9"}}}"#,
            "`result.your.addr`",
        ),
        (
            r#"{"errors":[{"detail":"limit","client_ip":"203.0.113.9"}]}"#,
            "`errors[].client_ip`",
        ),
        (
            r#"{"error":{"details":[{"clientIp":"203.0.113.9"}]}}"#,
            "`error.details[].clientIp`",
        ),
        (r#"{"Error":["203.0.113.9"]}"#, "`Error[]`"),
        (
            r#"{"data":{"evil.example":{"ip":"203.0.113.9"}}}"#,
            "`data.*.ip`",
        ),
        (
            r#"{"error":{"203.0.113.9":{"requests":9}}}"#,
            "no path inside of an array has addresses",
        ),
    ]);
}

#[test]
fn records_stand_in_arrays_in_lines_and_below_numbers_and_addresses() {
    are(&[
        (
            "by number",
            r#"{"123":{"ip":"192.0.2.1"},"124":{"ip":"192.0.2.2"}}"#,
            &["192.0.2.1", "192.0.2.2"],
        ),
        (
            "by an id with letters, deeper",
            r#"{"data":{"5f0c3a1b":{"ip":"192.0.2.1"},"6a1d4b2c":{"ip":"192.0.2.2"}}}"#,
            &["192.0.2.1", "192.0.2.2"],
        ),
        (
            "by address",
            r#"{"192.0.2.1":{"n":1},"2001:db8::1":{"n":2}}"#,
            &["192.0.2.1", "2001:db8::1"],
        ),
        (
            "by address and by prefix",
            r#"{"192.0.2.1":{"n":1},"198.51.100.0/24":{"n":2}}"#,
            &["192.0.2.1", "198.51.100.0/24"],
        ),
        (
            "by prefix",
            r#"{"192.0.2.0/24":{"n":1},"2001:db8::/32":{"n":2}}"#,
            &["192.0.2.0/24", "2001:db8::/32"],
        ),
        (
            "addresses below the prefix that they are in",
            r#"{"192.0.2.0/24":["192.0.2.1","192.0.2.9"]}"#,
            &["192.0.2.1", "192.0.2.9"],
        ),
        (
            "by address, and who says so",
            r#"{"192.0.2.1":{"reporter":{"ip":"203.0.113.5"}},"192.0.2.2":{"peer":"203.0.113.6"}}"#,
            &["192.0.2.1", "192.0.2.2"],
        ),
        (
            "by line",
            "{\"result\":{\"ip\":\"192.0.2.1\"}}\n{\"result\":{\"ip\":\"192.0.2.2\"}}\n",
            &["192.0.2.1", "192.0.2.2"],
        ),
    ]);
}

#[test]
fn of_a_record_the_key_most_certainly_called_after_an_indicator_counts() {
    are(&[
        (
            "a sensor beside the indicator",
            r#"[{"indicator":"192.0.2.1","source_ip":"10.0.0.5"},{"indicator":"evil.example","source_ip":"10.0.0.5"}]"#,
            &["192.0.2.1"],
        ),
        (
            "who says so",
            r#"[{"ip":"192.0.2.1","reporter":{"name":"x","ip":"203.0.113.5"}}]"#,
            &["192.0.2.1"],
        ),
        (
            "who says so, of another family",
            r#"[{"ip":"192.0.2.1","reporter":{"ip":"2001:db8::5"},"seen_by":"2001:db8::6"}]"#,
            &["192.0.2.1"],
        ),
        (
            "who says so before",
            r#"[{"seen":"203.0.113.5","indicator":{"ip":"192.0.2.1"}}]"#,
            &["192.0.2.1"],
        ),
        (
            "where it was seen",
            "{\"host\":{\"ip\":[\"10.0.0.2\"]},\"threat\":{\"indicator\":{\"ip\":\"192.0.2.1\"}}}\n\
             {\"host\":{\"ip\":[\"10.0.0.2\"]},\"threat\":{\"indicator\":{\"ip\":\"192.0.2.2\"}}}\n",
            &["192.0.2.1", "192.0.2.2"],
        ),
        (
            "where it was seen, in an array",
            r#"{"hits":{"hits":[{"_source":{"observer":{"ip":"10.0.0.2"},"threat":{"indicator":{"ip":"192.0.2.1"}}}}]}}"#,
            &["192.0.2.1"],
        ),
    ]);
}

#[test]
fn of_a_record_what_is_called_after_somebody_else_does_not_count() {
    are(&[
        (
            "a flow",
            r#"[{"source":{"ip":"10.0.0.5"},"destination":{"ip":"192.0.2.1"}}]"#,
            &["192.0.2.1"],
        ),
        (
            "a scanned host, and whom its page names",
            r#"{"matches":[{"ip_str":"192.0.2.1","http":{"host":"203.0.113.4"}}]}"#,
            &["192.0.2.1"],
        ),
        (
            "what it is told to ask",
            r#"[{"ip":"192.0.2.1","config":{"dns_resolver":"8.8.8.8"}}]"#,
            &["192.0.2.1"],
        ),
        (
            "who answers for a name",
            r#"[{"domain":"evil.example","nameservers":["8.8.8.8"],"ip":"192.0.2.1"}]"#,
            &["192.0.2.1"],
        ),
        (
            "who stood between",
            r#"{"data":[{"ip":"192.0.2.1","x_forwarded_for":["203.0.113.1"]}]}"#,
            &["192.0.2.1"],
        ),
        (
            "the one attacked",
            r#"[{"attacker":"192.0.2.1","victim":"10.0.0.5"}]"#,
            &["192.0.2.1"],
        ),
        (
            "indicators of a report, and who wrote it",
            r#"{"results":[{"ip":"203.0.113.5","indicators":[{"indicator":"192.0.2.1"},{"indicator":"192.0.2.2"}]}]}"#,
            &["192.0.2.1", "192.0.2.2"],
        ),
    ]);
}

#[test]
fn the_network_beside_an_address_is_none_of_it_however_deep() {
    are(&[
        (
            "the network that it is in, one object deeper",
            r#"{"results":[{"ip":"192.0.2.1","autonomous_system":{"bgp_prefix":"192.0.0.0/16"}}]}"#,
            &["192.0.2.1"],
        ),
        (
            "its route",
            r#"[{"ip":"192.0.2.1","asn":{"asn":"AS64496","route":"192.0.2.0/24"}}]"#,
            &["192.0.2.1"],
        ),
        (
            "an id, and the network that it is in",
            r#"{"data":[{"id":"192.0.2.1","attributes":{"network":"192.0.2.0/24"}}]}"#,
            &["192.0.2.1"],
        ),
        (
            "addresses of a network",
            r#"[{"cidr":"192.0.2.0/24","ips":["192.0.2.1","192.0.2.9"]}]"#,
            &["192.0.2.1", "192.0.2.9"],
        ),
        (
            "the network that a network is in",
            r#"{"data":{"ipv4_prefixes":[{"prefix":"192.0.2.0/24","parent":{"prefix":"192.0.0.0/16","ip":"192.0.0.0"}}]}}"#,
            &["192.0.2.0/24"],
        ),
    ]);
}

#[test]
fn what_is_no_other_part_of_the_same_record_counts() {
    are(&[
        (
            "arrays of one document",
            r#"{"result":{"ipv4_cidrs":["192.0.2.0/24"],"ipv6_cidrs":["2001:db8::/32"]},"errors":[]}"#,
            &["192.0.2.0/24", "2001:db8::/32"],
        ),
        (
            "arrays of records",
            r#"{"prefixes":[{"ip_prefix":"192.0.2.0/24"}],"ipv6_prefixes":[{"ipv6_prefix":"2001:db8::/32"}]}"#,
            &["192.0.2.0/24", "2001:db8::/32"],
        ),
        (
            "many arrays",
            r#"{"web":["192.0.2.0/24"],"api":["198.51.100.0/24"],"dns":["203.0.113.0/24"]}"#,
            &["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"],
        ),
        (
            "arrays of a record",
            r#"[{"name":"x","ips":["192.0.2.1"],"cidrs":["198.51.100.0/24"]}]"#,
            &["192.0.2.1", "198.51.100.0/24"],
        ),
        (
            "both families of a record",
            r#"[{"name":"x","v4":["192.0.2.1"],"v6":["2001:db8::1"]}]"#,
            &["192.0.2.1", "2001:db8::1"],
        ),
        (
            "both families of a host",
            r#"[{"ip":"192.0.2.1","ipv6":"2001:db8::1"}]"#,
            &["192.0.2.1", "2001:db8::1"],
        ),
        (
            "records of two kinds",
            r#"[{"ip":"192.0.2.1"},{"cidr":"198.51.100.0/24"}]"#,
            &["192.0.2.1", "198.51.100.0/24"],
        ),
        (
            "families of a record that are called differently",
            r#"[{"IpRanges":[{"CidrIp":"192.0.2.0/24"}],"Ipv6Ranges":[{"CidrIpv6":"2001:db8::/32"}]}]"#,
            &["192.0.2.0/24", "2001:db8::/32"],
        ),
        (
            "addresses and records in one array",
            r#"{"items":["192.0.2.1",{"ip":"192.0.2.2"}]}"#,
            &["192.0.2.1", "192.0.2.2"],
        ),
        (
            "keys that say nothing",
            r#"[{"a":"192.0.2.1","b":"192.0.2.2"}]"#,
            &["192.0.2.1", "192.0.2.2"],
        ),
    ]);
}

#[test]
fn addresses_of_somebody_else_alone_are_no_list() {
    are_refused(&[
        (
            r#"[{"domain":"evil.example","nameservers":["8.8.8.8"]}]"#,
            "`[].nameservers[]` has addresses, by its name of somebody else; if they are the list, name it",
        ),
        (
            r#"[{"indicator":"evil.example","source_ip":"10.0.0.5"}]"#,
            "no path of indicators has addresses, only 1 domain names, URLs, AS numbers or digests",
        ),
    ]);
}

#[test]
fn texts_among_addresses_that_are_none_are_judged_one_by_one() {
    let table: &[(&str, usize, usize, usize)] = &[
        (r#"{"ips":["192.0.2.1","192.0.2.2","n/a"]}"#, 2, 0, 0),
        (
            r#"[{"ip":"192.0.2.1"},{"ip":""},{"ip":"-"},{"ip":"NULL"}]"#,
            1,
            0,
            0,
        ),
        (
            r#"{"c2":[{"ip":"192.0.2.1"}],"bots":[{"ip":"192.0.2.2"},{"ip":"unknown"}]}"#,
            2,
            0,
            0,
        ),
        (
            r#"{"ipv4":["192.0.2.1"],"ipv6":["2001:db8::1",""]}"#,
            2,
            0,
            0,
        ),
        (
            r#"{"results":[{"indicators":[{"indicator":"192.0.2.1"},{"indicator":"192.0.2.2"},
               {"indicator":"CVE-2021-44228"},{"indicator":"evil.example"}]}]}"#,
            2,
            0,
            2,
        ),
        (
            r#"{"iocs":["192.0.2.1","evil.example","http://evil.example/"]}"#,
            1,
            0,
            2,
        ),
        (
            r#"[{"ip":"192.0.2.1"},{"ip":"192.0.2.2"},{"ip":"192.0.2.3"},{"ip":"192.0.2.4"},{"ip":"a word"}]"#,
            4,
            1,
            0,
        ),
        (
            r#"["192.0.2.1","192.0.2.2","192.0.2.3","192.0.2.4","a word"]"#,
            4,
            1,
            0,
        ),
    ];
    for (list, entries, rejected, skipped) in table {
        let parsed = read(None, list).unwrap_or_else(|error| panic!("{list}: {error}"));
        let counts = (parsed.entries, parsed.rejected_count);
        assert_eq!(counts, (*entries, *rejected), "{list}");
        assert_eq!(parsed.skipped.values().sum::<usize>(), *skipped, "{list}");
    }
}

#[test]
fn zones_and_long_digests_among_addresses() {
    let list = r#"{"v4":["192.0.2.1"],"v6":["2001:db8::1","fe80::1%eth0"]}"#;
    let parsed = read(Some(Format::Json), list).unwrap();
    assert_eq!((parsed.entries, parsed.rejected_count), (2, 1));
    let digests = [96, 128].map(|length| "a".repeat(length));
    for digest in digests {
        let list = format!(r#"[{{"ioc":"192.0.2.1"}},{{"ioc":"{digest}"}}]"#);
        let parsed = read(None, &list).unwrap();
        assert_eq!(parsed.skipped.get(&Skipped::Other), Some(&1), "{list}");
    }
}
