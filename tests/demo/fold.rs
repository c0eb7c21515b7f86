//! Streams of the demo: their grammar is checked, and what they add up to is a whole answer.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::hear::{list, string};

/// Makes of a stream the whole answer that it is.
pub(crate) fn fold(dialect: Dialect, stream: &str) -> Value {
    match dialect {
        Dialect::OpenAiChat => chat(stream),
        Dialect::OpenAiResponses => responses(stream),
        Dialect::Anthropic => anthropic(stream),
        Dialect::Gemini => {
            let chunks = stream.split_terminator("\r\n\r\n");
            let chunks = chunks.map(|chunk| parse(chunk.strip_prefix("data: ").unwrap()));
            gemini(&chunks.collect::<Vec<_>>())
        }
    }
}

/// The role comes first, the finish reason once, the usage last, then `[DONE]`.
fn chat(stream: &str) -> Value {
    let mut data: Vec<_> = stream
        .split_terminator("\n\n")
        .map(|event| event.strip_prefix("data: ").unwrap())
        .collect();
    assert_eq!(data.pop(), Some("[DONE]"));
    let mut chunks: Vec<_> = data.into_iter().map(parse).collect();
    let usage = chunks.pop().unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let mut message = json!({});
    for (number, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!(chunk["id"], usage["id"]);
        assert!(chunk["usage"].is_null());
        let last = number == chunks.len() - 1;
        assert_eq!(chunk["choices"][0]["finish_reason"].is_string(), last);
        let delta = &chunk["choices"][0]["delta"];
        for field in ["role", "content", "reasoning_content"] {
            append(&mut message[field], &delta[field]);
        }
        for call in list(&delta["tool_calls"]) {
            let calls = &mut message["tool_calls"];
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if call["id"].is_string() {
                assert_eq!(list(calls).len(), index, "a call is opened once, in order");
                let mut calls_now = list(calls).to_vec();
                calls_now.push(call.clone());
                *calls = Value::Array(calls_now);
            } else {
                let arguments = &call["function"]["arguments"];
                append(&mut calls[index]["function"]["arguments"], arguments);
            }
        }
    }
    let reason = &chunks.last().unwrap()["choices"][0]["finish_reason"];
    json!({
        "model": usage["model"],
        "usage": usage["usage"],
        "choices": [{ "message": message, "finish_reason": reason }],
    })
}

/// Numbers rise, all that is added is done, and the last event says the same again.
fn responses(stream: &str) -> Value {
    let events = named(stream);
    let kinds: Vec<_> = events.iter().map(|event| string(&event["type"])).collect();
    assert_eq!(kinds[..2], ["response.created", "response.in_progress"]);
    let mut items: Vec<Value> = Vec::new();
    let mut said = String::new();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
        let kind = &kinds[number];
        match (kind.as_str(), kind.rsplit('.').next().unwrap()) {
            ("response.output_item.added", _) => {
                assert_eq!(event["output_index"], items.len());
                assert_ne!(event["item"]["status"], "completed");
                items.push(event["item"].clone());
                said.clear();
            }
            ("response.output_item.done", _) => {
                let item = items.last_mut().unwrap();
                assert_eq!(item["id"], event["item"]["id"]);
                *item = event["item"].clone();
            }
            (_, "delta") => said += &string(&event["delta"]),
            (_, "done") if event["part"].is_null() => {
                let whole = ["text", "arguments"].map(|field| string(&event[field])).concat();
                assert_eq!(whole, said);
                assert_eq!(event["item_id"], items.last().unwrap()["id"]);
            }
            _ => {}
        }
    }
    let count = |ending: &str| kinds.iter().filter(|kind| kind.ends_with(ending)).count();
    assert_eq!(count("_part.added"), count("_part.done"));
    assert_eq!(count("_item.added"), count("_item.done"));
    let end = &events.last().unwrap()["response"];
    assert_eq!(*kinds.last().unwrap(), format!("response.{}", string(&end["status"])));
    assert_eq!(end["output"], Value::Array(items));
    assert_eq!(end["id"], events[0]["response"]["id"]);
    end.clone()
}

/// One block open at a time, indexes without gaps, one `message_delta`, `message_stop` at the end.
fn anthropic(stream: &str) -> Value {
    let events = named(stream);
    assert_eq!(events[0]["type"], "message_start");
    assert_eq!(events.last().unwrap()["type"], "message_stop");
    let mut message = events[0]["message"].clone();
    assert_eq!(message["content"], json!([]));
    let mut content: Vec<Value> = Vec::new();
    let mut open = false;
    for event in &events[1..events.len() - 1] {
        match string(&event["type"]).as_str() {
            "ping" => {}
            "content_block_start" => {
                assert!(!open);
                open = true;
                assert_eq!(event["index"], content.len());
                content.push(event["content_block"].clone());
            }
            "content_block_delta" => {
                assert!(open);
                assert_eq!(event["index"], content.len() - 1);
                add(content.last_mut().unwrap(), &event["delta"]);
            }
            "content_block_stop" => {
                assert!(open);
                open = false;
                let block = content.last_mut().unwrap();
                if let Some(json) = block["json"].as_str() {
                    block["input"] = parse(json);
                }
            }
            "message_delta" => {
                assert!(message["stop_reason"].is_null());
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                message["stop_sequence"] = event["delta"]["stop_sequence"].clone();
                message["usage"] = event["usage"].clone();
            }
            other => panic!("unexpected event: {other}"),
        }
    }
    assert!(!open);
    message["content"] = Value::Array(content);
    message
}

fn add(block: &mut Value, delta: &Value) {
    let (kind, field, into) = match string(&delta["type"]).as_str() {
        "text_delta" => ("text", "text", "text"),
        "thinking_delta" => ("thinking", "thinking", "thinking"),
        "signature_delta" => ("thinking", "signature", "signature"),
        "input_json_delta" => ("tool_use", "partial_json", "json"),
        other => panic!("unexpected delta: {other}"),
    };
    assert_eq!(block["type"], kind);
    append(&mut block[into], &delta[field]);
}

/// Each chunk is a whole response of one id; only the last has a finish reason.
pub(crate) fn gemini(chunks: &[Value]) -> Value {
    let mut parts = Vec::new();
    let mut end = chunks.last().unwrap().clone();
    for (number, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk["responseId"], end["responseId"]);
        assert!(chunk["usageMetadata"]["totalTokenCount"].is_u64());
        let candidate = &chunk["candidates"][0];
        assert_eq!(candidate["finishReason"].is_string(), number == chunks.len() - 1);
        parts.extend_from_slice(list(&candidate["content"]["parts"]));
    }
    end["candidates"][0]["content"]["parts"] = Value::Array(parts);
    end
}

/// The data of events whose name is their type.
fn named(stream: &str) -> Vec<Value> {
    let events = stream.split_terminator("\n\n").map(|event| {
        let (name, data) = event.split_once('\n').unwrap();
        let data = parse(data.strip_prefix("data: ").unwrap());
        assert_eq!(name.strip_prefix("event: ").unwrap(), string(&data["type"]));
        data
    });
    events.collect()
}

fn append(text: &mut Value, more: &Value) {
    if let Some(more) = more.as_str() {
        *text = json!(string(text) + more);
    }
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}
