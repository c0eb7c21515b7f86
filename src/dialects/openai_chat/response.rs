//! OpenAI Chat Completions answers, whole. <https://platform.openai.com/docs/api-reference/chat/object>

pub(super) mod details;
pub(super) mod parse;
pub(super) mod render;

use crate::dialects::{Asked, Origin};
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::HostedKind;
use crate::ir::response::Response;
use crate::ir::usage::Usage;

/// Reads an account's answer.
pub fn parse<'a>(body: &'a [u8], origin: Origin<'_>) -> Result<Response<'a>, Error> {
    parse::answer(body, origin)
}

/// Reads the value of an answer's `usage` alone.
pub fn parse_usage(json: &[u8]) -> Option<Usage> {
    parse::usage(&serde_json::from_slice(json).ok()?)
}

/// Writes an answer for a client.
pub fn render(response: &Response<'_>, asked: &Asked, out: &mut Vec<u8>) -> Losses {
    render::answer(response, asked, out)
}

/// What `ReplyForm::echo` holds where the client asked with the deprecated `functions`: its answer has a `function_call`.
pub(super) const FUNCTION_CALL: &str = "function_call";

/// The name under which an item of a provider's own tool is reported as lost.
pub(super) const fn hosted_name(kind: HostedKind) -> &'static str {
    match kind {
        HostedKind::WebSearch => "web_search",
        HostedKind::WebFetch => "web_fetch",
        HostedKind::CodeExecution => "code_execution",
        HostedKind::FileSearch => "file_search",
        HostedKind::Computer => "computer",
        HostedKind::Mcp => "mcp",
        HostedKind::ImageGeneration => "image_generation",
        HostedKind::Other => "hosted_tool",
    }
}
