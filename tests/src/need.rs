//! What a test needs of the machine. Where it is absent the test is skipped and says so, unless
//! `FIREWALL_REQUIRE` names it: then the test fails.

use std::{env, fs, process::Command};

use anyhow::Result;
use aya::programs::{SchedClassifier, tc::TcAttachType};

use crate::{cards, namespace::Namespace, server};

/// Something that not every machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Root, to load programs into the kernel.
    Bpf,
    /// Root and `ip`, to make network namespaces.
    Netns,
    /// A kernel that has TCX.
    Tcx,
    /// A kernel that has VLAN devices.
    Vlan,
    /// `wg`, and a kernel that has WireGuard.
    Wireguard,
    /// Network cards of a guest.
    Cards,
    /// Such cards that pass on two VLAN tags.
    TwoTags,
    /// Such cards that take VLAN tags off frames or leave them there, and `ethtool`.
    RxVlan,
    /// `bpftool`, of the tools.
    Bpftool,
    /// `ipset`, likewise.
    Ipset,
    /// `nft`, likewise.
    Nft,
    /// `ping`, likewise.
    Ping,
    /// `mkfs.ext4`, likewise.
    Ext4,
    /// `unshare`, likewise.
    Unshare,
    /// The servers that feeds are asked of.
    Servers,
    /// Cgroups of version 2 that limit memory.
    Cgroup,
    /// A kernel that can run programs without compiling them.
    Interpreter,
}

impl Need {
    /// The word in `FIREWALL_REQUIRE` and in the line of a skipped test.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bpf => "bpf",
            Self::Netns => "netns",
            Self::Tcx => "tcx",
            Self::Vlan => "vlan",
            Self::Wireguard => "wireguard",
            Self::Cards => "cards",
            Self::TwoTags => "two tags",
            Self::RxVlan => "rxvlan",
            Self::Bpftool | Self::Ipset | Self::Nft | Self::Ping | Self::Ext4 | Self::Unshare => {
                "tools"
            }
            Self::Servers => "servers",
            Self::Cgroup => "cgroup",
            Self::Interpreter => "interpreter",
        }
    }

    /// Whether it is there.
    pub fn is_met(self) -> bool {
        match self {
            Self::Bpf => rustix::process::geteuid().is_root(),
            Self::Netns => rustix::process::geteuid().is_root() && runs("ip", "-V"),
            Self::Tcx => has_tcx(),
            Self::Vlan => has_vlan(),
            Self::Wireguard => runs("wg", "--version") && takes(&["type", "wireguard"]),
            Self::Cards => cards::model().is_some(),
            Self::TwoTags => cards::pass_two_tags(),
            Self::RxVlan => cards::take_tags_off(),
            Self::Bpftool => runs("bpftool", "version"),
            Self::Ipset => runs("ipset", "--version"),
            Self::Nft => runs("nft", "--version"),
            Self::Ping => runs("ping", "-V"),
            Self::Unshare => runs("unshare", "--version"),
            Self::Ext4 => runs("mkfs.ext4", "-V"),
            Self::Servers => server::are_there(),
            Self::Cgroup => fs::read_to_string("/sys/fs/cgroup/cgroup.subtree_control")
                .is_ok_and(|controllers| controllers.contains("memory")),
            Self::Interpreter => has_interpreter(),
        }
    }
}

/// Asks which programs are at TCX of loopback: a kernel without it does not know the question.
fn has_tcx() -> bool {
    SchedClassifier::query_tcx("lo", TcAttachType::Ingress).is_ok()
}

/// Switches the JIT off and on again: a kernel that is built to need it refuses.
fn has_interpreter() -> bool {
    let jit = "/proc/sys/net/core/bpf_jit_enable";
    let before = fs::read_to_string(jit).unwrap_or_default();
    fs::write(jit, "0").is_ok() && fs::write(jit, before.trim()).is_ok()
}

/// Makes one on a port, since loopback takes none.
fn has_vlan() -> bool {
    takes(&["link", "port", "type", "vlan", "id", "1"])
}

/// Whether `ip link add` makes such a device, in a namespace that goes with it and has a port.
fn takes(words: &[&str]) -> bool {
    let make = || -> Result<()> {
        let namespace = Namespace::new(&format!("fw{}-need", std::process::id()))?;
        namespace.ip(&["link", "add", "port", "type", "veth"])?;
        namespace.ip(&[&["link", "add"], words].concat()).map(drop)
    };
    make().is_ok()
}

fn runs(program: &str, argument: &str) -> bool {
    Command::new(program)
        .arg(argument)
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Whether the test `name` can run. `cargo xtask test` collects the lines of those that cannot.
///
/// # Panics
/// Something is absent that `FIREWALL_REQUIRE` (words with commas between) names.
pub fn needs(name: &str, needs: &[Need]) -> bool {
    let absent = needs.iter().copied().find(|need| !need.is_met());
    match absent.map(Need::as_str) {
        None => true,
        Some(word) => {
            assert!(
                !is_required(word),
                "{name} needs {word}, and it is required"
            );
            println!("SKIPPED {name}: needs {word}");
            false
        }
    }
}

/// Whether this is a guest of `cargo xtask vm`, where all is ten times slower: what a test repeats to meet a
/// rare moment it repeats less often there.
pub fn is_guest() -> bool {
    env::var_os("FIREWALL_GUEST").is_some()
}

fn is_required(word: &str) -> bool {
    let required = env::var("FIREWALL_REQUIRE").unwrap_or_default();
    required.split(',').any(|other| other.trim() == word)
}

/// Returns from the test that it stands in, unless what the test needs is there.
#[macro_export]
macro_rules! skip_unless {
    ($name:literal, $($need:ident),+) => {
        if !$crate::need::needs($name, &[$($crate::need::Need::$need),+]) {
            return;
        }
    };
}
