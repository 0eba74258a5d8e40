//! Servers that are asked for what changed, and not for a file: what each answers becomes a copy like
//! that of any other feed, made of the copy before and what is new.

mod crowdsec;
mod misp;
mod taxii;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use super::{
    fetch::{Fetched, Limits, Version},
    format::Format,
    http::{Client, Headers},
    key::Secret,
};

/// The kind of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// Decisions of a CrowdSec Local API.
    Crowdsec,
    /// A MISP feed: a manifest, and a file for each event.
    Misp,
    /// A TAXII 2.1 collection.
    Taxii,
}

/// What is asked.
#[derive(Debug)]
pub struct Question<'a> {
    /// Where the server is.
    pub address: &'a Uri,
    /// Which of several collections, by identifier or title.
    pub collection: Option<&'a str>,
    /// Its key.
    pub key: Option<&'a Secret>,
    /// What an update may cost, and where it may go.
    pub limits: &'a Limits,
    /// The last good copy and its version; none at first, and after a failure, when the server has
    /// to tell everything.
    pub before: Option<(&'a [u8], &'a Version)>,
    /// When it is asked.
    pub now: Timestamp,
}

impl Server {
    /// The format of the copies.
    pub fn format(self) -> Format {
        match self {
            Self::Crowdsec => Format::Crowdsec,
            Self::Misp => Format::Misp,
            Self::Taxii => Format::Stix,
        }
    }

    /// Whether what it lists comes and goes as a matter of course, so that its size says nothing: all
    /// bans may end within an hour, and a community list of thousands comes in one answer.
    pub fn comes_and_goes(self) -> bool {
        self == Self::Crowdsec
    }

    /// Asks.
    ///
    /// # Errors
    /// Says what the server did and what to do.
    pub fn ask(self, question: &Question) -> Result<Fetched> {
        match self {
            Self::Crowdsec => crowdsec::ask(question),
            Self::Misp => misp::ask(question),
            Self::Taxii => taxii::ask(question),
        }
    }

    /// The copy as it is to be while the server is away: without what has expired; none if that is the
    /// copy as it is.
    pub fn without_expired(self, copy: &[u8], now: Timestamp) -> Option<Vec<u8>> {
        match self {
            Self::Crowdsec => crowdsec::without_expired(copy, now),
            // Who cuts the way to a list of C&C servers must not free himself.
            Self::Misp | Self::Taxii => None,
        }
    }
}

/// A conversation with a server.
struct Conversation {
    client: Client,
    headers: Headers,
}

impl Conversation {
    fn new(question: &Question) -> Result<Self> {
        let header = question.key.map(Secret::header).transpose()?.flatten();
        Ok(Self {
            client: Client::new(question.limits),
            headers: header.into_iter().collect(),
        })
    }

    /// The body of a successful answer.
    fn get(&self, address: &Uri) -> Result<Vec<u8>> {
        let response = self.client.get(address, &self.headers)?;
        self.client.success(response)
    }
}

/// `path`, as a server has it, from `base` on. It must lead to the same server: the key goes with it.
fn join(base: &Uri, path: &str) -> Result<Uri> {
    let authority = base.authority().map_or("", |it| it.as_str());
    let scheme = base.scheme_str().unwrap_or_default();
    let folder = base
        .path()
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    let text = match path {
        path if path.contains("://") => path.to_owned(),
        path if path.starts_with('/') => format!("{scheme}://{authority}{path}"),
        path => format!("{scheme}://{authority}{folder}/{path}"),
    };
    let address: Uri = text
        .parse()
        .context("the server names an address that is none; ask who runs it")?;
    ensure!(
        address.authority() == base.authority() && address.scheme_str() == base.scheme_str(),
        "the server sends us on to another one, {}; give the address of that one",
        address.authority().map_or("", |it| it.host())
    );
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_names_is_on_the_same_server() {
        let base: Uri = "https://taxii.example/taxii2/".parse().unwrap();
        for (path, expected) in [
            ("/root/", "https://taxii.example/root/"),
            ("root/", "https://taxii.example/taxii2/root/"),
            ("https://taxii.example/a/", "https://taxii.example/a/"),
        ] {
            assert_eq!(join(&base, path).unwrap().to_string(), expected, "{path}");
        }
        for elsewhere in [
            "https://other.example/a/",
            "http://taxii.example/a/",
            "https://taxii.example:8443/a/",
        ] {
            let error = join(&base, elsewhere).unwrap_err().to_string();
            assert!(error.contains("another one"), "{elsewhere}: {error}");
        }
    }
}
