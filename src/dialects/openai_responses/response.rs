//! OpenAI Responses answers, whole. <https://platform.openai.com/docs/api-reference/responses/object>

pub(super) mod parse;

pub(super) mod read;

pub(super) mod write;

pub(super) mod render;

pub use self::parse::{parse, parse_count};
pub use self::render::{render, render_count};

use crate::ir::usage::Usage;

/// Reads the value of an answer's `usage` alone.
pub fn parse_usage(json: &[u8]) -> Option<Usage> {
    serde_json::from_slice(json).ok().map(|usage| parse::usage(&usage))
}
