//! A SQLite file of the gateway's own: private, in WAL mode, shrinking, and of one layout.
//! <https://www.sqlite.org/pragma.html>

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::config::private;

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder or the file cannot be made.
    #[error("{0}")]
    File(#[from] io::Error),
    /// SQLite says no.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// Its layout is not one of ours.
    #[error("it is of another version")]
    Foreign,
    /// Its layout is one that a later version of ours may have made.
    #[error("it was made by a newer levity (layout {0})")]
    Newer(i64),
}

impl Error {
    /// Whether the file will never do, however long one waits: it is damaged, or none of ours.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Foreign => true,
            Self::File(_) | Self::Newer(_) => false,
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            ),
        }
    }
}

/// How a file is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The `user_version` of a file that is laid out so; at least 1.
    pub version: i64,
    /// What makes it out of an empty file.
    pub statements: &'static str,
    /// What makes it out of a file of the version before; `None`: such a file is none of ours.
    pub upgrade: Option<&'static str>,
}

/// Opens the file, readable by its owner alone, or makes it. Another process that holds it is waited for as long as `patience`.
pub fn open(path: &Path, layout: Layout, patience: Duration) -> Result<Connection, Error> {
    make_private(path)?;
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(patience)?;
    check(&connection, layout)?;
    patiently(patience, || prepare(&connection))?;
    make(&mut connection, layout)?;
    Ok(connection)
}

/// Fails unless a file is of this version, can be made so, or is empty.
pub fn check(connection: &Connection, layout: Layout) -> Result<(), Error> {
    // One statement sees one state: another process may be making the file right now.
    let query =
        "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version";
    let (version, tables): (i64, i64) =
        connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    match version {
        0 if tables == 0 => Ok(()),
        version if version == layout.version => Ok(()),
        version if version > layout.version => Err(Error::Newer(version)),
        version if is_upgraded(version, layout) => Ok(()),
        _ => Err(Error::Foreign),
    }
}

/// Whether a version is the one that `upgrade` takes; a file without one may be anything.
const fn is_upgraded(version: i64, layout: Layout) -> bool {
    layout.upgrade.is_some() && version > 0 && version + 1 == layout.version
}

fn make_private(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        private::folder(folder)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    // SQLite gives its other files the mode of this one, but those that are there keep theirs.
    for suffix in ["", "-wal", "-shm"] {
        let file = beside(path, suffix);
        let Ok(found) = fs::metadata(&file) else { continue };
        if found.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

/// A file that SQLite keeps beside its own.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    // An empty file alone takes these two. Each page is written twice, in two calls: half as many of twice the size take a
    // third less time, and what a lone small commit writes doubles.
    connection.pragma_update(None, "page_size", 8192)?;
    // Freed pages go back to the system, so that a bound on bytes is one on the file.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A power cut may lose what was written last, never the file.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten where that costs nothing.
    connection.pragma_update(None, "secure_delete", "FAST")?;
    connection.pragma_update(None, "journal_size_limit", 4 << 20)
}

/// Lays out an empty file, or one of the version before.
fn make(connection: &mut Connection, layout: Layout) -> rusqlite::Result<()> {
    let transaction = begin(connection)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let statements = match layout.upgrade {
        _ if version == 0 => layout.statements,
        Some(upgrade) if is_upgraded(version, layout) => upgrade,
        Some(_) | None => "",
    };
    if !statements.is_empty() {
        transaction.execute_batch(statements)?;
        transaction.pragma_update(None, "user_version", layout.version)?;
    }
    transaction.commit()
}

/// Begins to write. A transaction that reads first could not go on to write when another process has written meanwhile.
pub fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Tries again for a while: SQLite does not wait by itself where it changes the kind of a file's log.
fn patiently(
    patience: Duration,
    mut attempt: impl FnMut() -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let until = Instant::now() + patience;
    loop {
        match attempt() {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < until =>
            {
                thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

/// Bytes of the file that are in use.
pub fn bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let free = free_pages(connection)? * pragma(connection, "page_size")?;
    Ok(size(connection)?.saturating_sub(free))
}

/// Bytes of the file.
pub fn size(connection: &Connection) -> rusqlite::Result<u64> {
    Ok(pages(connection)? * pragma(connection, "page_size")?)
}

/// Pages of the file.
pub fn pages(connection: &Connection) -> rusqlite::Result<u64> {
    pragma(connection, "page_count")
}

/// Pages of the file that are not in use.
pub fn free_pages(connection: &Connection) -> rusqlite::Result<u64> {
    pragma(connection, "freelist_count")
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Gives the pages that deleting left free back to the system.
pub fn give_back(connection: &Connection) -> rusqlite::Result<()> {
    let mut vacuum = connection.prepare("PRAGMA incremental_vacuum")?;
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {}
    Ok(())
}

/// Moves a file that will never do out of the way; the one that was moved before it is lost.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = path.with_extension("db.damaged");
    fs::rename(path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(beside(path, suffix));
    }
    Ok(aside)
}
