//! What each dialect's traffic looks like: requests, answers, streams, errors.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use super::client::{Reply, Request, post};
use super::script::Answer;

/// The model of most tests; no account maps it.
pub(crate) const MODEL: &str = "test-model";

/// Tokens that every sample answer reports: into the model, and out of it.
pub(crate) const TOKENS: (u64, u64) = (11, 7);

/// Where a client of this dialect posts, below the gateway's root.
pub(crate) fn path(dialect: Dialect, model: &str) -> String {
    match dialect {
        Dialect::OpenAiChat => "/v1/chat/completions".to_owned(),
        Dialect::OpenAiResponses => "/v1/responses".to_owned(),
        Dialect::Anthropic => "/v1/messages".to_owned(),
        Dialect::Gemini => format!("/v1beta/models/{model}:generateContent"),
    }
}

/// Where a client of this dialect posts to have the answer streamed.
pub(crate) fn stream_path(dialect: Dialect, model: &str) -> String {
    match dialect {
        Dialect::Gemini => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic => path(dialect, model),
    }
}

/// A small request body.
pub(crate) fn body(dialect: Dialect, model: &str) -> Value {
    let turns = json!([{ "role": "user", "content": "hello" }]);
    match dialect {
        Dialect::OpenAiChat => json!({ "model": model, "messages": turns }),
        Dialect::OpenAiResponses => json!({ "model": model, "input": "hello" }),
        Dialect::Anthropic => json!({ "model": model, "max_tokens": 64, "messages": turns }),
        Dialect::Gemini => {
            json!({ "contents": [{ "role": "user", "parts": [{ "text": "hello" }] }] })
        }
    }
}

/// A small request, to be answered whole.
pub(crate) fn call(dialect: Dialect, model: &str) -> Request {
    post(path(dialect, model), body(dialect, model).to_string())
}

/// A small request, to be answered as a stream.
pub(crate) fn stream_call(dialect: Dialect, model: &str) -> Request {
    let mut body = body(dialect, model);
    if dialect != Dialect::Gemini {
        body["stream"] = json!(true);
    }
    post(stream_path(dialect, model), body.to_string())
}

/// A whole answer that says "one two three".
pub(crate) fn answer(dialect: Dialect) -> Value {
    let (input, output) = TOKENS;
    match dialect {
        Dialect::OpenAiChat => json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL,
            "choices": [{ "index": 0, "finish_reason": "stop", "logprobs": null,
                "message": { "role": "assistant", "content": "one two three", "refusal": null } }],
            "usage": { "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output },
        }),
        Dialect::OpenAiResponses => response("completed"),
        Dialect::Anthropic => json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": MODEL,
            "content": [{ "type": "text", "text": "one two three" }],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": { "input_tokens": input, "output_tokens": output },
        }),
        Dialect::Gemini => generated("one two three", Some("STOP")),
    }
}

/// The upstream's good answer, whole.
pub(crate) fn good(dialect: Dialect) -> Answer {
    Answer::json(200, answer(dialect).to_string())
}

/// A stream that says "one ", "two " and "three", each in an event of its own.
pub(crate) fn events(dialect: Dialect) -> Vec<String> {
    match dialect {
        Dialect::OpenAiChat => chat_events(),
        Dialect::OpenAiResponses => responses_events(),
        Dialect::Anthropic => anthropic_events(),
        Dialect::Gemini => [("one ", None), ("two ", None), ("three", Some("STOP"))]
            .map(|(text, finish)| format!("data: {}\r\n\r\n", generated(text, finish)))
            .into(),
    }
}

/// The beginning of that stream, up to its first text.
pub(crate) fn begun(dialect: Dialect) -> Vec<String> {
    let mut events = events(dialect);
    let first = events.iter().position(|event| event.contains("one ")).unwrap();
    events.truncate(first + 1);
    events
}

fn chat_events() -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        format!(
            "data: {}\n\n",
            json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
                "model": MODEL, "choices": choices, "usage": usage })
        )
    };
    let delta = |delta: Value, finish: Option<&str>| {
        chunk(json!([{ "index": 0, "delta": delta, "finish_reason": finish }]), Value::Null)
    };
    let (input, output) = TOKENS;
    vec![
        delta(json!({ "role": "assistant", "content": "one " }), None),
        delta(json!({ "content": "two " }), None),
        delta(json!({ "content": "three" }), None),
        delta(json!({}), Some("stop")),
        chunk(
            json!([]),
            json!({ "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output }),
        ),
        "data: [DONE]\n\n".to_owned(),
    ]
}

fn responses_events() -> Vec<String> {
    let place = json!({ "item_id": "msg_1", "output_index": 0, "content_index": 0 });
    let at_place = |mut event: Value| {
        for (key, value) in place.as_object().unwrap() {
            event[key] = value.clone();
        }
        event
    };
    let item = |status: &str, content: Value| json!({ "id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content });
    let part = |text: &str| json!({ "type": "output_text", "text": text, "annotations": [] });
    let delta = |text: &str| {
        at_place(json!({ "type": "response.output_text.delta", "delta": text, "logprobs": [] }))
    };
    let whole = "one two three";
    [
        json!({ "type": "response.created", "response": response("in_progress") }),
        json!({ "type": "response.output_item.added", "output_index": 0, "item": item("in_progress", json!([])) }),
        at_place(json!({ "type": "response.content_part.added", "part": part("") })),
        delta("one "),
        delta("two "),
        delta("three"),
        at_place(json!({ "type": "response.output_text.done", "text": whole, "logprobs": [] })),
        at_place(json!({ "type": "response.content_part.done", "part": part(whole) })),
        json!({ "type": "response.output_item.done", "output_index": 0, "item": item("completed", json!([part(whole)])) }),
        json!({ "type": "response.completed", "response": response("completed") }),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, mut event)| {
        event["sequence_number"] = json!(number);
        named(&event)
    })
    .collect()
}

fn anthropic_events() -> Vec<String> {
    let (input, output) = TOKENS;
    let delta = |text: &str| json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } });
    [
        json!({ "type": "message_start", "message": {
            "id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": [],
            "stop_reason": null, "stop_sequence": null,
            "usage": { "input_tokens": input, "output_tokens": 1 } } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        delta("one "),
        delta("two "),
        delta("three"),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null },
            "usage": { "output_tokens": output } }),
        json!({ "type": "message_stop" }),
    ]
    .iter()
    .map(named)
    .collect()
}

/// An event with the `event:` line that its type is repeated in.
fn named(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
}

fn response(status: &str) -> Value {
    let (input, output) = TOKENS;
    let done = status == "completed";
    let message = json!({ "id": "msg_1", "type": "message", "role": "assistant", "status": status,
        "content": [{ "type": "output_text", "text": "one two three", "annotations": [] }] });
    json!({
        "id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": MODEL,
        "error": null, "incomplete_details": null, "parallel_tool_calls": true, "tools": [],
        "output": if done { json!([message]) } else { json!([]) },
        "usage": if done {
            json!({ "input_tokens": input, "input_tokens_details": { "cached_tokens": 0 },
                "output_tokens": output, "output_tokens_details": { "reasoning_tokens": 0 },
                "total_tokens": input + output })
        } else { Value::Null },
    })
}

fn generated(text: &str, finish: Option<&str>) -> Value {
    let (input, output) = TOKENS;
    let mut candidate =
        json!({ "index": 0, "content": { "role": "model", "parts": [{ "text": text }] } });
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
    }
    json!({
        "candidates": [candidate], "modelVersion": MODEL, "responseId": "r1",
        "usageMetadata": { "promptTokenCount": input, "candidatesTokenCount": output,
            "totalTokenCount": input + output },
    })
}

/// A provider's refusal, in its dialect's shape.
pub(crate) fn refusal(dialect: Dialect, status: u16, message: &str) -> Answer {
    let body = match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            json!({ "error": { "message": message, "type": "some_error", "param": null, "code": null } })
        }
        Dialect::Anthropic => {
            let kind = anthropic_kinds(status)[0];
            json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_1" })
        }
        Dialect::Gemini => {
            let name = gemini_names(status)[0];
            json!({ "error": { "code": status, "message": message, "status": name } })
        }
    };
    Answer::json(status, body.to_string())
}

/// Checks that an error made by the gateway has the shape of this dialect, and returns its message.
pub(crate) fn refused(dialect: Dialect, status: u16, reply: &Reply) -> String {
    assert_eq!(reply.status, status, "{}", reply.text());
    let kind = reply.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("application/json"), "content-type {kind:?}");
    assert!(reply.header("x-request-id").is_some(), "an error without x-request-id");
    let body = reply.json();
    // A streamed JSON array carries an error as its only element.
    let body = body.get(0).unwrap_or(&body);
    let error = &body["error"];
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            assert!(error["type"].is_string(), "{body}");
            assert!(error.get("param").is_some() && error.get("code").is_some(), "{body}");
        }
        Dialect::Anthropic => {
            assert_eq!(body["type"], "error", "{body}");
            assert!(body["request_id"].is_string(), "{body}");
            let kind = error["type"].as_str().unwrap_or_default();
            assert!(anthropic_kinds(status).contains(&kind), "{kind:?} for {status}");
        }
        Dialect::Gemini => {
            assert_eq!(error["code"], status, "{body}");
            let name = error["status"].as_str().unwrap_or_default();
            assert!(gemini_names(status).contains(&name), "{name:?} for {status}");
        }
    }
    let message = error["message"].as_str().unwrap_or_default();
    assert!(!message.is_empty(), "an error that says nothing: {body}");
    message.to_owned()
}

/// <https://docs.anthropic.com/en/api/errors>
fn anthropic_kinds(status: u16) -> &'static [&'static str] {
    match status {
        401 => &["authentication_error"],
        403 => &["permission_error"],
        404 => &["not_found_error"],
        413 => &["request_too_large"],
        429 => &["rate_limit_error"],
        503 | 529 => &["overloaded_error", "api_error"],
        504 => &["timeout_error", "api_error"],
        500.. => &["api_error"],
        _ => &["invalid_request_error"],
    }
}

/// <https://cloud.google.com/apis/design/errors#handling_errors>
fn gemini_names(status: u16) -> &'static [&'static str] {
    match status {
        401 => &["UNAUTHENTICATED"],
        403 => &["PERMISSION_DENIED"],
        404 => &["NOT_FOUND"],
        405 => &["UNIMPLEMENTED", "INVALID_ARGUMENT", "FAILED_PRECONDITION"],
        429 => &["RESOURCE_EXHAUSTED"],
        500 => &["INTERNAL"],
        502 | 503 => &["UNAVAILABLE", "INTERNAL"],
        504 => &["DEADLINE_EXCEEDED"],
        _ => &["INVALID_ARGUMENT", "FAILED_PRECONDITION"],
    }
}

/// Checks that a stream ended in this dialect's error event, and not as if all were well.
pub(crate) fn broke_off(dialect: Dialect, stream: &str) {
    let blocks = stream.replace("\r\n", "\n");
    let last = blocks.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let data = last.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or_default();
    let event: Value = serde_json::from_str(data).unwrap_or_default();
    let (error, normal_end) = match dialect {
        Dialect::OpenAiChat => (&event["error"], "[DONE]"),
        Dialect::OpenAiResponses => {
            assert_eq!(event["type"], "response.failed", "the last event of {stream}");
            (&event["response"]["error"], "response.completed")
        }
        Dialect::Anthropic => {
            assert!(last.contains("event: error"), "the last event of {stream}");
            assert_eq!(event["type"], "error", "the last event of {stream}");
            (&event["error"], "message_stop")
        }
        Dialect::Gemini => (&event["error"], "\"STOP\""),
    };
    assert!(error["message"].is_string(), "no error at the end of {stream}");
    assert!(!stream.contains(normal_end), "a normal end in {stream}");
}
