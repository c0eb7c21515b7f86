//! The file of the request log: written a block of requests at a time, and kept within its bounds.
//!
//! A request's number is the beginning of its id, so numbers are in the order of time, and a block is found by that of its
//! newest request: a list reads from the end, what is too old is what comes first, and a write touches the last page
//! alone. Everything here blocks; `worker` calls it.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::block::Block;
use super::record::{Record, Time};
use super::sums::{self, Sums};
use crate::clock::milliseconds;
use crate::config::Retention;
use crate::sqlite::{self, Error, Layout, begin};

/// How the file is laid out. A file of version 1 had a column for each thing; none was ever released.
pub(super) const LAYOUT: Layout = Layout { version: 2, statements: STATEMENTS, upgrade: None };
/// How long another process may hold the file before a write is put off.
const PATIENCE: Duration = Duration::from_secs(1);
/// Requests of a block at most: who asks for one of them reads them all.
const LARGEST: usize = 256;
/// Numbers between the first and the last of a block at most, those of ten seconds: a request that took long stands in a
/// block of its own time, so that a list need not look for it far away.
const SPAN: i64 = 10_000 << 20;
/// Blocks whose last requests have one number take the next numbers, so many at most.
const NEIGHBOURS: i64 = 64;
/// How far behind a request's own number that of its block may stand.
pub(super) const REACH: i64 = SPAN + NEIGHBOURS;
/// Blocks that one transaction deletes: a gateway beside this one gets its turn in between.
const AT_ONCE: u64 = 512;
/// Pages that may be free without being given back.
const MUCH_FREE: u64 = 256;

const STATEMENTS: &str = "
CREATE TABLE blocks (
    last INTEGER PRIMARY KEY, first INTEGER NOT NULL,
    requests INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE TABLE bodies (
    number INTEGER NOT NULL, id TEXT NOT NULL,
    request TEXT NOT NULL, response TEXT NOT NULL, truncated INTEGER NOT NULL,
    PRIMARY KEY (number, id)
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

/// The open file.
#[derive(Debug)]
pub(super) struct Disk {
    connection: Connection,
    /// Requests in the file,
    rows: u64,
    /// and what SQLite calls the state of the file in which they were counted.
    counted_at: i64,
    sums: Sums,
}

impl Disk {
    /// Opens the file, readable by its owner alone, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let connection = sqlite::open(path, LAYOUT, PATIENCE)?;
        let mut disk = Self { connection, rows: 0, counted_at: 0, sums: Sums::default() };
        disk.count()?;
        Ok(disk)
    }

    /// Writes requests and what they add to the sums, all or nothing.
    pub(super) fn write(&mut self, records: &[Box<Record>]) -> Result<(), Error> {
        let mut sorted: Vec<&Record> = records.iter().map(AsRef::as_ref).collect();
        sorted.sort_unstable_by(|one, other| one.row.id.cmp(&other.row.id));
        let transaction = begin(&mut self.connection)?;
        for together in blocks(&sorted) {
            insert_block(&transaction, together)?;
        }
        for record in sorted {
            insert_bodies(&transaction, record)?;
        }
        let adding = self.sums.add(records);
        sums::write(&transaction, &adding)?;
        transaction.commit()?;
        self.rows += records.len() as u64;
        Ok(())
    }

    /// Deletes what is too old or too much, and gives the room back. `now` is in milliseconds since 1970.
    pub(super) fn retain(&mut self, retention: Retention, now: Time) -> Result<(), Error> {
        // A gateway beside this one writes and deletes too.
        if self.state()? != self.counted_at {
            self.count()?;
        }
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
        while self.rows > most {
            self.delete_oldest(self.rows - most + most / 16, most / 32)?;
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
                self.delete_oldest((self.rows / 16).max(1), self.rows / 32)?;
            } else {
                break;
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Error> {
        self.counted_at = self.state()?;
        let count = "SELECT coalesce(sum(requests), 0) FROM blocks";
        self.rows = self.connection.query_row(count, [], |row| row.get(0))?;
        Ok(())
    }

    /// Another number after each write of another connection's.
    fn state(&self) -> Result<i64, Error> {
        Ok(self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// Deletes so many of the oldest requests; up to `spare` more where that saves taking a block apart.
    fn delete_oldest(&mut self, rows: u64, spare: u64) -> Result<(), Error> {
        match oldest_kept(&self.connection, rows, spare)? {
            Some(bound) => self.delete_before(bound),
            // Another gateway has deleted some meanwhile.
            None => self.count(),
        }
    }

    /// Deletes the requests before a number.
    fn delete_before(&mut self, number: i64) -> Result<(), Error> {
        loop {
            let transaction = begin(&mut self.connection)?;
            let (blocks, mut requests) = delete_some(&transaction, number)?;
            let is_done = blocks < AT_ONCE;
            if is_done {
                requests += trim(&transaction, number)?;
            }
            transaction.commit()?;
            self.rows = self.rows.saturating_sub(requests);
            if is_done {
                return Ok(());
            }
        }
    }
}

/// The blocks to make of requests in the order of their ids.
fn blocks<'a, 'b>(records: &'a [&'b Record]) -> impl Iterator<Item = &'a [&'b Record]> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let first = rest.first()?.row.time.first_number();
        let few = rest.get(..LARGEST).unwrap_or(rest);
        let near = |record: &&Record| record.row.time.first_number() - first < SPAN - (1 << 20);
        let (block, behind) = rest.split_at_checked(few.partition_point(near))?;
        rest = behind;
        Some(block)
    })
}

/// Writes requests as one block.
fn insert_block(transaction: &Transaction<'_>, records: &[&Record]) -> Result<(), Error> {
    let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(()) };
    let data = Block::of(records).write().map_err(io::Error::other)?;
    let (first, mut last) = (first.row.number(), last.row.number());
    let mut insert = transaction.prepare_cached(
        "INSERT INTO blocks (last, first, requests, data) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
    )?;
    for _ in 0..NEIGHBOURS {
        if insert.execute(params![last, first, records.len() as u64, data])? > 0 {
            break;
        }
        last += 1;
    }
    Ok(())
}

/// The number that the requests from it on are kept, so that `rows` of the oldest leave, or up to `spare` more; `None` where
/// there are not so many.
fn oldest_kept(connection: &Connection, rows: u64, spare: u64) -> rusqlite::Result<Option<i64>> {
    let mut select =
        connection.prepare_cached("SELECT last, requests, data FROM blocks ORDER BY last")?;
    let mut blocks = select.query([])?;
    let (mut leaving, mut whole) = (0, 0);
    while let Some(line) = blocks.next()? {
        let (last, requests): (i64, u64) = (line.get(0)?, line.get(1)?);
        let before = leaving;
        leaving += requests;
        if leaving < rows {
            whole = last + 1;
            continue;
        }
        let takes_all = leaving - rows <= spare;
        let first_kept = usize::try_from(rows - before).unwrap_or(usize::MAX);
        let data = line.get_ref(2)?.as_blob().unwrap_or_default();
        let block = Block::read(data).ok().filter(|_| !takes_all);
        let numbers = block.as_ref().and_then(|block| {
            Some((block.entries.first()?.number() + 1, block.entries.get(first_kept)?.number()))
        });
        // At least one of this block and all of those before it leave, though blocks overlap.
        let bound = numbers.map_or(last + 1, |(second, kept)| kept.max(second).max(whole));
        return Ok(Some(bound));
    }
    Ok(None)
}

/// Deletes the oldest blocks that lie before a number as a whole, not all at once; gives how many, and how many requests they
/// held.
fn delete_some(transaction: &Transaction<'_>, number: i64) -> rusqlite::Result<(u64, u64)> {
    let next = "SELECT last FROM blocks WHERE last < ?1 ORDER BY last LIMIT 1 OFFSET ?2";
    let next: Option<i64> = transaction
        .prepare_cached(next)?
        .query_row(params![number, AT_ONCE], |row| row.get(0))
        .optional()?;
    let bound = next.unwrap_or(number);
    let requests = transaction
        .prepare_cached("SELECT coalesce(sum(requests), 0) FROM blocks WHERE last < ?1")?
        .query_row([bound], |row| row.get(0))?;
    transaction.prepare_cached("DELETE FROM bodies WHERE number < ?1")?.execute([bound])?;
    let mut delete = transaction.prepare_cached("DELETE FROM blocks WHERE last < ?1")?;
    Ok((delete.execute([bound])? as u64, requests))
}

/// Takes the requests before a number out of the blocks that it falls into; gives how many.
fn trim(transaction: &Transaction<'_>, number: i64) -> Result<u64, Error> {
    let mut select = transaction.prepare_cached(
        "SELECT last, requests, data FROM blocks
         WHERE last >= ?1 AND last <= ?2 AND first < ?1",
    )?;
    let mut lines = select.query([number, number.saturating_add(REACH)])?;
    let mut trimmed: Vec<(i64, Vec<Record>)> = Vec::new();
    let (mut before, mut after) = (0, 0);
    while let Some(line) = lines.next()? {
        before += line.get::<_, u64>(1)?;
        // What cannot be read is not worth keeping.
        let data = line.get_ref(2)?.as_blob().unwrap_or_default();
        let block = Block::read(data).unwrap_or_default();
        let kept = block.entries.iter().filter(|entry| entry.number() >= number);
        let kept: Vec<Record> = kept.map(|entry| block.record(entry)).collect();
        after += kept.len() as u64;
        trimmed.push((line.get(0)?, kept));
    }
    for (last, kept) in trimmed {
        transaction.prepare_cached("DELETE FROM blocks WHERE last = ?1")?.execute([last])?;
        insert_block(transaction, &kept.iter().collect::<Vec<_>>())?;
    }
    Ok(before - after)
}

/// Writes what was said, where that is to be kept.
fn insert_bodies(transaction: &Transaction<'_>, record: &Record) -> rusqlite::Result<()> {
    let Some(bodies) = &record.bodies else { return Ok(()) };
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO bodies (number, id, request, response, truncated)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            record.row.number(),
            record.row.id,
            String::from_utf8_lossy(&bodies.request),
            String::from_utf8_lossy(&bodies.response),
            bodies.truncated
        ])?;
    Ok(())
}
