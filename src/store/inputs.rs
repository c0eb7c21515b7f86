//! Long inputs in the file: what a client sends again with every request is kept once.
//!
//! Clients that manage their history themselves send the whole conversation each time. An input that begins with all of one
//! that was written lately is kept as that one's number and the rest. It joins that one's conversation, so that what leans on
//! each other leaves together. An input stays as long as a response or a longer input has it, so deleting a response takes
//! away the words that nobody else has, and no others. No number is given twice: one that is still there means what it meant,
//! whatever this process or another one deleted since.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::record::Record;

/// Shorter inputs stand in the row of their response.
const LONG: usize = 4096;
/// Inputs in which the beginning of a new one is looked for, and the bytes of those.
const LATELY: usize = 256;
const LATELY_BYTES: usize = 16 << 20;
/// Pieces that an input may be put together from.
const PIECES: u32 = 64;
/// Responses that may lean on each other: what leaves together should not be all there is.
const TOGETHER: u32 = 512;
/// Bytes at its end by which an input is told from nearly all others.
const TAIL: usize = 32;

/// Whether an input is kept apart from its response.
pub(super) const fn is_long(input: &str) -> bool {
    input.len() >= LONG
}

/// The inputs that were written lately.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    /// The latest last.
    lately: VecDeque<Written>,
    bytes: usize,
    /// How many responses lean on each other in a conversation.
    together: HashMap<i64, u32>,
}

#[derive(Debug)]
struct Written {
    record: Arc<Record>,
    tail: [u8; TAIL],
    known: Known,
}

/// An input of the file that a new one begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The conversation that it leaves with.
    pub(super) conversation: i64,
    number: i64,
    /// How many pieces it is put together from.
    pieces: u32,
    /// Its bytes without the last bracket: as much of the new one is there already.
    length: usize,
}

impl Inputs {
    /// The longest input that a new one begins with, where it is still in the file.
    pub(super) fn beginning(
        &mut self,
        transaction: &Transaction<'_>,
        input: &str,
    ) -> rusqlite::Result<Option<Known>> {
        let begins = |written: &&Written| written.begins(input);
        let longest = self.lately.iter().filter(begins).max_by_key(|written| written.known.length);
        let Some(known) = longest.map(|written| written.known) else { return Ok(None) };
        let is_same = input.len() == known.length + 1;
        let together = self.together.get(&known.conversation).copied().unwrap_or_default();
        // A new beginning, for those that come next to lean on.
        if together >= TOGETHER || known.pieces >= PIECES && !is_same {
            return Ok(None);
        }
        let mut find = transaction.prepare_cached("SELECT 1 FROM inputs WHERE id = ?1")?;
        if find.exists([known.number])? {
            return Ok(Some(known));
        }
        self.forget(|written| written.known.number == known.number);
        Ok(None)
    }

    /// Writes what the file does not have of a record's input; gives the whole input's number and the part that is new.
    pub(super) fn write<'r>(
        &mut self,
        transaction: &Transaction<'_>,
        record: &'r Arc<Record>,
        (beginning, conversation): (Option<Known>, i64),
    ) -> rusqlite::Result<(i64, &'r str)> {
        *self.together.entry(conversation).or_default() += 1;
        let length = beginning.map_or(0, |known| known.length);
        let rest = record.input().get(length..).unwrap_or_default();
        match beginning {
            Some(known) if rest == "]" => return Ok((known.number, rest)),
            Some(_) | None => {}
        }
        let base = beginning.map(|known| known.number);
        let number = transaction
            .prepare_cached("INSERT INTO inputs (conversation, base, text) VALUES (?1, ?2, ?3)")?
            .insert((conversation, base, rest))?;
        let pieces = beginning.map_or(1, |known| known.pieces + 1);
        let length = record.input().len() - 1;
        self.remember(record, Known { conversation, number, pieces, length });
        Ok((number, rest))
    }

    /// Forgets all: what was written has not been.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets the input of a response that is deleted.
    pub(super) fn forget_response(&mut self, id: &str) {
        self.forget(|written| *written.record.id == *id);
    }

    fn forget(&mut self, is_meant: impl Fn(&Written) -> bool) {
        self.lately.retain(|written| !is_meant(written));
        self.bytes = self.lately.iter().map(|written| written.record.input().len()).sum();
        let lately = &self.lately;
        self.together.retain(|conversation, _| {
            lately.iter().any(|written| written.known.conversation == *conversation)
        });
    }

    fn remember(&mut self, record: &Arc<Record>, known: Known) {
        let Some(tail) = tail(record.input(), known.length) else { return };
        self.bytes += record.input().len();
        self.lately.push_back(Written { record: Arc::clone(record), tail, known });
        while self.lately.len() > LATELY || self.bytes > LATELY_BYTES {
            let Some(left) = self.lately.pop_front() else { break };
            self.bytes -= left.record.input().len();
            let conversation = left.known.conversation;
            if self.lately.iter().all(|written| written.known.conversation != conversation) {
                self.together.remove(&conversation);
            }
        }
    }
}

impl Written {
    /// Whether an input is this one with more items, or the same.
    fn begins(&self, input: &str) -> bool {
        let length = self.known.length;
        let rest = input.get(length..).map(str::trim_ascii_start).unwrap_or_default();
        (rest.starts_with(',') || rest == "]")
            && tail(input, length) == Some(self.tail)
            && input.get(..length) == self.record.input().get(..length)
    }
}

/// The bytes before a place.
fn tail(input: &str, end: usize) -> Option<[u8; TAIL]> {
    input.as_bytes().get(..end)?.last_chunk().copied()
}

/// The input of a number; `None` where it is not in the file.
pub(super) fn read(connection: &Connection, number: i64) -> rusqlite::Result<Option<Box<str>>> {
    let mut query = connection.prepare_cached("SELECT base, text FROM inputs WHERE id = ?1")?;
    let mut pieces: Vec<String> = Vec::new();
    let mut next = Some(number);
    while let Some(number) = next {
        let row = query.query_row([number], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((base, text)) = row else { return Ok(None) };
        next = base;
        pieces.push(text);
    }
    let mut input = String::with_capacity(pieces.iter().map(String::len).sum());
    for piece in pieces.iter().rev() {
        // The bracket that ended what is now a beginning.
        input.pop();
        input.push_str(piece);
    }
    Ok(Some(input.into()))
}

/// Deletes an input, and those that it begins with, as far as nobody has them any more.
pub(super) fn release(transaction: &Transaction<'_>, number: i64) -> rusqlite::Result<()> {
    let mut delete = transaction.prepare_cached(
        "DELETE FROM inputs WHERE id = ?1
         AND NOT EXISTS (SELECT 1 FROM inputs longer
             WHERE longer.conversation = inputs.conversation AND longer.base = ?1)
         AND NOT EXISTS (SELECT 1 FROM responses
             WHERE responses.conversation = inputs.conversation AND long_input = ?1)
         RETURNING base",
    )?;
    let mut next = Some(number);
    while let Some(number) = next {
        next = delete.query_row([number], |row| row.get(0)).optional()?.flatten();
    }
    Ok(())
}
