//! Sets of other packet filters. A set has one kind of entry: of one action, direction and family,
//! ports apart. All that there can be are written, empty ones too: rules refer to them.

use std::{io::Write, net::IpAddr};

use anyhow::Result;

use super::{Export, Verdict};
use crate::{config::Direction, subject::Subject};

/// The table that the sets of nftables are in.
const TABLE: &str = "inet firewall_export";

/// One set.
#[derive(Clone, Copy)]
struct Set {
    verdict: Verdict,
    v6: bool,
    ports: bool,
}

impl Set {
    fn name(self) -> String {
        let family = if self.v6 { "v6" } else { "v4" };
        let ports = if self.ports { "_ports" } else { "" };
        let (action, direction) = (self.verdict.action(), self.verdict.direction());
        format!("{action}_{direction}_{family}{ports}")
    }

    fn has(self, subject: &Subject) -> bool {
        let v6 = matches!(subject.prefix.addr(), IpAddr::V6(_));
        v6 == self.v6 && subject.port.is_some() == self.ports
    }

    /// Calls `visit` for each of its members.
    fn each(self, export: &Export, mut visit: impl FnMut(Subject) -> Result<()>) -> Result<()> {
        export.verdicts(
            |verdict| (verdict == self.verdict).then_some(()),
            |subject, ()| match self.has(&subject) {
                true => visit(subject),
                false => Ok(()),
            },
        )
    }
}

/// Every set that the export may have entries for.
fn all(export: &Export) -> Vec<Set> {
    let mut sets = Vec::new();
    for drops in [true, false] {
        for direction in [Direction::Out, Direction::In] {
            let verdict = Verdict { drops, direction };
            let wanted = export.wanted;
            let asked =
                (drops || wanted.monitored) && wanted.direction.is_none_or(|it| it == direction);
            let kinds = [(false, false), (true, false), (false, true), (true, true)];
            let kinds = kinds.into_iter().filter(|_| asked);
            sets.extend(kinds.map(|(v6, ports)| Set { verdict, v6, ports }));
        }
    }
    sets
}

/// A file for `nft -f`, which takes it whole or not at all; what is in the sets before goes.
pub fn nft(export: &Export, output: &mut dyn Write) -> Result<()> {
    writeln!(output, "{}", export.headline())?;
    writeln!(output, "table {TABLE} {{")?;
    for set in all(export) {
        let family = if set.v6 { "ipv6_addr" } else { "ipv4_addr" };
        let kind = match set.ports {
            true => format!("type {family} . inet_proto . inet_service"),
            false => format!("type {family}\n\t\tflags interval"),
        };
        writeln!(output, "\tset {} {{\n\t\t{kind}\n\t}}", set.name())?;
    }
    writeln!(output, "}}")?;
    for set in all(export) {
        writeln!(output, "flush set {TABLE} {}", set.name())?;
        let mut any = false;
        set.each(export, |subject| {
            let before = match std::mem::replace(&mut any, true) {
                true => ",\n".to_owned(),
                false => format!("add element {TABLE} {} {{\n", set.name()),
            };
            Ok(write!(
                output,
                "{before}\t{}",
                member(&subject, " . ", " . ")
            )?)
        })?;
        if any {
            writeln!(output, "\n}}")?;
        }
    }
    Ok(())
}

/// Lines for `ipset restore`; what is in the sets before goes.
pub fn ipset(export: &Export, output: &mut dyn Write) -> Result<()> {
    /// A set that is there already is taken only if it has the same limit (`-exist`, ipset(8)), whatever it
    /// had to hold then. It costs nothing.
    const MOST: u32 = u32::MAX;
    writeln!(output, "{}", export.headline())?;
    for set in all(export) {
        let kind = if set.ports {
            "hash:ip,port"
        } else {
            "hash:net"
        };
        let family = if set.v6 { "inet6" } else { "inet" };
        let name = set.name();
        writeln!(
            output,
            "create {name} {kind} family {family} maxelem {MOST} -exist\nflush {name}"
        )?;
        set.each(export, |subject| {
            Ok(writeln!(
                output,
                "add {name} {}",
                member(&subject, ",", ":")
            )?)
        })?;
    }
    Ok(())
}

/// An address or prefix, or an address with protocol and port behind it.
fn member(subject: &Subject, before_protocol: &str, before_port: &str) -> String {
    let Some(port) = subject.port else {
        return subject.short();
    };
    let (address, number) = (subject.prefix.addr(), port.number);
    let protocol = port.protocol.map_or("tcp", |it| it.as_str());
    format!("{address}{before_protocol}{protocol}{before_port}{number}")
}
