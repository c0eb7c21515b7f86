//! What broke in the middle of an attempt: the client, the account, or a connection that had gone stale.

use pingora::{Error, ErrorSource, ErrorType};

use super::exchange::Exchange;
use super::replay;
use super::reply::{Step, Trouble};
use super::retry::MOVED_ON;
use super::tunnel::Refused;
use crate::ir::error::{Error as Refusal, ErrorKind};
use crate::pool::verdict::{Failure, Verdict};

/// How often a request is sent again because a kept connection had gone stale.
const RESENDS: u32 = 2;

/// What an error in the middle of an attempt means.
pub enum Broke {
    /// The answer was judged; whether another attempt follows is decided.
    Decided(bool),
    /// The client is gone.
    Client,
    /// The client has heard the beginning: `fail_to_proxy` ends its stream.
    AfterBegin,
    /// The gateway is being stopped, and the client has heard nothing.
    Stopped,
    /// A kept connection had been closed by the other side: the same account gets the request again.
    Stale,
    /// A second account began its answer first.
    Overtaken,
    /// The account failed.
    Upstream(Trouble),
}

/// Tells apart why an attempt ended with an error.
pub fn what_broke(error: &Error, exchange: &mut Exchange, reused: bool) -> Broke {
    if *error.etype() == MOVED_ON {
        return Broke::Decided(error.retry());
    }
    if *error.etype() == replay::OVERTAKEN {
        return Broke::Overtaken;
    }
    let stalled = *error.etype() == replay::STALLED;
    let ended = *error.etype() == replay::ENDED_EARLY;
    let stopped = *error.etype() == replay::STOPPED;
    if *error.esource() == ErrorSource::Downstream && !stalled && !ended && !stopped {
        return Broke::Client;
    }
    if !exchange.gate.is_held() {
        return Broke::AfterBegin;
    }
    if stopped {
        return Broke::Stopped;
    }
    let resent = exchange.attempt.as_ref().map_or(0, |attempt| attempt.resent);
    if reused && exchange.reply.is_none() && !stalled && resent < RESENDS {
        return Broke::Stale;
    }
    if ended && let Some(trouble) = judge_unheard(exchange) {
        return Broke::Upstream(trouble);
    }
    Broke::Upstream(if stalled {
        Trouble::stalled()
    } else if ended {
        Trouble::empty()
    } else {
        Trouble::broken(error)
    })
}

impl Trouble {
    /// Nothing came for too long.
    pub fn stalled() -> Self {
        let error = Refusal::new(ErrorKind::Timeout, "the provider kept silent for too long");
        Self { verdict: Verdict::failed(Failure::Stalled), error, raw: None }
    }

    /// The answer ended before it began.
    pub fn empty() -> Self {
        let error = Refusal::new(ErrorKind::Internal, "the provider answered with nothing");
        Self { verdict: Verdict::failed(Failure::Empty), error, raw: None }
    }

    /// The connection broke.
    pub fn broken(error: &Error) -> Self {
        let message = format!("the connection to the provider broke: {}", reason(error));
        let error = Refusal::new(ErrorKind::Internal, message);
        Self { verdict: Verdict::failed(Failure::Broken), error, raw: None }
    }
}

/// Judges an answer that ended without a byte: a refusal says enough by its head.
fn judge_unheard(exchange: &mut Exchange) -> Option<Trouble> {
    let Exchange { call: Some(call), attempt: Some(attempt), reply: Some(reply), .. } = exchange
    else {
        return None;
    };
    match reply.push(None, true, (call, attempt)) {
        Step::Failed(trouble) => Some(*trouble),
        Step::Hold | Step::Begin(..) | Step::More(_) => None,
    }
}

/// What broke, in a few words: Pingora's kind of error, or what a proxy on the way did.
pub fn reason(error: &Error) -> String {
    let root = error.root_cause();
    let refused = root.downcast_ref::<Refused>().map(ToString::to_string);
    refused.unwrap_or_else(|| {
        let kind = error.etype();
        let is_refused = *kind == ErrorType::ConnectRefused;
        if is_refused { "connection refused" } else { kind.as_str() }.to_owned()
    })
}
