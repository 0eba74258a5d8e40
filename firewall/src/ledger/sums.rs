//! Sums of the ledger on disk: one row for each key, in `ledger.db` (SQLite).

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result};
use firewall_common::{ledger::Direction, reason::Count};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Statement, params};

use super::{Entry, Key, Reading};
use crate::file;

/// Rows kept of each direction; beyond, those whose last hit is the longest ago go. What a flood
/// brings in must not fill the disk, nor push out who called out.
const MOST: usize = 50_000;

/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Times are milliseconds since 1970, UTC; of the kernel's entry nanoseconds since boot.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS hits (
  direction TEXT NOT NULL, inside TEXT NOT NULL, remote TEXT NOT NULL,
  protocol INTEGER NOT NULL, port INTEGER NOT NULL,
  packets INTEGER NOT NULL, bytes INTEGER NOT NULL,
  first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,
  dropped INTEGER NOT NULL, mac BLOB, vlan INTEGER, sources TEXT NOT NULL,
  boot TEXT NOT NULL, made INTEGER NOT NULL,
  read_packets INTEGER NOT NULL, read_bytes INTEGER NOT NULL,
  PRIMARY KEY (direction, inside, remote, protocol, port)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS hits_by_age ON hits (direction, last_seen);
";

const SELECT: &str = "SELECT direction, inside, remote, protocol, port, packets, bytes, first_seen, \
     last_seen, dropped, mac, vlan, sources, boot, made, read_packets, read_bytes FROM hits";

const ONE: &str =
    " WHERE direction = ?1 AND inside = ?2 AND remote = ?3 AND protocol = ?4 AND port = ?5";

const REPLACE: &str = "INSERT OR REPLACE INTO hits VALUES \
     (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";

const PRUNE: &str = "DELETE FROM hits WHERE direction = ?1 AND last_seen < (SELECT last_seen FROM hits \
     WHERE direction = ?1 ORDER BY last_seen DESC LIMIT 1 OFFSET ?2)";

/// The open file.
#[derive(Debug)]
pub struct Sums(Connection);

impl Sums {
    /// Opens the file for writing, and makes it if there is none.
    pub fn open(path: &Path) -> Result<Self> {
        let open = || {
            // SQLite would make the file, but not with the owner of its folder.
            file::append(path)?;
            let connection = Connection::open(path)?;
            connection.busy_timeout(PATIENCE)?;
            connection.execute_batch(SCHEMA)?;
            anyhow::Ok(connection)
        };
        open().map(Self).with_context(|| broken(path))
    }

    /// Everything in the file; nothing if there is none.
    pub fn read(path: &Path) -> Result<BTreeMap<Key, Entry>> {
        if !path.try_exists()? {
            return Ok(BTreeMap::new());
        }
        let read = || {
            let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.busy_timeout(PATIENCE)?;
            let mut statement = connection.prepare(SELECT)?;
            let rows = statement.query_map([], entry)?;
            rows.collect::<rusqlite::Result<_>>()
        };
        read().with_context(|| broken(path))
    }

    /// Adds what the kernel's entries grew by since they were last read. All of it, or nothing.
    pub fn add(&mut self, live: Vec<(Key, Entry)>) -> Result<()> {
        let transaction = self.0.transaction()?;
        {
            let mut one = transaction.prepare(&format!("{SELECT}{ONE}"))?;
            let mut replace = transaction.prepare(REPLACE)?;
            for (key, now) in live {
                if let Some(sum) = grown(read_one(&mut one, &key)?, now) {
                    write(&mut replace, &key, &sum)?;
                }
            }
            let mut prune = transaction.prepare(PRUNE)?;
            for direction in Direction::ALL {
                prune.execute(params![direction.as_str(), MOST as i64 - 1])?;
            }
        }
        Ok(transaction.commit()?)
    }
}

fn read_one(statement: &mut Statement, key: &Key) -> rusqlite::Result<Option<Entry>> {
    let columns = params![
        key.direction.as_str(),
        key.inside.to_string(),
        key.remote.to_string(),
        key.protocol,
        key.port
    ];
    statement
        .query_row(columns, |row| Ok(entry(row)?.1))
        .optional()
}

fn write(statement: &mut Statement, key: &Key, sum: &Entry) -> Result<()> {
    statement.execute(params![
        key.direction.as_str(),
        key.inside.to_string(),
        key.remote.to_string(),
        key.protocol,
        key.port,
        sum.count.packets as i64,
        sum.count.bytes as i64,
        sum.first_seen.as_millisecond(),
        sum.last_seen.as_millisecond(),
        sum.dropped,
        sum.mac,
        sum.vlan,
        serde_json::to_string(&sum.sources)?,
        sum.reading.boot,
        sum.reading.made as i64,
        sum.reading.count.packets as i64,
        sum.reading.count.bytes as i64,
    ])?;
    Ok(())
}

/// The sum to write down; none if nothing was counted since.
fn grown(before: Option<Entry>, now: Entry) -> Option<Entry> {
    match before {
        None => Some(now),
        Some(before) if before.reading == now.reading => None,
        Some(mut before) => {
            before.update(now);
            Some(before)
        }
    }
}

fn broken(path: &Path) -> String {
    format!(
        "{} cannot be used; move it away, and what the kernel has is counted into a new one",
        path.display()
    )
}

fn entry(row: &Row) -> rusqlite::Result<(Key, Entry)> {
    let count = |packets, bytes| {
        Ok::<_, rusqlite::Error>(Count {
            packets: row.get::<_, i64>(packets)? as u64,
            bytes: row.get::<_, i64>(bytes)? as u64,
        })
    };
    let time = |column| Timestamp::from_millisecond(row.get(column)?).map_err(|it| bad(column, it));
    let address = |column| {
        let text: String = row.get(column)?;
        text.parse().map_err(|error| bad(column, error))
    };
    let direction: String = row.get(0)?;
    let mut directions = Direction::ALL.into_iter();
    let direction = directions.find(|it| it.as_str() == direction);
    let sources: String = row.get(12)?;
    let key = Key {
        direction: direction.ok_or_else(|| bad(0, std::fmt::Error))?,
        inside: address(1)?,
        remote: address(2)?,
        protocol: row.get(3)?,
        port: row.get(4)?,
    };
    let entry = Entry {
        count: count(5, 6)?,
        first_seen: time(7)?,
        last_seen: time(8)?,
        dropped: row.get(9)?,
        mac: row.get(10)?,
        vlan: row.get(11)?,
        sources: serde_json::from_str(&sources).map_err(|error| bad(12, error))?,
        reading: Reading {
            boot: row.get(13)?,
            made: row.get::<_, i64>(14)? as u64,
            count: count(15, 16)?,
        },
    };
    Ok((key, entry))
}

/// A column holds what nobody wrote.
fn bad(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
