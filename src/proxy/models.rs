//! What the gateway answers by itself: health, probes, preflights and the list of models.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use serde::Serialize;

use super::exchange::Exchange;
use super::head::fresh_head;
use super::live::Live;
use super::refuse;
use crate::dialects::Dialect;
use crate::ir::error::{Error, ErrorKind};
use crate::route::Endpoint;

/// Answers a request that needs no account.
pub async fn answer(
    session: &mut Session,
    exchange: &mut Exchange,
    endpoint: &Endpoint,
) -> pingora::Result<()> {
    exchange.quiet = matches!(endpoint, Endpoint::Health | Endpoint::Probe | Endpoint::Preflight);
    let (head, body) = match endpoint {
        Endpoint::Health => (json_head(), Bytes::from_static(b"{\"status\":\"ok\"}")),
        Endpoint::Probe => (json_head(), Bytes::from_static(b"{\"name\":\"levity\"}")),
        Endpoint::Preflight => (preflight(session), Bytes::new()),
        Endpoint::Models(dialect) => {
            let names = names(&exchange.live).await;
            (json_head(), list(*dialect, &names, exchange.began.since_epoch().as_secs()))
        }
        Endpoint::Model(dialect, name) => {
            let Some(body) = one(exchange, *dialect, name) else {
                let message = format!("no account serves the model {name:?}");
                let refusal = Error::new(ErrorKind::NotFound, message);
                return refuse::write(session, exchange, &refusal).await;
            };
            (json_head(), body)
        }
        Endpoint::Upstream(_) | Endpoint::WebSocket => return Ok(()),
    };
    send(session, exchange, head, body).await
}

/// Writes a JSON body with status 200.
pub async fn write(
    session: &mut Session,
    exchange: &mut Exchange,
    body: Bytes,
) -> pingora::Result<()> {
    send(session, exchange, json_head(), body).await
}

async fn send(
    session: &mut Session,
    exchange: &mut Exchange,
    mut head: ResponseHeader,
    body: Bytes,
) -> pingora::Result<()> {
    if head.status != StatusCode::NO_CONTENT {
        head.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    super::answer::dress(&mut head, exchange);
    exchange.status = Some(head.status);
    exchange.note_answer(&body);
    let bodiless = session.req_header().method == http::Method::HEAD || body.is_empty();
    session.write_response_header(Box::new(head), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

fn json_head() -> ResponseHeader {
    fresh_head(StatusCode::OK, "application/json")
}

/// Allows what a browser asks for; who may ask is decided by the origin (see `dress`) and the key.
fn preflight(session: &Session) -> ResponseHeader {
    let mut head = fresh_head(StatusCode::NO_CONTENT, "application/json");
    head.remove_header(&header::CONTENT_TYPE);
    let wanted = session.req_header().headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let any = HeaderValue::from_static("authorization, content-type, x-api-key, x-goog-api-key");
    let put = [
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, DELETE, OPTIONS"),
        ),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.cloned().unwrap_or(any)),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
        // A page of the web that asks a loopback address: Chromium wants this said.
        (
            http::HeaderName::from_static("access-control-allow-private-network"),
            HeaderValue::from_static("true"),
        ),
    ];
    for (name, value) in put {
        let _ = head.insert_header(name, value);
    }
    head
}

/// The models that can be named: what accounts and aliases say without a wildcard, and what the providers of accounts
/// with one list.
async fn names(live: &Live) -> Vec<String> {
    let active = || live.pool.accounts().filter(|account| account.config.is_active());
    let said = active().flat_map(|account| {
        let config = &account.config;
        config.models.iter().chain(config.model_map.iter().map(|(name, _)| name))
    });
    let aliases = live.config.aliases.iter().map(|(name, _)| name);
    let mut names: Vec<String> =
        said.chain(aliases).filter(|name| !name.contains('*')).cloned().collect();
    let open: Vec<_> = active()
        .filter(|account| account.config.models.iter().any(|name| name.contains('*')))
        .filter_map(|account| Some((account, live.upstream(account.id())?)))
        .collect();
    names.extend(live.catalog.names(&open).await);
    names.sort();
    names.dedup();
    names
}

/// <https://platform.openai.com/docs/api-reference/models/list>
#[derive(Serialize)]
struct OpenAiList<'a> {
    object: &'static str,
    data: Vec<OpenAiModel<'a>>,
}

#[derive(Serialize)]
struct OpenAiModel<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

/// <https://docs.anthropic.com/en/api/models-list>
#[derive(Serialize)]
struct AnthropicList<'a> {
    data: Vec<AnthropicModel<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Serialize)]
struct AnthropicModel<'a> {
    r#type: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: &'static str,
}

/// <https://ai.google.dev/api/models#method:-models.list>
#[derive(Serialize)]
struct GeminiList<'a> {
    models: Vec<GeminiModel<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GeminiModel<'a> {
    name: String,
    display_name: &'a str,
    version: &'static str,
    supported_generation_methods: [&'static str; 3],
}

const fn open_ai(id: &str, created: u64) -> OpenAiModel<'_> {
    OpenAiModel { id, object: "model", created, owned_by: "levity" }
}

const fn anthropic(id: &str) -> AnthropicModel<'_> {
    AnthropicModel { r#type: "model", id, display_name: id, created_at: "1970-01-01T00:00:00Z" }
}

fn gemini(id: &str) -> GeminiModel<'_> {
    GeminiModel {
        name: format!("models/{id}"),
        display_name: id,
        version: "001",
        supported_generation_methods: ["generateContent", "streamGenerateContent", "countTokens"],
    }
}

fn list(dialect: Dialect, names: &[String], created: u64) -> Bytes {
    let names = names.iter().map(String::as_str);
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => json(&OpenAiList {
            object: "list",
            data: names.map(|id| open_ai(id, created)).collect(),
        }),
        Dialect::Anthropic => {
            let data: Vec<_> = names.map(anthropic).collect();
            let first_id = data.first().map(|model| model.id);
            let last_id = data.last().map(|model| model.id);
            json(&AnthropicList { data, has_more: false, first_id, last_id })
        }
        Dialect::Gemini => json(&GeminiList { models: names.map(gemini).collect() }),
    }
}

/// One model, where an account serves it.
fn one(exchange: &Exchange, dialect: Dialect, name: &str) -> Option<Bytes> {
    let name = name.strip_prefix("models/").unwrap_or(name);
    let model = exchange.live.resolve(name);
    let mut accounts = exchange.live.pool.accounts();
    accounts.find(|account| account.upstream_model(model).is_some())?;
    Some(match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            json(&open_ai(name, exchange.began.since_epoch().as_secs()))
        }
        Dialect::Anthropic => json(&anthropic(name)),
        Dialect::Gemini => json(&gemini(name)),
    })
}

fn json<T: Serialize>(value: &T) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
