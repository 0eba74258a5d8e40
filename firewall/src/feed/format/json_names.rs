//! What keys in JSON are called: after addresses, networks, indicators, somebody else, ends of ranges and
//! masks. Names are compared in lower case, without anything but letters and digits.

use super::columns::{self, address_rank, plain_name};

/// Addresses of whoever sends something: often an attacker, at times who reports one; and hosts, which
/// are at times those where something was seen.
const SOURCES: [&str; 7] = [
    "sourceip",
    "srcip",
    "src",
    "srcaddress",
    "ipsrc",
    "host",
    "hostip",
];

/// What beside an address may be the network that it is in: words that end so.
const NETWORKS: [&str; 9] = [
    "cidr", "cidrs", "network", "subnet", "subnets", "netblock", "prefix", "prefixes", "range",
];

/// What the lengths or masks of prefixes are called.
const MASKS: [&str; 12] = [
    "netmask",
    "mask",
    "subnetmask",
    "masklen",
    "masklength",
    "prefixlen",
    "prefixlength",
    "prefixsize",
    "cidr",
    "bits",
    "len",
    "length",
];

/// Words in keys that belong to somebody else than the indicator, or to no host at all.
const OTHERS: [&str; 35] = [
    "reporter",
    "reporters",
    "submitter",
    "by",
    "sensor",
    "sensors",
    "observer",
    "observers",
    "collector",
    "honeypot",
    "honeypots",
    "agent",
    "probe",
    "victim",
    "victims",
    "target",
    "targets",
    "resolver",
    "resolvers",
    "nameserver",
    "nameservers",
    "ns",
    "dns",
    "gateway",
    "nexthop",
    "forwarded",
    "xff",
    "related",
    "whois",
    "netmask",
    "mask",
    "subnetmask",
    "wildcard",
    "broadcast",
    "version",
];

const INDICATORS: [&str; 6] = [
    "indicator",
    "indicators",
    "ioc",
    "iocs",
    "observable",
    "observables",
];
const FAMILIES: [&str; 6] = ["ip4", "ip6", "ipv4", "ipv6", "v4", "v6"];
/// What keys of addresses say, be these the indicators or not.
const WEAK: [&str; 9] = [
    "ip", "ips", "addr", "cidrs", "cidr", "network", "networks", "prefix", "prefixes",
];

/// The name of a key, to be compared.
pub(super) fn plain(key: &str) -> String {
    plain_name(key.as_bytes())
}

/// How certainly a key of this name, or of several such (`ips`), has addresses: lower is more certain.
/// An `id` that is an address is one of the record.
pub(super) fn rank(key: &str) -> Option<usize> {
    const FAMILY: usize = 100;
    const ID: usize = 101;
    let one = |plural: &str| key.strip_suffix(plural).and_then(address_rank);
    address_rank(key)
        .or_else(|| one("s"))
        .or_else(|| one("es"))
        .or_else(|| {
            words(key)
                .any(|it| FAMILIES.contains(&&*it))
                .then_some(FAMILY)
        })
        .or_else(|| (plain(key) == "id").then_some(ID))
}

/// Whether a key has addresses by its name, be it of the indicator or of somebody else.
pub(super) fn is_of_addresses(key: &str) -> bool {
    rank(key).is_some() || words(key).any(|it| WEAK.contains(&&*it))
}

pub(super) fn is_source(name: &str) -> bool {
    let name = plain(name);
    SOURCES.contains(&name.strip_suffix('s').unwrap_or(&name))
}

pub(super) fn is_attacker(key: &str) -> bool {
    columns::is_attacker(&plain(key))
}

pub(super) fn is_network(key: &str) -> bool {
    words(key).any(|word| word == "net" || NETWORKS.iter().any(|of| word.ends_with(of)))
}

/// Whether a key says that it is about indicators.
pub(super) fn says_indicator(key: &str) -> bool {
    words(key).any(|it| INDICATORS.contains(&&*it))
}

/// Whether a key says that what stands there is of somebody else.
pub(super) fn is_of_another(key: &str) -> bool {
    words(key).any(|it| OTHERS.contains(&&*it))
}

/// Whether the two are the first and the last address of a range.
pub(super) fn are_ends(first: &str, last: &str) -> bool {
    columns::are_ends(&plain(first), &plain(last))
}

/// Whether two ends of this name may as well be those of a conversation.
pub(super) fn may_be_a_flow(first: &str) -> bool {
    columns::end(&plain(first)) == "from"
}

/// Whether a key has lengths or masks of prefixes.
pub(super) fn is_mask(key: &str) -> bool {
    MASKS.contains(&plain(key).as_str())
}

/// `client`, `ip` of `clientIp` and `client_ip`.
fn words(key: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for character in key.chars() {
        let is_border = !character.is_ascii_alphanumeric();
        if is_border || (was_small && character.is_ascii_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| !is_border) {
            word.push(character.to_ascii_lowercase());
        }
        was_small = !character.is_ascii_uppercase();
    }
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_somebody_else_by_their_words() {
        let table = [
            ("x_forwarded_for", true),
            ("seenBy", true),
            ("reporter-ip", true),
            ("nameservers", true),
            ("reportedIp", false),
            ("ip", false),
            ("goodbye", false),
            ("dst_ip", false),
        ];
        for (key, expected) in table {
            assert_eq!(is_of_another(key), expected, "{key}");
        }
    }

    #[test]
    fn keys_of_addresses_by_their_name() {
        let table = [
            ("ips", true),
            ("ipAddresses", true),
            ("addressPrefixes", true),
            ("prefixes_v4", true),
            ("client_ip", true),
            ("v6", true),
            ("description", false),
            ("script", false),
            ("zip", false),
        ];
        for (key, expected) in table {
            assert_eq!(is_of_addresses(key), expected, "{key}");
        }
    }
}
