//! What an answer or a request says, without the words of any dialect: what must survive every translation.

use levity::ir::request::{
    CallKind, Format, Part, Request, Role, Sampling, Source, Tool, ToolCall, ToolChoice,
};
use levity::ir::response::{Block, Candidate, Finish, Response};
use serde_json::{Value, json};

/// One of the answers: its kinds of content apart, since not every dialect keeps the order between them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) thoughts: String,
    pub(crate) calls: Vec<(String, Value)>,
    pub(crate) end: Option<Finish>,
}

pub(crate) fn answer(response: &Response<'_>) -> Vec<Said> {
    response.candidates.iter().map(candidate).collect()
}

fn candidate(candidate: &Candidate<'_>) -> Said {
    let mut said = Said::default();
    for block in &candidate.blocks {
        match block {
            Block::Text { text, .. } | Block::Refusal(text) => said.text.push_str(text),
            Block::Reasoning { text, .. } => {
                said.thoughts.extend(text.split_whitespace());
            }
            Block::ToolCall(call) => said.calls.push(called(call)),
            Block::Audio { transcript, .. } => {
                said.text.push_str(transcript.as_deref().unwrap_or_default());
            }
            Block::Image { .. } | Block::Hosted(_) => {}
        }
    }
    // What stood apart is one text in some dialects, a paragraph each.
    said.text = said.text.replace("\n\n", "");
    said.end = Some(match candidate.finish {
        Some(end @ (Finish::Length | Finish::ContentFilter)) => end,
        _ if !said.calls.is_empty() => Finish::ToolCalls,
        _ => Finish::Stop,
    });
    said
}

/// A call's name and arguments, as the function that it is or stands for.
fn called(call: &ToolCall<'_>) -> (String, Value) {
    let arguments = match (call.kind, call.arguments.as_ref()) {
        (CallKind::Function, text) if text.trim().is_empty() => json!({}),
        (CallKind::Function, text) => {
            serde_json::from_str(text).unwrap_or_else(|_| json!({ "cut": text }))
        }
        (CallKind::Custom, text) => json!({ "input": text }),
    };
    (call.name.to_string(), arguments)
}

/// The turns and settings of a request, as one JSON value.
pub(crate) fn request(request: &Request<'_>) -> Value {
    let Sampling { temperature, top_p, top_k, seed, presence_penalty, frequency_penalty } =
        request.sampling;
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for turn in &request.turns {
        let who = match turn.role {
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        match turns.last_mut().filter(|(last, _)| *last == who) {
            Some((_, parts)) => parts.extend(turn.parts.iter().map(part)),
            None => turns.push((who, turn.parts.iter().map(part).collect())),
        }
    }
    for (_, parts) in &mut turns {
        *parts = joined(std::mem::take(parts));
    }
    json!({
        "turns": turns,
        "tools": request.tools.iter().map(tool).collect::<Vec<_>>(),
        "choice": choice(&request.tool_choice),
        "parallel": request.parallel_tool_calls != Some(false),
        "sampling": [json!(temperature), json!(top_p), json!(top_k), json!(seed), json!(presence_penalty), json!(frequency_penalty)],
        "stop": request.stop,
        "stream": request.stream,
        "format": format(&request.format),
        "logprobs": request.logprobs,
        "candidates": request.candidates.unwrap_or(1),
        "user": request.user,
    })
}

/// Some dialects say several texts as one.
fn joined(parts: Vec<Value>) -> Vec<Value> {
    let mut joined: Vec<Value> = Vec::new();
    for part in parts {
        let last = joined.last_mut().and_then(|last| last.get_mut("text"));
        match (last, part["text"].as_str()) {
            (Some(last), Some(text)) => {
                *last = json!(format!("{}\n\n{text}", last.as_str().unwrap()));
            }
            _ => joined.push(part),
        }
    }
    joined
}

fn part(part: &Part<'_>) -> Value {
    match part {
        Part::Text(text) | Part::Refusal(text) => json!({ "text": text }),
        Part::Reasoning(part) => json!({ "thought": part.text }),
        Part::Image(image) => json!({ "image": source(&image.source) }),
        Part::File(file) => json!({ "file": source(&file.source) }),
        Part::Audio(media) => json!({ "audio": source(&media.source) }),
        Part::Video(media) => json!({ "video": source(&media.source) }),
        Part::ToolCall(call) => json!({ "call": call.id, "of": called(call) }),
        Part::ToolResult(result) => {
            json!({ "result": result.call, "failed": result.failed, "parts": result.parts.iter().map(self::part).collect::<Vec<_>>() })
        }
        Part::Hosted(item) => json!({ "hosted": item.name }),
    }
}

fn source<'s>(source: &'s Source<'_>) -> (&'static str, &'s str) {
    match source {
        Source::Base64(data) => ("base64", data),
        Source::Url(url) => ("url", url),
        Source::FileId(id) => ("id", id),
        Source::Text(text) => ("text", text),
    }
}

fn tool(tool: &Tool<'_>) -> Value {
    match tool {
        Tool::Function(tool) => json!({
            "function": tool.name,
            "about": tool.description.as_deref().unwrap_or_default(),
            "schema": tool.schema.as_ref().map(|schema| serde_json::from_str::<Value>(schema.get()).unwrap()),
        }),
        Tool::Custom(tool) => json!({ "custom": tool.name }),
        Tool::Hosted(tool) => json!({ "hosted": format!("{:?}", tool.kind) }),
    }
}

fn choice(choice: &ToolChoice<'_>) -> Value {
    match choice {
        ToolChoice::Unset | ToolChoice::Auto => json!("auto"),
        ToolChoice::Named(name) => json!([name]),
        ToolChoice::Allowed { names, required: true } => json!(names),
        ToolChoice::None
        | ToolChoice::Required
        | ToolChoice::Allowed { required: false, .. }
        | ToolChoice::Hosted(_) => json!(format!("{choice:?}")),
    }
}

fn format(format: &Format<'_>) -> Value {
    match format {
        Format::Text => json!("text"),
        Format::JsonObject => json!("json"),
        Format::JsonSchema { schema, .. } => serde_json::from_str(schema.get()).unwrap(),
    }
}
