//! Whether there is memory for what is going to be compiled: better refused with the numbers than
//! ended in the middle by a kernel that has none left.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

/// Where cgroups of version 2 are mounted (Documentation/admin-guide/cgroup-v2.rst).
const CGROUPS: &str = "/sys/fs/cgroup";

/// What is going to be compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// IPv4 entries.
    pub v4: u64,
    /// IPv6 entries.
    pub v6: u64,
    /// Bytes of text that they are read from.
    pub text: u64,
}

impl Load {
    /// Bytes needed at most, measured and rounded up: while the text is parsed it is there with two
    /// copies of the entries; while entries are compiled, with them their sorted copy, the steps, and
    /// the image twice, once in the kernel.
    fn bytes(self) -> u64 {
        let parsing = self.text + 24 * self.v4 + 64 * self.v6;
        let compiling = 52 * self.v4 + 176 * self.v6;
        parsing.max(compiling)
    }
}

impl std::ops::Add for Load {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            v4: self.v4 + other.v4,
            v6: self.v6 + other.v6,
            text: self.text + other.text,
        }
    }
}

/// Memory that may be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes.
    pub bytes: u64,
    /// The cgroup whose limit it is; `None` where the machine itself has no more.
    pub cgroup: Option<PathBuf>,
}

impl Room {
    /// The least that machine and cgroups leave; `None` where nobody says.
    pub fn read() -> Option<Self> {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let machine = available(&meminfo).map(|bytes| Self {
            bytes,
            cgroup: None,
        });
        let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let cgroup = in_cgroups(Path::new(CGROUPS), &cgroups);
        machine
            .into_iter()
            .chain(cgroup)
            .min_by_key(|room| room.bytes)
    }

    /// Whose it is, for people: ` in the cgroup /a (memory.max)`, or nothing.
    pub fn whose(&self) -> String {
        match &self.cgroup {
            Some(cgroup) => format!(
                " in the cgroup {} (memory.max; MemoryMax= of a unit)",
                cgroup.display()
            ),
            None => String::new(),
        }
    }
}

/// Refuses what this machine has no memory for now.
///
/// # Errors
/// It has not; the message has the numbers.
pub fn check(load: Load) -> Result<()> {
    match Room::read() {
        Some(room) => check_against(load, &room),
        // Not to know is no reason to refuse.
        None => Ok(()),
    }
}

/// `MemAvailable` in bytes: what can be had without swapping (proc_meminfo(5)).
fn available(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let value = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// What the cgroup that `cgroups` (`/proc/self/cgroup`) names and those above it leave, below `root`.
fn in_cgroups(root: &Path, cgroups: &str) -> Option<Room> {
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let path = Path::new(path);
    let rooms = path.ancestors().filter_map(|cgroup| {
        Some(Room {
            bytes: room_in(&root.join(cgroup))?,
            cgroup: Some(Path::new("/").join(cgroup)),
        })
    });
    rooms.min_by_key(|room| room.bytes)
}

/// What is left below `memory.max`, file pages that nobody uses counted as free.
fn room_in(folder: &Path) -> Option<u64> {
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    let most: u64 = read("memory.max")?.trim().parse().ok()?;
    let used: u64 = read("memory.current")?.trim().parse().ok()?;
    let stat = read("memory.stat").unwrap_or_default();
    let idle = stat
        .lines()
        .find_map(|line| line.strip_prefix("inactive_file "));
    let idle: u64 = idle
        .and_then(|bytes| bytes.parse().ok())
        .unwrap_or_default();
    Some(most.saturating_sub(used.saturating_sub(idle)))
}

fn check_against(load: Load, room: &Room) -> Result<()> {
    let needed = load.bytes();
    if needed > room.bytes {
        bail!(
            "{} entries need about {} MB of memory to be put in force, and {} MB are free{}; use \
             shorter lists or switch a feed off",
            load.v4 + load.v6,
            needed.div_ceil(1 << 20),
            room.bytes >> 20,
            room.whose()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_more_than_there_is_is_refused_with_the_numbers() {
        let load = Load {
            v4: 1_000_000,
            v6: 0,
            text: 15_000_000,
        };
        let room = |bytes| Room {
            bytes,
            cgroup: None,
        };
        assert!(check_against(load, &room(52_000_000)).is_ok());
        let refused = check_against(load, &room(51_999_999))
            .unwrap_err()
            .to_string();
        assert!(
            refused.starts_with(
                "1000000 entries need about 50 MB of memory to be put in force, and 49 MB are free"
            ),
            "{refused}"
        );
    }

    #[test]
    fn long_lines_and_long_addresses_take_more() {
        let short = Load {
            v4: 10,
            ..Load::default()
        };
        let v6 = Load {
            v6: 10,
            ..Load::default()
        };
        let wordy = Load { text: 5_000, ..v6 };
        assert!(short.bytes() < v6.bytes() && v6.bytes() < wordy.bytes());
        assert!((short + v6).bytes() > v6.bytes());
    }

    #[test]
    fn the_kernel_says_how_much_there_is() {
        let text = "MemTotal:       24683532 kB\nMemAvailable:   24020820 kB\nBuffers: 1 kB\n";
        assert_eq!(available(text), Some(24_020_820 * 1024));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn the_cgroup_that_leaves_least_counts_and_is_named() {
        let root = tempfile::tempdir().unwrap();
        let group = |name: &str, most: &str, used: &str, stat: &str| {
            let folder = root.path().join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("memory.max"), most).unwrap();
            fs::write(folder.join("memory.current"), used).unwrap();
            fs::write(folder.join("memory.stat"), stat).unwrap();
        };
        let room = || in_cgroups(root.path(), "1:name=systemd:/x\n0::/a/b/c\n");
        assert_eq!(room(), None, "no cgroup has a limit");
        group("a/b/c", "max\n", "1\n", "");
        assert_eq!(room(), None);
        group("a/b", "1000\n", "900\n", "anon 1\ninactive_file 50\n");
        let found = room().unwrap();
        assert_eq!(found.bytes, 150);
        assert!(found.whose().contains("the cgroup /a/b "), "{found:?}");
        group("a", "100\n", "300\n", "");
        assert_eq!(room().unwrap().bytes, 0);
        assert_eq!(
            in_cgroups(root.path(), "4:memory:/a/b\n"),
            None,
            "version 1"
        );
    }
}
