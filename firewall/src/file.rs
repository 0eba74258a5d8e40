//! Files of the state folder: written whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Puts `content` in place of the file at `path`, which keeps its old content on any failure.
///
/// The file gets the owner of its folder, so that root's commands and a daemon without privileges
/// work on the same state, and is readable by that owner only.
///
/// # Errors
/// The folder cannot be written to; a full disk is the usual reason.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let temporary = temporary(path);
    let written = write_beside(path, &temporary, content);
    if written.is_err() {
        // What failed is reported; a temporary file that stays is overwritten by the next attempt.
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(|| {
        format!(
            "cannot write {}, its old content stays; check space and permissions",
            path.display()
        )
    })
}

/// Like [`replace`], with what `write` writes, and without waiting for the disk: for large files whose
/// reader can tell whether they are whole. What processes that were killed left of theirs is removed.
///
/// # Errors
/// The folder cannot be written to; a full disk is the usual reason.
pub fn replace_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let temporary = temporary(path);
    remove_left_by_the_dead(path);
    let written = create_beside(path, &temporary)
        .and_then(|mut file| write(&mut file))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // What failed is reported; a temporary file that stays is overwritten by the next attempt.
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(|| format!("cannot write {}; check the space", path.display()))
}

/// Makes `path` a folder with the owner of its parent, if it is none yet.
///
/// # Errors
/// The parent is missing or cannot be written to.
pub fn make_folder(path: &Path) -> Result<()> {
    let made = match fs::create_dir(path) {
        Ok(()) => File::open(path).and_then(|made| give_to_owner_of_folder(path, &made)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    };
    made.with_context(|| {
        format!(
            "cannot make the folder {}; check its parent and permissions",
            path.display()
        )
    })
}

/// The content of a file; `None` if there is no such file.
///
/// # Errors
/// The file is there and cannot be read.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error)
            .with_context(|| format!("cannot read {}; check its permissions", path.display())),
    }
}

/// Opens a file for reading; `None` if there is no such file.
///
/// # Errors
/// The file is there and cannot be opened.
pub fn open(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error)
            .with_context(|| format!("cannot open {}; check its permissions", path.display())),
    }
}

/// Removes a file that need not exist.
///
/// # Errors
/// The file is there and stays.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Opens `path` for appending, with the owner of its folder.
///
/// # Errors
/// The file cannot be opened or given to that owner.
pub fn append(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    give_to_owner_of_folder(path, &file)?;
    Ok(file)
}

/// Removes temporary files of `path` whose process is gone.
fn remove_left_by_the_dead(path: &Path) {
    let own = temporary(path);
    let own = own.file_name().unwrap_or_default().to_string_lossy();
    let beginning = own.trim_end_matches(|it: char| it.is_ascii_digit());
    for entry in fs::read_dir(folder(path)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|it| it.strip_prefix(beginning));
        if process.is_some_and(|it| !Path::new("/proc").join(it).exists()) {
            // It only takes space.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A name of its own for each process: two of them writing at once never mix.
fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

/// The empty temporary file, with the owner of the folder.
fn create_beside(path: &Path, temporary: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(temporary)?;
    give_to_owner_of_folder(path, &file)?;
    Ok(file)
}

fn write_beside(path: &Path, temporary: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = create_beside(path, temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    File::open(folder(path))?.sync_all()
}

fn give_to_owner_of_folder(path: &Path, file: &File) -> io::Result<()> {
    let (folder, own) = (fs::metadata(folder(path))?, file.metadata()?);
    if (folder.uid(), folder.gid()) == (own.uid(), own.gid()) {
        return Ok(());
    }
    fchown(file, Some(folder.uid()), Some(folder.gid()))
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| *parent != Path::new(""))
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_content_takes_the_place_of_the_old() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        assert_eq!(read(&path).unwrap(), None);
        replace(&path, b"old").unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        // Process 1 lives; numbers end below 2^22 (PID_MAX_LIMIT, include/linux/threads.h).
        for name in [".cache.5000000", ".cache.1", ".other.5000000", "cache"] {
            fs::write(path(name), b"old").unwrap();
        }
        replace_with(&path("cache"), |file| file.write_all(b"new")).unwrap();
        let names = [".cache.5000000", ".cache.1", ".other.5000000"];
        assert_eq!(names.map(|name| path(name).exists()), [false, true, true]);
        assert_eq!(read(&path("cache")).unwrap().unwrap(), b"new");
        let failed = replace_with(&path("cache"), |_| Err(io::Error::other("full")));
        assert!(failed.is_err());
        assert_eq!(read(&path("cache")).unwrap().unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn files_belong_to_the_owner_of_their_folder() {
        let state = tempfile::tempdir().unwrap();
        if std::os::unix::fs::chown(state.path(), Some(4711), Some(4712)).is_err() {
            println!("SKIPPED files_belong_to_the_owner_of_their_folder: needs root");
            return;
        }
        let folder = state.path().join("feeds");
        make_folder(&folder).unwrap();
        make_folder(&folder).unwrap();
        replace(&folder.join("list"), b"content").unwrap();
        append(&folder.join("log")).unwrap();
        for path in [folder.clone(), folder.join("list"), folder.join("log")] {
            let owner = fs::metadata(&path).unwrap();
            assert_eq!(
                (owner.uid(), owner.gid()),
                (4711, 4712),
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn a_failure_leaves_the_old_content_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        // A folder in place of the file: the rename fails after the temporary file is written.
        let path = folder.path().join("list");
        fs::create_dir(&path).unwrap();
        let error = replace(&path, b"new").unwrap_err().to_string();
        assert!(error.contains("its old content stays"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
