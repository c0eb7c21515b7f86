//! An account's answer as the ir has it.

use super::reader::Reader;
use crate::dialects::Origin;
use crate::dialects::gemini::wire;
use crate::ir::Text;
use crate::ir::error::{Error, ErrorKind};
use crate::ir::event::{Delta, Event, Opening};
use crate::ir::request::ToolCall;
use crate::ir::response::{Block, Candidate, Response};
use crate::ir::seal::Seal;

/// Reads the body: one object, or the array of a stream without `alt=sse`.
pub(super) fn response<'a>(body: &'a [u8], origin: Origin<'_>) -> Result<Response<'a>, Error> {
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let chunks: Vec<wire::response::Response<'a>> = if is_array {
        serde_json::from_slice(body).map_err(|error| no_answer(&error))?
    } else {
        vec![serde_json::from_slice(body).map_err(|error| no_answer(&error))?]
    };
    let mut reader = Reader::new(origin);
    let mut whole = Whole::default();
    for chunk in chunks {
        reader.push(chunk, &mut |event| whole.push(event))?;
    }
    reader.close_all(&mut |event| whole.push(event));
    if let Some(failure) = reader.failure() {
        return Err(failure);
    }
    let finishes = reader.finishes();
    let has_blocks = !whole.response.candidates.is_empty();
    if !has_blocks && finishes.iter().all(|(_, finish)| finish.is_none()) {
        // "Returns no candidates at all only if there was something wrong with the prompt", and then it says so.
        let message = "the provider answered with neither a candidate nor a reason for none";
        return Err(Error::new(ErrorKind::Internal, message));
    }
    for (index, finish) in finishes {
        whole.candidate(index).finish = finish;
    }
    whole.response.usage = reader.usage();
    Ok(whole.response)
}

/// Reads a count: `cachedContentTokenCount` is a part of the total.
pub(super) fn count(body: &[u8]) -> Result<u64, Error> {
    let count: wire::response::Count = serde_json::from_slice(body).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the provider's count cannot be read: {error}"))
    })?;
    Ok(count.total_tokens)
}

fn no_answer(error: &serde_json::Error) -> Error {
    let message = format!("the provider's answer is no valid answer of Gemini's: {error}");
    Error::new(ErrorKind::Internal, message)
}

/// An answer put together from its events.
#[derive(Default)]
struct Whole<'a> {
    response: Response<'a>,
    /// The candidate of the open block.
    at: u32,
}

impl<'a> Whole<'a> {
    fn push(&mut self, event: Event<'a>) {
        match event {
            Event::Start { id, model, created, usage: _ } => {
                self.response.id = id;
                self.response.model = model;
                self.response.created = created;
            }
            Event::Open { candidate, block } => {
                self.at = candidate;
                self.candidate(candidate).blocks.push(block_of(block));
            }
            Event::Delta(delta) => {
                let at = self.at;
                if let Some(block) = self.candidate(at).blocks.last_mut() {
                    extend(block, delta);
                }
            }
            // The reader's own `finishes` say why it ended.
            Event::Close | Event::Finish { .. } | Event::End { .. } | Event::Fail(_) => {}
        }
    }

    fn candidate(&mut self, index: u32) -> &mut Candidate<'a> {
        let at = usize::try_from(index).unwrap_or(0);
        let candidates = &mut self.response.candidates;
        while candidates.len() <= at {
            candidates.push(Candidate::default());
        }
        #[expect(clippy::indexing_slicing, reason = "the list was filled up to the index")]
        &mut candidates[at]
    }
}

fn block_of(opening: Opening<'_>) -> Block<'_> {
    match opening {
        Opening::Text => {
            Block::Text { text: Text::default(), citations: Vec::new(), logprobs: Vec::new() }
        }
        Opening::Refusal => Block::Refusal(Text::default()),
        Opening::Reasoning => Block::Reasoning { text: Text::default(), seal: None },
        Opening::ToolCall { id, name, namespace, kind, seal } => {
            let arguments = Text::default();
            Block::ToolCall(ToolCall { id, name, namespace, arguments, kind, seal })
        }
        Opening::Image { mime, data } => Block::Image { mime, data },
        Opening::Audio { mime, data, transcript } => Block::Audio { mime, data, transcript },
        Opening::Hosted(item) => Block::Hosted(item),
    }
}

fn extend<'a>(block: &mut Block<'a>, delta: Delta<'a>) {
    match block {
        Block::Text { text, citations, logprobs } => match delta {
            Delta::Text(more) => append(text, more),
            Delta::Citation(citation) => citations.push(citation),
            Delta::Logprobs(more) => logprobs.extend(more),
            Delta::Arguments(_) | Delta::Seal(_) => {}
        },
        Block::Refusal(text) => append_text(text, delta),
        Block::Reasoning { text, seal } => extend_sealed(text, seal, delta),
        Block::ToolCall(call) => extend_sealed(&mut call.arguments, &mut call.seal, delta),
        Block::Image { .. } | Block::Audio { .. } | Block::Hosted(_) => {}
    }
}

fn extend_sealed<'a>(text: &mut Text<'a>, seal: &mut Option<Seal<'a>>, delta: Delta<'a>) {
    if let Delta::Seal(own) = delta {
        *seal = Some(own);
    } else {
        append_text(text, delta);
    }
}

fn append_text<'a>(text: &mut Text<'a>, delta: Delta<'a>) {
    if let Delta::Text(more) | Delta::Arguments(more) = delta {
        append(text, more);
    }
}

fn append<'a>(text: &mut Text<'a>, more: Text<'a>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().push_str(&more);
    }
}
