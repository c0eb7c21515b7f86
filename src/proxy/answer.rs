//! How the caller hears an answer: held back, let go, passed on, or broken off.

use bytes::Bytes;
use http::HeaderValue;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::exchange::{Call, Exchange};
use super::refuse;
use super::replay;
use super::reply::{Reply, Step, Trouble};
use super::retry::{self, MOVED_ON};
use crate::dialects::Asked;
use crate::ir::request::ReplyForm;
use crate::translate;

/// Takes in a piece of the answer, and puts in its place what the client hears of it.
pub fn hear(exchange: &mut Exchange, body: &mut Option<Bytes>, end: bool) -> Result<()> {
    let Exchange {
        call: Some(call), attempt: Some(attempt), reply: Some(reply), gate, live, ..
    } = exchange
    else {
        return Error::e_explain(ErrorType::InternalError, "no reply");
    };
    if !gate.is_held() {
        gate.wait(live.config.proxy.timeouts.idle);
    }
    let step = reply.push(body.take(), end, (call, attempt));
    match step {
        Step::Hold => Ok(()),
        Step::Begin(head, first) => {
            commit(exchange, head);
            *body = Some(first);
            end_stream(exchange, body, end);
            Ok(())
        }
        Step::More(more) => {
            *body = Some(more);
            end_stream(exchange, body, end);
            Ok(())
        }
        Step::Failed(trouble) => take_trouble(exchange, body, *trouble),
    }
}

/// Lets the response go.
fn commit(exchange: &mut Exchange, mut head: Box<ResponseHeader>) {
    if let Some(reply) = &exchange.reply {
        exchange.losses.extend(&reply.losses);
    }
    dress(&mut head, exchange);
    exchange.answer_began(head.status);
    forget_request(exchange);
    exchange.gate.wait(exchange.live.config.proxy.timeouts.idle);
    exchange.gate.open(head);
}

/// The answer has begun, so no other account will be asked: the request need not be kept for as long as a stream is open.
fn forget_request(exchange: &mut Exchange) {
    if let Some(call) = &mut exchange.call {
        call.body = Bytes::new();
    }
    if let Some(attempt) = &mut exchange.attempt {
        attempt.body = Bytes::new();
    }
}

/// Where a stream ended before its proper end, says so in the client's dialect.
fn end_stream(exchange: &mut Exchange, body: &mut Option<Bytes>, end: bool) {
    if !end || !exchange.reply.as_ref().is_some_and(Reply::is_stream) {
        return;
    }
    let asked = asked(exchange);
    let Exchange { call: Some(call), reply: Some(reply), outcome, .. } = exchange else { return };
    let error = translate::broke_off("it ended before its end event");
    let tail = reply.break_off(&error, call, &asked);
    if !tail.is_empty() {
        *outcome = Some("upstream cut the stream");
        let mut whole = body.take().unwrap_or_default().to_vec();
        whole.extend_from_slice(&tail);
        *body = Some(whole.into());
    }
}

/// An account's answer is none: another account is asked, or the client hears why not.
fn take_trouble(
    exchange: &mut Exchange,
    body: &mut Option<Bytes>,
    mut trouble: Trouble,
) -> Result<()> {
    if let Some(lease) = retry::next_lease(exchange, &mut trouble) {
        exchange.next = Some(lease);
        let mut error = Error::explain(MOVED_ON, trouble.verdict.note);
        error.retry = true.into();
        return Err(error);
    }
    let Some(reply) = &exchange.reply else {
        exchange.refusal = Some(trouble.error);
        return Error::e_explain(MOVED_ON, "no reply");
    };
    let (head, said) = refuse::passed_on(exchange, &trouble, &reply.head);
    exchange.outcome = Some(trouble.verdict.note);
    commit(exchange, Box::new(head));
    *body = Some(said);
    Ok(())
}

/// Ends a client's stream that has begun with the error event of its dialect.
pub async fn break_off(
    session: &mut Session,
    exchange: &mut Exchange,
    error: &Error,
) -> Result<()> {
    if exchange.outcome == Some(super::CLIENT_LEFT) {
        return Ok(());
    }
    let stalled = *error.etype() == replay::STALLED;
    exchange.outcome = Some(if stalled { "upstream stalled" } else { "upstream broke off" });
    let why = if stalled { "it kept silent for too long" } else { "the connection broke" };
    let failure = translate::broke_off(why);
    let asked = asked(exchange);
    let Exchange { call: Some(call), reply: Some(reply), .. } = exchange else { return Ok(()) };
    if !reply.is_stream() {
        // A body cut short is known by its length.
        session.downstream_session.shutdown().await;
        return Ok(());
    }
    let tail = reply.break_off(&failure, call, &asked);
    session.write_response_body(Some(tail), true).await
}

/// How the client asked, for what is written outside a translation.
fn asked(exchange: &Exchange) -> Asked {
    Asked {
        model: exchange.call.as_ref().map_or_else(String::new, |call| call.asked.clone()),
        reply: ReplyForm {
            array_stream: exchange.call.as_ref().is_some_and(Call::array_stream),
            ..Default::default()
        },
        id: exchange.id.clone(),
        created: exchange.began.since_epoch().as_secs(),
    }
}

/// Puts the gateway's own headers on an answer.
pub fn dress(head: &mut ResponseHeader, exchange: &Exchange) {
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            let _ = head.insert_header(name, value);
        }
    };
    put("x-request-id", &exchange.id);
    if let Some(origin) = exchange.origin.as_ref().and_then(|origin| origin.to_str().ok()) {
        put("access-control-allow-origin", origin);
        put("access-control-expose-headers", "*");
        put("vary", "origin");
    }
    if !exchange.losses.dropped.is_empty() {
        let dropped: Vec<&str> = exchange.losses.dropped.iter().copied().collect();
        put("x-levity-dropped", &dropped.join(", "));
    }
    if !exchange.live.config.proxy.expose_routing {
        return;
    }
    if let Some(attempt) = &exchange.attempt {
        put("x-levity-account", &attempt.lease.account().config.name);
        put("x-levity-model", attempt.lease.model());
        put("x-levity-attempts", &(exchange.trail.len() + 1).to_string());
    }
}
