//! The kernel program: one XDP program that judges each received packet by both its addresses.
//!
//! Reading order: `program::judge` is the way of a packet; [`packet`] finds the addresses (the only
//! code that reads packet memory), [`transport`] what follows them, [`filter`] decides, `maps` is what is shared with user space.
//! On the host parser and decision are plain Rust and can be tested; the rest needs a kernel.

#![cfg_attr(target_arch = "bpf", no_std, feature(core_intrinsics))]
#![cfg_attr(
    target_arch = "bpf",
    expect(
        internal_features,
        reason = "the only way to an atomic add on this target"
    )
)]

pub mod filter;
#[cfg(any(target_arch = "bpf", feature = "lint"))]
pub mod maps;
pub mod packet;
#[cfg(any(target_arch = "bpf", feature = "lint"))]
pub mod program;
pub mod transport;
