//! Feeds from the outside: real data, and servers on loopback.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod data;
mod hostile;
mod later;
mod misp;
mod odd;
mod poisoned;
mod scene;
mod target;
mod tls;
mod update;
mod worker;
mod written;
