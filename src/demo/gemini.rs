//! The demo's Gemini generateContent. <https://ai.google.dev/api/generate-content>

use std::iter;

use http::StatusCode;
use serde_json::{Value, json};

use super::reply::{Block, Finish, Reply, pieces, seal};
use super::turn::{
    Choice, Format, Input, Refusal, Turn, conversation, count, given, list, strings, texts,
};

/// Reads a request.
pub(super) fn parse(body: &Value) -> Result<Turn, Refusal> {
    // countTokens may hold the whole request in this field.
    let body = given(field(body, "generateContentRequest")).unwrap_or(body);
    let mut turn = Turn::default();
    turn.hear(&texts(&field(body, "systemInstruction")["parts"]).concat());
    for content in conversation(body, "contents")? {
        listen(&mut turn, content);
    }
    for tool in list(&body["tools"]) {
        for function in list(field(tool, "functionDeclarations")) {
            let plain = given(field(function, "parametersJsonSchema"));
            let schema = plain.unwrap_or_else(|| &function["parameters"]);
            turn.declare(function, Input::Schema(schema.clone()));
        }
    }
    choose(&mut turn, field(field(body, "toolConfig"), "functionCallingConfig"));
    let config = field(body, "generationConfig");
    turn.format = format(config);
    turn.thinking = field(field(config, "thinkingConfig"), "includeThoughts") == true;
    turn.max_tokens = count(field(config, "maxOutputTokens"));
    turn.stop = strings(field(config, "stopSequences"));
    Ok(turn)
}

fn listen(turn: &mut Turn, content: &Value) {
    let said = texts(&content["parts"]);
    let mut results = 0;
    for part in list(&content["parts"]) {
        if let Some(result) = given(field(part, "functionResponse")) {
            turn.result(&result["response"].to_string());
            results += 1;
        }
        if let Some(call) = given(field(part, "functionCall")) {
            turn.hear(call["name"].as_str().unwrap_or_default());
            turn.hear(&call["args"].to_string());
        }
    }
    // Text beside function responses belongs to them, and a content without a role is the user's.
    match content["role"].as_str() {
        Some("user") | None if results == 0 => turn.ask(&said),
        Some(_) | None => turn.hear(&said.concat()),
    }
}

/// Google's older SDK sends the mode as a number.
fn choose(turn: &mut Turn, config: &Value) {
    let names = texts(field(config, "allowedFunctionNames"));
    if !names.is_empty() {
        turn.allow(&names);
    }
    let mode = &config["mode"];
    turn.choice = match (mode.as_str(), mode.as_u64()) {
        (Some("ANY"), _) | (_, Some(2)) => Choice::Any,
        (Some("NONE"), _) | (_, Some(3)) => Choice::Never,
        _ => Choice::Auto,
    };
}

fn format(config: &Value) -> Format {
    let text = field(field(config, "responseFormat"), "text");
    let schemas =
        [field(config, "responseJsonSchema"), field(config, "responseSchema"), &text["schema"]];
    let json = [field(config, "responseMimeType"), field(text, "mimeType")];
    if let Some(schema) = schemas.into_iter().find(|schema| schema.is_object()) {
        Format::Schema(schema.clone())
    } else if json.into_iter().any(|kind| kind == "application/json") {
        Format::Json
    } else {
        Format::Text
    }
}

/// A whole answer.
pub(super) fn whole(turn: &Turn, reply: &Reply) -> Value {
    let mut parts: Vec<_> = reply.blocks.iter().map(part).collect();
    sign(turn, &mut parts);
    let mut answer = response(turn, reply, &parts);
    finish(&mut answer, reply);
    answer
}

/// A streamed answer as server-sent events: `alt=sse`.
/// <https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent>
pub(super) fn stream(turn: &Turn, reply: &Reply) -> Vec<String> {
    let chunks = chunks(turn, reply).into_iter();
    chunks.map(|chunk| format!("data: {chunk}\r\n\r\n")).collect()
}

/// A streamed answer without `alt=sse`: one JSON array, item by item.
pub(super) fn array(turn: &Turn, reply: &Reply) -> Vec<String> {
    let openings = iter::once("[").chain(iter::repeat(",\r\n"));
    let items =
        openings.zip(chunks(turn, reply)).map(|(opening, chunk)| format!("{opening}{chunk}"));
    items.chain(["]".to_owned()]).collect()
}

/// The size of a request.
pub(super) fn counted(tokens: usize) -> Value {
    json!({ "totalTokens": tokens, "promptTokensDetails": text_tokens(tokens) })
}

/// <https://ai.google.dev/gemini-api/docs/troubleshooting>
pub(super) fn refusal(refusal: &Refusal, _id: &str) -> Value {
    let status = match refusal.status {
        StatusCode::NOT_FOUND => "NOT_FOUND",
        StatusCode::METHOD_NOT_ALLOWED => "UNIMPLEMENTED",
        _ => "INVALID_ARGUMENT",
    };
    json!({ "error": {
        "code": refusal.status.as_u16(),
        "message": refusal.message,
        "status": status,
    }})
}

/// Whole response objects, each with one part; the last has the finish reason and the full usage.
fn chunks(turn: &Turn, reply: &Reply) -> Vec<Value> {
    let mut parts = Vec::new();
    for block in &reply.blocks {
        match block {
            Block::Thinking(text) => parts.extend(pieces(text).map(thought)),
            Block::Text(text) => parts.extend(pieces(text).map(|piece| json!({ "text": piece }))),
            // A call comes whole.
            Block::Call { .. } => parts.push(part(block)),
        }
    }
    if parts.is_empty() {
        parts.push(json!({ "text": "" }));
    }
    sign(turn, &mut parts);
    let mut chunks: Vec<_> = parts.into_iter().map(|part| response(turn, reply, &[part])).collect();
    if let Some(last) = chunks.last_mut() {
        finish(last, reply);
    }
    chunks
}

fn part(block: &Block) -> Value {
    match block {
        Block::Thinking(text) => thought(text),
        Block::Text(text) => json!({ "text": text }),
        Block::Call { id, name, input } => {
            json!({ "functionCall": { "id": id, "name": name, "args": input.to_object() } })
        }
    }
}

fn thought(text: &str) -> Value {
    json!({ "text": text, "thought": true })
}

/// The signature stands on the first call, or on the end of the text.
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>
fn sign(turn: &Turn, parts: &mut [Value]) {
    if !turn.thinking {
        return;
    }
    let last = parts.len().saturating_sub(1);
    let call = parts.iter().position(|part| part["functionCall"].is_object());
    if let Some(part) = parts.get_mut(call.unwrap_or(last)) {
        part["thoughtSignature"] = json!(seal());
    }
}

/// An answer, or a chunk of one, that is not the last.
fn response(turn: &Turn, reply: &Reply, parts: &[Value]) -> Value {
    json!({
        "candidates": [{ "content": { "role": "model", "parts": parts }, "index": 0 }],
        "usageMetadata": {
            "promptTokenCount": reply.usage.input,
            "totalTokenCount": reply.usage.input,
            "promptTokensDetails": text_tokens(reply.usage.input),
        },
        "modelVersion": turn.model,
        "responseId": reply.id,
    })
}

fn finish(response: &mut Value, reply: &Reply) {
    response["candidates"][0]["finishReason"] = json!(match reply.finish {
        Finish::Stop | Finish::Sequence(_) | Finish::Calls => "STOP",
        Finish::Length => "MAX_TOKENS",
    });
    let usage = &mut response["usageMetadata"];
    usage["candidatesTokenCount"] = json!(reply.usage.output - reply.usage.thinking);
    usage["totalTokenCount"] = json!(reply.usage.input + reply.usage.output);
    if reply.usage.thinking > 0 {
        usage["thoughtsTokenCount"] = json!(reply.usage.thinking);
    }
}

fn text_tokens(tokens: usize) -> Value {
    json!([{ "modality": "TEXT", "tokenCount": tokens }])
}

/// A field by its JSON name or by its protobuf name: SDKs mix the two.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    let snake = || {
        name.chars().fold(String::new(), |mut snake, letter| {
            if letter.is_ascii_uppercase() {
                snake.push('_');
            }
            snake.push(letter.to_ascii_lowercase());
            snake
        })
    };
    value.get(name).unwrap_or_else(|| &value[snake()])
}
