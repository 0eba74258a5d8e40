//! Lines: plain, CSV, JSON.

use std::io::Write;

use anyhow::Result;
use serde_json::json;

use super::Export;

/// An entry a line, and at the end how many they are: a list that is cut off, or empty, shows that.
pub fn plain(export: &Export, output: &mut dyn Write) -> Result<()> {
    writeln!(output, "{}", export.headline())?;
    let mut entries = 0_usize;
    export.verdicts(
        |_| Some(()),
        |subject, ()| {
            entries += 1;
            Ok(writeln!(output, "{}", subject.short())?)
        },
    )?;
    Ok(writeln!(output, "# END {entries} entries")?)
}

/// A row for each entry; no field of it has a comma.
pub fn csv(export: &Export, output: &mut dyn Write) -> Result<()> {
    writeln!(output, "address,port,protocol,action,direction,sources")?;
    export.rows(|subject, verdict, sources| {
        let mut address = subject;
        let port = address.port.take();
        let (number, protocol) = port.map_or_else(Default::default, |port| {
            let protocol = port.protocol.map_or("", |it| it.as_str());
            let number = port.number;
            (number.to_string(), protocol)
        });
        Ok(writeln!(
            output,
            "{},{number},{protocol},{},{},{}",
            address.short(),
            verdict.action(),
            verdict.direction(),
            sources.join(" ")
        )?)
    })
}

/// An object a line; the entry is written as 'list' writes it.
pub fn json(export: &Export, output: &mut dyn Write) -> Result<()> {
    export.rows(|subject, verdict, sources| {
        let row = json!({
            "prefix": subject, "action": verdict.action(), "direction": verdict.direction(),
            "sources": sources,
        });
        serde_json::to_writer(&mut *output, &row)?;
        Ok(writeln!(output)?)
    })
}
