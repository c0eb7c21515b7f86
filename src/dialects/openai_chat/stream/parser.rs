//! An account's chunks → events.

use crate::dialects::Origin;
use crate::dialects::openai_chat::error;
use crate::dialects::openai_chat::response::parse;
use crate::dialects::openai_chat::wire::{Raw, Scalar, answer as wire};
use crate::ir::error::{Error, ErrorKind};
use crate::ir::event::Event;
use crate::ir::response::{Citation, CitationSource};
use crate::ir::usage::Usage;
use crate::sse;

use super::call::owned;
use super::candidate::{Candidate, Out, Piece};

/// Reads an account's stream.
#[derive(Debug)]
pub struct Parser {
    issuer: String,
    exchange: String,
    started: bool,
    /// `End` or `Fail` was told.
    over: bool,
    usage: Option<Usage>,
    /// In the order in which they first spoke.
    candidates: Vec<Candidate>,
    /// Which of them speaks: one block is open at a time, so the others wait until it ends.
    live: usize,
    /// Perplexity's sources, repeated on every chunk.
    sources: Vec<Citation<'static>>,
}

impl Parser {
    /// A parser at the start of a stream.
    pub fn new(origin: Origin<'_>) -> Self {
        Self {
            issuer: origin.issuer.to_owned(),
            exchange: origin.id.to_owned(),
            started: false,
            over: false,
            usage: None,
            candidates: Vec::new(),
            live: 0,
            sources: Vec::new(),
        }
    }

    /// Feeds one event.
    pub fn push(&mut self, event: &sse::Event<'_>, each: &mut dyn FnMut(&Event<'_>)) {
        let data = event.data.trim();
        if self.over || data.is_empty() {
            return;
        }
        if data == "[DONE]" {
            self.end(each);
            return;
        }
        match serde_json::from_str::<wire::Answer<'_>>(data) {
            Ok(chunk) => self.chunk(chunk, data, each),
            Err(error) => {
                let why = format!("the provider's stream cannot be read: {error}");
                self.fail(Error::new(ErrorKind::Internal, why), each);
            }
        }
    }

    /// The connection ended.
    pub fn finish(&mut self, each: &mut dyn FnMut(&Event<'_>)) {
        if self.over {
            return;
        }
        // Some providers send no [DONE]: a reason for every answer is end enough.
        let ended = self.candidates.iter().all(|candidate| !candidate.word.is_empty());
        if ended && !self.candidates.is_empty() {
            self.end(each);
        } else {
            let why = "the provider's stream broke off before the end of the answer";
            self.fail(Error::new(ErrorKind::Internal, why), each);
        }
    }

    fn chunk(&mut self, chunk: wire::Answer<'_>, data: &str, each: &mut dyn FnMut(&Event<'_>)) {
        if let Some(error) = chunk.error.and_then(wire::Maybe::known) {
            self.fail(error::inside(error), each);
            return;
        }
        if chunk.choices.is_none()
            && chunk.usage.is_none()
            && let Some(error) = error::flat(data.as_bytes())
        {
            self.fail(error, each);
            return;
        }
        self.count(chunk.usage, chunk.x_groq);
        let choices = chunk.choices.unwrap_or_default();
        if choices.is_empty() {
            return;
        }
        if !std::mem::replace(&mut self.started, true) {
            each(&Event::Start {
                id: parse::text(chunk.id),
                model: parse::text(chunk.model),
                created: chunk.created.as_ref().and_then(Scalar::count),
                usage: None,
            });
        }
        if self.sources.is_empty() {
            let sources = parse::sources(chunk.citations, chunk.search_results);
            self.sources = sources.into_iter().map(kept).collect();
        }
        for choice in choices {
            self.choice(choice, each);
        }
        self.next_speaker(each);
    }

    /// The last count that came is the right one: some providers send one with every chunk.
    fn count(&mut self, usage: Option<Raw<'_>>, groq: Option<wire::Maybe<wire::XGroq<'_>>>) {
        let read = |raw: Raw<'_>| parse::usage(raw.0.get().as_bytes());
        let groq = || groq.and_then(wire::Maybe::known)?.usage.and_then(read);
        if let Some(usage) = usage.and_then(read).or_else(groq) {
            self.usage = Some(usage);
        }
    }

    fn choice(&mut self, choice: wire::Choice<'_>, each: &mut dyn FnMut(&Event<'_>)) {
        let index = choice.index.as_ref().and_then(Scalar::count).unwrap_or(0);
        // OpenAI answers 128 times at most; a number beyond that is nonsense.
        let index = u32::try_from(index).unwrap_or(0).min(127);
        let known = self.candidates.iter().position(|candidate| candidate.index == index);
        let at = known.unwrap_or_else(|| {
            self.candidates.push(Candidate::new(index));
            self.candidates.len() - 1
        });
        let live = at == self.live;
        let mut out = Out { issuer: &self.issuer, exchange: &self.exchange, each };
        if let Some(candidate) = self.candidates.get_mut(at).filter(|candidate| !candidate.done) {
            candidate.push(choice, live, &mut out);
        }
    }

    /// With several answers, the next one speaks as soon as the one before has ended. A single one is ended with the stream,
    /// for some providers go on after the reason.
    fn next_speaker(&mut self, each: &mut dyn FnMut(&Event<'_>)) {
        while self.candidates.len() > 1 {
            let mut out = Out { issuer: &self.issuer, exchange: &self.exchange, each };
            let Some(speaker) = self.candidates.get_mut(self.live) else { return };
            if speaker.word.is_empty() || speaker.done {
                return;
            }
            if let Err(error) = speaker.finish(&mut out) {
                self.fail(error, each);
                return;
            }
            let Some(next) = self.candidates.iter().position(|candidate| !candidate.done) else {
                return;
            };
            self.live = next;
            if let Some(next) = self.candidates.get_mut(next) {
                next.advance(&mut out);
            }
        }
    }

    fn end(&mut self, each: &mut dyn FnMut(&Event<'_>)) {
        let ended = |candidate: &Candidate| candidate.said.any || !candidate.word.is_empty();
        if !self.candidates.iter().any(ended) {
            let why = "the provider's answer holds nothing";
            self.fail(Error::new(ErrorKind::Internal, why), each);
            return;
        }
        let mut sources = std::mem::take(&mut self.sources);
        let mut broken = None;
        for candidate in self.candidates.iter_mut().filter(|candidate| !candidate.done) {
            let mut out = Out { issuer: &self.issuer, exchange: &self.exchange, each };
            if !candidate.said.cited {
                for source in sources.drain(..) {
                    candidate.piece(Piece::Citation(source), true, &mut out);
                }
            }
            if let Err(error) = candidate.finish(&mut out) {
                broken = Some(error);
                break;
            }
        }
        if let Some(error) = broken {
            self.fail(error, each);
            return;
        }
        each(&Event::End { usage: self.usage });
        self.over = true;
    }

    fn fail(&mut self, error: Error, each: &mut dyn FnMut(&Event<'_>)) {
        // Whatever is open stays so: what was cut off must not look whole.
        each(&Event::Fail(error));
        self.over = true;
    }
}

fn kept(citation: Citation<'_>) -> Citation<'static> {
    Citation {
        source: match citation.source {
            CitationSource::Url(url) => CitationSource::Url(owned(url)),
            CitationSource::Document(name) => CitationSource::Document(owned(name)),
        },
        title: citation.title.map(owned),
        quote: citation.quote.map(owned),
        span: citation.span,
    }
}
