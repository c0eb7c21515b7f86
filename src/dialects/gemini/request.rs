//! Gemini generateContent requests.

use crate::dialects::tools::Toolbox;
use crate::dialects::{Path, Target};
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::Request;

/// Reads a client's request.
pub fn parse<'a>(_body: &'a [u8], _path: Path<'a>) -> Result<Request<'a>, Error> {
    todo!()
}

/// Writes a request for an account.
pub fn render(
    _request: &Request<'_>,
    _target: Target<'_>,
    _toolbox: &Toolbox,
    _out: &mut Vec<u8>,
) -> Losses {
    todo!()
}
