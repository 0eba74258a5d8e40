//! What a guest has: one archive in memory, of this machine's own programs and what was built here.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{archive::Archive, build::Built, checkout, checks::Check, kernel::Kernel, programs};

/// The first process.
const INIT: &str = include_str!("init.sh");

/// Folders that the first process mounts something into.
const FOLDERS: [&str; 5] = ["/bin", "/proc", "/run", "/sys", "/tmp"];

/// Everything that is the same for all kernels: path in the guest, and what is there.
#[derive(Debug, Default)]
pub struct Root(Vec<(PathBuf, Vec<u8>)>);

impl Root {
    /// Reads all of it.
    pub fn new(built: &Built, checks: &[&Check]) -> Result<Self> {
        let mut places = vec![("/tests/firewall".into(), built.product.clone())];
        for (name, file) in &built.tests {
            places.push((Path::new("/tests").join(name), file.clone()));
        }
        for (name, file) in programs::find()? {
            let folder = if name == "busybox" {
                "/bin"
            } else {
                "/programs"
            };
            places.push((Path::new(folder).join(name), file));
        }
        let files: Vec<&Path> = places.iter().map(|(_, file)| file.as_path()).collect();
        let libraries = programs::libraries(&files)?;
        places.extend(libraries.into_iter().map(|file| (file.clone(), file)));
        places.extend(corpus()?);
        let lines: String = checks.iter().map(|check| check.line()).collect();
        let mut content = vec![
            ("/init".into(), INIT.into()),
            ("/checks".into(), lines.into()),
        ];
        for (place, file) in places {
            content.push((place, read(&file)?));
        }
        Ok(Self(content))
    }

    /// Writes the archive for a guest with `kernel` and these modules of it.
    pub fn write(&self, kernel: &Kernel, modules: &[&str], path: &Path) -> Result<usize> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut archive = Archive::new(BufWriter::new(file));
        archive.console()?;
        for folder in FOLDERS {
            archive.folder(Path::new(folder))?;
        }
        for (place, content) in &self.0 {
            archive.file(place, content)?;
        }
        // The first process loads them in the order of their names.
        for (number, module) in (100..).zip(kernel.modules(modules)?) {
            archive.file(
                &PathBuf::from(format!("/modules/{number}.ko")),
                &read(&module)?,
            )?;
        }
        Ok(archive.end()?)
    }
}

/// The corpus, which tests read while they run, by the path that it has here.
fn corpus() -> Result<Vec<(PathBuf, PathBuf)>> {
    let folder = checkout().join("tests/corpus");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let file = |entry: fs::DirEntry| (entry.path(), entry.path());
    Ok(entries
        .map(|entry| entry.map(file))
        .collect::<Result<_, _>>()?)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
