//! Since when an address is on a feed: an append-only text file of what each update changed.
//!
//! ```text
//! 2026-11-23T15:00:00Z = 1234 entries
//! 2026-11-23T16:00:00Z + 192.0.2.1/32
//! 2026-11-23T16:00:00Z - 198.51.100.0/24
//! ```
//! `=` begins anew: a first load, or one whose predecessor is lost.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Write as _},
    os::unix::fs::FileExt,
    path::Path,
};

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::{format::distinct, records::Records};
use crate::{
    address::{Address, Prefix},
    file,
};

/// Bytes from which the oldest half is dropped.
const LONGEST: usize = 16 << 20;

/// Since when a prefix is on a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// The update that brought it.
    Added(Timestamp),
    /// It was there when the feed was loaded first.
    FirstLoad(Timestamp),
    /// It was there by then; what tells more is dropped.
    Before(Timestamp),
}

impl Since {
    /// The time, whatever it is the time of.
    pub fn time(self) -> Timestamp {
        match self {
            Self::Added(time) | Self::FirstLoad(time) | Self::Before(time) => time,
        }
    }

    /// Whether the prefix may have been listed before that time.
    pub fn or_before(self) -> bool {
        !matches!(self, Self::Added(_))
    }
}

/// How many entries came and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Churn {
    /// Came.
    pub added: u64,
    /// Went.
    pub removed: u64,
}

/// What came and went from `begin` on, as far back as the file tells; a first load is not counted.
///
/// # Errors
/// The journal is there and cannot be read.
pub(super) fn churn(path: &Path, begin: Timestamp) -> Result<Churn> {
    let content = file::read(path)?.unwrap_or_default();
    let content = String::from_utf8_lossy(&content);
    let mut churn = Churn::default();
    for (_, sign, _) in content
        .lines()
        .rev()
        .filter_map(record)
        .take_while(|it| it.0 >= begin)
    {
        match sign {
            "+" => churn.added += 1,
            "-" => churn.removed += 1,
            _ => {}
        }
    }
    Ok(churn)
}

/// The lines of a first load.
pub(super) fn first_load(entries: usize, now: Timestamp) -> String {
    format!("{now:.0} = {entries} entries\n")
}

/// The lines of an update: the prefixes that `new` adds to `old` and takes away from it.
pub(super) fn difference(old: &Records, new: &Records, now: Timestamp) -> String {
    let mut lines = String::new();
    let (old_v4, new_v4) = (distinct(&old.v4), distinct(&new.v4));
    let (old_v6, new_v6) = (distinct(&old.v6), distinct(&new.v6));
    add_missing(&mut lines, now, '+', &new_v4, &old_v4);
    add_missing(&mut lines, now, '+', &new_v6, &old_v6);
    add_missing(&mut lines, now, '-', &old_v4, &new_v4);
    add_missing(&mut lines, now, '-', &old_v6, &new_v6);
    lines
}

/// Appends whole lines, or nothing.
///
/// # Errors
/// The file cannot be written; it is as before.
pub(super) fn append(path: &Path, lines: &str) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let appended = try_append(path, lines).with_context(|| {
        format!(
            "cannot append to {}; check space and permissions",
            path.display()
        )
    })?;
    if appended {
        Ok(())
    } else {
        shorten(path, lines)
    }
}

/// Since when `prefix`, which the feed lists now, is listed; `None` if the file does not tell.
///
/// # Errors
/// The file is there and cannot be read.
pub(super) fn since(path: &Path, prefix: Prefix) -> Result<Option<Since>> {
    let content = file::read(path)?.unwrap_or_default();
    let content = String::from_utf8_lossy(&content);
    let wanted = text(prefix);
    let records = content.lines().rev().filter_map(record);
    let mut oldest = None;
    for (time, sign, value) in records {
        match sign {
            "+" if value == wanted => return Ok(Some(Since::Added(time))),
            "-" if value == wanted => return Ok(None),
            "=" => return Ok(Some(Since::FirstLoad(time))),
            _ => oldest = Some(Since::Before(time)),
        }
    }
    Ok(oldest)
}

fn add_missing<A: Address>(
    lines: &mut String,
    now: Timestamp,
    sign: char,
    these: &[(A, u8)],
    those: &[(A, u8)],
) {
    // Both are sorted: millions are walked through once, not searched one by one.
    let mut those = those.iter().peekable();
    let is_missing = |it: &&(A, u8)| {
        while those.next_if(|that| that < it).is_some() {}
        those.peek() != Some(it)
    };
    for it in these.iter().filter(is_missing) {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{now:.0} {sign} {}/{}", it.0.to_ip(), it.1);
    }
}

/// False if the file would be longer than it may.
fn try_append(path: &Path, lines: &str) -> io::Result<bool> {
    let mut file = file::append(path)?;
    let length = file.metadata()?.len();
    if length.saturating_add(lines.len() as u64) > LONGEST as u64 {
        return Ok(false);
    }
    let result = end_torn_line(&mut file, length)
        .and_then(|()| file.write_all(lines.as_bytes()))
        .and_then(|()| file.sync_all());
    if result.is_err() {
        // Half a record would be read as another prefix. What failed is reported.
        let _ = file.set_len(length);
    }
    result.map(|()| true)
}

/// A power cut may leave half a line; it must not swallow the next one.
fn end_torn_line(file: &mut File, length: u64) -> io::Result<()> {
    let Some(last) = length.checked_sub(1) else {
        return Ok(());
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    if byte == *b"\n" {
        Ok(())
    } else {
        file.write_all(b"\n")
    }
}

/// Writes the newer half of the file and `lines` together.
fn shorten(path: &Path, lines: &str) -> Result<()> {
    let mut content = file::read(path)?.unwrap_or_default();
    content.extend_from_slice(lines.as_bytes());
    let half = content.len() - (LONGEST / 2).min(content.len());
    let line_end = content[half..].iter().position(|&byte| byte == b'\n');
    file::replace(
        path,
        &content[line_end.map_or(0, |line_end| half + line_end + 1)..],
    )
}

fn record(line: &str) -> Option<(Timestamp, &str, &str)> {
    let (time, rest) = line.split_once(' ')?;
    let (sign, value) = rest.split_once(' ')?;
    Some((time.parse().ok()?, sign, value))
}

fn text(prefix: Prefix) -> String {
    match prefix {
        Prefix::V4(address, length) => format!("{}/{length}", address.to_ip()),
        Prefix::V6(address, length) => format!("{}/{length}", address.to_ip()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ipnet::IpNet;

    use super::*;
    use crate::feed::format::{self, Format, How};

    fn records(text: &str) -> Records {
        let mut parsed = format::parse(Format::Plain, &How::default(), text.as_bytes()).unwrap();
        Records::take(&mut parsed)
    }

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_446_000 + second).unwrap()
    }

    fn prefix(text: &str) -> Prefix {
        text.parse::<IpNet>().unwrap().into()
    }

    #[test]
    fn since_when() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.log");
        let versions = [
            "192.0.2.1\n192.0.2.2\n",
            "192.0.2.1\n2001:db8::/32\n",
            "192.0.2.1\n192.0.2.2\n192.0.2.2\n2001:db8::/32\n",
        ]
        .map(records);
        append(&path, &first_load(2, time(0))).unwrap();
        append(&path, &difference(&versions[0], &versions[1], time(1))).unwrap();
        assert_eq!(since(&path, prefix("192.0.2.2/32")).unwrap(), None);
        append(&path, &difference(&versions[1], &versions[2], time(2))).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "2026-11-23T15:00:00Z = 2 entries\n\
             2026-11-23T15:00:01Z + 2001:db8::/32\n\
             2026-11-23T15:00:01Z - 192.0.2.2/32\n\
             2026-11-23T15:00:02Z + 192.0.2.2/32\n"
        );
        let came_and_went = |from| churn(&path, time(from)).unwrap();
        for (from, added, removed) in [(0, 2, 1), (2, 1, 0), (3, 0, 0)] {
            assert_eq!(came_and_went(from), Churn { added, removed });
        }
        let table = [
            ("192.0.2.1/32", Since::FirstLoad(time(0))),
            ("192.0.2.2/32", Since::Added(time(2))),
            ("2001:db8::/32", Since::Added(time(1))),
        ];
        for (text, expected) in table {
            assert_eq!(
                since(&path, prefix(text)).unwrap(),
                Some(expected),
                "{text}"
            );
        }
        assert_eq!(
            since(&folder.path().join("absent"), prefix("::/0")).unwrap(),
            None
        );
    }

    #[test]
    fn a_torn_line_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.log");
        fs::write(
            &path,
            "2026-11-23T15:00:00Z = 1 entries\n2026-11-23T15:00:01Z + 192.0.2.",
        )
        .unwrap();
        append(
            &path,
            &difference(&records(""), &records("192.0.2.7"), time(5)),
        )
        .unwrap();
        assert_eq!(
            since(&path, prefix("192.0.2.7/32")).unwrap(),
            Some(Since::Added(time(5)))
        );
        assert_eq!(
            since(&path, prefix("192.0.2.8/32")).unwrap(),
            Some(Since::FirstLoad(time(0)))
        );
    }

    #[test]
    fn the_oldest_half_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.log");
        append(&path, &first_load(0, time(0))).unwrap();
        let line = "2026-11-23T15:00:01Z + 192.0.2.1/32\n";
        append(&path, &line.repeat(LONGEST / line.len() - 1)).unwrap();
        append(
            &path,
            &difference(&records(""), &records("192.0.2.7"), time(2)),
        )
        .unwrap();
        let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
        assert!(length <= LONGEST / 2 && length > LONGEST / 2 - 2 * line.len());
        assert_eq!(
            since(&path, prefix("192.0.2.7/32")).unwrap(),
            Some(Since::Added(time(2)))
        );
        assert_eq!(
            since(&path, prefix("192.0.2.8/32")).unwrap(),
            Some(Since::Before(time(1)))
        );
    }
}
