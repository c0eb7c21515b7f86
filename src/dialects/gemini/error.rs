//! Gemini generateContent errors. <https://ai.google.dev/gemini-api/docs/troubleshooting>

use std::borrow::Cow;
use std::time::Duration;

use super::wire::response::{Detail, ErrorBody, FieldViolation, Status};
use super::wire::{Str, Word};
use crate::dialects::Asked;
use crate::ir::error::Error;
use crate::json;
use crate::sse;

const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

/// Google's name of each HTTP status. <https://cloud.google.com/apis/design/errors#handling_errors>
const NAMES: [(u16, &str); 12] = [
    (400, "INVALID_ARGUMENT"),
    (401, "UNAUTHENTICATED"),
    (402, "FAILED_PRECONDITION"),
    (403, "PERMISSION_DENIED"),
    (404, "NOT_FOUND"),
    (408, "DEADLINE_EXCEEDED"),
    (409, "ABORTED"),
    (429, "RESOURCE_EXHAUSTED"),
    (499, "CANCELLED"),
    (500, "INTERNAL"),
    (503, "UNAVAILABLE"),
    (504, "DEADLINE_EXCEEDED"),
];

/// Reads an account's error body.
pub fn parse(status: u16, body: &[u8]) -> Error {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    // Some proxies frame the error of a stream as its first event.
    let json = text.strip_prefix("data:").unwrap_or(text).trim();
    match body_of(json) {
        Some(error) => of_status(status, error),
        None => Error::of_status(status, plain_message(status, text)),
    }
}

/// Writes an error body for a client; gives the status to send with it.
pub fn render(error: &Error, _request_id: &str, out: &mut Vec<u8>) -> u16 {
    let status = client_status(error);
    push(error, status, out);
    status
}

/// Writes the event that ends a broken stream.
pub fn render_event(error: &Error, asked: &Asked, _sequence: u64, out: &mut Vec<u8>) {
    if asked.reply.array_stream {
        out.extend_from_slice(b",\r\n");
        push(error, client_status(error), out);
        out.extend_from_slice(b"]");
    } else {
        sse::begin(out, None);
        push(error, client_status(error), out);
        sse::end(out);
    }
}

/// Appends the error object alone.
pub(super) fn push_object(error: &Error, out: &mut Vec<u8>) {
    push(error, client_status(error), out);
}

/// An error that stands in an answer of status 200.
pub(super) fn in_answer(error: Status<'_>) -> Error {
    let status = match error.code {
        Some(Word::Number(code)) => {
            u16::try_from(code).ok().filter(|code| (400..600).contains(code))
        }
        Some(Word::Name(_)) | None => None,
    };
    of_status(status.unwrap_or(500), error)
}

/// The error of a body: an object, or the first of a streamed array.
fn body_of(json: &str) -> Option<Status<'_>> {
    if json.starts_with('[') {
        let bodies = serde_json::from_str::<Vec<ErrorBody<'_>>>(json).ok()?;
        return bodies.into_iter().find_map(|body| body.error);
    }
    serde_json::from_str::<ErrorBody<'_>>(json).ok()?.error
}

fn of_status(status: u16, error: Status<'_>) -> Error {
    let details = error.details.unwrap_or_default();
    let reason = details.iter().find_map(|detail| detail.reason.as_ref());
    let code = reason.or(error.name.as_ref()).map(|code| code.0.to_string());
    let violation =
        details.iter().flat_map(|detail| detail.field_violations.iter().flatten()).next();
    let param = violation.and_then(|violation| violation.field.as_ref());
    let message = error.message.map(|message| message.0).filter(|message| !message.is_empty());
    let message = message
        .unwrap_or_else(|| format!("the provider answered {status} without a message").into());
    // Agents of other dialects make their history shorter when they read this code.
    let is_too_long = status == 400 && message.starts_with("The input token count");
    let code = if is_too_long { Some("context_length_exceeded".to_owned()) } else { code };
    Error {
        code,
        param: param.map(|field| field.0.to_string()),
        retry_after: details.iter().find_map(|detail| delay(detail.retry_delay.as_ref()?)),
        ..Error::of_status(status, message)
    }
}

/// Protobuf's JSON form of a duration: `12s`, `0.847s`.
fn delay(text: &Str<'_>) -> Option<Duration> {
    let seconds: f64 = text.0.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// What a page that is no JSON says: its title, or its first words.
fn plain_message(status: u16, text: &str) -> String {
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let said = title.map_or(text, |(title, _)| title).trim();
    if said.is_empty() || said.starts_with('<') {
        return format!("the provider answered {status} without a message");
    }
    let short: String = said.chars().take(300).collect();
    format!("the provider answered {status}: {short}")
}

/// 529 is Anthropic's own.
const fn client_status(error: &Error) -> u16 {
    match error.status {
        529 => 503,
        status => status,
    }
}

fn name(status: u16) -> &'static str {
    let known = NAMES.iter().find(|(own, _)| *own == status).map(|(_, name)| *name);
    known.unwrap_or(if status < 500 { "INVALID_ARGUMENT" } else { "INTERNAL" })
}

fn push(error: &Error, status: u16, out: &mut Vec<u8>) {
    let details = details(error);
    let body = ErrorBody {
        error: Some(Status {
            code: Some(Word::Number(status.into())),
            message: Some(Str(Cow::Borrowed(&error.message))),
            name: Some(name(status).into()),
            details: (!details.is_empty()).then_some(details),
        }),
    };
    // Writing to memory cannot fail, and every key is a string.
    let _ = json::write::value(&body, out);
}

fn details(error: &Error) -> Vec<Detail<'_>> {
    let mut details = Vec::new();
    // A code that is only Google's name of a status says nothing more.
    let code = error.code.as_deref().filter(|code| NAMES.iter().all(|(_, name)| name != code));
    if let Some(code) = code {
        details.push(Detail {
            kind: Some(ERROR_INFO.into()),
            reason: Some(code.into()),
            domain: Some("levity".into()),
            ..Detail::default()
        });
    }
    if let Some(param) = error.param.as_deref() {
        let field = Some(Str::from(param));
        let description = Some(Str(Cow::Borrowed(error.message.as_str())));
        details.push(Detail {
            kind: Some(BAD_REQUEST.into()),
            field_violations: Some(vec![FieldViolation { field, description }]),
            ..Detail::default()
        });
    }
    if let Some(after) = error.retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        details.push(Detail {
            kind: Some(RETRY_INFO.into()),
            retry_delay: Some(format!("{seconds}s").into()),
            ..Detail::default()
        });
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::error::ErrorKind;

    fn rendered(error: &Error) -> (u16, String) {
        let mut out = Vec::new();
        let status = render(error, "req_1", &mut out);
        (status, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_google_error() {
        let body = r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"x"}]},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"17.5s"}]}}"#;
        let error = parse(429, body.as_bytes());
        assert_eq!(error.kind, ErrorKind::RateLimit);
        assert_eq!(error.message, "Quota exceeded");
        assert_eq!(error.code.as_deref(), Some("RESOURCE_EXHAUSTED"));
        assert_eq!(error.retry_after, Some(Duration::from_millis(17_500)));
        let (status, text) = rendered(&error);
        assert_eq!(status, 429);
        assert!(text.contains(r#""retryDelay":"18s""#), "{text}");
        assert!(!text.contains("ErrorInfo"), "{text}");
    }

    #[test]
    fn reasons_and_fields() {
        let body = r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT","details":[
            {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"},
            {"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"contents[0]"}]}]}}]"#;
        let error = parse(400, body.as_bytes());
        assert_eq!(error.code.as_deref(), Some("API_KEY_INVALID"));
        assert_eq!(error.param.as_deref(), Some("contents[0]"));
        assert_eq!(parse(400, rendered(&error).1.as_bytes()), error);
    }

    #[test]
    fn pages_and_nothing() {
        let html = b"<html>\r\n<head><title>502 Bad Gateway</title></head></html>";
        assert_eq!(parse(502, html).message, "the provider answered 502: 502 Bad Gateway");
        assert_eq!(parse(500, b"").message, "the provider answered 500 without a message");
        assert_eq!(parse(500, b"\xff{").kind, ErrorKind::Internal);
        let framed = b"data: {\"error\":{\"message\":\"no\"}}\n\n";
        assert_eq!(parse(404, framed).message, "no");
    }

    #[test]
    fn each_status_has_a_name() {
        for (status, sent, name) in [
            (413, 413, "INVALID_ARGUMENT"),
            (422, 422, "INVALID_ARGUMENT"),
            (502, 502, "INTERNAL"),
            (529, 503, "UNAVAILABLE"),
        ] {
            let (code, text) = rendered(&Error::of_status(status, "m"));
            assert_eq!(code, sent);
            let expected =
                format!(r#"{{"error":{{"code":{sent},"message":"m","status":"{name}"}}}}"#);
            assert_eq!(text, expected);
        }
    }
}
