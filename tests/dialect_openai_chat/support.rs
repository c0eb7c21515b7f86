//! Events and answers as short lines of text, and the law that a stream's events keep.

use std::fmt::Write as _;

use levity::dialects::tools::Toolbox;
use levity::dialects::{Asked, Origin, Path, Quirks, Target, openai_chat};
use levity::ir::error::Error;
use levity::ir::event::{Delta, Event, Opening};
use levity::ir::fold::Folder;
use levity::ir::grammar::Checker;
use levity::ir::losses::Losses;
use levity::ir::request::{ReplyForm, Request};
use levity::ir::response::{Block, Citation, CitationSource, Response};
use levity::ir::seal::Seal;
use levity::ir::usage::Usage;
use levity::sse;
use serde_json::Value;

pub(crate) const ISSUER: &str = "acme/chat";
pub(crate) const ORIGIN: Origin<'static> = Origin { issuer: ISSUER, id: "x7" };

pub(crate) fn target(model: &str) -> Target<'_> {
    Target { model, issuer: ISSUER, quirks: Quirks::default() }
}

pub(crate) fn asked(include_usage: bool) -> Asked {
    Asked {
        model: "asked-model".into(),
        reply: ReplyForm { include_usage, ..ReplyForm::default() },
        id: "x7".into(),
        created: 1_700_000_000,
    }
}

pub(crate) fn read(body: &str) -> Result<Request<'_>, Error> {
    openai_chat::request::parse(body.as_bytes(), Path::default())
}

/// The request as an account of the same dialect gets it.
pub(crate) fn write(request: &Request<'_>, model: &str) -> (Value, Losses) {
    let mut out = Vec::new();
    let toolbox = Toolbox::default();
    let losses = openai_chat::request::render(request, target(model), &toolbox, &mut out);
    (serde_json::from_slice(&out).unwrap(), losses)
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Lines of `data:` as the stream that they stand for.
pub(crate) fn stream_of(chunks: &[&str]) -> String {
    chunks.iter().fold(String::new(), |mut all, chunk| {
        let _ = write!(all, "data: {chunk}\n\n");
        all
    })
}

/// Reads a stream; calls `each` for every event.
pub(crate) fn read_stream(bytes: &[u8], each: &mut dyn FnMut(&Event<'_>)) {
    let mut parser = openai_chat::stream::Parser::new(ORIGIN);
    let mut decoder = sse::Decoder::new();
    decoder.push(bytes, |event| parser.push(event, each));
    decoder.finish(|event| parser.push(event, each));
    parser.finish(each);
}

/// The events of a stream, a line each, having kept the law.
pub(crate) fn trace(stream: &str) -> String {
    let mut lines = String::new();
    let mut law = Law::default();
    read_stream(stream.as_bytes(), &mut |event| {
        law.see(event);
        line(event, &mut lines);
    });
    law.end();
    lines
}

/// Follows the law of a stream's events.
#[derive(Default)]
pub(crate) struct Law(Checker);

impl Law {
    #[track_caller]
    pub(crate) fn see(&mut self, event: &Event<'_>) {
        self.0.push(event).unwrap();
    }

    #[track_caller]
    pub(crate) fn end(self) {
        self.0.finish().unwrap();
    }
}

pub(crate) fn line(event: &Event<'_>, out: &mut String) {
    let _ = match event {
        Event::Start { id, model, created, .. } => {
            writeln!(out, "start {id} {model} {}", created.unwrap_or(0))
        }
        Event::Open { candidate, block } => writeln!(out, "open {candidate} {}", opening(block)),
        Event::Delta(delta) => writeln!(out, "  {}", piece(delta)),
        Event::Close => writeln!(out, "close"),
        Event::Finish { candidate, reason } => writeln!(out, "finish {candidate} {reason:?}"),
        Event::End { usage } => writeln!(out, "end {}", counted(*usage)),
        Event::Fail(error) => writeln!(out, "fail {} {}", error.status, error.message),
    };
}

fn opening(block: &Opening<'_>) -> String {
    match block {
        Opening::Text => "text".into(),
        Opening::Refusal => "refusal".into(),
        Opening::Reasoning => "reasoning".into(),
        Opening::ToolCall { id, name, kind, seal, .. } => {
            format!("call {id} {name} {kind:?}{}", seal.as_ref().map(sealed).unwrap_or_default())
        }
        Opening::Image { mime, data } => format!("image {mime} {data}"),
        Opening::Audio { mime, data, .. } => format!("audio {mime} {data}"),
        Opening::Hosted(item) => format!("hosted {}", item.name),
    }
}

fn piece(delta: &Delta<'_>) -> String {
    match delta {
        Delta::Text(text) => format!("{text:?}"),
        Delta::Arguments(text) => format!("args {text:?}"),
        Delta::Citation(citation) => cited(citation),
        Delta::Logprobs(tokens) => {
            format!(
                "logprobs {:?}",
                tokens.iter().map(|it| (&it.token, it.logprob)).collect::<Vec<_>>()
            )
        }
        Delta::Seal(seal) => sealed(seal).trim().to_owned(),
    }
}

fn sealed(seal: &Seal<'_>) -> String {
    format!(" seal {:?} {} {}", seal.kind, seal.issuer, seal.data)
}

fn cited(citation: &Citation<'_>) -> String {
    let (CitationSource::Url(source) | CitationSource::Document(source)) = &citation.source;
    format!("cites {source} {:?} {:?}", citation.title.as_deref().unwrap_or(""), citation.span)
}

fn counted(usage: Option<Usage>) -> String {
    usage.map_or_else(
        || "uncounted".into(),
        |it| {
            format!(
                "in {} ({} read, {} written) out {} ({} thought)",
                it.input, it.cache_read, it.cache_write, it.output, it.reasoning
            )
        },
    )
}

/// A whole answer, a line for each block.
pub(crate) fn lines(response: &Response<'_>) -> String {
    let mut out = String::new();
    for candidate in &response.candidates {
        for block in &candidate.blocks {
            let _ = writeln!(out, "{}", whole(block));
        }
        let _ = writeln!(out, "finish {:?}", candidate.finish);
    }
    let _ = writeln!(out, "{}", counted(response.usage));
    out
}

fn whole(block: &Block<'_>) -> String {
    match block {
        Block::Text { text, citations, logprobs } => {
            let mut line = format!("text {text:?}");
            for citation in citations {
                let _ = write!(line, " {}", cited(citation));
            }
            if !logprobs.is_empty() {
                let _ = write!(line, " with {} logprobs", logprobs.len());
            }
            line
        }
        Block::Refusal(text) => format!("refusal {text:?}"),
        Block::Reasoning { text, seal } => {
            format!("reasoning {text:?}{}", seal.as_ref().map(sealed).unwrap_or_default())
        }
        Block::ToolCall(call) => format!(
            "call {} {} {:?} {}{}",
            call.id,
            call.name,
            call.kind,
            call.arguments,
            call.seal.as_ref().map(sealed).unwrap_or_default()
        ),
        Block::Image { mime, data } => format!("image {mime} {data}"),
        Block::Audio { mime, data, .. } => format!("audio {mime} {data}"),
        Block::Hosted(item) => format!("hosted {}", item.name),
    }
}

/// The same lines without seals: those that an answer of this dialect shows are the provider's own.
pub(crate) fn bare(lines: &str) -> String {
    lines.lines().fold(String::new(), |mut all, line| {
        let line = line.split(" seal ").next().unwrap_or_default();
        let own = |word: &str| levity::ir::seal::unwrap_id(word).0.to_owned();
        let words: Vec<String> = line.split(' ').map(own).collect();
        let _ = writeln!(all, "{}", words.join(" "));
        all
    })
}

/// Reads a stream to its end and puts it together, having kept the law.
pub(crate) fn fold(stream: &[u8]) -> Result<Response<'static>, Error> {
    let (mut folder, mut law) = (Folder::new(), Law::default());
    read_stream(stream, &mut |event| {
        law.see(event);
        folder.push(event);
    });
    law.end();
    folder.finish()
}

/// Writes a stream as the client gets it.
pub(crate) fn rewrite(stream: &[u8], asked: Asked) -> (String, Losses) {
    let mut renderer = openai_chat::stream::Renderer::new(asked);
    let mut out = Vec::new();
    read_stream(stream, &mut |event| renderer.push(event, &mut out));
    (String::from_utf8(out).unwrap(), renderer.losses().clone())
}

/// The JSON of each chunk of a written stream; `[DONE]` as a string.
pub(crate) fn chunks(stream: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut decoder = sse::Decoder::new();
    decoder.push(stream.as_bytes(), |event| {
        assert_eq!(event.name, "");
        let data = &event.data;
        all.push(serde_json::from_str(data).unwrap_or_else(|_| Value::String(data.to_string())));
    });
    decoder.finish(|event| panic!("{event:?} is not closed"));
    all
}
