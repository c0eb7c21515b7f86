//! OpenAI Chat Completions answers, whole.

use crate::dialects::{Asked, Origin};
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::response::Response;

/// Reads an account's answer.
pub fn parse<'a>(_body: &'a [u8], _origin: Origin<'_>) -> Result<Response<'a>, Error> {
    todo!()
}

/// Writes an answer for a client.
pub fn render(_response: &Response<'_>, _asked: &Asked, _out: &mut Vec<u8>) -> Losses {
    todo!()
}
