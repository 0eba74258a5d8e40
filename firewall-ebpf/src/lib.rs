//! The kernel program. On the host it is plain Rust, so that parser and decision can be tested.

#![cfg_attr(target_arch = "bpf", no_std)]
