//! The embedded upstream of `levity run --demo`: all four dialects, and no model behind them.
//!
//! It repeats what was said, word by word, calls a declared tool when asked to, fills a JSON
//! schema, counts tokens by an estimate (a quarter of the characters), and says that it is a demo.
#![expect(
    clippy::disallowed_types,
    reason = "the demo answers any request, typed wire structs would double its size"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "a missing field of a Value reads as null, and only objects made here are written to"
)]

mod endpoint;

mod turn;

mod instance;
mod reply;

mod anthropic;
mod chat;
mod gemini;
mod openai;
mod responses;

mod embeddings;
mod events;
mod models;

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt as _;
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;

use self::endpoint::{Endpoint, Form, Job};
use self::reply::Reply;
use self::turn::{Refusal, Turn};
use crate::dialects::Dialect;

/// The pause before each streamed piece, so that a person sees an answer grow.
pub const PAUSE: Duration = Duration::from_millis(15);

/// Answers on this listener until `shutdown` is done and all running answers have ended.
pub async fn serve(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = listener.tap_io(|connection| {
        // Without it words would wait for one another; a socket that refuses is only slower.
        let _ = connection.set_nodelay(true);
    });
    axum::serve(listener, router(PAUSE)).with_graceful_shutdown(shutdown).await
}

/// The demo as a service, with this pause before each streamed piece.
pub fn router(pause: Duration) -> Router {
    // Every path has its answer, or its refusal in the right dialect, so axum routes nothing.
    Router::new().fallback(respond).layer(DefaultBodyLimit::disable()).with_state(pause)
}

/// What each dialect does, in its own words.
struct Voice {
    parse: fn(&Value) -> Result<Turn, Refusal>,
    whole: fn(&Turn, &Reply) -> Value,
    stream: fn(&Turn, &Reply) -> Vec<String>,
    counted: fn(usize) -> Value,
    refusal: fn(&Refusal, &str) -> Value,
}

const CHAT: Voice = Voice {
    parse: chat::parse,
    whole: chat::whole,
    stream: chat::stream,
    counted: responses::counted,
    refusal: openai::refusal,
};
const RESPONSES: Voice = Voice {
    parse: responses::parse,
    whole: responses::whole,
    stream: responses::stream,
    counted: responses::counted,
    refusal: openai::refusal,
};
const ANTHROPIC: Voice = Voice {
    parse: anthropic::parse,
    whole: anthropic::whole,
    stream: anthropic::stream,
    counted: anthropic::counted,
    refusal: anthropic::refusal,
};
const GEMINI: Voice = Voice {
    parse: gemini::parse,
    whole: gemini::whole,
    stream: gemini::stream,
    counted: gemini::counted,
    refusal: gemini::refusal,
};

const fn voice(dialect: Dialect) -> &'static Voice {
    match dialect {
        Dialect::OpenAiChat => &CHAT,
        Dialect::OpenAiResponses => &RESPONSES,
        Dialect::Anthropic => &ANTHROPIC,
        Dialect::Gemini => &GEMINI,
    }
}

/// An answer's body.
enum Said {
    Json(Value),
    Events(Vec<String>),
    /// The pieces of one JSON array.
    Array(Vec<String>),
}

async fn respond(
    State(pause): State<Duration>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let endpoint = endpoint::find(&uri, &headers);
    let dialect =
        endpoint.as_ref().map_or_else(|| endpoint::spoken(&uri, &headers), |found| found.dialect);
    let said = match &endpoint {
        Some(found) if found.job.method() != method => Err(wrong_method(found.job, &method)),
        Some(found) => say(found, &body),
        None => Err(not_found(&method, &uri)),
    };
    let id = format!("req_{}", reply::unique());
    let mut response = match said {
        Ok(Said::Json(value)) => json(StatusCode::OK, &value),
        Ok(Said::Events(pieces)) => streamed("text/event-stream", pieces, pause),
        Ok(Said::Array(pieces)) => streamed("application/json", pieces, pause),
        Err(refusal) => json(refusal.status, &(voice(dialect).refusal)(&refusal, &id)),
    };
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("levity-demo"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(request_id(dialect), id);
    }
    response
}

/// The header that tells a request's id: each vendor's SDKs read their own.
const fn request_id(dialect: Dialect) -> HeaderName {
    match dialect {
        Dialect::Anthropic => HeaderName::from_static("request-id"),
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Gemini => {
            HeaderName::from_static("x-request-id")
        }
    }
}

/// Does what the endpoint is for.
fn say(endpoint: &Endpoint<'_>, body: &[u8]) -> Result<Said, Refusal> {
    let Endpoint { dialect, job, model } = *endpoint;
    let voice = voice(dialect);
    let read = || {
        let body: Result<Value, _> = serde_json::from_slice(body);
        body.map_err(|error| Refusal::invalid(format!("the body is not JSON: {error}")))
    };
    match job {
        Job::ListModels => Ok(Said::Json(models::list(dialect))),
        Job::ShowModel => Ok(Said::Json(models::show(dialect, model.unwrap_or_default()))),
        Job::Embed => embeddings::openai(&read()?).map(Said::Json),
        Job::EmbedContent => embeddings::gemini(&read()?).map(Said::Json),
        Job::EmbedContents => embeddings::gemini_batch(&read()?).map(Said::Json),
        Job::Count => {
            let turn = (voice.parse)(&read()?)?;
            Ok(Said::Json((voice.counted)(turn.input_tokens())))
        }
        Job::Answer(form) => answer(endpoint, form, read()?),
    }
}

fn answer(endpoint: &Endpoint<'_>, form: Form, body: Value) -> Result<Said, Refusal> {
    let voice = voice(endpoint.dialect);
    let mut turn = (voice.parse)(&body)?;
    // Anthropic alone insists on it, and not when it counts.
    if endpoint.dialect == Dialect::Anthropic && turn.max_tokens.is_none() {
        return Err(Refusal::missing("max_tokens"));
    }
    turn.body = body;
    if let Some(model) = endpoint.model {
        model.clone_into(&mut turn.model);
    }
    let reply = reply::answer(&turn);
    Ok(match form {
        Form::Array => Said::Array(gemini::array(&turn, &reply)),
        Form::Events => Said::Events((voice.stream)(&turn, &reply)),
        Form::AsAsked if turn.body["stream"] == true => Said::Events((voice.stream)(&turn, &reply)),
        Form::AsAsked | Form::Whole => Said::Json((voice.whole)(&turn, &reply)),
    })
}

fn not_found(method: &Method, uri: &Uri) -> Refusal {
    let message = format!("no such path: {method} {}", uri.path());
    Refusal { status: StatusCode::NOT_FOUND, ..Refusal::invalid(message) }
}

fn wrong_method(job: Job, method: &Method) -> Refusal {
    let message = format!("{method} is not allowed here, {} is", job.method());
    Refusal { status: StatusCode::METHOD_NOT_ALLOWED, ..Refusal::invalid(message) }
}

fn json(status: StatusCode, value: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// Sends piece by piece, each after a pause; a client that leaves ends it.
fn streamed(kind: &'static str, pieces: Vec<String>, pause: Duration) -> Response {
    let paced = stream::unfold(pieces.into_iter(), move |mut pieces| async move {
        let piece = pieces.next()?;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Some((Ok::<_, Infallible>(piece), pieces))
    });
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], Body::from_stream(paced)).into_response()
}
