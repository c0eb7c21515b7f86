//! Errors, read and written.

use std::time::Duration;

use levity::dialects::openai_chat::error;
use levity::ir::error::{Error, ErrorKind};
use serde_json::{Value, json};

use crate::support::{asked, chunks};

#[track_caller]
fn reads(status: u16, body: &str, message: &str, code: Option<&str>, param: Option<&str>) {
    let error = error::parse(status, body.as_bytes());
    assert_eq!(error.status, status);
    assert_eq!(error.kind, ErrorKind::of_status(status));
    assert_eq!(error.message, message);
    assert_eq!((error.code.as_deref(), error.param.as_deref()), (code, param));
}

#[test]
fn bodies_of_every_shape() {
    reads(
        400,
        r#"{"error":{"message":"no 'stop'","type":"invalid_request_error","param":"stop","code":"unsupported_parameter"}}"#,
        "no 'stop'",
        Some("unsupported_parameter"),
        Some("stop"),
    );
    reads(
        404,
        r#"{"error":{"code":"404","message":"Resource not found"}}"#,
        "Resource not found",
        None,
        None,
    );
    reads(
        429,
        r#"{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"busy","provider_name":"X"}},"user_id":"u"}"#,
        "Provider returned error: busy",
        None,
        None,
    );
    reads(
        422,
        r#"{"error":{"code":"Invalid input","status":422,"message":"invalid input error","details":[{"loc":["body"]}]}}"#,
        "invalid input error",
        Some("Invalid input"),
        None,
    );
    reads(
        503,
        r#"[{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}]"#,
        "overloaded",
        Some("UNAVAILABLE"),
        None,
    );
    reads(
        400,
        r#"{"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}"#,
        "too long",
        None,
        None,
    );
}

#[test]
fn bodies_of_others() {
    reads(401, r#"{"detail":"Unauthorized"}"#, "Unauthorized", None, None);
    reads(422, r#"{"detail":[{"msg":"x"}]}"#, r#"[{"msg":"x"}]"#, None, None);
    reads(500, r#"{"error":"it broke"}"#, "it broke", None, None);
    reads(
        502,
        "<html>\r\n<head><title>502 Bad Gateway</title></head></html>",
        "502 Bad Gateway",
        None,
        None,
    );
    reads(500, "", "the provider answered with status 500 and no reason", None, None);
    reads(
        500,
        "<!doctype html><p>x",
        "the provider answered with status 500 and no reason",
        None,
        None,
    );
    reads(503, "upstream connect error", "upstream connect error", None, None);
    reads(500, "{\"error\":{}}", "{\"error\":{}}", None, None);
}

#[test]
fn when_to_ask_again() {
    for (message, wait) in [
        ("Rate limit reached. Please try again in 26.604s. Visit x", Some(26_604)),
        ("Please try again in 350ms.", Some(350)),
        ("Please try again in 1m30s.", Some(90_000)),
        ("Please try again in 2h5m.", Some(7_500_000)),
        ("Please try again in a while.", None),
        ("No.", None),
    ] {
        let body = json!({"error": {"message": message}}).to_string();
        let error = error::parse(429, body.as_bytes());
        assert_eq!(error.retry_after, wait.map(Duration::from_millis), "{message}");
    }
    let google = r#"[{"error":{"code":429,"message":"m","details":[{"retryDelay": "17s"}]}}]"#;
    assert_eq!(error::parse(429, google.as_bytes()).retry_after, Some(Duration::from_secs(17)));
}

#[test]
fn clients_are_told() {
    for (status, kind, code) in [
        (400, "invalid_request_error", Value::Null),
        (401, "invalid_request_error", json!("invalid_api_key")),
        (402, "insufficient_quota", json!("insufficient_quota")),
        (403, "invalid_request_error", Value::Null),
        (404, "invalid_request_error", Value::Null),
        (408, "timeout", Value::Null),
        (413, "invalid_request_error", Value::Null),
        (429, "rate_limit_error", json!("rate_limit_exceeded")),
        (500, "server_error", Value::Null),
        (503, "service_unavailable", Value::Null),
        (504, "timeout", Value::Null),
    ] {
        let mut out = Vec::new();
        let sent = error::render(&Error::of_status(status, "why"), "r1", &mut out);
        let body: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(sent, status);
        let expected =
            json!({"error": {"message": "why", "type": kind, "param": null, "code": code}});
        assert_eq!(body, expected, "{status}");
    }
    let mut out = Vec::new();
    assert_eq!(error::render(&Error::of_status(529, "why"), "r1", &mut out), 529);
    let mut error = Error::invalid("messages.0", "why");
    error.code = Some("context_length_exceeded".into());
    out.clear();
    assert_eq!(error::render(&error, "r1", &mut out), 400);
    let body: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(body["error"]["param"], "messages.0");
    assert_eq!(body["error"]["code"], "context_length_exceeded");
}

#[test]
fn streams_are_told() {
    let mut out = Vec::new();
    error::render_event(&Error::of_status(500, "why"), &asked(true), 9, &mut out);
    let events = chunks(std::str::from_utf8(&out).unwrap());
    let expected =
        json!({"error": {"message": "why", "type": "server_error", "param": null, "code": null}});
    assert_eq!(events, [expected]);
}
