//! Gemini generateContent answers, as they come.

use crate::dialects::{Asked, Origin};
use crate::ir::event::Event;
use crate::ir::losses::Losses;
use crate::sse;

/// Reads an account's stream.
#[derive(Debug)]
pub struct Parser {}

impl Parser {
    /// A parser at the start of a stream.
    pub fn new(_origin: Origin<'_>) -> Self {
        todo!()
    }

    /// Feeds one event.
    pub fn push(&mut self, _event: &sse::Event<'_>, _each: &mut dyn FnMut(&Event<'_>)) {
        todo!()
    }

    /// Ends the stream.
    pub fn finish(&mut self, _each: &mut dyn FnMut(&Event<'_>)) {
        todo!()
    }
}

/// Writes a client's stream.
#[derive(Debug)]
pub struct Renderer {}

impl Renderer {
    /// A renderer at the start of a stream.
    pub fn new(_asked: Asked) -> Self {
        todo!()
    }

    /// Says one step of the answer.
    pub fn push(&mut self, _event: &Event<'_>, _out: &mut Vec<u8>) {
        todo!()
    }

    /// What it had no words for so far.
    pub fn losses(&self) -> &Losses {
        todo!()
    }
}
