//! What the kernel program and user space agree on: reasons, classes, the ledger and the image.
//!
//! Everything here is plain data in the byte order of the machine unless a field says otherwise,
//! and the one lookup function over an image. Nothing here allocates, prints or knows a kernel.

#![cfg_attr(not(test), no_std)]

pub mod class;
pub mod image;
pub mod ledger;
pub mod marks;
pub mod reason;

/// Counters of an interface: one for each reason, then those about the ledger.
pub const COUNTERS: usize = reason::Reason::ALL.len() + ledger::LedgerCounter::ALL.len();

/// Layout version of everything that is pinned. Pins live in a folder of this name, so that a
/// newer binary never reads an older layout.
pub const SCHEMA: &str = "v4";

#[cfg(feature = "user")]
mod pod {
    use crate::{
        ledger::{LedgerEntry, LedgerKey},
        reason::Count,
    };

    // SAFETY: integers and byte arrays only, `repr(C)`, no padding that is not a field.
    unsafe impl aya::Pod for Count {}
    // SAFETY: as above.
    unsafe impl aya::Pod for LedgerKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for LedgerEntry {}
}
