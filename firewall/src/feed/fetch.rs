//! Fetching the content of a feed from a file or over HTTP, within limits. Blocking.

use std::{
    fmt, fs,
    io::Read,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use ureq::{
    Agent, Body, Error,
    http::{Response, Uri, header},
    tls::{RootCerts, TlsConfig},
};

/// Redirects followed.
const MOST_REDIRECTS: u32 = 3;

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

/// What a fetch may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes transferred.
    pub transfer: usize,
    /// Bytes of a file, and of what is decompressed.
    pub content: usize,
    /// Time of a transfer as a whole, redirects included.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transfer: 64 << 20,
            content: 256 << 20,
            time: Duration::from_secs(60),
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
}

/// What came of a fetch.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The content as transferred, perhaps compressed, perhaps the same as before.
    Content(Vec<u8>, Version),
    /// The server says that the known version is the newest.
    Unchanged,
}

/// Fetches `location`; over HTTP only if there is something newer than `known`.
///
/// # Errors
/// Says what happened to which location, and what to do. Nothing is retried.
pub fn fetch(location: &Location, known: &Version, limits: &Limits) -> Result<Fetched> {
    match location {
        Location::File(path) => {
            let content = read(path, limits.content)?;
            Ok(Fetched::Content(content, Version::default()))
        }
        Location::Web(address) => {
            get(address, known, limits).with_context(|| format!("cannot fetch {location}"))
        }
    }
}

fn read(path: &Path, limit: usize) -> Result<Vec<u8>> {
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
        "{name} is longer than the limit of {limit} bytes; raise it"
    );
    Ok(content)
}

fn get(address: &Uri, known: &Version, limits: &Limits) -> Result<Fetched> {
    let mut request = agent(address, limits).get(address);
    if let Some(etag) = &known.etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    if let Some(last_modified) = &known.last_modified {
        request = request.header(header::IF_MODIFIED_SINCE, last_modified);
    }
    let mut response = request.call().map_err(|error| explained(error, limits))?;
    match response.status().as_u16() {
        200 => {}
        304 if *known != Version::default() => return Ok(Fetched::Unchanged),
        status => bail!(
            "the server answered with status {status}; {}",
            advice(status)
        ),
    }
    let version = version(&response);
    let body = response
        .body_mut()
        .with_config()
        .limit(limits.transfer as u64);
    let content = body
        .read_to_vec()
        .map_err(|error| explained(error, limits))?;
    ensure!(
        !content.is_empty(),
        "the server sent an empty body; ask the provider about it"
    );
    Ok(Fetched::Content(content, version))
}

fn agent(address: &Uri, limits: &Limits) -> Agent {
    let roots = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    Agent::config_builder()
        .tls_config(roots)
        .timeout_global(Some(limits.time))
        .max_redirects(MOST_REDIRECTS)
        .http_status_as_error(false)
        // A redirect must not take away the encryption that the operator asked for.
        .https_only(address.scheme_str() == Some("https"))
        .user_agent(concat!("firewall/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

fn version(response: &Response<Body>) -> Version {
    let text = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    Version {
        etag: text(header::ETAG),
        last_modified: text(header::LAST_MODIFIED),
    }
}

/// The error in words; those of the library may contain the address with its key.
fn explained(error: Error, limits: &Limits) -> anyhow::Error {
    match error {
        Error::Timeout(_) => anyhow::anyhow!(
            "it took longer than {:?}; the next update tries again, or raise the time limit",
            limits.time
        ),
        Error::BodyExceedsLimit(_) => anyhow::anyhow!(
            "the body is longer than the limit of {} bytes; \
             raise it if the list is meant to be that long",
            limits.transfer
        ),
        Error::TooManyRedirects => anyhow::anyhow!(
            "more than {MOST_REDIRECTS} redirects; use the address that they lead to"
        ),
        Error::HostNotFound => {
            anyhow::anyhow!("the name of the host is unknown; check the address and the resolver")
        }
        Error::RequireHttpsOnly(_) => anyhow::anyhow!(
            "a redirect leads from https to http; use an address that stays encrypted"
        ),
        Error::BadUri(_) => {
            anyhow::anyhow!("a redirect leads to no valid address; ask the provider")
        }
        Error::Io(error) => anyhow::anyhow!(
            "the connection failed ({error}); check the network, the next update tries again"
        ),
        error => anyhow::anyhow!("{error}; the next update tries again"),
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "check the key or the terms of the provider",
        404 | 410 => "the list has moved or ended, check the address",
        429 => "the provider wants fewer updates, update less often",
        500..=599 => "the fault is the server's, the next update tries again",
        _ => "open the address in a browser",
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
