//! The file that responses are kept in: SQLite, bounded by rows, bytes and age. <https://www.sqlite.org/pragma.html>
//!
//! What leaves, leaves by whole conversations, the one that was gone on with longest ago first: a conversation without its
//! beginning could not be gone on with, so its rest is worth nothing. Everything here blocks; `worker` calls it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, Transaction, params};

use super::Limits;
use super::inputs::{self, Inputs};
use super::record::{Answer, Kept, Record};
use super::room;
use crate::dialects::Dialect;
use crate::sqlite::{self, Error, Layout, begin, size};

/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(2);

/// A file of another one is set aside.
const LAYOUT: Layout = Layout { version: 2, statements: STATEMENTS, upgrade: Some(UPGRADE) };
/// The conversation of the responses that nobody has gone on from: each of them leaves alone, by its age. Most responses stay
/// there, and need no conversation of their own.
pub(super) const ALONE: i64 = 0;

/// What layout 2 has and layout 1 had not, but for a column.
macro_rules! of_layout_2 {
    () => {
        "
CREATE INDEX responses_by_conversation ON responses (conversation, created);
CREATE TABLE inputs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    base INTEGER,
    text TEXT NOT NULL
);
CREATE INDEX inputs_by_conversation ON inputs (conversation);
INSERT INTO conversations (id, used) VALUES (0, 9223372036854775807);
"
    };
}

const STATEMENTS: &str = concat!(
    "
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
    response TEXT NOT NULL,
    long_input INTEGER
);
CREATE TABLE items (
    id TEXT PRIMARY KEY,
    response TEXT NOT NULL REFERENCES responses ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX items_by_response ON items (response);
",
    of_layout_2!()
);

/// In layout 1 every response stood in a conversation, with its whole input beside it. Those stay as they are.
const UPGRADE: &str = concat!(
    "
ALTER TABLE responses ADD COLUMN long_input INTEGER;
DROP INDEX responses_by_conversation;
",
    of_layout_2!()
);

const COLUMNS: &str =
    "id, previous, created, account, dialect, kept_there, input, response, long_input";

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
    inputs: Inputs,
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
        Ok(Self { connection, limits, rows, inputs: Inputs::default() })
    }

    /// Writes responses, all or none, and makes room for them. `now` is in seconds since 1970.
    pub(super) fn write(&mut self, records: &[Arc<Record>], now: u64) -> Result<(), Error> {
        let written = self.write_now(records, now);
        if written.is_err() {
            self.inputs.clear();
        }
        written
    }

    fn write_now(&mut self, records: &[Arc<Record>], now: u64) -> Result<(), Error> {
        let transaction = begin(&mut self.connection)?;
        let mut writing = Writing::new(&transaction, &mut self.inputs)?;
        for record in records {
            writing.write(record)?;
        }
        drop(writing);
        let rows = self.rows + records.len() as u64;
        let room = room::make(&transaction, self.limits, rows, now)?;
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
            let Some(Some((mut record, long_input))) = query.query_row([&*id], read).optional()?
            else {
                break;
            };
            if let Some(number) = long_input {
                let Some(input) = inputs::read(&self.connection, number)? else { break };
                record.input = input;
            }
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
        let query = "DELETE FROM responses WHERE id = ?1 RETURNING conversation, long_input";
        let removed =
            transaction.query_row(query, [id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((conversation, long_input)) = removed else { return Ok(false) };
        if let Some(number) = long_input {
            inputs::release(&transaction, number)?;
        }
        transaction.execute(
            "DELETE FROM conversations WHERE id = ?1 AND id <> ?2
             AND NOT EXISTS (SELECT 1 FROM responses WHERE conversation = ?1)",
            [conversation, ALONE],
        )?;
        transaction.commit()?;
        self.rows = self.rows.saturating_sub(1);
        self.inputs.forget_response(id);
        sqlite::give_back(&self.connection)?;
        // The log still has the text until it is written into the file; a reader elsewhere may keep it a little longer.
        let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        Ok(true)
    }
}

/// What every response needs, prepared once for many.
struct Writing<'t> {
    transaction: &'t Transaction<'t>,
    begin: CachedStatement<'t>,
    insert: CachedStatement<'t>,
    inputs: &'t mut Inputs,
}

/// Where a response is put.
struct Place<'r> {
    conversation: i64,
    /// The number of an input that is kept apart.
    long_input: Option<i64>,
    /// The part of the input that the file does not have yet.
    new: &'r str,
}

impl<'t> Writing<'t> {
    fn new(transaction: &'t Transaction<'t>, inputs: &'t mut Inputs) -> rusqlite::Result<Self> {
        let begin = transaction.prepare_cached("INSERT INTO conversations (used) VALUES (?1)")?;
        let insert = transaction.prepare_cached(
            "INSERT OR IGNORE INTO responses (conversation, id, previous, created, account,
             dialect, kept_there, input, response, long_input)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        Ok(Self { transaction, begin, insert, inputs })
    }

    fn write(&mut self, record: &Arc<Record>) -> rusqlite::Result<()> {
        let place = self.place(record)?;
        let output_ids = record.foreign_output_ids();
        if self.insert.execute(columns(&place, record))? == 0 {
            replace(self.transaction, place.conversation, record, &output_ids)?;
        }
        // An item is found where it was said; a client that says it again does not move it.
        for id in output_ids.iter().chain(&record.foreign_ids_in(place.new)) {
            let query = "INSERT OR IGNORE INTO items (id, response) VALUES (?1, ?2)";
            self.transaction.prepare_cached(query)?.execute([&**id, &*record.id])?;
        }
        Ok(())
    }

    fn place<'r>(&mut self, record: &'r Arc<Record>) -> rusqlite::Result<Place<'r>> {
        let new = record.input();
        if let Some(previous) = &record.previous
            && let Some(conversation) = conversation(self.transaction, previous)?
        {
            let conversation = match conversation {
                ALONE => self.accompany(previous, record)?,
                conversation => go_on(self.transaction, conversation, record)?,
            };
            return Ok(Place { conversation, long_input: None, new });
        }
        // One that replaces another stays in that one's conversation.
        if !inputs::is_long(new) || conversation(self.transaction, &record.id)?.is_some() {
            return Ok(Place { conversation: ALONE, long_input: None, new });
        }
        let beginning = self.inputs.beginning(self.transaction, new)?;
        let conversation = match beginning {
            Some(known) => go_on(self.transaction, known.conversation, record)?,
            None => self.begin.insert([record.created])?,
        };
        let (number, new) =
            self.inputs.write(self.transaction, record, (beginning, conversation))?;
        Ok(Place { conversation, long_input: Some(number), new })
    }

    /// Begins a conversation of a response that was alone and one that goes on from it.
    fn accompany(&mut self, previous: &str, record: &Record) -> rusqlite::Result<i64> {
        let conversation = self.begin.insert([record.created])?;
        self.transaction
            .prepare_cached("UPDATE responses SET conversation = ?1 WHERE id = ?2")?
            .execute(params![conversation, previous])?;
        Ok(conversation)
    }
}

/// An account that gives every response the same id has the last one remembered. (`INSERT OR REPLACE` would delete through
/// foreign keys, for which SQLite makes a temporary table each time.)
fn replace(
    transaction: &Transaction<'_>,
    conversation: i64,
    record: &Record,
    output_ids: &[Box<str>],
) -> rusqlite::Result<()> {
    let query = "SELECT conversation, long_input FROM responses WHERE id = ?1";
    let (own, long_input): (i64, Option<i64>) = transaction
        .prepare_cached(query)?
        .query_row([&*record.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let conversation = match (conversation, own) {
        (ALONE, ALONE) => ALONE,
        (ALONE, own) => go_on(transaction, own, record)?,
        (conversation, _) => conversation,
    };
    let mut items = transaction.prepare_cached("SELECT id FROM items WHERE response = ?1")?;
    let known = items.query_map([&*record.id], |row| row.get(0))?;
    let known = known.collect::<rusqlite::Result<Vec<String>>>()?;
    for id in known.iter().filter(|id| output_ids.iter().all(|said| **said != ***id)) {
        transaction.prepare_cached("DELETE FROM items WHERE id = ?1")?.execute([id])?;
    }
    let place = Place { conversation, long_input: None, new: record.input() };
    transaction
        .prepare_cached(
            "UPDATE responses SET conversation = ?1, previous = ?3, created = ?4, account = ?5,
             dialect = ?6, kept_there = ?7, input = ?8, response = ?9, long_input = ?10
             WHERE id = ?2",
        )?
        .execute(columns(&place, record))?;
    match long_input {
        Some(number) => inputs::release(transaction, number),
        None => Ok(()),
    }
}

/// A record in the order of the columns of `Writing::insert`.
fn columns(place: &Place<'_>, record: &Record) -> impl rusqlite::Params {
    (
        place.conversation,
        &*record.id,
        record.previous.as_deref(),
        record.created,
        &*record.account,
        record.dialect.name(),
        record.kept == Kept::ThereToo,
        if place.long_input.is_none() { record.input() } else { "" },
        record.response(),
        place.long_input,
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

/// A row of `COLUMNS`, and the number of its input where that is kept apart; `None` where it holds what no version of ours
/// wrote.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<(Record, Option<i64>)>> {
    let dialect: String = row.get(4)?;
    let kept_there: bool = row.get(5)?;
    let response: Box<str> = row.get(7)?;
    let dialect = Dialect::ALL.into_iter().find(|known| known.name() == dialect);
    let (Some(dialect), Some(answer)) = (dialect, Answer::read(response)) else {
        return Ok(None);
    };
    let record = Record {
        id: row.get(0)?,
        previous: row.get(1)?,
        created: row.get(2)?,
        account: row.get(3)?,
        dialect,
        kept: if kept_there { Kept::ThereToo } else { Kept::Here },
        input: row.get(6)?,
        answer,
    };
    Ok(Some((record, row.get(8)?)))
}
