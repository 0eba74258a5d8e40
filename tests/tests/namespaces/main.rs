//! The product in network namespaces, with real packets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attach;
mod attention;
mod bridges;
mod cache;
mod collections;
mod decisions;
mod devices;
mod expiry;
mod force;
mod groups;
mod limits;
mod mistakes;
mod moving;
mod names;
mod newer;
mod own_traffic;
mod refuse;
mod scene;
mod sight;
mod staging;
mod swap_flood;
mod swaps;
mod targets;
mod unloading;
mod updates;
mod wishes;
