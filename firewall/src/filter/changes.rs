//! Changes to the operator's lists: stored one by one, folded into the lists by whoever holds the lock.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    feed::store::Name,
    file,
    inputs::read_lists,
    local::{Change, Lists},
    state::State,
};

/// Stores a change as one file that is there whole or not at all. Its name sorts by time.
pub fn store(state: &State, change: &Change) -> Result<PathBuf> {
    let nanoseconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let name = format!("{nanoseconds:020}-{}", std::process::id());
    let path = state.changes().join(name);
    file::replace(&path, change.to_text().as_bytes()).context("nothing was changed")?;
    Ok(path)
}

/// Takes a change back that could not be folded in.
pub fn withdraw(change: &Path) {
    // What brought us here is what is reported; a change that stays is named by the next fold.
    let _ = fs::remove_file(change);
}

/// Appends a line to the audit trail: who did what, when. For changes that were made: those that
/// were refused are none, and must not fill a disk that is full already.
pub fn audit(state: &State, change: &Change) -> Result<()> {
    append_audit(
        state,
        json!({
            "verb": change.verb,
            "prefixes": change.subjects,
            "until": change.note.until,
            "reason": change.note.reason,
        }),
    )
}

/// Appends that what was in quarantine of `feed` was accepted.
pub fn audit_accepted(state: &State, feed: &Name) -> Result<()> {
    append_audit(state, json!({ "verb": "accept", "feed": feed }))
}

/// Appends what was done, with who and when.
fn append_audit(state: &State, mut line: Value) -> Result<()> {
    line["time"] = json!(Timestamp::now());
    line["uid"] = json!(rustix::process::getuid().as_raw());
    line["sudo_user"] = json!(std::env::var("SUDO_USER").ok());
    line["process"] = json!(std::process::id());
    let path = state.audit();
    append_line(&path, &line.to_string()).with_context(|| {
        format!(
            "cannot write {}; check space and permissions",
            path.display()
        )
    })
}

/// Appends a line whole or not at all, and waits for the disk: others append at the same time, the disk may
/// be full, and a power cut must not take the word on a change that it leaves.
fn append_line(path: &Path, line: &str) -> io::Result<()> {
    let mut file = file::append(path)?;
    file.lock()?;
    let length = file.metadata()?.len();
    let written = file
        .write_all(format!("{line}\n").as_bytes())
        .and_then(|()| file.sync_data());
    written.or_else(|failure| file.set_len(length).and(Err(failure)))
}

/// Folds all changes into the lists, and removes what has ended at `now` from them. The changes
/// themselves are removed only once they are in force, see [`forget`]: folding one again does no
/// harm, and losing one does.
pub fn fold(state: &State, now: Timestamp) -> Result<Vec<PathBuf>> {
    let changes = pending(state)?;
    let before = read_lists(state)?;
    let mut lists = before.clone();
    for path in &changes {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the change {}", path.display()))?;
        lists.fold(&text).with_context(|| {
            format!(
                "the change {0} is damaged; remove it: rm {0}",
                path.display()
            )
        })?;
    }
    lists.prune(now);
    write(state, &before, &lists)?;
    Ok(changes)
}

/// Removes changes that are in force.
pub fn forget(changes: &[PathBuf]) -> Result<()> {
    changes.iter().try_for_each(|change| {
        fs::remove_file(change).with_context(|| format!("cannot remove {}", change.display()))
    })
}

/// Changes that nobody folded in yet, oldest first. Hidden files are being written.
fn pending(state: &State) -> Result<Vec<PathBuf>> {
    let folder = state.changes();
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut changes = Vec::new();
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            changes.push(entry.path());
        }
    }
    changes.sort_unstable();
    Ok(changes)
}

fn write(state: &State, before: &Lists, after: &Lists) -> Result<()> {
    if before.block != after.block {
        file::replace(&state.block_list(), after.block.to_text().as_bytes())?;
    }
    if before.allow != after.allow {
        file::replace(&state.allow_list(), after.allow.to_text().as_bytes())?;
    }
    Ok(())
}
