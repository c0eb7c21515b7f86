//! One try at one account: what it is told, and where.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, header};
use pingora::http::RequestHeader;

use super::exchange::{Call, Exchange};
use super::reply::{declares, named};
use super::upstream::Upstream;
use crate::dialects::{Dialect, Path, Quirks, Target};
use crate::ir::error::{Error, ErrorKind};
use crate::ir::losses::Losses;
use crate::pool::lease::Lease;
use crate::route::Operation;
use crate::translate::{self, Translation};

/// One try.
pub struct Attempt {
    /// The account, for as long as it is asked.
    pub lease: Lease,
    /// How it is reached.
    pub upstream: Arc<Upstream>,
    /// Whether it is told what the client said, or what that means.
    pub plan: Plan,
    /// Path and query.
    target: Uri,
    /// The whole body.
    pub body: Bytes,
    /// Times that it was sent again because a kept connection had gone stale.
    pub resent: u32,
}

/// How a request goes to its account.
pub enum Plan {
    /// In the client's own words.
    Forward,
    /// In the account's.
    Translate(Box<Translation>),
}

/// Headers of a client that are for the gateway alone.
static FOR_US: [HeaderName; 7] = [
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    header::COOKIE,
    header::EXPECT,
    header::CONTENT_ENCODING,
    header::PROXY_AUTHORIZATION,
];
/// What comes back is read on the way, so it is asked for as it is.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

impl Attempt {
    /// Prepares what an account is told. The error names what the client got wrong, or what the account's dialect has no
    /// words for.
    pub fn new(exchange: &Exchange, call: &Call, lease: Lease) -> Result<(Self, Losses), Error> {
        let upstream = exchange
            .live
            .upstream(lease.account().id())
            .cloned()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the account is gone"))?;
        let dialect = lease.dialect();
        let mut losses = Losses::default();
        let (plan, body, target) = if dialect == call.dialect {
            let target = upstream.forward_target(dialect, call, lease.model());
            (Plan::Forward, call.body_for(lease.model()), target)
        } else {
            let (translation, body, lost) = translated(exchange, call, &lease)?;
            losses = lost;
            let target = upstream.translate_target(dialect, lease.model(), call.stream);
            (Plan::Translate(Box::new(translation)), body.into(), target)
        };
        let target = Uri::try_from(target).map_err(|_| {
            Error::invalid("model", "the model's name cannot stand in a request path")
        })?;
        Ok((Self { lease, upstream, plan, target, body, resent: 0 }, losses))
    }

    /// Makes the head of the upstream request out of the client's.
    pub fn write_head(&self, call: &Call, head: &mut RequestHeader) -> pingora::Result<()> {
        match self.plan {
            Plan::Forward => {
                for name in named(&head.headers, &FOR_US) {
                    head.remove_header(&name);
                }
            }
            Plan::Translate(_) => {
                *head = RequestHeader::build(Method::POST, b"/", Some(12))?;
                head.insert_header(header::CONTENT_TYPE, "application/json")?;
                let accept = if call.stream { "text/event-stream" } else { "application/json" };
                head.insert_header(header::ACCEPT, accept)?;
                head.insert_header(header::USER_AGENT, USER_AGENT)?;
            }
        }
        head.set_uri(self.target.clone());
        if self.body.is_empty() {
            head.remove_header(&header::CONTENT_LENGTH);
        } else if !declares(&head.headers, self.body.len()) {
            head.insert_header(header::CONTENT_LENGTH, self.body.len())?;
        }
        head.insert_header(header::ACCEPT_ENCODING, IDENTITY)?;
        self.upstream.sign(self.lease.dialect(), head)
    }
}

const USER_AGENT: &str = concat!("levity/", env!("CARGO_PKG_VERSION"));

fn translated(
    exchange: &Exchange,
    call: &Call,
    lease: &Lease,
) -> Result<(Translation, Vec<u8>, Losses), Error> {
    let account = &lease.account().config;
    let issuer = issuer(lease.dialect(), account.provider.name());
    let target = Target { model: lease.model(), issuer: &issuer, quirks: Quirks::default() };
    let path = Path {
        model: if call.operation == Operation::Generate { "" } else { &call.asked },
        stream: call.stream,
        array_stream: call.array_stream(),
    };
    let names =
        translate::Exchange { id: &exchange.id, created: exchange.began.since_epoch().as_secs() };
    let (translation, body, losses) =
        Translation::request(call.dialect, lease.dialect(), &call.body, path, (target, names))?;
    if exchange.live.config.proxy.strict
        && let Some(field) = losses.dropped.first()
    {
        return Err(Error::invalid(
            *field,
            format!(
                "{field} has no form in {}, and proxy.strict is on: leave it out, or switch proxy.strict off",
                lease.dialect()
            ),
        ));
    }
    Ok((translation, body, losses))
}

/// Whose seals an account reads: those of its provider in its dialect.
fn issuer(dialect: Dialect, provider: &str) -> String {
    format!("{dialect}/{provider}")
}
