//! OpenAI Chat Completions errors. <https://platform.openai.com/docs/guides/error-codes>

use std::time::Duration;

use crate::dialects::Asked;
use crate::ir::error::{Error, ErrorKind};
use crate::sse;

use super::wire::json::Object;
use super::wire::{OrText, Raw, Scalar, Str, answer as wire};

/// Reads an account's error body.
pub fn parse(status: u16, body: &[u8]) -> Error {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    // Google's compatible API puts its error into a list.
    let json = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let mut error = match said(json) {
        Some(error) => Error { status, kind: ErrorKind::of_status(status), ..error },
        None => Error::of_status(status, readable(status, text)),
    };
    error.retry_after = retry_after(text, &error.message);
    error
}

/// The error that a body of another status holds, or an event of a stream; `None` where it holds none.
pub(super) fn flat(body: &[u8]) -> Option<Error> {
    said(std::str::from_utf8(body).ok()?)
}

fn said(json: &str) -> Option<Error> {
    let answer: wire::ErrorAnswer<'_> = serde_json::from_str(json).ok()?;
    if let Some(error) = answer.error.and_then(wire::Maybe::known) {
        let error = inside(error);
        return (!error.message.is_empty()).then_some(error);
    }
    let message = match (answer.message, answer.detail) {
        (Some(Scalar::Text(message)), _) => message.into_owned(),
        (_, Some(Raw(detail))) => match serde_json::from_str::<Str<'_>>(detail.get()) {
            Ok(Str(detail)) => detail.into_owned(),
            Err(_) => detail.get().to_owned(),
        },
        (Some(_) | None, None) => return None,
    };
    let body = wire::ErrorBody {
        message: Some(Scalar::Text(message.into())),
        kind: answer.kind,
        param: answer.param,
        code: answer.code,
        ..wire::ErrorBody::default()
    };
    Some(of_body(body))
}

/// The error inside an answer of status 200, or inside a stream: its status is a guess by what it says.
pub(super) fn inside(error: wire::ErrorField<'_>) -> Error {
    match error {
        OrText::Text(text) => Error::new(ErrorKind::Internal, text),
        OrText::Other(body) => of_body(*body),
    }
}

fn of_body(body: wire::ErrorBody<'_>) -> Error {
    let filled = |scalar: Option<Scalar<'_>>| {
        scalar.map(Scalar::text).filter(|text| !text.is_empty()).map(std::borrow::Cow::into_owned)
    };
    let number = body.code.as_ref().and_then(Scalar::count).and_then(|n| u16::try_from(n).ok());
    let status = number.filter(|status| (400..600).contains(status));
    let word = filled(body.code).filter(|word| word.parse::<u16>().is_err());
    let code = word.or_else(|| filled(body.status));
    let kind = filled(body.kind);
    let mut message = filled(body.message).unwrap_or_default();
    // OpenRouter says "Provider returned error" and has the reason apart.
    let raw = body.metadata.and_then(wire::Maybe::known).and_then(|it| filled(it.raw));
    if let Some(raw) = raw {
        let raw: String = raw.chars().take(500).collect();
        message = format!("{message}: {raw}");
    }
    if message.is_empty() {
        message = code.clone().or_else(|| kind.clone()).unwrap_or_default();
    }
    // Other servers say OpenAI's words for it without OpenAI's code.
    let is_too_long = code.is_none() && message.contains("maximum context length");
    let code = if is_too_long { Some("context_length_exceeded".to_owned()) } else { code };
    let words = [code.as_deref(), kind.as_deref()];
    let guess = words.into_iter().flatten().find_map(kind_of_word);
    let error = match status {
        Some(status) => Error::of_status(status, message),
        None => Error::new(guess.unwrap_or(ErrorKind::Internal), message),
    };
    Error { code, param: filled(body.param), ..error }
}

/// The kind of failure that a provider's type or code names.
fn kind_of_word(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "invalid_request_error"
        | "BadRequestError"
        | "INVALID_ARGUMENT"
        | "context_length_exceeded"
        | "tool_use_failed"
        | "json_validate_failed" => ErrorKind::InvalidRequest,
        "authentication_error" | "invalid_api_key" | "UNAUTHENTICATED" => ErrorKind::Authentication,
        "permission_error" | "PERMISSION_DENIED" => ErrorKind::Permission,
        "not_found_error" | "model_not_found" | "NOT_FOUND" => ErrorKind::NotFound,
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "insufficient_quota"
        | "requests"
        | "tokens"
        | "RESOURCE_EXHAUSTED" => ErrorKind::RateLimit,
        "overloaded_error" | "service_unavailable" | "engine_overloaded" | "UNAVAILABLE" => {
            ErrorKind::Overloaded
        }
        "timeout" | "timeout_error" | "DEADLINE_EXCEEDED" => ErrorKind::Timeout,
        _ => return None,
    })
}

/// A sentence for a body that is no error of this dialect: a proxy's page, a line of text, nothing.
fn readable(status: u16, text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").and_then(|start| {
        let start = start + "<title>".len();
        let end = start + lower.get(start..)?.find("</title>")?;
        text.get(start..end)
    });
    let said = match title {
        Some(title) => title.trim(),
        None if text.starts_with('<') => "",
        None => text,
    };
    if said.is_empty() {
        return format!("the provider answered with status {status} and no reason");
    }
    said.chars().take(500).collect()
}

/// When to ask again, where the body alone says so: Google's `retryDelay`, OpenAI's "Please try again in 1m26.6s".
fn retry_after(body: &str, message: &str) -> Option<Duration> {
    let after = |text: &str, mark: &str| {
        let at = text.find(mark)? + mark.len();
        text.get(at..).map(str::to_owned)
    };
    if let Some(rest) = after(body, "\"retryDelay\"") {
        return duration(rest.trim_start_matches([':', ' ', '"']));
    }
    duration(&after(message, "try again in ")?)
}

/// `26.604s`, `350ms`, `1m30s`, `2h5m`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let Some((number, after)) = rest.split_at_checked(digits) else { break };
        let Ok(number) = number.trim_end_matches('.').parse::<f64>() else { break };
        let units = [("ms", 0.001), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];
        let unit = units.into_iter().find(|(unit, _)| after.starts_with(unit));
        let Some((unit, factor)) = unit else { break };
        seconds += number * factor;
        rest = after.get(unit.len()..).unwrap_or_default();
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|wait| !wait.is_zero())
}

/// Writes an error body for a client; gives the status to send with it. Anthropic's 529 stays: OpenAI's SDKs take every
/// status from 500 on for a server's trouble, and try again.
pub fn render(error: &Error, _request_id: &str, out: &mut Vec<u8>) -> u16 {
    let status = match error.status {
        400.. => error.status,
        _ => error.kind.status(),
    };
    put(error, status, out);
    status
}

/// Writes the event that ends a broken stream.
pub fn render_event(error: &Error, _asked: &Asked, _sequence: u64, out: &mut Vec<u8>) {
    sse::begin(out, None);
    put(error, error.status, out);
    sse::end(out);
}

fn put(error: &Error, status: u16, out: &mut Vec<u8>) {
    let mut body = Object::begin(out);
    let mut object = body.object("error");
    object.put("message", &error.message);
    object.put("type", kind(error.kind, status));
    object.put("param", &error.param);
    object.put("code", &error.code.as_deref().or_else(|| code(error.kind)));
    object.end();
    body.end();
}

/// The dialect's type of an error.
const fn kind(kind: ErrorKind, status: u16) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest
        | ErrorKind::Authentication
        | ErrorKind::Permission
        | ErrorKind::NotFound
        | ErrorKind::MethodNotAllowed
        | ErrorKind::TooLarge => "invalid_request_error",
        ErrorKind::Billing => "insufficient_quota",
        ErrorKind::RateLimit => "rate_limit_error",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Internal | ErrorKind::Overloaded if status < 500 && status >= 400 => {
            "invalid_request_error"
        }
        ErrorKind::Internal => "server_error",
        ErrorKind::Overloaded => "service_unavailable",
    }
}

/// The dialect's code, where the provider gave none.
const fn code(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::Authentication => Some("invalid_api_key"),
        ErrorKind::Billing => Some("insufficient_quota"),
        ErrorKind::RateLimit => Some("rate_limit_exceeded"),
        ErrorKind::MethodNotAllowed => Some("method_not_supported"),
        ErrorKind::InvalidRequest
        | ErrorKind::Permission
        | ErrorKind::NotFound
        | ErrorKind::TooLarge
        | ErrorKind::Internal
        | ErrorKind::Overloaded
        | ErrorKind::Timeout => None,
    }
}
