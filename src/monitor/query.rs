//! What the request log says when it is asked: a list, one request, sums.
//!
//! A reader has a connection of its own and never waits for the writer. The statements are fixed; whatever comes from
//! outside is bound to them.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row as Line, params};
use serde::{Deserialize, Serialize};

use super::block::Block;
use super::disk::{self, LAYOUT};
use super::filter::Filter;
use super::record::{Bodies, Record, Row, Time, number};
use crate::sqlite;

/// Why the log cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the request log: {0}")]
pub struct Unreadable(#[from] sqlite::Error);

impl From<rusqlite::Error> for Unreadable {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.into())
    }
}

/// How long a reader waits for a file that is being made, or that somebody has locked.
const PATIENCE: Duration = Duration::from_secs(2);
/// What sums are made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The hour.
    Hour,
    /// The day, in UTC.
    Day,
    /// The model as the account was asked for it.
    Model,
    /// The account that was asked last.
    Account,
    /// Whose key it was.
    Caller,
    /// What the client speaks.
    Dialect,
    /// What the client got.
    Status,
}

/// What the requests of one key come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// A time, a name or a status; `None` for what has none.
    pub key: Option<String>,
    /// How many there were.
    pub requests: u64,
    /// Those of them that ended in an error.
    pub errors: u64,
    /// Tokens of the prompts.
    pub input: u64,
    /// Those of them that came from the provider's cache.
    pub cached: u64,
    /// Tokens of the answers.
    pub output: u64,
    /// Those of them that were thoughts.
    pub reasoning: u64,
    /// How long it took until an answer began, on average, in milliseconds.
    pub first_byte_ms_avg: Option<u64>,
}

/// The file, open for reading.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens the file; `None` where there is none yet.
    pub fn open(path: &Path) -> Result<Option<Self>, Unreadable> {
        if !path.exists() {
            return Ok(None);
        }
        // A reader of a file in WAL mode writes to the files beside it, never to the file.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "query_only", true)?;
        sqlite::check(&connection, LAYOUT)?;
        let laid_out = "SELECT count(*) FROM sqlite_schema WHERE name = 'hours'";
        let laid_out: i64 = connection.query_row(laid_out, [], |row| row.get(0))?;
        Ok((laid_out > 0).then_some(Self { connection }))
    }

    /// Requests that pass the filter, the newest first, from before the one of this id.
    pub fn rows(
        &self,
        filter: &Filter,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row>, Unreadable> {
        let end = filter.until.map_or(i64::MAX, Time::first_number);
        let end = before.and_then(number).unwrap_or(i64::MAX).min(end);
        let begin = filter.since.unwrap_or_default().first_number();
        let mut select = self.connection.prepare_cached(
            "SELECT last, data FROM blocks
             WHERE last >= ?1 AND last <= ?2 AND first <= ?3 ORDER BY last DESC",
        )?;
        let mut blocks = select.query([begin, end.saturating_add(disk::REACH), end])?;
        let mut rows: Vec<Row> = Vec::new();
        while let Some(line) = blocks.next()? {
            // Blocks overlap a little: a request of this one may be newer than some that are found.
            let last: i64 = line.get(0)?;
            if rows.len() >= limit {
                keep_newest(&mut rows, limit);
                if rows.last().is_some_and(|oldest| oldest.number() > last) {
                    break;
                }
            }
            let block = read_block(line, 1)?;
            let is_before = |id: &str| before.is_none_or(|before| id < before);
            for entry in block.entries.iter().filter(|entry| is_before(entry.id)) {
                let row = block.row(entry);
                if filter.passes(&row, block.error(entry)) {
                    rows.push(row);
                }
            }
        }
        keep_newest(&mut rows, limit);
        Ok(rows)
    }

    /// The request of an id, with all that is known of it.
    pub fn find(&self, id: &str) -> Result<Option<Record>, Unreadable> {
        let Some(number) = number(id) else { return Ok(None) };
        let mut select = self
            .connection
            .prepare("SELECT data FROM blocks WHERE last >= ?1 AND last <= ?2 AND first <= ?1")?;
        let mut blocks = select.query([number, number.saturating_add(disk::REACH)])?;
        while let Some(line) = blocks.next()? {
            let block = read_block(line, 0)?;
            let Some(entry) = block.entries.iter().find(|entry| entry.id == id) else { continue };
            let mut record = block.record(entry);
            record.bodies = self.bodies(number, id)?;
            return Ok(Some(record));
        }
        Ok(None)
    }

    fn bodies(&self, number: i64, id: &str) -> rusqlite::Result<Option<Box<Bodies>>> {
        let select =
            "SELECT request, response, truncated FROM bodies WHERE number = ?1 AND id = ?2";
        let bodies = self.connection.query_row(select, params![number, id], |line| {
            Ok(Box::new(Bodies {
                request: line.get::<_, String>(0)?.into_bytes(),
                response: line.get::<_, String>(1)?.into_bytes(),
                truncated: line.get(2)?,
            }))
        });
        bodies.optional()
    }

    /// Sums of whole hours; the hours of both ends are counted whole. Times in their order, else what had most requests first.
    pub fn usage(
        &self,
        by: By,
        since: Option<Time>,
        until: Option<Time>,
    ) -> Result<Vec<Total>, Unreadable> {
        let first = since.unwrap_or_default().0 / HOUR;
        let last = until.map_or(i64::MAX as u64, |until| until.0.div_ceil(HOUR));
        let mut select = self.connection.prepare(&sum_statement(by))?;
        let totals = select.query_map([first, last], |line| read_total(line, by))?;
        Ok(totals.collect::<Result<_, _>>()?)
    }
}

const HOUR: u64 = 3_600_000;

/// The block in a column.
fn read_block<'a>(line: &'a Line<'_>, column: usize) -> rusqlite::Result<Block<'a>> {
    let bytes = line.get_ref(column)?.as_blob()?;
    let damaged =
        |error| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error));
    Block::read(bytes).map_err(damaged)
}

/// Sorts rows and keeps the newest.
fn keep_newest(rows: &mut Vec<Row>, limit: usize) {
    rows.sort_unstable_by(|one, other| other.id.cmp(&one.id));
    rows.truncate(limit);
}

fn sum_statement(by: By) -> String {
    let (key, order) = match by {
        By::Hour => ("hour", "key"),
        By::Day => ("hour / 24", "key"),
        By::Model => ("model", "requests DESC, key"),
        By::Account => ("account", "requests DESC, key"),
        By::Caller => ("caller", "requests DESC, key"),
        By::Dialect => ("dialect", "requests DESC, key"),
        By::Status => ("status", "key"),
    };
    format!(
        "SELECT {key} AS key, sum(requests) AS requests, sum(errors), sum(input), sum(cached),
             sum(output), sum(reasoning), sum(first_bytes), sum(first_byte_ms)
         FROM hours WHERE hour >= ?1 AND hour < ?2 GROUP BY key ORDER BY {order}"
    )
}

fn read_total(line: &Line<'_>, by: By) -> rusqlite::Result<Total> {
    let key = match by {
        By::Hour => Some(Time(line.get::<_, u64>(0)?.saturating_mul(HOUR)).seconds().to_string()),
        By::Day => {
            Some(Time(line.get::<_, u64>(0)?.saturating_mul(24 * HOUR)).seconds().to_string())
        }
        By::Status => Some(line.get::<_, u16>(0)?)
            .filter(|status| *status > 0)
            .map(|status| status.to_string()),
        By::Model | By::Account | By::Caller | By::Dialect => {
            Some(line.get::<_, String>(0)?).filter(|name| !name.is_empty())
        }
    };
    let (answers, waited): (u64, u64) = (line.get(7)?, line.get(8)?);
    Ok(Total {
        key,
        requests: line.get(1)?,
        errors: line.get(2)?,
        input: line.get(3)?,
        cached: line.get(4)?,
        output: line.get(5)?,
        reasoning: line.get(6)?,
        first_byte_ms_avg: waited.checked_div(answers),
    })
}
