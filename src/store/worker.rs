//! The thread that the file belongs to: writes behind a bounded queue, reads as they are asked for.
//!
//! Whatever the disk does, a request goes on: a write that fails is kept in memory alone, a file that is damaged is set
//! aside, and a trouble is logged when it begins and when it ends, not each time it is met.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
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
/// How long a write waits for others: one transaction for many costs little more than for one.
const LINGER: Duration = Duration::from_millis(20);
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
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

/// What waits for the thread. A write does not wake it while it lets others gather: to wake a thread for each costs more
/// than to write it.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: Vec<Job>,
    /// How many of them are writes, and what those weigh in bytes.
    writes: usize,
    bytes: usize,
    /// Whether somebody waits for one of them.
    is_urgent: bool,
    /// Whether the thread sleeps until it is woken.
    is_idle: bool,
    /// Whether the thread is to end when all is done.
    is_closed: bool,
}

impl Queue {
    /// All that waits, at once where somebody waits for an answer, else with what comes within a moment. `None`: it is over.
    fn take(&self) -> Option<Vec<Job>> {
        let mut waiting = self.waiting.lock();
        while waiting.jobs.is_empty() {
            if waiting.is_closed {
                return None;
            }
            waiting.is_idle = true;
            self.wake.wait(&mut waiting);
        }
        waiting.is_idle = false;
        let until = Instant::now() + LINGER;
        while !waiting.is_urgent
            && !waiting.is_closed
            && !self.wake.wait_until(&mut waiting, until).timed_out()
        {}
        waiting.is_urgent = false;
        (waiting.writes, waiting.bytes) = (0, 0);
        Some(std::mem::take(&mut waiting.jobs))
    }
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
        let queue = Arc::new(Queue::default());
        let jobs = Arc::clone(&queue);
        let run = move || {
            let now = file.now();
            let _ = file.attempt(|disk| disk.evict(now));
            while let Some(jobs) = jobs.take() {
                file.work(jobs);
            }
        };
        let thread = thread::Builder::new().name("levity-responses".to_owned()).spawn(run)?;
        Ok(Self { queue, thread: Some(thread) })
    }

    /// Hands over a response to write; `false` where there is no room for it.
    pub(super) fn write(&self, record: Arc<Record>) -> bool {
        let mut waiting = self.queue.waiting.lock();
        if waiting.writes >= QUEUED_WRITES || waiting.bytes >= QUEUED_BYTES {
            return false;
        }
        waiting.writes += 1;
        waiting.bytes += record.size();
        waiting.jobs.push(Job::Write(record));
        let is_idle = std::mem::take(&mut waiting.is_idle);
        drop(waiting);
        if is_idle {
            self.queue.wake.notify_one();
        }
        true
    }

    /// Hands over a job that someone waits for.
    pub(super) fn ask(&self, job: Job) -> Result<(), Unreadable> {
        let mut waiting = self.queue.waiting.lock();
        if waiting.jobs.len() >= QUEUE {
            return Err(Unreadable);
        }
        waiting.jobs.push(job);
        waiting.is_urgent = true;
        drop(waiting);
        self.queue.wake.notify_one();
        Ok(())
    }

    /// Lets the thread finish what it has been handed, and ends it.
    pub(super) fn finish(mut self) {
        self.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    fn close(&self) {
        self.queue.waiting.lock().is_closed = true;
        self.queue.wake.notify_one();
    }
}

/// Without `finish`, the thread ends by itself.
impl Drop for Worker {
    fn drop(&mut self) {
        self.close();
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
        if !batch.is_empty() && self.attempt(|disk| disk.write(batch, now)).is_some() {
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
