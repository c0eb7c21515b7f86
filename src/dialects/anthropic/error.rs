//! Anthropic Messages errors.

use crate::dialects::Asked;
use crate::ir::error::Error;

/// Reads an account's error body.
pub fn parse(_status: u16, _body: &[u8]) -> Error {
    todo!()
}

/// Writes an error body for a client; gives the status to send with it.
pub fn render(_error: &Error, _request_id: &str, _out: &mut Vec<u8>) -> u16 {
    todo!()
}

/// Writes the event that ends a broken stream.
pub fn render_event(_error: &Error, _asked: &Asked, _sequence: u64, _out: &mut Vec<u8>) {
    todo!()
}
