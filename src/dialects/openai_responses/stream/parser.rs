//! Reads an account's stream: events of several items at a time become blocks, one after the other.

mod ending;

use serde_json::value::RawValue;

use self::ending::say;
use super::slot::{Each, Slot, State};
use crate::dialects::Origin;
use crate::dialects::openai_responses::response::parse;
use crate::dialects::openai_responses::response::read::{self, Reader};
use crate::dialects::openai_responses::{error, wire};
use crate::ir::error::{Error, ErrorKind};
use crate::ir::event::Event;
use crate::sse;
use wire::item::Item;

/// Reads an account's stream.
#[derive(Debug)]
pub struct Parser {
    issuer: String,
    id: String,
    phase: Phase,
    /// The items, in the order in which they began.
    slots: Vec<Slot>,
    /// The item whose turn it is; those before it are done.
    front: usize,
    /// Items that came to their end after their turn: said as soon as no block is open.
    late: Vec<String>,
    /// Ids made up so far.
    made: u32,
    said: Said,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Before,
    Within,
    After,
}

/// What decides why the answer ended.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    calls: bool,
    refusal: bool,
}

impl Parser {
    /// A parser at the start of a stream.
    pub fn new(origin: Origin<'_>) -> Self {
        Self {
            issuer: origin.issuer.to_owned(),
            id: origin.id.to_owned(),
            phase: Phase::Before,
            slots: Vec::new(),
            front: 0,
            late: Vec::new(),
            made: 0,
            said: Said::default(),
        }
    }

    /// Feeds one event.
    pub fn push(&mut self, event: &sse::Event<'_>, each: &mut dyn FnMut(&Event<'_>)) {
        // Some compatible providers end with [DONE], or keep alive with empty data: neither says anything here.
        if self.phase == Phase::After || matches!(event.data.trim(), "" | "[DONE]") {
            return;
        }
        match serde_json::from_str::<wire::event::Event<'_>>(&event.data) {
            Ok(wire) => {
                let kind = match wire.kind.as_str() {
                    "" => event.name.as_ref(),
                    kind => kind,
                };
                self.step(kind, &wire, &event.data, each);
            }
            Err(error) => {
                let message = format!("the provider's stream cannot be read: {error}");
                self.fail(Error::new(ErrorKind::Internal, message), each);
            }
        }
    }

    /// Ends the stream. Only the response's own last event makes it whole.
    pub fn finish(&mut self, each: &mut dyn FnMut(&Event<'_>)) {
        let message = "the provider's stream broke off before its end";
        self.fail(Error::new(ErrorKind::Internal, message), each);
    }

    fn step(&mut self, kind: &str, wire: &wire::event::Event<'_>, data: &str, each: &mut Each<'_>) {
        match kind {
            "response.created" | "response.in_progress" | "response.queued" => {
                self.start(wire.response, each);
            }
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.done"
            | "response.cancelled" => self.end(wire.response, each),
            "error" | "" => match (wire.error, serde_json::from_str::<&RawValue>(data)) {
                // OpenAI documents the error's members as the event's own, and sends them within it.
                (Some(raw), _) => self.fail(error::inside(raw), each),
                (None, Ok(raw)) if kind == "error" => self.fail(error::inside(raw), each),
                (None, _) => {}
            },
            _ => self.route(kind, wire, data, each),
        }
    }

    fn start(&mut self, response: Option<&RawValue>, each: &mut Each<'_>) {
        if self.phase != Phase::Before {
            return;
        }
        self.phase = Phase::Within;
        let head: wire::response::Head<'_> =
            response.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        each(&Event::Start {
            id: parse::id(head.id.into_text(), &self.id),
            model: head.model.into_text(),
            created: head.created_at.map(parse::count),
            usage: None,
        });
    }

    fn fail(&mut self, error: Error, each: &mut Each<'_>) {
        if self.phase == Phase::After {
            return;
        }
        self.phase = Phase::After;
        if let Some(slot) = self.slots.get_mut(self.front) {
            slot.close(each);
        }
        each(&Event::Fail(error));
    }

    /// Gives an event to its item: at once where it is that item's turn, else when it comes.
    fn route(
        &mut self,
        kind: &str,
        wire: &wire::event::Event<'_>,
        data: &str,
        each: &mut Each<'_>,
    ) {
        let Some(place) = self.place(kind, wire) else { return };
        self.start(None, each);
        if place < self.front {
            self.straggler(place, kind, wire);
            return;
        }
        let waiting = self.slots.get(self.front..place).unwrap_or_default();
        if kind.rsplit('.').next() == Some("delta") && waiting.iter().all(Slot::may_wait) {
            self.pass_to(place, each);
        }
        if place == self.front {
            self.apply(kind, wire, each);
            self.advance(each);
        } else if let Some(slot) = self.slots.get_mut(place) {
            slot.queue.push((kind.to_owned(), data.to_owned()));
        }
    }

    /// Which item an event belongs to; a new one where it is the first to speak of it.
    fn place(&mut self, kind: &str, wire: &wire::event::Event<'_>) -> Option<usize> {
        let item = wire.item.and_then(|raw| serde_json::from_str::<Item<'_>>(raw.get()).ok());
        let id = item.as_ref().map_or(wire.item_id.as_str(), |item| item.id.as_str());
        let known = match wire.output_index {
            Some(_) => self.slots.iter().rposition(|slot| slot.index == wire.output_index),
            None if !id.is_empty() => self.slots.iter().rposition(|slot| slot.id == id),
            // It names no item at all: it can only mean the one that came last.
            None => self.slots.iter().rposition(|slot| !slot.done),
        };
        if known.is_some() && kind != "response.output_item.added" {
            return known;
        }
        let item_type = match &item {
            Some(item) => item.kind.as_str(),
            None => type_of_event(kind)?,
        };
        self.slots.push(Slot::new(item_type, wire.output_index, id));
        Some(self.slots.len() - 1)
    }

    /// The items up to this one have to wait no longer: their turn is over.
    fn pass_to(&mut self, place: usize, each: &mut Each<'_>) {
        for slot in self.slots.iter_mut().take(place).skip(self.front) {
            slot.close(each);
            slot.left = true;
        }
        if self.front < place {
            self.front = place;
            self.replay(each);
        }
    }

    /// An event of an item whose turn is over. Only its last one may tell something new.
    fn straggler(&mut self, place: usize, kind: &str, wire: &wire::event::Event<'_>) {
        let Some(slot) = self.slots.get_mut(place) else { return };
        if let ("response.output_item.done", true, Some(raw)) = (kind, slot.left, wire.item) {
            slot.done = true;
            slot.left = false;
            // Thoughts were said; their proof was not.
            self.late.push(raw.get().to_owned());
        }
    }

    /// An item whose turn was over before its last event, which never came: the response tells the rest.
    fn recall(&mut self, place: usize, raw: Option<&RawValue>) {
        let Some(slot) = self.slots.get_mut(place).filter(|slot| slot.left) else { return };
        slot.left = false;
        self.late.extend(raw.map(|raw| raw.get().to_owned()));
    }

    /// Goes on to the next items whose events are all here.
    fn advance(&mut self, each: &mut Each<'_>) {
        while self.slots.get(self.front).is_some_and(|slot| slot.done) {
            self.front += 1;
            self.say_late(each);
            self.replay(each);
        }
    }

    /// Reads the events that came before the item's turn.
    fn replay(&mut self, each: &mut Each<'_>) {
        let Some(slot) = self.slots.get_mut(self.front) else { return };
        for (kind, data) in std::mem::take(&mut slot.queue) {
            if let Ok(wire) = serde_json::from_str::<wire::event::Event<'_>>(&data) {
                self.apply(&kind, &wire, each);
            }
        }
    }

    /// One event of the item whose turn it is. What comes after its last one says nothing.
    fn apply(&mut self, kind: &str, wire: &wire::event::Event<'_>, each: &mut Each<'_>) {
        if self.slots.get(self.front).is_none_or(|slot| slot.done) {
            return;
        }
        match (kind, wire.item) {
            ("response.output_item.added", Some(raw)) => return self.begin_item(raw, each),
            ("response.output_item.done", Some(raw)) => return self.end_item(raw, each),
            _ => {}
        }
        if let Some(slot) = self.slots.get_mut(self.front) {
            slot.apply(kind, wire, each);
        }
    }

    fn begin_item(&mut self, raw: &RawValue, each: &mut Each<'_>) {
        let Ok(item) = serde_json::from_str::<Item<'_>>(raw.get()) else { return };
        let Some(slot) = self.slots.get_mut(self.front) else { return };
        if let State::Call(call) = &mut slot.state {
            self.said.calls = true;
            let mut reader = Reader::with_made(origin(&self.issuer, &self.id), self.made);
            call.begin(&item, |id| reader.call_id(id), each);
            self.made = reader.made();
        }
    }

    /// The item whose turn it is has come to its end.
    fn end_item(&mut self, raw: &RawValue, each: &mut Each<'_>) {
        let Ok(item) = serde_json::from_str::<Item<'_>>(raw.get()) else { return };
        self.complete_item(item, Some(raw), each);
    }

    /// Says what of the whole item has not been said yet, and closes it.
    fn complete_item(&mut self, mut item: Item<'_>, raw: Option<&RawValue>, each: &mut Each<'_>) {
        let Some(slot) = self.slots.get_mut(self.front) else { return };
        slot.done = true;
        let mut reader = Reader::with_made(origin(&self.issuer, &self.id), self.made);
        match &mut slot.state {
            State::Message(message) => {
                message.finish(item.content, each);
                self.said.refusal |= message.refuses;
            }
            State::Thoughts(thoughts) => {
                let sealed = std::mem::take(&mut item.encrypted_content);
                let seal = reader.seal(item.id.0.clone().unwrap_or_default(), sealed.into_text());
                thoughts.finish(item, seal, each);
            }
            State::Call(call) => {
                self.said.calls = true;
                let whole = call.arguments(&item);
                let name = std::mem::take(&mut item.name);
                item.name.0 = Some(read::named(name.into_text()));
                call.begin(&item, |id| reader.call_id(id), each);
                call.complete(&whole, each);
            }
            State::Whole => {
                let mut blocks = Vec::new();
                reader.blocks(item, raw, &mut blocks);
                self.said.calls |= parse::has_calls(&blocks);
                for block in blocks {
                    say(block, each);
                }
            }
        }
        slot.close(each);
        self.made = reader.made();
    }
}

fn origin<'o>(issuer: &'o str, id: &'o str) -> Origin<'o> {
    Origin { issuer, id }
}

/// The type of the item that an event must belong to; `None` for one that tells nothing.
fn type_of_event(kind: &str) -> Option<&'static str> {
    let kind = kind.strip_prefix("response.")?;
    if kind.starts_with("output_text.") || kind.starts_with("refusal.") {
        Some("message")
    } else if kind.starts_with("reasoning") {
        Some("reasoning")
    } else if kind.starts_with("function_call_arguments.") {
        Some("function_call")
    } else if kind.starts_with("custom_tool_call_input.") {
        Some("custom_tool_call")
    } else {
        None
    }
}
