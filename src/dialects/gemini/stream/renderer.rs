//! A client's stream: every chunk a whole GenerateContentResponse, as server-sent events or as one JSON array.

use std::borrow::Cow;

use crate::dialects::Asked;
use crate::dialects::gemini::error;
use crate::dialects::gemini::response::pieces::{self, Cited};
use crate::dialects::gemini::response::{hosted, words};
use crate::dialects::gemini::wire::part::{Content, Part};
use crate::dialects::gemini::wire::response::{Candidate, Response, UsageMetadata};
use crate::dialects::gemini::wire::{Int, Many, Str, Word};
use crate::ir::error::Error;
use crate::ir::event::{Delta, Event, Opening};
use crate::ir::losses::Losses;
use crate::ir::request::{HostedItem, ToolCall};
use crate::ir::response::{Citation, Finish};
use crate::ir::seal::Seal;
use crate::ir::usage::Usage;
use crate::json;
use crate::sse;

/// Writes the stream.
#[derive(Debug)]
pub struct Renderer {
    asked: Asked,
    losses: Losses,
    has_chunks: bool,
    is_done: bool,
    /// The candidate of the open block.
    at: u32,
    open: Open,
    candidates: Vec<Writing>,
}

/// What is open.
#[derive(Debug)]
enum Open {
    /// Nothing that more comes of.
    Nothing,
    Text(Vec<Citation<'static>>),
    Thought,
    /// A call is sent whole: its arguments must be an object.
    Call(ToolCall<'static>),
}

/// One of the answers.
#[derive(Debug, Default)]
struct Writing {
    index: u32,
    /// Seals of the thinking since the last call.
    thinking: Vec<Seal<'static>>,
    /// The open text, and the bytes of text before it: sources are told in bytes of all text.
    text: String,
    base: usize,
    cited: Cited,
    /// Why it ended: said on the last chunk.
    finish: Option<Finish>,
    /// Whether a call was left out.
    has_lost_call: bool,
}

impl Writing {
    fn finish_word(&self) -> Word<'static> {
        let word = if self.has_lost_call { words::write_unreadable } else { words::write_finish };
        word(self.finish)
    }
}

impl Renderer {
    /// A renderer at the start of a stream.
    pub fn new(asked: Asked) -> Self {
        Self {
            asked,
            losses: Losses::default(),
            has_chunks: false,
            is_done: false,
            at: 0,
            open: Open::Nothing,
            candidates: Vec::new(),
        }
    }

    /// What it had no words for so far.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Says one step of the answer.
    pub fn push(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.is_done {
            return;
        }
        match event {
            // The first chunk with something in it begins the stream.
            Event::Start { .. } => {}
            Event::Open { candidate, block } => self.begin(*candidate, block, out),
            Event::Delta(delta) => self.more(delta, out),
            Event::Close => self.close(out),
            Event::Finish { candidate, reason } => {
                self.writing(*candidate).finish = Some(*reason);
            }
            Event::End { usage } => self.end(*usage, out),
            Event::Fail(error) => self.fail(error, out),
        }
    }

    fn begin(&mut self, candidate: u32, block: &Opening<'_>, out: &mut Vec<u8>) {
        self.at = candidate;
        self.open = Open::Nothing;
        match block {
            Opening::Text | Opening::Refusal => self.open = Open::Text(Vec::new()),
            Opening::Reasoning => self.open = Open::Thought,
            Opening::ToolCall { id, name, namespace: _, kind, seal } => {
                self.open = Open::Call(ToolCall {
                    id: Cow::Owned(id.to_string()),
                    name: Cow::Owned(name.to_string()),
                    namespace: None,
                    arguments: Cow::Owned(String::new()),
                    kind: *kind,
                    seal: seal.clone().map(Seal::into_owned),
                });
            }
            Opening::Image { mime, data } => self.part(pieces::medium(mime, data), out),
            Opening::Audio { mime, data, transcript } => {
                self.losses.drop_some(transcript, "transcript");
                self.part(pieces::medium(mime, data), out);
            }
            Opening::Hosted(item) => self.hosted(item, out),
        }
    }

    fn hosted(&mut self, item: &HostedItem<'_>, out: &mut Vec<u8>) {
        match hosted::part(item) {
            Some(part) => self.part(part, out),
            None => self.losses.drop(hosted::name(item.tool)),
        }
    }

    fn more(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(text) if text.is_empty() => {}
            Delta::Text(text) => {
                let part = Part::text(Str(Cow::Borrowed(text)));
                if matches!(self.open, Open::Thought) {
                    return self.part(Part { thought: Some(true), ..part }, out);
                }
                let at = self.at;
                self.writing(at).text.push_str(text);
                self.part(part, out);
            }
            Delta::Arguments(more) => {
                if let Open::Call(call) = &mut self.open {
                    call.arguments.to_mut().push_str(more);
                }
            }
            Delta::Citation(citation) => {
                if let Open::Text(citations) = &mut self.open {
                    citations.push(owned(citation));
                }
            }
            Delta::Logprobs(tokens) => {
                let candidate = Candidate {
                    logprobs_result: pieces::logprobs(tokens.iter()),
                    index: Some(Int(self.at.into())),
                    ..Candidate::default()
                };
                self.chunk(vec![candidate], None, out);
            }
            Delta::Seal(seal) => {
                let seal = seal.clone().into_owned();
                if let Open::Call(call) = &mut self.open {
                    call.seal = Some(seal);
                } else {
                    let at = self.at;
                    self.writing(at).thinking.push(seal);
                }
            }
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        let at = self.at;
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing | Open::Thought => {}
            Open::Text(citations) => {
                let writing = self.writing(at);
                let text = std::mem::take(&mut writing.text);
                writing.cited.push_block(&citations, &text, writing.base);
                writing.base += text.len();
            }
            Open::Call(call) => {
                let mut thinking = std::mem::take(&mut self.writing(at).thinking);
                if let Some(part) = pieces::call(&call, &mut thinking) {
                    self.part(part, out);
                } else {
                    self.losses.drop("arguments");
                    self.writing(at).has_lost_call = true;
                }
                self.writing(at).thinking = thinking;
            }
        }
    }

    /// The last chunk: why each candidate ended, its sources, and what it all cost.
    fn end(&mut self, usage: Option<Usage>, out: &mut Vec<u8>) {
        self.close(out);
        self.is_done = true;
        if self.candidates.is_empty() {
            self.candidates.push(Writing::default());
        }
        let mut writings = std::mem::take(&mut self.candidates);
        writings.sort_by_key(|writing| writing.index);
        let candidates = writings.iter_mut().map(|writing| Candidate {
            content: Some(content(pieces::sealed_end(&mut writing.thinking))),
            finish_reason: Some(writing.finish_word()),
            index: Some(Int(writing.index.into())),
            grounding_metadata: writing.cited.take(),
            ..Candidate::default()
        });
        self.chunk(candidates.collect(), Some(words::write_usage(usage)), out);
        if self.asked.reply.array_stream {
            out.extend_from_slice(b"]");
        }
    }

    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        self.is_done = true;
        if !self.asked.reply.array_stream {
            sse::begin(out, None);
            error::push_object(error, out);
            return sse::end(out);
        }
        out.extend_from_slice(if self.has_chunks { b",\r\n" } else { b"[" });
        error::push_object(error, out);
        out.extend_from_slice(b"]");
    }

    /// A chunk of one part.
    fn part(&mut self, part: Part<'_>, out: &mut Vec<u8>) {
        let candidate = Candidate {
            content: Some(content(part)),
            index: Some(Int(self.at.into())),
            ..Candidate::default()
        };
        // So that the last chunk finishes it.
        let at = self.at;
        self.writing(at);
        self.chunk(vec![candidate], None, out);
    }

    fn chunk(
        &mut self,
        candidates: Vec<Candidate<'_>>,
        usage_metadata: Option<UsageMetadata>,
        out: &mut Vec<u8>,
    ) {
        let is_first = !std::mem::replace(&mut self.has_chunks, true);
        let chunk = Response {
            candidates: Some(candidates),
            usage_metadata,
            model_version: Some(Str(Cow::Borrowed(&self.asked.model))),
            id: Some(Str(Cow::Borrowed(&self.asked.id))),
            ..Response::default()
        };
        let is_array = self.asked.reply.array_stream;
        if is_array {
            out.extend_from_slice(if is_first { b"[" } else { b",\r\n" });
        } else {
            sse::begin(out, None);
        }
        // Writing to memory cannot fail, and every key is a string.
        let _ = json::write::value(&chunk, out);
        if !is_array {
            sse::end(out);
        }
    }

    fn writing(&mut self, index: u32) -> &mut Writing {
        let known = self.candidates.iter().position(|writing| writing.index == index);
        let at = known.unwrap_or_else(|| {
            self.candidates.push(Writing { index, ..Writing::default() });
            self.candidates.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed above")]
        &mut self.candidates[at]
    }
}

fn content(part: Part<'_>) -> Content<'_> {
    Content { parts: Many(vec![part]), role: Some("model".into()) }
}

fn owned(citation: &Citation<'_>) -> Citation<'static> {
    use crate::ir::response::CitationSource;
    let text = |text: &str| Cow::Owned(text.to_owned());
    Citation {
        source: match &citation.source {
            CitationSource::Url(url) => CitationSource::Url(text(url)),
            CitationSource::Document(name) => CitationSource::Document(text(name)),
        },
        title: citation.title.as_deref().map(text),
        quote: citation.quote.as_deref().map(text),
        span: citation.span,
    }
}
