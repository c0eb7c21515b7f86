//! The request log: every request that is over, in a file that its owner can ask.
//!
//! ```text
//! logging ──▶ Record ──▶ queue (bounded) ──▶ worker ──▶ disk (SQLite) ◀── query
//!                                              │  └──▶ sums by the hour ◀──┘
//!                                              └──▶ live rows
//! ```
//!
//! A request hands its record over and goes on: it never waits for the disk. With the log off it asks one flag.

pub mod record;
pub mod redact;

mod block;
mod disk;
mod sums;
mod worker;

pub mod filter;
pub mod query;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{broadcast, oneshot};

use crate::config;
use crate::queue::Queue;
use crate::sqlite::Error;
use query::{Reader, Unreadable};
use record::{Record, Row};
use redact::Redactor;
use worker::{BOUNDS, File, Job};

/// The file's name in the folder of the gateway's state.
pub const FILE: &str = "requests.db";

/// Rows that a listener may be behind before it is cut off.
const BEHIND: usize = 1024;
/// How long a reader waits for what is being written.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the log was not emptied.
#[derive(Debug, thiserror::Error)]
pub enum Uncleared {
    /// Too much waits for the disk.
    #[error("too much waits for the disk; try again")]
    Busy,
    /// Nobody writes the file.
    #[error("nobody writes the file; start the gateway anew")]
    Over,
    /// The file cannot be used.
    #[error("{0}")]
    File(Error),
}

/// The request log. A clone is another hand on the same one.
#[derive(Clone)]
pub struct Monitor {
    shared: Arc<Shared>,
}

struct Shared {
    is_on: AtomicBool,
    keeps_bodies: AtomicBool,
    queue: Arc<Queue<Job>>,
    dropped: Arc<AtomicU64>,
    live: broadcast::Sender<Arc<Row>>,
    path: Option<PathBuf>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Monitor {
    /// A log in a file, which is made where there is none. What is wrong with the file is logged, and never stops anything.
    pub fn start(path: Option<PathBuf>, settings: config::Monitor, redactor: Redactor) -> Self {
        let queue = Arc::new(Queue::new(BOUNDS));
        let dropped = Arc::new(AtomicU64::new(0));
        let (live, _) = broadcast::channel(BEHIND);
        if path.is_none() && settings.enabled {
            log::warn!(
                "requests are not recorded: set HOME or XDG_STATE_HOME, so that there is a place for them"
            );
        }
        let file = File::new(path.clone(), settings, Arc::clone(&dropped), live.clone());
        let jobs = Arc::clone(&queue);
        let thread = thread::Builder::new().name("levity-requests".to_owned());
        let thread = thread
            .spawn(move || file.run(&jobs))
            .inspect_err(|error| log::warn!("requests are not recorded: {error}"));
        let shared = Shared {
            is_on: AtomicBool::new(false),
            keeps_bodies: AtomicBool::new(false),
            queue,
            dropped,
            live,
            path,
            thread: Mutex::new(thread.ok()),
        };
        let monitor = Self { shared: Arc::new(shared) };
        monitor.configure(settings, redactor);
        monitor
    }

    /// Goes on under other settings; what was recorded before keeps to the old ones.
    pub fn configure(&self, settings: config::Monitor, redactor: Redactor) {
        let runs = self.shared.thread.lock().is_some();
        self.shared.is_on.store(settings.enabled && runs, Ordering::Relaxed);
        self.shared.keeps_bodies.store(settings.enabled && settings.bodies, Ordering::Relaxed);
        if runs && !self.shared.queue.urge(Job::Configure(settings, redactor)) {
            log::warn!(
                "the request log keeps its old settings: too much waits for the disk; reload again"
            );
        }
    }

    /// Whether requests are recorded.
    pub fn is_on(&self) -> bool {
        self.shared.is_on.load(Ordering::Relaxed)
    }

    /// Whether their bodies are recorded too.
    pub fn keeps_bodies(&self) -> bool {
        self.shared.keeps_bodies.load(Ordering::Relaxed)
    }

    /// Remembers a request. Never waits; where there is no room it is dropped and counted.
    pub fn record(&self, record: Box<Record>) {
        let bytes = record.size();
        if !self.shared.queue.gather(Job::Record(record), bytes) {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Requests that were not recorded although the log was on, since the process began.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Every row from now on, shortly after its request has ended. Who falls behind by too many is told so.
    pub fn live(&self) -> broadcast::Receiver<Arc<Row>> {
        self.shared.live.subscribe()
    }

    /// Where the file is, if there is a place for it.
    pub fn path(&self) -> Option<&Path> {
        self.shared.path.as_deref()
    }

    /// Asks the file something, on a thread where that may block, and after all that was recorded so far has been written
    /// (or could not be for two seconds). `None` where nothing has been recorded yet.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, Unreadable> + Send + 'static,
    ) -> Result<Option<T>, Unreadable> {
        self.flush().await;
        let Some(path) = self.shared.path.clone() else { return Ok(None) };
        let asked = tokio::task::spawn_blocking(move || match Reader::open(&path)? {
            Some(reader) => question(&reader).map(Some),
            None => Ok(None),
        });
        // A question that panics has no answer.
        asked.await.unwrap_or(Ok(None))
    }

    /// Deletes all requests; the sums by the hour stay. The error says why they are still there.
    pub async fn clear(&self) -> Result<(), Uncleared> {
        let (reply, cleared) = oneshot::channel();
        if self.shared.thread.lock().is_none() {
            return Err(Uncleared::Over);
        }
        if !self.shared.queue.urge(Job::Clear(reply)) {
            return Err(Uncleared::Busy);
        }
        cleared.await.map_err(|_| Uncleared::Over)?.map_err(Uncleared::File)
    }

    /// Resolves when everything that was recorded so far has been written, or takes too long.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.shared.thread.lock().is_some() && self.shared.queue.urge(Job::Flush(done)) {
            let _ = tokio::time::timeout(PATIENCE, flushed).await;
        }
    }

    /// Writes what is waiting and closes the file; from then on nothing is recorded. Blocks.
    pub fn close(&self) {
        self.shared.is_on.store(false, Ordering::Relaxed);
        self.shared.queue.close();
        let thread = self.shared.thread.lock().take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// Without `close`, the thread ends by itself.
impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close();
    }
}
