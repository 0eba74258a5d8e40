use super::*;
use crate::address::{Address, Prefix};

fn said(pattern: &str) -> String {
    let terms = match terms(pattern) {
        Ok(terms) => terms,
        Err(reason) => return reason.to_owned(),
    };
    let term = |term: &Term| match term {
        Term::Item(Item::Prefix(Prefix::V4(address, length)), port) => {
            let port = port.map_or(String::new(), |port| format!(":{port}"));
            format!("{}/{length}{port}", address.to_ip())
        }
        Term::Item(item, port) => format!("{item:?} {port:?}"),
        Term::Name => "name".to_owned(),
        Term::Other => "other".to_owned(),
    };
    terms.iter().map(term).collect::<Vec<_>>().join(" ")
}

#[test]
fn patterns_that_a_filter_can_apply() {
    let table = [
        ("[ipv4-addr:value = '192.0.2.1']", "192.0.2.1/32"),
        ("[ipv4-addr:value='192.0.2.0/24']", "192.0.2.0/24"),
        ("[ipv4-addr:value ISSUBSET '192.0.2.0/24']", "192.0.2.0/24"),
        (
            "[ipv4-addr:value IN ('192.0.2.1', '192.0.2.2')]",
            "192.0.2.1/32 192.0.2.2/32",
        ),
        (
            "[ipv4-addr:value = '192.0.2.1' OR ipv4-addr:value = '192.0.2.2']",
            "192.0.2.1/32 192.0.2.2/32",
        ),
        (
            "[ipv4-addr:value = '192.0.2.1'] OR [domain-name:value = 'evil.example']",
            "192.0.2.1/32 name",
        ),
        (
            "([ipv4-addr:value = '192.0.2.1']) or [file:name = 'a']",
            "192.0.2.1/32 other",
        ),
        ("[domain-name:value='192.0.2.1']", "192.0.2.1/32"),
        (
            "[network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 443]",
            "192.0.2.1/32:443",
        ),
        (
            "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.1' \
             AND (network-traffic:dst_port = 80 OR network-traffic:dst_port IN (443, 8080)) \
             AND network-traffic:protocols[*] = 'TCP']",
            "192.0.2.1/32:80/tcp 192.0.2.1/32:443/tcp 192.0.2.1/32:8080/tcp",
        ),
        // AND binds more than OR.
        (
            "[ipv4-addr:value = '192.0.2.1' OR ipv4-addr:value = '192.0.2.2' AND network-traffic:dst_port = 80]",
            "192.0.2.1/32 192.0.2.2/32:80",
        ),
        // Nothing is two addresses.
        (
            "[ipv4-addr:value = '192.0.2.1' AND ipv4-addr:value = '192.0.2.2']",
            "a pattern that nothing can meet, such as two addresses at once",
        ),
        (
            "[ipv4-addr:value = '192.0.2.1' AND ipv4-addr:value = '192.0.2.2' OR ipv4-addr:value = '192.0.2.3']",
            "192.0.2.3/32",
        ),
        // Who calls a port has another one himself.
        (
            "[network-traffic:src_ref.value = '192.0.2.1' AND network-traffic:dst_port = 22]",
            "a pattern that no filter can apply whole: an address with a condition that packets do not show",
        ),
        (
            "[file:hashes.'SHA-256' = 'aa'] FOLLOWEDBY [domain-name:value = 'a.example']",
            "other name",
        ),
        ("[url:value LIKE 'http://%'] WITHIN 300 SECONDS", "other"),
    ];
    for (pattern, expected) in table {
        assert_eq!(said(pattern), expected, "{pattern}");
    }
}

#[test]
fn no_half_of_a_pattern_is_applied() {
    let table = [
        (
            "[ipv4-addr:value = '192.0.2.1' AND file:name = 'a']",
            NOT_SAID,
        ),
        (
            "[ipv4-addr:value = '192.0.2.1' AND domain-name:value = 'a.example']",
            NOT_SAID,
        ),
        (
            "[ipv4-addr:value = '192.0.2.1' AND network-traffic:src_port = 80]",
            NOT_SAID,
        ),
        (
            "[ipv4-addr:value = '192.0.2.1' AND network-traffic:protocols[0] = 'udp']",
            NOT_SAID,
        ),
        (
            "[ipv4-addr:value = '192.0.2.1' AND network-traffic:protocols[0] = 'icmp']",
            NOT_SAID,
        ),
        ("[ipv4-addr:value NOT = '192.0.2.1']", NOT_SAID),
        ("[ipv4-addr:value != '192.0.2.1']", NOT_SAID),
        ("[ipv4-addr:value LIKE '192.0.2.%']", NOT_SAID),
        ("[ipv4-addr:value MATCHES '192']", NOT_SAID),
        (
            "[ipv4-addr:value = '192.0.2.1'] AND [ipv4-addr:value = '192.0.2.2']",
            TOGETHER,
        ),
        (
            "[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [file:name = 'a']",
            TOGETHER,
        ),
        (
            "[ipv4-addr:value = '192.0.2.1'] REPEATS 5 TIMES WITHIN 60 SECONDS",
            TOGETHER,
        ),
        (
            "[ipv4-addr:value = '192.0.2.1'] START t'2026-01-01T00:00:00Z' STOP t'2026-01-02T00:00:00Z'",
            TOGETHER,
        ),
        ("[ipv4-addr:value = '192.0.2.1'", SYNTAX),
        ("ipv4-addr:value = '192.0.2.1'", SYNTAX),
        ("[ipv4-addr:value = '192.0.2.1']]", SYNTAX),
        ("[]", SYNTAX),
        ("", SYNTAX),
    ];
    for (pattern, reason) in table {
        assert_eq!(said(pattern), reason, "{pattern}");
    }
    let deep = format!("[{}a:b = 1{}]", "(".repeat(100), ")".repeat(100));
    assert_eq!(said(&deep), TOO_DEEP);
    let two = "(ipv4-addr:value = '192.0.2.1' OR ipv4-addr:value = '192.0.2.2')";
    let many = vec![two; 16].join(" AND ");
    assert_eq!(said(&format!("[{many}]")), TOO_MANY);
}
