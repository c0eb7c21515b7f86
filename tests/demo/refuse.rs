//! What the demo refuses and which lists it shows: in the shape that the caller reads.

use http::StatusCode;
use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::ask::{Form, request, say};
use crate::{send, send_with};

/// Sends what cannot be answered, and compares the error without its message and id.
async fn refused(method: &str, path: &str, body: &str, status: u16, error: Value) {
    let (code, kind, answer) = send(method, path, body.to_owned()).await;
    assert_eq!((code.as_u16(), kind.as_str()), (status, "application/json"), "{path}");
    let mut answer: Value = serde_json::from_str(&answer).unwrap();
    let message = answer["error"].as_object_mut().unwrap().remove("message").unwrap();
    assert!(message.as_str().unwrap().len() > 10);
    if let Some(id) = answer.as_object_mut().unwrap().remove("request_id") {
        assert!(id.as_str().unwrap().starts_with("req_"));
    }
    assert_eq!(answer, error, "{path}");
}

fn openai(param: Option<&str>, code: Option<&str>) -> Value {
    json!({ "error": { "type": "invalid_request_error", "param": param, "code": code } })
}

fn anthropic(kind: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind } })
}

fn gemini(code: u16, status: &str) -> Value {
    json!({ "error": { "code": code, "status": status } })
}

#[tokio::test]
async fn bad_json() {
    for (dialect, error) in [
        (Dialect::OpenAiChat, openai(None, None)),
        (Dialect::OpenAiResponses, openai(None, None)),
        (Dialect::Anthropic, anthropic("invalid_request_error")),
        (Dialect::Gemini, gemini(400, "INVALID_ARGUMENT")),
    ] {
        let (path, _) = request(dialect, Form::Whole, &say("hello"));
        refused("POST", &path, "{\"model\":", 400, error).await;
    }
}

#[tokio::test]
async fn a_missing_conversation() {
    let missing = |field| openai(Some(field), Some("missing_required_parameter"));
    for (dialect, error) in [
        (Dialect::OpenAiChat, missing("messages")),
        (Dialect::OpenAiResponses, missing("input")),
        (Dialect::Anthropic, anthropic("invalid_request_error")),
        (Dialect::Gemini, gemini(400, "INVALID_ARGUMENT")),
    ] {
        let (path, _) = request(dialect, Form::Whole, &say("hello"));
        refused("POST", &path, "{\"model\": \"m\"}", 400, error.clone()).await;
        let empty = r#"{"model": "m", "messages": [], "input": [], "contents": []}"#;
        refused("POST", &path, empty, 400, error).await;
    }
}

#[tokio::test]
async fn a_missing_model_or_length() {
    let body = r#"{"messages": [{"role": "user", "content": "hello"}]}"#;
    let error = openai(Some("model"), Some("missing_required_parameter"));
    refused("POST", "/v1/chat/completions", body, 400, error).await;
    let body = r#"{"model": "m", "messages": [{"role": "user", "content": "hello"}]}"#;
    refused("POST", "/v1/messages", body, 400, anthropic("invalid_request_error")).await;
}

#[tokio::test]
async fn a_thread() {
    let body = r#"{"model": "m", "max_tokens": 9, "thread": {"type": "create"}, "messages": []}"#;
    let mut error = anthropic("invalid_request_error");
    error["error"]["details"] = json!({ "error_code": "thread_unsupported_request" });
    refused("POST", "/v1/messages", body, 400, error).await;
}

#[tokio::test]
async fn an_unknown_path() {
    refused("POST", "/v1/completions", "{}", 404, openai(None, None)).await;
    refused("POST", "/v1/responses/1/cancel", "{}", 404, openai(None, None)).await;
    refused("POST", "/v1/messages/batches", "{}", 404, anthropic("not_found_error")).await;
    refused("POST", "/v1beta/models/m:predict", "{}", 404, gemini(404, "NOT_FOUND")).await;
    refused("GET", "/v1/chat/completions", "", 405, openai(None, None)).await;
}

#[tokio::test]
async fn too_many_dimensions() {
    let body = r#"{"model": "m", "input": "a", "dimensions": 1000000}"#;
    refused("POST", "/v1/embeddings", body, 400, openai(Some("dimensions"), None)).await;
}

#[tokio::test]
async fn model_lists_have_the_callers_shape() {
    for (path, header, list, name) in [
        ("/v1/models", ("authorization", "Bearer k"), "data", "id"),
        ("/v1/models", ("anthropic-version", "2023-06-01"), "data", "display_name"),
        ("/v1/models", ("x-goog-api-key", "k"), "models", "displayName"),
        ("/v1beta/models?pageSize=50", ("x-api-key", "k"), "models", "name"),
    ] {
        let (status, _, answer) = send_with("GET", path, String::new(), header).await;
        assert_eq!(status, StatusCode::OK);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer[list][0][name].is_string(), "{path}");
    }
    let (_, _, answer) = send("GET", "/v1/models/any/model", String::new()).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["id"], "any/model");
}
