//! What an answer cost is the same in every dialect's way of counting.

use serde_json::{Value, json};

use crate::exchange::{asked, retell};
use levity::dialects::Dialect;

/// 100 tokens in, 30 of them read from the cache and 20 written to it; 50 out, 10 of them thoughts. Google writes no cache.
fn counted(account: Dialect) -> Value {
    match account {
        Dialect::OpenAiChat => {
            json!({ "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
            "prompt_tokens_details": { "cached_tokens": 30, "cache_write_tokens": 20 },
            "completion_tokens_details": { "reasoning_tokens": 10 } })
        }
        Dialect::OpenAiResponses => {
            json!({ "input_tokens": 100, "output_tokens": 50, "total_tokens": 150,
            "input_tokens_details": { "cached_tokens": 30, "cache_write_tokens": 20 },
            "output_tokens_details": { "reasoning_tokens": 10 } })
        }
        Dialect::Anthropic => {
            json!({ "input_tokens": 50, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 20,
            "output_tokens": 50, "output_tokens_details": { "thinking_tokens": 10 } })
        }
        Dialect::Gemini => json!({ "promptTokenCount": 100, "cachedContentTokenCount": 30,
            "candidatesTokenCount": 40, "thoughtsTokenCount": 10, "totalTokenCount": 150 }),
    }
}

fn whole(account: Dialect) -> Value {
    let usage = counted(account);
    match account {
        Dialect::OpenAiChat => json!({ "id": "c", "created": 1, "model": "m", "usage": usage,
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": "Hi" }, "finish_reason": "stop" }] }),
        Dialect::OpenAiResponses => {
            json!({ "id": "resp_1", "status": "completed", "model": "m", "usage": usage,
            "output": [{ "type": "message", "id": "msg_1", "role": "assistant", "content": [{ "type": "output_text", "text": "Hi" }] }] })
        }
        Dialect::Anthropic => {
            json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "usage": usage,
            "content": [{ "type": "text", "text": "Hi" }], "stop_reason": "end_turn" })
        }
        Dialect::Gemini => json!({ "modelVersion": "m", "usageMetadata": usage,
            "candidates": [{ "content": { "role": "model", "parts": [{ "text": "Hi" }] }, "finishReason": "STOP" }] }),
    }
}

fn streamed(account: Dialect) -> String {
    let usage = counted(account);
    let data = |events: &[Value]| events.iter().map(|event| format!("data: {event}\n\n")).collect();
    match account {
        Dialect::OpenAiChat => {
            let chunk = |choices: Value, usage: Value| json!({ "id": "c", "created": 1, "model": "m", "choices": choices, "usage": usage });
            data(&[
                chunk(
                    json!([{ "index": 0, "delta": { "role": "assistant", "content": "Hi" }, "finish_reason": "stop" }]),
                    Value::Null,
                ),
                chunk(json!([]), usage),
            ]) + "data: [DONE]\n\n"
        }
        Dialect::OpenAiResponses => {
            data(&[json!({ "type": "response.completed", "response": whole(account) })])
        }
        Dialect::Anthropic => {
            let mut first = usage;
            first["output_tokens"] = json!(1);
            first["output_tokens_details"] = Value::Null;
            let last =
                json!({ "output_tokens": 50, "output_tokens_details": { "thinking_tokens": 10 } });
            data(&[
                json!({ "type": "message_start", "message": { "id": "msg_1", "model": "m", "content": [], "usage": first } }),
                json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": last }),
                json!({ "type": "message_stop" }),
            ])
        }
        Dialect::Gemini => {
            let mut first = whole(account);
            first["candidates"][0]["finishReason"] = Value::Null;
            first["usageMetadata"] = json!({ "promptTokenCount": 100, "totalTokenCount": 100 });
            data(&[
                first,
                json!({ "candidates": [{ "finishReason": "STOP" }], "usageMetadata": usage }),
            ])
        }
    }
}

/// Checks a client's own counts: (input not read from or written to the cache, read, written, said, thought).
fn check(client: Dialect, account: Dialect, usage: &Value) {
    let number = |path: &str| usage.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let written = if account == Dialect::Gemini { 0 } else { 20 };
    let what = format!("{account} to {client}: {usage}");
    match client {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            let (input, output) = if client == Dialect::OpenAiChat {
                ("prompt_tokens", "completion_tokens")
            } else {
                ("input_tokens", "output_tokens")
            };
            assert_eq!(number(&format!("/{input}")), 100, "{what}");
            assert_eq!(number(&format!("/{input}_details/cached_tokens")), 30, "{what}");
            assert_eq!(number(&format!("/{output}")), 50, "{what}");
            assert_eq!(number(&format!("/{output}_details/reasoning_tokens")), 10, "{what}");
            assert_eq!(number("/total_tokens"), 150, "{what}");
        }
        Dialect::Anthropic => {
            assert_eq!(number("/cache_read_input_tokens"), 30, "{what}");
            assert_eq!(number("/cache_creation_input_tokens"), written, "{what}");
            assert_eq!(number("/input_tokens"), 100 - 30 - written, "{what}");
            assert_eq!(number("/output_tokens"), 50, "{what}");
        }
        Dialect::Gemini => {
            assert_eq!(number("/promptTokenCount"), 100, "{what}");
            assert_eq!(number("/cachedContentTokenCount"), 30, "{what}");
            assert_eq!(number("/candidatesTokenCount"), 40, "{what}");
            assert_eq!(number("/thoughtsTokenCount"), 10, "{what}");
            assert_eq!(number("/totalTokenCount"), 150, "{what}");
        }
    }
}

/// The usage of an answer, wherever its dialect says it.
fn usage_of(value: &Value) -> Option<&Value> {
    ["/usage", "/response/usage", "/usageMetadata"]
        .iter()
        .find_map(|path| value.pointer(path).filter(|usage| usage.is_object()))
}

#[test]
fn counts_are_the_same_everywhere() {
    for account in Dialect::ALL {
        for client in Dialect::ALL {
            let translation = asked(client, account);
            let (body, _, _) = translation.answer(whole(account).to_string().as_bytes()).unwrap();
            let answer: Value = serde_json::from_slice(&body).unwrap();
            check(client, account, usage_of(&answer).unwrap());

            let (told, _) = retell(&translation, streamed(account).as_bytes());
            let data = told.lines().filter_map(|line| line.strip_prefix("data: "));
            let events: Vec<Value> = data.filter_map(|it| serde_json::from_str(it).ok()).collect();
            check(client, account, events.iter().filter_map(usage_of).next_back().unwrap());
        }
    }
}
