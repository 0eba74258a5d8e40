//! Which files of a folder are feeds, and the configuration that loads them.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use firewall::feed::{
    decompress::decompress,
    format::{Format, detect},
};

use crate::say;

/// Bytes of a feed at most, unpacked.
const LARGEST: usize = 256 << 20;

/// A file whose format is known.
#[derive(Debug)]
pub struct FeedFile {
    /// Name of the feed, made from that of the file.
    pub name: String,
    path: PathBuf,
    format: Format,
}

/// The feeds among the files of `folder`, by name. Sub-folders are not looked into.
pub fn known(folder: &Path) -> Result<Vec<FeedFile>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder of feeds {}", folder.display()))?;
    let mut feeds = Vec::new();
    let mut unknown = 0;
    for entry in entries {
        let path = entry?.path();
        if !path.is_file() {
            continue;
        }
        match format_of(&path)? {
            Some(format) => feeds.push(FeedFile {
                name: name_of(&path),
                path,
                format,
            }),
            None => unknown += 1,
        }
    }
    ensure!(
        !feeds.is_empty(),
        "{} has no file whose format is known",
        folder.display()
    );
    feeds.sort_by(|one, other| one.name.cmp(&other.name));
    say(&format!(
        "{}: {} feeds, {unknown} files that are none",
        folder.display(),
        feeds.len()
    ));
    Ok(feeds)
}

fn format_of(path: &Path) -> Result<Option<Format>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let Ok(content) = decompress(&bytes, LARGEST) else {
        return Ok(None);
    };
    Ok(detect(&content).ok().filter(is_of_addresses))
}

/// Tables of who announces which network, and lists for protection, are no feeds: the demo would
/// block the internet.
fn is_of_addresses(format: &Format) -> bool {
    matches!(
        format,
        Format::Plain
            | Format::Netset
            | Format::SpamhausText
            | Format::SpamhausJson
            | Format::FeodoCsv
    )
}

/// `ipsum_level3.2026-08-22.txt` → `ipsum-level3`.
fn name_of(path: &Path) -> String {
    let file = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let stem = file.split('.').next().unwrap_or_default();
    let words: Vec<&str> = stem
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|it| !it.is_empty())
        .collect();
    let extension = file
        .rsplit('.')
        .find(|part| ["json", "csv", "txt"].contains(part));
    match extension {
        Some("json") => format!("{}-json", words.join("-")),
        _ => words.join("-"),
    }
}

/// Everything enforced, so that there is something to see.
pub fn configuration(feeds: &[FeedFile]) -> String {
    let mut text = String::from(
        "interfaces = [\"eth0\", \"eth1\"]\n[defaults]\nmode = \"enforce\"\ninterval = \"24h\"\n",
    );
    for feed in feeds {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "[[feed]]\nname = {:?}\npath = {:?}\nformat = \"{}\"\nmax_coverage = 4294967296\n",
            feed.name,
            feed.path
                .canonicalize()
                .unwrap_or_else(|_| feed.path.clone()),
            feed.format
        );
    }
    text
}
