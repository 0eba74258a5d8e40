//! The controller of the filter: from files to what the kernel enforces.
//!
//! What the kernel enforces is a pure function of files and the time. Reading order:
//! [`ruleset`] (what should be in force) → [`image`] (the same, compiled) → [`dataplane`] (in the
//! kernel); [`inputs`] reads the files, [`filter`] ties all of it together under the lock, and
//! everything in [`command`] goes through it. [`feed`] is how files come about, [`local`] the
//! operator's own lists, [`protected`] what is never blocked.

pub mod address;
mod blind;
pub mod cache;
pub mod capture;
pub mod cli;
pub mod command;
pub mod config;
pub mod dataplane;
pub mod export;
pub mod feed;
pub mod file;
pub mod filter;
pub mod image;
pub mod inputs;
pub mod ledger;
pub mod local;
pub mod memory;
pub mod network;
pub mod protected;
pub mod record;
pub mod ruleset;
pub mod state;
pub mod subject;
mod sys;
