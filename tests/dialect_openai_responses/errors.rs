//! Errors, both ways.

use std::time::Duration;

use levity::dialects;
use levity::ir::error::{Error, ErrorKind};
use serde_json::{Value, json};

use crate::support::{RESPONSES, asked, check_stream, events};

#[test]
fn bodies_of_providers() {
    use ErrorKind::{Authentication, Internal, InvalidRequest, NotFound, Overloaded, RateLimit};
    let cases: [(u16, &str, ErrorKind, &str, Option<&str>); 12] = [
        (
            401,
            r#"{"error":{"message":"bad key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
            Authentication,
            "bad key",
            Some("invalid_api_key"),
        ),
        (
            400,
            r#"{"error":{"message":"bad","param":"input[0]","code":null}}"#,
            InvalidRequest,
            "bad",
            None,
        ),
        (
            404,
            r#"{"error":{"message":"no model","code":"model_not_found"}}"#,
            NotFound,
            "no model",
            Some("model_not_found"),
        ),
        (
            429,
            r#"{"error":{"message":"slow","type":"requests","code":"rate_limit_exceeded"}}"#,
            RateLimit,
            "slow",
            Some("rate_limit_exceeded"),
        ),
        (
            400,
            r#"{"error":{"message":"used up","type":"usage_limit_reached","resets_in_seconds":90}}"#,
            RateLimit,
            "used up",
            None,
        ),
        (
            400,
            r#"{"code":"invalid-argument","error":"Model not found: x"}"#,
            InvalidRequest,
            "Model not found: x",
            Some("invalid-argument"),
        ),
        (
            401,
            r#"{"detail":"Could not parse your token"}"#,
            Authentication,
            "Could not parse your token",
            None,
        ),
        (
            422,
            r#"{"detail":[{"loc":["body"],"msg":"wrong"}]}"#,
            InvalidRequest,
            r#"[{"loc":["body"],"msg":"wrong"}]"#,
            None,
        ),
        (500, r#"{"message":"plain"}"#, Internal, "plain", None),
        (
            502,
            "<html><h1>502 Bad Gateway</h1></html>",
            Internal,
            "the provider answered with status 502 and gave no reason",
            None,
        ),
        (503, "", Overloaded, "the provider answered with status 503 and gave no reason", None),
        (
            500,
            "upstream connect error",
            Internal,
            "the provider answered with status 500: upstream connect error",
            None,
        ),
    ];
    for (status, body, kind, message, code) in cases {
        let error = dialects::parse_error(RESPONSES, status, body.as_bytes());
        assert_eq!(error.kind, kind, "{body}");
        assert_eq!(error.status, status, "{body}");
        assert_eq!(error.message, message, "{body}");
        assert_eq!(error.code.as_deref(), code, "{body}");
        let minute_and_a_half = body.contains("90").then_some(Duration::from_secs(90));
        assert_eq!(error.retry_after, minute_and_a_half, "{body}");
    }
}

#[test]
fn bodies_for_clients() {
    let cases = [
        (ErrorKind::InvalidRequest, None, 400, "invalid_request_error", None),
        (ErrorKind::Authentication, None, 401, "invalid_request_error", Some("invalid_api_key")),
        (ErrorKind::Billing, None, 402, "insufficient_quota", Some("insufficient_quota")),
        (
            ErrorKind::RateLimit,
            Some("RESOURCE_EXHAUSTED"),
            429,
            "rate_limit_error",
            Some("rate_limit_exceeded"),
        ),
        (
            ErrorKind::InvalidRequest,
            Some("context_length_exceeded"),
            400,
            "invalid_request_error",
            Some("context_length_exceeded"),
        ),
        (ErrorKind::Overloaded, Some("overloaded_error"), 503, "server_error", None),
        (ErrorKind::Internal, None, 502, "server_error", None),
        (ErrorKind::Timeout, None, 504, "server_error", None),
    ];
    for (kind, code, status, word, shown) in cases {
        let error = Error { code: code.map(str::to_owned), ..Error::new(kind, "what to do") };
        let (given, body) = rendered(&error);
        assert_eq!(given, status, "{kind:?}");
        let expected = json!({"message": "what to do", "type": word, "param": null, "code": shown});
        assert_eq!(body, json!({ "error": expected }), "{kind:?}");
    }
    // 408 is no server's fault; 529 is Anthropic's own.
    assert_eq!(rendered(&Error::of_status(408, "late")).1["error"]["type"], "timeout");
    assert_eq!(rendered(&Error::of_status(529, "busy")).0, 529);
    assert_eq!(rendered(&Error::invalid("input.0", "wrong")).1["error"]["param"], "input.0");
}

fn rendered(error: &Error) -> (u16, Value) {
    let mut out = Vec::new();
    let status = dialects::render_error(RESPONSES, error, "req_1", &mut out);
    (status, serde_json::from_slice(&out).unwrap())
}

#[test]
fn a_forwarded_stream_that_breaks_off() {
    let error = Error::new(ErrorKind::Internal, "it broke off");
    let mut out = Vec::new();
    dialects::render_stream_error(RESPONSES, &error, &asked(), 41, &mut out);
    let [(first, error_data), (name, data)] = events(&out).try_into().unwrap();
    assert_eq!((first.as_str(), name.as_str()), ("error", "response.failed"));
    let event: Value = serde_json::from_str(&error_data).unwrap();
    assert_eq!(event["sequence_number"], 41);
    // As the reference has it, and as OpenAI sends it and the SDKs look for it.
    assert_eq!(
        (&event["message"], &event["error"]["message"]),
        (&json!("it broke off"), &json!("it broke off"))
    );
    let event: Value = serde_json::from_str(&data).unwrap();
    assert_eq!(event["sequence_number"], 42);
    assert_eq!(event["response"]["status"], "failed");
    assert_eq!(event["response"]["error"]["message"], "it broke off");
    for member in
        ["id", "object", "created_at", "model", "output", "tools", "tool_choice", "metadata"]
    {
        assert!(!event["response"][member].is_null(), "{member}");
    }

    let mut out = Vec::new();
    dialects::render_stream_error(RESPONSES, &error, &asked(), 0, &mut out);
    assert_eq!(check_stream(&out)["type"], "response.failed");
}
