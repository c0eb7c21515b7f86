//! Chunks as events: the one reading of Gemini's answers, streamed or whole (a whole answer is one chunk).

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::arguments::Arguments;
use super::beside::Beside;
use super::{hosted, pieces, words};
use crate::dialects::Origin;
use crate::dialects::gemini::error;
use crate::dialects::gemini::wire::part::{FunctionCall, Part};
use crate::dialects::gemini::wire::response::{Candidate, LogprobsResult, Response, UsageMetadata};
use crate::dialects::gemini::wire::{Raw, Str};
use crate::ir::Text;
use crate::ir::error::{Error, ErrorKind};
use crate::ir::event::{Delta, Event, Opening};
use crate::ir::request::CallKind;
use crate::ir::response::{Citation, Finish, Logprob};
use crate::ir::seal::{Seal, SealKind};
use crate::ir::usage::Usage;

/// An answer, as far as it is read.
#[derive(Debug)]
pub(in crate::dialects::gemini) struct Reader {
    issuer: String,
    /// What ids are made of.
    id: String,
    is_started: bool,
    /// The prompt was blocked: no candidate will come.
    is_blocked: bool,
    candidates: Vec<Reading>,
    /// The candidate and kind of the open block.
    open: Option<(usize, Open)>,
    /// Ids of calls so far.
    calls: Vec<String>,
    usage: UsageMetadata,
}

/// One of the answers.
#[derive(Debug, Default)]
struct Reading {
    index: u32,
    /// The open text, and the bytes of text before it.
    text: String,
    base: usize,
    /// Signatures of text: they follow their block.
    signatures: Vec<String>,
    beside: Beside,
    has_calls: bool,
    /// Whether a block was opened.
    has_said: bool,
    finish: Option<Finish>,
    /// Whether it ended with a call that cannot be read.
    is_unreadable: bool,
}

/// What kind of block is open.
#[derive(Debug)]
enum Open {
    Text,
    Reasoning,
    /// A call whose arguments come in pieces.
    Call(Arguments),
}

/// Candidates at most: Google makes eight.
const MOST_CANDIDATES: u32 = 64;

type Each<'e, 'a> = &'e mut dyn FnMut(Event<'a>);

impl Reader {
    /// A reader at the start of an answer.
    pub(in crate::dialects::gemini) fn new(origin: Origin<'_>) -> Self {
        Self {
            issuer: origin.issuer.to_owned(),
            id: origin.id.to_owned(),
            is_started: false,
            is_blocked: false,
            candidates: Vec::new(),
            open: None,
            calls: Vec::new(),
            usage: UsageMetadata::default(),
        }
    }

    /// Reads a chunk. The error is what the provider said in place of an answer.
    pub(in crate::dialects::gemini) fn push<'a>(
        &mut self,
        mut chunk: Response<'a>,
        each: Each<'_, 'a>,
    ) -> Result<(), Error> {
        if let Some(status) = chunk.error.take() {
            return Err(error::in_answer(status));
        }
        self.start(&mut chunk, each);
        if let Some(usage) = chunk.usage_metadata {
            words::merge_usage(&mut self.usage, usage);
        }
        let feedback = chunk.prompt_feedback.and_then(|feedback| feedback.block_reason);
        self.is_blocked |= feedback.is_some_and(|reason| !reason.is("BLOCK_REASON_UNSPECIFIED", 0));
        for candidate in chunk.candidates.unwrap_or_default() {
            self.candidate(candidate, each);
        }
        Ok(())
    }

    /// Begins the answer if nothing has yet.
    pub(in crate::dialects::gemini) fn start_empty(&mut self, each: Each<'_, '_>) {
        self.start(&mut Response::default(), each);
    }

    /// Closes what is open: nothing more will come.
    pub(in crate::dialects::gemini) fn close_all(&mut self, each: Each<'_, '_>) {
        if let Some((at, Open::Text)) = self.open {
            // The last text gets what was found in none.
            let found = self.at(at).map(Reading::end_text).unwrap_or_default();
            let rest = self.at(at).map(|reading| reading.beside.rest()).unwrap_or_default();
            for citation in found.into_iter().chain(rest) {
                each(Event::Delta(Delta::Citation(citation)));
            }
            self.open = None;
            each(Event::Close);
        }
        self.close(each);
        for at in 0..self.candidates.len() {
            self.flush_signatures(at, each);
            let rest = self.at(at).map(|reading| reading.beside.rest()).unwrap_or_default();
            if !rest.is_empty() {
                // Sources that came when their text was closed already: they follow it on an empty one.
                self.begin(at, Opening::Text, each);
                for citation in rest {
                    each(Event::Delta(Delta::Citation(citation)));
                }
                each(Event::Close);
            }
            self.tell_hosted(at, each);
        }
    }

    /// What Google did on its side and says beside the parts.
    fn tell_hosted(&mut self, at: usize, each: Each<'_, '_>) {
        let Some(reading) = self.at(at) else { return };
        let candidate = reading.index;
        for item in reading.beside.hosted() {
            each(Event::Open { candidate, block: Opening::Hosted(item) });
            each(Event::Close);
        }
    }

    /// Each candidate and why it ended, where it was said.
    pub(in crate::dialects::gemini) fn finishes(&self) -> Vec<(u32, Option<Finish>)> {
        let blocked = self.is_blocked.then_some(Finish::ContentFilter);
        if self.candidates.is_empty() {
            return vec![(0, blocked)];
        }
        let finish = |reading: &Reading| (reading.index, reading.finish().or(blocked));
        self.candidates.iter().map(finish).collect()
    }

    /// Why there is no answer, though it ended: the model wrote nothing but a call that Google could not read. Asked again, it
    /// mostly writes it well.
    pub(in crate::dialects::gemini) fn failure(&self) -> Option<Error> {
        let is_void = |reading: &Reading| reading.is_unreadable && !reading.has_said;
        if self.candidates.is_empty() || !self.candidates.iter().all(is_void) {
            return None;
        }
        let message = "the model answered with nothing but a function call that the provider could not read: ask again";
        Some(Error::new(ErrorKind::Internal, message))
    }

    /// What it cost, where that was said.
    pub(in crate::dialects::gemini) fn usage(&self) -> Option<Usage> {
        words::read_usage(self.usage)
    }

    fn start<'a>(&mut self, chunk: &mut Response<'a>, each: Each<'_, 'a>) {
        if std::mem::replace(&mut self.is_started, true) {
            return;
        }
        let text = |text: Option<Str<'a>>| text.map(|text| text.0).filter(|text| !text.is_empty());
        let id = text(chunk.id.take()).unwrap_or_else(|| self.id.clone().into());
        let model = text(chunk.model_version.take()).unwrap_or_default();
        let created = chunk.create_time.as_ref().and_then(|time| {
            let time = humantime::parse_rfc3339(&time.0).ok()?;
            Some(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
        });
        each(Event::Start { id, model, created, usage: None });
    }

    fn candidate<'a>(&mut self, mut candidate: Candidate<'a>, each: Each<'_, 'a>) {
        let index = candidate.index.and_then(|index| u32::try_from(index.0).ok());
        let index = index.filter(|index| *index < MOST_CANDIDATES).unwrap_or(0);
        let known = self.candidates.iter().position(|reading| reading.index == index);
        let at = known.unwrap_or_else(|| {
            self.candidates.push(Reading { index, ..Reading::default() });
            self.candidates.len() - 1
        });
        // Before the parts: the text that it speaks of may end in this chunk.
        if let Some(reading) = self.at(at) {
            reading.beside.take(&mut candidate);
        }
        for part in candidate.content.map(|content| content.parts.0).unwrap_or_default() {
            self.part(at, part, each);
        }
        if let Some(result) = candidate.logprobs_result {
            self.logprobs(at, result, each);
        }
        if let (Some(reason), Some(reading)) = (candidate.finish_reason, self.at(at)) {
            // Some models say STOP on every chunk; the last word counts.
            reading.finish = words::read_finish(&reason);
            reading.is_unreadable = words::is_unreadable_call(&reason);
        }
    }

    fn part<'a>(&mut self, at: usize, mut part: Part<'a>, each: Each<'_, 'a>) {
        let signature = part.thought_signature.take().map(|signature| signature.0);
        let signature = signature.filter(|signature| !signature.is_empty());
        if let Some(call) = part.function_call.take() {
            return self.call(at, call, signature, each);
        }
        if let Some(Str(text)) = part.text.take() {
            if part.thought == Some(true) {
                return self.thought(at, text, signature, each);
            }
            self.text(at, text, each);
            if let (Some(signature), Some(reading)) = (signature, self.at(at)) {
                reading.signatures.push(signature.into_owned());
            }
        } else if let Some(opening) = hosted::opening(part) {
            self.begin(at, opening, each);
            each(Event::Close);
        }
    }

    fn text<'a>(&mut self, at: usize, text: Text<'a>, each: Each<'_, 'a>) {
        if text.is_empty() {
            return;
        }
        if !matches!(self.open, Some((own, Open::Text)) if own == at) {
            self.begin(at, Opening::Text, each);
            self.open = Some((at, Open::Text));
        }
        if let Some(reading) = self.at(at) {
            reading.text.push_str(&text);
        }
        each(Event::Delta(Delta::Text(text)));
    }

    fn thought<'a>(
        &mut self,
        at: usize,
        text: Text<'a>,
        signature: Option<Text<'a>>,
        each: Each<'_, 'a>,
    ) {
        if text.is_empty() && signature.is_none() {
            return;
        }
        if !matches!(self.open, Some((own, Open::Reasoning)) if own == at) {
            self.begin(at, Opening::Reasoning, each);
            self.open = Some((at, Open::Reasoning));
        }
        if !text.is_empty() {
            each(Event::Delta(Delta::Text(text)));
        }
        if let Some(data) = signature {
            each(Event::Delta(Delta::Seal(self.seal(SealKind::Reasoning, data))));
            self.close(each);
        }
    }

    /// A call comes whole, or its name first and then pieces of its arguments.
    fn call<'a>(
        &mut self,
        at: usize,
        call: FunctionCall<'a>,
        signature: Option<Text<'a>>,
        each: Each<'_, 'a>,
    ) {
        let name = call.name.map(|name| name.0).filter(|name| !name.is_empty());
        let is_streamed = call.partial_args.is_some() || call.will_continue.is_some();
        let goes_on = matches!(self.open, Some((own, Open::Call(_))) if own == at);
        if let Some(name) = name {
            let id = self.call_id(call.id);
            let seal = signature.map(|data| self.seal(SealKind::Call, data));
            let kind = CallKind::Function;
            self.begin(at, Opening::ToolCall { id, name, namespace: None, kind, seal }, each);
            if let Some(reading) = self.at(at) {
                reading.has_calls = true;
            }
            if !is_streamed {
                if let Some(Raw(args)) = call.args {
                    each(Event::Delta(Delta::Arguments(arguments(args))));
                }
                return each(Event::Close);
            }
            self.open = Some((at, Open::Call(Arguments::of(call.args.as_ref()))));
        } else if !goes_on {
            return;
        }
        if let Some((_, Open::Call(arguments))) = &mut self.open {
            call.partial_args.iter().flatten().for_each(|piece| arguments.push(piece));
        }
        if call.will_continue != Some(true) {
            self.close(each);
        }
    }

    fn logprobs(&mut self, at: usize, result: LogprobsResult<'_>, each: Each<'_, '_>) {
        if !matches!(self.open, Some((own, Open::Text)) if own == at) {
            return;
        }
        let mut top = result.top_candidates.into_iter();
        let tokens: Vec<Logprob> = result
            .chosen_candidates
            .into_iter()
            .map(|chosen| Logprob {
                token: chosen.token.0.into_owned(),
                logprob: chosen.log_probability,
                top: top
                    .next()
                    .into_iter()
                    .flat_map(|top| top.candidates)
                    .map(|other| (other.token.0.into_owned(), other.log_probability))
                    .collect(),
            })
            .collect();
        if !tokens.is_empty() {
            each(Event::Delta(Delta::Logprobs(tokens)));
        }
    }

    /// Opens a block: what is open is closed, and what was signed is sealed, before.
    fn begin<'a>(&mut self, at: usize, block: Opening<'a>, each: Each<'_, 'a>) {
        self.close(each);
        self.flush_signatures(at, each);
        let candidate = self.at(at).map_or(0, |reading| {
            reading.has_said = true;
            reading.index
        });
        each(Event::Open { candidate, block });
    }

    fn close(&mut self, each: Each<'_, '_>) {
        let Some((at, open)) = self.open.take() else { return };
        match open {
            Open::Text => {
                let citations = self.at(at).map(Reading::end_text).unwrap_or_default();
                for citation in citations {
                    each(Event::Delta(Delta::Citation(citation)));
                }
            }
            Open::Call(arguments) => {
                each(Event::Delta(Delta::Arguments(Cow::Owned(arguments.into_json()))));
            }
            Open::Reasoning => {}
        }
        each(Event::Close);
    }

    /// Signatures that stood on text: each a block of thinking without words.
    fn flush_signatures(&mut self, at: usize, each: Each<'_, '_>) {
        let Some(reading) = self.at(at) else { return };
        let candidate = reading.index;
        for data in std::mem::take(&mut reading.signatures) {
            each(Event::Open { candidate, block: Opening::Reasoning });
            each(Event::Delta(Delta::Seal(self.seal(SealKind::Reasoning, data.into()))));
            each(Event::Close);
        }
    }

    fn seal<'a>(&self, kind: SealKind, data: Text<'a>) -> Seal<'a> {
        Seal { issuer: Cow::Owned(self.issuer.clone()), kind, id: Text::default(), data }
    }

    /// The provider's id where it has one of its own, else one of ours.
    fn call_id<'a>(&mut self, said: Option<Str<'a>>) -> Text<'a> {
        let said = said.map(|id| id.0).filter(|id| !id.is_empty());
        let own = said.filter(|id| self.calls.iter().all(|other| other != id));
        let id = own.unwrap_or_else(|| format!("call_{}_{}", self.id, self.calls.len()).into());
        self.calls.push(id.to_string());
        id
    }

    fn at(&mut self, at: usize) -> Option<&mut Reading> {
        self.candidates.get_mut(at)
    }
}

impl Reading {
    /// Ends the open text; gives its sources.
    fn end_text(&mut self) -> Vec<Citation<'static>> {
        let citations = self.beside.of_block(&self.text, self.base);
        self.base += self.text.len();
        self.text.clear();
        citations
    }

    /// Gemini says STOP where it calls.
    fn finish(&self) -> Option<Finish> {
        match self.finish {
            Some(Finish::Stop | Finish::Other) if self.has_calls => Some(Finish::ToolCalls),
            finish => finish,
        }
    }
}

/// Arguments as text.
fn arguments(args: Cow<'_, RawValue>) -> Text<'_> {
    match args {
        Cow::Borrowed(raw) => match pieces::compact(raw) {
            Cow::Borrowed(raw) => Cow::Borrowed(raw.get()),
            Cow::Owned(raw) => Cow::Owned(raw.get().to_owned()),
        },
        Cow::Owned(raw) => Cow::Owned(pieces::compact(&raw).get().to_owned()),
    }
}
