//! Builds the programs that the bench compares and leaves their object in `OUT_DIR`.

use std::env;

use anyhow::Result;
use aya_build::{Package, Toolchain, build_ebpf};

/// The one toolchain whose LLVM is the one inside `bpf-linker` 0.10.1.
const TOOLCHAIN: &str = "1.95.0";

fn main() -> Result<()> {
    // SAFETY: a build script has one thread here. `-Z build-std=core`, which the BPF target needs,
    // is refused by a stable toolchain without this.
    unsafe { env::set_var("RUSTC_BOOTSTRAP", "1") };
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../firewall-ebpf");
    println!("cargo:rerun-if-changed={root}/../firewall-common/src");
    build_ebpf(
        [Package {
            name: "firewall-ebpf",
            root_dir: root,
            features: &["bench"],
            ..Package::default()
        }],
        Toolchain::Custom(TOOLCHAIN),
    )
}
