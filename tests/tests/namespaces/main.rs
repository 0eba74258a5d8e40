//! The product in network namespaces, with real packets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attach;
mod attention;
mod bridges;
mod cache;
mod collections;
mod decisions;
mod devices;
mod evasion;
mod expiry;
mod force;
mod groups;
mod kernel;
mod limits;
mod mistakes;
mod modes;
mod moving;
mod names;
mod newer;
mod own_traffic;
mod power_cut;
mod refuse;
mod scene;
#[cfg(feature = "guest")]
mod shapes;
mod sight;
mod staging;
mod swap_flood;
mod swaps;
mod targets;
mod unloading;
mod updates;
mod vlans;
mod wishes;
