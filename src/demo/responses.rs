//! The demo's OpenAI Responses. <https://platform.openai.com/docs/api-reference/responses>

use serde_json::{Value, json};

use super::events::named;
use super::openai;
use super::reply::{Arguments, Block, Finish, Reply, Usage, pieces, seal};
use super::turn::{Format, Refusal, Turn, conversation, count, given, list, model, texts};

/// Reads a request.
pub(super) fn parse(body: &Value) -> Result<Turn, Refusal> {
    let mut turn = Turn::new(model(body)?);
    turn.hear(body["instructions"].as_str().unwrap_or_default());
    if let Some(text) = body["input"].as_str() {
        turn.ask(&[text]);
    } else {
        for item in conversation(body, "input")? {
            listen(&mut turn, item);
        }
    }
    openai::tools(&mut turn, body);
    let format = &body["text"]["format"];
    turn.format = match format["type"].as_str() {
        Some("json_schema") => Format::Schema(format["schema"].clone()),
        Some("json_object") => Format::Json,
        Some(_) | None => Format::Text,
    };
    turn.thinking = body["reasoning"].is_object() && body["reasoning"]["effort"] != "none";
    turn.max_tokens = count(&body["max_output_tokens"]);
    Ok(turn)
}

fn listen(turn: &mut Turn, item: &Value) {
    let said = texts(&item["content"]);
    match (item["type"].as_str(), item["role"].as_str()) {
        (Some("function_call_output" | "custom_tool_call_output"), _) => {
            turn.result(&texts(&item["output"]).concat());
        }
        (Some("function_call"), _) => {
            turn.hear(item["name"].as_str().unwrap_or_default());
            turn.hear(item["arguments"].as_str().unwrap_or_default());
        }
        (Some("additional_tools"), _) => {
            for tool in list(&item["tools"]) {
                openai::declare(turn, tool);
            }
        }
        (Some("message") | None, Some("user")) => turn.ask(&said),
        (Some(_) | None, _) => turn.hear(&said.concat()),
    }
}

/// A whole answer.
pub(super) fn whole(turn: &Turn, reply: &Reply) -> Value {
    let status = status(&reply.finish);
    let output: Vec<_> = items(turn, reply).map(|item| item.value(status)).collect();
    response(turn, reply, status, &output)
}

/// A streamed answer.
/// <https://platform.openai.com/docs/api-reference/responses-streaming>
pub(super) fn stream(turn: &Turn, reply: &Reply) -> Vec<String> {
    let begun = response(turn, reply, BEGUN, &[]);
    let mut events = vec![
        json!({ "type": "response.created", "response": begun }),
        json!({ "type": "response.in_progress", "response": begun }),
    ];
    let status = status(&reply.finish);
    let mut output = Vec::new();
    for item in items(turn, reply) {
        let done = item.value(status);
        events.push(
            item.placed(json!({ "type": "response.output_item.added", "item": item.value(BEGUN) })),
        );
        for mut event in filling(item.block) {
            event["item_id"] = json!(item.id);
            events.push(item.placed(event));
        }
        events.push(item.placed(json!({ "type": "response.output_item.done", "item": done })));
        output.push(done);
    }
    let end = response(turn, reply, status, &output);
    events.push(json!({ "type": format!("response.{status}"), "response": end }));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events.iter().map(named).collect()
}

/// The size of a request.
pub(super) fn counted(tokens: usize) -> Value {
    json!({ "object": "response.input_tokens", "input_tokens": tokens })
}

/// The status of a response, or an item, that has only been opened.
const BEGUN: &str = "in_progress";

const fn status(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Sequence(_) | Finish::Calls => "completed",
        Finish::Length => "incomplete",
    }
}

/// A block as an output item.
struct Item<'a> {
    id: String,
    index: usize,
    block: &'a Block,
    sealed: bool,
}

fn items<'a>(turn: &Turn, reply: &'a Reply) -> impl Iterator<Item = Item<'a>> {
    let mut included = list(&turn.body["include"]).iter();
    let sealed = included.any(|field| field == "reasoning.encrypted_content");
    reply.blocks.iter().enumerate().map(move |(index, block)| {
        let prefix = match block {
            Block::Thinking(_) => "rs",
            Block::Text(_) => "msg",
            Block::Call { input: Arguments::Object(_), .. } => "fc",
            Block::Call { input: Arguments::Text(_), .. } => "ctc",
        };
        Item { id: format!("{prefix}_{}{index:02}", reply.id), index, block, sealed }
    })
}

impl Item<'_> {
    /// The item at this status: empty when it has only been opened.
    fn value(&self, status: &str) -> Value {
        let id = &self.id;
        let filled = status != BEGUN;
        let filling = |text: String| if filled { text } else { String::new() };
        match self.block {
            Block::Thinking(text) => {
                let summary: Vec<_> = filled.then(|| summary(text)).into_iter().collect();
                let mut item = json!({ "id": id, "type": "reasoning", "summary": summary });
                if self.sealed {
                    item["encrypted_content"] = json!(seal());
                }
                item
            }
            Block::Text(text) => {
                let content: Vec<_> = filled.then(|| part(text)).into_iter().collect();
                json!({
                    "id": id,
                    "type": "message",
                    "role": "assistant",
                    "status": status,
                    "content": content,
                })
            }
            Block::Call { id: call, name, input: Arguments::Object(object) } => json!({
                "id": id,
                "type": "function_call",
                "call_id": format!("call_{call}"),
                "name": name,
                "arguments": filling(object.to_string()),
                "status": status,
            }),
            Block::Call { id: call, name, input: Arguments::Text(text) } => json!({
                "id": id,
                "type": "custom_tool_call",
                "call_id": format!("call_{call}"),
                "name": name,
                "input": filling(text.clone()),
                "status": status,
            }),
        }
    }

    fn placed(&self, mut event: Value) -> Value {
        event["output_index"] = json!(self.index);
        event
    }
}

/// The events between an item's opening and its end.
fn filling(block: &Block) -> Vec<Value> {
    match block {
        Block::Thinking(text) => {
            let event = |kind: &str, field: &str, value: Value| {
                let kind = format!("response.reasoning_summary_{kind}");
                json!({ "type": kind, "summary_index": 0, field: value })
            };
            let mut events = vec![event("part.added", "part", summary(""))];
            events.extend(pieces(text).map(|piece| event("text.delta", "delta", json!(piece))));
            events.push(event("text.done", "text", json!(text)));
            events.push(event("part.done", "part", summary(text)));
            events
        }
        Block::Text(text) => {
            let event = |kind: &str, field: &str, value: Value| {
                let kind = format!("response.{kind}");
                json!({ "type": kind, "content_index": 0, field: value })
            };
            let spoken = |kind: &str, field: &str, text: &str| {
                let mut event = event(kind, field, json!(text));
                event["logprobs"] = json!([]);
                event
            };
            let mut events = vec![event("content_part.added", "part", part(""))];
            events.extend(pieces(text).map(|piece| spoken("output_text.delta", "delta", piece)));
            events.push(spoken("output_text.done", "text", text));
            events.push(event("content_part.done", "part", part(text)));
            events
        }
        Block::Call { name, input, .. } => {
            let (kind, field) = match input {
                Arguments::Object(_) => ("function_call_arguments", "arguments"),
                Arguments::Text(_) => ("custom_tool_call_input", "input"),
            };
            let text = input.to_text();
            let delta = format!("response.{kind}.delta");
            let deltas = pieces(&text).map(|piece| json!({ "type": delta, "delta": piece }));
            let done =
                json!({ "type": format!("response.{kind}.done"), "name": name, field: text });
            deltas.chain([done]).collect()
        }
    }
}

fn summary(text: &str) -> Value {
    json!({ "type": "summary_text", "text": text })
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

/// The response at this status; what the request set is said again, as the real one does.
fn response(turn: &Turn, reply: &Reply, status: &str, output: &[Value]) -> Value {
    let echo = |field: &str, usual: Value| given(&turn.body[field]).cloned().unwrap_or(usual);
    let ended = status != BEGUN;
    let cut = (status == "incomplete").then(|| json!({ "reason": "max_output_tokens" }));
    json!({
        "id": format!("resp_{}", reply.id),
        "object": "response",
        "created_at": reply.created,
        "completed_at": ended.then_some(reply.created),
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": cut,
        "instructions": echo("instructions", Value::Null),
        "max_output_tokens": echo("max_output_tokens", Value::Null),
        "metadata": echo("metadata", json!({})),
        "model": turn.model,
        "output": output,
        "parallel_tool_calls": echo("parallel_tool_calls", json!(true)),
        "previous_response_id": echo("previous_response_id", Value::Null),
        "reasoning": echo("reasoning", json!({ "effort": null, "summary": null })),
        "service_tier": "default",
        "store": false,
        "temperature": echo("temperature", json!(1.0)),
        "text": echo("text", json!({ "format": { "type": "text" } })),
        "tool_choice": echo("tool_choice", json!("auto")),
        "tools": echo("tools", json!([])),
        "top_p": echo("top_p", json!(1.0)),
        "truncation": echo("truncation", json!("disabled")),
        "usage": ended.then(|| usage(&reply.usage)),
    })
}

fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 0 },
        "output_tokens": usage.output,
        "output_tokens_details": { "reasoning_tokens": usage.thinking },
        "total_tokens": usage.input + usage.output,
    })
}
