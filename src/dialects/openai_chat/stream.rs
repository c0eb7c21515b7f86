//! OpenAI Chat Completions answers, as they come.
//! <https://platform.openai.com/docs/api-reference/chat-streaming/streaming>

mod call;
mod candidate;
mod parser;
mod renderer;

use crate::dialects::{Asked, Origin};
use crate::ir::event::Event;
use crate::ir::losses::Losses;
use crate::sse;

/// Reads an account's stream.
#[derive(Debug)]
pub struct Parser(parser::Parser);

impl Parser {
    /// A parser at the start of a stream.
    pub fn new(origin: Origin<'_>) -> Self {
        Self(parser::Parser::new(origin))
    }

    /// Feeds one event.
    pub fn push(&mut self, event: &sse::Event<'_>, each: &mut dyn FnMut(&Event<'_>)) {
        self.0.push(event, each);
    }

    /// Ends the stream.
    pub fn finish(&mut self, each: &mut dyn FnMut(&Event<'_>)) {
        self.0.finish(each);
    }
}

/// Writes a client's stream.
#[derive(Debug)]
pub struct Renderer(renderer::Renderer);

impl Renderer {
    /// A renderer at the start of a stream.
    pub fn new(asked: Asked) -> Self {
        Self(renderer::Renderer::new(asked))
    }

    /// Says one step of the answer.
    pub fn push(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        self.0.push(event, out);
    }

    /// What it had no words for so far.
    pub fn losses(&self) -> &Losses {
        self.0.losses()
    }
}
