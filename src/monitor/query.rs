//! What the request log says when it is asked: a list, one request, sums.
//!
//! A reader has a connection of its own and never waits for the writer. The statements are fixed; whatever comes from
//! outside is bound to them.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row as Line, params};
use serde::{Deserialize, Serialize};

use super::disk::{COLUMNS, LAYOUT};
use super::record::{Bodies, Record, Row, Time, Tried, Word, number};
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
/// How far from its own number a request may stand.
pub(super) const NEIGHBOURS: i64 = 64;

/// Which requests are wanted; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What the client got.
    pub status: Option<Status>,
    /// The model, as it was asked for or as the account was asked for it.
    pub model: Option<String>,
    /// The account that was asked last.
    pub account: Option<String>,
    /// What the client speaks.
    pub dialect: Option<String>,
    /// Whose key it was.
    pub caller: Option<String>,
    /// Stands somewhere in path, model, account, outcome, error or id; letters of either case.
    pub text: Option<String>,
    /// Begun then or later.
    pub since: Option<Time>,
    /// Begun before.
    pub until: Option<Time>,
}

/// A kind of status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Those from the first to the last: `429`, `2xx`.
    Within(u16, u16),
    /// Whatever ended in an error, streams that broke off included.
    Error,
}

impl Filter {
    /// Whether a row passes; what a row does not hold (what the client was told) is not looked at.
    pub fn passes(&self, row: &Row) -> bool {
        let is = |wanted: &Option<String>, is: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| is == Some(wanted))
        };
        let status = match self.status {
            None => true,
            Some(Status::Error) => row.failed(),
            Some(Status::Within(least, most)) => {
                row.status.is_some_and(|status| (least..=most).contains(&status))
            }
        };
        let (asked, used) = (row.model.as_deref(), row.used.as_deref());
        status
            && (is(&self.model, asked) || is(&self.model, used))
            && is(&self.account, row.account.as_deref())
            && is(&self.dialect, Some(&row.dialect))
            && is(&self.caller, row.caller.as_deref())
            && self.since.is_none_or(|since| row.time >= since)
            && self.until.is_none_or(|until| row.time < until)
            && self.text.as_deref().is_none_or(|text| holds(row, text))
    }
}

/// Whether a text stands somewhere in a row.
fn holds(row: &Row, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let (account, outcome) = (row.account.as_deref(), row.outcome.as_deref());
    let places = [Some(&*row.path), row.model.as_deref(), row.used.as_deref(), account, outcome];
    let mut places = places.into_iter().flatten().chain([&*row.id]);
    places.any(|place| place.to_ascii_lowercase().contains(&text))
}

impl Status {
    /// Reads `429`, `2xx` or `error`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "error" {
            return Some(Self::Error);
        }
        if let Some(class) = text.strip_suffix("xx") {
            let class: u16 = class.parse().ok().filter(|class| (1..=5).contains(class))?;
            return Some(Self::Within(class * 100, class * 100 + 99));
        }
        let status = text.parse().ok().filter(|status| (100..1000).contains(status))?;
        Some(Self::Within(status, status))
    }
}

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
        sqlite::check(&connection, LAYOUT.version)?;
        let laid_out = "SELECT count(*) FROM sqlite_schema WHERE name = 'hours'";
        let laid_out: i64 = connection.query_row(laid_out, [], |row| row.get(0))?;
        Ok((laid_out > 0).then_some(Self { connection }))
    }

    /// Requests that pass the filter, the newest first, from before the one of this number.
    pub fn rows(
        &self,
        filter: &Filter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Row>, Unreadable> {
        let end = filter.until.map_or(i64::MAX, Time::first_number);
        let (least, most) = match filter.status {
            Some(Status::Within(least, most)) => (Some(least), Some(most)),
            Some(Status::Error) | None => (None, None),
        };
        let text = filter.text.as_deref().map(somewhere);
        let mut select = self.connection.prepare_cached(&list_statement())?;
        let rows = select.query_map(
            params![
                before.unwrap_or(i64::MAX).min(end),
                filter.since.unwrap_or_default().first_number(),
                least,
                most,
                filter.status == Some(Status::Error),
                filter.model,
                filter.account,
                filter.dialect,
                filter.caller,
                text,
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
            read_row,
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The request of an id, with all that is known of it.
    pub fn find(&self, id: &str) -> Result<Option<Record>, Unreadable> {
        let Some(number) = number(id) else { return Ok(None) };
        let select = format!(
            "SELECT {COLUMNS} FROM requests WHERE number BETWEEN ?1 AND ?2 AND id = ?3 LIMIT 1"
        );
        let until = number.saturating_add(NEIGHBOURS);
        let found = self
            .connection
            .query_row(&select, params![number, until, id], |line| {
                Ok((line.get::<_, i64>(0)?, read_record(line)?))
            })
            .optional()?;
        let Some((number, mut record)) = found else { return Ok(None) };
        let select = "SELECT request, response, truncated FROM bodies WHERE number = ?1";
        let bodies = self.connection.query_row(select, [number], |line| {
            Ok(Bodies {
                request: line.get::<_, String>(0)?.into_bytes(),
                response: line.get::<_, String>(1)?.into_bytes(),
                truncated: line.get(2)?,
            })
        });
        record.bodies = bodies.optional()?.map(Box::new);
        Ok(Some(record))
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

fn list_statement() -> String {
    format!(
        "SELECT {COLUMNS} FROM requests
         WHERE number < ?1 AND number >= ?2
           AND (?3 IS NULL OR status BETWEEN ?3 AND ?4)
           AND (NOT ?5 OR failed)
           AND (?6 IS NULL OR model = ?6 OR used = ?6)
           AND (?7 IS NULL OR account = ?7)
           AND (?8 IS NULL OR dialect = ?8)
           AND (?9 IS NULL OR caller = ?9)
           AND (?10 IS NULL OR path LIKE ?10 ESCAPE '!' OR model LIKE ?10 ESCAPE '!'
             OR used LIKE ?10 ESCAPE '!' OR account LIKE ?10 ESCAPE '!'
             OR outcome LIKE ?10 ESCAPE '!' OR error LIKE ?10 ESCAPE '!'
             OR id LIKE ?10 ESCAPE '!')
         ORDER BY number DESC LIMIT ?11"
    )
}

/// A pattern for a text that stands anywhere, letter by letter.
fn somewhere(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
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

/// A row of `COLUMNS`.
fn read_row(line: &Line<'_>) -> rusqlite::Result<Row> {
    let word = |place| line.get::<_, String>(place).map(Word::Owned);
    Ok(Row {
        time: Time::of_number(line.get(0)?),
        id: line.get(1)?,
        client: line.get::<_, Option<String>>(2)?.and_then(|client| client.parse().ok()),
        caller: line.get(3)?,
        dialect: word(4)?,
        method: word(5)?,
        path: line.get(6)?,
        model: line.get(7)?,
        used: line.get(8)?,
        account: line.get(9)?,
        stream: line.get(10)?,
        status: line.get(11)?,
        outcome: line.get::<_, Option<String>>(12)?.map(Word::Owned),
        waited_ms: line.get(14)?,
        first_byte_ms: line.get(15)?,
        total_ms: line.get(16)?,
        attempts: line.get(17)?,
        input: line.get(18)?,
        cached: line.get(19)?,
        output: line.get(20)?,
        reasoning: line.get(21)?,
        dropped: list(line, 22)?,
    })
}

fn read_record(line: &Line<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        row: read_row(line)?,
        trail: list::<Tried>(line, 23)?,
        explain: list(line, 24)?,
        error: line.get(25)?,
        bodies: None,
    })
}

/// A list that is kept as JSON.
fn list<T: serde::de::DeserializeOwned>(line: &Line<'_>, place: usize) -> rusqlite::Result<Vec<T>> {
    let text: Option<String> = line.get(place)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}
