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

pub mod catalog;
pub mod enter;
pub mod models;
pub mod probe;
pub mod receive;
pub mod stored;

pub mod admit;
pub mod attempt;
pub mod broke;
pub mod conversation;
pub mod cork;
pub mod retry;
pub mod upstream;

pub mod effects;
pub mod handover;
pub mod hedge;
pub mod second;

pub mod destination;
pub mod fetch;
pub mod tunnel;

pub mod grant;
pub mod token;
pub mod vertex;

pub mod answer;
pub mod count;
pub mod decode;
pub mod ending;
pub mod head;
pub mod rename;
pub mod reply;
pub mod tap;

pub mod log;
pub mod refuse;
pub mod trace;
pub mod watch;

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::{HttpPeer, Peer as _};
use pingora::{Error, ErrorSource, ErrorType, Result};

use crate::clock::Now;
use crate::ir::error::{Error as Refusal, ErrorKind};
use crate::monitor::record::CLIENT_LEFT;
use crate::store::Store;
use broke::Broke;
use exchange::Exchange;
use live::{InFlight, Live};
use replay::Replay;
use reply::{Reply, Trouble};
use retry::MOVED_ON;
use watch::Watch;

/// How a request ended that the gateway cut off when it was stopped.
const STOPPED: &str = "gateway stopped";

/// The proxy, as Pingora runs it.
pub struct Gateway {
    live: Arc<ArcSwap<Live>>,
    store: Store,
    in_flight: InFlight,
    watch: Watch,
}

impl Gateway {
    /// A gateway over what is live now; a swap reaches the next request.
    pub fn new(live: Arc<ArcSwap<Live>>, store: Store, in_flight: InFlight, watch: Watch) -> Self {
        Self { live, store, in_flight, watch }
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Box<Exchange>;

    fn new_ctx(&self) -> Self::CTX {
        let mut exchange = Exchange::new(self.live.load_full(), self.store.clone());
        exchange.open = Some(self.in_flight.enter());
        self.watch.begin(&mut exchange);
        Box::new(exchange)
    }

    /// None: what Pingora adds by default compresses answers.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(
        &self,
        session: &mut Session,
        exchange: &mut Self::CTX,
    ) -> Result<bool> {
        let Some(call) = enter::enter(session, exchange).await? else {
            return Ok(true);
        };
        let has_body = !call.body.is_empty();
        exchange.call = Some(call);
        if count::answer(session, exchange).await? {
            return Ok(true);
        }
        if let Err(refusal) = admit::admit(session, exchange).await? {
            refuse::write(session, exchange, &refusal).await?;
            return Ok(true);
        }
        let gate = Arc::clone(&exchange.gate);
        let keepalive = answer::keepalive(exchange);
        let cut = exchange.open.as_ref().map(live::Open::cut);
        let hedges = exchange.live.config.pool.hedge.after.is_some();
        let extras = (keepalive, cut, hedges);
        Replay::install(&mut session.downstream_session, gate, has_body, extras);
        Ok(false)
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        exchange: &mut Self::CTX,
    ) -> Result<Box<HttpPeer>> {
        if let Some(next) = exchange.next.take() {
            admit::again(session, exchange, next).await?;
        }
        let Some(attempt) = &mut exchange.attempt else {
            return Error::e_explain(MOVED_ON, "no account");
        };
        if let Some(answer) = attempt.answer.take() {
            exchange.gate.hold(exchange.live.config.proxy.timeouts.first_byte);
            return Ok(Box::new(answer.peer()));
        }
        if let Err(lacking) = attempt.upstream.credential_ready().await {
            return Err(retry::move_on(exchange, Trouble::from(lacking)));
        }
        exchange.gate.hold(exchange.live.config.proxy.timeouts.first_byte);
        hedge::prepare(exchange);
        let Some(attempt) = &exchange.attempt else {
            return Error::e_explain(MOVED_ON, "no account");
        };
        let destination = &attempt.upstream.destination;
        match destination.peer().await {
            Ok(mut peer) => {
                if attempt.resent > 0 {
                    // A group of its own: no kept connection is in it.
                    peer.group_key |= 1 << 63;
                }
                Ok(Box::new(peer))
            }
            Err(message) => {
                let trouble = Trouble::connect(message, destination.scope());
                Err(retry::move_on(exchange, trouble))
            }
        }
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        peer: &HttpPeer,
        socket: RawFd,
        _digest: Option<&Digest>,
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        // Over TLS it may be the connection of other requests too (HTTP/2).
        if !peer.tls() {
            exchange.gate.cork.set(socket);
        }
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        head: &mut RequestHeader,
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        match (&exchange.call, &exchange.attempt) {
            (Some(call), Some(attempt)) => {
                attempt.write_head(call, head);
                Ok(())
            }
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
        attempt.lease.heard(&head.headers, Now::read);
        let head = std::mem::replace(head, head::bare_head(StatusCode::OK));
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
        answer::hear(exchange, body, end)?;
        self.watch.hear(exchange, body.as_deref());
        Ok(None)
    }

    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        _trailers: &mut http::HeaderMap,
        exchange: &mut Self::CTX,
    ) -> Result<Option<Bytes>> {
        let mut body = None;
        answer::hear(exchange, &mut body, true)?;
        self.watch.hear(exchange, body.as_deref());
        Ok(body)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        exchange: &mut Self::CTX,
        error: Box<Error>,
    ) -> Box<Error> {
        let Some(attempt) = &exchange.attempt else { return error };
        let destination = &attempt.upstream.destination;
        let trouble = Trouble::connect(destination.cannot_connect(&error), destination.scope());
        retry::move_on(exchange, trouble)
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        _session: &mut Session,
        mut error: Box<Error>,
        exchange: &mut Self::CTX,
        client_reused: bool,
    ) -> Box<Error> {
        let broke = broke::what_broke(&error, exchange, client_reused);
        error.retry = false.into();
        match broke {
            Broke::Decided(retry) => error.retry = retry.into(),
            Broke::Client => exchange.outcome = Some(CLIENT_LEFT),
            Broke::AfterBegin => {}
            Broke::Stopped => {
                exchange.outcome = Some(STOPPED);
                exchange.refusal = Some(refuse::stopped());
                return Error::explain(replay::STOPPED, "before the answer began");
            }
            Broke::Overtaken => return hedge::take_over(exchange),
            Broke::Stale => {
                if let Some(attempt) = &mut exchange.attempt {
                    attempt.resent += 1;
                }
                error.retry = true.into();
            }
            Broke::Upstream(trouble) => return retry::move_on(exchange, trouble),
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
            answer::break_off(session, exchange, error).await
        } else if exchange.outcome == Some(CLIENT_LEFT)
            || *error.esource() == ErrorSource::Downstream
        {
            exchange.outcome.get_or_insert(CLIENT_LEFT);
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
        Replay::uninstall(&mut session.downstream_session, &exchange.gate);
        let ended = Instant::now();
        retry::settle(exchange, error, ended);
        let total = ended.saturating_duration_since(exchange.began.monotonic);
        log::line(exchange, total);
        self.watch.end(exchange, &session.req_header().headers, total);
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
