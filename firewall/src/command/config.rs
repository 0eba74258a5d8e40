//! `config check`: is the configuration valid?

use std::{io::Write, path::Path};

use anyhow::Result;
use serde_json::json;

use super::{Ending, table, write_json};
use crate::{
    cli::Options,
    config::{Config, DEFAULT_PATH},
};

/// Reads the configuration as `run` would and says what it has; an error is the answer too.
pub fn check(options: &Options, output: &mut dyn Write) -> Result<Ending> {
    let config = Config::load(options.config.as_deref())?;
    for text in config.notices() {
        eprintln!("{text}");
    }
    let path = options.config.as_deref().unwrap_or(Path::new(DEFAULT_PATH));
    if options.json {
        let answer = json!({
            "valid": true,
            "file": path,
            "interfaces": config.interfaces,
            "feeds": config.feeds.len(),
        });
        write_json(output, &answer)?;
    } else if path.exists() {
        writeln!(
            output,
            "{}: valid, {}",
            path.display(),
            table::count(config.feeds.len(), "feed")
        )?;
    } else {
        writeln!(
            output,
            "no configuration at {}: the defaults apply",
            path.display()
        )?;
    }
    Ok(Ending::Success)
}
