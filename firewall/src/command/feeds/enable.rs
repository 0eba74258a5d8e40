//! `feeds enable` and `disable`: one file of the configuration for each feed of the catalogue.

use std::{
    fs::{self, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::{
    cli::{Enable, Options},
    command::{Ending, open, reload, write_json},
    config::{self, Config, Feed, drop_in_folder},
    feed::{
        catalogue,
        store::{Name, hexadecimal, sha256},
    },
    file,
};

/// How a file begins that was written here. The digest of what follows the line tells whether
/// somebody has changed it since: then it is theirs.
const MARK: &str = "# Written by 'firewall feeds enable', removed by 'firewall feeds disable': ";

/// What there is in the place of a feed's file.
enum Found {
    Nothing,
    Ours,
    Edited,
    Foreign,
}

/// Writes the file and takes it into force.
pub(super) fn enable(
    options: &Options,
    arguments: &Enable,
    output: &mut dyn Write,
) -> Result<Ending> {
    let entry = catalogue::find(arguments.name.as_str())?;
    let key_file = arguments
        .key_file
        .as_deref()
        .map(std::path::absolute)
        .transpose()?;
    let (text, feed) = entry.configuration(arguments.mode, key_file.as_deref())?;
    if let Some(key) = &feed.key {
        key.read().context("nothing was changed")?;
    }
    let path = path(options, &feed.name);
    let found = look(&path)?;
    refuse_theirs(&found, &path)?;
    let now = Config::load(options.config.as_deref())?;
    check_not_there(&now, &feed, &found)?;
    write(&path, &text)?;
    say(&feed.name, Some(&feed), &path, options.json, output)?;
    if feed.mode == config::Mode::Protect {
        eprintln!(
            "what feeds list of {} is held for you from its first fetch on; 'firewall feeds show FEED' \
             names it",
            feed.name
        );
    }
    if feed.mode == config::Mode::Monitor {
        eprintln!(
            "{0} is counted and reported, nothing is dropped; 'firewall feeds enable {0} --mode \
             enforce' drops",
            feed.name
        );
    }
    let ending = take_into_force(options)?;
    if open(options)?.state.running().is_none() {
        eprintln!(
            "'firewall feeds update {}' fetches it now; a live 'firewall run' does so by itself",
            feed.name
        );
    }
    Ok(ending)
}

/// Removes the file and takes the feed out of force.
pub(super) fn disable(options: &Options, name: &Name, output: &mut dyn Write) -> Result<Ending> {
    let path = path(options, name);
    let found = look(&path)?;
    refuse_theirs(&found, &path)?;
    if matches!(found, Found::Nothing) {
        let config = Config::load(options.config.as_deref())?;
        let configured = config.all_feeds().any(|feed| feed.name == *name);
        ensure!(
            !configured,
            "feed '{name}' was not enabled by name but written into the configuration; take it out \
             there and say 'firewall reload'"
        );
        bail!("feed '{name}' is not enabled; 'firewall feeds' lists those that are");
    }
    file::remove(&path)?;
    say(name, None, &path, options.json, output)?;
    take_into_force(options)
}

fn path(options: &Options, name: &Name) -> PathBuf {
    drop_in_folder(options.config.as_deref()).join(format!("feed-{name}.toml"))
}

fn look(path: &Path) -> Result<Found> {
    let Some(content) = file::read(path)? else {
        return Ok(Found::Nothing);
    };
    let text = String::from_utf8_lossy(&content);
    let marked = text
        .strip_prefix(MARK)
        .and_then(|rest| rest.split_once('\n'));
    Ok(match marked {
        None => Found::Foreign,
        Some((known, rest)) if hexadecimal(&sha256(rest.as_bytes())) == known => Found::Ours,
        Some(_) => Found::Edited,
    })
}

fn refuse_theirs(found: &Found, path: &Path) -> Result<()> {
    let path = path.display();
    match found {
        Found::Nothing | Found::Ours => Ok(()),
        Found::Edited => bail!(
            "{path} was edited since it was written, so it stays as it is; edit it further, or remove \
             it, and say 'firewall reload'"
        ),
        Found::Foreign => bail!(
            "{path} was not written by 'firewall feeds enable', so it stays as it is; give it another \
             name, or edit it yourself"
        ),
    }
}

/// The same list twice would count everything twice.
fn check_not_there(config: &Config, new: &Feed, found: &Found) -> Result<()> {
    for feed in config.all_feeds() {
        let is_ours = matches!(found, Found::Ours) && feed.name == new.name;
        if is_ours || (feed.name != new.name && feed.location != new.location) {
            continue;
        }
        bail!(
            "the configuration has that list already, as feed '{}' in mode {}; change its mode there, \
             or take it out and enable it again",
            feed.name,
            feed.mode.as_str()
        );
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("the file of a feed is in a folder")?;
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}; run as root", folder.display()))?;
    let content = format!("{MARK}{}\n{text}", hexadecimal(&sha256(text.as_bytes())));
    file::replace(path, content.as_bytes())?;
    // It names the file of a key, and has none in it: 'config check' is for everybody.
    fs::set_permissions(path, Permissions::from_mode(0o644))
        .with_context(|| format!("cannot make {} readable", path.display()))
}

fn say(
    name: &Name,
    feed: Option<&Feed>,
    path: &Path,
    json: bool,
    output: &mut dyn Write,
) -> Result<()> {
    let mode = feed.map(|feed| feed.mode);
    if json {
        let row = json!({ "feed": name, "enabled": feed.is_some(), "mode": mode, "file": path });
        return write_json(output, &row);
    }
    let path = path.display();
    match mode {
        Some(mode) => writeln!(output, "enabled {name} in mode {}: {path}", mode.as_str())?,
        None => writeln!(output, "disabled {name}: removed {path}")?,
    }
    Ok(())
}

fn take_into_force(options: &Options) -> Result<Ending> {
    let filter = open(options).context("the file stands, and is not in force")?;
    reload::run(&filter)
        .context("the file stands, and is not in force; 'firewall reload' tries again")
}
