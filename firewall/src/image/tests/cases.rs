//! Named cases. A rule reads `wish source prefix` or `wish source address:port`, an expectation
//! `address: wish sources`. A source `name@2` is in the group in which two must agree.

use std::net::{IpAddr, SocketAddr};

use firewall_common::class::Action;
use firewall_common::image::FIRST_LEVEL_LINES;

use super::{
    oracle::{answer as class_answer, check, lookup},
    properties::group,
};
use crate::{
    image::Image,
    ruleset::{Entry, PortEntry, Protocol, Ruleset, Wish},
};

pub fn ruleset(rules: &[&str]) -> Ruleset {
    let mut ruleset = Ruleset::default();
    for rule in rules {
        let words: Vec<&str> = rule.split(' ').collect();
        let wish = match words[0] {
            "allow" => Wish::Allow,
            "protect" => Wish::Protect,
            "exempt" => Wish::Exempt,
            "monitor" => Wish::Monitor,
            "in" => Wish::Inbound {
                opening: Action::Drop,
                connectionless: Action::Monitor,
            },
            _ => Wish::Drop,
        };
        let (name, min_sources) = words[1].split_once('@').unwrap_or((words[1], ""));
        let source = ruleset.source(name, wish).unwrap();
        if let Ok(min_sources) = min_sources.parse() {
            ruleset.put_in_group(source, group(min_sources));
        }
        if let Ok(host) = words[2].parse::<SocketAddr>() {
            ruleset.ports.push(PortEntry {
                address: host.ip(),
                protocol: Protocol::Tcp,
                port: host.port(),
                source,
            });
        } else {
            let prefix: ipnet::IpNet = words[2].parse().unwrap();
            ruleset.push(prefix.into(), source);
        }
    }
    ruleset
}

pub fn answer(image: &Image, address: &str) -> String {
    let answer = match (address.parse(), address.parse::<SocketAddr>()) {
        (Ok(IpAddr::V4(address)), _) => lookup(image, address.to_bits()),
        (Ok(IpAddr::V6(address)), _) => lookup(image, address.to_bits()),
        (_, host) => {
            let host = host.unwrap();
            image
                .lookup_port(host.ip(), Protocol::Tcp, host.port())
                .and_then(|class| class_answer(image, class))
        }
    };
    let Some((actions, sources)) = answer else {
        return "nothing".to_owned();
    };
    use Action::{Drop, Monitor, Pass};
    let wish = match actions {
        None => "exempt".to_owned(),
        Some([Drop, Drop, Drop, Drop]) => "drop".to_owned(),
        Some([Monitor, Monitor, Monitor, Monitor]) => "monitor".to_owned(),
        Some([Pass, Pass, Drop, Monitor]) => "in".to_owned(),
        Some(other) => format!("{other:?}").to_lowercase().replace(' ', ""),
    };
    let sources: Vec<String> = sources.into_iter().collect();
    format!("{wish} {}", sources.join(" "))
}

/// Asserts the expectations, and agreement with the scan at every boundary.
pub fn expect(rules: &[&str], expectations: &[&str]) -> Image {
    let ruleset = ruleset(rules);
    let image = Image::compile(&ruleset).unwrap();
    for expectation in expectations {
        let (address, expected) = expectation.split_once(": ").unwrap();
        assert_eq!(answer(&image, address), expected, "{address}");
    }
    check(&ruleset);
    image
}

/// Lines that `rules` need after the first levels of both families.
fn lines(rules: &[&str]) -> usize {
    let image = expect(rules, &[]);
    image.v4.len() + image.v6.len() - 2 * FIRST_LEVEL_LINES
}

#[test]
fn no_rules_list_nothing() {
    let image = expect(
        &[],
        &[
            "0.0.0.0: nothing",
            "255.255.255.255: nothing",
            "::: nothing",
        ],
    );
    assert_eq!(
        (image.entries, image.classes.len(), image.folded),
        (0, 0, 0)
    );
}

#[test]
fn a_host_is_listed_and_its_neighbours_are_not() {
    expect(
        &["drop a 192.0.2.7/32", "monitor b 2001:db8::7/128"],
        &[
            "192.0.2.6: nothing",
            "192.0.2.7: drop a",
            "192.0.2.8: nothing",
            "2001:db8::6: nothing",
            "2001:db8::7: monitor b",
            "2001:db8::8: nothing",
        ],
    );
}

#[test]
fn every_source_around_an_address_is_named() {
    expect(
        &[
            "drop a 192.0.2.0/24",
            "monitor b 192.0.2.7/32",
            "drop c 192.0.0.0/16",
            "drop a 0.0.0.0/0",
        ],
        &[
            "192.0.2.7: drop a b c",
            "192.0.2.8: drop a c",
            "10.0.0.1: drop a",
        ],
    );
    expect(
        &[
            "drop a 2001:db8::/32",
            "monitor b 2001:db8::/64",
            "drop c ::/0",
        ],
        &[
            "2001:db8::1: drop a b c",
            "2001:db8:1::1: drop a c",
            "::1: drop c",
        ],
    );
}

#[test]
fn drop_beats_monitor_and_allow_beats_both() {
    expect(
        &[
            "monitor b 192.0.2.0/24",
            "drop a 192.0.2.7/32",
            "allow mine 192.0.2.8/31",
            "drop a 192.0.2.8/32",
            "protect dns 192.0.2.9/32",
        ],
        &[
            "192.0.2.7: drop a b",
            "192.0.2.8: nothing",
            "192.0.2.9: nothing",
            "192.0.2.10: monitor b",
        ],
    );
}

#[test]
fn allow_holds_for_everything_inside_it() {
    expect(
        &[
            "allow mine 192.0.2.0/24",
            "drop a 192.0.2.0/25",
            "drop b 192.0.2.7/32",
            "drop c 192.0.0.0/16",
        ],
        &[
            "192.0.2.7: nothing",
            "192.0.2.200: nothing",
            "192.0.3.0: drop c",
            "192.0.1.255: drop c",
        ],
    );
    expect(
        &[
            "allow mine 2001:db8::/48",
            "drop a 2001:db8::/64",
            "drop c 2001:db8::/32",
        ],
        &["2001:db8::1: nothing", "2001:db8:1::: drop c"],
    );
}

#[test]
fn a_block_between_two_allows_stays_allowed() {
    expect(
        &[
            "allow mine 10.0.0.0/8",
            "drop a 10.1.0.0/16",
            "allow mine 10.1.2.0/24",
            "drop a 10.1.2.3/32",
        ],
        &[
            "10.1.2.3: nothing",
            "10.1.2.4: nothing",
            "10.1.3.0: nothing",
            "10.2.0.0: nothing",
        ],
    );
}

#[test]
fn both_ends_of_the_address_space_are_ordinary() {
    expect(
        &[
            "drop a 0.0.0.0/32",
            "drop b 255.255.255.255/32",
            "drop c ::/128",
        ],
        &[
            "0.0.0.0: drop a",
            "0.0.0.1: nothing",
            "255.255.255.254: nothing",
            "255.255.255.255: drop b",
        ],
    );
    let last = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    expect(
        &[&format!("drop a {last}/128"), "drop c ::/0"],
        &[&format!("{last}: drop a c")],
    );
}

#[test]
fn adjacent_prefixes_keep_their_own_sources() {
    expect(
        &[
            "drop a 10.0.0.0/25",
            "drop b 10.0.0.128/25",
            "drop b 10.0.1.0/24",
        ],
        &[
            "10.0.0.127: drop a",
            "10.0.0.128: drop b",
            "10.0.1.255: drop b",
            "10.0.2.0: nothing",
        ],
    );
}

#[test]
fn duplicates_count_as_entries_and_change_nothing_else() {
    let once = expect(&["drop a 10.0.0.1/32"], &[]);
    let thrice = expect(&["drop a 10.0.0.1/32"; 3], &["10.0.0.1: drop a"]);
    assert_eq!((once.entries, thrice.entries), (1, 3));
    assert_eq!((once.v4, once.classes), (thrice.v4, thrice.classes));
}

#[test]
fn allowed_entries_are_not_counted() {
    let image = expect(
        &[
            "allow mine 10.0.0.1/32",
            "protect dns ::1/128",
            "monitor b ::2/128",
        ],
        &[],
    );
    assert_eq!((image.entries, image.classes.len()), (1, 1));
}

#[test]
fn families_share_classes() {
    assert_eq!(
        expect(&["drop a 10.0.0.1/32", "drop a ::1/128"], &[])
            .classes
            .len(),
        1
    );
}

#[test]
fn an_ipv4_mapped_address_is_an_ipv6_address() {
    expect(&["drop a 10.0.0.1/32"], &["::ffff:10.0.0.1: nothing"]);
}

#[test]
fn an_entry_without_source_is_an_error() {
    let entry = Entry {
        address: 0,
        length: 32,
        source: 0,
    };
    assert!(
        Image::compile(&Ruleset {
            v4: vec![entry],
            ..Ruleset::default()
        })
        .is_err()
    );
}

#[test]
fn whole_slash_18s_need_no_lines() {
    assert_eq!(
        lines(&[
            "drop a 0.0.0.0/0",
            "drop b 10.0.0.0/8",
            "allow mine 10.1.64.0/18"
        ]),
        0
    );
    assert_eq!(
        lines(&[
            "drop a ::/0",
            "drop b 2000::/3",
            "allow mine 2001:4000::/18"
        ]),
        0
    );
}

#[test]
fn allowed_addresses_need_no_lines() {
    assert_eq!(
        lines(&["allow mine 10.0.0.1/32", "protect dns 2001:db8::53/128"]),
        0
    );
}

#[test]
fn sixteen_slash_24s_with_one_prefix_each_need_one_line() {
    let rules: Vec<String> = (0..16).map(|n| format!("drop a 10.0.{n}.128/25")).collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    assert_eq!(lines(&rules), 1);
}

#[test]
fn one_slash_24_with_two_prefixes_does_not_widen_the_others() {
    let mut rules: Vec<String> = (0..8).map(|n| format!("drop a 10.0.{n}.1/32")).collect();
    rules.push("drop a 10.0.0.3/32".to_owned());
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    assert_eq!(lines(&rules), 1);
}

#[test]
fn four_prefixes_in_each_slash_24_need_one_line_for_four_slash_24s() {
    let mut rules = Vec::new();
    for network in 0..4 {
        for host in [1, 3, 5] {
            rules.push(format!("drop a 10.0.{network}.{host}/32"));
        }
        rules.push(format!("monitor b 10.0.{network}.0/24"));
    }
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    assert_eq!(lines(&rules), 1);
}

#[test]
fn twelve_hosts_need_a_list_beside_their_node() {
    let rules: Vec<String> = (0..12)
        .map(|n| format!("drop a 10.0.0.{}/32", 2 * n + 1))
        .collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    assert_eq!(lines(&rules[..11]), 2, "descriptor and node");
    assert_eq!(lines(&rules), 3, "descriptor, node and list");
}

#[test]
fn more_than_four_ipv6_prefixes_need_a_tree() {
    let rules = [
        "drop a 2001:db8:1::1/128",
        "drop a 2001:db8:2::2/128",
        "drop a 2001:db8:4::5/128",
        "drop a 2001:db8:6::7/128",
        "drop a 2001:db8:8::9/128",
    ];
    assert_eq!(lines(&rules[..4]), 2, "descriptor, and four tails");
    assert_eq!(
        lines(&rules),
        3,
        "descriptor with three tails, two tails, leaf"
    );
}
