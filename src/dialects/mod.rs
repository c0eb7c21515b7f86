//! The four dialects: each reads and writes requests, answers, streams and errors in its own words, and knows no other.

pub mod tools;

pub mod openai_chat;
pub mod openai_responses;

pub mod anthropic;
pub mod gemini;

pub mod count;

mod unread;

use std::fmt;

use crate::ir::error::Error;
use crate::ir::event::Event;
use crate::ir::losses::Losses;
use crate::ir::request::{ReplyForm, Request};
use crate::ir::response::Response;
use crate::ir::usage::Usage;
use crate::json;
use crate::sse;
use tools::Toolbox;

/// A wire protocol for talking to a language model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// OpenAI Chat Completions. <https://platform.openai.com/docs/api-reference/chat>
    OpenAiChat,
    /// OpenAI Responses. <https://platform.openai.com/docs/api-reference/responses>
    OpenAiResponses,
    /// Anthropic Messages. <https://docs.anthropic.com/en/api/messages>
    Anthropic,
    /// Gemini generateContent. <https://ai.google.dev/api/generate-content>
    Gemini,
}

impl Dialect {
    /// Every dialect, in the order of the documentation.
    pub const ALL: [Self; 4] =
        [Self::OpenAiChat, Self::OpenAiResponses, Self::Anthropic, Self::Gemini];

    /// The name used in the configuration, the log and the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai_chat",
            Self::OpenAiResponses => "openai_responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What stands in a request's path and query instead of its body: Gemini alone says model and streaming there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<'a> {
    /// The model of the path.
    pub model: &'a str,
    /// Whether the path asks for a stream.
    pub stream: bool,
    /// Whether that stream is one JSON array (no `alt=sse`).
    pub array_stream: bool,
}

/// The account's side of a request: to whom it is said.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The model's name as the account knows it.
    pub model: &'a str,
    /// Whose seals the account can read; others are left out.
    pub issuer: &'a str,
    /// What the account does otherwise than its dialect says.
    pub quirks: Quirks,
}

/// Where an endpoint differs from its dialect's documentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    /// Gemini: takes tool schemas in the OpenAPI subset alone (`parameters`), not as JSON Schema (Vertex AI).
    pub schema_subset: bool,
    /// Gemini: asked for embeddings without the model's name, and with an `embedContentConfig` (Vertex AI).
    pub embed_config: bool,
}

/// The account's side of an answer: who says it.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Whose seals the answer carries.
    pub issuer: &'a str,
    /// Unique to this exchange and at most 24 letters, digits or `_`: what ids are made of where the provider has none.
    pub id: &'a str,
}

/// The client's side of an answer: how it asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The model's name as the client said it; the answer names the same.
    pub model: String,
    /// How it wants the answer written.
    pub reply: ReplyForm<'static>,
    /// Unique to this exchange and at most 24 letters, digits or `_`: what ids are made of.
    pub id: String,
    /// Now, in seconds since 1970.
    pub created: u64,
}

/// Reads a client's request. The error names the field at fault.
pub fn parse_request<'a>(
    dialect: Dialect,
    body: &'a [u8],
    path: Path<'a>,
) -> Result<Request<'a>, Error> {
    match dialect {
        Dialect::OpenAiChat => openai_chat::request::parse(body, path),
        Dialect::OpenAiResponses => openai_responses::request::parse(body, path),
        Dialect::Anthropic => anthropic::request::parse(body, path),
        Dialect::Gemini => gemini::request::parse(body, path),
    }
}

/// Writes a request for an account, appending to `out`; gives what it had no words for.
pub fn render_request(
    dialect: Dialect,
    request: &Request<'_>,
    target: Target<'_>,
    toolbox: &Toolbox,
    out: &mut Vec<u8>,
) -> Losses {
    match dialect {
        Dialect::OpenAiChat => openai_chat::request::render(request, target, toolbox, out),
        Dialect::OpenAiResponses => {
            openai_responses::request::render(request, target, toolbox, out)
        }
        Dialect::Anthropic => anthropic::request::render(request, target, toolbox, out),
        Dialect::Gemini => gemini::request::render(request, target, toolbox, out),
    }
}

/// Reads an account's whole answer of status 200. An error where it is none, or says that it failed.
pub fn parse_response<'a>(
    dialect: Dialect,
    body: &'a [u8],
    origin: Origin<'_>,
) -> Result<Response<'a>, Error> {
    match dialect {
        Dialect::OpenAiChat => openai_chat::response::parse(body, origin),
        Dialect::OpenAiResponses => openai_responses::response::parse(body, origin),
        Dialect::Anthropic => anthropic::response::parse(body, origin),
        Dialect::Gemini => gemini::response::parse(body, origin),
    }
}

/// Writes a whole answer for a client, appending to `out`; gives what it had no words for.
pub fn render_response(
    dialect: Dialect,
    response: &Response<'_>,
    asked: &Asked,
    out: &mut Vec<u8>,
) -> Losses {
    match dialect {
        Dialect::OpenAiChat => openai_chat::response::render(response, asked, out),
        Dialect::OpenAiResponses => openai_responses::response::render(response, asked, out),
        Dialect::Anthropic => anthropic::response::render(response, asked, out),
        Dialect::Gemini => gemini::response::render(response, asked, out),
    }
}

/// Reads the value of an answer's `usage` (Gemini: `usageMetadata`) alone, for an answer that is only forwarded.
pub fn parse_usage(dialect: Dialect, usage: &[u8]) -> Option<Usage> {
    match dialect {
        Dialect::OpenAiChat => openai_chat::response::parse_usage(usage),
        Dialect::OpenAiResponses => openai_responses::response::parse_usage(usage),
        Dialect::Anthropic => anthropic::response::parse_usage(usage),
        Dialect::Gemini => gemini::response::parse_usage(usage),
    }
}

/// Reads the usage that a stream's event tells, for a stream that is only forwarded.
pub fn parse_event_usage(dialect: Dialect, event: &[u8]) -> Option<Usage> {
    let usage = match dialect {
        Dialect::OpenAiChat => member(event, b"usage")?,
        Dialect::OpenAiResponses => member(member(event, b"response")?, b"usage")?,
        Dialect::Anthropic => match member(event, b"message") {
            Some(message) => member(message, b"usage")?,
            None => member(event, b"usage")?,
        },
        Dialect::Gemini => member(event, b"usageMetadata")?,
    };
    parse_usage(dialect, usage)
}

fn member<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut found = None;
    json::members(object, |key, value| {
        if key == name {
            found = object.get(value);
        }
    })
    .ok()?;
    found
}

/// Reads an account's answer of status 400 or above, whatever it looks like (JSON, HTML, nothing).
pub fn parse_error(dialect: Dialect, status: u16, body: &[u8]) -> Error {
    match dialect {
        Dialect::OpenAiChat => openai_chat::error::parse(status, body),
        Dialect::OpenAiResponses => openai_responses::error::parse(status, body),
        Dialect::Anthropic => anthropic::error::parse(status, body),
        Dialect::Gemini => gemini::error::parse(status, body),
    }
}

/// Writes an error body for a client, appending to `out`; gives the HTTP status to send with it. `request_id` is the
/// gateway's id of the exchange.
pub fn render_error(dialect: Dialect, error: &Error, request_id: &str, out: &mut Vec<u8>) -> u16 {
    match dialect {
        Dialect::OpenAiChat => openai_chat::error::render(error, request_id, out),
        Dialect::OpenAiResponses => openai_responses::error::render(error, request_id, out),
        Dialect::Anthropic => anthropic::error::render(error, request_id, out),
        Dialect::Gemini => gemini::error::render(error, request_id, out),
    }
}

/// Writes the event that ends a stream which broke off after it began and was only forwarded, appending to `out`.
/// `sequence` is the next `sequence_number` (Responses alone counts).
pub fn render_stream_error(
    dialect: Dialect,
    error: &Error,
    asked: &Asked,
    sequence: u64,
    out: &mut Vec<u8>,
) {
    match dialect {
        Dialect::OpenAiChat => openai_chat::error::render_event(error, asked, sequence, out),
        Dialect::OpenAiResponses => {
            openai_responses::error::render_event(error, asked, sequence, out);
        }
        Dialect::Anthropic => anthropic::error::render_event(error, asked, sequence, out),
        Dialect::Gemini => gemini::error::render_event(error, asked, sequence, out),
    }
}

/// Writes the last event of a stream that was only forwarded and came to its end without it, appending to `out`; `failed`
/// where it ended in the provider's error. `sequence` is its number and `id` the provider's id of the answer (Responses
/// alone: SDKs take an event under another id for one of another answer).
pub fn render_last_event(
    dialect: Dialect,
    failed: Option<&Error>,
    asked: &Asked,
    (sequence, id): (u64, &str),
    out: &mut Vec<u8>,
) {
    match (dialect, failed) {
        (Dialect::OpenAiResponses, Some(error)) => {
            openai_responses::error::render_failed(error, asked, (sequence, id), out);
        }
        (Dialect::Anthropic, None) => anthropic::stream::close(out),
        // The error was the last event, or there is none but the answer's own.
        (Dialect::Anthropic, Some(_))
        | (Dialect::OpenAiResponses, None)
        | (Dialect::OpenAiChat | Dialect::Gemini, _) => {}
    }
}

/// Reads an account's stream.
#[derive(Debug)]
pub enum StreamParser {
    /// Chat Completions.
    OpenAiChat(openai_chat::stream::Parser),
    /// Responses.
    OpenAiResponses(openai_responses::stream::Parser),
    /// Messages.
    Anthropic(anthropic::stream::Parser),
    /// generateContent.
    Gemini(gemini::stream::Parser),
}

impl StreamParser {
    /// A parser at the start of a stream.
    pub fn new(dialect: Dialect, origin: Origin<'_>) -> Self {
        match dialect {
            Dialect::OpenAiChat => Self::OpenAiChat(openai_chat::stream::Parser::new(origin)),
            Dialect::OpenAiResponses => {
                Self::OpenAiResponses(openai_responses::stream::Parser::new(origin))
            }
            Dialect::Anthropic => Self::Anthropic(anthropic::stream::Parser::new(origin)),
            Dialect::Gemini => Self::Gemini(gemini::stream::Parser::new(origin)),
        }
    }

    /// Feeds one event; calls `each` for every step of the answer that it completes.
    pub fn push(&mut self, event: &sse::Event<'_>, each: &mut dyn FnMut(&Event<'_>)) {
        match self {
            Self::OpenAiChat(parser) => parser.push(event, each),
            Self::OpenAiResponses(parser) => parser.push(event, each),
            Self::Anthropic(parser) => parser.push(event, each),
            Self::Gemini(parser) => parser.push(event, each),
        }
    }

    /// Ends the stream: whatever is open is closed, and an answer that never came to its end fails.
    pub fn finish(&mut self, each: &mut dyn FnMut(&Event<'_>)) {
        match self {
            Self::OpenAiChat(parser) => parser.finish(each),
            Self::OpenAiResponses(parser) => parser.finish(each),
            Self::Anthropic(parser) => parser.finish(each),
            Self::Gemini(parser) => parser.finish(each),
        }
    }
}

/// Writes a client's stream.
#[derive(Debug)]
pub enum StreamRenderer {
    /// Chat Completions.
    OpenAiChat(openai_chat::stream::Renderer),
    /// Responses.
    OpenAiResponses(openai_responses::stream::Renderer),
    /// Messages.
    Anthropic(anthropic::stream::Renderer),
    /// generateContent.
    Gemini(gemini::stream::Renderer),
}

impl StreamRenderer {
    /// A renderer at the start of a stream.
    pub fn new(dialect: Dialect, asked: Asked) -> Self {
        match dialect {
            Dialect::OpenAiChat => Self::OpenAiChat(openai_chat::stream::Renderer::new(asked)),
            Dialect::OpenAiResponses => {
                Self::OpenAiResponses(openai_responses::stream::Renderer::new(asked))
            }
            Dialect::Anthropic => Self::Anthropic(anthropic::stream::Renderer::new(asked)),
            Dialect::Gemini => Self::Gemini(gemini::stream::Renderer::new(asked)),
        }
    }

    /// Says one step of the answer, appending to `out`. After `End` or `Fail` the stream is whole: nothing more is
    /// written, whatever is pushed.
    pub fn push(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Self::OpenAiChat(renderer) => renderer.push(event, out),
            Self::OpenAiResponses(renderer) => renderer.push(event, out),
            Self::Anthropic(renderer) => renderer.push(event, out),
            Self::Gemini(renderer) => renderer.push(event, out),
        }
    }

    /// What it had no words for so far.
    pub fn losses(&self) -> &Losses {
        match self {
            Self::OpenAiChat(renderer) => renderer.losses(),
            Self::OpenAiResponses(renderer) => renderer.losses(),
            Self::Anthropic(renderer) => renderer.losses(),
            Self::Gemini(renderer) => renderer.losses(),
        }
    }
}
