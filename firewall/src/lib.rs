//! The controller of the filter: from files to what the kernel enforces.

pub mod address;
pub mod feed;
pub mod file;
pub mod image;
pub mod ruleset;
