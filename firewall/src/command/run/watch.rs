//! Word of changes in the state folder, made by hand or by other commands.

use std::{mem::MaybeUninit, path::Path};

use anyhow::{Context, Result};
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use tokio::sync::mpsc;

use crate::sys::readable;

/// The files whose content decides what is in force. Locks and records in the same folder do not.
const LISTS: [&str; 2] = ["block.list", "allow.list"];

/// Sends a word whenever one of the operator's lists was written or replaced.
pub fn folder(path: &Path) -> Result<mpsc::Receiver<()>> {
    let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)
        .context("cannot watch the state folder (inotify)")?;
    add_watch(
        &inotify,
        path,
        WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO,
    )
    .with_context(|| format!("cannot watch {}", path.display()))?;
    let inotify = readable(inotify)?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok(mut ready) = inotify.readable().await {
            if lists_changed(inotify.get_ref()) {
                // Full means that a word waits already.
                let _ = sender.try_send(());
            }
            ready.clear_ready();
        }
    });
    Ok(receiver)
}

/// Takes everything that waits.
fn lists_changed(inotify: &std::os::fd::OwnedFd) -> bool {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(inotify, &mut buffer);
    let mut changed = false;
    while let Ok(event) = reader.next() {
        let name = event.file_name().map(|name| name.to_string_lossy());
        changed |= name.is_some_and(|name| LISTS.contains(&name.as_ref()));
    }
    changed
}
