//! What building and testing need, as tables: name, why, whether it is there, how to get it.

use super::machine::Machine;

/// Something that is installed by a command of its own.
#[derive(Debug)]
pub struct Step {
    /// What it is.
    pub name: &'static str,
    /// The program that it brings or belongs to.
    pub program: &'static str,
    /// What it is needed for.
    pub why: &'static str,
    /// Whether a machine has it.
    pub present: fn(&Machine) -> bool,
    /// How to get it.
    pub remedy: Remedy,
}

/// How to get something.
#[derive(Clone, Copy, Debug)]
pub enum Remedy {
    /// A command, program first.
    Command(&'static [&'static str]),
    /// Only a person can; what to do.
    Person(&'static str),
}

/// A Debian package.
#[derive(Debug)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// A command of it; where that is found, the package is not asked for.
    pub command: &'static str,
    /// What it is needed for.
    pub why: &'static str,
}

/// The toolchain that builds the kernel program; `firewall/build.rs` names it too.
const TOOLCHAIN: &str = "1.95.0";

/// What `bpf-linker --version` ends with.
const LINKER: &str = "0.10.1";

/// Servers that tests talk to, unpacked beside the system: nothing of them starts by itself.
pub const SERVERS: [&str; 2] = [CROWDSEC, MEDALLION];
const CROWDSEC: &str = "/opt/firewall-peers/crowdsec/usr/bin/crowdsec";
const MEDALLION: &str = "/opt/firewall-peers/medallion/medallion/__init__.py";

const UNPACK_CROWDSEC: &str = "set -e; cd \"$(mktemp -d)\"; \
    apt-get download crowdsec || { apt-get update --quiet; apt-get download crowdsec; }; \
    apt-get install --yes --quiet libsqlite3-0; \
    mkdir -p /opt/firewall-peers; dpkg-deb --extract crowdsec_*.deb /opt/firewall-peers/crowdsec";

/// In the order in which they build on each other.
pub const STEPS: &[Step] = &[
    Step {
        name: "rustup",
        program: "rustup",
        why: "the kernel program is built with a toolchain of its own",
        present: |machine| machine.has("rustup"),
        remedy: Remedy::Person("install it as https://rustup.rs says, then open a new shell"),
    },
    Step {
        name: "Rust 1.95.0",
        program: "rustup",
        why: "builds the kernel program; bpf-linker uses the LLVM inside it",
        present: |machine| machine.toolchain(TOOLCHAIN).is_some(),
        remedy: Remedy::Command(&[
            "rustup",
            "toolchain",
            "install",
            TOOLCHAIN,
            "--profile",
            "minimal",
            "--no-self-update",
        ]),
    },
    Step {
        name: "rust-src of Rust 1.95.0",
        program: "rustup",
        why: "the core library is compiled for the kernel from its source",
        present: |machine| machine.toolchain(TOOLCHAIN).is_some_and(|it| it.source),
        remedy: Remedy::Command(&[
            "rustup",
            "component",
            "add",
            "rust-src",
            "--toolchain",
            TOOLCHAIN,
        ]),
    },
    Step {
        name: "clippy and rustfmt of the toolchain in use",
        program: "cargo-clippy",
        why: "the tests check lints and format first",
        present: |machine| machine.active().is_some_and(|it| it.clippy && it.rustfmt),
        remedy: Remedy::Command(&["rustup", "component", "add", "clippy", "rustfmt"]),
    },
    Step {
        name: "bpf-linker 0.10.1",
        program: "bpf-linker",
        why: "links the kernel program; takes a minute or two to build",
        present: |machine| machine.linker.as_deref() == Some(LINKER),
        remedy: Remedy::Command(&[
            "rustup",
            "run",
            TOOLCHAIN,
            "cargo",
            "install",
            "bpf-linker",
            "--version",
            LINKER,
            "--locked",
            "--force",
        ]),
    },
    Step {
        name: "CrowdSec",
        program: CROWDSEC,
        why: "its Local API is asked for decisions by the tests",
        present: |machine| machine.servers.contains(CROWDSEC),
        remedy: Remedy::Command(&["sh", "-c", UNPACK_CROWDSEC]),
    },
    Step {
        name: "medallion 3.0.0",
        program: MEDALLION,
        why: "a TAXII server that the tests ask for indicators",
        present: |machine| machine.servers.contains(MEDALLION),
        remedy: Remedy::Command(&[
            "python3",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--target",
            "/opt/firewall-peers/medallion",
            "medallion==3.0.0",
        ]),
    },
];

/// By name.
pub const PACKAGES: &[Package] = &[
    Package {
        name: "bpftool",
        command: "bpftool",
        why: "loads our object by a loader that is not ours, and shows what is left behind",
    },
    Package {
        name: "e2fsprogs",
        command: "mkfs.ext4",
        why: "makes a disk that a test cuts the power of",
    },
    Package {
        name: "iproute2",
        command: "ip",
        why: "makes network namespaces and the links between them",
    },
    Package {
        name: "ipset",
        command: "ipset",
        why: "takes what 'export' prints for it, in a network namespace; the bench compares with it",
    },
    Package {
        name: "iputils-ping",
        command: "ping",
        why: "traffic of your own in a lab that the demo leaves up",
    },
    Package {
        name: "nftables",
        command: "nft",
        why: "likewise",
    },
    Package {
        name: "util-linux",
        command: "nsenter",
        why: "enters a network of a lab that the demo leaves up",
    },
];

/// What the bench compares with, by name. Without one of them the bench says so and goes on.
pub const PEERS: &[Package] = &[
    Package {
        name: "ethtool",
        command: "ethtool",
        why: "makes a device without an XDP program take the frames of the bench (GRO)",
    },
    Package {
        name: "iprange",
        command: "iprange",
        why: "merges feeds, which the bench times beside ours",
    },
    Package {
        name: "iptables",
        command: "iptables-legacy",
        why: "drops what an ipset has",
    },
    Package {
        name: "xdp-tools",
        command: "xdp-filter",
        why: "the bench compares with this other XDP filter",
    },
];

/// What boots other kernels, by name. Without it the tests say so and go on.
pub const GUESTS: &[Package] = &[
    Package {
        name: "busybox-static",
        command: "busybox",
        why: "the first process of a guest and its small programs",
    },
    Package {
        name: "qemu-system-x86",
        command: "qemu-system-x86_64",
        why: "boots the kernels that the tests run on beside this one",
    },
    Package {
        name: "xz-utils",
        command: "xz",
        why: "unpacks the modules of those kernels",
    },
];

/// What guests with device shapes have beside it, by name. Without it some tests there are skipped.
pub const SHAPES: &[Package] = &[
    Package {
        name: "ethtool",
        command: "ethtool",
        why: "makes a network card leave VLAN tags in frames",
    },
    Package {
        name: "wireguard-tools",
        command: "wg",
        why: "makes a tunnel that is filtered",
    },
];

/// The steps that `machine` needs.
pub fn missing(machine: &Machine) -> Vec<&'static Step> {
    STEPS
        .iter()
        .filter(|step| !(step.present)(machine))
        .collect()
}

/// The packages that `machine` needs.
pub fn missing_packages(machine: &Machine) -> Vec<&'static Package> {
    missing_of(PACKAGES, machine)
}

/// The packages that `machine` needs to compare with.
pub fn missing_peers(machine: &Machine) -> Vec<&'static Package> {
    missing_of(PEERS, machine)
}

/// The packages that `machine` needs to boot guests.
pub fn missing_for_guests(machine: &Machine) -> Vec<&'static Package> {
    missing_of(GUESTS, machine)
}

/// The packages that `machine` needs for device shapes.
pub fn missing_for_shapes(machine: &Machine) -> Vec<&'static Package> {
    missing_of(SHAPES, machine)
}

fn missing_of(packages: &'static [Package], machine: &Machine) -> Vec<&'static Package> {
    packages
        .iter()
        .filter(|package| !machine.has(package.command))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::machine::Toolchain, *};

    fn complete() -> Machine {
        let whole = |name: &str, active| Toolchain {
            name: name.to_owned(),
            active,
            source: true,
            clippy: true,
            rustfmt: true,
        };
        let packages = PACKAGES.iter().map(|package| package.command.to_owned());
        Machine {
            commands: packages.chain(["rustup".to_owned()]).collect(),
            toolchains: vec![
                whole("stable-x86_64-unknown-linux-gnu", true),
                whole("1.95.0-x86_64-unknown-linux-gnu", false),
            ],
            linker: Some(LINKER.to_owned()),
            servers: SERVERS.into_iter().collect(),
        }
    }

    fn names(machine: &Machine) -> Vec<&'static str> {
        missing(machine).iter().map(|step| step.name).collect()
    }

    #[test]
    fn a_complete_machine_needs_nothing() {
        assert!(missing(&complete()).is_empty());
        assert!(missing_packages(&complete()).is_empty());
    }

    #[test]
    fn what_guests_need_is_wanted_for_them_alone() {
        let mut machine = complete();
        assert_eq!(missing_for_guests(&machine).len(), GUESTS.len());
        machine.commands.insert("xz".to_owned());
        assert_eq!(missing_for_guests(&machine).len(), GUESTS.len() - 1);
        assert_eq!(missing_for_shapes(&machine).len(), SHAPES.len());
        machine.commands.insert("wg".to_owned());
        assert_eq!(missing_for_shapes(&machine).len(), SHAPES.len() - 1);
        assert!(missing_packages(&machine).is_empty());
    }

    #[test]
    fn peers_are_wanted_for_the_bench_alone() {
        let mut machine = complete();
        assert_eq!(missing_peers(&machine).len(), PEERS.len());
        machine.commands.insert("ethtool".to_owned());
        assert_eq!(missing_peers(&machine).len(), PEERS.len() - 1);
        assert!(missing_packages(&machine).is_empty());
    }

    #[test]
    fn an_empty_machine_needs_everything() {
        let machine = Machine::default();
        assert_eq!(missing(&machine).len(), STEPS.len());
        assert_eq!(missing_packages(&machine).len(), PACKAGES.len());
        assert_eq!(missing_peers(&machine).len(), PEERS.len());
        assert_eq!(missing_for_guests(&machine).len(), GUESTS.len());
    }

    #[test]
    fn another_version_of_the_linker_is_as_good_as_none() {
        let mut machine = complete();
        machine.linker = Some("0.13.0".to_owned());
        assert_eq!(names(&machine), ["bpf-linker 0.10.1"]);
    }

    #[test]
    fn lints_are_wanted_of_the_toolchain_in_use_and_source_of_the_other() {
        let mut machine = complete();
        machine.toolchains[1].clippy = false;
        machine.toolchains[0].source = false;
        assert!(names(&machine).is_empty());
        machine.toolchains[0].clippy = false;
        machine.toolchains[1].source = false;
        assert_eq!(
            names(&machine),
            [
                "rust-src of Rust 1.95.0",
                "clippy and rustfmt of the toolchain in use"
            ]
        );
    }
}
