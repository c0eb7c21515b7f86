//! One attempt beside another: asked by the gateway itself, and heard until its answer has begun or is known to be none.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::client::HttpSession;
use pingora_timeout::fast_timeout::fast_timeout;

use super::attempt::Attempt;
use super::exchange::Call;
use super::fetch::{Channel, Fetch};
use super::handover::Answer;
use super::head::leave_connection;
use super::reply::{Reply, Step, Trouble};
use crate::clock::{self, Now};
use crate::config::Timeouts;

/// What the second account came to.
pub enum Heard {
    /// Its answer has begun.
    Begun(Answer),
    /// Its answer is none, and says so.
    Refused(Answer, Box<Trouble>),
    /// There is no answer.
    Broke(Box<Trouble>),
}

impl Heard {
    /// Whether its answer has begun.
    pub const fn has_begun(&self) -> bool {
        matches!(self, Self::Begun(_))
    }
}

/// How long the account may keep silent.
struct Patience {
    until: Instant,
    idle: Duration,
}

impl Patience {
    /// Waits for what the account does.
    async fn wait<T>(&self, doing: impl Future<Output = Result<T>>) -> Result<T, Box<Trouble>> {
        let left = self.until.saturating_duration_since(Instant::now());
        match fast_timeout(left, doing).await {
            Ok(done) => done.map_err(|error| Box::new(Trouble::broken(&error))),
            Err(_) => Err(Box::new(Trouble::stalled())),
        }
    }
}

/// Asks the account of an attempt. `head` is the one that it is asked with.
pub async fn ask(
    fetch: &Fetch,
    (call, attempt, id): (&Call, &Attempt, &str),
    head: RequestHeader,
    timeouts: Timeouts,
) -> Heard {
    let until = clock::add(Instant::now(), timeouts.first_byte);
    let patience = Patience { until, idle: timeouts.idle };
    let begun = begin(fetch, attempt, head, &patience).await;
    match begun {
        Ok((channel, head)) => hear(channel, head, (call, attempt, id), patience).await,
        Err(trouble) => Heard::Broke(trouble),
    }
}

/// The head of a request that Pingora has not made.
pub fn head(client: &RequestHeader, call: &Call, attempt: &Attempt) -> RequestHeader {
    let mut parts = client.as_owned_parts();
    leave_connection(&mut parts.headers);
    parts.version = http::Version::HTTP_11;
    let mut head = RequestHeader::from(parts);
    attempt.write_head(call, &mut head);
    head
}

/// Sends the request, and reads the head of the answer.
async fn begin(
    fetch: &Fetch,
    attempt: &Attempt,
    head: RequestHeader,
    patience: &Patience,
) -> Result<(Channel, ResponseHeader), Box<Trouble>> {
    let upstream = &attempt.upstream;
    upstream.credential_ready().await.map_err(|lacking| Box::new(lacking.into()))?;
    let destination = &upstream.destination;
    let mut channel = fetch
        .connect(destination)
        .await
        .map_err(|message| Box::new(Trouble::connect(message, destination.scope())))?;
    let head = patience.wait(exchange_heads(&mut channel.session, head, attempt)).await?;
    Ok((channel, head))
}

async fn exchange_heads(
    session: &mut HttpSession<()>,
    head: RequestHeader,
    attempt: &Attempt,
) -> Result<ResponseHeader> {
    session.write_request_header(Box::new(head)).await?;
    if let Err(error) = send_body(session, attempt).await {
        // Who refuses a request early need not read it to its end.
        tracing::debug!("the account did not take the whole request: {error}");
    }
    loop {
        session.read_response_header().await?;
        let head = session.response_header().filter(|head| !head.status.is_informational());
        if let Some(head) = head {
            return Ok(head.clone());
        }
    }
}

async fn send_body(session: &mut HttpSession<()>, attempt: &Attempt) -> Result<()> {
    if !attempt.body.is_empty() {
        session.write_request_body(attempt.body.clone(), true).await?;
    }
    session.finish_request_body().await
}

/// Reads the answer until it is known what it is.
async fn hear(
    mut channel: Channel,
    head: ResponseHeader,
    (call, attempt, id): (&Call, &Attempt, &str),
    mut patience: Patience,
) -> Heard {
    attempt.lease.heard(&head.headers, Now::read);
    let mut reply = Reply::new(head.clone(), call, attempt, id);
    let mut pieces = VecDeque::new();
    loop {
        let piece = match patience.wait(channel.session.read_response_body()).await {
            Ok(piece) => piece,
            Err(trouble) => return Heard::Broke(trouble),
        };
        if reply.is_stream() {
            // Models that think unseen send pings for minutes before the first word.
            patience.until = patience.until.max(clock::add(Instant::now(), patience.idle));
        }
        let ended = piece.is_none();
        pieces.extend(piece.clone());
        let trouble = match reply.push(piece, ended, (call, attempt)) {
            Step::Hold if ended => return Heard::Broke(Box::new(Trouble::empty())),
            Step::Hold => continue,
            Step::Begin(..) | Step::More(_) => None,
            Step::Failed(trouble) => Some(trouble),
        };
        let answer = Answer { head, pieces, channel: (!ended).then_some(channel) };
        return match trouble {
            None => Heard::Begun(answer),
            Some(trouble) => Heard::Refused(answer, trouble),
        };
    }
}
