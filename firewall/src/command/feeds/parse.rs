//! `feeds parse`: reads a file as a feed would be read, and says what is in it.

use std::{fs, io::Write};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    cli::{Parse, Reading},
    command::{Ending, table, write_json},
    feed::{
        decompress::decompress,
        fetch::Limits,
        format::{self, Format, How, Parsed},
        guard::{self, gates::Shortest, rejected},
    },
};

/// Rejected lines that are shown to people.
const SHOWN: usize = 20;

pub(super) fn run(arguments: &Parse, json: bool, output: &mut dyn Write) -> Result<Ending> {
    let path = arguments.file.display();
    let bytes = fs::read(&arguments.file).with_context(|| format!("cannot read {path}"))?;
    let (format, parsed) =
        read(&arguments.reading, &bytes).with_context(|| format!("{path} would be refused"))?;
    match json {
        true => write_json(output, &row(arguments, format, &parsed))?,
        false => write_text(arguments, format, &parsed, output)?,
    }
    let guarded = guard::check(&parsed, &[], Shortest::default());
    if let Err(refused) = guarded.and_then(|_| rejected::check(format, &parsed)) {
        eprintln!("as a feed it would be refused: {refused}");
    }
    Ok(Ending::Success)
}

/// What a list says, read as a feed of these keys would be.
fn read(reading: &Reading, bytes: &[u8]) -> Result<(Format, Parsed)> {
    let content = decompress(bytes, Limits::default().content)?;
    let how = How {
        options: reading.options(),
        at: Some(Timestamp::now()),
    };
    how.options.check(reading.format.0)?;
    Ok(match reading.format.0 {
        Some(format) => (format, format::parse(format, &how, &content)?),
        None => format::detect_and_parse(&how, &content)?,
    })
}

fn row(arguments: &Parse, format: Format, parsed: &Parsed) -> Value {
    let rejected = parsed.rejected.iter().map(
        |rejected| json!({ "line": rejected.line, "why": rejected.reason, "text": rejected.text }),
    );
    let skipped = parsed.skipped.iter();
    let skipped: Map<String, Value> = skipped
        .map(|(why, count)| (why.as_str().to_owned(), json!(count)))
        .collect();
    let mut row = json!({ "file": arguments.file, "format": format });
    for (name, count) in counts(parsed) {
        row[name] = json!(count);
    }
    row["rejected"] = rejected.collect();
    row["rejected_count"] = json!(parsed.rejected_count);
    row["skipped"] = Value::Object(skipped);
    row
}

fn write_text(
    arguments: &Parse,
    format: Format,
    parsed: &Parsed,
    output: &mut dyn Write,
) -> Result<()> {
    writeln!(output, "{}: {format}", arguments.file.display())?;
    let rejected = [("rejected", parsed.rejected_count)];
    for (name, count) in counts(parsed).into_iter().chain(rejected) {
        writeln!(output, "  {name:<9} {}", table::number(count as u64))?;
    }
    for (why, count) in &parsed.skipped {
        writeln!(
            output,
            "  skipped   {}: {}",
            table::number(*count as u64),
            why.as_str()
        )?;
    }
    for rejected in parsed.rejected.iter().take(SHOWN) {
        writeln!(
            output,
            "  line {}: {} ({})",
            rejected.line, rejected.text, rejected.reason
        )?;
    }
    if parsed.rejected_count > SHOWN {
        let more = table::number((parsed.rejected_count - SHOWN) as u64);
        writeln!(output, "  and {more} more; --json shows them")?;
    }
    Ok(())
}

/// What is counted: `v4` and `v6` as they are written, `prefixes` as they are looked up.
fn counts(parsed: &Parsed) -> [(&'static str, usize); 10] {
    [
        ("lines", parsed.lines),
        ("comments", parsed.comments),
        ("blank", parsed.blank),
        ("entries", parsed.entries),
        ("v4", parsed.v4_entries()),
        ("v6", parsed.v6_entries),
        ("with_port", parsed.with_port),
        ("prefixes", parsed.v4.len() + parsed.v6.len()),
        ("unique", parsed.unique()),
        ("masked", parsed.masked),
    ]
}
