//! The thread that the file belongs to: it writes behind a bounded queue, and deletes what is too much.
//!
//! Whatever the disk does, a request goes on. What cannot be written waits in memory, within bounds; beyond them it is
//! dropped and counted. A file that is damaged is set aside, one of a newer version is left alone; a trouble is logged when
//! it begins and when it ends, not each time it is met.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, oneshot};

use super::disk::Disk;
use super::record::{Record, Row, Time};
use super::redact::Redactor;
use crate::clock::Now;
use crate::config;
use crate::queue::{Bounds, Queue};
use crate::sqlite::{self, Error};

/// What may wait for the disk.
pub(super) const BOUNDS: Bounds = Bounds {
    gathered: 16_384,
    bytes: 64 << 20,
    items: 16_384 + 64,
    linger: Duration::from_millis(100),
};
/// How long a file that could not be used is left alone.
const RETRY: Duration = Duration::from_secs(1);
/// How often what waits is tried to be written when the log is closed; each takes as long as the file's patience.
const LAST_TRIES: usize = 3;
/// How often it is looked for what has become too old.
const AGEING: Duration = Duration::from_mins(1);

/// What the thread is asked to do.
pub(super) enum Job {
    /// Remember a request.
    Record(Box<Record>),
    /// Go on under other settings.
    Configure(config::Monitor, Redactor),
    /// Delete all requests; says whether they are gone.
    Clear(oneshot::Sender<Result<(), Error>>),
    /// Say when everything before has been written, or has failed to be.
    Flush(oneshot::Sender<()>),
}

/// What waits for the file: in boxes, as it came, since records are large to move.
type Waiting = Vec<Box<Record>>;

/// The file, open or not, and what waits for it.
pub(super) struct File {
    path: Option<PathBuf>,
    settings: config::Monitor,
    redactor: Redactor,
    disk: Option<Disk>,
    waiting: Waiting,
    dropped: Arc<AtomicU64>,
    live: broadcast::Sender<Arc<Row>>,
    /// When to try again what failed.
    retry_at: Option<Instant>,
    aged_at: Option<Instant>,
}

impl File {
    /// A file that has not been opened; `None` where there is no place for one.
    pub(super) fn new(
        path: Option<PathBuf>,
        settings: config::Monitor,
        dropped: Arc<AtomicU64>,
        live: broadcast::Sender<Arc<Row>>,
    ) -> Self {
        Self {
            path,
            settings,
            redactor: Redactor::default(),
            disk: None,
            waiting: Vec::new(),
            dropped,
            live,
            retry_at: None,
            aged_at: None,
        }
    }

    /// Works until the queue is closed and done.
    pub(super) fn run(mut self, queue: &Queue<Job>) {
        let patience = |file: &Self| if file.waiting.is_empty() { AGEING } else { RETRY };
        while let Some(jobs) = queue.take(Some(patience(&self))) {
            self.work(jobs);
            self.retain();
        }
        // Who holds the file now may let it go: what is not written in the end is lost.
        for _ in 0..LAST_TRIES {
            self.retry_at = None;
            self.write();
        }
        self.dropped.fetch_add(self.waiting.len() as u64, Ordering::Relaxed);
    }

    /// Does all that was waiting, in its order; the records between two other jobs are one transaction.
    fn work(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            match job {
                Job::Record(record) => self.take_in(record),
                Job::Configure(settings, redactor) => {
                    self.write();
                    (self.settings, self.redactor) = (settings, redactor);
                    self.aged_at = None;
                }
                Job::Clear(reply) => {
                    self.write();
                    let _ = reply.send(self.clear());
                }
                Job::Flush(reply) => {
                    self.write();
                    let _ = reply.send(());
                }
            }
        }
        self.write();
    }

    fn take_in(&mut self, mut record: Box<Record>) {
        if let Some(error) = &mut record.error {
            *error = self.redactor.clean(error);
        }
        if let Some(bodies) = &mut record.bodies {
            for body in [&mut bodies.request, &mut bodies.response] {
                let text = String::from_utf8_lossy(body);
                *body = self.redactor.clean_cut(&text).into_bytes();
            }
        }
        if self.live.receiver_count() > 0 {
            let _ = self.live.send(Arc::new(record.row.clone()));
        }
        if self.path.is_some() {
            self.waiting.push(record);
        }
    }

    /// Writes what waits; where that fails it goes on waiting.
    fn write(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let mut records = std::mem::take(&mut self.waiting);
        match self.attempt(|disk| disk.write(&records)) {
            Some(Ok(())) => records.clear(),
            Some(Err(_)) | None => self.give_up_some(&mut records),
        }
        self.waiting = records;
    }

    /// What waits must not grow without end: the oldest goes first.
    fn give_up_some(&self, records: &mut Waiting) {
        let mut bytes: usize = records.iter().map(|record| record.size()).sum();
        let mut excess = records.len().saturating_sub(BOUNDS.gathered);
        for record in records.iter().take(excess) {
            bytes = bytes.saturating_sub(record.size());
        }
        while bytes > BOUNDS.bytes
            && let Some(record) = records.get(excess)
        {
            bytes = bytes.saturating_sub(record.size());
            excess += 1;
        }
        records.drain(..excess);
        self.dropped.fetch_add(excess as u64, Ordering::Relaxed);
    }

    /// Deletes what is too much, and now and then what is too old.
    fn retain(&mut self) {
        let is_due = self.aged_at.is_none_or(|at| at.elapsed() >= AGEING);
        let retention = self.settings.retention;
        if !is_due && self.disk.is_none() {
            return;
        }
        // With the log off, what is there goes on ageing, and nothing is made.
        if !self.settings.enabled && !self.path.as_ref().is_some_and(|path| path.exists()) {
            return;
        }
        let now = Time(u64::try_from(Now::read().since_epoch().as_millis()).unwrap_or_default());
        let retained = self.attempt(|disk| {
            if is_due || disk.is_over(retention)? { disk.retain(retention, now) } else { Ok(()) }
        });
        if is_due && matches!(retained, Some(Ok(()))) {
            self.aged_at = Some(Instant::now());
        }
    }

    fn clear(&mut self) -> Result<(), Error> {
        self.waiting.clear();
        self.retry_at = None;
        match self.attempt(Disk::clear) {
            Some(done) => done,
            None => Ok(()),
        }
    }

    /// Does something with the file, unless that failed a moment ago. One that turns out to be damaged is set aside, and a
    /// new one gets its chance.
    fn attempt(
        &mut self,
        mut what: impl FnMut(&mut Disk) -> Result<(), Error>,
    ) -> Option<Result<(), Error>> {
        let path = self.path.clone()?;
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return None;
        }
        // Whoever deletes the file wants a new one; the old one would go on without a name.
        if self.disk.is_some() && !path.exists() {
            self.disk = None;
        }
        let mut done = self.attempt_once(&path, &mut what);
        if let Err(error) = &done
            && error.is_lasting()
        {
            self.disk = None;
            Self::set_aside(&path, error);
            done = self.attempt_once(&path, &mut what);
        }
        match &done {
            Ok(()) => self.well(&path),
            Err(error) => self.trouble(&path, error),
        }
        Some(done)
    }

    fn attempt_once(
        &mut self,
        path: &std::path::Path,
        what: &mut impl FnMut(&mut Disk) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match &mut self.disk {
            Some(disk) => what(disk),
            None => what(self.disk.insert(Disk::open(path)?)),
        }
    }

    fn set_aside(path: &std::path::Path, error: &Error) {
        match sqlite::set_aside(path) {
            Ok(aside) => log::warn!(
                "the request log {} cannot be read: {error}; it is now {}, and a new one begins",
                path.display(),
                aside.display()
            ),
            Err(failed) => log::warn!(
                "the request log {} cannot be read: {error}; it cannot be moved: {failed}",
                path.display()
            ),
        }
    }

    fn trouble(&mut self, path: &std::path::Path, error: &Error) {
        if self.retry_at.replace(Instant::now() + RETRY).is_none() {
            let path = path.display();
            let hint = match error {
                Error::Newer(_) => ": upgrade levity, or move the file away",
                Error::File(_) | Error::Sqlite(_) | Error::Foreign => "",
            };
            log::warn!("requests are not recorded: cannot use {path}: {error}{hint}");
        }
    }

    fn well(&mut self, path: &std::path::Path) {
        if self.retry_at.take().is_some() {
            log::info!("requests are recorded in {} again", path.display());
        }
    }
}
