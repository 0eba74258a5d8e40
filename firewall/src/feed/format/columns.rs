//! What columns are called. Names are compared in lower case, without anything but letters and digits.

/// What columns with addresses are called; the more certain, the earlier.
pub(super) const ADDRESSES: [&str; 44] = [
    "dstip",
    "dst",
    "destinationip",
    "destip",
    "dstaddress",
    "ip",
    "ipaddress",
    "ipaddr",
    "address",
    "addr",
    "ipv4",
    "ipv6",
    "ipv4address",
    "ipv6address",
    "ipprefix",
    "ipv4prefix",
    "ipv6prefix",
    "cidr",
    "network",
    "subnet",
    "netblock",
    "prefix",
    "net",
    "iprange",
    "range",
    "iocvalue",
    "indicator",
    "indicatorvalue",
    "ioc",
    "value",
    "observable",
    "hostip",
    "host",
    "c2ip",
    "c2",
    "remoteip",
    "ipdst",
    "attackerip",
    "sourceip",
    "srcip",
    "src",
    "srcaddress",
    "ipsrc",
    "startip",
];
pub(super) const PORTS: [&str; 6] = [
    "dstport",
    "destinationport",
    "destport",
    "c2port",
    "remoteport",
    "port",
];
pub(super) const PROTOCOLS: [&str; 3] = ["protocol", "proto", "transport"];

/// What the two columns of a range are called, apart from what they are ends of.
const ENDS: [(&str, &str); 10] = [
    ("start", "end"),
    ("start", "stop"),
    ("begin", "end"),
    ("beginning", "ending"),
    ("first", "last"),
    ("from", "to"),
    ("low", "high"),
    ("lower", "upper"),
    ("lowest", "highest"),
    ("min", "max"),
];

/// What the lengths or masks of prefixes are called.
const MASKS: [&str; 18] = [
    "netmask",
    "mask",
    "subnetmask",
    "networkmask",
    "masklen",
    "masklength",
    "masksize",
    "netmasklength",
    "prefixlen",
    "prefixlength",
    "prefixsize",
    "plen",
    "cidrmask",
    "cidrrange",
    "cidr",
    "prefix",
    "subnet",
    "bits",
];

/// Columns of the same addresses, one for each family.
const FAMILIES: [(&str, &str); 7] = [
    ("ipv4", "ipv6"),
    ("ipv4address", "ipv6address"),
    ("ipv4addr", "ipv6addr"),
    ("ipv4prefix", "ipv6prefix"),
    ("ip4", "ip6"),
    ("v4", "v6"),
    ("ip", "ipv6"),
];

/// Addresses of whoever sends something. Often that is an attacker, and at times who reports one.
const SOURCES: [&str; 5] = ["sourceip", "srcip", "src", "srcaddress", "ipsrc"];

/// Addresses of attackers: the port beside them is the one that they attacked.
const ATTACKERS: [&str; 6] = [
    "src",
    "srcip",
    "sourceip",
    "attackerip",
    "srcaddress",
    "ipsrc",
];

/// In the name of a column: what is beside an indicator and is none.
const OTHERS: [&str; 13] = [
    "sensor",
    "reporter",
    "submitter",
    "observer",
    "collector",
    "honeypot",
    "victim",
    "resolver",
    "nameserver",
    "dnsserver",
    "gateway",
    "nexthop",
    "version",
];

/// How likely a column has the indicators, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likely {
    /// It is called after them.
    Certain,
    /// Nothing says so, or it could be the address of somebody else.
    Unknown,
    /// It is called after somebody else.
    Hardly,
}

/// How likely a column of this name has the indicators.
pub(super) fn likely(name: &str) -> Likely {
    if is_of_another(name) {
        Likely::Hardly
    } else if ADDRESSES.contains(&name) && !SOURCES.contains(&name) && name != "host" {
        Likely::Certain
    } else {
        Likely::Unknown
    }
}

/// Whether a column of this name has attackers.
pub(super) fn is_attacker(name: &str) -> bool {
    ATTACKERS.contains(&name)
}

/// Whether a name says that something is no indicator, but who saw it or stands between.
pub(super) fn is_of_another(name: &str) -> bool {
    OTHERS.iter().any(|other| name.contains(other))
}

/// Whether the two are the first and the last address of ranges.
pub(super) fn are_ends(first: &str, last: &str) -> bool {
    let (first, last) = (end(first), end(last));
    ENDS.contains(&(&first, &last))
}

/// `start` of `ip_range_start`.
pub(super) fn end(name: &str) -> String {
    const OF: [&str; 7] = [
        "ipaddress",
        "address",
        "addr",
        "network",
        "range",
        "ip",
        "net",
    ];
    OF.iter()
        .fold(name.to_owned(), |name, of| name.replace(of, ""))
}

/// Whether a column of this name has lengths or masks of what one called `address` has.
pub(super) fn is_mask(name: &str, address: &str) -> bool {
    // A packet has a length too.
    let of_network = ["net", "prefix", "cidr", "block"];
    let network = of_network.iter().any(|of| address.contains(of));
    MASKS.contains(&name) || (network && matches!(name, "length" | "len"))
}

/// Whether two columns have the same for IPv4 and IPv6.
pub(super) fn are_families(name: &str, other: &str) -> bool {
    FAMILIES.contains(&(name, other)) || FAMILIES.contains(&(other, name))
}

/// How certainly a column or key of this name has addresses: lower is more certain; `None` if nothing
/// says so.
pub(super) fn address_rank(name: &str) -> Option<usize> {
    let name = plain_name(name.as_bytes());
    ADDRESSES.iter().position(|known| *known == name)
}

/// Whether a column or key of this name has the port of the address beside it.
pub(super) fn is_port_name(name: &str) -> bool {
    PORTS.contains(&plain_name(name.as_bytes()).as_str())
}

/// A name in lower case without anything but letters and digits.
pub(super) fn plain_name(field: &[u8]) -> String {
    let letters = field.iter().filter(|byte| byte.is_ascii_alphanumeric());
    letters
        .take(64)
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_ranges_by_their_names() {
        let table = [
            ("start_ip", "end_ip", true),
            ("ip_from", "ip_to", true),
            ("Start IP Address", "End IP Address", true),
            ("ip_range_start", "ip_range_end", true),
            ("network_first", "network_last", true),
            ("IP-Start", "IP-End", true),
            ("first_address", "last_address", true),
            ("low", "high", true),
            ("start_ip", "stop_ip", true),
            ("first_seen", "last_seen", false),
            ("end_ip", "start_ip", false),
            ("start", "last", false),
            ("ip", "ip", false),
        ];
        for (first, last, expected) in table {
            let plain = |name: &str| plain_name(name.as_bytes());
            assert_eq!(are_ends(&plain(first), &plain(last)), expected, "{first}");
        }
    }

    #[test]
    fn a_column_is_as_likely_as_its_name() {
        let table = [
            ("indicator", Likely::Certain),
            ("ip", Likely::Certain),
            ("attackerip", Likely::Certain),
            ("srcip", Likely::Unknown),
            ("host", Likely::Unknown),
            ("whatever", Likely::Unknown),
            ("sensorip", Likely::Hardly),
            ("reporterip", Likely::Hardly),
            ("dnsresolver", Likely::Hardly),
            ("agentversion", Likely::Hardly),
        ];
        for (name, expected) in table {
            assert_eq!(likely(name), expected, "{name}");
        }
    }
}
