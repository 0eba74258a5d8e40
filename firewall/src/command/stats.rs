//! `stats`: packets by interface and reason, hits by source.

use std::{collections::BTreeMap, io::Write};

use anyhow::Result;
use firewall_common::{ledger::LedgerCounter, reason::Count};
use serde_json::json;

use super::{Ending, table, write_json};
use crate::{
    dataplane::{Gaps, plain},
    filter::Filter,
    record::{RecordedClass, Totals},
    state,
};

/// Prints both tables.
pub fn run(filter: &Filter, json: bool, output: &mut dyn Write) -> Result<Ending> {
    reasons(filter, json, output)?;
    sources(filter, json, output)?;
    ledger(filter, json, output)?;
    Ok(Ending::Success)
}

fn reasons(filter: &Filter, json: bool, output: &mut dyn Write) -> Result<()> {
    let mut table = table::table(&["INTERFACE", "REASON", "VERDICT", "PACKETS", "BYTES"]);
    for (attachment, interface) in counted(filter)? {
        for (reason, count) in filter.dataplane.reason_counts(&attachment)? {
            let verdict = format!("{:?}", reason.verdict()).to_lowercase();
            if json {
                let row = json!({
                    "interface": interface, "reason": reason.as_str(), "verdict": verdict,
                    "packets": count.packets, "bytes": count.bytes,
                });
                write_json(output, &row)?;
            }
            let (packets, bytes) = (table::number(count.packets), table::number(count.bytes));
            table.add_row([&interface, reason.as_str(), &verdict, &packets, &bytes]);
        }
    }
    if !json {
        write!(output, "{}", table::text(&table))?;
    }
    Ok(())
}

/// Every attachment that ever counted, and what it is called now.
fn counted(filter: &Filter) -> Result<Vec<(String, String)>> {
    let (network, placed) = filter.dataplane.placed_on_devices()?;
    let shown = |attachment: &str| {
        let mut placed = placed.iter();
        let now = placed.find(|it| it.link.interface == attachment);
        now.map_or_else(|| plain(attachment), |it| it.shown(&network))
    };
    let attachments = filter.dataplane.counted_interfaces()?.into_iter();
    Ok(attachments.map(|it| (it.clone(), shown(&it))).collect())
}

fn sources(filter: &Filter, json: bool, output: &mut dyn Write) -> Result<()> {
    let mut table = table::table(&["SOURCE", "PACKETS", "BYTES"]);
    for (source, count) in by_source(&by_class(filter)?) {
        if json {
            let row = json!({ "source": source, "packets": count.packets, "bytes": count.bytes });
            write_json(output, &row)?;
        }
        table.add_row([
            source,
            &table::number(count.packets),
            &table::number(count.bytes),
        ]);
    }
    if !json {
        write!(output, "\n{}", table::text(&table))?;
    }
    Ok(())
}

/// What the ledger, and so `hosts`, does not know: nothing, unless there was a flood.
fn ledger(filter: &Filter, json: bool, output: &mut dyn Write) -> Result<()> {
    for (attachment, interface) in counted(filter)? {
        for (counter, count) in filter.dataplane.ledger_counts(&attachment)? {
            let (name, packets) = (counter.as_str(), count.packets);
            if json {
                let row = json!({ "interface": interface, "ledger": name, "packets": packets });
                write_json(output, &row)?;
            } else if packets > 0 && counter != LedgerCounter::New {
                writeln!(output, "{interface}: {name} {}", table::number(packets))?;
            }
        }
    }
    let present = filter.dataplane.ledger()?.len();
    let Gaps { evicted, .. } = filter.dataplane.ledger_gaps(present)?;
    if json {
        let row = json!({ "ledger": "entries", "present": present, "evicted": evicted });
        write_json(output, &row)?;
    } else if evicted > 0 {
        let (present, evicted) = (table::number(present as u64), table::number(evicted));
        writeln!(output, "ledger: {present} entries, {evicted} evicted")?;
    }
    Ok(())
}

/// Hits by what their class stands for, of all generations.
pub(super) fn by_class(filter: &Filter) -> Result<BTreeMap<RecordedClass, Count>> {
    let mut totals: Totals = state::read_json(&filter.state.totals())?.unwrap_or_default();
    for number in filter.dataplane.generations()? {
        if let Some(record) = filter.records().read(number)? {
            totals.add(&record, &filter.dataplane.class_counts(number)?);
        }
    }
    Ok(totals.by_class())
}

/// Hits by source. A packet whose address several sources name counts for each of them.
fn by_source(classes: &BTreeMap<RecordedClass, Count>) -> BTreeMap<&str, Count> {
    let mut sources: BTreeMap<&str, Count> = BTreeMap::new();
    for (class, count) in classes {
        for source in &class.sources {
            let sum = sources.entry(source).or_default();
            *sum = *sum + *count;
        }
    }
    sources
}
