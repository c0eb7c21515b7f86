//! Gemini generateContent answers, whole.

mod parse;
mod render;

pub(super) mod hosted;
pub(super) mod pieces;
pub(super) mod reader;
pub(super) mod words;

mod arguments;
mod beside;
mod grounding;

use crate::dialects::{Asked, Origin};
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::response::Response;
use crate::ir::usage::Usage;

/// Reads an account's answer.
pub fn parse<'a>(body: &'a [u8], origin: Origin<'_>) -> Result<Response<'a>, Error> {
    parse::response(body, origin)
}

/// Reads how many tokens an account counted.
pub fn parse_count(body: &[u8]) -> Result<u64, Error> {
    parse::count(body)
}

/// Writes for a client how many tokens were counted.
pub fn render_count(total_tokens: u64, out: &mut Vec<u8>) {
    render::count(total_tokens, out);
}

/// Reads the value of an answer's `usageMetadata` alone.
pub fn parse_usage(json: &[u8]) -> Option<Usage> {
    words::read_usage(serde_json::from_slice(json).ok()?)
}

/// Writes an answer for a client.
pub fn render(response: &Response<'_>, asked: &Asked, out: &mut Vec<u8>) -> Losses {
    render::response(response, asked, out)
}
