//! The thread that the file belongs to: writes behind a bounded queue, reads as they are asked for.
//!
//! Whatever the disk does, a request goes on: a write that fails is kept in memory alone, a file that is damaged is set
//! aside, and a trouble is logged when it begins and when it ends, not each time it is met.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Limits;
use super::disk::{self, Disk, Span};
use super::record::Record;

/// Jobs in the queue at most.
const QUEUE: usize = 1024;
/// How many of them may be writes: the rest is for those who wait.
const QUEUED_WRITES: usize = 768;
/// Bytes of the writes in the queue at most.
const QUEUED_BYTES: usize = 64 << 20;
/// Responses written at once at most.
const BATCH: usize = 128;
/// How long a write waits for others: one transaction for many costs little more than for one.
const LINGER: Duration = Duration::from_millis(20);
/// How long a file that could not be opened is left alone.
const RETRY: Duration = Duration::from_secs(5);

/// What the file cannot be asked for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

type Reply<T> = oneshot::Sender<Result<T, Unreadable>>;

/// What the thread is asked to do.
pub(super) enum Job {
    /// Keep a response.
    Write(Arc<Record>),
    /// Find a response and those before it.
    Chain(Arc<str>, Span, Reply<Vec<Record>>),
    /// Find the response that an item stands in.
    Item(Box<str>, Reply<Option<Record>>),
    /// Delete a response.
    Remove(Box<str>, Reply<bool>),
    /// Say when everything before has been done.
    Flush(oneshot::Sender<()>),
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Worker {
    queue: SyncSender<Job>,
    thread: JoinHandle<()>,
    queued: Arc<Queued>,
}

#[derive(Debug, Default)]
struct Queued {
    writes: AtomicUsize,
    bytes: AtomicUsize,
}

impl Worker {
    /// Starts the thread over a file, which it opens. `now` is in seconds since 1970.
    pub(super) fn start(path: PathBuf, limits: Limits, now: u64) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let queued = Arc::new(Queued::default());
        let mut file = File {
            path,
            limits,
            disk: None,
            opened_at: now,
            started: Instant::now(),
            retry_at: Instant::now(),
            in_trouble: false,
            queued: Arc::clone(&queued),
        };
        let run = move || {
            let now = file.now();
            let _ = file.attempt(|disk| disk.evict(now));
            file.work(&jobs);
        };
        let thread = thread::Builder::new().name("levity-responses".to_owned()).spawn(run)?;
        Ok(Self { queue, thread, queued })
    }

    /// Hands over a response to write; `false` where there is no room for it.
    pub(super) fn write(&self, record: Arc<Record>) -> bool {
        let size = record.size();
        let writes = self.queued.writes.fetch_add(1, Ordering::Relaxed);
        let bytes = self.queued.bytes.fetch_add(size, Ordering::Relaxed);
        let has_room = writes < QUEUED_WRITES && bytes < QUEUED_BYTES;
        if has_room && self.queue.try_send(Job::Write(record)).is_ok() {
            return true;
        }
        self.queued.done(size);
        false
    }

    /// Hands over a job that someone waits for.
    pub(super) fn ask(&self, job: Job) -> Result<(), Unreadable> {
        self.queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => Unreadable,
        })
    }

    /// Lets the thread finish what it has been handed, and ends it.
    pub(super) fn finish(self) {
        drop(self.queue);
        let _ = self.thread.join();
    }
}

impl Queued {
    fn done(&self, size: usize) {
        self.writes.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(size, Ordering::Relaxed);
    }
}

/// The file, open or not.
struct File {
    path: PathBuf,
    limits: Limits,
    disk: Option<Disk>,
    /// The time of day when the thread was started.
    opened_at: u64,
    started: Instant,
    /// When to try to open the file again.
    retry_at: Instant,
    in_trouble: bool,
    queued: Arc<Queued>,
}

impl File {
    fn work(&mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            let Job::Write(first) = job else {
                self.answer(job);
                continue;
            };
            let (batch, other) = gather(first, jobs);
            self.write(&batch);
            if let Some(job) = other {
                self.answer(job);
            }
        }
    }

    fn write(&mut self, batch: &[Arc<Record>]) {
        let now = self.now();
        if self.attempt(|disk| disk.write(batch, now)).is_some() {
            self.well();
        }
        for record in batch {
            self.queued.done(record.size());
        }
    }

    /// Does what someone waits for; whoever has stopped waiting does not hear it.
    fn answer(&mut self, job: Job) {
        match job {
            Job::Write(record) => self.write(&[record]),
            Job::Chain(id, span, reply) => {
                let _ = reply.send(self.read(|disk| disk.chain(&id, span)));
            }
            Job::Item(id, reply) => {
                let _ = reply.send(self.read(|disk| disk.find_item(&id)));
            }
            Job::Remove(id, reply) => {
                let _ = reply.send(self.read(|disk| disk.remove(&id)));
            }
            Job::Flush(reply) => {
                let _ = reply.send(());
            }
        }
    }

    /// What the file says; nothing where there never was one.
    fn read<T: Default>(
        &mut self,
        what: impl FnMut(&mut Disk) -> Result<T, disk::Error>,
    ) -> Result<T, Unreadable> {
        match self.attempt(what) {
            Some(said) => Ok(said),
            None if self.disk.is_none() && !self.path.exists() => Ok(T::default()),
            None => Err(Unreadable),
        }
    }

    /// Does something with the file. One that turns out to be damaged is set aside, and a new one gets its chance.
    fn attempt<T>(
        &mut self,
        mut what: impl FnMut(&mut Disk) -> Result<T, disk::Error>,
    ) -> Option<T> {
        for _ in 0..2 {
            let done = match &mut self.disk {
                Some(disk) => what(disk),
                None => match self.open() {
                    Some(Ok(disk)) => what(self.disk.insert(disk)),
                    Some(Err(error)) => Err(error),
                    None => return None,
                },
            };
            match done {
                Ok(done) => return Some(done),
                Err(error) if error.is_lasting() => {
                    self.disk = None;
                    self.set_aside(&error);
                }
                Err(error) => {
                    self.trouble(&error);
                    return None;
                }
            }
        }
        None
    }

    /// Opens the file, unless that failed a moment ago.
    fn open(&mut self) -> Option<Result<Disk, disk::Error>> {
        if Instant::now() < self.retry_at {
            return None;
        }
        let opened = Disk::open(&self.path, self.limits);
        if opened.as_ref().is_err_and(|error| !error.is_lasting()) {
            self.retry_at = Instant::now() + RETRY;
        }
        Some(opened)
    }

    fn set_aside(&mut self, error: &disk::Error) {
        let path = self.path.display();
        match disk::set_aside(&self.path) {
            Ok(aside) => log::warn!(
                "the responses kept in {path} are lost: {error}; the file is now {}",
                aside.display()
            ),
            Err(failed) => {
                log::warn!(
                    "the responses kept in {path} are lost: {error}; it cannot be moved: {failed}"
                );
                self.retry_at = Instant::now() + RETRY;
            }
        }
    }

    fn trouble(&mut self, error: &disk::Error) {
        if !std::mem::replace(&mut self.in_trouble, true) {
            let path = self.path.display();
            log::warn!("responses are kept in memory alone: cannot use {path}: {error}");
        }
    }

    fn well(&mut self) {
        if std::mem::take(&mut self.in_trouble) {
            log::info!("responses are kept in {} again", self.path.display());
        }
    }

    /// The time of day, reckoned from the start.
    fn now(&self) -> u64 {
        self.opened_at + self.started.elapsed().as_secs()
    }
}

/// The writes that come within a moment, and the job of another kind that ended the wait.
fn gather(first: Arc<Record>, jobs: &Receiver<Job>) -> (Vec<Arc<Record>>, Option<Job>) {
    let until = Instant::now() + LINGER;
    let mut batch = vec![first];
    while batch.len() < BATCH {
        let wait = until.saturating_duration_since(Instant::now());
        match jobs.recv_timeout(wait) {
            Ok(Job::Write(record)) => batch.push(record),
            Ok(other) => return (batch, Some(other)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    (batch, None)
}
