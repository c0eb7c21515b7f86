//! What every test of the dialect needs.

use std::path::{Path as FilePath, PathBuf};

use super::outline::{self, Grammar};
use levity::dialects::tools::Toolbox;
use levity::dialects::{
    self, Asked, Dialect, Origin, Path, Quirks, StreamParser, StreamRenderer, Target,
};
use levity::ir::event::Event;
use levity::ir::losses::Losses;
use levity::ir::request::{CallKind, Part, ReplyForm, Request, Role, ToolCall, ToolResult, Turn};
use levity::ir::response::{Block, Candidate, Finish, Response};
use levity::ir::seal::{Seal, SealKind};
use levity::ir::usage::Usage;
use levity::sse;
use serde_json::Value;

pub(crate) const ORIGIN: Origin<'_> = Origin { issuer: "gemini/1", id: "ex1" };

pub(crate) fn asked(array_stream: bool) -> Asked {
    let reply = ReplyForm { array_stream, ..ReplyForm::default() };
    Asked { model: "shown-model".to_owned(), reply, id: "ex1".to_owned(), created: 1 }
}

pub(crate) fn target(model: &str) -> Target<'_> {
    Target { model, issuer: "gemini/1", quirks: Quirks::default() }
}

pub(crate) fn parse(body: &[u8]) -> Result<Request<'_>, levity::ir::error::Error> {
    let path = Path { model: "gemini-2.5-flash", stream: false, array_stream: false };
    dialects::parse_request(Dialect::Gemini, body, path)
}

pub(crate) fn written(request: &Request<'_>, target: Target<'_>) -> (Vec<u8>, Losses) {
    let mut out = Vec::new();
    let losses =
        dialects::render_request(Dialect::Gemini, request, target, &Toolbox::default(), &mut out);
    (out, losses)
}

pub(crate) fn render(request: &Request<'_>, target: Target<'_>) -> (Value, Losses) {
    let (out, losses) = written(request, target);
    (serde_json::from_slice(&out).unwrap(), losses)
}

/// Everything that a request says, but for what no word exists for. Thoughts that were asked for are shown, and those of a
/// history go back with a seal alone.
pub(crate) fn said(request: &Request<'_>) -> Vec<String> {
    let is_kept = |line: &&str| {
        let is_unsealed_thought = line.contains("| reasoning") && !line.contains("sealed");
        !line.starts_with("unsaid") && !line.starts_with("reasoning") && !is_unsealed_thought
    };
    let mut kept: Vec<String> =
        outline::request(request).lines().filter(is_kept).map(str::to_owned).collect();
    // Functions stand before Google's own tools.
    kept.sort_by_key(|line| {
        if line.starts_with("tool | F") { 1 } else { 2 * u8::from(line.starts_with("tool")) }
    });
    kept
}

pub(crate) fn render_response(response: &Response<'_>) -> (Vec<u8>, Losses) {
    let mut out = Vec::new();
    let losses = dialects::render_response(Dialect::Gemini, response, &asked(false), &mut out);
    (out, losses)
}

/// The events of a stream cut into chunks, each in a line; the grammar is checked on the way.
pub(crate) fn events(chunks: &[&[u8]]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut grammar = Grammar::default();
    each_event(chunks, &mut |event| {
        grammar.push(event);
        lines.push(outline::event(event));
    });
    grammar.end();
    lines
}

pub(crate) fn each_event(chunks: &[&[u8]], each: &mut dyn FnMut(&Event<'_>)) {
    let mut decoder = sse::Decoder::new();
    let mut parser = StreamParser::new(Dialect::Gemini, ORIGIN);
    for chunk in chunks {
        decoder.push(chunk, |event| parser.push(event, each));
    }
    decoder.finish(|event| parser.push(event, each));
    parser.finish(each);
}

pub(crate) fn render_stream(body: &[u8], array: bool) -> Vec<u8> {
    let mut renderer = StreamRenderer::new(Dialect::Gemini, asked(array));
    let mut out = Vec::new();
    each_event(&[body], &mut |event| renderer.push(event, &mut out));
    out
}

pub(crate) fn fixtures(folder: &str) -> Vec<(String, Vec<u8>)> {
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gemini").join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(&file).unwrap())
    };
    files.into_iter().map(read).collect()
}

pub(crate) fn pretty(json: &Value) -> String {
    serde_json::to_string_pretty(json).unwrap()
}

/// Text, thoughts, calls, why it ended and what it cost: all but ids, seals and what one client cannot be told.
pub(crate) fn essence(lines: &[String]) -> String {
    let (mut text, mut calls, mut ends) = (String::new(), String::new(), String::new());
    for line in lines {
        if let Some(more) = line.strip_prefix("  text ") {
            text.push_str(more.trim_matches('"'));
        } else if let Some(more) = line.strip_prefix("  arguments ") {
            let more = serde_json::from_str::<Value>(more).unwrap().to_string();
            calls.push_str(more.trim_matches(['{', '}']));
        } else if let Some(call) = line.strip_prefix("open 0 call ") {
            calls.push_str(call.split(' ').nth(1).unwrap());
        } else if line.starts_with("finish") || line.starts_with("end") {
            ends.push_str(line);
        }
    }
    // Where usage was not said, zeros are written: protobuf's form of the same.
    let none = "end None";
    let zeros = format!("end {:?}", Some(Usage::default()));
    format!("{text}\n{calls}\n{}", ends.replace(&zeros, none))
}

pub(crate) fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, parts }
}

pub(crate) fn call(
    id: &'static str,
    arguments: &'static str,
    seal: Option<Seal<'static>>,
) -> Part<'static> {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        namespace: None,
        arguments: arguments.into(),
        kind: CallKind::Function,
        seal,
    })
}

pub(crate) fn result(id: &'static str, parts: Vec<Part<'static>>, failed: bool) -> Part<'static> {
    let (call, kind) = (id.into(), CallKind::Function);
    Part::ToolResult(ToolResult { call, name: None, parts, failed, kind })
}

pub(crate) fn seal(issuer: &'static str, kind: SealKind, data: &'static str) -> Seal<'static> {
    Seal { issuer: issuer.into(), kind, id: "".into(), data: data.into() }
}

pub(crate) fn text(text: &'static str) -> Part<'static> {
    Part::Text(text.into())
}

pub(crate) fn ask(turns: Vec<Turn<'static>>) -> Request<'static> {
    Request { turns, ..Request::default() }
}

pub(crate) fn answer(blocks: Vec<Block<'static>>) -> Response<'static> {
    let finish = Some(Finish::ToolCalls);
    Response { candidates: vec![Candidate { blocks, finish }], ..Response::default() }
}

pub(crate) fn block_text(text: &'static str) -> Block<'static> {
    Block::Text { text: text.into(), citations: vec![], logprobs: vec![] }
}
