//! What an answer says of the account that gave it: status, headers and error body → a verdict.
//! Pure.

use http::{HeaderMap, StatusCode};

use super::cooldown::Wait;
use super::fault::{Fault, Form};
use super::wait::{self, Said};
use super::words::{self, Sign};
use crate::clock::Now;
use crate::config::Provider;

/// What an attempt at an account came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What it means for the account.
    pub outcome: Outcome,
    /// The same for the log and the owner; never the provider's own words, which may hold a part of
    /// the key.
    pub note: &'static str,
}

/// What an attempt means for the account that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Served,
    /// Nothing is known: the client left, or a kept-alive connection had gone stale and is
    /// replaced.
    Abandoned,
    /// The request is wrong, and would be at any account.
    ClientFault,
    /// This account cannot take this very request, another may; it says nothing of other requests.
    Unfit,
    /// It does not have the model.
    Missing,
    /// It has to rest.
    Limited {
        /// How much of it.
        scope: Scope,
        /// What ran out.
        kind: Kind,
        /// How long.
        wait: Wait,
    },
    /// It refused the key: out until the owner changes it.
    Rejected,
    /// It failed, which may pass.
    Failed {
        /// What to avoid for a moment.
        scope: Scope,
        /// How.
        failure: Failure,
    },
}

/// How much a verdict is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The model at this account.
    Model,
    /// The account.
    Account,
    /// Every account at the same provider and base URL.
    Provider,
}

/// What ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Requests or tokens in a short window.
    Rate,
    /// A day's or month's allowance, or money.
    Quota,
    /// The provider's own capacity.
    Capacity,
}

/// How an attempt failed without an error that the API wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection: refused, unresolved, timed out, or TLS failed.
    Connect,
    /// The connection broke before the answer was whole.
    Broken,
    /// No byte came within `first_byte` or `idle`.
    Stalled,
    /// The answer was none that the dialect has: an HTML page, a broken head, a cut body.
    Garbled,
    /// A success without any content.
    Empty,
    /// The server said that it failed.
    Server,
}

impl Verdict {
    /// The account answered as asked.
    pub const SERVED: Self = Self { outcome: Outcome::Served, note: "answered" };

    /// The attempt ended before it said anything.
    pub const ABANDONED: Self = Self { outcome: Outcome::Abandoned, note: "abandoned" };

    /// A second account, asked beside it, began its answer first: it was late, which is no failure.
    pub const OVERTAKEN: Self = Self { outcome: Outcome::Abandoned, note: "overtaken by a hedge" };

    /// It was asked beside another account, which began its answer first.
    pub const UNNEEDED: Self = Self { outcome: Outcome::Abandoned, note: "hedge not needed" };

    /// Whether another account should be tried, as long as the client has heard nothing.
    pub const fn moves_on(self) -> bool {
        match self.outcome {
            Outcome::Served | Outcome::Abandoned | Outcome::ClientFault => false,
            Outcome::Unfit
            | Outcome::Missing
            | Outcome::Limited { .. }
            | Outcome::Rejected
            | Outcome::Failed { .. } => true,
        }
    }

    /// The verdict on a count, which many servers of a dialect have no path for: that says nothing of their answers.
    #[must_use]
    pub const fn on_count(self, status: StatusCode) -> Self {
        self.beside_answers(status, "the server counts no tokens")
    }

    /// The verdict on embeddings, which many servers of a dialect have no path for either, and models that answer in
    /// words do not have: that says nothing of their answers.
    #[must_use]
    pub const fn on_embedding(self, status: StatusCode) -> Self {
        if matches!(self.outcome, Outcome::Missing) {
            return Self { outcome: Outcome::Unfit, ..self };
        }
        self.beside_answers(status, "the server has no embeddings")
    }

    const fn beside_answers(self, status: StatusCode, note: &'static str) -> Self {
        match (status.as_u16(), self.outcome) {
            (404 | 405 | 501, Outcome::Failed { .. } | Outcome::ClientFault) => {
                Self { outcome: Outcome::Unfit, note }
            }
            _ => self,
        }
    }

    /// How long the provider said to wait, where it did.
    pub fn retry_after(self, now: Now) -> Option<std::time::Duration> {
        let Outcome::Limited { wait: Wait::Until(until), .. } = self.outcome else { return None };
        Some(until.saturating_duration_since(now.monotonic))
    }

    /// The verdict on an attempt that brought no answer to judge.
    pub const fn failed(failure: Failure) -> Self {
        let (scope, note) = match failure {
            Failure::Connect => (Scope::Provider, "no connection"),
            Failure::Broken => (Scope::Model, "the connection broke"),
            Failure::Stalled => (Scope::Model, "no answer in time"),
            Failure::Garbled => (Scope::Account, "not an answer of this API"),
            Failure::Empty => (Scope::Model, "an empty answer"),
            Failure::Server => (Scope::Model, "the server failed"),
        };
        Self { outcome: Outcome::Failed { scope, failure }, note }
    }
}

/// An upstream's answer, whole: the head and, where it is an error, the body.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Whose API it is: some codes mean something there alone.
    pub provider: Provider,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The error body, decompressed; for a success it is not looked at.
    pub body: &'a [u8],
}

/// Judges an answer by its head and error body.
pub fn judge(answer: &Answer<'_>, now: Now) -> Verdict {
    if answer.status.is_success() {
        return Verdict::SERVED;
    }
    weigh(answer, &Fault::parse(answer.body), now)
}

/// Judges an error event inside a stream whose status was 200; the body is the event's data.
pub fn judge_event(answer: &Answer<'_>, now: Now) -> Verdict {
    let fault = Fault::parse(answer.body);
    weigh(&Answer { status: words::status_of_event(&fault), ..*answer }, &fault, now)
}

fn weigh(answer: &Answer<'_>, fault: &Fault<'_>, now: Now) -> Verdict {
    let said = Said { provider: answer.provider, headers: answer.headers, fault };
    let Some((sign, note)) = words::sign(answer.status, answer.provider, fault) else {
        return match answer.status {
            StatusCode::TOO_MANY_REQUESTS => limited(&said, now),
            status => by_status(status, &said, now),
        };
    };
    let outcome = match sign {
        Sign::Client => Outcome::ClientFault,
        Sign::Unfit => Outcome::Unfit,
        Sign::Missing => Outcome::Missing,
        Sign::Rejected => Outcome::Rejected,
        Sign::Limited(scope @ Scope::Model, kind @ (Kind::Rate | Kind::Quota)) => {
            Outcome::Limited { scope, kind, wait: wait::of_limit(&said, now) }
        }
        // The rate-limit headers know nothing of money or of the provider's own capacity.
        Sign::Limited(scope, kind) => {
            Outcome::Limited { scope, kind, wait: wait::of_failure(&said, now) }
        }
    };
    Verdict { outcome, note }
}

/// A 429 whose words decide nothing: structured facts first, then the account and model alone.
fn limited(said: &Said<'_>, now: Now) -> Verdict {
    let wait = wait::of_limit(said, now);
    let verdict =
        |scope, kind, note| Verdict { outcome: Outcome::Limited { scope, kind, wait }, note };
    if let Some(windows) = wait::windows(said.headers, now) {
        let scope = if windows.model_only { Scope::Model } else { Scope::Account };
        return verdict(scope, Kind::Quota, "429: the subscription's window is used up");
    }
    let quotas = &said.fault.quotas;
    if quotas.is_empty() {
        return verdict(Scope::Model, Kind::Rate, "429: too many requests");
    }
    // What is not counted for each model is counted for the project.
    let shared = quotas.iter().any(|quota| !quota.per_model);
    let scope = if shared { Scope::Account } else { Scope::Model };
    if quotas.iter().any(|quota| words::window(&quota.name) == Some(Kind::Quota)) {
        return verdict(scope, Kind::Quota, "429: the day's quota is used up");
    }
    verdict(scope, Kind::Rate, "429: a quota per minute")
}

/// What a status means when the body adds nothing.
fn by_status(status: StatusCode, said: &Said<'_>, now: Now) -> Verdict {
    let form = said.fault.form;
    let failed = |scope, note| Verdict {
        outcome: Outcome::Failed { scope, failure: Failure::Server },
        note,
    };
    match status.as_u16() {
        401 => Verdict { outcome: Outcome::Rejected, note: "401: the key was refused" },
        // A page is a firewall's word on this request, not the API's on the key.
        403 if form == Form::Html => Verdict::failed(Failure::Garbled),
        403 => Verdict { outcome: Outcome::Rejected, note: "403: the key may not be used" },
        402 => Verdict {
            outcome: Outcome::Limited {
                scope: Scope::Account,
                kind: Kind::Quota,
                wait: wait::of_failure(said, now),
            },
            note: "402: payment is required",
        },
        // No API has these for the paths that are asked: the base URL leads elsewhere.
        300..=399 | 405 => failed(Scope::Account, "the base URL leads elsewhere"),
        404 if form != Form::Error || said.fault.codes.is_empty() => {
            failed(Scope::Account, "404: the base URL leads elsewhere")
        }
        410 => Verdict { outcome: Outcome::Missing, note: "410: the model is gone" },
        425 => failed(Scope::Model, "425: too early"),
        451 => Verdict { outcome: Outcome::Unfit, note: "451: not allowed where this account is" },
        400..=499 => Verdict { outcome: Outcome::ClientFault, note: "the request was refused" },
        _ => overloaded_or_failed(status, said, now),
    }
}

/// 5xx: a time that it names is kept, without one it is avoided for a moment.
fn overloaded_or_failed(status: StatusCode, said: &Said<'_>, now: Now) -> Verdict {
    let wait = wait::of_failure(said, now);
    let scope = match (wait, said.fault.form) {
        // What stands before the API fails for all accounts behind it. That is advice; a time holds
        // for the account that was told.
        (Wait::Unknown, Form::Html) => Scope::Provider,
        (Wait::Unknown | Wait::Until(_), _) => Scope::Model,
    };
    let overloaded = matches!(status.as_u16(), 503 | 529) || matches!(wait, Wait::Until(_));
    if overloaded {
        let outcome = Outcome::Limited { scope, kind: Kind::Capacity, wait };
        return Verdict { outcome, note: "the provider is overloaded" };
    }
    let outcome = Outcome::Failed { scope, failure: Failure::Server };
    Verdict { outcome, note: "the server failed" }
}
