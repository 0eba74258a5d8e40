//! Where requests may lead: not into networks of our own, unless the feed says `internal = true`.
//! Otherwise a provider, or who has taken its name over, could have a gateway ask what nobody outside
//! can reach: the page of a router, or the metadata of a cloud with its keys (169.254.169.254). Public
//! addresses of this machine and its neighbours are our own as well. With `internal = true` private
//! addresses are free, and beside them what the feed's own address is: a redirect from a server inside
//! is no way to what this machine alone can reach.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::OnceLock,
};

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

use crate::feed::fetch::Limits;

/// Resolves names, and refuses those of addresses that a feed may not lead to. All connections pass here,
/// those of redirects included, but for those that a proxy makes for us.
#[derive(Debug)]
pub struct Bounded {
    resolver: DefaultResolver,
    bounds: Bounds,
}

#[derive(Debug)]
enum Bounds {
    /// Public addresses, and none of the networks that we are connected to.
    Public(Vec<IpNet>),
    /// Public and private ones, and others of the kinds that the first address of all had.
    Internal(OnceLock<Vec<&'static str>>),
}

impl Bounded {
    /// One for all requests of an update with these limits.
    pub fn new(limits: &Limits) -> Self {
        Self {
            resolver: DefaultResolver::default(),
            bounds: match limits.internal {
                true => Bounds::Internal(OnceLock::new()),
                false => Bounds::Public(limits.connected.clone()),
            },
        }
    }
}

impl Bounds {
    /// What speaks against connecting to `host`, which is at the addresses `found`.
    fn objection(&self, host: &str, found: &[IpAddr]) -> Option<String> {
        match self {
            Self::Public(connected) => found.iter().find_map(|it| objection(host, *it, connected)),
            Self::Internal(first) => {
                let first = first.get_or_init(|| kinds_of_first(host, found));
                found.iter().find_map(|it| crossing(host, *it, first))
            }
        }
    }
}

impl Resolver for Bounded {
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
        if is_proxy {
            return Ok(found);
        }
        let host = address.host().unwrap_or_default();
        let addresses: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
        match self.bounds.objection(host, &addresses) {
            Some(objection) => Err(Error::Other(objection.into())),
            None => Ok(found),
        }
    }
}

/// Refuses an address that is not public, or in a network that we are `connected` to, where it is to be
/// seen without resolving a name, which a proxy does for us.
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

/// What `internal = true` lets any request lead to, beside public addresses.
const PRIVATE: [&str; 4] = [
    "private",
    "unique local",
    "site-local",
    "shared with other customers of a carrier",
];

/// What is link-local is meant only where the address itself is written: whoever keeps a name could have
/// it lead to the metadata of a cloud.
fn kinds_of_first(host: &str, found: &[IpAddr]) -> Vec<&'static str> {
    let is_literal = is_literal(host);
    let kinds = found.iter().filter_map(|it| not_public(*it));
    kinds.filter(|it| is_literal || *it != LINK_LOCAL).collect()
}

/// Refuses an address that is of none of the kinds that the `first` had, where that matters.
fn crossing(host: &str, address: IpAddr, first: &[&str]) -> Option<String> {
    let kind = not_public(address)?;
    let is_free = PRIVATE.contains(&kind) || first.contains(&kind);
    (!is_free).then(|| {
        let shown = shown(host, address);
        format!(
            "{shown} is {kind}: internal = true lets no redirect and no name lead there; if it is meant, \
             write that address into the url of the feed"
        )
    })
}

fn is_literal(host: &str) -> bool {
    let bare = host.trim_end_matches('.').trim_matches(['[', ']']);
    bare.parse::<IpAddr>().is_ok()
}

/// The host, and where it is if that is not the same.
fn shown(host: &str, address: IpAddr) -> String {
    match host.trim_matches(['[', ']']) {
        literal if literal == address.to_string() => literal.to_owned(),
        name => format!("{name} is at {address}, which"),
    }
}

fn objection(host: &str, address: IpAddr, connected: &[IpNet]) -> Option<String> {
    let kind = not_public(address)
        .or_else(|| is_ours(address, connected).then_some("this machine or a neighbour of it"))?;
    let shown = shown(host, address);
    Some(format!(
        "{shown} is no public address ({kind}); set internal = true on the feed if that is meant"
    ))
}

const LINK_LOCAL: &str = "link-local";

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
        [169, 254, ..] => LINK_LOCAL,
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
        [0xfe80..0xfec0, ..] => Some(LINK_LOCAL),
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
mod tests;
