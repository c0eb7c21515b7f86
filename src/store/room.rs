//! What leaves the file when it is too old or too much?

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::Limits;
use super::disk::ALONE;
use crate::sqlite::bytes;

/// What making room led to.
pub(super) struct Room {
    /// Responses in the file.
    pub(super) rows: u64,
    /// Whether any had to leave.
    pub(super) evicted: bool,
}

/// Deletes what is too old, and the oldest of what is too much.
pub(super) fn make(
    transaction: &Transaction<'_>,
    limits: Limits,
    rows: u64,
    now: u64,
) -> rusqlite::Result<Room> {
    let oldest = now.saturating_sub(limits.age.as_secs());
    let mut evicted = transaction
        .prepare_cached("DELETE FROM conversations WHERE used < ?1")?
        .execute([oldest])?;
    evicted += transaction
        .prepare_cached("DELETE FROM responses WHERE conversation = ?1 AND created < ?2")?
        .execute(params![ALONE, oldest])?;
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

fn count(transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
    transaction.prepare_cached("SELECT count(*) FROM responses")?.query_row([], |row| row.get(0))
}

/// Deletes the conversation that was gone on with longest ago, or the response that is alone and older; gives the number of
/// responses that it had.
fn delete_oldest(transaction: &Transaction<'_>) -> rusqlite::Result<Option<u64>> {
    let oldest: Option<(i64, u64)> = transaction
        .prepare_cached(
            "SELECT id, used FROM conversations WHERE id <> ?1 ORDER BY used, id LIMIT 1",
        )?
        .query_row([ALONE], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let alone: Option<(i64, u64)> = transaction
        .prepare_cached(
            "SELECT rowid, created FROM responses WHERE conversation = ?1
             ORDER BY created, rowid LIMIT 1",
        )?
        .query_row([ALONE], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let is_alone = |created| oldest.is_none_or(|(_, used)| created <= used);
    if let Some((row, _)) = alone.filter(|(_, created)| is_alone(*created)) {
        let query = "DELETE FROM responses WHERE rowid = ?1";
        return Ok(Some(transaction.prepare_cached(query)?.execute([row])? as u64));
    }
    let Some((oldest, _)) = oldest else { return Ok(None) };
    let responses = transaction
        .prepare_cached("DELETE FROM responses WHERE conversation = ?1")?
        .execute([oldest])?;
    transaction.prepare_cached("DELETE FROM conversations WHERE id = ?1")?.execute([oldest])?;
    Ok(Some(responses as u64))
}
