//! The permission to ask one account once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::HeaderMap;

use super::account::{Account, Live};
use super::cooldown::{Cause, Wait};
use super::gate::{Gate, Ticket};
use super::limits;
use super::lineup::Seat;
use super::spread::Form;
use super::verdict::{Failure, Kind, Outcome, Scope, Verdict};
use crate::clock::Now;
use crate::dialects::Dialect;

/// One request's slot at one account.
///
/// Dropped, it gives its slot back and says nothing of the account, as is right for a client that
/// left.
#[must_use = "an account is held until the lease is settled or dropped"]
#[derive(Debug)]
pub struct Lease {
    seat: Arc<Seat>,
    dialect: Dialect,
    since: Instant,
    tickets: Option<Tickets>,
}

#[derive(Clone, Copy, Debug)]
struct Tickets {
    provider: Ticket,
    account: Ticket,
    model: Ticket,
}

/// What becomes of one gate.
#[derive(Clone, Copy)]
enum Effect {
    Clear,
    GiveBack,
    Strike(Cause, Wait),
}

impl Lease {
    /// Takes a slot and passes the three gates; all or nothing.
    pub(super) fn claim(seat: &Arc<Seat>, dialect: Dialect, now: Instant) -> Option<Self> {
        let account = &*seat.account;
        if !account.live.take_slot(account.config.max_concurrency) {
            return None;
        }
        let Some(tickets) = Tickets::take(account, &seat.known.gate, now) else {
            account.live.give_slot();
            return None;
        };
        account.live.leased.fetch_add(1, Ordering::Relaxed);
        Some(Self { seat: Arc::clone(seat), dialect, since: now, tickets: Some(tickets) })
    }

    /// The account to ask.
    pub fn account(&self) -> &Account {
        &self.seat.account
    }

    /// What to speak to it.
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The model's name there.
    pub fn model(&self) -> &Arc<str> {
        &self.seat.model
    }

    /// When it was taken.
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// The head of the account's answer is here: what it says of the limits counts from now on.
    /// The clock is read where it says something.
    pub fn heard(&self, headers: &HeaderMap, clock: fn() -> Now) {
        if limits::are_in(headers) {
            self.seat.known.limits.hear(headers, clock());
        }
    }

    /// What was generated has begun to come: how soon counts for the choices to come.
    pub fn measure(&self, now: Instant) {
        let first_byte = now.saturating_duration_since(self.since);
        self.seat.known.latency.measure(first_byte, now);
    }

    /// An answer of this form has begun, or another account's has: what is late at this account is known from such times.
    pub fn note(&self, form: Form, now: Instant) {
        let first_byte = now.saturating_duration_since(self.since);
        self.seat.known.latency.note(form, first_byte, now);
    }

    /// The time within which so many of a hundred answers of this form begin here; `None` where too few were noted.
    pub(super) fn usual(&self, form: Form, percentile: u8, now: Instant) -> Option<Duration> {
        self.seat.known.latency.usual(form, percentile, now)
    }

    /// The answer has begun with meaning: the account works, and a probe need not wait for the
    /// answer's end.
    pub fn answered(&mut self) {
        let Some(tickets) = self.tickets else { return };
        self.apply(tickets, [Effect::Clear; 3], self.since);
        self.tickets = Some(tickets.answered());
        self.seat.account.live.proven.store(true, Ordering::Relaxed);
    }

    /// Ends the lease with what the attempt says of the account.
    pub fn settle(mut self, verdict: Verdict, now: Instant) {
        record(&self.seat.account.live, verdict.outcome);
        if let Some(tickets) = self.tickets.take() {
            self.apply(tickets, effects(verdict.outcome), now);
        }
    }

    fn apply(&self, tickets: Tickets, effects: [Effect; 3], now: Instant) {
        let [provider, account, model] = effects;
        let Seat { account: owner, known, .. } = &*self.seat;
        let gates = [
            (&*owner.provider, tickets.provider, provider),
            (&owner.gates.account, tickets.account, account),
            (&known.gate, tickets.model, model),
        ];
        for (gate, ticket, effect) in gates {
            match effect {
                Effect::Clear => gate.clear(ticket),
                Effect::GiveBack => gate.give_back(ticket),
                Effect::Strike(cause, wait) => gate.strike(ticket, cause, wait, now),
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(tickets) = self.tickets {
            self.apply(tickets, [Effect::GiveBack; 3], self.since);
        }
        self.seat.account.give_slot();
    }
}

impl Tickets {
    fn take(account: &Account, gate: &Gate, now: Instant) -> Option<Self> {
        let provider = account.provider.enter(now)?;
        let Some(own) = account.gates.account.enter(now) else {
            account.provider.give_back(provider);
            return None;
        };
        let Some(model) = gate.enter(now) else {
            account.provider.give_back(provider);
            account.gates.account.give_back(own);
            return None;
        };
        Some(Self { provider, account: own, model })
    }

    /// None of them is a probe any more.
    fn answered(self) -> Self {
        Self {
            provider: self.provider.answered(),
            account: self.account.answered(),
            model: self.model.answered(),
        }
    }
}

/// What an outcome adds to an account's record.
fn record(live: &Live, outcome: Outcome) {
    let counter = match outcome {
        Outcome::Abandoned => return,
        Outcome::Served => &live.served,
        Outcome::ClientFault | Outcome::Unfit | Outcome::Missing => &live.refused,
        Outcome::Limited { .. } | Outcome::Rejected => &live.limited,
        Outcome::Failed { .. } => &live.failed,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    match outcome {
        Outcome::Served => live.proven.store(true, Ordering::Relaxed),
        Outcome::Limited { .. } | Outcome::Rejected | Outcome::Failed { .. } => {
            live.proven.store(false, Ordering::Relaxed);
        }
        Outcome::Abandoned | Outcome::ClientFault | Outcome::Unfit | Outcome::Missing => {}
    }
}

/// What an outcome does to the gates of the provider, the account and the model.
///
/// An answer of the API, whatever it says, proves the provider reachable; a refusal proves nothing
/// else.
const fn effects(outcome: Outcome) -> [Effect; 3] {
    use Effect::{Clear, GiveBack, Strike};
    let (scope, cause, wait) = match outcome {
        Outcome::Served => return [Clear; 3],
        Outcome::Abandoned => return [GiveBack; 3],
        Outcome::ClientFault | Outcome::Unfit => return [Clear, GiveBack, GiveBack],
        Outcome::Missing => (Scope::Model, Cause::Missing, Wait::Unknown),
        Outcome::Rejected => (Scope::Account, Cause::Rejected, Wait::Unknown),
        Outcome::Limited { scope, kind, wait } => (scope, limit(kind), wait),
        Outcome::Failed { scope, failure: Failure::Stalled } => {
            (scope, Cause::Stall, Wait::Unknown)
        }
        Outcome::Failed { scope, .. } => (scope, Cause::Failure, Wait::Unknown),
    };
    let strike = Strike(cause, wait);
    match scope {
        Scope::Provider => [strike, GiveBack, GiveBack],
        Scope::Account => [Clear, strike, GiveBack],
        Scope::Model => [Clear, GiveBack, strike],
    }
}

const fn limit(kind: Kind) -> Cause {
    match kind {
        Kind::Rate => Cause::Rate,
        Kind::Quota => Cause::Quota,
        Kind::Capacity => Cause::Capacity,
    }
}
