//! The kernel program: judges each packet by both its addresses, received ones at XDP, and at TCX those
//! that XDP does not see.
//!
//! Reading order: `program::judge` is the way of a packet; `context` is what the two hooks hand it,
//! [`packet`] finds the addresses (the only code that reads packet memory), [`transport`] what follows
//! them, [`filter`] decides, `record` writes a hit down, `maps` is what is shared with user space.
//! On the host parser and decision are plain Rust and can be tested; the rest needs a kernel.

#![cfg_attr(target_arch = "bpf", no_std, feature(core_intrinsics))]
#![cfg_attr(
    target_arch = "bpf",
    expect(
        internal_features,
        reason = "the only way to an atomic add on this target"
    )
)]

#[cfg(any(target_arch = "bpf", feature = "lint"))]
pub mod context;
pub mod filter;
#[cfg(any(target_arch = "bpf", feature = "lint"))]
pub mod maps;
#[cfg(any(target_arch = "bpf", feature = "lint"))]
mod marks;
pub mod packet;
#[cfg(any(target_arch = "bpf", feature = "lint"))]
pub mod program;
#[cfg(any(target_arch = "bpf", feature = "lint"))]
mod ration;
#[cfg(any(target_arch = "bpf", feature = "lint"))]
pub mod record;
pub mod transport;
