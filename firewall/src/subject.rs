//! What an entry of a list is about, as people write it: an address, a prefix, or a port of an
//! address. Pure: text to values and back.

use std::{fmt, net::IpAddr, str::FromStr};

use anyhow::{Context, Error, Result, bail};
use ipnet::IpNet;
use serde::{Serialize, Serializer};

use crate::ruleset::Protocol;

/// A port, host order, and its protocol; `None` stands for both that have ports. Packed, so that the
/// indicators of a feed of millions stay small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C, packed)]
pub struct Port {
    /// From 1.
    pub number: u16,
    /// TCP or UDP.
    pub protocol: Option<Protocol>,
}

impl Port {
    /// The protocols that it stands for.
    pub fn protocols(self) -> impl Iterator<Item = Protocol> {
        let means = move |protocol: &Protocol| self.protocol.is_none_or(|it| it == *protocol);
        Protocol::ALL.into_iter().filter(means)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number;
        match self.protocol {
            Some(protocol) => write!(formatter, "{number}/{}", protocol.as_str()),
            None => write!(formatter, "{number}"),
        }
    }
}

/// An address or prefix, host bits clear, or a port of an address: `192.0.2.0/24`,
/// `192.0.2.7:4444/tcp`, `[2001:db8::7]:4444`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The addresses; one alone if there is a port.
    pub prefix: IpNet,
    /// The port, if it is not about all of them.
    pub port: Option<Port>,
}

impl Subject {
    /// Without its `/32`, and nothing else.
    pub fn short(&self) -> String {
        match (
            self.port,
            self.prefix.prefix_len() == self.prefix.max_prefix_len(),
        ) {
            (None, true) => self.prefix.addr().to_string(),
            _ => self.to_string(),
        }
    }

    /// Whether all of `other` is about part of it.
    pub fn covers(&self, other: &Self) -> bool {
        let same_port = match (self.port, other.port) {
            (None, _) => true,
            (Some(own), Some(others)) => {
                let all = [own.protocol, others.protocol];
                own.number == others.number && (all[0].is_none() || all[0] == all[1])
            }
            (Some(_), None) => false,
        };
        same_port && self.prefix.contains(&other.prefix)
    }
}

impl From<IpNet> for Subject {
    fn from(prefix: IpNet) -> Self {
        Self { prefix, port: None }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.prefix.addr()) {
            (None, _) => write!(formatter, "{}", self.prefix),
            (Some(port), IpAddr::V4(address)) => write!(formatter, "{address}:{port}"),
            (Some(port), IpAddr::V6(address)) => write!(formatter, "[{address}]:{port}"),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Subject {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match parse_port(text) {
            Some((address, port)) => Ok(Self {
                prefix: address.into(),
                port: Some(port),
            }),
            None => parse_prefix(text).map(Self::from),
        }
    }
}

/// Reads an address alone.
///
/// # Errors
/// It is none; where it has a port, it is said how to ask.
pub fn parse_address(text: &str) -> Result<IpAddr> {
    match (text.parse(), parse_port(text)) {
        (Ok(address), _) => Ok(address),
        (_, Some((address, _))) => {
            bail!("leave the port out: the answer for {address} also says which ports are blocked")
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// Reads `192.0.2.7:4444`, `192.0.2.7:4444/tcp`, `[2001:db8::7]:4444/udp`; `None` if it is none.
pub fn parse_port(text: &str) -> Option<(IpAddr, Port)> {
    let (address, port) = text.rsplit_once(':')?;
    let address: IpAddr = match address.strip_prefix('[') {
        Some(address) => IpAddr::V6(address.strip_suffix(']')?.parse().ok()?),
        None => IpAddr::V4(address.parse().ok()?),
    };
    let (number, protocol) = match port.split_once('/') {
        Some((number, name)) => (number, Some(protocol(name)?)),
        None => (port, None),
    };
    let plain = !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse().ok().filter(|_| plain)?;
    Some((address.to_canonical(), Port { number, protocol }))
}

fn protocol(name: &str) -> Option<Protocol> {
    let named = |protocol: &Protocol| protocol.as_str().eq_ignore_ascii_case(name);
    Protocol::ALL.into_iter().find(named)
}

/// Reads an address or CIDR prefix as people type it; leading zeros and set host bits are refused,
/// since either can be read in two ways.
pub fn parse_prefix(text: &str) -> Result<IpNet> {
    let wrong = || {
        format!(
            "'{text}' is no address or prefix (such as 192.0.2.7, 192.0.2.0/24, 2001:db8::/32, 192.0.2.7:443/tcp)"
        )
    };
    // Not `IpNet::from_str`: it takes leading zeros.
    let Some((address, length)) = text.split_once('/') else {
        let address: IpAddr = text.parse().ok().with_context(wrong)?;
        return Ok(IpNet::from(address.to_canonical()));
    };
    let address: IpAddr = address.parse().ok().with_context(wrong)?;
    let plain = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let length = length.parse().ok().filter(|_| plain).with_context(wrong)?;
    let prefix = IpNet::new(address, length).ok().with_context(wrong)?;
    if prefix != prefix.trunc() {
        bail!(
            "{prefix} has host bits set; write {} for the network or {} for the host",
            prefix.trunc(),
            prefix.addr()
        );
    }
    Ok(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ambiguous_prefix_is_refused_with_both_readings() {
        let message = parse_prefix("192.0.2.7/24").unwrap_err().to_string();
        assert!(
            message.contains("192.0.2.0/24") && message.contains("192.0.2.7 "),
            "{message}"
        );
        assert!(parse_prefix("192.0.02.7").is_err());
        assert!(parse_prefix("0300.0.2.7").is_err());
        assert!(parse_prefix("192.0.02.0/24").is_err());
        assert!(parse_prefix("192.0.2.0/+24").is_err());
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        assert_eq!(
            parse_prefix("::ffff:192.0.2.7").unwrap().to_string(),
            "192.0.2.7/32"
        );
    }

    #[test]
    fn a_subject_reads_back_as_it_is_written() {
        let table = [
            ("192.0.2.7", "192.0.2.7/32", "192.0.2.7"),
            ("192.0.2.0/24", "192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.7:4444", "192.0.2.7:4444", "192.0.2.7:4444"),
            (
                "192.0.2.7:4444/TCP",
                "192.0.2.7:4444/tcp",
                "192.0.2.7:4444/tcp",
            ),
            (
                "[2001:db8::7]:53/udp",
                "[2001:db8::7]:53/udp",
                "[2001:db8::7]:53/udp",
            ),
            ("[::ffff:192.0.2.7]:53", "192.0.2.7:53", "192.0.2.7:53"),
            (
                "2001:db8::7:4444",
                "2001:db8::7:4444/128",
                "2001:db8::7:4444",
            ),
        ];
        for (text, long, short) in table {
            let subject: Subject = text.parse().unwrap();
            assert_eq!(
                (subject.to_string(), subject.short()),
                (long.into(), short.into())
            );
            assert_eq!(long.parse::<Subject>().unwrap(), subject);
        }
    }

    #[test]
    fn what_is_no_port_of_an_address_is_refused() {
        for text in [
            "192.0.2.7:0",
            "192.0.2.7:",
            "192.0.2.7:65536",
            "192.0.2.7:+80",
            "192.0.2.7:080",
            "192.0.2.7:80/icmp",
            "192.0.2.7:80/",
            "192.0.2.0/24:80",
            "[192.0.2.7]:80",
            "[2001:db8::7]",
            "[2001:db8::7:80",
            ":80",
        ] {
            assert!(text.parse::<Subject>().is_err(), "{text}");
        }
    }

    #[test]
    fn all_of_an_address_covers_its_ports() {
        let covers = |one: &str, other: &str| {
            let subject = |text: &str| text.parse::<Subject>().unwrap();
            subject(one).covers(&subject(other))
        };
        assert!(covers("192.0.2.0/24", "192.0.2.7:80/tcp"));
        assert!(covers("192.0.2.7:80", "192.0.2.7:80/tcp"));
        assert!(!covers("192.0.2.7:80/tcp", "192.0.2.7:80"));
        assert!(!covers("192.0.2.7:80", "192.0.2.7:81"));
        assert!(!covers("192.0.2.7:80", "192.0.2.7"));
    }
}
