//! Gathers the live facts: addresses, gateways, resolvers, SSH peers, feed hosts.

use std::{
    fs,
    net::{IpAddr, ToSocketAddrs},
    os::unix::fs::MetadataExt,
    path::Path,
};

use anyhow::{Context, Result};
use ipnet::IpNet;
use ureq::http::Uri;

use super::{Kind, Protected};
use crate::{feed::fetch::Location, network::Network};

/// Files that name the resolvers; the second has the real ones behind systemd's stub.
const RESOLVER_FILES: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// What can be seen of this machine without asking anybody.
pub fn live_facts(inside_prefixes: &[IpNet], network: &Network) -> Vec<Protected> {
    let mut facts = Vec::new();
    for device in &network.devices {
        for net in &device.addresses {
            facts.push(Protected {
                prefix: net.addr().into(),
                kind: Kind::Own,
            });
            facts.push(Protected {
                prefix: net.trunc(),
                kind: Kind::Connected,
            });
        }
    }
    let hosts = |kind| {
        move |address: IpAddr| Protected {
            prefix: address.into(),
            kind,
        }
    };
    facts.extend(network.gateways.iter().copied().map(hosts(Kind::Gateway)));
    facts.extend(resolvers().map(hosts(Kind::Resolver)));
    facts.extend(ssh_peers().map(hosts(Kind::SshPeer)));
    let inside = |&prefix: &IpNet| Protected {
        prefix,
        kind: Kind::InsidePrefix,
    };
    facts.extend(inside_prefixes.iter().map(inside));
    facts
}

fn resolvers() -> impl Iterator<Item = IpAddr> {
    RESOLVER_FILES
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|text| {
            let addresses: Vec<IpAddr> = text
                .lines()
                .filter_map(|line| line.strip_prefix("nameserver"))
                .filter_map(|rest| rest.trim().parse().ok())
                .collect();
            addresses
        })
}

/// The addresses of the server that a feed comes from. Asks the network and may take long; a host
/// that does not resolve has none, and keeps those that it had before.
pub fn feed_host(location: &Location) -> Vec<Protected> {
    let Location::Web(uri) = location else {
        return Vec::new();
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    (host, port(uri))
        .to_socket_addrs()
        .into_iter()
        .flatten()
        .map(|address| Protected {
            prefix: address.ip().to_canonical().into(),
            kind: Kind::FeedHost,
        })
        .collect()
}

fn port(uri: &Uri) -> u16 {
    uri.port_u16()
        .unwrap_or(if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        })
}

/// Far ends of the authenticated SSH sessions of this machine: `SSH_CONNECTION` of processes whose
/// parent is sshd. Being connected to port 22 is not enough, or any scanner would exempt itself,
/// and a process may set the variable, but only sshd starts its child with it.
fn ssh_peers() -> impl Iterator<Item = IpAddr> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|entry| {
        let process = entry.path();
        let parent = parent(&process)?;
        is_sshd(&parent).then(|| ssh_client(&process))?
    })
}

/// The folder in /proc of the parent of a process: field 4 of `stat`, after the command name, which
/// is in parentheses and may hold any character (proc_pid_stat(5)).
fn parent(process: &Path) -> Option<std::path::PathBuf> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    Some(Path::new("/proc").join(fields.split_whitespace().nth(1)?))
}

/// Whether a process runs sshd's own program: the link in /proc cannot be forged by its owner.
fn is_sshd(process: &Path) -> bool {
    let Ok(program) = fs::read_link(process.join("exe")) else {
        return false;
    };
    let name = program.file_name().unwrap_or_default();
    let trusted = fs::metadata(process).is_ok_and(|process| process.uid() == 0)
        || fs::metadata(&program).is_ok_and(|program| program.uid() == 0);
    trusted && (name == "sshd" || name == "sshd-session")
}

/// The client in `SSH_CONNECTION` (ssh(1): client address, client port, server address and port).
fn ssh_client(process: &Path) -> Option<IpAddr> {
    let environment = fs::read(process.join("environ")).ok()?;
    let value = environment
        .split(|&byte| byte == 0)
        .find_map(|variable| variable.strip_prefix(b"SSH_CONNECTION="))?;
    let client = std::str::from_utf8(value).ok()?.split(' ').next()?;
    client
        .split('%')
        .next()?
        .parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

/// Inode of the network namespace that we are in.
pub fn network_namespace() -> Result<u64> {
    let path = "/proc/thread-self/ns/net";
    Ok(fs::metadata(path)
        .with_context(|| format!("cannot read {path}"))?
        .ino())
}
