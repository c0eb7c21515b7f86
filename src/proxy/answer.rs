//! How the caller hears an answer: held back, let go, passed on, or broken off.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::attempt::Plan;
use super::exchange::{Call, Exchange};
use super::head::{self, ANTHROPICS_ID, REQUEST_ID};
use super::replay::{self, Keepalive};
use super::reply::{Reply, Step, Trouble};
use super::retry::{self, MOVED_ON};
use super::{count, hedge, refuse};
use crate::dialects::{self, Asked, Dialect};
use crate::ir::error::Error as Refusal;
use crate::ir::request::ReplyForm;
use crate::pool::verdict::{Failure, Verdict};
use crate::store::capture::{Capture, Words};
use crate::store::record::Answerer;
use crate::translate;

/// Takes in a piece of the answer, and puts in its place what the client hears of it.
pub fn hear(exchange: &mut Exchange, body: &mut Option<Bytes>, end: bool) -> Result<()> {
    if exchange.reply.is_none() && !exchange.gate.is_held() {
        // The client has been told why there is no answer; the rest of that answer is nobody's.
        *body = None;
        return Ok(());
    }
    let Exchange {
        call: Some(call), attempt: Some(attempt), reply: Some(reply), gate, live, ..
    } = exchange
    else {
        return Error::e_explain(ErrorType::InternalError, "no reply");
    };
    let idle = live.config.proxy.timeouts.idle;
    if !gate.is_held() {
        gate.wait(idle);
    } else if reply.is_stream() {
        // Models that think unseen send pings for minutes before the first word.
        gate.extend(idle);
    }
    let step = reply.push(body.take(), end, (call, attempt));
    match step {
        Step::Hold => Ok(()),
        Step::Begin(head, first) => {
            if exchange.gate.is_alive() && !head::is_event_stream(&head) {
                let error =
                    translate::broke_off("it answered in one piece where a stream was asked for");
                let verdict = Verdict::failed(Failure::Garbled);
                return take_trouble(exchange, body, Trouble { verdict, error, raw: None });
            }
            begin_capture(exchange, &head);
            commit(exchange, head);
            *body = Some(first);
            let_go(exchange, body, end);
            Ok(())
        }
        Step::More(more) => {
            *body = Some(more);
            let_go(exchange, body, end);
            Ok(())
        }
        Step::Failed(trouble) => take_trouble(exchange, body, *trouble),
    }
}

/// What is to be done with every piece that goes to the client.
fn let_go(exchange: &mut Exchange, body: &mut Option<Bytes>, end: bool) {
    end_stream(exchange, body, end);
    capture(exchange, body.as_ref(), end);
}

/// Where the answer can be gone on from, listens for the response in it.
fn begin_capture(exchange: &mut Exchange, head: &ResponseHeader) {
    let draft = exchange.call.as_ref().and_then(|call| call.turn.as_ref()?.draft.as_ref());
    let Some(draft) = draft.filter(|_| head.status.is_success()) else { return };
    let is_stream = head::is_event_stream(head);
    let plan = exchange.attempt.as_ref().map(|attempt| &attempt.plan);
    let words = if matches!(plan, Some(Plan::Translate(_))) { Words::Ours } else { Words::Theirs };
    exchange.capture = Some(match (is_stream, draft.is_background) {
        (true, true) => Capture::background(),
        (true, false) => Capture::stream(),
        (false, _) => Capture::whole(words),
    });
}

/// Remembers the response as soon as it is whole, before the client can go on from it.
fn capture(exchange: &mut Exchange, body: Option<&Bytes>, end: bool) {
    let Some(capture) = &mut exchange.capture else { return };
    let found = body.and_then(|body| capture.push(body));
    let found = if end { found.or_else(|| capture.finish()) } else { found };
    let (Some(answer), Some(attempt)) = (found, &exchange.attempt) else { return };
    let account = &attempt.lease.account().config;
    let by = Answerer {
        account: &account.name,
        dialect: attempt.lease.dialect(),
        provider: account.provider,
    };
    let draft = exchange.call.as_ref().and_then(|call| call.turn.as_ref()?.draft.as_ref());
    let created = exchange.began.since_epoch().as_secs();
    if let Some(record) = draft.and_then(|draft| draft.record(answer, by, created)) {
        exchange.store.keep(record);
    }
}

/// Lets the response go.
fn commit(exchange: &mut Exchange, mut head: Box<ResponseHeader>) {
    if let Some(reply) = &exchange.reply {
        exchange.losses.extend(&reply.losses);
    }
    hedge::give_up(exchange);
    dress(&mut head, exchange);
    let after = exchange.gate.wait(exchange.live.config.proxy.timeouts.idle);
    exchange.answer_began(head.status, after);
    forget_request(exchange);
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
    let mut tail = reply.last_event(call, &asked);
    if tail.is_empty() {
        let error = translate::broke_off("it ended before its end event");
        tail = reply.break_off(&error, call, &asked);
        if tail.is_empty() {
            return;
        }
        *outcome = Some("upstream cut the stream");
    }
    let mut whole = body.take().unwrap_or_default().to_vec();
    whole.extend_from_slice(&tail);
    *body = Some(whole.into());
}

/// An account's answer is none: another account is asked, or the client hears why not.
fn take_trouble(
    exchange: &mut Exchange,
    body: &mut Option<Bytes>,
    mut trouble: Trouble,
) -> Result<()> {
    if retry::tell_again(exchange, &trouble) {
        let mut error = Error::explain(MOVED_ON, "told again");
        error.retry = true.into();
        return Err(error);
    }
    let next = retry::next_account(exchange, &mut trouble);
    let head = exchange.reply.take().map(|reply| reply.head);
    if next.is_some() {
        exchange.next = next;
        let mut error = Error::explain(MOVED_ON, trouble.verdict.note);
        retry::remember(exchange, trouble, head);
        error.retry = true.into();
        return Err(error);
    }
    let (trouble, head) = retry::most_telling(exchange, trouble, head);
    if let Some((head, said)) = count::instead(exchange, &trouble) {
        commit(exchange, Box::new(head));
        *body = Some(said);
        return Ok(());
    }
    exchange.outcome = Some(trouble.verdict.note);
    exchange.error = Some(trouble.error.message.clone());
    if exchange.gate.is_alive() {
        say_in_stream(exchange, body, &trouble.error);
        return Ok(());
    }
    let (head, said) = refuse::passed_on(exchange, &trouble, head.as_ref());
    commit(exchange, Box::new(head));
    *body = Some(said);
    Ok(())
}

/// What keeps the client's connection alive while it waits, where the owner wants it and the answer is a stream of events.
/// Gemini's SDKs know no comments in it.
pub fn keepalive(exchange: &Exchange) -> Option<Keepalive> {
    let every = exchange.live.config.proxy.keepalive?;
    let call = exchange.call.as_ref()?;
    if !call.stream || call.array_stream() {
        return None;
    }
    let words = match call.dialect {
        Dialect::Gemini => replay::BLANK_LINES,
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic => replay::COMMENT,
    };
    let mut head = head::fresh_head(StatusCode::OK, "text/event-stream");
    // Who will answer is not known.
    sign(&mut head, exchange);
    Some(Keepalive::new(every, words, Box::new(head)))
}

/// Says in a stream that was only kept alive why there is no answer.
fn say_in_stream(exchange: &mut Exchange, body: &mut Option<Bytes>, error: &Refusal) {
    *body = Some(said_in_stream(exchange, error));
    commit(exchange, Box::new(head::fresh_head(StatusCode::OK, "text/event-stream")));
}

fn said_in_stream(exchange: &Exchange, error: &Refusal) -> Bytes {
    let mut out = Vec::new();
    dialects::render_stream_error(exchange.dialect, error, &asked(exchange), 0, &mut out);
    out.into()
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
    if exchange.gate.is_held() {
        // Its stream was only kept alive.
        let refusal = exchange.refusal.take();
        let refusal = refusal.unwrap_or_else(|| translate::broke_off("the connection broke"));
        exchange.status = Some(StatusCode::OK);
        exchange.outcome.get_or_insert("refused");
        let said = said_in_stream(exchange, &refusal);
        return session.write_response_body(Some(said), true).await;
    }
    let (outcome, failure) = if *error.etype() == replay::STOPPED {
        (super::STOPPED, refuse::stopped())
    } else if *error.etype() == replay::STALLED {
        ("upstream stalled", translate::broke_off("it kept silent for too long"))
    } else {
        ("upstream broke off", translate::broke_off("the connection broke"))
    };
    exchange.outcome = Some(outcome);
    let asked = asked(exchange);
    let Exchange { call: Some(call), reply: Some(reply), .. } = exchange else { return Ok(()) };
    if !reply.is_stream() {
        // A body cut short is known by its length.
        session.downstream_session.shutdown().await;
        return Ok(());
    }
    let mut tail = reply.last_event(call, &asked);
    if tail.is_empty() {
        tail = reply.break_off(&failure, call, &asked);
    }
    exchange.error = Some(failure.message);
    exchange.note_answer(&tail);
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
    sign(head, exchange);
    if exchange.live.config.proxy.expose_routing || exchange.probe {
        expose_routing(head, exchange);
    }
}

/// The request's id, what a page of another origin needs, and what was left out.
fn sign(head: &mut ResponseHeader, exchange: &Exchange) {
    if let Ok(id) = HeaderValue::from_str(&exchange.id) {
        // Anthropic's SDKs read its own name for it; where the provider gave one, that is the one to ask it about.
        if exchange.dialect == Dialect::Anthropic && !head.headers.contains_key(&ANTHROPICS_ID) {
            let _ = head.insert_header(&ANTHROPICS_ID, id.clone());
        }
        let _ = head.insert_header(&REQUEST_ID, id);
    }
    let mut put = |name, value: &str| put(head, name, value);
    if let Some(origin) = exchange.origin.as_ref().and_then(|origin| origin.to_str().ok()) {
        put("access-control-allow-origin", origin);
        put("access-control-expose-headers", "*");
        put("vary", "origin");
    }
    let dropped: Vec<&str> = exchange.losses.names().collect();
    if !dropped.is_empty() {
        put("x-levity-dropped", &dropped.join(", "));
    }
}

/// Who answers.
fn expose_routing(head: &mut ResponseHeader, exchange: &Exchange) {
    if let Some(attempt) = &exchange.attempt {
        put(head, "x-levity-account", &attempt.lease.account().config.name);
        put(head, "x-levity-model", attempt.lease.model());
        put(head, "x-levity-attempts", &(exchange.trail.len() + 1).to_string());
    }
}

/// A value that cannot stand in a header is left out.
fn put(head: &mut ResponseHeader, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        let _ = head.insert_header(name, value);
    }
}
