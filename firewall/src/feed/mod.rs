//! Feeds: from a named source to indicators that are safe to put in force.
//!
//! Fetch, decompress, parse, guard, store. Whatever fails on the way leaves the last good copy in
//! force, and the feed says that it is stalled, since when and why.

use std::fmt;

use crate::feed::{
    due::Asked,
    fetch::{Limits, Location},
    format::{Format, Options},
    guard::gates::Gates,
    key::Key,
    records::Records,
    server::Server,
    store::{GoodCopy, Name},
};

pub mod catalogue;
pub mod coverage;
pub mod decompress;
pub mod due;
pub mod fetch;
pub mod format;
pub mod good;
pub mod guard;
pub mod http;
pub mod journal;
pub mod key;
pub mod overlap;
pub mod records;
pub mod server;
pub mod stage;
mod stalled;
pub mod store;
mod update;
pub mod worker;

pub use update::{Means, accept, update};

/// Why the content of a feed is not taken; for people, without the name of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

/// A feed as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Its name.
    pub name: Name,
    /// Where it comes from.
    pub location: Location,
    /// The format; found from the content if not named.
    pub format: Option<Format>,
    /// What the format needs to know.
    pub options: Options,
    /// What is asked there, if it is no file.
    pub server: Option<Server>,
    /// Which of its collections.
    pub collection: Option<String>,
    /// The key, where one is needed.
    pub key: Option<Key>,
    /// What an update may cost.
    pub limits: Limits,
    /// What it has to keep to.
    pub gates: Gates,
}

impl Feed {
    /// The format, where it is known before the content is.
    fn format(&self) -> Option<Format> {
        self.server.map(Server::format).or(self.format)
    }

    /// What an update asks for.
    pub fn asked(&self) -> Asked {
        let how = (
            (self.format, &self.options, self.server, &self.collection),
            (&self.key, self.limits.internal, &self.gates),
        );
        Asked {
            location: self.location.clone(),
            how: format!("{how:?}"),
        }
    }
}

/// What came of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is a new copy, and this is what it says.
    Changed(Box<GoodCopy>, Box<Records>),
    /// The last good copy is the newest.
    Unchanged,
    /// There is something new that is not put in force without a question: it is kept aside, and the
    /// last good copy, if any, stays; why, for people.
    Quarantined(String),
    /// The last good copy, if any, stays; why, for people.
    Failed(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}
