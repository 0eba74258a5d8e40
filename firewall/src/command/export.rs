//! `export`: what is dropped here, for others.

use std::{io::Write, path::Path};

use anyhow::{Result, ensure};
use jiff::Timestamp;

use super::Ending;
use crate::{
    cli::Export as Arguments,
    export::{Export, Format, Wanted},
    file,
    filter::Filter,
    image::Listing,
    inputs::Inputs,
};

/// Writes what the files say is to be dropped, which is what is in force unless `status` says otherwise.
pub fn run(
    filter: &Filter,
    arguments: &Arguments,
    json: bool,
    output: &mut dyn Write,
) -> Result<Ending> {
    let format = match (arguments.format, json) {
        (None, false) => Format::Plain,
        (None, true) => Format::Json,
        (Some(format), json) => {
            ensure!(
                !json || format == Format::Json,
                "--json is --format json; leave one of the two out"
            );
            format
        }
    };
    let folder = filter.state.root();
    ensure!(
        folder.is_dir(),
        "there is no state folder {}, so nobody knows what is dropped; name the right one with \
         --state-dir, or start 'firewall run'",
        folder.display()
    );
    let now = Timestamp::now();
    let inputs = Inputs::read(&filter.config, &filter.state)?;
    let (ruleset, left_out) = inputs.ruleset(now, true)?;
    for feed in left_out {
        eprintln!("left out: {feed}");
    }
    drop(inputs);
    let listing = Listing::of(&ruleset)?;
    drop(ruleset);
    let export = Export {
        listing: &listing,
        wanted: Wanted {
            monitored: arguments.monitored,
            direction: arguments.direction,
        },
        now,
        site: site()?,
    };
    if export.is_mixed()? {
        eprintln!(
            "attackers are in it beside addresses that are called from inside; who makes a feed of it \
             wants two: '--direction in' for its feed with direction = \"in\", '--direction out' for the \
             other"
        );
    }
    // A line at a time is a million calls of the kernel.
    let mut buffered = std::io::BufWriter::with_capacity(1 << 16, output);
    export.write(format, &mut buffered)?;
    buffered.flush()?;
    Ok(Ending::Success)
}

/// What tells this machine from others; it is only ever given out as part of a digest (machine-id(5)).
fn site() -> Result<String> {
    let id = file::read(Path::new("/etc/machine-id"))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&id).trim().to_owned())
}
