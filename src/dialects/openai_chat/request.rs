//! OpenAI Chat Completions requests. <https://platform.openai.com/docs/api-reference/chat/create>

mod parse;
mod render;

use crate::dialects::tools::Toolbox;
use crate::dialects::{Path, Target};
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::Request;

/// Reads a client's request.
pub fn parse<'a>(body: &'a [u8], _path: Path<'a>) -> Result<Request<'a>, Error> {
    parse::request(body)
}

/// Writes a request for an account.
pub fn render(
    request: &Request<'_>,
    target: Target<'_>,
    toolbox: &Toolbox,
    out: &mut Vec<u8>,
) -> Losses {
    render::request(request, target, toolbox, out)
}
