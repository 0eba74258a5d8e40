//! Feeds: from a named source to indicators that are safe to put in force.

use std::fmt;

pub mod decompress;
pub mod format;
pub mod guard;

/// Why the content of a feed is not taken; for people, without the name of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}
