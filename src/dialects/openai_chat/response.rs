//! OpenAI Chat Completions answers, whole. <https://platform.openai.com/docs/api-reference/chat/object>

pub(super) mod details;
pub(super) mod parse;
pub(super) mod render;

use crate::dialects::{Asked, Origin};
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::response::Response;
use crate::ir::usage::Usage;

/// Reads an account's answer.
pub fn parse<'a>(body: &'a [u8], origin: Origin<'_>) -> Result<Response<'a>, Error> {
    parse::answer(body, origin)
}

/// Reads the value of an answer's `usage` alone.
pub fn parse_usage(json: &[u8]) -> Option<Usage> {
    parse::usage(json)
}

/// Writes an answer for a client.
pub fn render(response: &Response<'_>, asked: &Asked, out: &mut Vec<u8>) -> Losses {
    render::answer(response, asked, out)
}

/// What `ReplyForm::echo` holds where the client asked with the deprecated `functions`: its answer has a `function_call`.
pub(super) const FUNCTION_CALL: &str = "function_call";
/// What it holds where the client declared custom tools: it knows their calls. To any other client a call of free text
/// is a function's, with one string, for the documented chunks know nothing else.
/// <https://platform.openai.com/docs/api-reference/chat-streaming/streaming>
pub(super) const CUSTOM: &str = "custom";
