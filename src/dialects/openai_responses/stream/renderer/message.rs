//! Messages of a client's stream, part by part.

use std::borrow::Cow;

use super::{Message, Open, Part, Renderer, added};
use crate::dialects::openai_responses::response::write::{annotation, logprob};
use crate::dialects::openai_responses::stream::members::Members;
use crate::dialects::openai_responses::wire;
use crate::ir::response::{Citation, CitationSource, Logprob};
use wire::output::{Annotation, Content, Item};

impl Renderer {
    pub(super) fn begin_part(&mut self, refusal: bool, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Message(_)) {
            self.settle("completed", out);
            let id = self.items.id("msg");
            self.open = Open::Message(Message { id, parts: Vec::new(), part: Part::Closed });
        }
        if let Open::Message(message) = &mut self.open {
            message.part = Part::Awaited { refusal };
        }
    }

    /// Begins the message and its part, unless they are begun.
    pub(super) fn ensure_part(&mut self, out: &mut Vec<u8>) {
        let index = self.items.count;
        let Open::Message(message) = &mut self.open else { return };
        let Part::Awaited { refusal } = message.part else { return };
        if message.parts.is_empty() {
            let (id, status, role) = (message.id.as_str(), "in_progress", "assistant");
            added(
                &Item::Message { id, status, role, content: &[] },
                index,
                &mut self.sequence,
                out,
            );
        }
        let part = if refusal {
            self.refused = true;
            Content::Refusal { refusal: Cow::Borrowed("") }
        } else {
            let (annotations, logprobs) = (Vec::new(), Vec::new());
            Content::OutputText { annotations, logprobs, text: Cow::Borrowed("") }
        };
        Members::begin("response.content_part.added", &mut self.sequence, out)
            .json("item_id", &message.id)
            .json("output_index", &index)
            .json("content_index", &message.parts.len())
            .json("part", &part)
            .end();
        message.parts.push(part);
        message.part = Part::Begun { chars: 0, sources: Vec::new() };
    }

    /// An event of the part that is being written.
    pub(super) fn part_event<'o>(
        &mut self,
        name: &str,
        out: &'o mut Vec<u8>,
    ) -> Option<Members<'o>> {
        let Open::Message(message) = &self.open else { return None };
        let content_index = message.parts.len().saturating_sub(1);
        let event = Members::begin(name, &mut self.sequence, out)
            .json("item_id", &message.id)
            .json("output_index", &self.items.count)
            .json("content_index", &content_index);
        Some(event)
    }

    pub(super) fn say(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.ensure_part(out);
        let Open::Message(message) = &mut self.open else { return };
        if let Part::Begun { chars, .. } = &mut message.part {
            *chars += text.chars().count() as u64;
        }
        match message.parts.last_mut() {
            Some(Content::OutputText { text: said, .. }) => {
                said.to_mut().push_str(text);
                let Some(event) = self.part_event("response.output_text.delta", out) else {
                    return;
                };
                event
                    .json("delta", text)
                    .with("logprobs", |out| out.extend_from_slice(b"[]"))
                    .end();
            }
            Some(Content::Refusal { refusal }) => {
                refusal.to_mut().push_str(text);
                let Some(event) = self.part_event("response.refusal.delta", out) else { return };
                event.json("delta", text).end();
            }
            None => {}
        }
    }

    pub(super) fn cite(&mut self, citation: &Citation<'_>, out: &mut Vec<u8>) {
        let CitationSource::Url(url) = &citation.source else {
            self.losses.drop("citations");
            return;
        };
        self.ensure_part(out);
        let url = Cow::Owned(url.as_ref().to_owned());
        let title = Cow::Owned(citation.title.as_deref().unwrap_or_default().to_owned());
        if let Some(span) = citation.span {
            self.annotate(&annotation(url, title, span), out);
            return;
        }
        // It supports the whole text, whose length is known at its end.
        let Open::Message(message) = &mut self.open else { return };
        if let Part::Begun { sources, .. } = &mut message.part {
            sources.push(annotation(url, title, (0, 0)));
        }
    }

    pub(super) fn annotate(&mut self, annotation: &Annotation<'static>, out: &mut Vec<u8>) {
        let Open::Message(message) = &mut self.open else { return };
        let Some(Content::OutputText { annotations, .. }) = message.parts.last_mut() else {
            return;
        };
        let index = annotations.len();
        annotations.push(annotation.clone());
        let name = "response.output_text.annotation.added";
        let Some(event) = self.part_event(name, out) else { return };
        event.json("annotation_index", &index).json("annotation", annotation).end();
    }

    /// The text that they belong to is said already: they come with an empty piece of text.
    pub(super) fn logprobs(&mut self, logprobs: &[Logprob], out: &mut Vec<u8>) {
        self.ensure_part(out);
        let new: Vec<wire::output::Logprob> = logprobs.iter().map(logprob).collect();
        let Open::Message(message) = &mut self.open else { return };
        let Some(Content::OutputText { logprobs, .. }) = message.parts.last_mut() else { return };
        logprobs.extend(new.iter().cloned());
        let Some(event) = self.part_event("response.output_text.delta", out) else { return };
        event.json("delta", "").json("logprobs", &new).end();
    }

    pub(super) fn end_part(&mut self, out: &mut Vec<u8>) {
        let Open::Message(message) = &mut self.open else { return };
        let Part::Begun { chars, sources } = std::mem::replace(&mut message.part, Part::Closed)
        else {
            return;
        };
        for source in sources {
            self.annotate(&Annotation { end_index: chars, ..source }, out);
        }
        let Open::Message(message) = &self.open else { return };
        let Some(part) = message.parts.last().cloned() else { return };
        match &part {
            Content::OutputText { text, logprobs, .. } => {
                let Some(event) = self.part_event("response.output_text.done", out) else { return };
                event.json("text", text).json("logprobs", logprobs).end();
            }
            Content::Refusal { refusal } => {
                let Some(event) = self.part_event("response.refusal.done", out) else { return };
                event.json("refusal", refusal).end();
            }
        }
        if let Some(event) = self.part_event("response.content_part.done", out) {
            event.json("part", &part).end();
        }
    }
}
