//! When a request may ask its first account: at once, or after a wait in line.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora::Result;
use pingora::proxy::Session;
use pingora_timeout::fast_timeout::fast_sleep;

use super::exchange::Exchange;
use super::live::Open;
use super::retry::{self, NoAccount};
use super::{conversation, refuse};
use crate::ir::error::{Error as Refusal, ErrorKind};
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

/// Leases the first account. Where all are busy the request waits in line, as long as `pool.queue` allows.
pub async fn admit(
    session: &mut Session,
    exchange: &mut Exchange,
) -> Result<std::result::Result<(), Refusal>> {
    name_conversation(session, exchange);
    let mut began = None;
    let mut place = None;
    loop {
        if exchange.open.as_ref().is_some_and(Open::is_cut) {
            exchange.outcome = Some(super::STOPPED);
            return Ok(Err(refuse::stopped()));
        }
        let wait = match attempt(exchange, place.as_ref()) {
            Ok(()) => return Ok(Ok(())),
            Err(Err(refusal)) => return Ok(Err(refusal)),
            Err(Ok(wait)) => wait,
        };
        let now = Instant::now();
        let began = *began.get_or_insert(now);
        let queue = exchange.live.config.pool.queue;
        let until = match wait {
            Wait::Rest(at, refusal) if at > began + WORTH_WAITING => return Ok(Err(refusal)),
            Wait::Rest(at, _) => at,
            Wait::Place(_) if now >= began + queue.wait => return Ok(Err(too_long(queue.wait))),
            Wait::Place(at) => at.min(began + queue.wait),
        };
        if place.is_none() {
            place = join(exchange);
            match &place {
                None => return Ok(Err(full(queue.size))),
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
        exchange.waited = began.elapsed();
    }
}

/// Leases an account when it is the request's turn; gives what to wait for, or why it is no use.
fn attempt(
    exchange: &mut Exchange,
    place: Option<&Place>,
) -> std::result::Result<(), std::result::Result<Wait, Refusal>> {
    let queue = Arc::clone(exchange.live.pool.queue());
    let look_again = || Wait::Place(Instant::now() + ASK_AGAIN);
    let stands_behind = match (place, &exchange.call) {
        (Some(place), _) => !place.is_first(),
        (None, Some(call)) => queue.has_line(&call.model, call.dialect),
        (None, None) => false,
    };
    if stands_behind {
        return Err(Ok(look_again()));
    }
    let Some(admitted) = queue.admit(exchange.live.config.pool.max_concurrency) else {
        return Err(Ok(look_again()));
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

fn join(exchange: &Exchange) -> Option<Place> {
    let call = exchange.call.as_ref()?;
    let most = exchange.live.config.pool.queue.size;
    exchange.live.pool.queue().join(&call.model, call.dialect, most)
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
