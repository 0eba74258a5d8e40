//! Kernels that guests run: those of Debian's packages, kept outside the checkout.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{
    apt::{self, Apt},
    modules::{Modules, named},
    release::{Release, Series},
};
use crate::process;

/// Where they are kept, for every checkout and user of this machine.
const CACHE: &str = "/var/cache/firewall-vm";

/// What is kept of the modules of each kernel, with what they need.
pub const MODULES: &[&str] = &[
    "8021q",
    "bonding",
    "bridge",
    "dummy",
    "e1000e",
    "macvlan",
    "sit",
    "tun",
    "veth",
    "virtio_net",
    "virtio_pci",
    "vmxnet3",
    "vxlan",
    "wireguard",
];

/// A kernel that is there.
#[derive(Debug)]
pub struct Kernel {
    folder: PathBuf,
    release: String,
    modules: Modules,
}

impl Kernel {
    /// The kernel of this series: the one that is kept, or else the newest that apt knows of.
    pub fn obtain(series: Series) -> Result<Self> {
        let folder = Path::new(CACHE).join(series.to_string());
        if let Some(kernel) = Self::kept(&folder) {
            return Ok(kernel);
        }
        let work = Work::new()?;
        let release = download(series, &work.0)?;
        eprintln!("vm: {series}: unpacking Linux {release}");
        keep(&work.0, &release, &folder)?;
        Self::kept(&folder).with_context(|| format!("{} is not whole", folder.display()))
    }

    /// What is kept in `folder`, if it is what is wanted today.
    fn kept(folder: &Path) -> Option<Self> {
        let wanted = fs::read_to_string(folder.join("wanted")).ok()?;
        let modules = fs::read_to_string(folder.join("needs")).ok()?;
        let release = fs::read_to_string(folder.join("release")).ok()?;
        // Another checkout may want more of them.
        let has = |module: &&str| wanted.lines().any(|line| line == *module);
        MODULES.iter().all(has).then(|| Self {
            folder: folder.to_owned(),
            release,
            modules: Modules::read(&modules),
        })
    }

    /// The first two numbers of its release.
    pub fn series(&self) -> String {
        let numbers: Vec<&str> = self.release.split('.').take(2).collect();
        numbers.join(".")
    }

    /// The image that is booted.
    pub fn image(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    /// The files of `wanted` modules and of what they need, in the order in which they are loaded.
    pub fn modules(&self, wanted: &[&str]) -> Result<Vec<PathBuf>> {
        let order = self.modules.in_order(wanted)?;
        let file = |name: &&str| self.folder.join(name).with_extension("ko");
        Ok(order.iter().map(file).collect())
    }
}

/// A folder in the cache that goes when dropped.
#[derive(Debug)]
struct Work(PathBuf);

impl Work {
    fn new() -> Result<Self> {
        let folder = Path::new(CACHE).join(format!("work-{}", std::process::id()));
        fs::create_dir_all(folder.join("packages"))
            .with_context(|| format!("cannot write to {CACHE}; run as root"))?;
        Ok(Self(folder))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // Nothing reads what is left there.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Downloads a kernel of the series into `work`: as this machine's apt has it, or else with lists of
/// other releases.
fn download(series: Series, work: &Path) -> Result<Release> {
    if process::answer(&["apt-get", "--version"]).is_err() {
        bail!("there is no apt here, which has Debian's kernels");
    }
    let packages = work.join("packages");
    // What this machine itself would install is not the newest there is.
    if series != Series::Any
        && let Ok(Some(release)) = find(&Apt::of_this_machine(), series, &packages)
    {
        return Ok(release);
    }
    let apt = Apt::of_other_releases(&Path::new(CACHE).join("apt"))?;
    find(&apt, series, &packages)?.with_context(|| {
        let releases = apt::releases().join(", ");
        format!("Debian has no kernel {series} in {releases}; name another one")
    })
}

fn find(apt: &Apt, series: Series, folder: &Path) -> Result<Option<Release>> {
    let Some(release) = apt.newest(series)? else {
        return Ok(None);
    };
    eprintln!("vm: {series}: downloading Linux {release}");
    apt.download(&release, folder)?;
    Ok(Some(release))
}

/// Unpacks what was downloaded and keeps of it what is booted and loaded. The folder is there at once,
/// or not at all.
fn keep(work: &Path, release: &Release, folder: &Path) -> Result<()> {
    let (tree, kept) = (work.join("tree"), work.join("kept"));
    for package in fs::read_dir(work.join("packages"))? {
        let (package, tree) = (text(&package?.path())?, text(&tree)?);
        process::run(&["dpkg-deb", "--extract", &package, &tree])?;
    }
    fs::create_dir(&kept)?;
    fs::copy(image(&tree, release)?, kept.join("vmlinuz"))?;
    let modules = keep_modules(&files(&tree, release)?, &kept)?;
    fs::write(kept.join("needs"), modules.write())?;
    fs::write(kept.join("release"), release.to_string())?;
    fs::write(kept.join("wanted"), MODULES.join("\n"))?;
    // What was kept before is of another set of modules.
    let _ = fs::remove_dir_all(folder);
    fs::rename(&kept, folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.with_context(|| format!("{} is no UTF-8", path.display()))
}

fn image(tree: &Path, release: &Release) -> Result<PathBuf> {
    let places = [
        format!("boot/vmlinuz-{release}"),
        format!("usr/lib/modules/{release}/vmlinuz"),
    ];
    let mut places = places.iter().map(|place| tree.join(place));
    let found = places.find(|place| place.is_file());
    found.with_context(|| format!("the packages of Linux {release} have no image to boot"))
}

/// Every module of the unpacked kernel: its name and its file.
fn files(tree: &Path, release: &Release) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    let mut folders: Vec<PathBuf> = ["lib/modules", "usr/lib/modules"]
        .map(|place| tree.join(place).join(release.to_string()).join("kernel"))
        .into_iter()
        .filter(|folder| folder.is_dir())
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Some((name, _)) = split(&path) {
                files.insert(named(name), path);
            }
        }
    }
    Ok(files)
}

/// What the file of a module is called, and how it is compressed.
fn split(file: &Path) -> Option<(&str, &str)> {
    file.file_name()?.to_str()?.split_once(".ko")
}

/// Copies the wanted modules and what they need into `folder`.
fn keep_modules(files: &BTreeMap<String, PathBuf>, folder: &Path) -> Result<Modules> {
    let mut modules = Modules::default();
    let mut waiting: Vec<String> = MODULES.iter().map(|&name| name.to_owned()).collect();
    while let Some(name) = waiting.pop() {
        let Some(file) = files.get(&name).filter(|_| !modules.has(&name)) else {
            continue;
        };
        let content = content(file)?;
        waiting.extend_from_slice(modules.add(&name, &content));
        fs::write(folder.join(&name).with_extension("ko"), content)?;
    }
    Ok(modules)
}

fn content(file: &Path) -> Result<Vec<u8>> {
    let path = text(file)?;
    match split(file).map_or("", |(_, compression)| compression) {
        "" => Ok(fs::read(file)?),
        ".xz" => process::answer(&["xz", "--decompress", "--stdout", &path]),
        other => bail!("cannot read {path}: of what compresses modules, '{other}' is not known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_by_its_file() {
        for (file, expected) in [
            ("net/veth.ko", Some(("veth", ""))),
            ("a.ko.d/nf-tables.ko.xz", Some(("nf-tables", ".xz"))),
            ("a.ko.d/modules.dep", None),
        ] {
            assert_eq!(split(Path::new(file)), expected);
        }
    }

    #[test]
    fn wanted_modules_are_kept_with_what_they_need() {
        let folder = std::env::temp_dir().join(format!("xtask-modules-{}", std::process::id()));
        let (from, to) = (folder.join("from/kernel"), folder.join("to"));
        fs::create_dir_all(&from).unwrap();
        fs::create_dir_all(&to).unwrap();
        for (file, needs) in [
            ("bridge", "stp"),
            ("stp", ""),
            ("unwanted", ""),
            ("veth", ""),
        ] {
            let path = from.join(file).with_extension("ko");
            fs::write(path, format!("\0depends={needs}\0")).unwrap();
        }
        let names = ["bridge", "stp", "unwanted", "veth"];
        let files = names.map(|it| (it.to_owned(), from.join(it).with_extension("ko")));
        let modules = keep_modules(&files.into(), &to).unwrap();
        assert_eq!(
            modules.in_order(MODULES).unwrap(),
            ["stp", "bridge", "veth"]
        );
        assert!(to.join("stp.ko").is_file() && !to.join("unwanted.ko").exists());
        fs::remove_dir_all(&folder).unwrap();
    }
}
