//! What requests come to by the hour: sums that outlive the rows that they were made of.
//!
//! Rows are limited by number, so a busy gateway may keep those of a day; a month's tokens are known all the same.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use rusqlite::{Connection, Transaction, params};

use super::record::{Record, Row, Time};

/// Milliseconds of an hour.
const HOUR: u64 = 3_600_000;
/// How long sums are kept: a year, and a month to compare it with.
const KEPT: u64 = 400 * 24 * HOUR;
/// Lines for one hour. Model names come from clients: beyond this many, new ones count as `other`.
const LINES: usize = 1_000;
/// The name of what has no line of its own.
const OTHER: &str = "other";

/// What one line is about; `""` and 0 for what there was none of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Line<'a> {
    /// Hours since 1970.
    hour: u64,
    dialect: &'a str,
    status: u16,
    account: &'a str,
    model: &'a str,
    caller: &'a str,
}

/// What the requests of one line come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    requests: u64,
    errors: u64,
    input: u64,
    cached: u64,
    output: u64,
    reasoning: u64,
    first_bytes: u64,
    first_byte_ms: u64,
}

/// The lines of the hour at hand.
#[derive(Debug, Default)]
pub(super) struct Sums {
    hour: u64,
    known: HashSet<u64>,
    hasher: RandomState,
}

impl Sums {
    /// Adds requests up.
    pub(super) fn add<'a>(&mut self, records: &'a [Box<Record>]) -> HashMap<Line<'a>, Sum> {
        let mut sums: HashMap<Line<'a>, Sum> = HashMap::new();
        // On a busy gateway most requests are like the one before: what is alike is added up first.
        for run in records.chunk_by(|one, next| Line::of(&one.row) == Line::of(&next.row)) {
            let Some(first) = run.first() else { continue };
            let sum = sums.entry(self.within_bounds(Line::of(&first.row))).or_default();
            for record in run {
                sum.count(&record.row);
            }
        }
        sums
    }

    fn within_bounds<'a>(&mut self, line: Line<'a>) -> Line<'a> {
        if line.hour > self.hour {
            self.hour = line.hour;
            self.known.clear();
        }
        let hash = self.hasher.hash_one(line);
        if self.known.len() >= LINES && !self.known.contains(&hash) {
            return Line { model: OTHER, ..line };
        }
        self.known.insert(hash);
        line
    }
}

impl<'a> Line<'a> {
    fn of(row: &'a Row) -> Self {
        Self {
            hour: row.time.0 / HOUR,
            dialect: &row.dialect,
            status: row.status.unwrap_or(0),
            account: row.account.as_deref().unwrap_or_default(),
            model: row.used.as_deref().unwrap_or_default(),
            caller: row.caller.as_deref().unwrap_or_default(),
        }
    }
}

impl Sum {
    fn count(&mut self, row: &Row) {
        self.add(Self {
            requests: 1,
            errors: u64::from(row.failed()),
            input: row.input,
            cached: row.cached,
            output: row.output,
            reasoning: row.reasoning,
            first_bytes: u64::from(row.first_byte_ms.is_some()),
            first_byte_ms: row.first_byte_ms.unwrap_or(0),
        });
    }

    fn add(&mut self, more: Self) {
        self.requests += more.requests;
        self.errors += more.errors;
        self.input = self.input.saturating_add(more.input);
        self.cached = self.cached.saturating_add(more.cached);
        self.output = self.output.saturating_add(more.output);
        self.reasoning = self.reasoning.saturating_add(more.reasoning);
        self.first_bytes += more.first_bytes;
        self.first_byte_ms = self.first_byte_ms.saturating_add(more.first_byte_ms);
    }
}

/// Lines in the file.
pub(super) fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT count(*) FROM hours", [], |row| row.get(0))
}

/// Deletes the oldest lines, at least so many and an hour of them.
pub(super) fn delete_oldest(connection: &Connection, lines: u64) -> rusqlite::Result<()> {
    let last = "SELECT hour FROM hours ORDER BY hour LIMIT 1 OFFSET ?1";
    connection.execute(&format!("DELETE FROM hours WHERE hour <= ({last})"), [lines])?;
    Ok(())
}

/// Adds sums to those in the file.
pub(super) fn write(
    transaction: &Transaction<'_>,
    sums: &HashMap<Line<'_>, Sum>,
) -> rusqlite::Result<()> {
    let mut add = transaction.prepare_cached(
        "INSERT INTO hours (hour, dialect, status, account, model, caller, requests, errors,
             input, cached, output, reasoning, first_bytes, first_byte_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT DO UPDATE SET
             requests = requests + excluded.requests, errors = errors + excluded.errors,
             input = input + excluded.input, cached = cached + excluded.cached,
             output = output + excluded.output, reasoning = reasoning + excluded.reasoning,
             first_bytes = first_bytes + excluded.first_bytes,
             first_byte_ms = first_byte_ms + excluded.first_byte_ms",
    )?;
    for (line, sum) in sums {
        add.execute(params![
            line.hour,
            line.dialect,
            line.status,
            line.account,
            line.model,
            line.caller,
            sum.requests,
            sum.errors,
            sum.input,
            sum.cached,
            sum.output,
            sum.reasoning,
            sum.first_bytes,
            sum.first_byte_ms
        ])?;
    }
    Ok(())
}

/// Deletes sums that are too old.
pub(super) fn retain(connection: &Connection, now: Time) -> rusqlite::Result<()> {
    let oldest = now.0.saturating_sub(KEPT) / HOUR;
    connection.prepare_cached("DELETE FROM hours WHERE hour < ?1")?.execute([oldest])?;
    Ok(())
}
