//! Programs of this machine for a guest, with the shared libraries that they need.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::process;

/// What tests call, and `busybox` for everything else.
const PROGRAMS: &[&str] = &["bpftool", "busybox", "ip", "ping", "setpriv", "timeout"];

/// What tests of device shapes call beside it, where it is there.
const OF_SHAPES: &[&str] = &["ethtool", "wg"];

/// The files of the programs that tests call, by name.
pub fn find() -> Result<Vec<(&'static str, PathBuf)>> {
    let folders = process::folders();
    let find = |name: &str| {
        let files = folders.iter().map(|folder| folder.join(name));
        files.into_iter().find(|it| it.is_file())
    };
    let needed = |&name: &&'static str| {
        let found = find(name).with_context(|| {
            format!("there is no '{name}' in PATH; 'cargo xtask setup' installs what guests need")
        });
        Ok((name, found?))
    };
    let mut programs = PROGRAMS.iter().map(needed).collect::<Result<Vec<_>>>()?;
    let of_shapes = OF_SHAPES.iter();
    programs.extend(of_shapes.filter_map(|&name| Some((name, find(name)?))));
    Ok(programs)
}

/// The libraries that `files` load when they start, and what loads them.
pub fn libraries(files: &[&Path]) -> Result<BTreeSet<PathBuf>> {
    let mut libraries = BTreeSet::new();
    for file in files {
        let path = file
            .to_str()
            .with_context(|| format!("{} is no UTF-8", file.display()))?;
        // It fails where there is nothing to tell: a program without any.
        let Ok(answer) = process::answer(&["ldd", path]) else {
            continue;
        };
        libraries.extend(parse(&String::from_utf8_lossy(&answer))?);
    }
    Ok(libraries)
}

/// The files in what `ldd` prints: a library by `name => file (address)`, the loader by its file. The
/// part of the kernel that looks like a library has no file.
fn parse(answer: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for line in answer.lines().map(str::trim) {
        let (name, file) = line.split_once(" => ").unwrap_or((line, line));
        if file == "not found" {
            bail!("the library {name} is not there; a program of this machine needs it");
        }
        let file = file.split(" (").next().unwrap_or(file);
        if file.starts_with('/') {
            files.push(PathBuf::from(file));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_their_loader_are_read() {
        let answer = "\tlinux-vdso.so.1 (0x00007fa037e9e000)\n\
            \tlibelf.so.1 => /lib/x86_64-linux-gnu/libelf.so.1 (0x00007fa037d23000)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007fa037ea0000)\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libelf.so.1",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(parse(answer).unwrap(), expected.map(PathBuf::from));
        assert!(parse("\tstatically linked\n").unwrap().is_empty());
    }

    #[test]
    fn a_library_that_is_not_there_is_named() {
        let error = parse("\tlibbpf.so.1 => not found\n").unwrap_err();
        assert!(
            error.to_string().contains("libbpf.so.1 is not there"),
            "{error}"
        );
    }

    #[test]
    fn a_program_of_this_machine_brings_its_libraries() {
        let test = std::env::current_exe().unwrap();
        let libraries = libraries(&[&test]).unwrap();
        assert!(
            libraries
                .iter()
                .any(|it| it.to_string_lossy().contains("libc"))
        );
        assert!(libraries.iter().all(|it| it.is_file()));
    }
}
