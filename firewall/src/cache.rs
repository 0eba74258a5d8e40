//! `image.cache`: the compiled image of the feeds, so that a change by hand need not parse and compile
//! them again.
//!
//! The file only saves time: it may be removed at any moment, and one that is damaged, cut off, of
//! another build or of other feeds is as good as none. It is not flushed to the disk, since the check
//! sum finds what a power cut left of it.
//!
//! ```text
//! magic     8 bytes
//! length    of the header in bytes, u64, little endian
//! digest    of the header: 32 bytes, SHA-256
//! header    JSON
//! lines     of IPv4, then of IPv6, then the ports, as they are in memory
//! ```

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

use anyhow::{Context, Result};
use firewall_common::{
    class::Actions,
    image::{FIRST_LEVEL_LINES, LINE_BYTES, Line, ports::PortEntry},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    file,
    image::{Class, Image},
    ruleset::{Source, SourceId},
    sys,
};

const MAGIC: [u8; 8] = *b"fwimage1";

/// Longest header that is read: the largest class table takes a few megabytes.
const LONGEST_HEADER: u64 = 64 << 20;

/// Fewest entries worth a file: fewer are compiled in the time that it takes to read one, and no
/// flash memory wears out.
const FEWEST_ENTRIES: usize = 20_000;

/// What tells a file from any other, and from itself with other content, without reading it: each
/// change of a file sets its time of change, which nobody can set back (inode(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    /// The identity of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Length of the file in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The identity of the program that we are: another build may compile another image.
    fn of_program() -> io::Result<Self> {
        Self::of(&File::open("/proc/self/exe")?)
    }
}

/// One feed that an image is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its name and what the configuration asks of it.
    pub asks: String,
    /// SHA-256 of its entries, in hexadecimal.
    pub digest: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    program: Identity,
    inputs: Vec<Input>,
    entries: usize,
    /// The word of the class table and the sources of each class.
    classes: Vec<(u64, Vec<SourceId>)>,
    /// Lines of each family.
    lines: [usize; 2],
    ports: usize,
    sum: [u64; 8],
}

/// A cache whose header is good.
#[derive(Debug)]
pub struct Cache {
    file: File,
    header: Header,
}

impl Cache {
    /// Opens the file at `path`, if it is there and any good.
    pub fn open(path: &Path) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let header = read_header(&mut file)?;
        let lines = header.lines[0].checked_add(header.lines[1])? as u64;
        let ports = header.ports as u64 * size_of::<PortEntry>() as u64;
        let bytes = lines.checked_mul(LINE_BYTES as u64)?.checked_add(ports)?;
        let rest = Identity::of(&file).ok()?.size.checked_sub(bytes)?;
        let is_whole = rest == io::Seek::stream_position(&mut file).ok()?;
        let is_ours = Identity::of_program().ok()? == header.program;
        (is_whole && is_ours).then_some(Self { file, header })
    }

    /// The image, if it was made of `inputs`; `sources` are those that `inputs` have.
    pub fn image(mut self, inputs: &[Input], sources: &[Source]) -> Option<Image> {
        if self.header.inputs != inputs {
            return None;
        }
        let class = |(actions, members): &(u64, Vec<SourceId>)| {
            let known = |&source: &SourceId| usize::from(source) < sources.len();
            members.iter().all(known).then_some(Class {
                actions: Actions::from_raw(*actions),
                sources: members.clone(),
            })
        };
        let classes = self
            .header
            .classes
            .iter()
            .map(class)
            .collect::<Option<_>>()?;
        let mut sum = Sum::default();
        let [v4, v6] = self.header.lines;
        let v4 = read_lines(&mut self.file, v4, &mut sum)?;
        let v6 = read_lines(&mut self.file, v6, &mut sum)?;
        let ports = read_words(&mut self.file, self.header.ports, &mut sum)?;
        (sum.0 == self.header.sum).then(|| Image {
            v4,
            v6,
            ports,
            classes,
            sources: sources.to_owned(),
            entries: self.header.entries,
            folded: 0,
        })
    }
}

fn read_header(file: &mut File) -> Option<Header> {
    let (mut magic, mut length, mut digest) = ([0; 8], [0; 8], [0; 32]);
    file.read_exact(&mut magic).ok()?;
    file.read_exact(&mut length).ok()?;
    file.read_exact(&mut digest).ok()?;
    let length = u64::from_le_bytes(length);
    if magic != MAGIC || length > LONGEST_HEADER {
        return None;
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).ok()?;
    if Sha256::digest(&header).as_slice() != digest {
        return None;
    }
    serde_json::from_slice(&header).ok()
}

/// Every image has a first level.
fn read_lines(file: &mut File, count: usize, sum: &mut Sum) -> Option<Vec<Line>> {
    (count >= FIRST_LEVEL_LINES).then(|| read_words(file, count, sum))?
}

/// Reads and sums up in pieces that stay in the processor's cache in between.
fn read_words<const N: usize>(
    file: &mut File,
    count: usize,
    sum: &mut Sum,
) -> Option<Vec<[u64; N]>> {
    const PIECE: usize = 1 << 13;
    let mut words = vec![[0; N]; count];
    for piece in words.chunks_mut(PIECE) {
        file.read_exact(sys::bytes_of_mut(piece)).ok()?;
        sum.add(piece);
    }
    Some(words)
}

/// A check sum at the speed of memory: finds what disks and power cuts do, not what people do.
#[derive(Default)]
struct Sum([u64; 8]);

impl Sum {
    fn add<const N: usize>(&mut self, lines: &[[u64; N]]) {
        // The prime of FNV-1a; each of the steps is a permutation, so no single change gets lost.
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        for line in lines {
            for (sum, word) in self.0.iter_mut().zip(line) {
                *sum = (*sum ^ word).wrapping_mul(PRIME).rotate_left(23);
            }
        }
    }
}

/// What is kept of an image before entries are laid over it, so that it can be written once they are
/// in force: the lines behind the first level stay as they are.
#[derive(Debug)]
pub struct Snapshot {
    header: Header,
    first_levels: [Vec<Line>; 2],
    ports: Vec<PortEntry>,
}

impl Snapshot {
    /// Keeps what `image`, made of `inputs`, is going to lose. `None` if it is not worth a file, or
    /// if sets share classes: nothing can be laid over it then.
    pub fn take(image: &Image, inputs: Vec<Input>) -> Option<Self> {
        if image.entries < FEWEST_ENTRIES || image.folded > 0 {
            return None;
        }
        let class = |class: &Class| (class.actions.to_raw(), class.sources.clone());
        let first_level = |lines: &[Line]| lines[..FIRST_LEVEL_LINES].to_vec();
        let header = Header {
            program: Identity::of_program().ok()?,
            inputs,
            entries: image.entries,
            classes: image.classes.iter().map(class).collect(),
            lines: [image.v4.len(), image.v6.len()],
            ports: image.ports.len(),
            sum: [0; 8],
        };
        Some(Self {
            header,
            first_levels: [first_level(&image.v4), first_level(&image.v6)],
            ports: image.ports.clone(),
        })
    }

    /// Writes the image that was, given the one that it became.
    ///
    /// # Errors
    /// The folder cannot be written to; a cache that was there stays.
    pub fn write(mut self, path: &Path, image: &Image) -> Result<()> {
        let [lines4, lines6] = self.header.lines;
        let parts = [
            self.first_levels[0].as_slice(),
            &image.v4[FIRST_LEVEL_LINES..lines4],
            &self.first_levels[1],
            &image.v6[FIRST_LEVEL_LINES..lines6],
        ];
        let mut sum = Sum::default();
        parts.iter().for_each(|part| sum.add(part));
        sum.add(&self.ports);
        self.header.sum = sum.0;
        let header = serde_json::to_vec(&self.header).context("cannot write a header as JSON")?;
        file::replace_with(path, |file| {
            file.write_all(&MAGIC)?;
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&Sha256::digest(&header))?;
            file.write_all(&header)?;
            parts
                .iter()
                .try_for_each(|part| file.write_all(sys::bytes_of(part)))?;
            file.write_all(sys::bytes_of(&self.ports))
        })
    }
}

#[cfg(test)]
mod tests;
