//! Requests as they stand in the file: many in one piece of bytes, with each text in it once.
//!
//! A column for each thing that is known of a request, twenty-six of them, costs SQLite more than the whole rest of the
//! log. Requests that end together are alike, so that one of a block takes about 60 bytes.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::record::{Record, Row, Time, Tried, Word, number};

/// Bytes that are kept of a path or a model's name.
const LONGEST_NAME: usize = 512;
/// Bytes that are kept of what a client was told.
const LONGEST_ERROR: usize = 4096;

/// What stands before the bytes of a block: another way to write them would be another one.
#[derive(Serialize, Deserialize)]
enum Written<'a> {
    #[serde(borrow)]
    First(Block<'a>),
}

/// Some requests, in the order of their ids.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Block<'a> {
    /// Each text once. Its place, counted from 1, is what entries say; 0 stands for no text.
    #[serde(borrow)]
    words: Vec<&'a str>,
    pub(super) entries: Vec<Entry<'a>>,
}

/// One request of a block. What is named like a text is the place of a word.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Entry<'a> {
    pub(super) id: &'a str,
    client: Option<SocketAddr>,
    caller: u32,
    dialect: u32,
    method: u32,
    path: u32,
    model: u32,
    used: u32,
    account: u32,
    stream: bool,
    /// 0 for none.
    status: u16,
    outcome: u32,
    waited_ms: u64,
    first_byte_ms: Option<u64>,
    total_ms: u64,
    attempts: u32,
    input: u64,
    cached: u64,
    output: u64,
    reasoning: u64,
    dropped: Vec<u32>,
    trail: Vec<Attempt>,
    explain: Vec<u32>,
    error: u32,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Attempt {
    account: u32,
    status: u16,
    note: u32,
    ms: u64,
    hedge_ms: Option<u64>,
}

impl<'a> Block<'a> {
    /// Puts requests together.
    pub(super) fn of(records: &[&'a Record]) -> Self {
        let mut words = Words::default();
        let mut entries: Vec<Entry<'a>> = Vec::with_capacity(records.len());
        let none = Entry::default();
        for record in records {
            let entry = words.entry(record, entries.last().unwrap_or(&none));
            entries.push(entry);
        }
        Block { words: words.words, entries }
    }

    /// The bytes of a block.
    pub(super) fn write(self) -> Result<Vec<u8>, postcard::Error> {
        let bytes = Vec::with_capacity(64 * (self.entries.len() + 4));
        postcard::to_extend(&Written::First(self), bytes)
    }

    /// Reads the bytes of a block.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, postcard::Error> {
        let Written::First(block) = postcard::from_bytes(bytes)?;
        Ok(block)
    }

    /// One of its requests, as a list shows it.
    pub(super) fn row(&self, entry: &Entry<'_>) -> Row {
        Row {
            id: entry.id.to_owned(),
            time: Time::of_number(number(entry.id).unwrap_or_default()),
            client: entry.client,
            caller: self.text(entry.caller).map(Into::into),
            dialect: self.word(entry.dialect),
            method: self.word(entry.method),
            path: self.text(entry.path).unwrap_or_default().into(),
            model: self.text(entry.model).map(Into::into),
            used: self.text(entry.used).map(Into::into),
            account: self.text(entry.account).map(Into::into),
            stream: entry.stream,
            status: status(entry.status),
            outcome: self.text(entry.outcome).map(|outcome| Word::Owned(outcome.into())),
            waited_ms: entry.waited_ms,
            first_byte_ms: entry.first_byte_ms,
            total_ms: entry.total_ms,
            attempts: entry.attempts,
            input: entry.input,
            cached: entry.cached,
            output: entry.output,
            reasoning: entry.reasoning,
            dropped: entry.dropped.iter().map(|place| self.word(*place)).collect(),
        }
    }

    /// One of its requests with all that is known of it but its bodies.
    pub(super) fn record(&self, entry: &Entry<'_>) -> Record {
        let tried = |attempt: &Attempt| Tried {
            account: self.text(attempt.account).unwrap_or_default().into(),
            status: status(attempt.status),
            note: self.word(attempt.note),
            ms: attempt.ms,
            hedge_ms: attempt.hedge_ms,
        };
        let line = |place: &u32| self.text(*place).unwrap_or_default().into();
        Record {
            row: self.row(entry),
            trail: entry.trail.iter().map(tried).collect(),
            explain: entry.explain.iter().map(line).collect(),
            error: self.error(entry).map(Into::into),
            bodies: None,
        }
    }

    /// What the client of one of its requests was told.
    pub(super) fn error(&self, entry: &Entry<'_>) -> Option<&'a str> {
        self.text(entry.error)
    }

    fn text(&self, place: u32) -> Option<&'a str> {
        let place = usize::try_from(place).ok()?.checked_sub(1)?;
        self.words.get(place).copied()
    }

    fn word(&self, place: u32) -> Word {
        Word::Owned(self.text(place).unwrap_or_default().into())
    }
}

impl Entry<'_> {
    /// Its place in the order of time.
    pub(super) fn number(&self) -> i64 {
        number(self.id).unwrap_or_default()
    }
}

/// 0 is no status.
fn status(status: u16) -> Option<u16> {
    Some(status).filter(|status| *status > 0)
}

/// The words of a block in the making.
#[derive(Default)]
struct Words<'a> {
    words: Vec<&'a str>,
    places: HashMap<&'a str, u32>,
}

impl<'a> Words<'a> {
    /// A request, which is most often like the one before.
    fn entry(&mut self, record: &'a Record, before: &Entry<'a>) -> Entry<'a> {
        let Record { row, trail, explain, error, bodies: _ } = record;
        let name = |name: &'a str| cut(name, LONGEST_NAME);
        let error = error.as_deref().map(|error| cut(error, LONGEST_ERROR));
        Entry {
            id: &row.id,
            client: row.client,
            caller: self.maybe(row.caller.as_deref(), before.caller),
            dialect: self.place(&row.dialect, before.dialect),
            method: self.place(name(&row.method), before.method),
            path: self.place(name(&row.path), before.path),
            model: self.maybe(row.model.as_deref().map(name), before.model),
            used: self.maybe(row.used.as_deref().map(name), before.used),
            account: self.maybe(row.account.as_deref(), before.account),
            stream: row.stream,
            status: row.status.unwrap_or(0),
            outcome: self.maybe(row.outcome.as_deref(), before.outcome),
            waited_ms: row.waited_ms,
            first_byte_ms: row.first_byte_ms,
            total_ms: row.total_ms,
            attempts: row.attempts,
            input: row.input,
            cached: row.cached,
            output: row.output,
            reasoning: row.reasoning,
            dropped: row.dropped.iter().map(|word| self.place(word, 0)).collect(),
            trail: self.trail(trail, &before.trail),
            explain: explain.iter().map(|line| self.place(line, 0)).collect(),
            error: self.maybe(error, before.error),
        }
    }

    fn trail(&mut self, trail: &'a [Tried], before: &[Attempt]) -> Vec<Attempt> {
        let before = before.first().copied().unwrap_or_default();
        let attempt = |tried: &'a Tried| Attempt {
            account: self.place(&tried.account, before.account),
            status: tried.status.unwrap_or(0),
            note: self.place(&tried.note, before.note),
            ms: tried.ms,
            hedge_ms: tried.hedge_ms,
        };
        trail.iter().map(attempt).collect()
    }

    fn maybe(&mut self, text: Option<&'a str>, guess: u32) -> u32 {
        text.map_or(0, |text| self.place(text, guess))
    }

    /// The place of a word, which is tried at `guess` first.
    fn place(&mut self, word: &'a str, guess: u32) -> u32 {
        let guessed = (guess as usize).checked_sub(1).and_then(|place| self.words.get(place));
        if guessed == Some(&word) {
            return guess;
        }
        *self.places.entry(word).or_insert_with(|| {
            self.words.push(word);
            u32::try_from(self.words.len()).unwrap_or(0)
        })
    }
}

/// What a client made up is kept to a length that a list can show.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}
