//! Packages by apt: as this machine has configured it, or with lists of our own beside it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::release::{Release, Series};
use crate::process;

/// What Debian signs with, of the package `debian-archive-keyring`.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where the kernels of guests are, by what an archive calls itself.
const SUITES: [(&str, &str); 2] = [
    ("Debian", "bookworm trixie-backports"),
    ("Debian-Security", "bookworm-security"),
];

/// A way to call apt.
#[derive(Debug)]
pub struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// As this machine has it.
    pub fn of_this_machine() -> Self {
        Self {
            options: Vec::new(),
        }
    }

    /// With sources and lists in `folder`, fetched now, from where this machine fetches its own: other
    /// releases of Debian, without a word of them in what the machine installs from.
    pub fn of_other_releases(folder: &Path) -> Result<Self> {
        let sources = sources(&archives()?)
            .context("no archive of Debian is in the sources of apt on this machine")?;
        if !Path::new(KEYRING).is_file() {
            bail!("there is no {KEYRING}; install debian-archive-keyring");
        }
        let path = folder.join("guests.sources");
        fs::create_dir_all(folder.join("lists/partial"))
            .and_then(|()| fs::write(&path, sources))
            .with_context(|| format!("cannot write {}; run as root", path.display()))?;
        let apt = Self {
            options: private(folder, &path),
        };
        apt.call(&["update"])?;
        Ok(apt)
    }

    /// The newest kernel in `series`.
    pub fn newest(&self, series: Series) -> Result<Option<Release>> {
        let pattern = match series {
            Series::Of(major, minor) => format!("^linux-image-{major}\\.{minor}\\."),
            Series::Any => "^linux-image-[0-9]".to_owned(),
        };
        let found = self.ask(&["search", "--names-only", &pattern])?;
        Ok(Release::newest(&found, series))
    }

    /// Downloads the packages that have a kernel into `folder`.
    pub fn download(&self, release: &Release, folder: &Path) -> Result<()> {
        let depends = self.ask(&["depends", &release.package()])?;
        let packages = release.packages(&depends);
        let names = packages.iter().map(String::as_str);
        let arguments: Vec<&str> = ["download"].into_iter().chain(names).collect();
        // Into the folder that it is started in: apt has no option for another.
        process::run_in(folder, &self.line("apt-get", &arguments))
    }

    fn call(&self, arguments: &[&str]) -> Result<()> {
        process::run(&self.line("apt-get", arguments))
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        let answer = process::answer(&self.line("apt-cache", arguments))?;
        String::from_utf8(answer).context("apt-cache answers in no UTF-8")
    }

    fn line<'a>(&'a self, program: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
        let options = self.options.iter().flat_map(|it| ["--option", it]);
        // What is downloaded goes into a folder that only root may write into.
        let fixed = [program, "--quiet", "--option", "APT::Sandbox::User=root"];
        let line = fixed.into_iter().chain(options);
        line.chain(arguments.iter().copied()).collect()
    }
}

/// The releases of Debian that kernels come from, where this machine's own has none.
pub fn releases() -> Vec<&'static str> {
    SUITES
        .iter()
        .flat_map(|(_, suites)| suites.split(' '))
        .collect()
}

/// Options that make apt use nothing of this machine but how it reaches archives.
fn private(folder: &Path, sources: &Path) -> Vec<String> {
    let text = |name: &str, path: PathBuf| format!("{name}={}", path.display());
    vec![
        text("Dir::Etc::SourceList", sources.to_owned()),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        text("Dir::State::Lists", folder.join("lists")),
        text("Dir::Cache", folder.join("cache")),
    ]
}

/// Address and name of every archive in the sources of this machine. The name is in the lists alone.
fn archives() -> Result<String> {
    let line = [
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI) $(LABEL)",
        "Created-By: Packages",
    ];
    let ask = || -> Result<String> { Ok(String::from_utf8(process::answer(&line)?)?) };
    let known = ask()?;
    if sources(&known).is_some() {
        return Ok(known);
    }
    process::run(&["apt-get", "update", "--quiet"])?;
    ask()
}

/// Sources with the releases that have kernels for guests, from lines of address and name.
fn sources(archives: &str) -> Option<String> {
    let address_of = |name: &str| {
        let lines = archives.lines().filter_map(|line| line.split_once(' '));
        let mut of_name = lines.filter(|(_, other)| *other == name);
        of_name.next().map(|(address, _)| address)
    };
    let stanzas: Vec<String> = SUITES
        .iter()
        .filter_map(|(name, suites)| {
            let address = address_of(name)?;
            Some(format!(
                "Types: deb\nURIs: {address}\nSuites: {suites}\nComponents: main\n\
                 Targets: Packages\nSigned-By: {KEYRING}\n"
            ))
        })
        .collect();
    (!stanzas.is_empty()).then(|| stanzas.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_asked_where_the_machine_asks_for_its_own() {
        let archives = "http://192.0.2.1/debian/ Debian\n\
            http://192.0.2.2/debian/ Debian\n\
            http://192.0.2.1/ports/ Debian Backports\n\
            http://192.0.2.1/security/ Debian-Security\n";
        let sources = sources(archives).unwrap();
        let stanzas: Vec<&str> = sources.split("\n\n").collect();
        assert_eq!(stanzas.len(), 2);
        let addresses = ["http://192.0.2.1/debian/", "http://192.0.2.1/security/"];
        for ((stanza, address), (_, suites)) in stanzas.iter().zip(addresses).zip(SUITES) {
            assert!(stanza.contains(&format!("URIs: {address}\nSuites: {suites}\n")));
            assert!(
                stanza
                    .trim_end()
                    .ends_with(&format!("Signed-By: {KEYRING}"))
            );
        }
    }

    #[test]
    fn without_an_archive_of_debian_there_are_no_sources() {
        for archives in [
            "",
            "http://192.0.2.1/ubuntu/ Ubuntu\n",
            "http://192.0.2.1/\n",
        ] {
            assert_eq!(sources(archives), None, "{archives}");
        }
    }

    #[test]
    fn options_come_before_what_is_asked() {
        let apt = Apt {
            options: private(Path::new("/c"), Path::new("/c/s.sources")),
        };
        let line = apt.line("apt-get", &["update"]).join(" ");
        assert!(line.starts_with("apt-get --quiet --option APT::Sandbox::User=root --option "));
        assert!(
            line.ends_with("--option Dir::Cache=/c/cache update"),
            "{line}"
        );
    }
}
