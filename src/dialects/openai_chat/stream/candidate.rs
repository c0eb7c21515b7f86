//! One of the answers of a stream: its pieces, in whatever order, → blocks that open and close one after the other.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::dialects::openai_chat::response::details::{self, Details};
use crate::dialects::openai_chat::response::parse;
use crate::dialects::openai_chat::wire::{
    Content, OrText, Raw, Str, ToolCall as CallPiece, answer as wire,
};
use crate::ir::Text;
use crate::ir::error::Error;
use crate::ir::event::{Delta, Event, Opening};
use crate::ir::response::{Block, Citation, Finish, Logprob};
use crate::ir::seal::SealKind;

use super::call::{self, Call, State};

/// Where a candidate's events go, and who says them.
pub(super) struct Out<'e> {
    pub(super) issuer: &'e str,
    pub(super) exchange: &'e str,
    pub(super) each: &'e mut dyn FnMut(&Event<'_>),
}

/// One answer so far.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) index: u32,
    /// The provider's word for why it ended; empty so far.
    pub(super) word: String,
    /// Its end was told.
    pub(super) done: bool,
    pub(super) said: Said,
    open: Open,
    /// Pieces that must wait: for the call that is open to be whole, or for this candidate's turn.
    later: VecDeque<Piece<'static>>,
    calls: Vec<Call>,
    details: Details,
    /// The field that the open thinking came in.
    field: &'static str,
}

/// What was said of an answer, so far as it matters at its end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    pub(super) any: bool,
    pub(super) cited: bool,
    refused: bool,
}

/// The block that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Refusal,
    Reasoning,
    Call(usize),
}

/// A piece of an answer other than a call.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    Text(Text<'a>),
    Refusal(Text<'a>),
    Reasoning(Text<'a>, &'static str),
    Citation(Citation<'a>),
    Logprobs(Vec<Logprob>),
    Image { mime: Text<'a>, data: Text<'a> },
}

impl Piece<'_> {
    fn into_owned(self) -> Piece<'static> {
        use crate::ir::response::CitationSource;
        let owned = call::owned;
        match self {
            Self::Text(text) => Piece::Text(owned(text)),
            Self::Refusal(text) => Piece::Refusal(owned(text)),
            Self::Reasoning(text, field) => Piece::Reasoning(owned(text), field),
            Self::Citation(cited) => Piece::Citation(Citation {
                source: match cited.source {
                    CitationSource::Url(url) => CitationSource::Url(owned(url)),
                    CitationSource::Document(name) => CitationSource::Document(owned(name)),
                },
                title: cited.title.map(owned),
                quote: cited.quote.map(owned),
                span: cited.span,
            }),
            Self::Logprobs(tokens) => Piece::Logprobs(tokens),
            Self::Image { mime, data } => Piece::Image { mime: owned(mime), data: owned(data) },
        }
    }
}

impl Candidate {
    pub(super) fn new(index: u32) -> Self {
        Self {
            index,
            word: String::new(),
            done: false,
            said: Said::default(),
            open: Open::Nothing,
            later: VecDeque::new(),
            calls: Vec::new(),
            details: Details::default(),
            field: "",
        }
    }

    /// Takes one choice of a chunk. `live`: it is this candidate's turn to speak.
    pub(super) fn push(&mut self, choice: wire::Choice<'_>, live: bool, out: &mut Out<'_>) {
        // Some providers say `message` where `delta` belongs; Perplexity says both, the first being all so far.
        let mut delta = choice.delta.or(choice.message).unwrap_or_default();
        self.thinking(&mut delta, live, out);
        self.content(delta.content.take(), live, out);
        if let Some(Str(text)) = delta.refusal.filter(|Str(text)| !text.is_empty()) {
            self.piece(Piece::Refusal(text), live, out);
        }
        for citation in delta.annotations.into_iter().flatten().filter_map(parse::citation) {
            self.piece(Piece::Citation(citation), live, out);
        }
        let logprobs = parse::logprobs(choice.logprobs);
        if !logprobs.is_empty() {
            self.piece(Piece::Logprobs(logprobs), live, out);
        }
        for image in delta.images.into_iter().flatten().filter_map(parse::image) {
            if let Block::Image { mime, data } = image {
                self.piece(Piece::Image { mime, data }, live, out);
            }
        }
        for piece in delta.tool_calls.into_iter().flatten() {
            self.call(piece, live, out);
        }
        if let Some(function) = delta.function_call {
            self.call(call::legacy(function), live, out);
        }
        let word = parse::text(choice.finish_reason);
        if !word.is_empty() {
            self.word = word.into_owned();
        }
    }

    fn thinking(&mut self, delta: &mut wire::Message<'_>, live: bool, out: &mut Out<'_>) {
        let said = parse::thinking(delta);
        let details = delta.reasoning_details.take();
        if let Some(Raw(raw)) = &details {
            self.details.push(raw.get());
        }
        match (said, details) {
            (Some((text, field)), _) => self.piece(Piece::Reasoning(text, field), live, out),
            (None, Some(Raw(raw))) => {
                let text = details::readable(raw.get());
                if !text.is_empty() {
                    self.piece(Piece::Reasoning(text.into(), ""), live, out);
                }
            }
            (None, None) => {}
        }
    }

    fn content(&mut self, content: Option<Content<'_>>, live: bool, out: &mut Out<'_>) {
        match content {
            None => {}
            Some(OrText::Text(text)) if text.is_empty() => {}
            Some(OrText::Text(text)) => self.piece(Piece::Text(text), live, out),
            Some(OrText::Other(parts)) => {
                for part in parts {
                    let thought = part.thinking.map(parse::plain_text);
                    let thought = thought.map(|text| Piece::Reasoning(text, ""));
                    let text = part.text.map(|Str(text)| Piece::Text(text));
                    let refusal = part.refusal.map(|Str(text)| Piece::Refusal(text));
                    for piece in [thought, text, refusal].into_iter().flatten() {
                        self.piece(piece, live, out);
                    }
                }
            }
        }
    }

    /// Says a piece, or keeps it while a call is cut open.
    pub(super) fn piece(&mut self, piece: Piece<'_>, live: bool, out: &mut Out<'_>) {
        self.said.any = true;
        let calling = matches!(self.open, Open::Call(at) if !self.is_whole(at));
        if live && !calling {
            self.say(piece, out);
        } else {
            self.later.push_back(piece.into_owned());
        }
    }

    fn is_whole(&self, at: usize) -> bool {
        self.calls.get(at).is_none_or(Call::is_whole)
    }

    fn say(&mut self, piece: Piece<'_>, out: &mut Out<'_>) {
        let delta = match piece {
            Piece::Text(text) => {
                self.enter(Open::Text, Opening::Text, out);
                Delta::Text(text)
            }
            Piece::Refusal(text) => {
                self.said.refused = true;
                self.enter(Open::Refusal, Opening::Refusal, out);
                Delta::Text(text)
            }
            Piece::Reasoning(text, field) => {
                self.enter(Open::Reasoning, Opening::Reasoning, out);
                self.field = field;
                Delta::Text(text)
            }
            Piece::Citation(citation) => {
                self.said.cited = true;
                self.enter(Open::Text, Opening::Text, out);
                Delta::Citation(citation)
            }
            Piece::Logprobs(tokens) => {
                self.enter(Open::Text, Opening::Text, out);
                Delta::Logprobs(tokens)
            }
            Piece::Image { mime, data } => {
                self.close(out);
                self.tell(Opening::Image { mime, data }, out);
                (out.each)(&Event::Close);
                return;
            }
        };
        (out.each)(&Event::Delta(delta));
    }

    fn tell(&self, block: Opening<'_>, out: &mut Out<'_>) {
        (out.each)(&Event::Open { candidate: self.index, block });
    }

    fn enter(&mut self, block: Open, opening: Opening<'_>, out: &mut Out<'_>) {
        if self.open != block {
            self.close(out);
            self.tell(opening, out);
            self.open = block;
        }
    }

    /// Closes the block that is open.
    fn close(&mut self, out: &mut Out<'_>) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => return,
            Open::Text | Open::Refusal => {}
            Open::Reasoning => self.seal(out),
            Open::Call(at) => {
                if let Some(call) = self.calls.get_mut(at) {
                    call.state = State::Closed;
                    if let Some(data) = call.signature.take() {
                        let seal = parse::sealed(out.issuer, SealKind::Call, data.into());
                        (out.each)(&Event::Delta(Delta::Seal(seal)));
                    }
                }
            }
        }
        (out.each)(&Event::Close);
    }

    /// The seal of the thinking that is open: the details so far, else the name of its field.
    fn seal(&mut self, out: &mut Out<'_>) {
        let field = std::mem::take(&mut self.field);
        let (kind, data) = if !self.details.is_empty() {
            (SealKind::Details, Cow::Owned(self.details.take()))
        } else if !field.is_empty() {
            (SealKind::Reasoning, Cow::Borrowed(field))
        } else {
            return;
        };
        let seal = parse::sealed(out.issuer, kind, data);
        (out.each)(&Event::Delta(Delta::Seal(seal)));
    }

    /// Details that no readable thinking went with are thinking all the same.
    fn seal_rest(&mut self, out: &mut Out<'_>) {
        if !self.details.is_empty() {
            self.enter(Open::Reasoning, Opening::Reasoning, out);
            self.close(out);
        }
    }

    fn call(&mut self, piece: CallPiece<'_>, live: bool, out: &mut Out<'_>) {
        let at = call::find(&self.calls, &piece).unwrap_or_else(|| {
            self.calls.push(Call::new(call::index(&piece)));
            self.calls.len() - 1
        });
        let Some(call) = self.calls.get_mut(at) else { return };
        let arguments = call.take(piece);
        self.said.any = true;
        match call.state {
            // What comes after a whole object is white space.
            State::Closed => {}
            State::Open if arguments.is_empty() => {}
            State::Open => {
                (out.each)(&Event::Delta(Delta::Arguments(arguments)));
                self.advance(out);
            }
            State::Waiting => {
                call.held.push_str(&arguments);
                if live {
                    self.advance(out);
                }
            }
        }
    }

    /// Goes on to what waits, as far as the call that is open allows.
    pub(super) fn advance(&mut self, out: &mut Out<'_>) {
        loop {
            let next = self.next_call();
            if let Open::Call(at) = self.open {
                let waiting = next.is_some() || !self.later.is_empty();
                if !waiting || !self.is_whole(at) {
                    return;
                }
                self.close(out);
            }
            self.say_later(out);
            match next.filter(|at| self.calls.get(*at).is_some_and(Call::is_ready)) {
                Some(at) => self.open_call(at, out),
                None => return,
            }
        }
    }

    /// The first call that was not told yet.
    fn next_call(&self) -> Option<usize> {
        self.calls.iter().position(|call| call.state == State::Waiting)
    }

    fn say_later(&mut self, out: &mut Out<'_>) {
        while let Some(piece) = self.later.pop_front() {
            self.say(piece, out);
        }
    }

    fn open_call(&mut self, at: usize, out: &mut Out<'_>) {
        self.close(out);
        self.seal_rest(out);
        let (before, rest) = self.calls.split_at_mut(at);
        let Some(call) = rest.first_mut() else { return };
        let taken: Vec<Text<'_>> = before.iter().map(|call| Cow::Borrowed(&*call.id)).collect();
        let id = parse::unique(Cow::Borrowed(&*call.id), &taken, out.exchange).into_owned();
        call.id = id;
        call.state = State::Open;
        let held = std::mem::take(&mut call.held);
        let seal = call.signature.take();
        let opening = Opening::ToolCall {
            id: Cow::Borrowed(&call.id),
            name: Cow::Borrowed(&call.name),
            namespace: None,
            kind: call.kind,
            seal: seal.map(|data| parse::sealed(out.issuer, SealKind::Call, data.into())),
        };
        (out.each)(&Event::Open { candidate: self.index, block: opening });
        if !held.is_empty() {
            (out.each)(&Event::Delta(Delta::Arguments(held.into())));
        }
        self.open = Open::Call(at);
    }

    /// Says everything that still waits, whole or not, and the end.
    pub(super) fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Error> {
        self.close(out);
        self.say_later(out);
        while let Some(at) = self.next_call() {
            let Some(call) = self.calls.get_mut(at) else { break };
            if !call.name.is_empty() {
                self.open_call(at, out);
            } else if call.held.is_empty() {
                // An empty stub is no call.
                call.state = State::Closed;
            } else {
                return Err(parse::nameless());
            }
        }
        self.close(out);
        self.seal_rest(out);
        if self.word == parse::FAILED {
            return Err(parse::failed());
        }
        let called = self.calls.iter().any(|call| !call.name.is_empty());
        let reason = parse::finish(&self.word, called, self.said.refused).unwrap_or(Finish::Stop);
        (out.each)(&Event::Finish { candidate: self.index, reason });
        self.done = true;
        Ok(())
    }
}
