//! OpenAI Responses errors. <https://platform.openai.com/docs/guides/error-codes>

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use super::response::render::Frame;
use super::wire::response::{ErrorBody, ErrorObject};
use super::wire::text::Str;
use super::{json, stream};
use crate::dialects::Asked;
use crate::ir::error::{Error, ErrorKind};

/// The longest piece of a body that is no JSON which is shown to the user.
const LONGEST_EXCERPT: usize = 300;

/// Reads an account's error body.
pub fn parse(status: u16, body: &[u8]) -> Error {
    let found = serde_json::from_slice::<ErrorBody<'_>>(body).ok().and_then(of_body);
    let Some(error) = found else { return Error::of_status(status, unreadable(status, body)) };
    // The status says more than any word of the body, save that ChatGPT and others answer 400 for a limit, too.
    let kind = match (status, error.kind) {
        (400, ErrorKind::RateLimit | ErrorKind::Billing) => error.kind,
        _ => ErrorKind::of_status(status),
    };
    Error { kind, status, ..error }
}

/// Reads an error object within an answer or a stream: it has no status of its own.
pub(super) fn inside(raw: &RawValue) -> Error {
    match serde_json::from_str::<ErrorObject<'_>>(raw.get()) {
        Ok(object) => of_object(object),
        Err(_) => match serde_json::from_str::<Str<'_>>(raw.get()) {
            Ok(text) => Error::new(ErrorKind::Internal, text.0),
            Err(_) => Error::new(ErrorKind::Internal, "the provider says that the answer failed"),
        },
    }
}

fn of_body(body: ErrorBody<'_>) -> Option<Error> {
    let message = match (body.error, body.detail) {
        (Some(raw), _) => match serde_json::from_str::<ErrorObject<'_>>(raw.get()) {
            Ok(object) => return Some(of_object(object)),
            // xAI: {"code": "…", "error": "…"}
            Err(_) => serde_json::from_str::<Str<'_>>(raw.get()).ok()?.0.into_owned(),
        },
        (None, Some(raw)) => serde_json::from_str::<Str<'_>>(raw.get())
            .map_or_else(|_| raw.get().to_owned(), |text| text.0.into_owned()),
        (None, None) => body.message.0?.into_owned(),
    };
    Some(Error {
        code: body.code.0.map(Cow::into_owned),
        param: body.param.0.map(Cow::into_owned),
        ..Error::new(ErrorKind::Internal, message)
    })
}

fn of_object(object: ErrorObject<'_>) -> Error {
    let kind = kind_of_word(object.code.as_str())
        .or_else(|| kind_of_word(object.kind.as_str()))
        .unwrap_or(ErrorKind::Internal);
    let word = [object.code.as_str(), object.kind.as_str()].into_iter().find(|w| !w.is_empty());
    let message = match (object.message.0, word) {
        (Some(message), _) if !message.is_empty() => message.into_owned(),
        (_, Some(word)) => format!("the provider says only {word:?}"),
        (_, None) => "the provider gives no reason".to_owned(),
    };
    let retry_after = object.resets_in_seconds.filter(|seconds| *seconds >= 0.0);
    Error {
        code: object.code.0.map(Cow::into_owned),
        param: object.param.0.map(Cow::into_owned),
        retry_after: retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        ..Error::new(kind, message)
    }
}

/// The kind that an error's `code` or `type` tells.
fn kind_of_word(word: &str) -> Option<ErrorKind> {
    match word {
        "rate_limit_exceeded" | "usage_limit_reached" | "tokens" | "requests" => {
            Some(ErrorKind::RateLimit)
        }
        "insufficient_quota" | "billing_hard_limit_reached" | "usage_not_included" => {
            Some(ErrorKind::Billing)
        }
        "server_is_overloaded" | "slow_down" | "overloaded_error" => Some(ErrorKind::Overloaded),
        "invalid_api_key" | "authentication_error" => Some(ErrorKind::Authentication),
        "model_not_found" => Some(ErrorKind::NotFound),
        "invalid_request_error"
        | "invalid_prompt"
        | "context_length_exceeded"
        | "bio_policy"
        | "cyber_policy" => Some(ErrorKind::InvalidRequest),
        word if word.contains("image") => Some(ErrorKind::InvalidRequest),
        "server_error" => Some(ErrorKind::Internal),
        _ => None,
    }
}

/// What to say of a body that is no error object: an HTML page of a proxy, a plain text, nothing.
fn unreadable(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() || text.starts_with('<') || text.chars().count() > LONGEST_EXCERPT {
        return format!("the provider answered with status {status} and gave no reason");
    }
    format!("the provider answered with status {status}: {text}")
}

#[derive(Serialize)]
struct Body<'e> {
    error: Inner<'e>,
}

/// What stands under `error`.
#[derive(Serialize)]
pub(super) struct Inner<'e> {
    pub(super) message: &'e str,
    #[serde(rename = "type")]
    kind: &'static str,
    pub(super) param: Option<&'e str>,
    pub(super) code: Option<&'e str>,
}

/// Writes an error body for a client; gives the status to send with it. Anthropic's 529 stays: OpenAI's SDKs take every
/// status from 500 on for a server's trouble, and try again.
pub fn render(error: &Error, _request_id: &str, out: &mut Vec<u8>) -> u16 {
    json(&Body { error: Inner::new(error) }, out);
    error.status
}

impl<'e> Inner<'e> {
    pub(super) fn new(error: &'e Error) -> Self {
        Self {
            message: &error.message,
            kind: type_word(error.kind, error.status),
            param: error.param.as_deref(),
            code: own_code(error).or_else(|| usual_code(error.kind)),
        }
    }
}

/// Writes the event that ends a broken stream.
pub fn render_event(error: &Error, asked: &Asked, sequence: u64, out: &mut Vec<u8>) {
    stream::fail(error, &Frame::new(asked), &[], sequence, out);
}

/// Writes the last of those events alone, for a stream that said the one before it.
pub fn render_failed(error: &Error, asked: &Asked, (sequence, id): (u64, &str), out: &mut Vec<u8>) {
    let mut frame = Frame::new(asked);
    frame.take(id, None);
    stream::failed(error, &frame, &[], sequence, out);
}

/// OpenAI's broad word for an error. One of 500 or above is never the request's fault, one below never the server's.
const fn type_word(kind: ErrorKind, status: u16) -> &'static str {
    if status >= 500 {
        return "server_error";
    }
    match kind {
        ErrorKind::Billing => "insufficient_quota",
        ErrorKind::RateLimit => "rate_limit_error",
        ErrorKind::Timeout => "timeout",
        ErrorKind::InvalidRequest
        | ErrorKind::Authentication
        | ErrorKind::Permission
        | ErrorKind::NotFound
        | ErrorKind::MethodNotAllowed
        | ErrorKind::TooLarge
        | ErrorKind::Internal
        | ErrorKind::Overloaded => "invalid_request_error",
    }
}

/// The provider's code, where it is a word of this dialect's form; `RESOURCE_EXHAUSTED` or `overloaded_error` would mislead.
fn own_code(error: &Error) -> Option<&str> {
    let form = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
    error.code.as_deref().filter(|code| {
        code.starts_with(|c: char| c.is_ascii_lowercase())
            && code.chars().all(form)
            && (*code == "server_error" || !code.ends_with("_error"))
    })
}

const fn usual_code(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::Authentication => Some("invalid_api_key"),
        ErrorKind::Billing => Some("insufficient_quota"),
        ErrorKind::RateLimit => Some("rate_limit_exceeded"),
        ErrorKind::InvalidRequest
        | ErrorKind::Permission
        | ErrorKind::NotFound
        | ErrorKind::MethodNotAllowed
        | ErrorKind::TooLarge
        | ErrorKind::Internal
        | ErrorKind::Overloaded
        | ErrorKind::Timeout => None,
    }
}

/// The code of a response that failed: agents (Codex) decide by it whether to try again.
/// <https://platform.openai.com/docs/api-reference/responses/object#responses/object-error>
pub(super) fn failure_code(error: &Error) -> &str {
    own_code(error).unwrap_or(match error.kind {
        ErrorKind::RateLimit => "rate_limit_exceeded",
        ErrorKind::Billing => "insufficient_quota",
        ErrorKind::InvalidRequest | ErrorKind::TooLarge => "invalid_prompt",
        ErrorKind::Authentication
        | ErrorKind::Permission
        | ErrorKind::NotFound
        | ErrorKind::MethodNotAllowed
        | ErrorKind::Internal
        | ErrorKind::Overloaded
        | ErrorKind::Timeout => "server_error",
    })
}
