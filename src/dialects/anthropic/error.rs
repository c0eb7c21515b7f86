//! Anthropic Messages errors. <https://docs.anthropic.com/en/api/errors>

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::wire::{read, write};
use crate::dialects::Asked;
use crate::ir::error::{Error, ErrorKind};
use crate::json;
use crate::sse;

/// The code of an error that says that a proof of thinking is not right: the request may go without proofs.
pub const INVALID_SIGNATURE: &str = "invalid_thinking_signature";

/// How the API begins to say that a prompt is too long, for which it has no code.
const TOO_LONG: &str = "prompt is too long";
/// The code that the others have for it.
const CONTEXT_EXCEEDED: &str = "context_length_exceeded";

/// Longest piece of a body without form that is shown.
const SHOWN: usize = 300;

/// Reads an account's error body.
pub fn parse(status: u16, body: &[u8]) -> Error {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let failure = serde_json::from_str::<read::Failure<'_>>(text).ok();
    let mut error = Error::of_status(status, "");
    if let Some(failure) = &failure {
        read_into(failure, &mut error);
    }
    if error.message.is_empty() {
        error.message = formless(status, text);
    }
    error
}

/// Reads the `error` of an error event, or of an answer of status 200 that is none: its type alone says what it is.
pub(super) fn parse_inner(json: &str) -> Error {
    let failure = serde_json::from_str::<read::Failure<'_>>(json).ok();
    let kind = failure.as_ref().and_then(|failure| text(failure.kind));
    let mut error = Error::new(kind.map_or(ErrorKind::Internal, |kind| kind_of(&kind)), "");
    match failure {
        Some(failure) => read_into(&failure, &mut error),
        None => error.message = serde_json::from_str(json).unwrap_or_default(),
    }
    if error.message.is_empty() {
        "the provider's answer failed without a message".clone_into(&mut error.message);
    }
    error
}

/// Takes message and code wherever they stand: `{"error": {"message"}}`, `{"error": "…"}`, `{"message"}`, `{"detail"}`.
fn read_into(failure: &read::Failure<'_>, error: &mut Error) {
    if let Some(inner) = failure.error {
        match serde_json::from_str::<read::Failure<'_>>(inner.get()) {
            Ok(inner) => read_into(&inner, error),
            Err(_) => error.message = text(Some(inner)).unwrap_or_default(),
        }
    }
    if error.message.is_empty() {
        let message = text(failure.message).or_else(|| text(failure.detail));
        error.message = message.unwrap_or_default();
    }
    let details =
        failure.details.map(|details| serde_json::from_str::<read::Details>(details.get()));
    if let Some(Ok(details)) = details {
        error.code = Some(details.error_code);
    }
    if error.code.is_none() {
        error.code = code_of(&error.message).map(str::to_owned);
    }
}

/// The API has no codes for these, and whoever reads the error must tell them apart.
fn code_of(message: &str) -> Option<&'static str> {
    // OpenAI's agents make their history shorter when they read this code.
    if message.starts_with(TOO_LONG) {
        return Some(CONTEXT_EXCEEDED);
    }
    let is_about_proofs = message.contains("`thinking`") && message.contains("`signature`")
        || message.contains("`redacted_thinking` blocks");
    is_about_proofs.then_some(INVALID_SIGNATURE)
}

/// A JSON value's text, where it is one.
fn text(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

/// A message for a body that has none: an HTML page of some proxy, a text, nothing.
fn formless(status: u16, text: &str) -> String {
    let is_page = text.starts_with('<');
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    match title {
        Some((title, _)) if is_page => {
            format!("the provider answered {status} with a page: {}", title.trim())
        }
        _ if is_page || text.is_empty() => {
            format!("the provider answered {status} without a message")
        }
        _ => {
            let shown: String = text.chars().take(SHOWN).collect();
            format!("the provider answered {status}: {shown}")
        }
    }
}

fn kind_of(name: &str) -> ErrorKind {
    match name {
        "invalid_request_error" => ErrorKind::InvalidRequest,
        "authentication_error" => ErrorKind::Authentication,
        "billing_error" => ErrorKind::Billing,
        "permission_error" => ErrorKind::Permission,
        "not_found_error" => ErrorKind::NotFound,
        "request_too_large" => ErrorKind::TooLarge,
        "rate_limit_error" => ErrorKind::RateLimit,
        "overloaded_error" => ErrorKind::Overloaded,
        "timeout_error" => ErrorKind::Timeout,
        _ => ErrorKind::Internal,
    }
}

const fn name_of(kind: ErrorKind) -> &'static str {
    match kind {
        // The API has no type for a wrong method.
        ErrorKind::InvalidRequest | ErrorKind::MethodNotAllowed => "invalid_request_error",
        ErrorKind::Authentication => "authentication_error",
        ErrorKind::Billing => "billing_error",
        ErrorKind::Permission => "permission_error",
        ErrorKind::NotFound => "not_found_error",
        ErrorKind::TooLarge => "request_too_large",
        ErrorKind::RateLimit => "rate_limit_error",
        ErrorKind::Internal => "api_error",
        ErrorKind::Overloaded => "overloaded_error",
        ErrorKind::Timeout => "timeout_error",
    }
}

/// Writes an error body for a client; gives the status to send with it.
pub fn render(error: &Error, request_id: &str, out: &mut Vec<u8>) -> u16 {
    write_json(&body(error, Some(request_id)), out);
    error.status
}

/// Writes the event that ends a broken stream.
pub fn render_event(error: &Error, _asked: &Asked, _sequence: u64, out: &mut Vec<u8>) {
    event(error, out);
}

/// The same, for a renderer that stands in the middle of its stream.
pub(super) fn event(error: &Error, out: &mut Vec<u8>) {
    sse::begin(out, Some("error"));
    write_json(&body(error, None), out);
    sse::end(out);
}

fn body<'a>(error: &'a Error, request_id: Option<&'a str>) -> write::Failure<'a> {
    write::Failure {
        kind: "error",
        error: write::FailureKind {
            kind: name_of(error.kind),
            message: message(error),
            details: error_code(error).map(|error_code| write::Details { error_code }),
        },
        request_id,
    }
}

/// The dialect has no place for the field at fault but the message, where the API itself says it. Claude Code makes its
/// history shorter when it reads the API's own words for a prompt that is too long.
fn message(error: &Error) -> Cow<'_, str> {
    if error.code.as_deref() == Some(CONTEXT_EXCEEDED) && !error.message.starts_with(TOO_LONG) {
        return Cow::Owned(format!("{TOO_LONG}: {}", error.message));
    }
    match &error.param {
        Some(param) if !param.is_empty() && !error.message.contains(param.as_str()) => {
            Cow::Owned(format!("{param}: {}", error.message))
        }
        _ => Cow::Borrowed(&error.message),
    }
}

/// The SDKs send the whole conversation instead of a thread when they read this code.
fn error_code(error: &Error) -> Option<&str> {
    match (&error.code, &error.param) {
        (Some(code), _) if code.starts_with("thread_") => Some(code),
        (None, Some(param)) if param == "thread" => Some("thread_unsupported_request"),
        _ => None,
    }
}

fn write_json(failure: &write::Failure<'_>, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = json::write::value(failure, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read() {
        let own = br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}"#;
        let thread = br#"{"type":"error","error":{"type":"invalid_request_error","message":"m","details":{"error_code":"thread_not_found"}}}"#;
        let long = br#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 2 tokens > 1 maximum"}}"#;
        let proof = br#"{"error":{"message":"messages.1.content.0: Invalid `signature` in `thinking` block"}}"#;
        let html = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
        let cases: [(u16, &[u8], &str, Option<&str>); 12] = [
            (529, own, "Overloaded", None),
            (400, thread, "m", Some("thread_not_found")),
            (
                400,
                long,
                "prompt is too long: 2 tokens > 1 maximum",
                Some("context_length_exceeded"),
            ),
            (400, br#"{"error":{"message":"bad","type":"x","code":"y"}}"#, "bad", None),
            (401, br#"{"error":"no key"}"#, "no key", None),
            (404, br#"{"message":"no such model"}"#, "no such model", None),
            (422, br#"{"detail":"odd"}"#, "odd", None),
            (502, html, "the provider answered 502 with a page: 502 Bad Gateway", None),
            (500, b"oops", "the provider answered 500: oops", None),
            (500, b"", "the provider answered 500 without a message", None),
            (
                400,
                proof,
                "messages.1.content.0: Invalid `signature` in `thinking` block",
                Some(INVALID_SIGNATURE),
            ),
            (503, b"{}", "the provider answered 503: {}", None),
        ];
        for (status, body, message, code) in cases {
            let error = parse(status, body);
            assert_eq!((error.status, error.message.as_str()), (status, message));
            assert_eq!(error.kind, ErrorKind::of_status(status));
            assert_eq!(error.code.as_deref(), code);
        }
    }

    #[test]
    fn read_inner() {
        let error = parse_inner(r#"{"type":"overloaded_error","message":"Overloaded"}"#);
        assert_eq!((error.kind, error.status), (ErrorKind::Overloaded, 503));
        assert_eq!(parse_inner("\"broken\"").message, "broken");
        assert!(!parse_inner("{}").message.is_empty());
        assert!(!parse_inner("17").message.is_empty());
    }

    fn rendered(error: &Error) -> (u16, String) {
        let mut out = Vec::new();
        let status = render(error, "req_1", &mut out);
        (status, String::from_utf8(out).unwrap())
    }

    #[test]
    fn written() {
        let (status, body) = rendered(&Error::invalid("messages.0.content", "field required"));
        assert_eq!(status, 400);
        assert_eq!(
            body,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages.0.content: field required"},"request_id":"req_1"}"#
        );
        let (status, body) = rendered(&Error::of_status(529, "busy"));
        assert_eq!(status, 529);
        assert!(body.contains(r#""type":"overloaded_error","message":"busy""#));
    }

    #[test]
    fn threads() {
        let refused = Error::invalid("thread", "not kept here");
        let coded = Error {
            code: Some("thread_not_found".to_owned()),
            ..Error::new(ErrorKind::InvalidRequest, "m")
        };
        let details = r#""details":{"error_code":"thread_unsupported_request"}"#;
        assert!(rendered(&refused).1.contains(details));
        assert!(rendered(&coded).1.contains(r#""details":{"error_code":"thread_not_found"}"#));
    }
}
