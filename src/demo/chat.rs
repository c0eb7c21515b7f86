//! The demo's OpenAI Chat Completions. <https://platform.openai.com/docs/api-reference/chat>

use serde_json::{Value, json};

use super::events::data;
use super::openai;
use super::reply::{Arguments, Block, Finish, Reply, Usage, pieces};
use super::turn::{Format, Refusal, Turn, conversation, count, list, model, strings, texts};

/// Reads a request.
pub(super) fn parse(body: &Value) -> Result<Turn, Refusal> {
    let mut turn = Turn::new(model(body)?);
    for message in conversation(body, "messages")? {
        let texts = texts(&message["content"]);
        match message["role"].as_str() {
            Some("user") => turn.ask(&texts),
            Some("tool" | "function") => turn.result(&texts.concat()),
            Some(_) | None => turn.hear(&texts.concat()),
        }
        for call in list(&message["tool_calls"]) {
            turn.hear(call["function"]["name"].as_str().unwrap_or_default());
            turn.hear(call["function"]["arguments"].as_str().unwrap_or_default());
        }
    }
    openai::tools(&mut turn, body);
    turn.format = match body["response_format"]["type"].as_str() {
        Some("json_schema") => {
            Format::Schema(body["response_format"]["json_schema"]["schema"].clone())
        }
        Some("json_object") => Format::Json,
        Some(_) | None => Format::Text,
    };
    // `thinking` is how z.ai's form of this dialect asks.
    turn.thinking = body["reasoning_effort"].as_str().is_some_and(|effort| effort != "none")
        || body["thinking"]["type"] == "enabled";
    turn.max_tokens = count(&body["max_completion_tokens"]).or_else(|| count(&body["max_tokens"]));
    turn.stop = strings(&body["stop"]);
    Ok(turn)
}

/// A whole answer.
pub(super) fn whole(turn: &Turn, reply: &Reply) -> Value {
    let mut message =
        json!({ "role": "assistant", "content": null, "refusal": null, "annotations": [] });
    let mut calls = Vec::new();
    for block in &reply.blocks {
        match block {
            // Not OpenAI's own: the field in which compatible providers show reasoning.
            Block::Thinking(text) => message["reasoning_content"] = json!(text),
            Block::Text(text) => message["content"] = json!(text),
            Block::Call { id, name, input } => calls.push(call(id, name, input)),
        }
    }
    if !calls.is_empty() {
        message["tool_calls"] = Value::Array(calls);
    }
    let choice = json!({
        "index": 0,
        "message": message,
        "logprobs": null,
        "finish_reason": reason(&reply.finish),
    });
    json!({
        "id": format!("chatcmpl-{}", reply.id),
        "object": "chat.completion",
        "created": reply.created,
        "model": turn.model,
        "choices": [choice],
        "usage": usage(&reply.usage),
        "service_tier": "default",
        "system_fingerprint": "fp_levity_demo",
    })
}

/// A streamed answer.
/// <https://platform.openai.com/docs/api-reference/chat-streaming>
pub(super) fn stream(turn: &Turn, reply: &Reply) -> Vec<String> {
    let usage_asked = turn.body["stream_options"]["include_usage"] == true;
    let mut deltas = vec![json!({ "role": "assistant", "content": "", "refusal": null })];
    let mut called = 0;
    for block in &reply.blocks {
        match block {
            Block::Thinking(text) => {
                deltas.extend(pieces(text).map(|piece| json!({ "reasoning_content": piece })));
            }
            Block::Text(text) => {
                deltas.extend(pieces(text).map(|piece| json!({ "content": piece })));
            }
            Block::Call { id, name, input } => {
                deltas.extend(call_deltas(called, id, name, input));
                called += 1;
            }
        }
    }
    let mut chunks: Vec<_> = deltas.into_iter().map(|delta| choice(&delta, None)).collect();
    chunks.push(choice(&json!({}), Some(reason(&reply.finish))));
    let mut chunks: Vec<_> =
        chunks.into_iter().map(|choice| json!({ "choices": [choice] })).collect();
    if usage_asked {
        for chunk in &mut chunks {
            chunk["usage"] = Value::Null;
        }
        chunks.push(json!({ "choices": [], "usage": usage(&reply.usage) }));
    }
    let mut events: Vec<_> = chunks
        .into_iter()
        .map(|mut chunk| {
            chunk["id"] = json!(format!("chatcmpl-{}", reply.id));
            chunk["object"] = json!("chat.completion.chunk");
            chunk["created"] = json!(reply.created);
            chunk["model"] = json!(turn.model);
            chunk["service_tier"] = json!("default");
            chunk["system_fingerprint"] = json!("fp_levity_demo");
            data(&chunk.to_string())
        })
        .collect();
    events.push(data("[DONE]"));
    events
}

fn choice(delta: &Value, reason: Option<&str>) -> Value {
    json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason })
}

fn call(id: &str, name: &str, input: &Arguments) -> Value {
    let id = format!("call_{id}");
    match input {
        Arguments::Object(object) => {
            let function = json!({ "name": name, "arguments": object.to_string() });
            json!({ "id": id, "type": "function", "function": function })
        }
        Arguments::Text(text) => {
            json!({ "id": id, "type": "custom", "custom": { "name": name, "input": text } })
        }
    }
}

/// A call is opened with its name and empty arguments; these follow in pieces.
fn call_deltas(index: usize, id: &str, name: &str, input: &Arguments) -> Vec<Value> {
    let (kind, field) = match input {
        Arguments::Object(_) => ("function", "arguments"),
        Arguments::Text(_) => ("custom", "input"),
    };
    let open = json!({
        "index": index,
        "id": format!("call_{id}"),
        "type": kind,
        kind: { "name": name, field: "" },
    });
    let text = input.to_text();
    let rest = pieces(&text).map(|piece| json!({ "index": index, kind: { field: piece } }));
    std::iter::once(open).chain(rest).map(|call| json!({ "tool_calls": [call] })).collect()
}

const fn reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Sequence(_) => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
    }
}

fn usage(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
        "completion_tokens_details": {
            "reasoning_tokens": usage.thinking,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}
