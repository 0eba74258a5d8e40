//! Fetching the content of a feed from a file or over HTTP, within limits. Blocking.

use std::{
    fmt, fs,
    io::Read,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use ureq::{
    Body,
    http::{HeaderValue, Response, Uri, header},
};

use super::{
    http::{Client, Headers},
    key::Secret,
};

/// Letters and digits in a row from which a part of a path is taken for a key and not shown.
const KEY_LENGTH: usize = 32;

/// Where a feed comes from. What it shows never contains a key or a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Location {
    /// A file on this machine, by its absolute path.
    File(PathBuf),
    /// An `http` or `https` address.
    Web(Uri),
}

/// What a fetch may cost, and where it may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes transferred.
    pub transfer: usize,
    /// Bytes of a file, and of what is decompressed.
    pub content: usize,
    /// Time of a transfer as a whole, redirects included.
    pub time: Duration,
    /// Whether it may go to addresses that are not public: private ones, or this machine.
    pub internal: bool,
    /// Networks that this machine is in: not public either, whatever their addresses are.
    pub connected: Vec<IpNet>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transfer: 64 << 20,
            content: 256 << 20,
            time: Duration::from_secs(60),
            internal: false,
            connected: Vec::new(),
        }
    }
}

/// What a server says about the version of a list; sent back to ask for a newer one only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// `ETag` of the answer (RFC 9110 §8.8.3).
    pub etag: Option<String>,
    /// `Last-Modified` of the answer (RFC 9110 §8.8.2).
    pub last_modified: Option<String>,
    /// How far a server has told what changed ([`super::server`]).
    #[serde(default)]
    pub cursor: Option<String>,
}

/// What came of a fetch.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The content as transferred, perhaps compressed, perhaps the same as before.
    Content(Vec<u8>, Version),
    /// The server says that the known version is the newest.
    Unchanged,
}

/// The content of a file, perhaps compressed.
///
/// # Errors
/// It is no regular file, cannot be read, or is longer than `limit` bytes.
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>> {
    let name = path.display();
    let kind = fs::metadata(path)
        .with_context(|| format!("cannot find {name}; check path and permissions"))?;
    // Opening a named pipe waits for a writer, without end.
    ensure!(kind.is_file(), "{name} is no regular file; name a file");
    let file = fs::File::open(path)
        .with_context(|| format!("cannot open {name}; check its permissions"))?;
    let mut content = Vec::new();
    file.take(limit as u64 + 1)
        .read_to_end(&mut content)
        .with_context(|| format!("cannot read {name}; check the disk"))?;
    ensure!(
        content.len() <= limit,
        "{name} is longer than the limit of {limit} bytes; divide it into several feeds"
    );
    Ok(content)
}

/// Fetches `address` if there is something newer than `known`.
///
/// # Errors
/// Says what happened and what to do, without naming the address. Nothing is retried.
pub fn get(
    address: &Uri,
    secret: Option<&Secret>,
    known: &Version,
    limits: &Limits,
) -> Result<Fetched> {
    let client = Client::new(limits);
    let header = secret.map(Secret::header).transpose()?.flatten();
    let mut headers: Headers = header.into_iter().collect();
    for (name, value) in [
        (header::IF_NONE_MATCH, &known.etag),
        (header::IF_MODIFIED_SINCE, &known.last_modified),
    ] {
        let value = value
            .as_deref()
            .and_then(|it| HeaderValue::from_str(it).ok());
        headers.extend(value.map(|value| (name, value)));
    }
    let address = match secret {
        Some(secret) => &secret.address(address)?,
        None => address,
    };
    let response = client.get(address, &headers)?;
    if response.status() == 304 && *known != Version::default() {
        return Ok(Fetched::Unchanged);
    }
    let version = version(&response);
    let content = client.success(response)?;
    ensure!(
        !content.is_empty(),
        "the server sent an empty body; ask the provider about it"
    );
    Ok(Fetched::Content(content, version))
}

fn version(response: &Response<Body>) -> Version {
    let text = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    Version {
        etag: text(header::ETAG),
        last_modified: text(header::LAST_MODIFIED),
        cursor: None,
    }
}

impl FromStr for Location {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with('/') {
            return Ok(Self::File(text.into()));
        }
        let address = text.parse::<Uri>().ok().filter(|address| {
            matches!(address.scheme_str(), Some("http" | "https")) && address.host().is_some()
        });
        address.map(Self::Web).context(
            "the location of a feed is neither an absolute path nor an http or https address; \
             write it like /var/lib/lists/mine.txt or https://example.com/list.txt",
        )
    }
}

impl TryFrom<String> for Location {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Location> for String {
    /// The whole location with its keys, as it is configured.
    fn from(location: Location) -> Self {
        match location {
            Location::File(path) => path.to_string_lossy().into_owned(),
            Location::Web(address) => address.to_string(),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Location({self})")
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Web(address) => formatter.write_str(&redacted(address)),
        }
    }
}

/// The address without user, password, query, and parts of the path that look like a key.
fn redacted(address: &Uri) -> String {
    let scheme = address.scheme_str().unwrap_or_default();
    let authority = address
        .authority()
        .map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    let parts = address
        .path()
        .split('/')
        .map(|part| if is_key(part) { "…" } else { part });
    let path = parts.collect::<Vec<_>>().join("/");
    let query = address.query().map_or("", |_| "?…");
    format!("{scheme}://{host}{path}{query}")
}

fn is_key(part: &str) -> bool {
    part.len() >= KEY_LENGTH && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_files_or_web_addresses() {
        let file = "/var/lib/lists/mine.txt".parse::<Location>().unwrap();
        assert!(matches!(file, Location::File(_)));
        let web = "https://example.com/list.txt".parse::<Location>().unwrap();
        assert!(matches!(web, Location::Web(_)));
        for wrong in [
            "",
            "list.txt",
            "ftp://example.com/list",
            "https://",
            "https:///list",
        ] {
            let error = wrong.parse::<Location>().unwrap_err().to_string();
            assert!(error.contains("neither an absolute path"), "{wrong}");
        }
    }

    #[test]
    fn a_location_shows_no_secret_and_keeps_it() {
        let key = "0123456789abcdef0123456789abcdef0123456789abcdef";
        let text = format!("https://me:secret@example.com:8443/v2/{key}/recent.csv?key={key}");
        let location: Location = text.parse().unwrap();
        assert_eq!(
            location.to_string(),
            "https://example.com:8443/v2/…/recent.csv?…"
        );
        let json = serde_json::to_string(&location).unwrap();
        assert_eq!(serde_json::from_str::<Location>(&json).unwrap(), location);
        assert!(json.contains(key));
    }

    #[test]
    fn files_are_read_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        fs::write(&path, b"192.0.2.1\n").unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"192.0.2.1\n");
        assert!(
            read(&path, 9)
                .unwrap_err()
                .to_string()
                .contains("limit of 9 bytes")
        );
        let error = read(&folder.path().join("absent"), 9)
            .unwrap_err()
            .to_string();
        assert!(error.contains("cannot find"), "{error}");
        let error = read(folder.path(), 9).unwrap_err().to_string();
        assert!(error.contains("no regular file"), "{error}");
    }
}
