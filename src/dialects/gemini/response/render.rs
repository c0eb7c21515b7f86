//! The ir's answer as a client gets it.

use std::borrow::Cow;

use super::pieces::{self, Cited};
use super::{hosted, words};
use crate::dialects::Asked;
use crate::dialects::gemini::wire::part::{Content, Part};
use crate::dialects::gemini::wire::response as wire;
use crate::dialects::gemini::wire::{Int, Many, Str};
use crate::ir::losses::Losses;
use crate::ir::response::{Block, Candidate, Logprob, Response};
use crate::ir::seal::Seal;
use crate::json;

/// Writes the body, appending to `out`.
pub(super) fn response(response: &Response<'_>, asked: &Asked, out: &mut Vec<u8>) -> Losses {
    let mut losses = Losses::default();
    let candidates = response.candidates.iter().enumerate();
    let candidates = candidates.map(|(index, candidate)| write(index, candidate, &mut losses));
    let wire = wire::Response {
        candidates: Some(candidates.collect()),
        usage_metadata: Some(words::write_usage(response.usage)),
        model_version: Some(Str(Cow::Borrowed(&asked.model))),
        id: Some(Str(Cow::Borrowed(&asked.id))),
        ..wire::Response::default()
    };
    // Writing to memory cannot fail, and every key is a string.
    let _ = json::write::value(&wire, out);
    losses
}

/// Writes a count, appending to `out`.
pub(super) fn count(total_tokens: u64, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = json::write::value(&wire::Count { total_tokens }, out);
}

/// A candidate in the making.
#[derive(Default)]
struct Writer<'r> {
    parts: Vec<Part<'r>>,
    /// Seals of the thinking since the last call.
    thinking: Vec<Seal<'static>>,
    cited: Cited,
    /// Bytes of text so far.
    length: usize,
    logprobs: Vec<&'r Logprob>,
    /// Whether a call was left out.
    has_lost_call: bool,
}

fn write<'r>(
    index: usize,
    candidate: &'r Candidate<'_>,
    losses: &mut Losses,
) -> wire::Candidate<'r> {
    let mut writer = Writer::default();
    for block in &candidate.blocks {
        writer.push(block, losses);
    }
    if writer.parts.is_empty() || !writer.thinking.is_empty() {
        writer.parts.push(pieces::sealed_end(&mut writer.thinking));
    }
    let word = if writer.has_lost_call { words::write_unreadable } else { words::write_finish };
    wire::Candidate {
        content: Some(Content { parts: Many(writer.parts), role: Some("model".into()) }),
        finish_reason: Some(word(candidate.finish)),
        index: Some(Int(i64::try_from(index).unwrap_or(i64::MAX))),
        grounding_metadata: writer.cited.take(),
        logprobs_result: pieces::logprobs(writer.logprobs.into_iter()),
        ..wire::Candidate::default()
    }
}

impl<'r> Writer<'r> {
    fn push(&mut self, block: &'r Block<'_>, losses: &mut Losses) {
        match block {
            Block::Text { text, citations, logprobs } => {
                self.cited.push_block(citations, text, self.length);
                self.logprobs.extend(logprobs);
                self.push_text(text);
            }
            Block::Refusal(text) => self.push_text(text),
            Block::Reasoning { text, seal } => {
                if !text.is_empty() {
                    let text = Str(Cow::Borrowed(text));
                    self.parts.push(Part { thought: Some(true), ..Part::text(text) });
                }
                self.thinking.extend(seal.clone().map(Seal::into_owned));
            }
            Block::ToolCall(call) => {
                if let Some(part) = pieces::call(call, &mut self.thinking) {
                    self.parts.push(part);
                } else {
                    losses.drop("arguments");
                    self.has_lost_call = true;
                }
            }
            Block::Image { mime, data } => self.parts.push(pieces::medium(mime, data)),
            Block::Audio { mime, data, transcript } => {
                losses.drop_some(transcript, "transcript");
                self.parts.push(pieces::medium(mime, data));
            }
            Block::Hosted(item) => match hosted::part(item) {
                Some(part) => self.parts.push(part),
                None => losses.drop(hosted::name(item.tool)),
            },
        }
    }

    fn push_text(&mut self, text: &'r str) {
        if !text.is_empty() {
            self.length += text.len();
            self.parts.push(Part::text(text.into()));
        }
    }
}
