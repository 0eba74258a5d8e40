//! Where requests may lead: not into networks of our own, unless the feed says `internal = true`.
//! Otherwise a provider, or who has taken its name over, could have a gateway ask what nobody outside
//! can reach: the page of a router, or the metadata of a cloud with its keys (169.254.169.254). Public
//! addresses of this machine and its neighbours are our own as well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Result, bail, ensure};
use ipnet::IpNet;
use ureq::{
    Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

/// Resolves names, and refuses those of addresses that are not public. All connections pass here,
/// those of redirects included, but for those that a proxy makes for us.
#[derive(Debug, Default)]
pub struct PublicOnly {
    resolver: DefaultResolver,
    connected: Vec<IpNet>,
}

impl PublicOnly {
    /// One that refuses the networks that we are `connected` to as well.
    pub fn beyond(connected: &[IpNet]) -> Self {
        Self {
            resolver: DefaultResolver::default(),
            connected: connected.to_owned(),
        }
    }
}

impl Resolver for PublicOnly {
    fn resolve(
        &self,
        address: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.resolver.resolve(address, config, timeout)?;
        // The proxy that the environment names is the operator's, and often inside.
        let is_proxy = config
            .proxy()
            .is_some_and(|proxy| proxy.uri() == address && !proxy.is_no_proxy(address));
        let host = address.host().unwrap_or_default();
        let objection = |it: &SocketAddr| objection(host, it.ip(), &self.connected);
        match found.iter().find_map(objection) {
            Some(objection) if !is_proxy => Err(Error::Other(objection.into())),
            _ => Ok(found),
        }
    }
}

/// Refuses an address that is not public, or in a network that we are `connected` to, where it is to be seen without resolving a name, which a
/// proxy does for us.
///
/// # Errors
/// Says which it is, and what to do.
pub fn check_literal(address: &Uri, connected: &[IpNet]) -> Result<()> {
    let host = address.host().unwrap_or_default();
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let bare = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    if let Ok(literal) = bare.unwrap_or(&name).parse() {
        return match objection(host, literal, connected) {
            Some(objection) => bail!(objection),
            None => Ok(()),
        };
    }
    // inet_aton(3) reads more than we do: 127.1, 0x7f000001, 2130706433.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|first: char| first.is_ascii_digit()) || bare.is_some();
    ensure!(
        !is_number,
        "{host} is neither a name nor an address as it is usually written; write it like 192.0.2.1"
    );
    ensure!(
        last != "localhost",
        "{host} is this machine; set internal = true on the feed if that is meant"
    );
    Ok(())
}

fn objection(host: &str, address: IpAddr, connected: &[IpNet]) -> Option<String> {
    let kind = not_public(address)
        .or_else(|| is_ours(address, connected).then_some("this machine or a neighbour of it"))?;
    let shown = match host.trim_matches(['[', ']']) {
        literal if literal == address.to_string() => literal.to_owned(),
        name => format!("{name} is at {address}, which"),
    };
    Some(format!(
        "{shown} is no public address ({kind}); set internal = true on the feed if that is meant"
    ))
}

/// What an address is that is not public; `None` for one that is. Documentation and benchmark ranges
/// count as public, as they do for [`crate::protected::SPECIAL`].
fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_public_v4(address),
        IpAddr::V6(address) => not_public_v6(address),
    }
}

/// By the IANA IPv4 Special-Purpose Address Registry (RFC 6890).
fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, ..] => "this network",
        [127, ..] => "loopback",
        [10, ..] | [172, 16..32, ..] | [192, 168, ..] => "private",
        [100, 64..128, ..] => "shared with other customers of a carrier",
        [169, 254, ..] => "link-local",
        [192, 0, 0, _] => "for protocols",
        [224..240, ..] => "multicast",
        [240..=255, ..] => "reserved",
        _ => return None,
    })
}

/// By the IANA IPv6 Special-Purpose Address Registry, and by the IPv4 address that is in it.
fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        // For translation within a site: where in it an IPv4 address stands, the site alone knows
        // (RFC 8215 §5).
        [0x64, 0xff9b, 1, ..] => Some("for translation within a site"),
        _ if let Some(within) = v4_in(address) => within.into_iter().find_map(not_public_v4),
        [0xfe80..0xfec0, ..] => Some("link-local"),
        [0xfec0..0xff00, ..] => Some("site-local"),
        [0xfc00..0xfe00, ..] => Some("unique local"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        // Global unicast addresses are given out of 2000::/3 alone (RFC 4291 §2.4, IANA).
        [0x2000..0x4000, ..] => None,
        _ => Some("reserved"),
    }
}

/// The IPv4 addresses that an address of a kind that has some leads to.
fn v4_in(address: Ipv6Addr) -> Option<[Ipv4Addr; 2]> {
    let v4 = |first: u16, last: u16| Ipv4Addr::from(u32::from(first) << 16 | u32::from(last));
    let one = |first, last| Some([v4(first, last); 2]);
    match address.segments() {
        // Mapped (RFC 4291 §2.5.5.2), compatible (§2.5.5.1), translated (RFC 2765).
        [0, 0, 0, 0, 0 | 0xffff, 0 | 0xffff, first, last] => one(first, last),
        // NAT64 (RFC 6052 §2.1).
        [0x64, 0xff9b, 0, .., first, last] => one(first, last),
        // 6to4 (RFC 3056 §2).
        [0x2002, first, last, ..] => one(first, last),
        // Teredo: its server, and the client with all bits turned over (RFC 4380 §4).
        [0x2001, 0, first, last, _, _, other, end] => Some([v4(first, last), v4(!other, !end)]),
        _ => None,
    }
}

/// Whether an address, or the IPv4 address in it, is in one of these networks.
fn is_ours(address: IpAddr, connected: &[IpNet]) -> bool {
    let within = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => v4_in(address),
    };
    let within = within.into_iter().flatten().map(IpAddr::V4);
    let mut all = within.chain([address]);
    all.any(|address| connected.iter().any(|net| net.contains(&address)))
}

#[cfg(test)]
mod tests {
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
}
