//! The thread that the file belongs to: writes behind a bounded queue, reads as they are asked for.
//!
//! Whatever the disk does, a request goes on: a write that fails is kept in memory alone, a file that is damaged is set
//! aside, and a trouble is logged when it begins and when it ends, not each time it is met.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Limits;
use super::disk::{Disk, Span};
use super::record::Record;
use crate::queue::{Bounds, Queue};
use crate::sqlite::{self, Error};

/// What may wait: there is room beside the writes for those who wait. One transaction for many costs little more than for one.
/// Until they are written, responses are found in memory.
const BOUNDS: Bounds =
    Bounds { gathered: 4096, bytes: 64 << 20, items: 4352, linger: Duration::from_millis(100) };
/// How long a file that could not be opened is left alone.
const RETRY: Duration = Duration::from_secs(5);

/// What the file cannot be asked for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

type Reply<T> = oneshot::Sender<Result<T, Unreadable>>;

/// What the thread is asked to do.
#[derive(Debug)]
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
    queue: Arc<Queue<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread over a file, which it opens. `now` is in seconds since 1970.
    pub(super) fn start(path: PathBuf, limits: Limits, now: u64) -> std::io::Result<Self> {
        let mut file = File {
            path,
            limits,
            disk: None,
            opened_at: now,
            started: Instant::now(),
            retry_at: Instant::now(),
            in_trouble: false,
        };
        let queue = Arc::new(Queue::new(BOUNDS));
        let jobs = Arc::clone(&queue);
        let run = move || {
            let now = file.now();
            let _ = file.attempt(|disk| disk.evict(now));
            while let Some(jobs) = jobs.take(None) {
                file.work(jobs);
            }
        };
        let thread = thread::Builder::new().name("levity-responses".to_owned()).spawn(run)?;
        Ok(Self { queue, thread: Some(thread) })
    }

    /// Hands over a response to write; `false` where there is no room for it.
    pub(super) fn write(&self, record: Arc<Record>) -> bool {
        let bytes = record.size();
        self.queue.gather(Job::Write(record), bytes)
    }

    /// Hands over a job that someone waits for.
    pub(super) fn ask(&self, job: Job) -> Result<(), Unreadable> {
        if self.queue.urge(job) { Ok(()) } else { Err(Unreadable) }
    }

    /// Lets the thread finish what it has been handed, and ends it.
    pub(super) fn finish(mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Without `finish`, the thread ends by itself.
impl Drop for Worker {
    fn drop(&mut self) {
        self.queue.close();
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
}

impl File {
    /// Does all that was waiting, in its order; the writes between two other jobs are one transaction.
    fn work(&mut self, jobs: Vec<Job>) {
        let mut batch = Vec::new();
        for job in jobs {
            match job {
                Job::Write(record) => batch.push(record),
                Job::Chain(..) | Job::Item(..) | Job::Remove(..) | Job::Flush(_) => {
                    self.write(&std::mem::take(&mut batch));
                    self.answer(job);
                }
            }
        }
        self.write(&batch);
    }

    fn write(&mut self, batch: &[Arc<Record>]) {
        let now = self.now();
        let batch = latest(batch);
        if !batch.is_empty() && self.attempt(|disk| disk.write(&batch, now)).is_some() {
            self.well();
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
        what: impl FnMut(&mut Disk) -> Result<T, Error>,
    ) -> Result<T, Unreadable> {
        match self.attempt(what) {
            Some(said) => Ok(said),
            None if self.disk.is_none() && !self.path.exists() => Ok(T::default()),
            None => Err(Unreadable),
        }
    }

    /// Does something with the file. One that turns out to be damaged is set aside, and a new one gets its chance.
    fn attempt<T>(&mut self, mut what: impl FnMut(&mut Disk) -> Result<T, Error>) -> Option<T> {
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
    fn open(&mut self) -> Option<Result<Disk, Error>> {
        if Instant::now() < self.retry_at {
            return None;
        }
        let opened = Disk::open(&self.path, self.limits);
        if opened.as_ref().is_err_and(|error| !error.is_lasting()) {
            self.retry_at = Instant::now() + RETRY;
        }
        Some(opened)
    }

    fn set_aside(&mut self, error: &Error) {
        let path = self.path.display();
        match sqlite::set_aside(&self.path) {
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

    fn trouble(&mut self, error: &Error) {
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

/// Of several responses of one id the last, in the place of the first: whatever goes on from it comes later.
fn latest(batch: &[Arc<Record>]) -> Vec<Arc<Record>> {
    let mut places = HashMap::with_capacity(batch.len());
    let mut latest: Vec<Arc<Record>> = Vec::with_capacity(batch.len());
    for record in batch {
        let place = *places.entry(&record.id).or_insert(latest.len());
        match latest.get_mut(place) {
            Some(earlier) => earlier.clone_from(record),
            None => latest.push(Arc::clone(record)),
        }
    }
    latest
}
