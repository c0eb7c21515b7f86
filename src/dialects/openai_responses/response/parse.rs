//! What does an account's whole answer say?

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::read::{Reader, keeps_raw};
use crate::dialects::Origin;
use crate::dialects::openai_responses::{error, wire};
use crate::ir::error::{Error, ErrorKind};
use crate::ir::response::{Block, Candidate, Finish, Response};
use crate::ir::usage::Usage;

/// Reads an account's answer.
pub fn parse<'a>(body: &'a [u8], origin: Origin<'_>) -> Result<Response<'a>, Error> {
    let mut wire: wire::response::Response<'a> = serde_json::from_slice(body).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the provider's answer cannot be read: {error}"))
    })?;
    if let Some(error) = failure(&wire) {
        return Err(error);
    }
    let Some(output) = wire.output.take() else {
        let message = "the provider's answer is no response object: it has no output";
        return Err(Error::new(ErrorKind::Internal, message));
    };
    let mut reader = Reader::new(origin);
    let mut raws: Option<Vec<&'a RawValue>> = None;
    let mut blocks = Vec::with_capacity(output.len());
    for (index, item) in output.into_iter().enumerate() {
        let raw = if keeps_raw(&item) {
            let raws = raws.get_or_insert_with(|| raw_output(body));
            raws.get(index).copied()
        } else {
            None
        };
        reader.blocks(item, raw, &mut blocks);
    }
    let finish = Some(finish(&wire, has_calls(&blocks), has_refusal(&blocks)));
    Ok(Response {
        created: wire.created_at.map(count),
        usage: wire.usage.map(|usage| self::usage(&usage)),
        candidates: vec![Candidate { blocks, finish }],
        id: id(wire.id.into_text(), origin.id),
        model: wire.model.into_text(),
    })
}

/// Reads how many tokens an account counted.
pub fn parse_count(body: &[u8]) -> Result<u64, Error> {
    let counted: wire::response::Counted = serde_json::from_slice(body).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the provider's count cannot be read: {error}"))
    })?;
    Ok(count(counted.input_tokens))
}

fn raw_output(body: &[u8]) -> Vec<&RawValue> {
    serde_json::from_slice::<wire::response::RawOutput<'_>>(body)
        .map(|raw| raw.output)
        .unwrap_or_default()
}

/// The answer's id, made up where the provider gives none.
pub(in super::super) fn id<'a>(id: Cow<'a, str>, exchange: &str) -> Cow<'a, str> {
    if id.is_empty() { Cow::Owned(format!("resp_{exchange}")) } else { id }
}

/// Why the response is no answer, where it is none.
pub(in super::super) fn failure(wire: &wire::response::Response<'_>) -> Option<Error> {
    if let Some(raw) = wire.error {
        return Some(error::inside(raw));
    }
    let message = match wire.status.as_str() {
        "failed" => "the provider says that the answer failed and gives no reason",
        "cancelled" => "the provider cancelled the answer",
        "queued" | "in_progress" => {
            "the provider has put the answer off; it cannot be waited for here"
        }
        _ => return None,
    };
    Some(Error::new(ErrorKind::Internal, message))
}

/// Why the answer ended. A response with calls is `completed` like any other, so that the items tell.
pub(in super::super) fn finish(
    wire: &wire::response::Response<'_>,
    calls: bool,
    refused: bool,
) -> Finish {
    let reason = wire.incomplete_details.as_ref().map(|details| details.reason.as_str());
    match (wire.status.as_str(), reason) {
        ("incomplete", Some("max_output_tokens" | "max_tokens")) => Finish::Length,
        ("incomplete", Some("content_filter")) => Finish::ContentFilter,
        _ if calls => Finish::ToolCalls,
        _ if refused => Finish::ContentFilter,
        ("completed" | "", _) => Finish::Stop,
        _ => Finish::Other,
    }
}

pub(in super::super) fn has_calls(blocks: &[Block<'_>]) -> bool {
    blocks.iter().any(|block| matches!(block, Block::ToolCall(_)))
}

pub(in super::super) fn has_refusal(blocks: &[Block<'_>]) -> bool {
    blocks.iter().any(|block| matches!(block, Block::Refusal(_)))
}

/// What it cost. xAI leaves its thoughts out of the answer's tokens: then they cannot be a part of them.
pub(in super::super) fn usage(wire: &wire::response::Usage) -> Usage {
    let input = wire.input_tokens_details.unwrap_or_default();
    let output = count(wire.output_tokens.unwrap_or_default());
    let thoughts = wire.output_tokens_details.and_then(|details| details.reasoning_tokens);
    let reasoning = count(thoughts.unwrap_or_default());
    Usage {
        input: count(wire.input_tokens.unwrap_or_default()),
        cache_read: count(input.cached_tokens.unwrap_or_default()),
        cache_write: count(input.cache_write_tokens.unwrap_or_default()),
        output: if reasoning > output { output.saturating_add(reasoning) } else { output },
        reasoning,
    }
}

/// A count that JSON may write as a fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and no count comes near what a float cannot hold"
)]
pub(in super::super) const fn count(number: f64) -> u64 {
    number as u64
}
