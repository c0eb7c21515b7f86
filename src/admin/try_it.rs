//! A real request through the gateway's own port, as a client of any dialect would send it, and what came of it.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use http::header;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use ureq::Agent;

use super::ask::{self, Listener, Message, Words};
use super::error::{Body, Error};
use super::{Admin, change};
use crate::clock::milliseconds;
use crate::config::Secret;
use crate::dialects::{self, Dialect};
use crate::proxy::enter::PROBE;

/// The longest that an answer may take as a whole.
const PATIENCE: Duration = Duration::from_mins(5);
/// More of an answer than anyone reads.
const LONGEST: u64 = 4 * 1024 * 1024;

/// What stands for itself in a path.
const MODEL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// The paths of this file.
pub fn routes() -> Router<Admin> {
    Router::new().route("/api/try", post(try_it))
}

/// `POST /api/try`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    dialect: String,
    model: String,
    prompt: String,
}

/// What came of a request.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Outcome {
    /// What the gateway answered; nothing where it did not.
    pub status: Option<u16>,
    /// The words of the answer.
    pub text: Option<String>,
    /// From the start to the answer's first byte.
    pub first_byte_ms: Option<u64>,
    /// From the start to the answer's end.
    pub total_ms: u64,
    /// Who answered.
    pub account: Option<String>,
    /// The model that answered, by its name there.
    pub model: Option<String>,
    /// Why there are no words, or not all.
    pub error: Option<String>,
}

/// A request that is ready to be sent.
struct Ready {
    dialect: Dialect,
    url: String,
    body: Vec<u8>,
    key: Option<Secret>,
    probe: String,
}

async fn try_it(
    State(admin): State<Admin>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Outcome>, Error> {
    let ready = ready(&admin, &wanted)?;
    let began = Instant::now();
    let outcome = change::blocking(move || send(&ready, began)).await?;
    Ok(Json(Outcome { total_ms: milliseconds(began.elapsed()), ..outcome }))
}

fn ready(admin: &Admin, wanted: &Wanted) -> Result<Ready, Error> {
    let named = Dialect::ALL.into_iter().find(|dialect| dialect.name() == wanted.dialect);
    let dialect = named.ok_or_else(|| {
        Error::bad("dialect: expected openai_chat, openai_responses, anthropic or gemini")
    })?;
    let model = wanted.model.trim();
    for (field, value) in [("model", model), ("prompt", wanted.prompt.trim())] {
        if value.is_empty() {
            return Err(Error::bad(format!("{field}: expected a text")));
        }
    }
    let state = admin.control.state();
    let Some(address) = state.address else {
        return Err(Error::conflict("the proxy port is closed, so nothing can be asked")
            .with_hint("start the gateway first"));
    };
    let messages = [Message::of_user(&wanted.prompt)];
    let words = Words { model, messages, stream: true, max_completion_tokens: None };
    let body = ask::body(dialect, &words).map_err(|error| Error::bad(error.message))?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
    let url = format!("http://{address}{}", path(dialect, model));
    let probe = admin.live.load().probe.clone();
    Ok(Ready { dialect, url, body, key: state.client_key, probe })
}

fn path(dialect: Dialect, model: &str) -> String {
    match dialect {
        Dialect::OpenAiChat => "/v1/chat/completions".to_owned(),
        Dialect::OpenAiResponses => "/v1/responses".to_owned(),
        Dialect::Anthropic => "/v1/messages".to_owned(),
        Dialect::Gemini => {
            let model = utf8_percent_encode(model, MODEL);
            format!("/v1beta/models/{model}:streamGenerateContent?alt=sse")
        }
    }
}

fn send(ready: &Ready, began: Instant) -> Outcome {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let mut request = http::Request::post(&ready.url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(&PROBE, &ready.probe);
    if ready.dialect == Dialect::Anthropic {
        request = request.header("anthropic-version", "2023-06-01");
    }
    if let Some(key) = &ready.key {
        let (name, value) = credential(ready.dialect, key);
        request = request.header(name, value);
    }
    let unsent = |error: &dyn std::fmt::Display| Outcome {
        error: Some(format!("the gateway's own port does not answer: {error}")),
        ..Outcome::default()
    };
    let request = match request.body(&ready.body[..]) {
        Ok(request) => request,
        Err(error) => return unsent(&error),
    };
    match agent.run(request) {
        Ok(response) => hear(response, ready.dialect, began),
        Err(error) => unsent(&error),
    }
}

/// The key where a client of the dialect puts it.
fn credential(dialect: Dialect, key: &Secret) -> (&'static str, String) {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            ("authorization", format!("Bearer {}", key.expose()))
        }
        Dialect::Anthropic => ("x-api-key", key.expose().to_owned()),
        Dialect::Gemini => ("x-goog-api-key", key.expose().to_owned()),
    }
}

/// Reads an answer as it comes.
fn hear(response: http::Response<ureq::Body>, dialect: Dialect, began: Instant) -> Outcome {
    let (head, body) = response.into_parts();
    let header = |name: &str| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
    let mut outcome = Outcome {
        status: Some(head.status.as_u16()),
        account: header("x-levity-account"),
        model: header("x-levity-model"),
        ..Outcome::default()
    };
    let mut listener = head.status.is_success().then(|| Listener::new(dialect));
    let mut refusal = Vec::new();
    let mut reader = body.into_reader().take(LONGEST);
    let mut chunk = [0; 16 * 1024];
    let cut = loop {
        match reader.read(&mut chunk) {
            Ok(0) => break None,
            Ok(length) => {
                outcome.first_byte_ms.get_or_insert_with(|| milliseconds(began.elapsed()));
                let read = chunk.get(..length).unwrap_or_default();
                match &mut listener {
                    Some(listener) => listener.push(read),
                    None => refusal.extend_from_slice(read),
                }
            }
            Err(error) => break Some(format!("the answer broke off: {error}")),
        }
    };
    let said = match listener {
        Some(listener) => listener.finish(),
        None => Err(dialects::parse_error(dialect, head.status.as_u16(), &refusal)),
    };
    match said {
        Ok(text) => Outcome { text: Some(text), error: cut, ..outcome },
        Err(error) => Outcome { error: Some(cut.unwrap_or(error.message)), ..outcome },
    }
}
