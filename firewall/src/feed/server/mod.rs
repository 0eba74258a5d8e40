//! Servers that are asked for what changed, and not for a file: what each answers becomes a copy like
//! that of any other feed, made of the copy before and what is new.

mod crowdsec;

use anyhow::Result;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use super::{
    fetch::{Fetched, Limits, Version},
    format::Format,
    http::{Client, Headers},
    key::Key,
};

/// The kind of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// Decisions of a CrowdSec Local API.
    Crowdsec,
}

/// What is asked.
#[derive(Debug)]
pub struct Question<'a> {
    /// Where the server is.
    pub address: &'a Uri,
    /// Its key.
    pub key: Option<&'a Key>,
    /// What an update may cost.
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
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// Says what the server did and what to do.
    pub fn ask(self, question: &Question) -> Result<Fetched> {
        match self {
            Self::Crowdsec => crowdsec::ask(question),
        }
    }

    /// The copy as it is to be while the server is away: without what has expired; none if that is the
    /// copy as it is.
    pub fn without_expired(self, copy: &[u8], now: Timestamp) -> Option<Vec<u8>> {
        match self {
            Self::Crowdsec => crowdsec::without_expired(copy, now),
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
        let header = question.key.map(Key::header).transpose()?.flatten();
        Ok(Self {
            client: Client::new(question.address, question.limits),
            headers: header.into_iter().collect(),
        })
    }

    /// The body of a successful answer.
    fn get(&self, address: &Uri) -> Result<Vec<u8>> {
        let response = self.client.get(address, &self.headers)?;
        self.client.success(response)
    }
}
