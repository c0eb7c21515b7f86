//! Which account is asked next, and whether one is: leases, and attempts that failed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType};

use super::attempt::{Attempt, Plan, Telling};
use super::exchange::{Call, Choice, Exchange, Trial};
use super::reply::Trouble;
use super::token::Lacking;
use super::{hedge, refuse};
use crate::ir::error::{Error as Refusal, ErrorKind};
use crate::ir::usage::Usage;
use crate::pool::account::{Account, Tokens};
use crate::pool::lease::Lease;
use crate::pool::unavailable::{Exhausted, Unavailable};
use crate::pool::verdict::{Failure, Outcome, Scope, Verdict};
use crate::pool::{Pool, Reach, Want};
use crate::route::Operation;
use crate::store::resolve::{self, Resolution, Turn};

/// Another attempt, or none: the reason is in the exchange.
pub const MOVED_ON: ErrorType = ErrorType::Custom("next attempt");

/// Why a request has no account to begin with.
pub enum NoAccount {
    /// That will not change soon enough.
    Refused(Refusal),
    /// One can be asked from then on.
    Later(Instant, Refusal),
    /// One is busy with other requests; a look at that moment does no harm.
    Busy(Instant),
}

/// Who is asked after an attempt that failed.
pub enum Next {
    /// This account, leased while the last answer was judged.
    Leased(Lease),
    /// The one that was asked beside the last one.
    Hedged,
    /// Whichever comes free first: those that are left are busy.
    InLine,
}

/// Leases the first account and prepares what it is told.
pub fn first_attempt(exchange: &mut Exchange) -> Result<(), NoAccount> {
    let mut last = None;
    for _ in 0..exchange.live.config.pool.max_attempts.get() {
        let lease = match lease(exchange) {
            Ok(lease) => lease,
            Err(why) => {
                return Err(match (no_account(&why, exchange), last) {
                    // Whoever has the words may answer yet.
                    (NoAccount::Refused(_), Some(last)) => NoAccount::Refused(last),
                    (why, _) => why,
                });
            }
        };
        match begin(exchange, lease, Telling::AsAsked) {
            Ok(()) => return Ok(()),
            // Another account may speak a dialect that has the words.
            Err(refusal) => last = Some(refusal),
        }
    }
    let none = || Refusal::new(ErrorKind::Internal, "no account was tried");
    Err(NoAccount::Refused(last.unwrap_or_else(none)))
}

fn no_account(why: &Unavailable, exchange: &Exchange) -> NoAccount {
    let Some(call) = &exchange.call else {
        return NoAccount::Refused(Refusal::new(ErrorKind::Internal, "nothing was asked"));
    };
    if let (Unavailable::NotForClient, Some(unresolved)) = (why, &call.unresolved) {
        return NoAccount::Refused(unresolved.clone());
    }
    let refusal = refuse::unavailable(why, exchange, call);
    match why {
        Unavailable::Exhausted(exhausted @ Exhausted { retry_at: Some(at), .. })
            if exhausted.is_busy() =>
        {
            NoAccount::Busy(*at)
        }
        Unavailable::Exhausted(Exhausted { retry_at: Some(at), .. }) => {
            NoAccount::Later(*at, refusal)
        }
        Unavailable::Exhausted(_) | Unavailable::NoSuchModel | Unavailable::NotForClient => {
            NoAccount::Refused(refusal)
        }
    }
}

fn lease(exchange: &mut Exchange) -> Result<Lease, Unavailable> {
    let Some(call) = &exchange.call else { return Err(Unavailable::NoSuchModel) };
    let pool = &exchange.live.pool;
    let want = want(call, pool);
    let (tried, now) = (exchange.tried(), Instant::now());
    if !exchange.live.explains() {
        return pool.lease(&want, &tried, now);
    }
    let (lease, considered) = pool.lease_and_explain(&want, &tried, now);
    // Where there is no choice nothing is to be explained; who waits looks often, and mostly finds the same.
    if !considered.is_empty()
        && exchange.choices.last().is_none_or(|last| last.considered != considered)
    {
        exchange.choices.push(Choice { at: now, considered });
    }
    lease
}

/// What a call asks of the pool.
pub fn want<'a>(call: &'a Call, pool: &Pool) -> Want<'a> {
    let preferred = call.turn.as_ref().and_then(Turn::preferred);
    let prefer = preferred.and_then(|name| pool.named(name)).map(Account::id);
    let conversation = call.conversation;
    // Of a conversation that has its home most is cached there, and costs little of a limit: a guess is no reason to leave.
    let tokens = match conversation {
        Some(_) => 1,
        None => tokens(call),
    };
    let reach = reach_of(call);
    Want { model: &call.model, client: call.dialect, reach, prefer, tokens, conversation }
}

/// About how many tokens a request holds.
pub const fn tokens(call: &Call) -> u64 {
    call.body.len() as u64 / BYTES_PER_TOKEN
}

/// What a token takes of a request's body, roughly: what is estimated here is compared with limits of many thousands.
const BYTES_PER_TOKEN: u64 = 4;

/// Which accounts can answer a call.
pub const fn reach_of(call: &Call) -> Reach {
    if call.unresolved.is_some() { Reach::OwnDialect } else { reach(&call.operation) }
}

/// Which accounts can do it.
const fn reach(operation: &Operation) -> Reach {
    match operation {
        Operation::Generate | Operation::GenerateContent | Operation::StreamGenerateContent => {
            Reach::Translated
        }
        Operation::CountTokens => Reach::Counted,
        Operation::Embed | Operation::BatchEmbed => Reach::Embedded,
        Operation::Stored(_) => Reach::OwnDialect,
    }
}

/// Makes a lease the attempt at hand. An account whose dialect has no words for the request counts as tried.
pub fn begin(exchange: &mut Exchange, lease: Lease, telling: Telling) -> Result<(), Refusal> {
    let account = lease.account().id();
    let Some(call) = exchange.call.take() else {
        return Err(Refusal::new(ErrorKind::Internal, "nothing was asked"));
    };
    let prepared = Attempt::new(exchange.whose(), &call, lease, telling);
    exchange.call = Some(call);
    exchange.reply = None;
    match prepared {
        Ok((attempt, losses)) => {
            exchange.losses = losses;
            exchange.used = Some(Arc::clone(attempt.lease.model()));
            exchange.attempt = Some(attempt);
            Ok(())
        }
        Err(refusal) => {
            let note = "no words for the request";
            let (since, took) = (Instant::now(), Duration::ZERO);
            let (status, hedged) = (None, false);
            exchange.trail.push(Trial { account, status, note, since, took, hedged });
            Err(refusal)
        }
    }
}

/// Settles the attempt at hand and says who is asked next, where anybody is and the client has heard nothing.
/// When there is none, the trouble says how soon any account can be asked.
pub fn next_account(exchange: &mut Exchange, trouble: &mut Trouble) -> Option<Next> {
    tracing::debug!(
        id = exchange.id,
        attempt = exchange.trail.len() + 1,
        verdict = trouble.verdict.note,
        "{}",
        trouble.error.message
    );
    let status = exchange.reply.as_ref().map(|reply| reply.head.status.as_u16());
    let attempt = exchange.attempt.take()?;
    let ended = Instant::now();
    hedge::collect(exchange);
    exchange.trail.push(Trial::of(&attempt, status, trouble.verdict.note, ended));
    attempt.lease.settle(trouble.verdict, ended);
    if !trouble.verdict.moves_on() {
        return None;
    }
    match another(exchange) {
        Ok(next) => Some(next),
        Err(soonest) => {
            if let Some(soonest) = soonest {
                let own = trouble.error.retry_after.unwrap_or(soonest);
                trouble.error.retry_after = Some(own.min(soonest));
            }
            None
        }
    }
}

/// Who is asked after an attempt that failed, where the request may be tried once more; else how soon anybody can be.
pub fn another(exchange: &mut Exchange) -> Result<Next, Option<Duration>> {
    if hedge::goes_on_alone(exchange) {
        return Ok(Next::Hedged);
    }
    let most = exchange.live.config.pool.max_attempts.get() as usize;
    if exchange.trail.len() >= most {
        return Err(None);
    }
    match lease(exchange) {
        Ok(lease) => Ok(Next::Leased(lease)),
        Err(Unavailable::Exhausted(exhausted)) if exhausted.is_busy() => Ok(Next::InLine),
        Err(Unavailable::Exhausted(exhausted)) => {
            Err(exhausted.retry_after(Instant::now()).map(Duration::from_secs))
        }
        Err(Unavailable::NoSuchModel | Unavailable::NotForClient) => Err(None),
    }
}

/// Tells the client why nobody answered: no other account is asked.
pub fn give_up(exchange: &mut Exchange, refusal: Refusal) -> Box<Error> {
    let refusal = match exchange.telling.take() {
        Some(telling) => {
            exchange.outcome = Some(telling.0.verdict.note);
            telling.0.error
        }
        None => refusal,
    };
    exchange.refusal = Some(refusal);
    Error::explain(MOVED_ON, "nobody else can be asked")
}

/// An attempt failed with no answer to judge: the next account is asked, or the client is told why not.
pub fn move_on(exchange: &mut Exchange, mut trouble: Trouble) -> Box<Error> {
    let mut error = Error::explain(MOVED_ON, trouble.verdict.note);
    let next = next_account(exchange, &mut trouble);
    exchange.reply = None;
    if next.is_some() {
        remember(exchange, trouble, None);
        exchange.next = next;
        error.retry = true.into();
        return error;
    }
    let (trouble, _) = most_telling(exchange, trouble, None);
    exchange.outcome = Some(trouble.verdict.note);
    exchange.refusal = Some(trouble.error);
    error.retry = false.into();
    error
}

/// Tells the same account once more, in another way, where its refusal says that this would help: it refused a seal of an
/// earlier turn, or it has forgotten the response that the request goes on from.
pub fn tell_again(exchange: &mut Exchange, trouble: &Trouble) -> bool {
    let owned = exchange
        .call
        .as_ref()
        .and_then(|call| call.turn.as_ref())
        .is_some_and(|turn| matches!(turn.resolution, Resolution::Owned { .. }));
    let telling = if owned && resolve::forgotten(&trouble.error) {
        Telling::Rebuilt
    } else if refuses_seal(&trouble.error) {
        Telling::Unsealed
    } else if learns(exchange, &trouble.error) {
        Telling::AsAsked
    } else if knows_less(exchange, &trouble.error) {
        Telling::Respelt
    } else {
        return false;
    };
    if exchange.telling_again.is_some() {
        return false;
    }
    exchange.telling_again = Some(telling);
    let Some(attempt) = exchange.attempt.take() else { return false };
    begin(exchange, attempt.lease, telling).is_ok()
}

/// Whether what an account's server refused will now be left out.
fn learns(exchange: &Exchange, error: &Refusal) -> bool {
    let attempt = exchange.attempt.as_ref();
    attempt.is_some_and(|attempt| attempt.upstream.learn(error, attempt.lease.since()))
}

/// Whether an account refused a field of the client's words that others of its dialect know.
fn knows_less(exchange: &Exchange, error: &Refusal) -> bool {
    let forwarded =
        exchange.attempt.as_ref().filter(|attempt| matches!(attempt.plan, Plan::Forward));
    let translatable = exchange.call.as_ref().is_some_and(|call| call.operation.translatable());
    translatable && forwarded.is_some_and(|attempt| attempt.upstream.knows_less(error))
}

/// Whether a provider refused a signature or encrypted reasoning of an earlier turn.
fn refuses_seal(error: &Refusal) -> bool {
    let code = error.code.as_deref().unwrap_or_default();
    let message = error.message.to_ascii_lowercase();
    error.status == 400
        && (matches!(code, "invalid_thinking_signature" | "invalid_encrypted_content")
            || message.contains("thought_signature")
            || message.contains("thought signature"))
}

/// Keeps why an account did not answer, in case that no other does.
pub fn remember(exchange: &mut Exchange, trouble: Trouble, head: Option<ResponseHeader>) {
    let telling = most_telling(exchange, trouble, head);
    exchange.telling = Some(Box::new(telling));
}

/// Of all that went wrong, what helps the client most: when to come back before what failed, and that before what is the
/// owner's to mend. Among equals the one in the client's own dialect, which is told in the provider's words; then the first,
/// whose account was the best choice.
pub fn most_telling(
    exchange: &mut Exchange,
    trouble: Trouble,
    head: Option<ResponseHeader>,
) -> (Trouble, Option<ResponseHeader>) {
    match exchange.telling.take() {
        Some(before) if trouble.verdict.moves_on() && rank(&before.0) <= rank(&trouble) => {
            let (mut before, head) = *before;
            before.error.retry_after = trouble.error.retry_after.or(before.error.retry_after);
            (before, head)
        }
        Some(_) | None => (trouble, head),
    }
}

const fn rank(trouble: &Trouble) -> (u8, bool) {
    let kind = match trouble.error.kind {
        ErrorKind::RateLimit => 0,
        ErrorKind::Overloaded => 1,
        ErrorKind::Timeout => 2,
        ErrorKind::Internal => 3,
        ErrorKind::InvalidRequest
        | ErrorKind::Authentication
        | ErrorKind::Billing
        | ErrorKind::Permission
        | ErrorKind::NotFound
        | ErrorKind::MethodNotAllowed
        | ErrorKind::TooLarge => 4,
    };
    (kind, trouble.raw.is_none())
}

/// The lease is settled here, once, when the request has `ended`.
pub fn settle(exchange: &mut Exchange, error: Option<&Error>, ended: Instant) {
    if let Some(reply) = &mut exchange.reply {
        exchange.usage = exchange.usage.or(reply.usage);
        exchange.losses.extend(&reply.losses);
    }
    hedge::give_up(exchange);
    let Some(attempt) = exchange.attempt.take() else { return };
    let left =
        exchange.outcome.filter(|outcome| [super::CLIENT_LEFT, super::STOPPED].contains(outcome));
    let verdict = match (&exchange.reply, error) {
        _ if left.is_some() => Verdict::ABANDONED,
        (Some(reply), None) => reply.verdict(),
        (Some(_), Some(_)) => Verdict::failed(Failure::Broken),
        (None, _) => Verdict::ABANDONED,
    };
    let status = exchange.reply.as_ref().map(|reply| reply.head.status.as_u16());
    let note = left.unwrap_or(verdict.note);
    exchange.trail.push(Trial::of(&attempt, status, note, ended));
    if matches!(verdict.outcome, Outcome::Failed { .. }) {
        exchange.outcome.get_or_insert(verdict.note);
    }
    if let Some(usage) = exchange.usage {
        let Usage { input, output, cache_read: cached, .. } = usage;
        attempt.lease.account().spend(Tokens { input, output, cached });
    }
    attempt.lease.settle(verdict, ended);
}

impl From<Lacking> for Trouble {
    /// No access token.
    fn from(lacking: Lacking) -> Self {
        let error =
            Refusal { status: 502, ..Refusal::new(ErrorKind::Internal, lacking.to_string()) };
        let verdict = match lacking {
            Lacking::Refused(_) => {
                Verdict { outcome: Outcome::Rejected, note: "the credentials were refused" }
            }
            Lacking::Unreachable(_) => {
                let (scope, failure) = (Scope::Account, Failure::Connect);
                Verdict { outcome: Outcome::Failed { scope, failure }, note: "no access token" }
            }
        };
        Self { verdict, error, raw: None }
    }
}

impl Trouble {
    /// No connection, which says something of all that is in `scope`.
    pub fn connect(message: String, scope: Scope) -> Self {
        let error = Refusal { status: 502, ..Refusal::new(ErrorKind::Internal, message) };
        let outcome = Outcome::Failed { scope, failure: Failure::Connect };
        Self { verdict: Verdict { outcome, ..Verdict::failed(Failure::Connect) }, error, raw: None }
    }
}
