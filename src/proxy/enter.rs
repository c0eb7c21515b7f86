//! Who asks, and for what? Everything that can be said of a request before an account is chosen.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::exchange::{Call, Exchange};
use super::{models, receive, refuse, stored};
use crate::auth::Refused;
use crate::config::AuthMode;
use crate::dialects::Dialect;
use crate::ir::error::Error as Refusal;
use crate::route::{self, Endpoint, NoRoute, Operation};
use crate::store::asked::Asked;

/// The longest name of a model, in bytes. It is logged, counted and sent on, and no provider's is nearly as long.
const LONGEST_MODEL: usize = 256;

/// What the console's own requests carry: see `Live::probe`.
pub static PROBE: HeaderName = HeaderName::from_static("x-levity-probe");

/// Who asks, and for what? Answers what needs no account; `None` where that is done.
pub async fn enter(session: &mut Session, exchange: &mut Exchange) -> Result<Option<Call>> {
    let head = session.req_header();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().map(str::to_owned);
    let routed = route::route(&head.method, &path, &head.headers);
    exchange.path = [head.method.as_str(), " ", &path].concat();
    exchange.client = session.client_addr().and_then(|address| address.as_inet()).copied();
    exchange.dialect = match &routed {
        Ok(Endpoint::Upstream(upstream)) => upstream.dialect,
        Ok(Endpoint::Models(dialect) | Endpoint::Model(dialect, _)) => *dialect,
        _ => route::suggested(&path, &head.headers),
    };
    exchange.origin = head.headers.get(header::ORIGIN).cloned();
    let probe = head.headers.get(&PROBE);
    exchange.probe = probe.is_some_and(|probe| *probe == exchange.live.probe);
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
            return Ok(None);
        }
        Err(no_route) => {
            let base = base_url(session);
            let (dialect, refusal) = refuse::no_route(&no_route, &path, &base);
            exchange.dialect = dialect;
            return refused_early(session, exchange, &refusal).await;
        }
    };
    if let Operation::Stored(path) = &upstream.operation {
        stored::serve(session, exchange, (path, query.as_deref())).await?;
        return Ok(None);
    }
    read_call(session, exchange, upstream, (path, query)).await
}

/// Reads the body, and what it asks of which model.
async fn read_call(
    session: &mut Session,
    exchange: &mut Exchange,
    upstream: route::Upstream,
    (path, query): (String, Option<String>),
) -> Result<Option<Call>> {
    let limit = exchange.live.config.proxy.max_body;
    let body = match receive::body(&mut session.downstream_session, limit).await {
        Ok(body) => body,
        Err(receive::Failed::Refused(refusal)) => {
            // The rest of it is on its way, and it is too much to wait for.
            session.set_keepalive(None);
            refuse::write(session, exchange, &refusal).await?;
            return Ok(None);
        }
        Err(receive::Failed::Gone(error)) => {
            exchange.outcome = Some(super::CLIENT_LEFT);
            return Err(error.into_down());
        }
    };
    if let Some(bodies) = &mut exchange.bodies {
        bodies.ask(&body);
    }
    let understood = match understand(upstream, path, query, body, exchange) {
        Ok((call, asked)) => resolve(call, asked, exchange).await,
        Err(refusal) => Err(refusal),
    };
    match understood {
        Ok(call) => Ok(Some(call)),
        Err(refusal) => {
            refuse::write(session, exchange, &refusal).await?;
            Ok(None)
        }
    }
}

/// Reads what a Responses request goes on from.
async fn resolve(
    mut call: Call,
    asked: Asked,
    exchange: &Exchange,
) -> std::result::Result<Call, Refusal> {
    let generates = matches!(call.operation, Operation::Generate | Operation::CountTokens);
    if call.dialect != Dialect::OpenAiResponses || !generates {
        return Ok(call);
    }
    let most = usize::try_from(exchange.live.config.proxy.max_body).unwrap_or(usize::MAX);
    match exchange.store.turn(&call.body, asked, most).await {
        Ok(turn) => call.turn = Some(turn),
        // The client may have it from an account of this dialect, without the gateway.
        Err(unknown) if unknown.status == 404 => call.unresolved = Some(unknown),
        Err(refusal) => return Err(refusal),
    }
    Ok(call)
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
    routed: &std::result::Result<Endpoint, NoRoute>,
) -> std::result::Result<(), Refused> {
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
) -> Result<Option<Call>> {
    session.downstream_session.set_total_drain_timeout(Some(Duration::from_secs(5)));
    if session.downstream_session.drain_request_body().await.is_err() {
        session.set_keepalive(None);
    }
    refuse::write(session, exchange, refusal).await?;
    Ok(None)
}

/// The gateway's own base URL, as the client reached it.
fn base_url(session: &Session) -> String {
    let host = session.req_header().headers.get(header::HOST).and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or("127.0.0.1:8045"))
}

/// What the body asks for, and what of it concerns the store.
fn understand(
    upstream: route::Upstream,
    path: String,
    query: Option<String>,
    body: Bytes,
    exchange: &Exchange,
) -> std::result::Result<(Call, Asked), Refusal> {
    let route::Upstream { dialect, operation, model } = upstream;
    let said = receive::said(&body)?;
    let asked = match model.or(said.model) {
        Some(model) if model.len() > LONGEST_MODEL => {
            let message =
                format!("model is longer than {LONGEST_MODEL} bytes: no model has such a name");
            return Err(Refusal::invalid("model", message));
        }
        Some(model) if !model.is_empty() => model,
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
    let call = Call {
        dialect,
        operation,
        path,
        query,
        model: exchange.live.resolve(&asked).to_owned(),
        asked,
        stream,
        model_at: if in_path { Vec::new() } else { said.model_at },
        body,
        conversation: None,
        turn: None,
        unresolved: None,
    };
    Ok((call, said.stored))
}

/// Whether the path names the model, and the body's own `model` is left as it is.
fn operation_names_model(operation: &Operation, dialect: Dialect) -> bool {
    match operation {
        Operation::GenerateContent
        | Operation::StreamGenerateContent
        | Operation::BatchEmbed
        | Operation::Stored(_) => true,
        Operation::CountTokens | Operation::Embed | Operation::Generate => {
            dialect == Dialect::Gemini
        }
    }
}
