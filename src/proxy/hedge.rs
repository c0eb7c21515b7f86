//! When an answer is late: whether a second account is asked beside the first, and whose answer the client hears.
//!
//! ```text
//! prepare ─▶ late ─▶ ask ─▶ began first ────▶ take_over ─▶ promote       the first one is abandoned
//!                         ├▶ first one began ─▶ give_up                  the second one is
//!                         ├▶ first one failed ▶ goes_on_alone ─▶ promote  nobody else is asked meanwhile
//!                         └▶ failed ──────────▶ collect                  the first one goes on
//! ```
//!
//! The session (`Replay`) holds the second account and hears it, because it is what Pingora asks all through an attempt. So
//! nothing is spawned: whoever is dropped is cancelled, connection, slot and all.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use pingora_timeout::fast_timeout::fast_sleep;

use super::attempt::{Attempt, Plan, Telling, Whose};
use super::exchange::{Call, Choice, Exchange, Trial};
use super::live::Live;
use super::replay::{OVERTAKEN, STOPPED};
use super::retry::{self, MOVED_ON, Next};
use super::second::{self, Heard};
use super::{CLIENT_LEFT, effects, refuse};
use crate::clock::{self, Now};
use crate::config::{Dispatch, Late};
use crate::dialects::Dialect;
use crate::ir::losses::Losses;
use crate::pool::Want;
use crate::pool::account::AccountId;
use crate::pool::hedge::End;
use crate::pool::lease::Lease;
use crate::pool::queue::Admitted;
use crate::pool::spread::Form;
use crate::pool::verdict::Verdict;

/// How far a request has come with a second account: one is asked at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has not asked the first one.
    Unseen,
    /// It may ask one.
    Ready,
    /// It has asked one, or may not.
    Over,
}

/// What is to be done about a second account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is time to ask one.
    Due,
    /// Its answer began first, or nobody else is asked any more and it is known what it answers.
    Decided,
}

/// The second account of a request, from before it is asked until it is known what came of it.
pub struct Hedge {
    live: Arc<Live>,
    id: String,
    began: Now,
    call: Call,
    /// Those that the request has asked.
    asked: Vec<AccountId>,
    /// Whether the first one is told the client's own words.
    is_forwarded: bool,
    /// How the owner wants the first one used.
    dispatch: Dispatch,
    state: State,
}

enum State {
    /// Nobody is asked before it is time.
    Waiting(Pin<Box<dyn Future<Output = ()> + Send>>),
    Asking(Box<Asking>),
    /// The client hears it.
    Decided(Box<Decided>),
    /// It failed, and the first one goes on.
    Failed(Box<Asked>),
    /// Nobody could be asked.
    Nobody,
}

/// One that is being asked.
struct Asking {
    asked: Asked,
    /// Whether the first one has failed meanwhile.
    is_alone: bool,
    hearing: Pin<Box<dyn Future<Output = (Attempt, Heard)> + Send>>,
    /// Counts it among the requests that ask accounts.
    _admitted: Admitted,
}

/// One whose answer the client hears.
struct Decided {
    asked: Asked,
    attempt: Attempt,
    heard: Heard,
}

/// What is remembered of one.
struct Asked {
    trial: Trial,
    losses: Losses,
    choice: Option<Choice>,
}

/// Gets a second account ready for the attempt at hand, where hedging is on: the session asks it when the answer is late.
pub fn prepare(exchange: &mut Exchange) {
    let Some(after) = exchange.live.config.pool.hedge.after else { return };
    if let Some(hedge) = exchange.gate.take_hedge()
        && !matches!(hedge.state, State::Waiting(_))
    {
        // The attempt at hand is made again, beside the second one.
        return exchange.gate.set_hedge(hedge);
    }
    let Exchange { call: Some(call), attempt: Some(attempt), live, hedge, .. } = exchange else {
        return;
    };
    if *hedge == Stage::Over || !call.operation.translatable() {
        return;
    }
    if *hedge == Stage::Unseen {
        live.pool.hedges().earn(live.config.pool.hedge.budget);
        *hedge = Stage::Ready;
    }
    let asked: Vec<AccountId> = exchange
        .trail
        .iter()
        .map(|trial| trial.account)
        .chain([attempt.lease.account().id()])
        .collect();
    let most = live.config.pool.max_attempts.get() as usize;
    if asked.len() >= most || !effects::leans_on_nothing(call) {
        return;
    }
    let now = Instant::now();
    let late = match after {
        Late::After(time) => Some(time),
        Late::Percentile(percentile) => {
            live.pool.usual((&attempt.lease, &call.model), form(call), percentile, now)
        }
    };
    let Some(late) = late else { return };
    let wait = clock::add(attempt.lease.since(), late).saturating_duration_since(now);
    exchange.gate.set_hedge(Box::new(Hedge {
        live: Arc::clone(live),
        id: exchange.id.clone(),
        began: exchange.began,
        call: call.clone(),
        asked,
        is_forwarded: matches!(attempt.plan, Plan::Forward),
        dispatch: attempt.lease.account().config.dispatch,
        state: State::Waiting(Box::pin(fast_sleep(wait))),
    }));
}

/// Notes how long an account took to begin its answer, or that it had not begun it so late, where anybody wants to know.
pub fn note(live: &Live, call: Option<&Call>, lease: &Lease, now: Instant) {
    if let (Some(Late::Percentile(_)), Some(call)) = (live.config.pool.hedge.after, call) {
        lease.note(form(call), now);
    }
}

const fn form(call: &Call) -> Form {
    if call.stream { Form::Stream } else { Form::Whole }
}

impl Hedge {
    /// Says what is to be done next, as soon as there is something.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        let (attempt, heard) = match &mut self.state {
            State::Waiting(timer) => return timer.as_mut().poll(context).map(|()| Event::Due),
            State::Asking(asking) => ready!(asking.hearing.as_mut().poll(context)),
            State::Decided(..) => return Poll::Ready(Event::Decided),
            State::Failed(_) | State::Nobody => return Poll::Pending,
        };
        let State::Asking(asking) = std::mem::replace(&mut self.state, State::Nobody) else {
            return Poll::Pending;
        };
        let Asking { mut asked, is_alone, .. } = *asking;
        let (status, verdict) = match &heard {
            Heard::Refused(answer, trouble) if !is_alone => {
                (Some(answer.head.status.as_u16()), trouble.verdict)
            }
            Heard::Broke(trouble) if !is_alone => (None, trouble.verdict),
            Heard::Begun(_) | Heard::Refused(..) | Heard::Broke(_) => {
                self.state = State::Decided(Box::new(Decided { asked, attempt, heard }));
                return Poll::Ready(Event::Decided);
            }
        };
        let now = Instant::now();
        asked.trial = Trial::of(&attempt, status, verdict.note, now);
        attempt.lease.settle(verdict, now);
        self.live.pool.hedges().end(End::Failed);
        self.state = State::Failed(Box::new(asked));
        Poll::Pending
    }

    /// It is time: asks a second account, where one can be had and the budget allows it. `client` is the request's head.
    pub fn ask(&mut self, client: &RequestHeader) {
        self.state = State::Nobody;
        let live = Arc::clone(&self.live);
        let hedges = live.pool.hedges();
        if !hedges.spend() {
            return;
        }
        match self.second(client) {
            Some(asking) => self.state = State::Asking(Box::new(asking)),
            None => hedges.refund(),
        }
    }

    fn second(&self, client: &RequestHeader) -> Option<Asking> {
        let Self { live, call, .. } = self;
        if !effects::may_be_asked_twice(call) {
            return None;
        }
        let admitted = live.pool.queue().admit(live.config.pool.max_concurrency)?;
        let now = Instant::now();
        // Nothing of the conversation is cached there.
        let want = Want { tokens: retry::tokens(call), ..retry::want(call, &live.pool) };
        let considered =
            if live.explains() { live.pool.explain(&want, &self.asked, now) } else { Vec::new() };
        let Some(lease) = live.pool.lease_beside(self.dispatch, &want, &self.asked, now) else {
            admitted.withdraw();
            return None;
        };
        if self.is_kept_there(lease.dialect()) {
            return None;
        }
        let whose = Whose { live, id: &self.id, began: self.began };
        let (mut attempt, losses) = Attempt::new(whose, call, lease, Telling::AsAsked).ok()?;
        attempt.hedged = true;
        let request = second::head(client, call, &attempt);
        let asked = Asked {
            trial: Trial::of(&attempt, None, Verdict::UNNEEDED.note, now),
            losses,
            choice: (!considered.is_empty()).then_some(Choice { at: now, considered }),
        };
        let (live, call, id) = (Arc::clone(live), call.clone(), self.id.clone());
        let hearing = Box::pin(async move {
            let timeouts = live.config.proxy.timeouts;
            let heard = second::ask(&live.fetch, (&call, &attempt, &id), request, timeouts).await;
            (attempt, heard)
        });
        Some(Asking { asked, is_alone: false, hearing, _admitted: admitted })
    }

    /// Whether one of the two accounts keeps the response, so that two would be kept.
    fn is_kept_there(&self, second: Dialect) -> bool {
        let keeps = self.call.turn.as_ref().is_some_and(|turn| turn.draft.is_some());
        keeps && (self.is_forwarded || second == Dialect::OpenAiResponses)
    }
}

/// The second account began first: the attempt at hand is abandoned. Its lateness is a measure all the same.
pub fn take_over(exchange: &mut Exchange) -> Box<Error> {
    let status = exchange.reply.take().map(|reply| reply.head.status.as_u16());
    if let Some(attempt) = exchange.attempt.take() {
        let now = Instant::now();
        exchange.trail.push(Trial::of(&attempt, status, Verdict::OVERTAKEN.note, now));
        attempt.lease.measure(now);
        note(&exchange.live, exchange.call.as_ref(), &attempt.lease, now);
        attempt.lease.settle(Verdict::OVERTAKEN, now);
    }
    exchange.next = Some(Next::Hedged);
    let mut error = Error::explain(MOVED_ON, Verdict::OVERTAKEN.note);
    error.retry = true.into();
    error
}

/// Whether a second account is being asked: then it is the next, now that the first one has failed.
pub fn goes_on_alone(exchange: &Exchange) -> bool {
    let Some(mut hedge) = take(exchange) else { return false };
    match &mut hedge.state {
        State::Asking(asking) => asking.is_alone = true,
        State::Decided(..) => {}
        State::Waiting(_) | State::Failed(_) | State::Nobody => return false,
    }
    exchange.gate.set_hedge(hedge);
    true
}

/// Makes the second account the attempt at hand, as soon as it is known what it answers.
pub async fn promote(session: &mut Session, exchange: &mut Exchange) -> Result<()> {
    // It has its own patience.
    exchange.gate.hold(Duration::from_hours(24));
    let Err(error) = session.downstream_session.read_body_or_idle(true).await else {
        exchange.outcome = Some(CLIENT_LEFT);
        return Err(Error::new_down(ErrorType::ConnectionClosed));
    };
    if *error.etype() == STOPPED {
        exchange.outcome = Some(super::STOPPED);
        exchange.refusal = Some(refuse::stopped());
        return Err(error);
    }
    if *error.etype() != OVERTAKEN {
        exchange.outcome = Some(CLIENT_LEFT);
        return Err(error.into_down());
    }
    exchange.hedge = Stage::Over;
    let state = exchange.gate.take_hedge().map(|hedge| hedge.state);
    let Some(State::Decided(decided)) = state else {
        return Error::e_explain(ErrorType::InternalError, "no second account");
    };
    let Decided { asked, mut attempt, heard } = *decided;
    let hedges = exchange.live.pool.hedges();
    hedges.end(if heard.has_begun() { End::Won } else { End::Failed });
    exchange.choices.extend(asked.choice);
    exchange.losses = asked.losses;
    exchange.used = Some(Arc::clone(attempt.lease.model()));
    let trouble = match heard {
        Heard::Begun(answer) | Heard::Refused(answer, _) => {
            attempt.answer = Some(Box::new(answer));
            None
        }
        Heard::Broke(trouble) => Some(trouble),
    };
    exchange.attempt = Some(attempt);
    trouble.map_or(Ok(()), |trouble| Err(retry::move_on(exchange, *trouble)))
}

/// Takes in that the second account failed before the attempt at hand did.
pub fn collect(exchange: &mut Exchange) {
    let Some(hedge) = take(exchange) else { return };
    match hedge.state {
        State::Failed(asked) => remember(exchange, *asked),
        State::Asking(_) | State::Decided(..) => exchange.gate.set_hedge(hedge),
        State::Waiting(_) => {}
        State::Nobody => exchange.hedge = Stage::Over,
    }
}

/// The attempt at hand has begun its answer, or the request is over: the second account is no longer asked.
pub fn give_up(exchange: &mut Exchange) {
    let Some(hedge) = take(exchange) else { return };
    let mut asked = match hedge.state {
        State::Failed(asked) => return remember(exchange, *asked),
        State::Asking(asking) => asking.asked,
        State::Decided(decided) => decided.asked,
        State::Waiting(_) | State::Nobody => return,
    };
    exchange.live.pool.hedges().end(End::Lost);
    asked.trial.took = asked.trial.since.elapsed();
    let left = exchange.outcome.filter(|outcome| [CLIENT_LEFT, super::STOPPED].contains(outcome));
    asked.trial.note = left.unwrap_or(asked.trial.note);
    remember(exchange, asked);
}

/// The second account, where there may be one: most requests need not look.
fn take(exchange: &Exchange) -> Option<Box<Hedge>> {
    if exchange.hedge == Stage::Unseen { None } else { exchange.gate.take_hedge() }
}

fn remember(exchange: &mut Exchange, asked: Asked) {
    exchange.hedge = Stage::Over;
    exchange.trail.push(asked.trial);
    exchange.choices.extend(asked.choice);
}
