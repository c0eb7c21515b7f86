//! The state behind the Responses dialect: what `previous_response_id`, item references and `GET /v1/responses/{id}` mean,
//! over any upstream. <https://platform.openai.com/docs/guides/conversation-state>
//!
//! ```text
//!              asked                     resolve                                    capture, record
//! request ──▶ what does it lean on? ──▶ Turn: where may it go, with which body? ──▶ answer ──▶ Record
//!                   │ chain, items            ▲                                                  │ keep
//!                   ▼                         │                                                  ▼
//!               recent (memory) ◀──────▶ worker ──▶ disk (SQLite)                           both of them
//! ```
//!
//! # Where a request goes
//!
//! - It leans on nothing (`Resolution::AsIs`): it is none of the store's business. That is one scan of the top level and a
//!   search for a word; the body is not touched.
//! - Everything that it leans on was answered by one account that speaks this dialect itself, which kept it
//!   (`Resolution::Owned`): that account is preferred, and gets the body as it came. It has the conversation already, its
//!   hidden reasoning and its prompt cache too, and the client's words stay byte for byte. The preference is soft.
//! - Else, or when the owner cannot be had, or says that it has forgotten (`forgotten`: it deleted the response, or thirty
//!   days are over): the body is rebuilt with all items in it, and any account can answer. That the owner is of no use never
//!   ends a conversation.
//!
//! An organisation that retains nothing says `"store":false` in its answers, and is no owner. A server that is not OpenAI's
//! is one where it says `"store":true`: most of those that keep nothing leave the word out.
//!
//! # What a rebuilt body holds
//!
//! For each response of the chain, from the first on: the request's own items, then the output items. `instructions`,
//! `tools` and the rest are the new request's alone, as the API has it. Translated to another dialect, all items are kept:
//! the renderer knows which seals its account reads. For an account that speaks Responses itself, reasoning goes back only to
//! the account that it came from, and only with its proof in it (`encrypted_content`, or its words): to another organisation
//! it is `invalid_encrypted_content`, and without proof it is `Item with id 'rs_…' not found`. Where reasoning is left out,
//! the items beside it lose their ids, since an account of the same organisation would ask for it by them. A compaction
//! among the output items is left out: all that it stands for is there.
//!
//! # What is kept
//!
//! Every `completed` or `incomplete` response of a request without `store: false`, with its items as they were sent, for
//! thirty days after its conversation was last gone on with, within bounds of rows and bytes. Not kept: what the client
//! did not hear to its end, and failures. A response that is deleted, or whose beginning is gone, is a 404 that names what
//! is missing, never a shorter conversation.
//!
//! Clients that send their whole history with every request would have it kept once for each. On disk it is kept once, and
//! what goes on from it in its conversation (`inputs`); a response alone needs no conversation at all. Whatever leans on each
//! other leaves together, and what is deleted takes along the words that no other response has.

pub mod asked;
pub mod capture;
pub mod record;
pub mod resolve;
pub mod serve;

mod items;

mod disk;
mod inputs;
mod recent;
mod room;
mod worker;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::ir::error::{Error, ErrorKind};
use asked::Asked;
use disk::Span;
use recent::Recent;
use record::Record;
use resolve::{Cited, Turn};
use worker::{Job, Unreadable, Worker};

/// The file's name in the folder of the gateway's state.
pub const FILE: &str = "responses.db";

/// Responses that one conversation may have.
const LONGEST: usize = 10_000;
/// How long a reader waits for the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is kept at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Responses on disk.
    pub rows: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// How long after a conversation was last gone on with.
    pub age: Duration,
    /// Bytes in memory.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 100_000, bytes: 1 << 30, age: Duration::from_hours(30 * 24), memory: 64 << 20 }
    }
}

/// The responses that the gateway remembers. A clone is another hand on the same store.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    recent: Mutex<Recent>,
    /// `None`: memory is all there is.
    worker: Mutex<Option<Arc<Worker>>>,
}

impl Store {
    /// A store in a file, which is made where there is none. What is wrong with the file is logged, and never stops
    /// anything: then memory is all there is. `now` is in seconds since 1970.
    pub fn open(path: PathBuf, limits: Limits, now: u64) -> Self {
        let worker = Worker::start(path, limits, now)
            .inspect_err(|error| log::warn!("responses are kept in memory alone: {error}"));
        Self::with(worker.ok(), limits)
    }

    /// A store that lasts as long as the process, or the connection that it was made for.
    pub fn in_memory(limits: Limits) -> Self {
        Self::with(None, limits)
    }

    fn with(worker: Option<Worker>, limits: Limits) -> Self {
        let recent = Mutex::new(Recent::new(limits.memory));
        Self { shared: Arc::new(Shared { recent, worker: Mutex::new(worker.map(Arc::new)) }) }
    }

    /// Reads what a request leans on, all of whose members are noted. `most` is how large its body may become. The error is
    /// for the client: a response or an item that is not known, a conversation that is too long.
    pub async fn turn(&self, body: &Bytes, mut asked: Asked, most: usize) -> Result<Turn, Error> {
        asked.finish(body)?;
        let past = match &asked.previous {
            Some(previous) => self.chain(previous, most).await?,
            None => Vec::new(),
        };
        let mut cited = Vec::with_capacity(asked.references.len());
        for reference in &asked.references {
            let record = self.find_item(&reference.id).await?;
            let found = record.and_then(|record| Cited::of(record, &reference.id));
            cited.push(found.ok_or_else(|| resolve::no_item(&reference.id))?);
        }
        Turn::new((body, asked), past, cited, most)
    }

    /// Remembers a response: in memory at once, on disk in a moment. Never waits.
    pub fn keep(&self, record: Record) {
        let record = Arc::new(record);
        self.shared.recent.lock().insert(Arc::clone(&record));
        if let Some(worker) = self.worker()
            && !worker.write(record)
        {
            log::debug!("a response is kept in memory alone: the disk does not keep up");
        }
    }

    /// The response of an id.
    pub async fn find(&self, id: &str) -> Result<Option<Arc<Record>>, Error> {
        if let Some(record) = self.shared.recent.lock().find(id) {
            return Ok(Some(record));
        }
        Ok(self.load(id.into(), Span { turns: 1, bytes: usize::MAX }).await?.pop())
    }

    /// Forgets a response for good; says whether it was known.
    pub async fn remove(&self, id: &str) -> Result<bool, Error> {
        let was_recent = self.shared.recent.lock().remove(id);
        let was_kept = self.ask(|reply| Job::Remove(id.into(), reply)).await?;
        Ok(was_recent || was_kept)
    }

    /// Resolves when everything that was kept so far has been written, or has failed to be.
    pub async fn flush(&self) {
        if let Some(worker) = self.worker() {
            let (done, flushed) = oneshot::channel();
            if worker.ask(Job::Flush(done)).is_ok() {
                let _ = flushed.await;
            }
        }
    }

    /// Writes what is waiting and closes the file; memory stays. Blocks.
    pub fn close(&self) {
        let worker = self.shared.worker.lock().take();
        // A reader that holds it a moment longer leaves the end to its own drop: the thread then finishes by itself.
        if let Some(worker) = worker.and_then(Arc::into_inner) {
            worker.finish();
        }
    }

    /// A response and all before it, the first one first.
    async fn chain(&self, id: &Arc<str>, most: usize) -> Result<Vec<Arc<Record>>, Error> {
        let mut chain: Vec<Arc<Record>> = Vec::new();
        let mut loaded: HashMap<Arc<str>, Arc<Record>> = HashMap::new();
        let mut weight = 0;
        let mut next = Some(Arc::clone(id));
        while let Some(id) = next.take() {
            // Whatever goes round in a circle is too long as well.
            if chain.len() >= LONGEST || weight > most {
                return Err(resolve::too_long());
            }
            let mut known = loaded.remove(&id).or_else(|| self.shared.recent.lock().find(&id));
            if known.is_none() {
                let bytes = (most - weight).saturating_add(1);
                let span = Span { turns: LONGEST - chain.len(), bytes };
                let read = self.load(Arc::clone(&id), span).await?;
                loaded.extend(read.into_iter().map(|record| (record.id.clone(), record)));
                known = loaded.remove(&id);
            }
            let record = known.ok_or_else(|| resolve::no_previous(&id))?;
            if record.is_running() {
                return Err(resolve::still_running(&id));
            }
            weight += record.weight();
            next.clone_from(&record.previous);
            chain.push(record);
        }
        chain.reverse();
        Ok(chain)
    }

    /// The response that an item stands in.
    async fn find_item(&self, item: &str) -> Result<Option<Arc<Record>>, Error> {
        if let Some(record) = self.shared.recent.lock().find_item(item) {
            return Ok(Some(record));
        }
        let removals = self.shared.recent.lock().removals();
        if let Some(record) = self.ask(|reply| Job::Item(item.into(), reply)).await? {
            return Ok(Some(self.remember(record, removals)));
        }
        if let Some((_, response)) = items::read_made_id(item) {
            return self.find(response).await;
        }
        match items::response_of(item) {
            Some(response) => self.find(&response).await,
            None => Ok(None),
        }
    }

    /// Reads a chain from the disk, the latest first.
    async fn load(&self, id: Arc<str>, span: Span) -> Result<Vec<Arc<Record>>, Error> {
        let removals = self.shared.recent.lock().removals();
        let read = self.ask(|reply| Job::Chain(id, span, reply)).await?;
        Ok(read.into_iter().map(|record| self.remember(record, removals)).collect())
    }

    fn remember(&self, record: Record, removals: u64) -> Arc<Record> {
        let record = Arc::new(record);
        self.shared.recent.lock().insert_read(&record, removals);
        record
    }

    async fn ask<T: Default>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, Unreadable>>) -> Job,
    ) -> Result<T, Error> {
        let Some(worker) = self.worker() else { return Ok(T::default()) };
        let (reply, said) = oneshot::channel();
        worker.ask(job(reply)).map_err(unreadable)?;
        match tokio::time::timeout(PATIENCE, said).await {
            Ok(Ok(said)) => said.map_err(unreadable),
            Ok(Err(_)) | Err(_) => Err(unreadable(Unreadable)),
        }
    }

    fn worker(&self) -> Option<Arc<Worker>> {
        self.shared.worker.lock().clone()
    }
}

fn unreadable(_: Unreadable) -> Error {
    Error {
        retry_after: Some(PATIENCE),
        ..Error::new(
            ErrorKind::Overloaded,
            "the gateway's store of responses cannot be read just now: try again, or send the whole conversation as input",
        )
    }
}
