//! Every refusal, said in the caller's dialect: the one place where an error becomes a response.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::exchange::{Call, Exchange};
use super::head::fresh_head;
use super::reply::Trouble;
use crate::auth::{self, Refused};
use crate::dialects::{self, Dialect};
use crate::ir::error::{Error, ErrorKind};
use crate::pool::unavailable::{Exhausted, Unavailable};
use crate::route::NoRoute;

/// The head and body of an error.
pub fn response(exchange: &Exchange, error: &Error) -> (ResponseHeader, Bytes) {
    let mut body = Vec::new();
    let status = dialects::render_error(exchange.dialect, error, &exchange.id, &mut body);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut head = fresh_head(status, "application/json");
    set(&mut head, header::CONTENT_LENGTH.as_str(), body.len().into());
    if let Some(wait) = error.retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        set(&mut head, header::RETRY_AFTER.as_str(), seconds.into());
    }
    (head, body.into())
}

/// The head and body that an account's refusal becomes: its own words where the client can read them.
pub fn passed_on(
    exchange: &Exchange,
    trouble: &Trouble,
    upstream: Option<&ResponseHeader>,
) -> (ResponseHeader, Bytes) {
    let (mut head, mut body) = response(exchange, &trouble.error);
    if let (Some(raw), Some(upstream)) = (&trouble.raw, upstream) {
        body = raw.clone();
        head.set_status(upstream.status).ok();
        set(&mut head, header::CONTENT_LENGTH.as_str(), body.len().into());
        for (name, value) in &upstream.headers {
            if is_about_limits(name.as_str()) && !head.headers.contains_key(name) {
                set(&mut head, name.as_str(), value.clone());
            }
        }
    }
    (head, body)
}

/// Headers of an error that clients act on.
fn is_about_limits(name: &str) -> bool {
    name == "retry-after"
        || name == "retry-after-ms"
        || name == "x-should-retry"
        || name == "request-id"
        || name.starts_with("x-ratelimit-")
        || name.starts_with("anthropic-")
        || name.starts_with("openai-")
}

fn set(head: &mut ResponseHeader, name: &str, value: HeaderValue) {
    let inserted = head.insert_header(name.to_owned(), value);
    debug_assert!(inserted.is_ok(), "{name} is a header name");
}

/// Writes an error to a client that has heard nothing yet.
pub async fn write(
    session: &mut Session,
    exchange: &mut Exchange,
    error: &Error,
) -> pingora::Result<()> {
    let (mut head, body) = response(exchange, error);
    if error.kind == ErrorKind::MethodNotAllowed
        && let Some(methods) = &error.code
    {
        let value = HeaderValue::from_str(methods).unwrap_or(HeaderValue::from_static("POST"));
        set(&mut head, header::ALLOW.as_str(), value);
    }
    super::answer::dress(&mut head, exchange);
    exchange.status = Some(head.status);
    exchange.outcome.get_or_insert("refused");
    exchange.error = Some(error.message.clone());
    exchange.note_answer(&body);
    let empty = session.req_header().method == http::Method::HEAD;
    session.write_response_header(Box::new(head), empty).await?;
    if !empty {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

/// No credential, or none that is right.
pub fn unauthorized(refused: Refused) -> Error {
    let what = match refused {
        Refused::Missing => "this gateway needs its key, and the request carries none",
        Refused::Wrong => "the key is not this gateway's",
    };
    Error::new(
        ErrorKind::Authentication,
        format!("{what}: send it as {}; `levity check` says where the key is kept", auth::ACCEPTED),
    )
}

/// A page from elsewhere asks a gateway that needs no key.
pub fn foreign_page() -> Error {
    Error::new(
        ErrorKind::Permission,
        "pages from other sites may not use this gateway while it asks for no key: set proxy.auth_mode to all_except_health and send the key",
    )
}

/// The gateway is being stopped, and the request's time is over.
pub fn stopped() -> Error {
    Error::new(
        ErrorKind::Overloaded,
        "the gateway was stopped before the answer was whole: ask again when it runs",
    )
}

/// A path that leads nowhere, with what to do about it.
pub fn no_route(no_route: &NoRoute, path: &str, base: &str) -> (Dialect, Error) {
    match no_route {
        NoRoute::NotFound(dialect) => {
            let dialect = *dialect;
            let message = format!("no such path: {path}; {}", base_url_hint(dialect, base));
            (dialect, Error::new(ErrorKind::NotFound, message))
        }
        NoRoute::MethodNotAllowed(dialect, methods) => {
            let message = format!("{path} is asked with {methods}");
            let error = Error {
                code: Some((*methods).to_owned()),
                ..Error::new(ErrorKind::MethodNotAllowed, message)
            };
            (*dialect, error)
        }
    }
}

/// Which base URL the SDKs of a dialect want.
fn base_url_hint(dialect: Dialect, base: &str) -> String {
    let (wanted, others) = match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => (
            format!("OpenAI SDKs want the base URL {base}/v1"),
            format!("Anthropic and Gemini SDKs want {base}"),
        ),
        Dialect::Anthropic => (
            format!("Anthropic SDKs and Claude Code want the base URL {base} (without /v1)"),
            format!("OpenAI SDKs want {base}/v1"),
        ),
        Dialect::Gemini => (
            format!("Gemini SDKs want the base URL {base} (without /v1beta)"),
            format!("OpenAI SDKs want {base}/v1"),
        ),
    };
    format!("{wanted}; {others}")
}

/// A WebSocket upgrade: clients fall back to HTTP at once on this status.
pub fn no_websocket() -> Error {
    Error {
        status: 426,
        ..Error::new(
            ErrorKind::InvalidRequest,
            "this gateway speaks HTTP on /v1/responses, not WebSocket: send a POST",
        )
    }
}

/// No account can be asked.
pub fn unavailable(why: &Unavailable, exchange: &Exchange, call: &Call) -> Error {
    match why {
        Unavailable::NoSuchModel => Error {
            param: Some("model".to_owned()),
            code: Some("model_not_found".to_owned()),
            ..Error::new(
                ErrorKind::NotFound,
                format!("no account serves the model {:?}; {}", call.asked, served(exchange)),
            )
        },
        Unavailable::NotForClient => Error {
            param: Some("model".to_owned()),
            code: Some("model_not_found".to_owned()),
            ..Error::new(
                ErrorKind::NotFound,
                format!(
                    "no account serves {:?} to {} clients for this operation; see accounts.clients and accounts.dialect",
                    call.asked, call.dialect
                ),
            )
        },
        Unavailable::Exhausted(exhausted) => worn_out(exhausted, exchange, call),
    }
}

/// What could be asked for instead.
fn served(exchange: &Exchange) -> String {
    let accounts = &exchange.live.config.accounts;
    let mut patterns: Vec<&str> =
        accounts.iter().flat_map(|account| account.models.iter().map(String::as_str)).collect();
    patterns.dedup();
    if patterns.is_empty() {
        return "there is no account yet: add one to the config".to_owned();
    }
    format!("the accounts serve {}", patterns.join(", "))
}

fn worn_out(exhausted: &Exhausted, exchange: &Exchange, call: &Call) -> Error {
    let now = crate::clock::Now::read().monotonic;
    let kind = if exhausted.is_limit() { ErrorKind::RateLimit } else { ErrorKind::Overloaded };
    let reasons: Vec<String> = exhausted
        .passed
        .iter()
        .filter_map(|passed| {
            let account = exchange.live.pool.account(passed.account)?;
            Some(format!("{} ({})", account.config.name, passed.why))
        })
        .collect();
    let message = format!(
        "no account can answer {:?} now: {}",
        call.asked,
        if reasons.is_empty() { "none is left to try".to_owned() } else { reasons.join(", ") }
    );
    Error {
        retry_after: exhausted.retry_after(now).map(std::time::Duration::from_secs),
        ..Error::new(kind, message)
    }
}
