//! The Anthropic dialect: what it reads is what was meant, and what it writes is what the API and the SDKs take.

#![expect(clippy::disallowed_types, reason = "fixtures are compared as JSON")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::print_stdout,
    reason = "tests: a table may be long, and a panic is a failure"
)]

mod requests_read;
mod requests_written;

mod answers_read;
mod answers_written;

mod any_bytes;
mod recorded;

use std::fmt::Write as _;

use levity::dialects::tools::{Toolbox, wrap_input};
use levity::dialects::{
    self, Asked, Dialect, Origin, Path, StreamParser, StreamRenderer, Target, anthropic,
};
use levity::ir::error::{Error, ErrorKind};
use levity::ir::event::Event;
use levity::ir::fold::{Folder, unfold};
use levity::ir::grammar::Checker;
use levity::ir::losses::Losses;
use levity::ir::request::{
    Amount, CallKind, CustomTool, Effort, File, Format, Function, HostedKind, HostedTool, Image,
    Media, Part, Reasoning, ReasoningPart, Request, Role, Sampling, Source, Tool, ToolCall,
    ToolChoice, ToolResult, Turn,
};
use levity::ir::response::{Block, Candidate, Citation, CitationSource, Finish, Response};
use levity::ir::seal::{self, Seal, SealKind};
use levity::ir::tidy::tidy;
use levity::ir::usage::Usage;
use levity::sse;
use serde_json::{Value, json};

const REQUEST: &str = include_str!("../fixtures/anthropic/requests/everything.json");
const ANSWER: &str = include_str!("../fixtures/anthropic/answers/everything.json");
const STREAM: &str = include_str!("../fixtures/anthropic/answers/everything.sse");
const ORIGIN: Origin<'_> = Origin { issuer: "anthropic/anthropic", id: "x1" };

fn parse(body: &str) -> Result<Request<'_>, Error> {
    anthropic::request::parse(body.as_bytes(), Path::default())
}

/// A request of one user message, with other fields.
fn body(fields: &Value) -> String {
    let mut body = json!({
        "model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}],
    });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

fn asked() -> Asked {
    Asked {
        model: "asked-model".to_owned(),
        reply: levity::ir::request::ReplyForm::default(),
        id: "x1".to_owned(),
        created: 0,
    }
}

fn rendered_for(request: &mut Request<'_>, model: &str) -> (Value, Losses) {
    tidy(request);
    let target = Target { model, issuer: ORIGIN.issuer, quirks: dialects::Quirks::default() };
    let toolbox = Toolbox::new(request, Dialect::Anthropic);
    let mut out = Vec::new();
    let losses = anthropic::request::render(request, target, &toolbox, &mut out);
    (serde_json::from_slice(&out).unwrap(), losses)
}

fn rendered(request: &mut Request<'_>) -> (Value, Losses) {
    rendered_for(request, "some-model")
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, parts }
}

fn text(text: &'static str) -> Part<'static> {
    Part::Text(text.into())
}

fn user(said: &'static str) -> Turn<'static> {
    turn(Role::User, vec![text(said)])
}

fn call(id: &'static str, arguments: &'static str) -> Part<'static> {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: "run".into(),
        namespace: None,
        arguments: arguments.into(),
        kind: CallKind::Function,
        seal: None,
    })
}

fn result(id: &'static str, parts: Vec<Part<'static>>) -> Part<'static> {
    Part::ToolResult(ToolResult {
        call: id.into(),
        name: None,
        parts,
        failed: false,
        kind: CallKind::Function,
    })
}

fn function(name: &'static str) -> Tool<'static> {
    Tool::Function(Function { name: name.into(), ..Function::default() })
}

fn sealed(issuer: &'static str, kind: SealKind, data: &'static str) -> Seal<'static> {
    Seal { issuer: issuer.into(), kind, id: "".into(), data: data.into() }
}

fn request(turns: Vec<Turn<'static>>) -> Request<'static> {
    Request { model: "m".into(), turns, ..Request::default() }
}

/// An answer in short, with its items as JSON, so that white space in them doesn't matter.
fn told(response: &Response<'_>) -> String {
    let mut told = format!("{} {} {:?}\n", response.id, response.model, response.usage);
    for candidate in &response.candidates {
        for block in &candidate.blocks {
            match block {
                Block::Hosted(item) => {
                    let raw: Value = serde_json::from_str(item.raw.get()).unwrap();
                    writeln!(told, "{:?} {} {raw}", item.tool, item.name).unwrap();
                }
                Block::Text { .. }
                | Block::Refusal(_)
                | Block::Reasoning { .. }
                | Block::ToolCall(_)
                | Block::Image { .. }
                | Block::Audio { .. } => writeln!(told, "{block:?}").unwrap(),
            }
        }
        writeln!(told, "{:?}", candidate.finish).unwrap();
    }
    told
}

/// Feeds a stream in two pieces; gives its events, checked by the grammar.
fn events(first: &[u8], second: &[u8], mut each: impl FnMut(&Event<'_>)) {
    let mut decoder = sse::Decoder::new();
    let mut parser = StreamParser::new(Dialect::Anthropic, ORIGIN);
    let mut checker = Checker::new();
    let mut each = |event: &Event<'_>| {
        checker.push(event).unwrap();
        each(event);
    };
    decoder.push(first, |event| parser.push(event, &mut each));
    decoder.push(second, |event| parser.push(event, &mut each));
    decoder.finish(|event| parser.push(event, &mut each));
    parser.finish(&mut each);
    parser.finish(&mut each);
    checker.finish().unwrap();
}

fn folded(stream: &str) -> Result<Response<'static>, Error> {
    let mut folder = Folder::new();
    events(stream.as_bytes(), b"", |event| folder.push(event));
    folder.finish()
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":3,"output_tokens":1}}}"#;

const TEXT: &str =
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;

const HELLO: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#;

const CLOSE: &str = r#"{"type":"content_block_stop","index":0}"#;

const DONE: &str =
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}"#;

const STOP: &str = r#"{"type":"message_stop"}"#;

fn stream(events: &[&str]) -> String {
    events.iter().fold(String::new(), |stream, data| stream + "data: " + data + "\n\n")
}

fn whole(response: &Response<'_>) -> (Value, Losses) {
    let mut out = Vec::new();
    let losses = anthropic::response::render(response, &asked(), &mut out);
    (serde_json::from_slice(&out).unwrap(), losses)
}

/// The stream of an answer, put together as an SDK does.
fn assembled(response: &Response<'_>) -> (Value, Losses) {
    let mut renderer = StreamRenderer::new(Dialect::Anthropic, asked());
    let mut out = Vec::new();
    unfold(response, &mut |event| renderer.push(event, &mut out));
    (assemble(&out), renderer.losses().clone())
}

/// Puts a stream together and checks its grammar on the way.
fn assemble(stream: &[u8]) -> Value {
    let mut message = Value::Null;
    let mut open = false;
    let mut stopped = false;
    let mut decoder = sse::Decoder::new();
    decoder.push(stream, |event| {
        let data: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(data["type"], *event.name);
        assert!(!stopped, "{data} after the end");
        match &*event.name {
            "message_start" => {
                assert!(message.is_null());
                message = data["message"].clone();
            }
            "content_block_start" => {
                let content = message["content"].as_array_mut().unwrap();
                assert!(!std::mem::replace(&mut open, true));
                assert_eq!(data["index"], content.len());
                content.push(data["content_block"].clone());
            }
            "content_block_delta" => {
                assert!(open);
                let content = message["content"].as_array_mut().unwrap();
                assert_eq!(data["index"], content.len() - 1);
                add(content.last_mut().unwrap(), &data["delta"]);
            }
            "content_block_stop" => {
                assert!(std::mem::replace(&mut open, false));
                let block = message["content"].as_array_mut().unwrap().last_mut().unwrap();
                if let Some(json) = block.as_object_mut().unwrap().remove("partial") {
                    block["input"] = serde_json::from_str(json.as_str().unwrap()).unwrap();
                }
            }
            "message_delta" => {
                assert!(!open);
                message["stop_reason"] = data["delta"]["stop_reason"].clone();
                message["stop_sequence"] = data["delta"]["stop_sequence"].clone();
                message["usage"] = data["usage"].clone();
            }
            "message_stop" => stopped = true,
            other => panic!("{other}"),
        }
    });
    assert!(stopped);
    message
}

fn add(block: &mut Value, delta: &Value) {
    let (field, more) = match delta["type"].as_str().unwrap() {
        "text_delta" => ("text", &delta["text"]),
        "thinking_delta" => ("thinking", &delta["thinking"]),
        "signature_delta" => ("signature", &delta["signature"]),
        "input_json_delta" => ("partial", &delta["partial_json"]),
        "citations_delta" => {
            if block["citations"].is_null() {
                block["citations"] = json!([]);
            }
            block["citations"].as_array_mut().unwrap().push(delta["citation"].clone());
            return;
        }
        other => panic!("{other}"),
    };
    let joined = block[field].as_str().unwrap_or_default().to_owned() + more.as_str().unwrap();
    block[field] = joined.into();
}
