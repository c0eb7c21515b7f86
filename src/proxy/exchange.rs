//! One request from its head to its log line: what the filters hand to each other.
//!
//! It grows in three steps: `call` when the request is understood, `attempt` when an account is chosen (replaced when
//! another one is), `reply` when that account's response head is here.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use pingora::http::ResponseHeader;

use super::attempt::{Attempt, Telling, Whose};
use super::hedge::Stage;
use super::live::Live;
use super::replay::Gate;
use super::reply::{Reply, Trouble};
use super::retry::Next;
use super::{CLIENT_LEFT, STOPPED, hedge};
use crate::clock::Now;
use crate::dialects::Dialect;
use crate::embeddings::{self, Api};
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::usage::Usage;
use crate::metrics::OpenStream;
use crate::monitor::record::Bodies;
use crate::pool::account::AccountId;
use crate::pool::explain::Considered;
use crate::pool::queue::Admitted;
use crate::pool::verdict::Verdict;
use crate::route::Operation;
use crate::store::Store;
use crate::store::capture::Capture;
use crate::store::resolve::{Audience, Turn};

/// The context of one request.
pub struct Exchange {
    /// Its id: in the answer's `x-request-id`, in error messages and in the log.
    pub id: String,
    /// When its head was read.
    pub began: Now,
    /// The configuration that it began under; a reload does not touch it.
    pub live: Arc<Live>,
    /// The dialect to answer in, as far as it is known.
    pub dialect: Dialect,
    /// What is asked.
    pub call: Option<Call>,
    /// The account that is asked, and what it is told.
    pub attempt: Option<Attempt>,
    /// What it answers.
    pub reply: Option<Reply>,
    /// Who is asked next.
    pub next: Option<Next>,
    /// The most telling of what went wrong so far, with the head that it came under.
    pub telling: Option<Box<(Trouble, Option<ResponseHeader>)>>,
    /// Counts the request among those that ask accounts.
    pub admitted: Option<Admitted>,
    /// How long it waited for an account.
    pub waited: Duration,
    /// Why there will be no answer.
    pub refusal: Option<Error>,
    /// The responses that clients can go on from.
    pub store: Store,
    /// Picks the response out of the answer, to be remembered.
    pub capture: Option<Capture>,
    /// How the account is told, where it did not take what it was told first.
    pub telling_again: Option<Telling>,
    /// What the exchange and its session tell each other.
    pub gate: Arc<Gate>,
    /// How far it has come with a second account.
    pub hedge: Stage,
    /// Every attempt so far.
    pub trail: Vec<Trial>,
    /// Every choice of an account so far, where anybody wants to know.
    pub choices: Vec<Choice>,
    /// What translations left out.
    pub losses: Losses,
    /// What the answer cost.
    pub usage: Option<Usage>,
    /// When the answer began.
    pub first_byte: Option<Duration>,
    /// The status that the client got.
    pub status: Option<StatusCode>,
    /// How it ended, where not well.
    pub outcome: Option<&'static str>,
    /// Counts the request as open for as long as it lives.
    pub open: Option<super::live::Open>,
    /// Counts its answer as an open stream.
    pub open_stream: Option<OpenStream>,
    /// What the client was told, where it was refused.
    pub error: Option<String>,
    /// What was said, where that is to be kept.
    pub bodies: Option<Box<Bodies>>,
    /// The client's address.
    pub client: Option<SocketAddr>,
    /// Method and path, for the log.
    pub path: String,
    /// The model that the last account was asked for.
    pub used: Option<Arc<str>>,
    /// The origin of the page that asks, where it is allowed to.
    pub origin: Option<http::HeaderValue>,
    /// Whether the console asks, which is told who answers.
    pub probe: bool,
    /// Whether the request is worth a line in the log (health checks are not).
    pub quiet: bool,
}

/// What a client asks an account to do.
#[derive(Clone)]
pub struct Call {
    /// The dialect that it speaks.
    pub dialect: Dialect,
    /// What is to be done.
    pub operation: Operation,
    /// The path, as it came.
    pub path: String,
    /// The query, as it came.
    pub query: Option<String>,
    /// The model, as the client named it.
    pub asked: String,
    /// The model after the aliases: what the pool is asked for.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The body, decompressed.
    pub body: Bytes,
    /// Where the body names the model: each value with its quotes.
    pub model_at: Vec<Range<usize>>,
    /// Its conversation, where there are several accounts to choose from and it matters.
    pub conversation: Option<u64>,
    /// Responses: what the request goes on from.
    pub turn: Option<Turn>,
    /// Why it cannot be told what the request goes on from: an account that keeps it must answer, or nobody can.
    pub unresolved: Option<Error>,
}

/// One choice among accounts.
#[derive(Clone, Debug)]
pub struct Choice {
    /// When it was made.
    pub at: Instant,
    /// Each account that serves the model, and what spoke for or against it.
    pub considered: Vec<Considered>,
}

/// One attempt that is over.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Which account.
    pub account: AccountId,
    /// The status that it answered with, if any.
    pub status: Option<u16>,
    /// What came of it.
    pub note: &'static str,
    /// When the account was chosen.
    pub since: Instant,
    /// How long the account was asked.
    pub took: Duration,
    /// Whether it was asked beside another one.
    pub hedged: bool,
}

impl Trial {
    /// Whether it came to no good answer, though nobody had given it up.
    pub fn failed(&self) -> bool {
        let blameless = [
            Verdict::SERVED.note,
            Verdict::ABANDONED.note,
            Verdict::OVERTAKEN.note,
            Verdict::UNNEEDED.note,
            CLIENT_LEFT,
            STOPPED,
        ];
        !blameless.contains(&self.note)
    }

    /// An attempt that has just ended.
    pub fn of(attempt: &Attempt, status: Option<u16>, note: &'static str, ended: Instant) -> Self {
        let since = attempt.lease.since();
        Self {
            account: attempt.lease.account().id(),
            status,
            note,
            since,
            took: ended.saturating_duration_since(since),
            hedged: attempt.hedged,
        }
    }
}

impl Exchange {
    /// An exchange whose request head has just been read.
    pub fn new(live: Arc<Live>, store: Store) -> Self {
        let began = Now::read();
        Self {
            id: super::live::request_id(began),
            began,
            live,
            dialect: Dialect::OpenAiChat,
            call: None,
            attempt: None,
            reply: None,
            next: None,
            telling: None,
            admitted: None,
            waited: Duration::ZERO,
            refusal: None,
            store,
            capture: None,
            telling_again: None,
            gate: Arc::new(Gate::new(began.monotonic)),
            hedge: Stage::Unseen,
            trail: Vec::new(),
            choices: Vec::new(),
            losses: Losses::default(),
            usage: None,
            first_byte: None,
            status: None,
            outcome: None,
            open: None,
            open_stream: None,
            error: None,
            bodies: None,
            client: None,
            path: String::new(),
            used: None,
            origin: None,
            probe: false,
            quiet: false,
        }
    }

    /// Notes that the client's answer has begun, so long after the request.
    pub fn answer_began(&mut self, status: StatusCode, after: Duration) {
        self.first_byte = Some(after);
        self.status = Some(status);
        if let Some(attempt) = &mut self.attempt
            && status.is_success()
        {
            attempt.lease.answered();
            if self.call.as_ref().is_some_and(|call| call.operation.translatable()) {
                let now = self.began.monotonic + after;
                attempt.lease.measure(now);
                hedge::note(&self.live, self.call.as_ref(), &attempt.lease, now);
            }
        }
    }

    /// The request, as its attempts have to know it.
    pub fn whose(&self) -> Whose<'_> {
        Whose { live: &self.live, id: &self.id, began: self.began }
    }

    /// Keeps a piece of what the client hears, where that is wanted.
    pub fn note_answer(&mut self, piece: &[u8]) {
        if let Some(bodies) = &mut self.bodies {
            bodies.hear(piece);
        }
    }

    /// The accounts that this request has had its chance with.
    pub fn tried(&self) -> Vec<AccountId> {
        self.trail.iter().map(|trial| trial.account).collect()
    }

    /// The name of the account of a trial.
    pub fn name(&self, trial: &Trial) -> &str {
        self.live.name(trial.account)
    }
}

impl Call {
    /// The version in the path of a Gemini request: new SDKs say `v1`, older ones `v1beta`.
    pub fn gemini_version(&self) -> &'static str {
        let first = self.path.split('/').find(|segment| !segment.is_empty());
        match first {
            Some("v1") => "v1",
            Some("v1alpha") => "v1alpha",
            Some(_) | None => "v1beta",
        }
    }

    /// Whether an account's dialect has the client's own words for it. Embeddings are the same in both of OpenAI's.
    pub fn is_own_to(&self, dialect: Dialect) -> bool {
        let embeds_alike = || Api::of(dialect) == Api::of(self.dialect);
        dialect == self.dialect || (self.operation.embeds() && embeds_alike())
    }

    /// Whether the answer is a stream that is one JSON array: Gemini without `alt=sse`.
    pub fn array_stream(&self) -> bool {
        self.operation == Operation::StreamGenerateContent && !self.asks_for_sse()
    }

    fn asks_for_sse(&self) -> bool {
        let query = self.query.as_deref().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes())
            .any(|(name, value)| (name == "alt" || name == "$alt") && value == "sse")
    }

    /// The body for an account of the client's own dialect, which knows the model by another name: every other byte
    /// stays. What the request goes on from is put in where the account does not have it.
    pub fn body_for(&self, account: &str, model: &str, telling: Telling) -> Result<Bytes, Error> {
        let Some(turn) = &self.turn else {
            return Ok(self.plain_body(model));
        };
        let audience = Audience::Account(account);
        let body = match telling {
            Telling::Rebuilt => turn.rebuilt(audience),
            Telling::AsAsked | Telling::Unsealed | Telling::Respelt => turn.body(audience),
        };
        if body.as_ptr() == self.body.as_ptr() {
            return Ok(self.plain_body(model));
        }
        let said = super::receive::said(&body)?;
        Ok(with_model(self, &body, &said.model_at, model))
    }

    fn plain_body(&self, model: &str) -> Bytes {
        let batch = self.operation == Operation::BatchEmbed && model != self.asked;
        match batch.then(|| embeddings::with_model(&self.body, model)).flatten() {
            Some(batch) => batch.into(),
            None => with_model(self, &self.body, &self.model_at, model),
        }
    }
}

fn with_model(call: &Call, body: &Bytes, model_at: &[Range<usize>], model: &str) -> Bytes {
    if model_at.is_empty() || model == call.asked {
        return body.clone();
    }
    let name = serde_json::to_vec(model).unwrap_or_default();
    let mut out = Vec::with_capacity(body.len() + name.len());
    let mut from = 0;
    for range in model_at {
        out.extend_from_slice(body.get(from..range.start).unwrap_or_default());
        out.extend_from_slice(&name);
        from = range.end;
    }
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    out.into()
}
