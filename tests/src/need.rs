//! What a test needs of the machine. Where it is absent the test is skipped and says so, unless
//! `FIREWALL_REQUIRE` names it: then the test fails.

use std::{env, fs, process::Command};

use crate::server;

/// Something that not every machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Root, to load programs into the kernel.
    Bpf,
    /// Root and `ip`, to make network namespaces.
    Netns,
    /// `bpftool`, `nft`, `ipset` and `mkfs.ext4`.
    Tools,
    /// The servers that feeds are asked of.
    Servers,
    /// Cgroups of version 2 that limit memory.
    Cgroup,
}

impl Need {
    /// The word in `FIREWALL_REQUIRE` and in the line of a skipped test.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bpf => "bpf",
            Self::Netns => "netns",
            Self::Tools => "tools",
            Self::Servers => "servers",
            Self::Cgroup => "cgroup",
        }
    }

    fn is_met(self) -> bool {
        match self {
            Self::Bpf => rustix::process::geteuid().is_root(),
            Self::Netns => rustix::process::geteuid().is_root() && runs("ip", "-V"),
            Self::Tools => {
                runs("bpftool", "version")
                    && runs("nft", "--version")
                    && runs("ipset", "--version")
                    && runs("mkfs.ext4", "-V")
            }
            Self::Servers => server::are_there(),
            Self::Cgroup => fs::read_to_string("/sys/fs/cgroup/cgroup.subtree_control")
                .is_ok_and(|controllers| controllers.contains("memory")),
        }
    }
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
