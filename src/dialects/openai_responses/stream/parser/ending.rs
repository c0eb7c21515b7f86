//! The end of an account's stream: whatever no event told is told by the last one.

use serde_json::value::RawValue;

use super::{Parser, Phase, origin};
use crate::dialects::openai_responses::response::parse;
use crate::dialects::openai_responses::response::read::Reader;
use crate::dialects::openai_responses::stream::slot::Each;
use crate::dialects::openai_responses::wire;
use crate::ir::error::{Error, ErrorKind};
use crate::ir::event::{Delta, Event, Opening};
use crate::ir::request::ToolCall;
use crate::ir::response::Block;
use wire::item::Item;

impl Parser {
    /// Items that came to their end after their turn.
    pub(super) fn say_late(&mut self, each: &mut Each<'_>) {
        for data in std::mem::take(&mut self.late) {
            let Ok(raw) = serde_json::from_str::<&RawValue>(&data) else { continue };
            let Ok(mut item) = serde_json::from_str::<Item<'_>>(&data) else { continue };
            if item.kind.as_str() == "reasoning" {
                item.summary = wire::item::Content::None;
                item.content = wire::item::Content::None;
            }
            self.say_item(item, Some(raw), each);
        }
    }

    /// An item that no event spoke of before.
    pub(super) fn say_item(&mut self, item: Item<'_>, raw: Option<&RawValue>, each: &mut Each<'_>) {
        let mut reader = Reader::with_made(origin(&self.issuer, &self.id), self.made);
        let mut blocks = Vec::new();
        reader.blocks(item, raw, &mut blocks);
        self.made = reader.made();
        self.said.calls |= parse::has_calls(&blocks);
        self.said.refusal |= parse::has_refusal(&blocks);
        for block in blocks {
            say(block, each);
        }
    }

    /// The response's own last event: it repeats every item, so that what no event told is told by it.
    pub(super) fn end(&mut self, response: Option<&RawValue>, each: &mut Each<'_>) {
        let Some(raw) = response else {
            let message = "the provider's last event holds no response";
            return self.fail(Error::new(ErrorKind::Internal, message), each);
        };
        let mut wire: wire::response::Response<'_> = match serde_json::from_str(raw.get()) {
            Ok(wire) => wire,
            Err(error) => {
                let message = format!("the provider's last event cannot be read: {error}");
                return self.fail(Error::new(ErrorKind::Internal, message), each);
            }
        };
        self.start(Some(raw), each);
        if let Some(error) = parse::failure(&wire) {
            return self.fail(error, each);
        }
        let raws = serde_json::from_str::<wire::response::RawOutput<'_>>(raw.get());
        let raws = raws.map(|raws| raws.output).unwrap_or_default();
        self.settle(wire.output.take().unwrap_or_default(), &raws, each);
        each(&Event::Finish {
            candidate: 0,
            reason: parse::finish(&wire, self.said.calls, self.said.refusal),
        });
        each(&Event::End { usage: wire.usage.map(|usage| parse::usage(&usage)) });
        self.phase = Phase::After;
    }

    /// Ends every item that is still open, and says those that were never spoken of. Ids and indexes differ between a
    /// provider's events and its last one (GitHub Copilot), so items are matched by their type and order.
    pub(super) fn settle(
        &mut self,
        output: Vec<Item<'_>>,
        raws: &[&RawValue],
        each: &mut Each<'_>,
    ) {
        let mut last: Vec<Option<(Item<'_>, usize)>> = self.slots.iter().map(|_| None).collect();
        let mut unknown = Vec::new();
        for (index, item) in output.into_iter().enumerate() {
            let free = self
                .slots
                .iter()
                .zip(&mut last)
                .find(|(slot, taken)| taken.is_none() && slot.kind == item.kind.as_str());
            match free {
                Some((_, place)) => *place = Some((item, index)),
                None => unknown.push((item, index)),
            }
        }
        for (place, item) in last.into_iter().enumerate() {
            if place < self.front {
                self.recall(place, item.and_then(|(_, index)| raws.get(index).copied()));
                continue;
            }
            self.front = place;
            self.replay(each);
            let done = self.slots.get(place).is_some_and(|slot| slot.done);
            match item {
                Some((item, index)) if !done => {
                    self.complete_item(item, raws.get(index).copied(), each);
                }
                _ => {
                    if let Some(slot) = self.slots.get_mut(place) {
                        slot.close(each);
                    }
                }
            }
            self.say_late(each);
        }
        self.front = self.slots.len();
        self.say_late(each);
        for (item, index) in unknown {
            self.say_item(item, raws.get(index).copied(), each);
        }
    }
}

/// A whole block, step by step.
pub(super) fn say(block: Block<'_>, each: &mut Each<'_>) {
    let mut open = |block| each(&Event::Open { candidate: 0, block });
    match block {
        Block::Text { text, citations, logprobs } => {
            open(Opening::Text);
            each(&Event::Delta(Delta::Text(text)));
            for citation in citations {
                each(&Event::Delta(Delta::Citation(citation)));
            }
            if !logprobs.is_empty() {
                each(&Event::Delta(Delta::Logprobs(logprobs)));
            }
        }
        Block::Refusal(text) => {
            open(Opening::Refusal);
            each(&Event::Delta(Delta::Text(text)));
        }
        Block::Reasoning { text, seal } => {
            open(Opening::Reasoning);
            if !text.is_empty() {
                each(&Event::Delta(Delta::Text(text)));
            }
            if let Some(seal) = seal {
                each(&Event::Delta(Delta::Seal(seal)));
            }
        }
        Block::ToolCall(ToolCall { id, name, namespace, arguments, kind, seal }) => {
            open(Opening::ToolCall { id, name, namespace, kind, seal });
            if !arguments.is_empty() {
                each(&Event::Delta(Delta::Arguments(arguments)));
            }
        }
        Block::Image { mime, data } => open(Opening::Image { mime, data }),
        Block::Audio { mime, data, transcript } => open(Opening::Audio { mime, data, transcript }),
        Block::Hosted(item) => open(Opening::Hosted(item)),
    }
    each(&Event::Close);
}
