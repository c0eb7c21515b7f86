//! The file that responses are kept in: SQLite, bounded by rows, bytes and age. <https://www.sqlite.org/pragma.html>
//!
//! What leaves, leaves by whole conversations, the one that was gone on with longest ago first: a conversation without its
//! beginning could not be gone on with, so its rest is worth nothing. Everything here blocks; `worker` calls it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, Transaction, params};

use super::Limits;
use super::record::{Answer, Kept, Record};
use crate::dialects::Dialect;
use crate::sqlite::{self, Error, Layout, begin, bytes, size};

/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(2);

/// A file of another one is set aside.
const LAYOUT: Layout = Layout { version: 1, statements: STATEMENTS };

const STATEMENTS: &str = "
CREATE TABLE conversations (id INTEGER PRIMARY KEY, used INTEGER NOT NULL);
CREATE INDEX conversations_by_use ON conversations (used);
CREATE TABLE responses (
    id TEXT PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    previous TEXT,
    created INTEGER NOT NULL,
    account TEXT NOT NULL,
    dialect TEXT NOT NULL,
    kept_there INTEGER NOT NULL,
    input TEXT NOT NULL,
    response TEXT NOT NULL
);
CREATE INDEX responses_by_conversation ON responses (conversation);
CREATE TABLE items (
    id TEXT PRIMARY KEY,
    response TEXT NOT NULL REFERENCES responses ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX items_by_response ON items (response);
";

const COLUMNS: &str = "id, previous, created, account, dialect, kept_there, input, response";

/// How much of a chain is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// Responses at most.
    pub(super) turns: usize,
    /// Bytes at most; the response that passes them is the last.
    pub(super) bytes: usize,
}

/// The open file.
#[derive(Debug)]
pub(super) struct Disk {
    connection: Connection,
    limits: Limits,
    /// Responses in the file.
    rows: u64,
}

impl Disk {
    /// Opens the file, readable by its owner alone, or makes it.
    pub(super) fn open(path: &Path, limits: Limits) -> Result<Self, Error> {
        let connection = sqlite::open(path, LAYOUT, PATIENCE).map_err(|error| match error {
            // What it holds can be had from the clients again: a gateway that keeps nothing would be worse.
            Error::Newer(_) => Error::Foreign,
            error @ (Error::File(_) | Error::Sqlite(_) | Error::Foreign) => error,
        })?;
        let rows = connection.query_row("SELECT count(*) FROM responses", [], |row| row.get(0))?;
        Ok(Self { connection, limits, rows })
    }

    /// Writes responses, all or none, and makes room for them. `now` is in seconds since 1970.
    pub(super) fn write(&mut self, records: &[Arc<Record>], now: u64) -> Result<(), Error> {
        let transaction = begin(&mut self.connection)?;
        let mut writing = Writing::new(&transaction)?;
        for record in records {
            writing.write(record)?;
        }
        drop(writing);
        let rows = self.rows + records.len() as u64;
        let room = make_room(&transaction, self.limits, rows, now)?;
        transaction.commit()?;
        self.rows = room.rows;
        // What left room for others need not be given back: they are about to take it.
        if room.evicted && size(&self.connection)? > self.limits.bytes {
            sqlite::give_back(&self.connection)?;
        }
        Ok(())
    }

    /// Deletes what has become too old.
    pub(super) fn evict(&mut self, now: u64) -> Result<(), Error> {
        self.write(&[], now)
    }

    /// The response of an id, and those before it, as far as they are here: the latest first.
    pub(super) fn chain(&self, id: &str, span: Span) -> Result<Vec<Record>, Error> {
        let query = format!("SELECT {COLUMNS} FROM responses WHERE id = ?1");
        let mut query = self.connection.prepare_cached(&query)?;
        let mut chain: Vec<Record> = Vec::new();
        let mut bytes = 0;
        let mut next = Some(Arc::from(id));
        while let Some(id) = next.take()
            && chain.len() < span.turns
            && bytes < span.bytes
        {
            let Some(Some(record)) = query.query_row([&*id], read).optional()? else { break };
            bytes += record.weight();
            next.clone_from(&record.previous);
            chain.push(record);
        }
        Ok(chain)
    }

    /// The response that an item stands in.
    pub(super) fn find_item(&self, item: &str) -> Result<Option<Record>, Error> {
        let query = "SELECT response FROM items WHERE id = ?1";
        let mut query = self.connection.prepare_cached(query)?;
        let response: Option<String> = query.query_row([item], |row| row.get(0)).optional()?;
        let Some(response) = response else { return Ok(None) };
        Ok(self.chain(&response, Span { turns: 1, bytes: usize::MAX })?.pop())
    }

    /// Deletes a response; says whether it was there.
    pub(super) fn remove(&mut self, id: &str) -> Result<bool, Error> {
        // What somebody wants to be gone is overwritten; what is merely too old or too much need not be.
        self.connection.pragma_update(None, "secure_delete", true)?;
        let removed = self.remove_now(id);
        self.connection.pragma_update(None, "secure_delete", "FAST")?;
        removed
    }

    fn remove_now(&mut self, id: &str) -> Result<bool, Error> {
        let transaction = begin(&mut self.connection)?;
        let conversation: Option<i64> = transaction
            .query_row("DELETE FROM responses WHERE id = ?1 RETURNING conversation", [id], |row| {
                row.get(0)
            })
            .optional()?;
        let Some(conversation) = conversation else { return Ok(false) };
        transaction.execute(
            "DELETE FROM conversations WHERE id = ?1
             AND NOT EXISTS (SELECT 1 FROM responses WHERE conversation = ?1)",
            [conversation],
        )?;
        transaction.commit()?;
        self.rows = self.rows.saturating_sub(1);
        sqlite::give_back(&self.connection)?;
        // The log still has the text until it is written into the file; a reader elsewhere may keep it a little longer.
        let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        Ok(true)
    }
}

fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT count(*) FROM responses")?.query_row([], |row| row.get(0))
}

/// What making room led to.
struct Room {
    /// Responses in the file.
    rows: u64,
    /// Whether any had to leave.
    evicted: bool,
}

/// Deletes what is too old, and the oldest of what is too much.
fn make_room(
    transaction: &Transaction<'_>,
    limits: Limits,
    rows: u64,
    now: u64,
) -> rusqlite::Result<Room> {
    let oldest = now.saturating_sub(limits.age.as_secs());
    let mut evicted = transaction
        .prepare_cached("DELETE FROM conversations WHERE used < ?1")?
        .execute([oldest])?;
    if evicted == 0 && rows <= limits.rows && bytes(transaction)? <= limits.bytes {
        return Ok(Room { rows, evicted: false });
    }
    // Where there is too much, some room beyond the bound is made: else every turn would have to make its own.
    let (few, small) = (limits.rows - limits.rows / 16, limits.bytes - limits.bytes / 16);
    let mut rows = count(transaction)?;
    if rows > limits.rows || bytes(transaction)? > limits.bytes {
        while (rows > few || bytes(transaction)? > small)
            && let Some(left) = delete_oldest(transaction)?
        {
            evicted += 1;
            rows = rows.saturating_sub(left);
        }
    }
    Ok(Room { rows, evicted: evicted > 0 })
}

/// Deletes the conversation that was gone on with longest ago; gives the number of its responses.
fn delete_oldest(transaction: &Transaction<'_>) -> rusqlite::Result<Option<u64>> {
    let oldest: Option<i64> = transaction
        .prepare_cached("SELECT id FROM conversations ORDER BY used, id LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some(oldest) = oldest else { return Ok(None) };
    let responses = transaction
        .prepare_cached("DELETE FROM responses WHERE conversation = ?1")?
        .execute([oldest])?;
    transaction.prepare_cached("DELETE FROM conversations WHERE id = ?1")?.execute([oldest])?;
    Ok(Some(responses as u64))
}

/// What every response needs, prepared once for many.
struct Writing<'t> {
    transaction: &'t Transaction<'t>,
    begin: CachedStatement<'t>,
    insert: CachedStatement<'t>,
}

impl<'t> Writing<'t> {
    fn new(transaction: &'t Transaction<'t>) -> rusqlite::Result<Self> {
        let begin = transaction.prepare_cached("INSERT INTO conversations (used) VALUES (?1)")?;
        let insert = transaction.prepare_cached(
            "INSERT OR IGNORE INTO responses (conversation, id, previous, created, account,
             dialect, kept_there, input, response) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        Ok(Self { transaction, begin, insert })
    }

    fn write(&mut self, record: &Record) -> rusqlite::Result<()> {
        let before = match &record.previous {
            Some(previous) => conversation(self.transaction, previous)?,
            None => None,
        };
        let conversation = match before {
            Some(conversation) => go_on(self.transaction, conversation, record)?,
            None => self.begin.insert([record.created])?,
        };
        let output_ids = record.foreign_output_ids();
        if self.insert.execute(columns(conversation, record))? == 0 {
            replace(self.transaction, (before, conversation), record, &output_ids)?;
        }
        // An item is found where it was said; a client that says it again does not move it.
        for id in output_ids.iter().chain(&record.foreign_input_ids()) {
            let query = "INSERT OR IGNORE INTO items (id, response) VALUES (?1, ?2)";
            self.transaction.prepare_cached(query)?.execute([&**id, &*record.id])?;
        }
        Ok(())
    }
}

/// An account that gives every response the same id has the last one remembered. (`INSERT OR REPLACE` would delete through
/// foreign keys, for which SQLite makes a temporary table each time.)
fn replace(
    transaction: &Transaction<'_>,
    (before, mut own): (Option<i64>, i64),
    record: &Record,
    output_ids: &[Box<str>],
) -> rusqlite::Result<()> {
    if before.is_none()
        && let Some(known) = conversation(transaction, &record.id)?
    {
        // It stays in its conversation, and the one that was begun for it is not needed.
        let query = "DELETE FROM conversations WHERE id = ?1";
        transaction.prepare_cached(query)?.execute([own])?;
        own = go_on(transaction, known, record)?;
    }
    let mut items = transaction.prepare_cached("SELECT id FROM items WHERE response = ?1")?;
    let known = items.query_map([&*record.id], |row| row.get(0))?;
    let known = known.collect::<rusqlite::Result<Vec<String>>>()?;
    for id in known.iter().filter(|id| output_ids.iter().all(|said| **said != ***id)) {
        transaction.prepare_cached("DELETE FROM items WHERE id = ?1")?.execute([id])?;
    }
    transaction
        .prepare_cached(
            "UPDATE responses SET conversation = ?1, previous = ?3, created = ?4, account = ?5,
             dialect = ?6, kept_there = ?7, input = ?8, response = ?9 WHERE id = ?2",
        )?
        .execute(columns(own, record))?;
    Ok(())
}

/// A record in the order of the columns of `Writing::insert`.
fn columns(conversation: i64, record: &Record) -> impl rusqlite::Params {
    (
        conversation,
        &*record.id,
        record.previous.as_deref(),
        record.created,
        &*record.account,
        record.dialect.name(),
        record.kept == Kept::ThereToo,
        record.input(),
        record.response(),
    )
}

/// The conversation of a response.
fn conversation(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<Option<i64>> {
    transaction
        .prepare_cached("SELECT conversation FROM responses WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()
}

/// Marks a conversation as gone on with; gives it back.
fn go_on(
    transaction: &Transaction<'_>,
    conversation: i64,
    record: &Record,
) -> rusqlite::Result<i64> {
    transaction
        .prepare_cached("UPDATE conversations SET used = max(used, ?2) WHERE id = ?1")?
        .execute(params![conversation, record.created])?;
    Ok(conversation)
}

/// A row of `COLUMNS`; `None` where it holds what no version of ours wrote.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<Record>> {
    let dialect: String = row.get(4)?;
    let kept_there: bool = row.get(5)?;
    let response: Box<str> = row.get(7)?;
    let dialect = Dialect::ALL.into_iter().find(|known| known.name() == dialect);
    let (Some(dialect), Some(answer)) = (dialect, Answer::read(response)) else {
        return Ok(None);
    };
    Ok(Some(Record {
        id: row.get(0)?,
        previous: row.get(1)?,
        created: row.get(2)?,
        account: row.get(3)?,
        dialect,
        kept: if kept_there { Kept::ThereToo } else { Kept::Here },
        input: row.get(6)?,
        answer,
    }))
}
