//! Builds the kernel program and leaves both objects in `OUT_DIR` for embedding.

use std::{env, fs, path::Path};

use anyhow::{Context, Result, ensure};
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
            ..Package::default()
        }],
        Toolchain::Custom(TOOLCHAIN),
    )?;
    let output = env::var("OUT_DIR").context("cargo sets OUT_DIR")?;
    rename_union(&Path::new(&output).join("firewall-trace"))
}

/// aya-log has a global whose type information (BTF) names a union with angle brackets. The kernel
/// refuses that name (`btf_name_valid_identifier`, kernel/bpf/btf.c) and with it every map of the
/// object; `bpf-linker` cleans the names of structs only.
fn rename_union(object: &Path) -> Result<()> {
    const BAD: &[u8] = b"MaybeUninit<u8>\0";
    const GOOD: &[u8] = b"MaybeUninit_u8_\0";
    // Built with AYA_BUILD_SKIP: there is no object.
    let Ok(mut bytes) = fs::read(object) else {
        return Ok(());
    };
    let places: Vec<usize> = (0..bytes.len())
        .filter(|&at| bytes[at..].starts_with(BAD))
        .collect();
    ensure!(
        !places.is_empty(),
        "aya-log has no such global any more: remove rename_union"
    );
    for at in places {
        bytes[at..at + BAD.len()].copy_from_slice(GOOD);
    }
    fs::write(object, bytes).with_context(|| format!("cannot write {}", object.display()))
}
