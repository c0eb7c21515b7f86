//! An account's stream → the events of the neutral form.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::dialects::Origin;
use crate::dialects::anthropic::wire::read;
use crate::dialects::anthropic::{error, response};
use crate::ir::Text;
use crate::ir::error::{Error, ErrorKind};
use crate::ir::event::{Delta, Event, Opening};
use crate::ir::request::CallKind;
use crate::ir::response::Finish;
use crate::ir::seal::SealKind;
use crate::sse;

/// Reads an account's stream.
#[derive(Debug)]
pub struct Parser {
    issuer: String,
    id: String,
    started: bool,
    /// Whether a block has begun.
    begun: bool,
    ended: bool,
    open: Option<Open>,
    /// Calls so far.
    calls: usize,
    finish: Option<Finish>,
    usage: read::Usage,
}

/// The block that is open.
#[derive(Debug)]
struct Open {
    index: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Its `Open` is said with its first text: an empty block is none.
    Text { said: bool },
    /// `Open` is said with its first text or its proof.
    Thinking { said: bool, signature: String },
    /// `given`: the arguments that its start held, for services that send them at once; they are `{}` where no others come.
    Call { given: String },
    /// Something of the provider's own tools: said whole at its end.
    Hosted(Hosted),
    /// A second message, or a type without meaning here.
    Skipped,
}

#[derive(Debug)]
struct Hosted {
    kind: String,
    name: String,
    json: String,
    /// The pieces of its `input`, or of the text of a `compaction`.
    pieces: String,
}

impl Parser {
    /// A parser at the start of a stream.
    pub fn new(origin: Origin<'_>) -> Self {
        Self {
            issuer: origin.issuer.to_owned(),
            id: origin.id.to_owned(),
            started: false,
            begun: false,
            ended: false,
            open: None,
            calls: 0,
            finish: None,
            usage: read::Usage::default(),
        }
    }

    /// Feeds one event.
    pub fn push(&mut self, event: &sse::Event<'_>, each: &mut dyn FnMut(&Event<'_>)) {
        let data = event.data.trim();
        // Some services end every stream as OpenAI does.
        if self.ended || data.is_empty() || data == "[DONE]" {
            return;
        }
        let wire: read::Event<'_> = match serde_json::from_str(data) {
            Ok(wire) => wire,
            // The answer is whole already: it is the end of the stream that was cut.
            Err(_) if self.finish.is_some() => return,
            Err(error) => {
                let message = format!("the provider's stream cannot be read: {error}");
                self.fail(Error::new(ErrorKind::Internal, message), each);
                return;
            }
        };
        match wire.kind.as_ref().map_or(&*event.name, |kind| &kind.0) {
            // What was said cannot be taken back.
            "message_start" if self.begun => {
                let message = "the provider began its answer anew in the middle of the stream";
                self.fail(Error::new(ErrorKind::Internal, message), each);
            }
            "message_start" => self.start(wire.message.unwrap_or_default(), each),
            "content_block_start" => self.block_start(&wire, each),
            "content_block_delta" => {
                if let Some(delta) = wire.delta {
                    self.delta(wire.index, delta, each);
                }
            }
            "content_block_stop" => self.close(each),
            "message_delta" => self.message_delta(&wire, each),
            "message_stop" => self.stop(each),
            "error" => {
                let json = wire.error.map_or("{}", RawValue::get);
                self.fail(error::parse_inner(json), each);
            }
            // `ping`, and whatever may come later.
            _ => {}
        }
    }

    /// Ends the stream.
    pub fn finish(&mut self, each: &mut dyn FnMut(&Event<'_>)) {
        if self.ended {
            return;
        }
        if self.finish.is_some() {
            self.end(each);
            return;
        }
        let message = "the provider's stream broke off before the answer was whole";
        self.fail(Error::new(ErrorKind::Internal, message), each);
    }

    fn origin(&self) -> Origin<'_> {
        Origin { issuer: &self.issuer, id: &self.id }
    }

    fn start(&mut self, message: read::Response<'_>, each: &mut dyn FnMut(&Event<'_>)) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.spend(message.usage);
        each(&Event::Start {
            id: message.id.unwrap_or_default().0,
            model: message.model.unwrap_or_default().0,
            created: None,
            usage: response::usage(self.usage),
        });
    }

    /// Counts are cumulative: the last word of each holds.
    fn spend(&mut self, usage: Option<read::Usage>) {
        let Some(usage) = usage else { return };
        let known = &mut self.usage;
        known.input_tokens = usage.input_tokens.or(known.input_tokens);
        known.output_tokens = usage.output_tokens.or(known.output_tokens);
        known.cache_read_input_tokens =
            usage.cache_read_input_tokens.or(known.cache_read_input_tokens);
        known.cache_creation_input_tokens =
            usage.cache_creation_input_tokens.or(known.cache_creation_input_tokens);
        known.output_tokens_details = usage.output_tokens_details.or(known.output_tokens_details);
    }

    fn block_start(&mut self, wire: &read::Event<'_>, each: &mut dyn FnMut(&Event<'_>)) {
        self.start(read::Response::default(), each);
        self.begun = true;
        self.close(each);
        let Some(json) = wire.content_block.filter(|_| self.finish.is_none()) else { return };
        let index = wire.index.unwrap_or(0);
        let Ok(block) = serde_json::from_str::<read::Block<'_>>(json.get()) else {
            self.open = Some(Open { index, kind: Kind::Skipped });
            return;
        };
        let kind = match block.kind.as_ref().map_or("", |kind| &kind.0) {
            "text" => Kind::Text { said: false },
            "thinking" => Kind::Thinking { said: false, signature: String::new() },
            "redacted_thinking" => {
                self.redacted(block.data.unwrap_or_default().0, each);
                Kind::Skipped
            }
            "tool_use" => self.call(&block, each),
            kind => Kind::Hosted(Hosted {
                kind: kind.to_owned(),
                name: block.name.as_ref().map_or("", |name| &name.0).to_owned(),
                json: json.get().to_owned(),
                pieces: String::new(),
            }),
        };
        self.open = Some(Open { index, kind });
        // What the start holds already.
        self.more_text(block.text, each);
        self.more_thinking(block.thinking, each);
        self.more_signature(block.signature);
    }

    fn redacted(&self, data: Text<'_>, each: &mut dyn FnMut(&Event<'_>)) {
        let Some(seal) = response::sealed(SealKind::Redacted, data, self.origin()) else { return };
        each(&Event::Open { candidate: 0, block: Opening::Reasoning });
        each(&Event::Delta(Delta::Seal(seal)));
        each(&Event::Close);
    }

    fn call(&mut self, block: &read::Block<'_>, each: &mut dyn FnMut(&Event<'_>)) -> Kind {
        let Some(name) = block.name.as_ref().filter(|name| !name.0.is_empty()) else {
            return Kind::Skipped;
        };
        let id = match block.id.as_ref().filter(|id| !id.0.is_empty()) {
            Some(id) => Cow::Borrowed(&*id.0),
            None => Cow::Owned(response::made_id(&self.id, self.calls)),
        };
        self.calls += 1;
        each(&Event::Open {
            candidate: 0,
            block: Opening::ToolCall {
                id,
                name: Cow::Borrowed(&*name.0),
                namespace: None,
                kind: CallKind::Function,
                seal: None,
            },
        });
        let given = block.input.map(RawValue::get).filter(|input| input.starts_with('{'));
        Kind::Call { given: given.unwrap_or("{}").to_owned() }
    }

    fn delta(
        &mut self,
        index: Option<u64>,
        delta: read::Delta<'_>,
        each: &mut dyn FnMut(&Event<'_>),
    ) {
        // Blocks never interleave: more of another block is nothing that could be said.
        if self.open.as_ref().is_none_or(|open| index.is_some_and(|index| index != open.index)) {
            return;
        }
        self.more_text(delta.text, each);
        self.more_thinking(delta.thinking, each);
        self.more_signature(delta.signature);
        self.more_json(delta.partial_json, each);
        if let Some(Open { kind: Kind::Hosted(hosted), .. }) = &mut self.open {
            hosted.pieces.push_str(&delta.content.unwrap_or_default().0);
        }
        let Some(citation) = delta.citation else { return };
        if let Some(Open { kind: Kind::Text { said }, .. }) = &mut self.open {
            if !std::mem::replace(said, true) {
                each(&Event::Open { candidate: 0, block: Opening::Text });
            }
            each(&Event::Delta(Delta::Citation(response::citation(citation))));
        }
    }

    fn more_text(&mut self, text: Option<read::Str<'_>>, each: &mut dyn FnMut(&Event<'_>)) {
        let Some(Open { kind: Kind::Text { said }, .. }) = &mut self.open else { return };
        let Some(text) = text.filter(|text| !text.0.is_empty()) else { return };
        if !std::mem::replace(said, true) {
            each(&Event::Open { candidate: 0, block: Opening::Text });
        }
        each(&Event::Delta(Delta::Text(text.0)));
    }

    fn more_thinking(&mut self, text: Option<read::Str<'_>>, each: &mut dyn FnMut(&Event<'_>)) {
        let Some(Open { kind: Kind::Thinking { said, .. }, .. }) = &mut self.open else { return };
        let Some(text) = text.filter(|text| !text.0.is_empty()) else { return };
        if !std::mem::replace(said, true) {
            each(&Event::Open { candidate: 0, block: Opening::Reasoning });
        }
        each(&Event::Delta(Delta::Text(text.0)));
    }

    /// The SDKs take the last one.
    fn more_signature(&mut self, proof: Option<read::Str<'_>>) {
        let Some(Open { kind: Kind::Thinking { signature, .. }, .. }) = &mut self.open else {
            return;
        };
        if let Some(proof) = proof.filter(|proof| !proof.0.is_empty()) {
            *signature = proof.0.into_owned();
        }
    }

    fn more_json(&mut self, piece: Option<read::Str<'_>>, each: &mut dyn FnMut(&Event<'_>)) {
        let Some(piece) = piece.filter(|piece| !piece.0.is_empty()) else { return };
        match &mut self.open {
            Some(Open { kind: Kind::Call { given }, .. }) => {
                given.clear();
                each(&Event::Delta(Delta::Arguments(piece.0)));
            }
            Some(Open { kind: Kind::Hosted(hosted), .. }) => hosted.pieces.push_str(&piece.0),
            Some(_) | None => {}
        }
    }

    /// Ends the open block, if there is one.
    fn close(&mut self, each: &mut dyn FnMut(&Event<'_>)) {
        let Some(open) = self.open.take() else { return };
        match open.kind {
            Kind::Text { said: true } => each(&Event::Close),
            Kind::Thinking { said, signature } => {
                let seal = response::sealed(SealKind::Reasoning, signature.into(), self.origin());
                if !said && seal.is_some() {
                    each(&Event::Open { candidate: 0, block: Opening::Reasoning });
                }
                if let Some(seal) = &seal {
                    each(&Event::Delta(Delta::Seal(seal.clone())));
                }
                if said || seal.is_some() {
                    each(&Event::Close);
                }
            }
            Kind::Call { given } => {
                if !given.is_empty() {
                    each(&Event::Delta(Delta::Arguments(given.into())));
                }
                each(&Event::Close);
            }
            Kind::Hosted(hosted) => hosted.say(each),
            Kind::Text { said: false } | Kind::Skipped => {}
        }
    }

    fn message_delta(&mut self, wire: &read::Event<'_>, each: &mut dyn FnMut(&Event<'_>)) {
        self.spend(wire.usage);
        let reason = wire.delta.as_ref().and_then(|delta| delta.stop_reason.as_ref());
        if let Some(reason) = reason.filter(|_| self.finish.is_none()) {
            self.finished(response::finish(&reason.0), each);
        }
    }

    fn finished(&mut self, finish: Finish, each: &mut dyn FnMut(&Event<'_>)) {
        self.start(read::Response::default(), each);
        self.close(each);
        let reason = response::with_calls(finish, self.calls > 0);
        self.finish = Some(reason);
        each(&Event::Finish { candidate: 0, reason });
    }

    /// `message_stop`: the answer is whole, even where nothing says why it ended.
    fn stop(&mut self, each: &mut dyn FnMut(&Event<'_>)) {
        if self.finish.is_none() {
            self.finished(Finish::Other, each);
        }
        self.end(each);
    }

    fn end(&mut self, each: &mut dyn FnMut(&Event<'_>)) {
        self.ended = true;
        each(&Event::End { usage: response::usage(self.usage) });
    }

    fn fail(&mut self, error: Error, each: &mut dyn FnMut(&Event<'_>)) {
        self.ended = true;
        each(&Event::Fail(error));
    }
}

impl Hosted {
    /// The item as it would stand in a whole answer.
    fn say(self, each: &mut dyn FnMut(&Event<'_>)) {
        let whole = self.whole();
        let json = whole.as_deref().unwrap_or(&self.json);
        let Ok(json) = serde_json::from_str::<&RawValue>(json) else { return };
        let item = response::hosted(&self.kind, &self.name, json);
        each(&Event::Open { candidate: 0, block: Opening::Hosted(item) });
        each(&Event::Close);
    }

    /// Its start with what came in pieces put in.
    fn whole(&self) -> Option<String> {
        if self.pieces.is_empty() {
            return None;
        }
        let (member, value) = if self.kind == "compaction" {
            ("content", serde_json::to_string(&self.pieces).ok()?)
        } else {
            // Cut short, it would be no JSON: then the item stays as it began.
            serde_json::from_str::<&RawValue>(&self.pieces).ok()?;
            ("input", self.pieces.clone())
        };
        let value: Box<RawValue> = RawValue::from_string(value).ok()?;
        let mut members: BTreeMap<&str, Cow<'_, RawValue>> = BTreeMap::new();
        for (name, old) in serde_json::from_str::<BTreeMap<&str, &RawValue>>(&self.json).ok()? {
            members.insert(name, Cow::Borrowed(old));
        }
        members.insert(member, Cow::Owned(value));
        serde_json::to_string(&members).ok()
    }
}
