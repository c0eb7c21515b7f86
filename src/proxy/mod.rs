//! The gateway on Pingora: the table of contents of a request's way.
//!
//! ```text
//! request_filter           who asks, and for what?
//! upstream_peer            which account answers? asked again for every attempt
//! upstream_request_filter, request_body_filter      what do we say to it?
//! upstream_response_filter, response_body_filter    do we take its answer, and how does the caller hear it?
//! fail_to_connect, error_while_proxy                is it worth another attempt?
//! fail_to_proxy            how do we say no?
//! logging                  what do we remember?
//! ```

pub mod exchange;
pub mod live;
pub mod replay;

mod receive;
mod upstream;

mod attempt;
mod tap;

mod reply;

mod log;
mod models;
mod refuse;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::http::compression::ResponseCompressionCtx;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};

use crate::clock::Now;
use crate::config::AuthMode;
use crate::dialects::Asked;
use crate::ir::error::{Error as Refusal, ErrorKind};
use crate::pool::Reach;
use crate::pool::Want;
use crate::pool::lease::Lease;
use crate::pool::unavailable::Unavailable;
use crate::pool::verdict::{Failure, Outcome, Verdict};
use crate::route::{self, Endpoint, Operation};
use attempt::Attempt;
use exchange::{Call, Exchange, Trial};
use live::{InFlight, Live};
use replay::Replay;
use reply::{Reply, Step, Trouble};

/// Another attempt, or none: the reason is in the exchange.
const MOVED_ON: ErrorType = ErrorType::Custom("next attempt");
/// How often a request is sent again because a kept connection had gone stale.
const RESENDS: u32 = 2;

/// The proxy, as Pingora runs it.
pub struct Gateway {
    live: Arc<ArcSwap<Live>>,
    in_flight: InFlight,
}

impl Gateway {
    /// A gateway over what is live now; a swap reaches the next request.
    pub fn new(live: Arc<ArcSwap<Live>>, in_flight: InFlight) -> Self {
        Self { live, in_flight }
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Box<Exchange>;

    fn new_ctx(&self) -> Self::CTX {
        let mut exchange = Exchange::new(self.live.load_full());
        exchange.open = Some(self.in_flight.enter());
        Box::new(exchange)
    }

    /// None: what Pingora adds by default compresses answers.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(
        &self,
        session: &mut Session,
        exchange: &mut Self::CTX,
    ) -> Result<bool> {
        match enter(session, exchange).await? {
            Entered::Answered => Ok(true),
            Entered::Call(call) => {
                exchange.call = Some(call);
                match first_attempt(exchange) {
                    Ok(()) => {
                        let has_body =
                            exchange.call.as_ref().is_some_and(|call| !call.body.is_empty());
                        let gate = Arc::clone(&exchange.gate);
                        Replay::install(&mut session.downstream_session, gate, has_body);
                        Ok(false)
                    }
                    Err(refusal) => {
                        refuse::write(session, exchange, &refusal).await?;
                        Ok(true)
                    }
                }
            }
        }
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        exchange: &mut Self::CTX,
    ) -> Result<Box<HttpPeer>> {
        if let Some(lease) = exchange.next.take()
            && let Err(refusal) = begin(exchange, lease)
        {
            exchange.refusal = Some(refusal);
            return Error::e_explain(MOVED_ON, "no words for the request");
        }
        let Some(attempt) = &exchange.attempt else {
            return Error::e_explain(MOVED_ON, "no account");
        };
        exchange.gate.hold(exchange.live.config.proxy.timeouts.first_byte);
        match attempt.upstream.peer().await {
            Ok(mut peer) => {
                if attempt.resent > 0 {
                    // A group of its own: no kept connection is in it.
                    peer.group_key |= 1 << 63;
                }
                Ok(Box::new(peer))
            }
            Err(error) => {
                let name = attempt.upstream.authority();
                let message = format!("cannot find {name}: {error}");
                Err(move_on(exchange, Trouble::connect(message)))
            }
        }
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        head: &mut RequestHeader,
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        // A fresh one for each attempt: it can be used once. It decodes what comes encoded although we ask for nothing.
        session.upstream_compression = ResponseCompressionCtx::new(0, true, false);
        match (&exchange.call, &exchange.attempt) {
            (Some(call), Some(attempt)) => attempt.write_head(call, head),
            _ => Error::e_explain(ErrorType::InternalError, "no attempt"),
        }
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end: bool,
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        *body = exchange.attempt.as_ref().map(|attempt| attempt.body.clone());
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        head: &mut ResponseHeader,
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        if head.status.is_informational() {
            return Ok(());
        }
        let Exchange { call: Some(call), attempt: Some(attempt), id, .. } = &mut **exchange else {
            return Error::e_explain(ErrorType::InternalError, "no attempt");
        };
        let head = std::mem::replace(head, ResponseHeader::build(StatusCode::OK, Some(0))?);
        exchange.reply = Some(Reply::new(head, call, attempt, id));
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        exchange: &mut Self::CTX,
    ) -> Result<Option<Duration>> {
        hear(exchange, body, end)?;
        Ok(None)
    }

    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        _trailers: &mut http::HeaderMap,
        exchange: &mut Self::CTX,
    ) -> Result<Option<Bytes>> {
        let mut body = None;
        hear(exchange, &mut body, true)?;
        Ok(body)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        exchange: &mut Self::CTX,
        error: Box<Error>,
    ) -> Box<Error> {
        let name = exchange.attempt.as_ref().map_or_else(String::new, |attempt| {
            attempt.upstream.forget_address();
            attempt.upstream.authority()
        });
        let message = format!("cannot connect to {name}: {}", reason(&error));
        move_on(exchange, Trouble::connect(message))
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        _session: &mut Session,
        mut error: Box<Error>,
        exchange: &mut Self::CTX,
        client_reused: bool,
    ) -> Box<Error> {
        error.retry = false.into();
        match what_broke(&error, exchange, client_reused) {
            Broke::Decided(retry) => error.retry = retry.into(),
            Broke::Client => exchange.outcome = Some("client left"),
            Broke::AfterBegin => {}
            Broke::Stale => {
                if let Some(attempt) = &mut exchange.attempt {
                    attempt.resent += 1;
                }
                error.retry = true.into();
            }
            Broke::Upstream(trouble) => return move_on(exchange, trouble),
        }
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        exchange: &mut Self::CTX,
    ) -> FailToProxy {
        Replay::uninstall(&mut session.downstream_session, &exchange.gate);
        session.set_keepalive(None);
        let written = if session.response_written().is_some() {
            break_off(session, exchange, error).await
        } else if exchange.outcome == Some("client left")
            || *error.esource() == ErrorSource::Downstream
        {
            exchange.outcome.get_or_insert("client left");
            Ok(())
        } else {
            let refusal = exchange.refusal.take().unwrap_or_else(|| {
                log::error!("request {} failed inside the gateway: {error}", exchange.id);
                Refusal::new(ErrorKind::Internal, "the gateway failed; its log says more")
            });
            refuse::write(session, exchange, &refusal).await
        };
        if let Err(error) = written {
            log::debug!("request {}: the client did not take the error: {error}", exchange.id);
        }
        let error_code = exchange.status.map_or(0, |status| status.as_u16());
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(
        &self,
        session: &mut Session,
        error: Option<&Error>,
        exchange: &mut Self::CTX,
    ) {
        if session.downstream_session.is_custom() {
            Replay::uninstall(&mut session.downstream_session, &exchange.gate);
        }
        settle(exchange, error);
        log::line(exchange);
    }

    fn suppress_error_log(
        &self,
        _session: &Session,
        _exchange: &Self::CTX,
        _error: &Error,
    ) -> bool {
        // `logging` says it, once.
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _exchange: &Self::CTX,
        _error: &Error,
        _context: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}

/// What the head and body of a request lead to.
enum Entered {
    /// It has its answer.
    Answered,
    /// An account is to answer it.
    Call(Call),
}

/// Who asks, and for what? Answers what needs no account.
async fn enter(session: &mut Session, exchange: &mut Exchange) -> Result<Entered> {
    let head = session.req_header();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().map(str::to_owned);
    let routed = route::route(&head.method, &path, &head.headers);
    exchange.path = format!("{} {path}", head.method);
    exchange.client = session.client_addr().map(ToString::to_string);
    exchange.dialect = match &routed {
        Ok(Endpoint::Upstream(upstream)) => upstream.dialect,
        Ok(Endpoint::Models(dialect) | Endpoint::Model(dialect, _)) => *dialect,
        _ => route::suggested(&path, &head.headers),
    };
    exchange.origin = head.headers.get(header::ORIGIN).cloned();
    if exchange.live.auth == AuthMode::Off && exchange.origin.as_ref().is_some_and(is_foreign) {
        // Without a key, a page of the web that the owner looks at could use the accounts.
        exchange.origin = None;
        return refused_early(session, exchange, &refuse::foreign_page()).await;
    }
    if let Err(refused) = authenticate(exchange, head, query.as_deref(), &routed) {
        let refusal = refuse::unauthorized(refused);
        return refused_early(session, exchange, &refusal).await;
    }
    let upstream = match routed {
        Ok(Endpoint::Upstream(upstream)) => upstream,
        Ok(Endpoint::WebSocket) => {
            return refused_early(session, exchange, &refuse::no_websocket()).await;
        }
        Ok(endpoint) => {
            session.downstream_session.drain_request_body().await?;
            models::answer(session, exchange, &endpoint).await?;
            return Ok(Entered::Answered);
        }
        Err(no_route) => {
            let base = base_url(session);
            let (dialect, refusal) = refuse::no_route(&no_route, &path, &base);
            exchange.dialect = dialect;
            return refused_early(session, exchange, &refusal).await;
        }
    };
    let limit = exchange.live.config.proxy.max_body;
    let body = match receive::body(&mut session.downstream_session, limit).await {
        Ok(body) => body,
        Err(receive::Failed::Refused(refusal)) => {
            // The rest of it is on its way, and it is too much to wait for.
            session.set_keepalive(None);
            refuse::write(session, exchange, &refusal).await?;
            return Ok(Entered::Answered);
        }
        Err(receive::Failed::Gone(error)) => {
            exchange.outcome = Some("client left");
            return Err(error.into_down());
        }
    };
    match understand(upstream, path, query, body, exchange) {
        Ok(call) => Ok(Entered::Call(call)),
        Err(refusal) => {
            refuse::write(session, exchange, &refusal).await?;
            Ok(Entered::Answered)
        }
    }
}

/// Whether an `Origin` is a page from elsewhere: neither this machine's nor an application's own.
fn is_foreign(origin: &HeaderValue) -> bool {
    let Ok(url) = url::Url::parse(origin.to_str().unwrap_or_default()) else { return true };
    let of_the_web = matches!(url.scheme(), "http" | "https");
    let local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    of_the_web && !local
}

fn authenticate(
    exchange: &Exchange,
    head: &RequestHeader,
    query: Option<&str>,
    routed: &std::result::Result<Endpoint, route::NoRoute>,
) -> std::result::Result<(), crate::auth::Refused> {
    let open = match exchange.live.auth {
        AuthMode::Off => true,
        AuthMode::Strict => false,
        AuthMode::AllExceptHealth | AuthMode::Auto => matches!(routed, Ok(Endpoint::Health)),
    };
    if open || matches!(routed, Ok(Endpoint::Preflight)) {
        return Ok(());
    }
    exchange.live.keys.check(&head.headers, query)
}

/// Refuses a request whose body has not been read: it is drained, so that the connection can be kept.
async fn refused_early(
    session: &mut Session,
    exchange: &mut Exchange,
    refusal: &Refusal,
) -> Result<Entered> {
    session.downstream_session.set_total_drain_timeout(Some(Duration::from_secs(5)));
    if session.downstream_session.drain_request_body().await.is_err() {
        session.set_keepalive(None);
    }
    refuse::write(session, exchange, refusal).await?;
    Ok(Entered::Answered)
}

/// The gateway's own base URL, as the client reached it.
fn base_url(session: &Session) -> String {
    let host = session.req_header().headers.get(header::HOST).and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or("127.0.0.1:8045"))
}

/// What the body asks for.
fn understand(
    upstream: route::Upstream,
    path: String,
    query: Option<String>,
    body: Bytes,
    exchange: &Exchange,
) -> std::result::Result<Call, Refusal> {
    let route::Upstream { dialect, operation, model } = upstream;
    let bodiless = matches!(operation, Operation::Stored(_));
    let said =
        if bodiless && body.is_empty() { receive::Said::default() } else { receive::said(&body)? };
    let asked = match model.or(said.model) {
        Some(model) if !model.is_empty() => model,
        _ if bodiless => String::new(),
        _ => return Err(Refusal::invalid("model", "model is missing: name the model to ask")),
    };
    let in_path = operation_names_model(&operation, dialect);
    let stream = match operation {
        Operation::StreamGenerateContent => true,
        Operation::Generate => said.stream,
        Operation::GenerateContent
        | Operation::CountTokens
        | Operation::Embed
        | Operation::BatchEmbed
        | Operation::Stored(_) => false,
    };
    Ok(Call {
        dialect,
        operation,
        path,
        query,
        model: exchange.live.resolve(&asked).to_owned(),
        asked,
        stream,
        model_at: if in_path { Vec::new() } else { said.model_at },
        body,
    })
}

/// Whether the path names the model, and the body's own `model` is left as it is.
fn operation_names_model(operation: &Operation, dialect: crate::dialects::Dialect) -> bool {
    match operation {
        Operation::GenerateContent
        | Operation::StreamGenerateContent
        | Operation::BatchEmbed
        | Operation::Stored(_) => true,
        Operation::CountTokens | Operation::Embed | Operation::Generate => {
            dialect == crate::dialects::Dialect::Gemini
        }
    }
}

/// Leases the first account and prepares what it is told.
fn first_attempt(exchange: &mut Exchange) -> std::result::Result<(), Refusal> {
    let mut last = None;
    for _ in 0..exchange.live.config.pool.max_attempts.get() {
        let lease = match lease(exchange) {
            Ok(lease) => lease,
            Err(why) => {
                return Err(last.unwrap_or_else(|| unavailable(&why, exchange)));
            }
        };
        match begin(exchange, lease) {
            Ok(()) => return Ok(()),
            // Another account may speak a dialect that has the words.
            Err(refusal) => last = Some(refusal),
        }
    }
    Err(last.unwrap_or_else(|| Refusal::new(ErrorKind::Internal, "no account was tried")))
}

fn unavailable(why: &Unavailable, exchange: &Exchange) -> Refusal {
    exchange.call.as_ref().map_or_else(
        || Refusal::new(ErrorKind::Internal, "nothing was asked"),
        |call| refuse::unavailable(why, exchange, call),
    )
}

fn lease(exchange: &Exchange) -> std::result::Result<Lease, Unavailable> {
    let Some(call) = &exchange.call else { return Err(Unavailable::NoSuchModel) };
    let reach = if call.operation.translatable() { Reach::Translated } else { Reach::OwnDialect };
    let want = Want { model: &call.model, client: call.dialect, reach };
    exchange.live.pool.lease(&want, &exchange.tried(), Now::read())
}

/// Makes a lease the attempt at hand. An account whose dialect has no words for the request counts as tried.
fn begin(exchange: &mut Exchange, lease: Lease) -> std::result::Result<(), Refusal> {
    let account = (lease.account().id(), lease.account().config.name.clone());
    let Some(call) = exchange.call.take() else {
        return Err(Refusal::new(ErrorKind::Internal, "nothing was asked"));
    };
    let prepared = Attempt::new(exchange, &call, lease);
    exchange.call = Some(call);
    exchange.reply = None;
    match prepared {
        Ok((attempt, losses)) => {
            exchange.losses = losses;
            exchange.used = Some(attempt.lease.model().to_owned());
            exchange.attempt = Some(attempt);
            Ok(())
        }
        Err(refusal) => {
            let (account, name) = account;
            exchange.trail.push(Trial {
                account,
                name,
                status: None,
                note: "no words for the request",
            });
            Err(refusal)
        }
    }
}

/// Takes in a piece of the answer, and puts in its place what the client hears of it.
fn hear(exchange: &mut Exchange, body: &mut Option<Bytes>, end: bool) -> Result<()> {
    let Exchange {
        call: Some(call), attempt: Some(attempt), reply: Some(reply), gate, live, ..
    } = exchange
    else {
        return Error::e_explain(ErrorType::InternalError, "no reply");
    };
    if !gate.is_held() {
        gate.wait(live.config.proxy.timeouts.idle);
    }
    let step = reply.push(body.take(), end, (call, attempt, Now::read()));
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
    exchange.gate.wait(exchange.live.config.proxy.timeouts.idle);
    exchange.gate.open(head);
}

/// Where a stream ended before its proper end, says so in the client's dialect.
fn end_stream(exchange: &mut Exchange, body: &mut Option<Bytes>, end: bool) {
    let asked = asked(exchange);
    let Exchange { call: Some(call), reply: Some(reply), outcome, .. } = exchange else { return };
    if !end || !reply.is_stream() {
        return;
    }
    let error = crate::translate::broke_off("it ended before its end event");
    let tail = reply.break_off(&error, call, asked);
    if !tail.is_empty() {
        *outcome = Some("upstream cut the stream");
        let mut whole = body.take().unwrap_or_default().to_vec();
        whole.extend_from_slice(&tail);
        *body = Some(whole.into());
    }
}

/// An account's answer is none: another account is asked, or the client hears why not.
fn take_trouble(exchange: &mut Exchange, body: &mut Option<Bytes>, trouble: Trouble) -> Result<()> {
    if let Some(lease) = next_lease(exchange, &trouble) {
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

/// Settles the attempt at hand and leases the next account, where there is one and the client has heard nothing.
fn next_lease(exchange: &mut Exchange, trouble: &Trouble) -> Option<Lease> {
    let status = exchange.reply.as_ref().map(|reply| reply.head.status.as_u16());
    let attempt = exchange.attempt.take()?;
    let account = attempt.lease.account();
    exchange.trail.push(Trial {
        account: account.id(),
        name: account.config.name.clone(),
        status,
        note: trouble.verdict.note,
    });
    attempt.lease.settle(trouble.verdict, Now::read());
    let most = exchange.live.config.pool.max_attempts.get() as usize;
    if !trouble.verdict.moves_on() || exchange.trail.len() >= most {
        return None;
    }
    lease(exchange).ok()
}

/// An attempt failed with no answer to judge: the next account is asked, or the client is told why not.
fn move_on(exchange: &mut Exchange, trouble: Trouble) -> Box<Error> {
    exchange.reply = None;
    let mut error = Error::explain(MOVED_ON, trouble.verdict.note);
    if let Some(lease) = next_lease(exchange, &trouble) {
        exchange.next = Some(lease);
        error.retry = true.into();
        return error;
    }
    exchange.outcome = Some(trouble.verdict.note);
    exchange.refusal = Some(trouble.error);
    error.retry = false.into();
    error
}

/// What an error in the middle of an attempt means.
enum Broke {
    /// The answer was judged; whether another attempt follows is decided.
    Decided(bool),
    /// The client is gone.
    Client,
    /// The client has heard the beginning: `fail_to_proxy` ends its stream.
    AfterBegin,
    /// A kept connection had been closed by the other side: the same account gets the request again.
    Stale,
    /// The account failed.
    Upstream(Trouble),
}

fn what_broke(error: &Error, exchange: &Exchange, reused: bool) -> Broke {
    if *error.etype() == MOVED_ON {
        return Broke::Decided(error.retry());
    }
    let stalled = *error.etype() == replay::STALLED;
    let ended = *error.etype() == replay::ENDED_EARLY;
    if *error.esource() == ErrorSource::Downstream && !stalled && !ended {
        return Broke::Client;
    }
    if !exchange.gate.is_held() {
        return Broke::AfterBegin;
    }
    let resent = exchange.attempt.as_ref().map_or(0, |attempt| attempt.resent);
    if reused && exchange.reply.is_none() && !stalled && resent < RESENDS {
        return Broke::Stale;
    }
    let (failure, message) = if stalled {
        (Failure::Stalled, "the provider kept silent for too long".to_owned())
    } else if ended {
        (Failure::Empty, "the provider answered with nothing".to_owned())
    } else {
        (Failure::Broken, format!("the connection to the provider broke: {}", reason(error)))
    };
    let kind = if stalled { ErrorKind::Timeout } else { ErrorKind::Internal };
    let error = Refusal::new(kind, message);
    Broke::Upstream(Trouble { verdict: Verdict::failed(failure), error, raw: None })
}

/// The innermost reason of an error, without Pingora's wrapping.
fn reason(error: &Error) -> String {
    let kind = error.etype().as_str();
    error.cause.as_ref().map_or_else(|| kind.to_owned(), |cause| format!("{kind}: {cause}"))
}

/// Ends a client's stream that has begun with the error event of its dialect.
async fn break_off(session: &mut Session, exchange: &mut Exchange, error: &Error) -> Result<()> {
    if exchange.outcome == Some("client left") {
        return Ok(());
    }
    let stalled = *error.etype() == replay::STALLED;
    exchange.outcome = Some(if stalled { "upstream stalled" } else { "upstream broke off" });
    let why = if stalled { "it kept silent for too long" } else { "the connection broke" };
    let failure = crate::translate::broke_off(why);
    let asked = asked(exchange);
    let Exchange { call: Some(call), reply: Some(reply), .. } = exchange else { return Ok(()) };
    if !reply.is_stream() {
        // A body cut short is known by its length.
        session.downstream_session.shutdown().await;
        return Ok(());
    }
    let tail = reply.break_off(&failure, call, asked);
    session.write_response_body(Some(tail), true).await
}

/// How the client asked, for what is written outside a translation.
fn asked(exchange: &Exchange) -> Asked {
    Asked {
        model: exchange.call.as_ref().map_or_else(String::new, |call| call.asked.clone()),
        reply: crate::ir::request::ReplyForm {
            array_stream: exchange.call.as_ref().is_some_and(Call::array_stream),
            ..Default::default()
        },
        id: exchange.id.clone(),
        created: exchange.began.since_epoch().as_secs(),
    }
}

/// The lease is settled here, once.
fn settle(exchange: &mut Exchange, error: Option<&Error>) {
    if let Some(reply) = &mut exchange.reply {
        exchange.usage = exchange.usage.or(reply.usage);
        exchange.losses.extend(&reply.losses);
    }
    let Some(attempt) = exchange.attempt.take() else { return };
    let left = exchange.outcome == Some("client left");
    let verdict = match (&exchange.reply, error) {
        _ if left => Verdict::ABANDONED,
        (Some(reply), None) => reply.verdict(),
        (Some(_), Some(_)) => Verdict::failed(Failure::Broken),
        (None, _) => Verdict::ABANDONED,
    };
    let account = attempt.lease.account();
    exchange.trail.push(Trial {
        account: account.id(),
        name: account.config.name.clone(),
        status: exchange.reply.as_ref().map(|reply| reply.head.status.as_u16()),
        note: if left { "client left" } else { verdict.note },
    });
    if matches!(verdict.outcome, Outcome::Failed { .. }) {
        exchange.outcome.get_or_insert(verdict.note);
    }
    attempt.lease.settle(verdict, Now::read());
}

/// Puts the gateway's own headers on an answer.
fn dress(head: &mut ResponseHeader, exchange: &Exchange) {
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

impl Trouble {
    /// No connection.
    fn connect(message: String) -> Self {
        let error = Refusal { status: 502, ..Refusal::new(ErrorKind::Internal, message) };
        Self { verdict: Verdict::failed(Failure::Connect), error, raw: None }
    }
}
