//! Writes a client's stream: blocks become items, texts that follow each other parts of one message.

mod calls;
mod message;
mod thoughts;

use super::members::Members;
use crate::dialects::Asked;
use crate::dialects::openai_responses::error::Inner;
use crate::dialects::openai_responses::response::render::{End, Frame, State, status_of};
use crate::dialects::openai_responses::response::write::{CallItem, Items};
use crate::dialects::openai_responses::{BUILT_IN, is_own_item, wire};
use crate::ir::error::Error;
use crate::ir::event::{Delta, Event, Opening};
use crate::ir::losses::Losses;
use crate::ir::request::{CallKind, HostedItem};
use crate::ir::response::Finish;
use crate::ir::seal::{self, Seal};
use crate::ir::usage::Usage;
use wire::output::{Annotation, Content, Item};

/// Writes a client's stream.
#[derive(Debug)]
pub struct Renderer {
    asked: Asked,
    id: String,
    created: Option<u64>,
    sequence: u64,
    items: Items,
    open: Open,
    losses: Losses,
    finish: Option<Finish>,
    usage: Option<Usage>,
    refused: bool,
    started: bool,
    ended: bool,
}

/// What is being written.
#[derive(Debug)]
enum Open {
    /// Nothing, or something that has no form here.
    Nothing,
    Message(Message),
    Thoughts(Thoughts),
    Call(Written),
}

/// A message item. It stays open between its parts.
#[derive(Debug)]
struct Message {
    id: String,
    parts: Vec<Content<'static>>,
    part: Part,
}

/// The part of a message that is being written.
#[derive(Debug)]
enum Part {
    /// None.
    Closed,
    /// Nothing was said yet, so that it is not begun either.
    Awaited { refusal: bool },
    /// The last one of the message's parts.
    Begun { chars: u64, sources: Vec<Annotation<'static>> },
}

#[derive(Debug)]
struct Thoughts {
    id: String,
    text: String,
    seal: Option<String>,
}

/// A call. Its item is ended by what comes next, which tells whether the call is whole.
#[derive(Debug)]
struct Written {
    id: String,
    call_id: String,
    name: String,
    namespace: Option<String>,
    kind: CallKind,
    arguments: String,
    late_seal: Option<Seal<'static>>,
}

impl Written {
    fn call<'c>(&'c self, status: &'c str) -> CallItem<'c> {
        CallItem {
            call_id: &self.call_id,
            status,
            name: &self.name,
            namespace: self.namespace.as_deref(),
            kind: self.kind,
            arguments: &self.arguments,
        }
    }

    /// One of OpenAI's own tools: its item is shown when it is whole.
    fn is_built_in(&self) -> bool {
        self.namespace.as_deref() == Some(BUILT_IN)
    }
}

impl Renderer {
    /// A renderer at the start of a stream.
    pub fn new(asked: Asked) -> Self {
        Self {
            id: String::new(),
            created: None,
            sequence: 0,
            items: Items::new(&asked.id),
            open: Open::Nothing,
            losses: Losses::default(),
            finish: None,
            usage: None,
            refused: false,
            started: false,
            ended: false,
            asked,
        }
    }

    /// Says one step of the answer.
    pub fn push(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { id, created, usage, .. } => {
                id.as_ref().clone_into(&mut self.id);
                self.created = *created;
                self.usage = *usage;
                self.start(out);
            }
            Event::Open { candidate: 0, block } => {
                self.start(out);
                self.begin(block, out);
            }
            Event::Open { .. } => {
                self.settle("completed", out);
                self.losses.drop("n");
            }
            Event::Delta(delta) => self.delta(delta, out),
            Event::Close => self.close(out),
            Event::Finish { candidate: 0, reason } => {
                self.finish = Some(*reason);
                self.settle(status_of(*reason, self.refused), out);
            }
            Event::Finish { .. } => self.losses.drop("n"),
            Event::End { usage } => {
                self.usage = usage.or(self.usage);
                self.end(out);
            }
            Event::Fail(error) => {
                self.ended = true;
                let mut frame = Frame::new(&self.asked);
                frame.take(&self.id, self.created);
                fail(error, &frame, &self.items.json, self.sequence, out);
            }
        }
    }

    /// What it had no words for so far.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    fn event<'o>(&mut self, name: &str, out: &'o mut Vec<u8>) -> Members<'o> {
        Members::begin(name, &mut self.sequence, out)
    }

    /// An event of the item that is being written.
    fn item_event<'o>(&mut self, name: &str, id: &str, out: &'o mut Vec<u8>) -> Members<'o> {
        let index = self.items.count;
        self.event(name, out).json("item_id", id).json("output_index", &index)
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let mut frame = Frame::new(&self.asked);
        frame.take(&self.id, self.created);
        for name in ["response.created", "response.in_progress"] {
            Members::begin(name, &mut self.sequence, out)
                .with("response", |out| frame.write(&State::InProgress, &[], out))
                .end();
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        self.start(out);
        self.settle("completed", out);
        let end = End {
            finish: self.finish.unwrap_or(Finish::Other),
            refused: self.refused,
            usage: self.usage,
        };
        let state = State::Ended(&end);
        let name = match state.status() {
            "incomplete" => "response.incomplete",
            _ => "response.completed",
        };
        let mut frame = Frame::new(&self.asked);
        frame.take(&self.id, self.created);
        Members::begin(name, &mut self.sequence, out)
            .with("response", |out| frame.write(&state, &self.items.json, out))
            .end();
    }

    fn begin(&mut self, block: &Opening<'_>, out: &mut Vec<u8>) {
        match block {
            Opening::Text => self.begin_part(false, out),
            Opening::Refusal => self.begin_part(true, out),
            Opening::Reasoning => {
                self.settle("completed", out);
                let id = self.items.id("rs");
                self.open = Open::Thoughts(Thoughts { id, text: String::new(), seal: None });
            }
            Opening::ToolCall { id, name, namespace, kind, seal } => {
                self.settle("completed", out);
                let call_id = self.items.call_id(id);
                if let Some(seal) = seal {
                    self.call_seal(seal, &call_id, out);
                }
                self.begin_call(
                    Written {
                        id: String::new(),
                        call_id,
                        name: name.as_ref().to_owned(),
                        namespace: namespace.as_deref().map(str::to_owned),
                        kind: *kind,
                        arguments: String::new(),
                        late_seal: None,
                    },
                    out,
                );
            }
            Opening::Image { mime, data } => {
                self.settle("completed", out);
                self.image(mime, data, out);
            }
            Opening::Audio { transcript: Some(text), .. } => {
                self.losses.drop("audio");
                self.begin_part(false, out);
                self.say(text, out);
            }
            Opening::Audio { transcript: None, .. } => {
                self.settle("completed", out);
                self.losses.drop("audio");
            }
            Opening::Hosted(item) => {
                self.settle("completed", out);
                self.hosted(item, out);
            }
        }
    }

    fn delta(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match (&mut self.open, delta) {
            (Open::Message(_), Delta::Text(text)) => self.say(text, out),
            (Open::Message(_), Delta::Citation(citation)) => self.cite(citation, out),
            (Open::Message(_), Delta::Logprobs(logprobs)) => self.logprobs(logprobs, out),
            (Open::Thoughts(_), Delta::Text(text)) => self.think(text, out),
            (Open::Thoughts(thoughts), Delta::Seal(seal)) => {
                thoughts.seal = Some(seal::to_text(std::slice::from_ref(seal)));
            }
            (Open::Call(_), Delta::Arguments(arguments)) => self.argue(arguments, out),
            (Open::Call(call), Delta::Seal(seal)) => {
                call.late_seal = Some(seal.clone().into_owned());
            }
            _ => {}
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        match &self.open {
            Open::Nothing => {}
            Open::Message(_) => self.end_part(out),
            Open::Thoughts(_) => self.settle("completed", out),
            Open::Call(_) => self.end_arguments(out),
        }
    }

    /// Ends the item that is being written.
    fn settle(&mut self, status: &'static str, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Message(message) => {
                if !message.parts.is_empty() {
                    let (index, id) = (self.items.count, &message.id);
                    let item = self.items.push_message(id, status, &message.parts);
                    done(item, index, &mut self.sequence, out);
                }
            }
            Open::Thoughts(thoughts) => self.end_thoughts(&thoughts, out),
            Open::Call(call) => self.end_call(&call, status, out),
        }
    }
}

impl Renderer {
    fn image(&mut self, mime: &str, data: &str, out: &mut Vec<u8>) {
        let index = self.items.count;
        let id = self.items.id("ig");
        let (status, result, output_format) = ("in_progress", None, None);
        let item = Item::ImageGenerationCall { id: &id, status, result, output_format };
        added(&item, index, &mut self.sequence, out);
        for step in ["in_progress", "generating", "completed"] {
            let name = format!("response.image_generation_call.{step}");
            self.item_event(&name, &id, out).end();
        }
        let item = self.items.push_image(&id, mime, data);
        done(item, index, &mut self.sequence, out);
    }

    fn hosted(&mut self, item: &HostedItem<'_>, out: &mut Vec<u8>) {
        if !is_own_item(item) {
            self.losses.drop(item.tool.name());
            return;
        }
        let index = self.items.count;
        let item = self.items.push(&Item::Raw(&item.raw));
        whole(item, index, &mut self.sequence, out);
    }
}

fn added(item: &Item<'_>, index: u32, sequence: &mut u64, out: &mut Vec<u8>) {
    Members::begin("response.output_item.added", sequence, out)
        .json("output_index", &index)
        .json("item", item)
        .end();
}

fn done(item: &[u8], index: u32, sequence: &mut u64, out: &mut Vec<u8>) {
    Members::begin("response.output_item.done", sequence, out)
        .json("output_index", &index)
        .with("item", |out| out.extend_from_slice(item))
        .end();
}

/// An item that comes whole.
fn whole(item: &[u8], index: u32, sequence: &mut u64, out: &mut Vec<u8>) {
    Members::begin("response.output_item.added", sequence, out)
        .json("output_index", &index)
        .with("item", |out| out.extend_from_slice(item))
        .end();
    done(item, index, sequence, out);
}

/// Writes the events that end a stream which failed, with the items that were whole: both that OpenAI sends. The SDKs raise
/// an exception at `error`, where its error stands in an object (the reference has its members beside the type); agents
/// (Codex) know `response.failed` alone; and SDKs know neither without a `response.created` before it.
pub(in super::super) fn fail(
    error: &Error,
    frame: &Frame<'_>,
    items: &[u8],
    sequence: u64,
    out: &mut Vec<u8>,
) {
    let mut sequence = sequence;
    if sequence == 0 {
        Members::begin("response.created", &mut sequence, out)
            .with("response", |out| frame.write(&State::InProgress, &[], out))
            .end();
    }
    let inner = Inner::new(error);
    Members::begin("error", &mut sequence, out)
        .json("code", &inner.code)
        .json("message", &inner.message)
        .json("param", &inner.param)
        .json("error", &inner)
        .end();
    failed(error, frame, items, sequence, out);
}

/// Writes the last of those events.
pub(in super::super) fn failed(
    error: &Error,
    frame: &Frame<'_>,
    items: &[u8],
    sequence: u64,
    out: &mut Vec<u8>,
) {
    let mut sequence = sequence;
    Members::begin("response.failed", &mut sequence, out)
        .with("response", |out| frame.write(&State::Failed(error), items, out))
        .end();
}
