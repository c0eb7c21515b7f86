//! Thoughts of a client's stream, and the proofs that calls need back.

use super::{Open, Renderer, Thoughts, added, done, whole};
use crate::dialects::openai_responses::wire::output::{Item, Summary};
use crate::ir::seal::Seal;

impl Renderer {
    pub(super) fn think(&mut self, text: &str, out: &mut Vec<u8>) {
        let index = self.items.count;
        let Open::Thoughts(thoughts) = &mut self.open else { return };
        if text.is_empty() {
            return;
        }
        let id = thoughts.id.clone();
        let first = thoughts.text.is_empty();
        thoughts.text.push_str(text);
        if first {
            let item = Item::Reasoning { id: &id, summary: &[], encrypted_content: None };
            added(&item, index, &mut self.sequence, out);
            self.item_event("response.reasoning_summary_part.added", &id, out)
                .json("summary_index", &0)
                .json("part", &Summary::SummaryText { text: "" })
                .end();
        }
        self.item_event("response.reasoning_summary_text.delta", &id, out)
            .json("summary_index", &0)
            .json("delta", text)
            .end();
    }

    pub(super) fn end_thoughts(&mut self, thoughts: &Thoughts, out: &mut Vec<u8>) {
        let Thoughts { id, text, seal } = thoughts;
        if !text.is_empty() {
            self.item_event("response.reasoning_summary_text.done", id, out)
                .json("summary_index", &0)
                .json("text", text)
                .end();
            self.item_event("response.reasoning_summary_part.done", id, out)
                .json("summary_index", &0)
                .json("part", &Summary::SummaryText { text })
                .end();
        } else if seal.is_some() {
            let encrypted_content = seal.as_deref();
            let item = Item::Reasoning { id, summary: &[], encrypted_content };
            added(&item, self.items.count, &mut self.sequence, out);
        } else {
            return;
        }
        let index = self.items.count;
        let item = self.items.push_reasoning(id, text, seal.as_deref());
        done(item, index, &mut self.sequence, out);
    }

    /// What a provider needs back with a call: an item of its own.
    pub(super) fn call_seal(&mut self, seal: &Seal<'_>, call_id: &str, out: &mut Vec<u8>) {
        let index = self.items.count;
        let (_, item) = self.items.push_call_seal(seal, call_id);
        whole(item, index, &mut self.sequence, out);
    }
}
