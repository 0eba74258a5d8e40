//! The files of the configuration as they were read, and the copy that is kept of those in force: it
//! stands in for them while they have a mistake.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Config, DEFAULT_PATH};
use crate::state::{read_json, write_json};

/// What a configuration was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Source {
    /// The path of the main file, which need not be there if it is the default one.
    main: PathBuf,
    /// The files, in the order in which they count.
    pub(super) files: Vec<Text>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Text {
    /// Its path, for messages.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// Why a configuration is not that of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandIn {
    /// What is wrong with the files, for people.
    pub mistake: String,
    /// Since when the configuration that is used instead is in force.
    pub since: Timestamp,
}

/// What is kept in the state folder.
#[derive(Debug, Deserialize, Serialize)]
struct Kept {
    since: Timestamp,
    source: Source,
}

impl Source {
    /// Reads `path` and the files of the folder beside it; `None` is the default place.
    pub(super) fn read(path: Option<&Path>) -> Result<Self> {
        let main = main(path)?;
        let mut files = Vec::new();
        if path.is_some() || main.exists() {
            files.push(Text::read(path.unwrap_or(&main))?);
        }
        for path in drop_ins(path)? {
            files.push(Text::read(&path)?);
        }
        Ok(Self { main, files })
    }

    /// One text that is in no file; `name` is for messages.
    pub(super) fn text(text: &str, name: &str) -> Self {
        let file = Text {
            path: name.to_owned(),
            text: text.to_owned(),
        };
        Self {
            main: PathBuf::new(),
            files: vec![file],
        }
    }
}

impl Text {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        Ok(Self {
            path: path.display().to_string(),
            text,
        })
    }
}

impl Kept {
    /// Nothing where there is none, or none that this version can read.
    fn read(path: &Path) -> Option<Self> {
        read_json(path).ok().flatten()
    }
}

impl StandIn {
    /// What is wrong, and what is used instead, in a sentence.
    pub fn sentence(&self) -> String {
        format!(
            "{}; the configuration in force since {:.0} is used until that is mended",
            self.mistake, self.since
        )
    }
}

impl Config {
    /// Reads the files as [`Config::load`] does, to put them in force in place of those that the file
    /// `kept` has.
    ///
    /// # Errors
    /// The files have a mistake.
    pub fn load_over(path: Option<&Path>, kept: &Path) -> Result<Self> {
        // Before the files: whoever puts others in force meanwhile has read newer ones.
        let replaces = Kept::read(kept).map(|kept| kept.source);
        Ok(Self {
            replaces,
            ..Self::load(path)?
        })
    }

    /// What was put in force since the files of this were read, by somebody who read newer ones.
    pub fn newer(&self, kept: &Path) -> Option<Self> {
        let Kept { source, .. } = Kept::read(kept)?;
        let is_newer = source.main == self.source.main
            && source != self.source
            && self.replaces.as_ref() != Some(&source);
        is_newer.then(|| Self::of(source).ok())?
    }

    /// Reads the files as [`Config::load_over`] does. Where they have a mistake, it is what was kept of
    /// those in force, in the file `kept`, that counts.
    ///
    /// # Errors
    /// The files have a mistake, and nothing is kept of them.
    pub fn load_or_kept(path: Option<&Path>, kept: &Path) -> Result<Self> {
        Self::load_over(path, kept).or_else(|mistake| match Self::kept(path, kept) {
            Some((mut config, since)) => {
                config.stand_in = Some(StandIn {
                    mistake: format!("{mistake:#}"),
                    since,
                });
                Ok(config)
            }
            None => Err(mistake),
        })
    }

    /// What was kept of the configuration at `path`. Another one does not stand in for it, and one that
    /// cannot be read is none: the mistake is what matters then.
    fn kept(path: Option<&Path>, kept: &Path) -> Option<(Self, Timestamp)> {
        let Kept { since, source } = Kept::read(kept)?;
        if source.main != main(path).ok()? {
            return None;
        }
        Some((Self::of(source).ok()?, since))
    }

    /// Since when the configuration is in force that is kept in the file `kept`.
    pub fn kept_since(kept: &Path) -> Option<Timestamp> {
        Kept::read(kept).map(|kept| kept.since)
    }

    /// Keeps the files that this was read from as those in force at `now`, in the file `path`. They may
    /// have keys in them: only the owner of the folder reads it.
    ///
    /// # Errors
    /// The file cannot be written; the old one stays.
    pub fn keep(&self, path: &Path, now: Timestamp) -> Result<()> {
        if Kept::read(path).is_some_and(|kept| kept.source == self.source) {
            return Ok(());
        }
        let kept = Kept {
            since: now,
            source: self.source.clone(),
        };
        write_json(path, &kept)
    }
}

fn main(path: Option<&Path>) -> Result<PathBuf> {
    Ok(std::path::absolute(
        path.unwrap_or(Path::new(DEFAULT_PATH)),
    )?)
}

/// The folder of the further files beside the configuration file `path`, or beside the default one.
pub fn drop_in_folder(path: Option<&Path>) -> PathBuf {
    path.unwrap_or(Path::new(DEFAULT_PATH))
        .with_file_name("conf.d")
}

fn drop_ins(path: Option<&Path>) -> Result<Vec<PathBuf>> {
    let folder = drop_in_folder(path);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_in_force_stands_in_for_files_with_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (main, drop_in, kept) = (path("main.toml"), path("conf.d/a.toml"), path("kept"));
        let at = |second| Timestamp::from_second(second).unwrap();
        let load = |main: &Path| Config::load_or_kept(Some(main), &kept);
        fs::create_dir(path("conf.d")).unwrap();
        fs::write(&main, "own_traffic = true\n").unwrap();
        fs::write(&drop_in, "interfaces = ['eth0']\n").unwrap();
        let good = load(&main).unwrap();
        assert_eq!(good.stand_in, None);

        fs::write(&drop_in, "interfaces = ['eth0'\n").unwrap();
        assert!(load(&main).is_err(), "nothing is kept");
        good.keep(&kept, at(10)).unwrap();
        good.keep(&kept, at(20)).unwrap();
        let mut used = load(&main).unwrap();
        let stand_in = used.stand_in.take().unwrap();
        assert_eq!((used, stand_in.since), (good, at(10)));
        let place = format!("{}:", drop_in.display());
        assert!(stand_in.mistake.starts_with(&place), "{stand_in:?}");

        fs::copy(&drop_in, path("other.toml")).unwrap();
        assert!(load(&path("other.toml")).is_err(), "another's was taken");
        fs::remove_file(&main).unwrap();
        assert!(load(&main).unwrap().stand_in.is_some());
        fs::write(&kept, "{}").unwrap();
        assert!(load(&main).is_err(), "nothing good is kept");
    }

    #[test]
    fn what_was_put_in_force_since_it_was_read_is_newer() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (main, kept) = (path("main.toml"), path("kept"));
        let load = |text: &str| {
            fs::write(&main, text).unwrap();
            Config::load_over(Some(&main), &kept).unwrap()
        };
        let keep = |config: &Config| config.keep(&kept, Timestamp::UNIX_EPOCH).unwrap();
        let (one, two, three) = ("", "own_traffic = true\n", "interfaces = ['eth0']\n");
        let first = load(one);
        assert_eq!(first.newer(&kept), None, "nothing is in force");
        keep(&first);
        assert_eq!(first.newer(&kept), None, "it is in force itself");
        let second = load(two);
        assert_eq!(second.newer(&kept), None, "it replaces the first");
        keep(&second);
        assert!(first.newer(&kept).unwrap().own_traffic);
        keep(&load(three));
        assert_eq!(first.newer(&kept).unwrap().interfaces, ["eth0"]);
        assert!(second.newer(&kept).is_some());
        assert_eq!(
            load(one).newer(&kept),
            None,
            "what was before may come again"
        );

        fs::write(path("other.toml"), "").unwrap();
        let other = Config::load_over(Some(&path("other.toml")), &path("none")).unwrap();
        assert_eq!(other.newer(&kept), None, "another main file");
        fs::write(&kept, "{}").unwrap();
        assert_eq!(first.newer(&kept), None, "nothing good is kept");
    }
}
