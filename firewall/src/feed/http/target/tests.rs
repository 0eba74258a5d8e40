use super::*;

/// An address, and a part of what it is.
const NOT_PUBLIC: &[(&str, &str)] = &[
    ("0.0.0.0", "this network"),
    ("0.1.2.3", "this network"),
    ("10.0.0.1", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.1", "private"),
    ("100.64.0.1", "carrier"),
    ("100.127.255.255", "carrier"),
    ("127.0.0.1", "loopback"),
    ("127.255.0.1", "loopback"),
    ("169.254.169.254", "link-local"),
    ("192.0.0.8", "for protocols"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.250", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::7f00:1", "loopback"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:169.254.169.254", "link-local"),
    ("::ffff:0:10.0.0.1", "private"),
    ("64:ff9b::192.168.0.1", "private"),
    ("64:ff9b:1::8.8.8.8", "translation within a site"),
    ("64:ff9b:1:7f00:0:100::", "translation within a site"),
    ("64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "translation"),
    ("2002:7f00:1::", "loopback"),
    ("2002:c0a8:101::1", "private"),
    ("2001:0:a00:1::", "private"),
    ("2001:0:4136:e378:8000:63bf:f5ff:fffe", "private"),
    ("fe80::1", "link-local"),
    ("febf::1", "link-local"),
    ("fec0::1", "site-local"),
    ("fc00::1", "unique local"),
    ("fd12:3456::1", "unique local"),
    ("ff02::1", "multicast"),
    ("4000::1", "reserved"),
    ("100::1", "reserved"),
];

#[test]
fn which_addresses_are_public() {
    for (address, kind) in NOT_PUBLIC {
        let found = not_public(address.parse().unwrap());
        assert!(
            found.is_some_and(|it| it.contains(kind)),
            "{address}: {found:?}"
        );
    }
    for address in [
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "198.18.0.1",
        "8.8.8.8",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.0.1",
        "100.128.0.1",
        "192.0.1.1",
        "223.255.255.255",
        "2001:db8::1",
        "2606:4700::1",
        "2002:808:808::1",
        "64:ff9b::808:808",
        "::ffff:8.8.8.8",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "3fff::1",
    ] {
        assert_eq!(not_public(address.parse().unwrap()), None, "{address}");
    }
}

#[test]
fn literals_are_seen_however_they_are_written() {
    let why = |host: &str| {
        let address: Uri = format!("http://{host}/list").parse().unwrap();
        check_literal(&address, &[]).map_err(|error| error.to_string())
    };
    for (host, part) in [
        ("127.0.0.1", "127.0.0.1 is no public address (loopback)"),
        ("127.0.0.1.", "no public address (loopback)"),
        ("[::1]:8080", "::1 is no public address (loopback)"),
        ("[::ffff:a00:1]", "no public address (private)"),
        (
            "me:secret@10.0.0.1",
            "10.0.0.1 is no public address (private)",
        ),
        ("LocalHost", "is this machine"),
        ("printer.localhost.", "is this machine"),
        ("127.1", "neither a name nor an address"),
        ("2130706433", "neither a name nor an address"),
        ("0x7f000001", "neither a name nor an address"),
        ("127.0.0.0x1", "neither a name nor an address"),
        ("0177.0.0.1", "neither a name nor an address"),
    ] {
        let error = why(host).unwrap_err();
        assert!(
            error.contains(part) && !error.contains("secret"),
            "{host}: {error}"
        );
    }
    for host in [
        "feeds.example",
        "192.0.2.1:8080",
        "[2001:db8::1]",
        "localhost.example",
    ] {
        assert_eq!(why(host), Ok(()), "{host}");
    }
}

#[test]
fn public_addresses_of_ours_and_of_our_neighbours_are_inside() {
    let connected = ["203.0.113.8/29", "198.51.100.7/32", "2001:db8:1::/64"];
    let connected = connected.map(|it| it.parse().unwrap());
    for (host, is_ours) in [
        ("203.0.113.8", true),
        ("203.0.113.15", true),
        ("203.0.113.16", false),
        ("198.51.100.7", true),
        ("198.51.100.8", false),
        ("[2001:db8:1::1]", true),
        ("[2001:db8:2::1]", false),
        ("[::ffff:203.0.113.9]", true),
        ("[64:ff9b::203.0.113.9]", true),
        ("[2002:cb00:7109::1]", true),
        ("[::ffff:203.0.113.16]", false),
        ("feeds.example", false),
    ] {
        let address: Uri = format!("http://{host}/list").parse().unwrap();
        let found = check_literal(&address, &connected).map_err(|error| error.to_string());
        let part = "is no public address (this machine or a neighbour of it); set internal";
        let is_refused = found.as_ref().is_err_and(|error| error.contains(part));
        assert_eq!(is_refused, is_ours, "{host}: {found:?}");
        assert_eq!(found.is_err(), is_ours, "{host}: {found:?}");
    }
}

#[test]
fn what_is_internal_does_not_cross_to_what_this_machine_alone_can_reach() {
    let metadata = ("169.254.169.254", "169.254.169.254");
    let (private, loopback) = (("nas.example", "192.168.1.5"), ("localhost", "127.0.0.1"));
    let public = ("feeds.example", "203.0.113.9");
    for (first, next, is_refused) in [
        (private, metadata, true),
        (private, loopback, true),
        (private, ("evil.example", "169.254.169.254"), true),
        (private, ("[::1]", "::1"), true),
        (private, ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"), true),
        (private, ("0.0.0.0", "0.0.0.0"), true),
        (private, ("[fe80::1]", "fe80::1"), true),
        (private, ("10.0.0.1", "10.0.0.1"), false),
        (private, ("[fd00::1]", "fd00::1"), false),
        (private, ("carrier.example", "100.64.0.1"), false),
        (private, public, false),
        (public, private, false),
        (public, metadata, true),
        (public, loopback, true),
        (loopback, metadata, true),
        (loopback, ("[::1]", "::1"), false),
        (metadata, ("169.254.0.1", "169.254.0.1"), false),
        (metadata, loopback, true),
        // The first is refused as well where a name leads there.
        (("evil.example", "169.254.169.254"), public, true),
    ] {
        let bounds = Bounds::Internal(OnceLock::new());
        let judge =
            |(host, address): (&str, &str)| bounds.objection(host, &[address.parse().unwrap()]);
        let said = judge(first).or_else(|| judge(next));
        assert_eq!(said.is_some(), is_refused, "{first:?} {next:?}: {said:?}");
    }
}
