//! The demo's Anthropic Messages. <https://docs.anthropic.com/en/api/messages>

use http::StatusCode;
use serde_json::{Value, json};

use super::events::named;
use super::reply::{Block, Finish, Reply, Usage, pieces, seal};
use super::turn::{
    Choice, Format, Input, Refusal, Turn, conversation, count, list, model, strings, texts,
};

/// Reads a request.
pub(super) fn parse(body: &Value) -> Result<Turn, Refusal> {
    let mut turn = Turn::new(model(body)?);
    if !body["thread"].is_null() {
        // This code makes the SDK send its whole history instead.
        let refusal = Refusal::invalid("the demo keeps no threads: send the whole conversation");
        return Err(Refusal { code: Some("thread_unsupported_request"), ..refusal });
    }
    turn.hear(&texts(&body["system"]).concat());
    for message in conversation(body, "messages")? {
        listen(&mut turn, message);
    }
    for tool in list(&body["tools"]) {
        // A tool without a schema is Anthropic's own.
        if tool["input_schema"].is_object() {
            turn.declare(tool, Input::Schema(tool["input_schema"].clone()));
        }
    }
    let choice = &body["tool_choice"];
    turn.sequential = choice["disable_parallel_tool_use"] == true;
    turn.choice = match choice["type"].as_str() {
        Some("none") => Choice::Never,
        Some("any") => Choice::Any,
        Some("tool") => Choice::Named(choice["name"].as_str().unwrap_or_default().to_owned()),
        Some(_) | None => Choice::Auto,
    };
    // The second place is the one of the beta that came first.
    let mut formats = [&body["output_config"]["format"], &body["output_format"]].into_iter();
    if let Some(format) = formats.find(|format| format["type"] == "json_schema") {
        turn.format = Format::Schema(format["schema"].clone());
    }
    turn.thinking = body["thinking"]["type"].as_str().is_some_and(|kind| kind != "disabled");
    turn.max_tokens = count(&body["max_tokens"]);
    turn.stop = strings(&body["stop_sequences"]);
    Ok(turn)
}

fn listen(turn: &mut Turn, message: &Value) {
    let said = texts(&message["content"]);
    let mut results = 0;
    for block in list(&message["content"]) {
        match block["type"].as_str() {
            Some("tool_result") => {
                turn.result(&texts(&block["content"]).concat());
                results += 1;
            }
            Some("tool_use") => {
                turn.hear(block["name"].as_str().unwrap_or_default());
                turn.hear(&block["input"].to_string());
            }
            Some("thinking") => turn.hear(block["thinking"].as_str().unwrap_or_default()),
            Some(_) | None => {}
        }
    }
    // Text beside tool results is an agent's reminder, not a new question.
    if message["role"] == "user" && results == 0 {
        turn.ask(&said);
    } else {
        turn.hear(&said.concat());
    }
}

/// A whole answer.
pub(super) fn whole(turn: &Turn, reply: &Reply) -> Value {
    let content: Vec<_> = reply
        .blocks
        .iter()
        .map(|block| match block {
            Block::Thinking(text) => {
                json!({ "type": "thinking", "thinking": shown(turn, text), "signature": seal() })
            }
            Block::Text(text) => json!({ "type": "text", "text": text }),
            Block::Call { id, name, input } => {
                let mut call = call(id, name);
                call["input"] = input.to_object();
                call
            }
        })
        .collect();
    let (reason, sequence) = stop(&reply.finish);
    let mut message = message(turn, reply);
    message["content"] = Value::Array(content);
    message["stop_reason"] = json!(reason);
    message["stop_sequence"] = json!(sequence);
    message["usage"] = usage(&reply.usage, reply.usage.output);
    message
}

/// A streamed answer.
/// <https://docs.anthropic.com/en/api/messages-streaming>
pub(super) fn stream(turn: &Turn, reply: &Reply) -> Vec<String> {
    let mut events = vec![
        json!({ "type": "message_start", "message": message(turn, reply) }),
        json!({ "type": "ping" }),
    ];
    for (index, block) in reply.blocks.iter().enumerate() {
        let (start, deltas) = open(turn, block);
        events
            .push(json!({ "type": "content_block_start", "index": index, "content_block": start }));
        events.extend(
            deltas.into_iter().map(
                |delta| json!({ "type": "content_block_delta", "index": index, "delta": delta }),
            ),
        );
        events.push(json!({ "type": "content_block_stop", "index": index }));
    }
    let (reason, sequence) = stop(&reply.finish);
    events.push(json!({
        "type": "message_delta",
        "delta": { "stop_reason": reason, "stop_sequence": sequence },
        "usage": usage(&reply.usage, reply.usage.output),
    }));
    events.push(json!({ "type": "message_stop" }));
    events.iter().map(named).collect()
}

/// The size of a request.
pub(super) fn counted(tokens: usize) -> Value {
    json!({ "input_tokens": tokens })
}

/// <https://docs.anthropic.com/en/api/errors>
pub(super) fn refusal(refusal: &Refusal, id: &str) -> Value {
    let kind = match refusal.status {
        StatusCode::NOT_FOUND => "not_found_error",
        _ => "invalid_request_error",
    };
    let mut error = json!({ "type": kind, "message": refusal.message });
    if refusal.code == Some("thread_unsupported_request") {
        error["details"] = json!({ "error_code": refusal.code });
    }
    json!({ "type": "error", "error": error, "request_id": id })
}

/// The message before anything is in it.
fn message(turn: &Turn, reply: &Reply) -> Value {
    json!({
        "id": format!("msg_{}", reply.id),
        "type": "message",
        "role": "assistant",
        "model": turn.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(&reply.usage, 1),
    })
}

/// A block as it starts, and the deltas that fill it.
fn open(turn: &Turn, block: &Block) -> (Value, Vec<Value>) {
    match block {
        Block::Thinking(text) => {
            let start = json!({ "type": "thinking", "thinking": "", "signature": "" });
            let text = pieces(shown(turn, text));
            let deltas = text.map(|piece| json!({ "type": "thinking_delta", "thinking": piece }));
            let signature = json!({ "type": "signature_delta", "signature": seal() });
            (start, deltas.chain([signature]).collect())
        }
        Block::Text(text) => {
            let deltas = pieces(text).map(|piece| json!({ "type": "text_delta", "text": piece }));
            (json!({ "type": "text", "text": "" }), deltas.collect())
        }
        Block::Call { id, name, input } => {
            let text = input.to_object().to_string();
            let deltas = pieces(&text)
                .map(|piece| json!({ "type": "input_json_delta", "partial_json": piece }));
            (call(id, name), deltas.collect())
        }
    }
}

/// A call before its input is known.
fn call(id: &str, name: &str) -> Value {
    json!({ "type": "tool_use", "id": format!("toolu_{id}"), "name": name, "input": {} })
}

/// Thinking whose display is omitted is a signature and no text.
fn shown<'a>(turn: &Turn, thinking: &'a str) -> &'a str {
    if turn.body["thinking"]["display"] == "omitted" { "" } else { thinking }
}

fn stop(finish: &Finish) -> (&'static str, Option<&str>) {
    match finish {
        Finish::Stop => ("end_turn", None),
        Finish::Sequence(sequence) => ("stop_sequence", Some(sequence)),
        Finish::Length => ("max_tokens", None),
        Finish::Calls => ("tool_use", None),
    }
}

fn usage(usage: &Usage, output: usize) -> Value {
    json!({
        "input_tokens": usage.input,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output,
        "service_tier": "standard",
    })
}
