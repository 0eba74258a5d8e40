//! The first file system of a guest, as an archive that the kernel unpacks: `newc` of cpio
//! (Documentation/driver-api/early-userspace/buffer-format.rst in the sources of Linux).

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::{Path, PathBuf},
};

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// Major and minor number of the console (Documentation/admin-guide/devices.txt), and of no device.
const CONSOLE: (u32, u32) = (5, 1);
const NONE: (u32, u32) = (0, 0);

/// Header and content of each entry begin at a multiple of it.
const ALIGNMENT: usize = 4;

/// The entry that ends an archive.
const END: &str = "TRAILER!!!";

/// An archive in the making.
#[derive(Debug)]
pub struct Archive<W> {
    output: W,
    /// Bytes written.
    length: usize,
    entries: u32,
    folders: BTreeSet<PathBuf>,
}

impl<W: Write> Archive<W> {
    /// An empty one.
    pub fn new(output: W) -> Self {
        Self {
            output,
            length: 0,
            entries: 0,
            folders: BTreeSet::new(),
        }
    }

    /// Adds a folder and those above it, unless it is there: the kernel makes no folder that is not
    /// listed before what is in it.
    pub fn folder(&mut self, path: &Path) -> io::Result<()> {
        let path = path.strip_prefix("/").unwrap_or(path);
        if path.as_os_str().is_empty() || self.folders.contains(path) {
            return Ok(());
        }
        if let Some(above) = path.parent() {
            self.folder(above)?;
        }
        self.folders.insert(path.to_owned());
        self.entry(path, FOLDER, NONE, &[])
    }

    /// Adds a file that everybody may read and run.
    pub fn file(&mut self, path: &Path, content: &[u8]) -> io::Result<()> {
        let path = path.strip_prefix("/").unwrap_or(path);
        self.folder(path.parent().unwrap_or(path))?;
        self.entry(path, PROGRAM, NONE, content)
    }

    /// Adds the console, which the kernel opens for the first process before that can mount anything.
    pub fn console(&mut self) -> io::Result<()> {
        self.folder(Path::new("dev"))?;
        self.entry(Path::new("dev/console"), CHARACTER_DEVICE, CONSOLE, &[])
    }

    /// Ends the archive; returns its length.
    pub fn end(mut self) -> io::Result<usize> {
        self.entry(Path::new(END), 0, NONE, &[])?;
        self.output.flush()?;
        Ok(self.length)
    }

    fn entry(
        &mut self,
        path: &Path,
        mode: u32,
        (major, minor): (u32, u32),
        content: &[u8],
    ) -> io::Result<()> {
        self.entries += 1;
        let name = path.as_os_str().as_encoded_bytes();
        let size = u32::try_from(content.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        // Inode, mode, owner, group, links, time, size, device of the file (2), device it is (2),
        // length of the name with its zero byte, checksum.
        let name_size = name.len() as u32 + 1;
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            major,
            minor,
            name_size,
            0,
        ];
        self.write(b"070701")?;
        for field in fields {
            self.write(format!("{field:08x}").as_bytes())?;
        }
        self.write(name)?;
        self.write(&[0])?;
        self.align()?;
        self.write(content)?;
        self.align()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len();
        self.output.write_all(bytes)
    }

    fn align(&mut self) -> io::Result<()> {
        let missing = self.length.next_multiple_of(ALIGNMENT) - self.length;
        self.write(&[0; ALIGNMENT][..missing])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path, mode, device and content.
    type Entry = (String, u32, (u32, u32), Vec<u8>);

    /// What an archive has, read as the format is written down.
    fn entries(mut bytes: &[u8]) -> Vec<Entry> {
        let mut entries = Vec::new();
        loop {
            assert_eq!(&bytes[..6], b"070701");
            let field = |index: usize| {
                let digits = str::from_utf8(&bytes[6 + 8 * index..][..8]).unwrap();
                u32::from_str_radix(digits, 16).unwrap()
            };
            let (mode, size, name_size) = (field(1), field(6) as usize, field(11) as usize);
            let name = str::from_utf8(&bytes[110..][..name_size - 1]).unwrap();
            assert_eq!(bytes[110 + name_size - 1], 0);
            let content = (110 + name_size).next_multiple_of(4);
            if name == END {
                assert_eq!(bytes.len(), content);
                return entries;
            }
            let device = (field(9), field(10));
            let data = bytes[content..][..size].to_vec();
            entries.push((name.to_owned(), mode, device, data));
            bytes = &bytes[(content + size).next_multiple_of(4)..];
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        archive.console().unwrap();
        archive.file(Path::new("/init"), b"#!/bin/sh\n").unwrap();
        archive.file(Path::new("/usr/bin/true"), b"").unwrap();
        archive.file(Path::new("usr/bin/a"), b"12345").unwrap();
        let length = archive.end().unwrap();
        assert_eq!(length, bytes.len());
        let expected = [
            ("dev", FOLDER, NONE, &b""[..]),
            ("dev/console", CHARACTER_DEVICE, CONSOLE, b""),
            ("init", PROGRAM, NONE, b"#!/bin/sh\n"),
            ("usr", FOLDER, NONE, b""),
            ("usr/bin", FOLDER, NONE, b""),
            ("usr/bin/true", PROGRAM, NONE, b""),
            ("usr/bin/a", PROGRAM, NONE, b"12345"),
        ];
        let expected = expected
            .map(|(path, mode, device, content)| (path.to_owned(), mode, device, content.to_vec()));
        assert_eq!(entries(&bytes), expected);
    }

    #[test]
    fn a_folder_that_is_there_is_not_listed_again() {
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        for path in ["/a/b", "a", "/a/b/"] {
            archive.folder(Path::new(path)).unwrap();
        }
        archive.end().unwrap();
        let names: Vec<String> = entries(&bytes).into_iter().map(|entry| entry.0).collect();
        assert_eq!(names, ["a", "a/b"]);
    }
}
