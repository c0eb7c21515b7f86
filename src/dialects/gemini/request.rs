//! Gemini generateContent requests.

mod parse;
mod render;

mod model;
mod schema;

pub(super) mod media;

use crate::dialects::tools::Toolbox;
use crate::dialects::{Path, Target};
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::Request;

/// Reads a client's request.
pub fn parse<'a>(body: &'a [u8], path: Path<'a>) -> Result<Request<'a>, Error> {
    parse::request(body, path)
}

/// Reads a request whose tokens are to be counted: bare, or wrapped in `generateContentRequest`.
/// <https://ai.google.dev/api/tokens>
pub fn parse_count<'a>(body: &'a [u8], path: Path<'a>) -> Result<Request<'a>, Error> {
    parse::request(body, path)
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

/// Writes a request whose tokens are to be counted. <https://ai.google.dev/api/tokens>
pub fn render_count(
    request: &Request<'_>,
    target: Target<'_>,
    toolbox: &Toolbox,
    out: &mut Vec<u8>,
) -> Losses {
    render::count(request, target, toolbox, out)
}
