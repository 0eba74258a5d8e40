//! The state folder: where each file is, and the two locks.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    feed::store::{Name, Store},
    file,
};

/// Where the state is unless `--state-dir` says otherwise.
pub const DEFAULT_PATH: &str = "/var/lib/firewall";

/// The state folder.
#[derive(Clone, Debug)]
pub struct State {
    root: PathBuf,
}

/// A held lock; given back when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl State {
    /// The state folder at `root`, which need not exist yet.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Makes the folders.
    pub fn prepare(&self) -> Result<()> {
        fs::create_dir_all(&self.root).with_context(|| {
            format!(
                "cannot make the state folder {}; run as root",
                self.root.display()
            )
        })?;
        let folders = [self.changes(), self.root.join("feeds"), self.generations()];
        folders
            .iter()
            .try_for_each(|folder| file::make_folder(folder))
    }

    /// The operator's block list.
    pub fn block_list(&self) -> PathBuf {
        self.root.join("block.list")
    }

    /// The operator's allow list.
    pub fn allow_list(&self) -> PathBuf {
        self.root.join("allow.list")
    }

    /// Changes to the lists that nobody has folded in yet.
    pub fn changes(&self) -> PathBuf {
        self.root.join("changes")
    }

    /// Last good copy of a feed and what is known about it.
    pub fn feed_store(&self, name: &Name) -> Store {
        Store::new(&self.root, name)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The files of the configuration in force.
    pub fn configuration(&self) -> PathBuf {
        self.root.join("configuration.json")
    }

    /// Where programs see no packets.
    pub fn blind(&self) -> PathBuf {
        self.root.join("blind.json")
    }

    /// Live facts about addresses that are never blocked.
    pub fn protected(&self) -> PathBuf {
        self.root.join("protected.json")
    }

    /// One record for each generation that something still refers to.
    pub fn generations(&self) -> PathBuf {
        self.root.join("generations")
    }

    /// What retired generations counted.
    pub fn totals(&self) -> PathBuf {
        self.root.join("totals.json")
    }

    /// Sums of the ledger, written by `run` and `unload`.
    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger.db")
    }

    /// The compiled image of the feeds: only saves time.
    pub fn image_cache(&self) -> PathBuf {
        self.root.join("image.cache")
    }

    /// A line for every change.
    pub fn audit(&self) -> PathBuf {
        self.root.join("audit.jsonl")
    }

    fn run_lock(&self) -> PathBuf {
        self.root.join("run.lock")
    }

    /// Waits for the lock that every change is made under.
    pub fn lock_change(&self) -> Result<Lock> {
        let path = self.root.join("change.lock");
        let file = open_lock(&path)?;
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Lock { _file: file })
    }

    /// Waits for the lock that a feed is updated under.
    pub fn lock_feed(&self, name: &Name) -> Result<Lock> {
        let path = self.root.join("feeds").join(format!(".{name}.lock"));
        let file = open_lock(&path)?;
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Lock { _file: file })
    }

    /// Takes the lock that `run` holds for its life, or says who has it.
    pub fn lock_run(&self) -> Result<Lock> {
        let path = self.run_lock();
        let mut file = open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another 'firewall run' (process {}) works on {}; stop it first, or give this one \
                 its own --state-dir and --bpffs",
                read_pid(&mut file).map_or("unknown".to_owned(), |pid| pid.to_string()),
                self.root.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        file.set_len(0)?;
        write!(file, "{}", std::process::id())?;
        Ok(Lock { _file: file })
    }

    /// The process that runs `firewall run` on this state, if one does.
    pub fn running(&self) -> Option<i32> {
        let mut file = OpenOptions::new().read(true).open(self.run_lock()).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => read_pid(&mut file),
            _ => None,
        }
    }
}

fn open_lock(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(|| format!("cannot open the lock {}; run as root", path.display()))
}

fn read_pid(file: &mut File) -> Option<i32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Reads a JSON file that need not exist.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(content) = file::read(path)? else {
        return Ok(None);
    };
    serde_json::from_slice(&content).map(Some).with_context(|| {
        format!(
            "{} is damaged; restore it, or remove it to start afresh",
            path.display()
        )
    })
}

/// Writes a JSON file, indented for people.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let mut content = serde_json::to_vec_pretty(value)?;
    content.push(b'\n');
    file::replace(path, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_on_the_same_state_is_refused_by_the_pid_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(folder.path());
        assert_eq!(state.running(), None);
        let lock = state.lock_run().unwrap();
        assert_eq!(state.running(), Some(std::process::id() as i32));
        let error = state.lock_run().unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(lock);
        assert_eq!(state.running(), None);
    }
}
