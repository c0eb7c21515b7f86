//! When a request may ask an account: at once, or after a wait in line.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora::Result;
use pingora::proxy::Session;
use pingora_timeout::fast_timeout::fast_sleep;

use super::attempt::Telling;
use super::exchange::{Call, Exchange};
use super::live::Open;
use super::retry::{self, Next, NoAccount};
use super::{conversation, hedge, refuse};
use crate::dialects::Dialect;
use crate::ir::error::{Error as Refusal, ErrorKind};
use crate::pool::Reach;
use crate::pool::queue::Place;

/// An account that rests no longer than this is waited for; SDKs come back no sooner after a 429.
const WORTH_WAITING: Duration = Duration::from_secs(2);
/// Timers end a little before or after their time.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);
/// When a place comes free is not known; whoever was refused one may ask again after this.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What a request has to wait for.
enum Wait {
    /// Until an account's rest is over.
    Rest(Instant, Refusal),
    /// Until a place comes free at the gateway or at an account; a look now and then does no harm.
    Place(Instant),
}

/// What an attempt to go on came to: done, something to wait for, or why it is no use.
type Tried = std::result::Result<(), std::result::Result<Wait, Refusal>>;

/// Leases the first account. Where all are busy the request waits in line, as long as `pool.queue` allows.
pub async fn admit(
    session: &mut Session,
    exchange: &mut Exchange,
) -> Result<std::result::Result<(), Refusal>> {
    name_conversation(session, exchange);
    in_line(session, exchange, first).await
}

/// Makes whoever is next the attempt at hand; where all that are left are busy the request waits in line once more.
pub async fn again(session: &mut Session, exchange: &mut Exchange, next: Next) -> Result<()> {
    let mut next = next;
    loop {
        exchange.telling_again = None;
        let refusal = match next {
            Next::Leased(lease) => match retry::begin(exchange, lease, Telling::AsAsked) {
                Ok(()) => return Ok(()),
                Err(refusal) => refusal,
            },
            Next::Hedged => return hedge::promote(session, exchange).await,
            Next::InLine => {
                // The upstream that is silent meanwhile is none.
                exchange.gate.hold(exchange.live.config.pool.queue.wait + WORTH_WAITING);
                match in_line(session, exchange, following).await? {
                    Ok(()) => return Ok(()),
                    Err(refusal) => return Err(retry::give_up(exchange, refusal)),
                }
            }
        };
        // Another account may speak a dialect that has the words.
        next = match retry::another(exchange) {
            Ok(next) => next,
            Err(_) => return Err(retry::give_up(exchange, refusal)),
        };
    }
}

/// Tries until it is done or of no use, and waits in line in between.
async fn in_line(
    session: &mut Session,
    exchange: &mut Exchange,
    go_on: fn(&mut Exchange) -> Tried,
) -> Result<std::result::Result<(), Refusal>> {
    let mut began = None;
    let mut place = None;
    let waited = exchange.waited;
    loop {
        if exchange.open.as_ref().is_some_and(Open::is_cut) {
            exchange.outcome = Some(super::STOPPED);
            return Ok(Err(refuse::stopped()));
        }
        let tried = if stands_behind(exchange, place.as_ref()) {
            Err(Ok(Wait::Place(Instant::now() + ASK_AGAIN)))
        } else {
            go_on(exchange)
        };
        let wait = match tried {
            Ok(()) => return Ok(Ok(())),
            Err(Err(refusal)) => return Ok(Err(refusal)),
            Err(Ok(wait)) => wait,
        };
        let now = Instant::now();
        let began = *began.get_or_insert(now);
        let queue = exchange.live.config.pool.queue;
        let (until, instead) = match wait {
            Wait::Rest(at, refusal) if at > began + WORTH_WAITING => return Ok(Err(refusal)),
            Wait::Rest(at, refusal) => (at, refusal),
            Wait::Place(_) if now >= began + queue.wait => return Ok(Err(too_long(queue.wait))),
            Wait::Place(at) => (at.min(began + queue.wait), full(queue.size)),
        };
        if place.is_none() {
            place = join(exchange);
            match &place {
                None => return Ok(Err(instead)),
                // A place may have come free before this one stood in line.
                Some(_) => continue,
            }
        }
        tokio::select! {
            gone = session.downstream_session.read_body_or_idle(true) => {
                exchange.outcome = Some(super::CLIENT_LEFT);
                gone.map_err(pingora::Error::into_down)?;
            }
            () = called(place.as_ref()) => {}
            () = fast_sleep(until.saturating_duration_since(now).max(SHORTEST_WAIT)) => {}
        }
        exchange.waited = waited + began.elapsed();
    }
}

fn stands_behind(exchange: &Exchange, place: Option<&Place>) -> bool {
    match (place, &exchange.call) {
        (Some(place), _) => !place.is_first(),
        (None, Some(call)) => exchange.live.pool.queue().has_line(line(call)),
        (None, None) => false,
    }
}

/// Lets the request in and leases its first account.
fn first(exchange: &mut Exchange) -> Tried {
    let queue = Arc::clone(exchange.live.pool.queue());
    let Some(admitted) = queue.admit(exchange.live.config.pool.max_concurrency) else {
        return Err(Ok(Wait::Place(Instant::now() + ASK_AGAIN)));
    };
    match retry::first_attempt(exchange) {
        Ok(()) => {
            exchange.admitted = Some(admitted);
            Ok(())
        }
        Err(why) => {
            admitted.withdraw();
            Err(match why {
                NoAccount::Refused(refusal) => Err(refusal),
                NoAccount::Later(at, refusal) => Ok(Wait::Rest(at, refusal)),
                NoAccount::Busy(at) => Ok(Wait::Place(at)),
            })
        }
    }
}

/// Leases one of the accounts that are left; the request has been let in before.
fn following(exchange: &mut Exchange) -> Tried {
    match retry::another(exchange) {
        Ok(Next::Leased(lease)) => retry::begin(exchange, lease, Telling::AsAsked).map_err(Err),
        Ok(Next::InLine | Next::Hedged) => Err(Ok(Wait::Place(Instant::now() + ASK_AGAIN))),
        Err(_) => Err(Err(Refusal::new(ErrorKind::Overloaded, "no account is left to ask"))),
    }
}

/// The line that a request stands in: those that compete for the same accounts.
fn line(call: &Call) -> (&str, Dialect, Reach) {
    (&call.model, call.dialect, retry::reach_of(call))
}

fn join(exchange: &Exchange) -> Option<Place> {
    let call = exchange.call.as_ref()?;
    let most = exchange.live.config.pool.queue.size;
    exchange.live.pool.queue().join(line(call), most)
}

async fn called(place: Option<&Place>) {
    match place {
        Some(place) => place.called().await,
        None => std::future::pending().await,
    }
}

/// Which conversation the request belongs to, where that decides who answers.
fn name_conversation(session: &Session, exchange: &mut Exchange) {
    if let Some(call) = &mut exchange.call
        && exchange.live.pool.keeps_conversations(&call.model)
    {
        let headers = &session.req_header().headers;
        call.conversation = Some(conversation::key(headers, &call.body));
    }
}

fn full(size: usize) -> Refusal {
    let message = if size == 0 {
        "every account that could answer is busy, and pool.queue.size is 0: ask again soon"
            .to_owned()
    } else {
        format!(
            "every account that could answer is busy, and {size} requests wait already: ask again soon"
        )
    };
    Refusal { retry_after: Some(ASK_AGAIN), ..Refusal::new(ErrorKind::RateLimit, message) }
}

fn too_long(wait: Duration) -> Refusal {
    let wait = humantime::format_duration(wait);
    let message = format!(
        "every account that could answer was busy for {wait}: ask again, or raise max_concurrency or pool.queue.wait"
    );
    Refusal { retry_after: Some(ASK_AGAIN), ..Refusal::new(ErrorKind::RateLimit, message) }
}
