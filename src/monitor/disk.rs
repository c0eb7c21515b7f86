//! The file of the request log: written many rows at a time, and kept within its bounds.
//!
//! A row's number is the beginning of its id, so rows stand in the order of time and need no index: a list reads from the
//! end, what is too old is what comes first, and a write touches the last page alone. Everything here blocks; `worker`
//! calls it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::record::{Record, Time};
use super::sums::{self, Sums};
use crate::address;
use crate::clock::milliseconds;
use crate::config::Retention;
use crate::sqlite::{self, Error, Layout, begin};

/// How the file is laid out.
pub(super) const LAYOUT: Layout = Layout { version: 1, statements: STATEMENTS };
/// How long another process may hold the file before a write is put off.
const PATIENCE: Duration = Duration::from_secs(1);
/// Rows that one transaction deletes: a gateway beside this one gets its turn in between.
const AT_ONCE: u64 = 5_000;
/// Bytes that are kept of a path or a model's name.
const LONGEST_NAME: usize = 512;
/// Bytes that are kept of what a client was told.
const LONGEST_ERROR: usize = 4096;

const STATEMENTS: &str = "
CREATE TABLE requests (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    client TEXT, caller TEXT,
    dialect TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    model TEXT, used TEXT, account TEXT,
    stream INTEGER NOT NULL, status INTEGER, outcome TEXT, failed INTEGER NOT NULL,
    waited_ms INTEGER NOT NULL, first_byte_ms INTEGER, total_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    input INTEGER NOT NULL, cached INTEGER NOT NULL,
    output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
    dropped TEXT, trail TEXT, explain TEXT, error TEXT
);
CREATE TABLE bodies (
    number INTEGER PRIMARY KEY,
    request TEXT NOT NULL, response TEXT NOT NULL, truncated INTEGER NOT NULL
);
CREATE TABLE hours (
    hour INTEGER NOT NULL,
    dialect TEXT NOT NULL, status INTEGER NOT NULL,
    account TEXT NOT NULL, model TEXT NOT NULL, caller TEXT NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL,
    input INTEGER NOT NULL, cached INTEGER NOT NULL,
    output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
    first_bytes INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    PRIMARY KEY (hour, dialect, status, account, model, caller)
) WITHOUT ROWID;
";

/// The columns of `requests`, as `insert` fills them and `query` reads them.
pub(super) const COLUMNS: &str = "number, id, client, caller, dialect, method, path, model, used, \
     account, stream, status, outcome, failed, waited_ms, first_byte_ms, total_ms, attempts, input, \
     cached, output, reasoning, dropped, trail, explain, error";

/// The open file.
#[derive(Debug)]
pub(super) struct Disk {
    connection: Connection,
    insert: String,
    /// Rows in the file.
    rows: u64,
    sums: Sums,
}

impl Disk {
    /// Opens the file, readable by its owner alone, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let connection = sqlite::open(path, LAYOUT, PATIENCE)?;
        let rows = connection.query_row("SELECT count(*) FROM requests", [], |row| row.get(0))?;
        let places = ", ?".repeat(COLUMNS.split(',').count() - 1);
        let insert =
            format!("INSERT INTO requests ({COLUMNS}) VALUES (?{places}) ON CONFLICT DO NOTHING");
        Ok(Self { connection, insert, rows, sums: Sums::default() })
    }

    /// Writes rows and what they add to the sums, all or nothing.
    pub(super) fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        let transaction = begin(&mut self.connection)?;
        {
            let mut insert = transaction.prepare_cached(&self.insert)?;
            for record in records {
                let number = insert_row(&mut insert, record)?;
                insert_bodies(&transaction, number, record)?;
            }
        }
        let adding = self.sums.add(records);
        sums::write(&transaction, &adding)?;
        transaction.commit()?;
        self.rows += records.len() as u64;
        Ok(())
    }

    /// Deletes what is too old or too much, and gives the room back. `now` is in milliseconds since 1970.
    pub(super) fn retain(&mut self, retention: Retention, now: Time) -> Result<(), Error> {
        let days = Duration::from_hours(24) * retention.days;
        let kept = milliseconds(days);
        self.delete_before(Time(now.0.saturating_sub(kept)).first_number())?;
        self.keep_rows(retention.rows)?;
        self.keep_size(retention.size)?;
        sums::retain(&self.connection, now)?;
        let free = sqlite::free_pages(&self.connection)?;
        let is_roomy = free > MUCH_FREE && free * 4 > sqlite::pages(&self.connection)?;
        if is_roomy || sqlite::size(&self.connection)? > retention.size {
            sqlite::give_back(&self.connection)?;
        }
        Ok(())
    }

    /// Whether there is so much that some of it must leave before its time.
    pub(super) fn is_over(&self, retention: Retention) -> Result<bool, Error> {
        Ok(self.rows > retention.rows || sqlite::bytes(&self.connection)? > retention.size)
    }

    /// Deletes all requests; the sums stay.
    pub(super) fn clear(&mut self) -> Result<(), Error> {
        // What somebody wants to be gone is overwritten; what is merely too old or too much need not be.
        self.connection.pragma_update(None, "secure_delete", true)?;
        let cleared = self.delete_before(i64::MAX);
        self.connection.pragma_update(None, "secure_delete", "FAST")?;
        cleared?;
        sqlite::give_back(&self.connection)?;
        // SQLite's log still has the text until it is written into the file; a reader elsewhere may keep it a little longer.
        let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        Ok(())
    }

    /// Where there are too many, makes some room beyond the bound: else every write would have to make its own.
    fn keep_rows(&mut self, most: u64) -> Result<(), Error> {
        if self.rows <= most {
            return Ok(());
        }
        // Another gateway on the same file may have deleted some.
        self.count()?;
        if self.rows > most {
            self.delete_oldest(self.rows - most + most / 16)?;
        }
        Ok(())
    }

    fn keep_size(&mut self, most: u64) -> Result<(), Error> {
        while sqlite::bytes(&self.connection)? > most {
            // Sums are kept longer, but not so long that no request is.
            let sums = sums::count(&self.connection)?;
            if sums > self.rows {
                sums::delete_oldest(&self.connection, sums / 16)?;
            } else if self.rows > 0 {
                self.delete_oldest((self.rows / 16).max(1))?;
            } else {
                break;
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Error> {
        let count = "SELECT count(*) FROM requests";
        self.rows = self.connection.query_row(count, [], |row| row.get(0))?;
        Ok(())
    }

    fn delete_oldest(&mut self, rows: u64) -> Result<(), Error> {
        let bound = "SELECT number FROM requests ORDER BY number LIMIT 1 OFFSET ?1";
        let bound = self.connection.query_row(bound, [rows], |row| row.get(0)).optional()?;
        self.delete_before(bound.unwrap_or(i64::MAX))
    }

    fn delete_before(&mut self, number: i64) -> Result<(), Error> {
        loop {
            let transaction = begin(&mut self.connection)?;
            let deleted = delete_some(&transaction, number)?;
            transaction.commit()?;
            self.rows = self.rows.saturating_sub(deleted);
            if deleted < AT_ONCE {
                return Ok(());
            }
        }
    }
}

/// Pages that may be free without being given back.
const MUCH_FREE: u64 = 256;

/// Deletes the oldest rows before a number, not all at once; gives how many.
fn delete_some(transaction: &Transaction<'_>, number: i64) -> rusqlite::Result<u64> {
    let next = "SELECT number FROM requests WHERE number < ?1 ORDER BY number LIMIT 1 OFFSET ?2";
    let next: Option<i64> = transaction
        .prepare_cached(next)?
        .query_row(params![number, AT_ONCE], |row| row.get(0))
        .optional()?;
    let bound = next.unwrap_or(number);
    transaction.prepare_cached("DELETE FROM bodies WHERE number < ?1")?.execute([bound])?;
    let mut delete = transaction.prepare_cached("DELETE FROM requests WHERE number < ?1")?;
    Ok(delete.execute([bound])? as u64)
}

/// Writes a row; gives its number.
fn insert_row(insert: &mut rusqlite::Statement<'_>, record: &Record) -> rusqlite::Result<i64> {
    let mut number = record.row.number();
    bind(insert, record)?;
    // Two of one millisecond may have begun alike: then the later takes the next number.
    for _ in 0..super::query::NEIGHBOURS {
        insert.raw_bind_parameter(1, number)?;
        if insert.raw_execute()? > 0 {
            break;
        }
        number += 1;
    }
    Ok(number)
}

/// Fills in all columns but the number.
fn bind(insert: &mut rusqlite::Statement<'_>, record: &Record) -> rusqlite::Result<()> {
    let Record { row, trail, explain, error, .. } = record;
    let client = row.client.map(address::text);
    let name = |name| cut(name, LONGEST_NAME);
    insert.raw_bind_parameter(2, &row.id)?;
    insert.raw_bind_parameter(3, client)?;
    insert.raw_bind_parameter(4, &row.caller)?;
    insert.raw_bind_parameter(5, &*row.dialect)?;
    insert.raw_bind_parameter(6, &*row.method)?;
    insert.raw_bind_parameter(7, cut(&row.path, LONGEST_NAME))?;
    insert.raw_bind_parameter(8, row.model.as_deref().map(name))?;
    insert.raw_bind_parameter(9, row.used.as_deref().map(name))?;
    insert.raw_bind_parameter(10, &row.account)?;
    insert.raw_bind_parameter(11, row.stream)?;
    insert.raw_bind_parameter(12, row.status)?;
    insert.raw_bind_parameter(13, row.outcome.as_deref())?;
    insert.raw_bind_parameter(14, row.failed())?;
    insert.raw_bind_parameter(15, row.waited_ms)?;
    insert.raw_bind_parameter(16, row.first_byte_ms)?;
    insert.raw_bind_parameter(17, row.total_ms)?;
    insert.raw_bind_parameter(18, row.attempts)?;
    insert.raw_bind_parameter(19, row.input)?;
    insert.raw_bind_parameter(20, row.cached)?;
    insert.raw_bind_parameter(21, row.output)?;
    insert.raw_bind_parameter(22, row.reasoning)?;
    insert.raw_bind_parameter(23, list(&row.dropped))?;
    insert.raw_bind_parameter(24, list(trail))?;
    insert.raw_bind_parameter(25, list(explain))?;
    insert.raw_bind_parameter(26, error.as_deref().map(|error| cut(error, LONGEST_ERROR)))
}

/// A list as JSON; nothing where it is empty.
fn list<T: serde::Serialize>(list: &[T]) -> Option<String> {
    if list.is_empty() {
        return None;
    }
    let mut text = Vec::with_capacity(128);
    serde_json::to_writer(&mut text, list).ok()?;
    String::from_utf8(text).ok()
}

/// What a client made up is kept to a length that a list can show.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

fn insert_bodies(
    transaction: &Transaction<'_>,
    number: i64,
    record: &Record,
) -> rusqlite::Result<()> {
    let Some(bodies) = &record.bodies else { return Ok(()) };
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO bodies (number, request, response, truncated)
             VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            number,
            String::from_utf8_lossy(&bodies.request),
            String::from_utf8_lossy(&bodies.response),
            bodies.truncated
        ])?;
    Ok(())
}
