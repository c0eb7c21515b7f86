//! Events → a client's chunks.

mod calls;

use std::collections::BTreeMap;

use crate::dialects::Asked;
use crate::dialects::openai_chat::error;
use crate::dialects::openai_chat::response::render::{
    CallForm, Joint, Told, annotation, finish_reason, id_of, put_logprobs, put_usage,
};
use crate::dialects::openai_chat::wire::json::{Object, write};
use crate::ir::event::{Delta, Event, Opening};
use crate::ir::losses::Losses;
use crate::ir::response::{Citation, Finish, Logprob};
use crate::ir::seal::Seal;
use crate::ir::usage::Usage;
use crate::sse;

use calls::Call;

/// Writes a client's stream.
#[derive(Debug)]
pub struct Renderer {
    asked: Asked,
    form: CallForm,
    /// What every chunk begins with, up to its choices.
    head: Vec<u8>,
    speakers: BTreeMap<u32, Speaker>,
    open: Open,
    /// Whose block is open.
    speaker: u32,
    usage: Option<Usage>,
    over: bool,
    losses: Losses,
}

/// What was said of one candidate so far.
#[derive(Debug, Default)]
struct Speaker {
    /// Its role was said.
    begun: bool,
    calls: u32,
    citations: u64,
    refused: bool,
    /// Seals of thinking, for the id of the next call.
    seals: Vec<Seal<'static>>,
    text: Joint,
    thinking: Joint,
    /// The last block was a text.
    after_text: bool,
}

/// The block that is open.
#[derive(Clone, Copy, Debug)]
enum Open {
    Text,
    Refusal,
    Reasoning,
    Call(Call),
    /// Nothing, or a block that is not told.
    Silent,
}

impl Renderer {
    /// A renderer at the start of a stream.
    pub fn new(asked: Asked) -> Self {
        Self {
            form: CallForm::of(&asked),
            asked,
            head: Vec::new(),
            speakers: BTreeMap::new(),
            open: Open::Silent,
            speaker: 0,
            usage: None,
            over: false,
            losses: Losses::default(),
        }
    }

    /// What it had no words for so far.
    pub const fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Says one step of the answer.
    pub fn push(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            Event::Start { id, created, usage, .. } => {
                self.start(id, *created);
                self.usage = *usage;
            }
            Event::Open { candidate, block } => self.open(*candidate, block, out),
            Event::Delta(delta) => self.delta(delta, out),
            Event::Close => self.close(out),
            Event::Finish { candidate, reason } => self.finish(*candidate, *reason, out),
            Event::End { usage } => self.end(usage.or(self.usage), out),
            Event::Fail(error) => {
                error::render_event(error, &self.asked, 0, out);
                self.over = true;
            }
        }
    }

    fn start(&mut self, id: &str, created: Option<u64>) {
        let mut object = Object::begin(&mut self.head);
        object.put("id", &id_of(id, &self.asked));
        object.put("object", "chat.completion.chunk");
        object.put("created", &created.unwrap_or(self.asked.created));
        object.put("model", &self.asked.model);
    }

    fn speaker(&mut self, candidate: u32) -> &mut Speaker {
        self.speakers.entry(candidate).or_default()
    }

    /// Writes a chunk: a delta of the speaker's, what stands beside it in the choice, and its end.
    fn chunk(&mut self, content: Content, out: &mut Vec<u8>, delta: impl FnOnce(&mut Object<'_>)) {
        let first = !std::mem::replace(&mut self.speaker(self.speaker).begun, true);
        self.begin_choice(out);
        let mut object = Object::begin(out);
        if first {
            object.put("role", "assistant");
            match content {
                Content::Said => {}
                Content::None => object.put("content", &()),
                Content::Empty => object.put("content", ""),
            }
        }
        delta(&mut object);
        object.end();
    }

    fn begin_choice(&mut self, out: &mut Vec<u8>) {
        if self.head.is_empty() {
            self.start("", None);
        }
        sse::begin(out, None);
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b",\"choices\":[{\"index\":");
        write(out, &self.speaker);
        out.extend_from_slice(b",\"delta\":");
    }

    fn end_choice(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"finish_reason\":null");
        self.end_chunk(out);
    }

    fn end_chunk(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"}]");
        if self.asked.reply.include_usage {
            out.extend_from_slice(b",\"usage\":null");
        }
        out.push(b'}');
        sse::end(out);
    }

    fn open(&mut self, candidate: u32, block: &Opening<'_>, out: &mut Vec<u8>) {
        self.speaker = candidate;
        let speaker = self.speaker(candidate);
        if !std::mem::replace(&mut speaker.after_text, matches!(block, Opening::Text)) {
            speaker.text.part();
        }
        self.open = match block {
            Opening::Text => {
                speaker.text.begin();
                Open::Text
            }
            Opening::Refusal => {
                speaker.refused = true;
                Open::Refusal
            }
            Opening::Reasoning => {
                speaker.thinking.part();
                Open::Reasoning
            }
            Opening::ToolCall { .. } => self.begin_call(block, out),
            Opening::Image { .. } => {
                self.losses.drop("images");
                Open::Silent
            }
            Opening::Audio { .. } => {
                self.losses.drop("audio");
                Open::Silent
            }
            Opening::Hosted(item) => {
                self.losses.drop(item.tool.name());
                Open::Silent
            }
        };
    }

    fn delta(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(text) => self.text(text, out),
            Delta::Arguments(text) => self.arguments(text, out),
            Delta::Citation(citation) => self.citation(citation, out),
            Delta::Logprobs(tokens) => self.logprobs(tokens, out),
            Delta::Seal(seal) => self.seal(seal, out),
        }
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let open = self.open;
        let speaker = self.speaker(self.speaker);
        let (key, joint) = match open {
            Open::Text => ("content", Some(&mut speaker.text)),
            Open::Reasoning => ("reasoning_content", Some(&mut speaker.thinking)),
            Open::Refusal => ("refusal", None),
            Open::Call(_) | Open::Silent => return,
        };
        let between = joint.map_or("", |joint| {
            let between = joint.before(text);
            joint.wrote(text);
            between
        });
        let content = if key == "content" { Content::Said } else { Content::None };
        self.chunk(content, out, |delta| {
            if between.is_empty() {
                delta.put(key, text);
            } else {
                delta.put(key, &format!("{between}{text}"));
            }
        });
        self.end_choice(out);
    }

    fn citation(&mut self, citation: &Citation<'_>, out: &mut Vec<u8>) {
        let span = self.speaker(self.speaker).text.span(citation.span);
        let mut losses = Losses::default();
        let mut list = Vec::new();
        let mut annotations = crate::dialects::openai_chat::wire::json::List::begin(&mut list);
        // OpenAI's own stream helper adds lists up by the `index` of their members, and fails without one.
        let index = self.speaker(self.speaker).citations;
        annotation(citation, span, Some(index), (&mut annotations, &mut losses));
        annotations.end();
        if !losses.is_empty() {
            self.losses.extend(&losses);
            return;
        }
        self.speaker(self.speaker).citations += 1;
        self.chunk(Content::Empty, out, |delta| {
            delta.key("annotations").extend_from_slice(&list);
        });
        self.end_choice(out);
    }

    fn logprobs(&mut self, tokens: &[Logprob], out: &mut Vec<u8>) {
        if tokens.is_empty() {
            return;
        }
        self.chunk(Content::Empty, out, |_| {});
        let mut logprobs = Vec::new();
        let mut object = Object::begin(&mut logprobs);
        put_logprobs(tokens.iter(), &mut object);
        object.end();
        // The member of an object, without its braces.
        out.push(b',');
        out.extend_from_slice(logprobs.get(1..logprobs.len() - 1).unwrap_or_default());
        self.end_choice(out);
    }

    /// A seal of thinking waits for the next call, whose id carries it.
    fn seal(&mut self, seal: &Seal<'_>, out: &mut Vec<u8>) {
        match self.open {
            Open::Reasoning => {
                let seal = seal.clone().into_owned();
                self.speaker(self.speaker).seals.push(seal);
            }
            Open::Call(call) => self.late_seal(call, seal, out),
            Open::Text | Open::Refusal | Open::Silent => {}
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if let Open::Call(call) = self.open {
            self.end_call(call, out);
        }
        self.open = Open::Silent;
    }

    fn finish(&mut self, candidate: u32, reason: Finish, out: &mut Vec<u8>) {
        self.speaker = candidate;
        let legacy = self.form == CallForm::Legacy;
        let speaker = self.speaker(candidate);
        let told = Told { calls: speaker.calls > 0, refused: speaker.refused, legacy };
        self.chunk(Content::Empty, out, |_| {});
        out.extend_from_slice(b",\"finish_reason\":");
        write(out, finish_reason(Some(reason), told));
        self.end_chunk(out);
    }

    fn end(&mut self, usage: Option<Usage>, out: &mut Vec<u8>) {
        if self.asked.reply.include_usage {
            if self.head.is_empty() {
                self.start("", None);
            }
            sse::begin(out, None);
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b",\"choices\":[],");
            let mut object = Vec::new();
            let mut body = Object::begin(&mut object);
            put_usage(usage, &mut body);
            body.end();
            out.extend_from_slice(object.get(1..).unwrap_or_default());
            sse::end(out);
        }
        sse::begin(out, None);
        out.extend_from_slice(b"[DONE]");
        sse::end(out);
        self.over = true;
    }
}

/// What the first chunk of an answer says of its content.
#[derive(Clone, Copy, Debug)]
enum Content {
    /// The delta has it.
    Said,
    /// Null: something else comes first.
    None,
    /// There is none.
    Empty,
}
