//! Where everything is pinned, and the checks before a pin is adopted.
//!
//! ```text
//! <bpffs>/v4/ledger_outbound  ledger_inbound  ledger_marks  events    of the whole filter
//!            counters/<interface>                         packets and bytes by reason
//!            links/<interface>                            the attachment
//!            generations/<N>/image4 image6 ports classes class_counters
//!            generations/<N>/programs/<interface>         the interface's own copy
//! ```

use std::{
    fs,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use firewall_common::SCHEMA;
use rustix::fs::statfs;

use crate::sys;

/// `BPF_FS_MAGIC` (include/uapi/linux/magic.h).
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

/// The folder of pins of one filter.
#[derive(Clone, Debug)]
pub struct Pins {
    bpffs: PathBuf,
    root: PathBuf,
}

impl Pins {
    /// The pins below the bpffs at `bpffs`.
    pub fn new(bpffs: &Path) -> Self {
        Self {
            bpffs: bpffs.to_owned(),
            root: bpffs.join(SCHEMA),
        }
    }

    /// Whether a bpffs is mounted where the pins belong.
    pub fn is_mounted(&self) -> bool {
        statfs(&self.bpffs).is_ok_and(|info| info.f_type as u64 == BPF_FS_MAGIC)
    }

    /// Mounts a bpffs where none is, and makes the folders.
    pub fn prepare(&self) -> Result<()> {
        if !self.is_mounted() {
            self.mount()?;
        }
        for folder in ["counters", "links", "generations"] {
            let path = self.root.join(folder);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        Ok(())
    }

    fn mount(&self) -> Result<()> {
        let path = &self.bpffs;
        ensure!(
            is_in_namespace_of_init(),
            "nothing is mounted at {0}, and this process is in a mount namespace of its own ('ip netns exec' \
             makes one): what it mounts no other command would see, and the filter would end with it. \
             Before you start it, type outside of it: mkdir -p {0} && mount -t bpf bpf {0}",
            path.display()
        );
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        let flags = rustix::mount::MountFlags::NOSUID
            | rustix::mount::MountFlags::NODEV
            | rustix::mount::MountFlags::NOEXEC;
        rustix::mount::mount("bpf", path, "bpf", flags, Some(c"mode=0700")).with_context(|| {
            format!(
                "cannot mount a BPF file system at {0}; run as root, or mount it yourself: \
                 mount -t bpf bpf {0}",
                path.display()
            )
        })
    }

    /// Pin of a map that the whole filter shares.
    pub fn shared(&self, map: &str) -> PathBuf {
        self.root.join(map)
    }

    /// Pin of an interface's reason counters.
    pub fn counters(&self, interface: &str) -> PathBuf {
        self.root.join("counters").join(escape(interface))
    }

    /// Pin of an interface's attachment.
    pub fn link(&self, interface: &str) -> PathBuf {
        self.root.join("links").join(escape(interface))
    }

    /// Folder of a generation.
    pub fn generation(&self, generation: u32) -> PathBuf {
        self.root.join("generations").join(generation.to_string())
    }

    /// Pin of a generation's own copy of the program for an interface.
    pub fn program(&self, generation: u32, interface: &str) -> PathBuf {
        self.generation(generation)
            .join("programs")
            .join(escape(interface))
    }

    /// Names of the interfaces that have an attachment.
    pub fn linked_interfaces(&self) -> Result<Vec<String>> {
        names(&self.root.join("links"))
    }

    /// Names of the interfaces that have counters.
    pub fn counted_interfaces(&self) -> Result<Vec<String>> {
        names(&self.root.join("counters"))
    }

    /// Numbers of the generations that have a folder, lowest first.
    pub fn generations(&self) -> Result<Vec<u32>> {
        let names = names(&self.root.join("generations"))?;
        let mut numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Whether there are any.
    pub fn exist(&self) -> bool {
        self.root.exists()
    }

    /// Removes a generation's folder. What a link still runs stays loaded.
    pub fn remove_generation(&self, generation: u32) -> Result<()> {
        let path = self.generation(generation);
        fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    /// Removes everything, links last: the filter works until then.
    pub fn remove_all(&self) -> Result<()> {
        fs::remove_dir_all(&self.root)
            .with_context(|| format!("cannot remove the pins below {}", self.root.display()))
    }
}

/// Shape of a map, as the kernel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// `enum bpf_map_type`.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Entries.
    pub max_entries: u32,
}

/// Refuses the pinned map at `path` unless it is of `shape`; aya adopts any pin unseen, and hands
/// the kernel buffers of the size that it believes in. No pin at all is fine.
pub fn check_map(path: &Path, shape: Shape) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let found = map_shape(path)?;
    if found != shape {
        bail!(
            "the pin {} is not the map that belongs there (found {found:?}, want {shape:?}); \
             remove all pins with 'firewall unload' and start again",
            path.display()
        );
    }
    Ok(())
}

fn map_shape(path: &Path) -> Result<Shape> {
    let foreign = || format!("the pin {} is no map", path.display());
    let map = open(path)?;
    let field = |name| sys::object_info(&map, name).with_context(foreign);
    Ok(Shape {
        map_type: field("map_type")?,
        key_size: field("key_size")?,
        value_size: field("value_size")?,
        max_entries: field("max_entries")?,
    })
}

/// Opens a pin.
pub fn open(path: &Path) -> Result<OwnedFd> {
    sys::open_pin(path).with_context(|| format!("cannot open the pin {}", path.display()))
}

/// bpffs refuses names with a dot (`bpf_lookup`, kernel/bpf/inode.c), VLAN devices have one.
fn escape(interface: &str) -> String {
    interface.replace('%', "%25").replace('.', "%2e")
}

fn unescape(name: &str) -> String {
    name.replace("%2e", ".").replace("%25", "%")
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", folder.display()));
        }
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(unescape(&entry?.file_name().to_string_lossy()));
    }
    names.sort_unstable();
    Ok(names)
}

/// Whether what this process mounts is mounted for the machine; where nobody can tell, it may be. Kernel
/// threads stand in for an init that may not be looked at: the first, kthreadd, is process 2.
fn is_in_namespace_of_init() -> bool {
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
    let machine = of("1").or_else(|| of("2"));
    machine.is_none_or(|machine| of("self") == Some(machine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_name_has_no_dot_and_reads_back() {
        for interface in ["eth0", "eth0.10", "a%2eb", "bond0.100.200"] {
            assert!(!escape(interface).contains('.'), "{interface}");
            assert_eq!(unescape(&escape(interface)), interface);
        }
    }
}
