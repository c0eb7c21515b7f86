//! The events of the neutral form → a client's stream.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::dialects::Asked;
use crate::dialects::anthropic::wire::write::{self, Block, Item};
use crate::dialects::anthropic::{error, hosted_name, input_object, is_own, legal_id, response};
use crate::dialects::tools::wrap_input;
use crate::ir::event::{Delta, Event, Opening};
use crate::ir::losses::Losses;
use crate::ir::request::CallKind;
use crate::ir::response::{Citation, Finish};
use crate::ir::seal::{self, Seal};
use crate::json;
use crate::sse;

/// Writes a client's stream.
#[derive(Debug)]
pub struct Renderer {
    asked: Asked,
    losses: Losses,
    open: Open,
    /// The index of the next block.
    index: u64,
    /// The ids of the calls so far.
    ids: Vec<String>,
    finish: Option<Finish>,
    ended: bool,
}

/// The block that is open. Its start is written with the first of what it holds: empty blocks cannot be sent back.
#[derive(Debug)]
enum Open {
    Nothing,
    Text {
        written: bool,
    },
    Thinking {
        written: bool,
        proof: Option<String>,
    },
    Call {
        arguments: Arguments,
    },
    /// A block that the dialect has no form for, or that is written whole.
    Skipped,
}

/// The arguments of the open call: they must add up to a JSON object.
#[derive(Debug)]
enum Arguments {
    /// Nothing but white space yet.
    Blank,
    /// An object: it is passed on as it comes.
    Object,
    /// Anything else, kept until it is whole.
    Odd { kind: CallKind, text: String },
}

const EMPTY_TEXT: Item<'static> = Item::Block(Block::Text { text: "", citations: Vec::new() });

impl Renderer {
    /// A renderer at the start of a stream.
    pub fn new(asked: Asked) -> Self {
        Self {
            asked,
            losses: Losses::default(),
            open: Open::Nothing,
            index: 0,
            ids: Vec::new(),
            finish: None,
            ended: false,
        }
    }

    /// Says one step of the answer.
    pub fn push(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { id, usage, .. } => {
                let usage =
                    usage.map(|usage| crate::ir::usage::Usage { output: 0, reasoning: 0, ..usage });
                let message = response::start(id, &self.asked, usage);
                say(&write::Event::MessageStart { message }, out);
            }
            // One answer is all that the dialect can say.
            Event::Open { candidate: 1.., .. } => {
                self.losses.drop("n");
                self.open = Open::Skipped;
            }
            Event::Open { candidate: 0, block } => self.begin(block, out),
            Event::Delta(delta) => self.delta(delta, out),
            Event::Close => self.close(out),
            Event::Finish { candidate: 0, reason } => self.finish = Some(*reason),
            Event::Finish { candidate: 1.., .. } => self.losses.drop("n"),
            Event::End { usage } => {
                self.ended = true;
                let reason = self.finish.unwrap_or(Finish::Stop);
                let stop_reason = response::stop_reason(reason, !self.ids.is_empty());
                let delta = write::MessageDelta { stop_reason, stop_sequence: None };
                let usage = response::spent(*usage);
                say(&write::Event::MessageDelta { delta, usage }, out);
                close(out);
            }
            Event::Fail(failure) => {
                self.ended = true;
                error::event(failure, out);
            }
        }
    }

    /// What it had no words for so far.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    fn begin(&mut self, block: &Opening<'_>, out: &mut Vec<u8>) {
        self.open = match block {
            Opening::Text | Opening::Refusal => Open::Text { written: false },
            Opening::Reasoning => Open::Thinking { written: false, proof: None },
            Opening::ToolCall { id, name, kind, seal, .. } => {
                if let Some(seal) = seal {
                    self.proof(&packed(seal), out);
                }
                let id = response::unique(&legal_id(id), &mut self.ids);
                let input = input_object("").unwrap_or_default();
                self.start(&Item::Block(Block::ToolUse { id: Cow::Owned(id), name, input }), out);
                let odd = Arguments::Odd { kind: *kind, text: String::new() };
                let is_custom = *kind == CallKind::Custom;
                Open::Call { arguments: if is_custom { odd } else { Arguments::Blank } }
            }
            Opening::Image { .. } => {
                self.losses.drop("image");
                Open::Skipped
            }
            Opening::Audio { transcript, .. } => {
                self.losses.drop("audio");
                if let Some(text) = transcript.as_deref().filter(|text| !text.is_empty()) {
                    self.open = Open::Text { written: false };
                    self.text(text, out);
                    self.close(out);
                }
                Open::Skipped
            }
            Opening::Hosted(item) if is_own(&item.name) => {
                self.start(&Item::Raw(&in_one_line(&item.raw)), out);
                self.stop(out);
                Open::Skipped
            }
            Opening::Hosted(item) => {
                self.losses.drop(hosted_name(item.tool));
                Open::Skipped
            }
        };
    }

    fn delta(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(text) => self.text(text, out),
            Delta::Arguments(piece) => self.arguments(piece, out),
            Delta::Citation(citation) => self.citation(citation, out),
            Delta::Logprobs(_) => self.losses.drop("logprobs"),
            Delta::Seal(seal) => match &mut self.open {
                Open::Thinking { proof, .. } => *proof = Some(packed(seal)),
                // A call's proof stands before it, and it has begun.
                Open::Call { .. } => self.losses.drop("signature"),
                Open::Nothing | Open::Text { .. } | Open::Skipped => {}
            },
        }
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        match &mut self.open {
            Open::Text { written } => {
                if !std::mem::replace(written, true) {
                    self.start(&EMPTY_TEXT, out);
                }
                self.more(write::Delta::Text { text }, out);
            }
            Open::Thinking { written, .. } => {
                if !std::mem::replace(written, true) {
                    let signature = Cow::Borrowed("");
                    self.start(&Item::Block(Block::Thinking { thinking: "", signature }), out);
                }
                self.more(write::Delta::Thinking { thinking: text }, out);
            }
            Open::Nothing | Open::Call { .. } | Open::Skipped => {}
        }
    }

    fn citation(&mut self, citation: &Citation<'_>, out: &mut Vec<u8>) {
        let Open::Text { written } = &mut self.open else { return };
        let Some(citation) = response::cited(citation, &mut self.losses) else { return };
        if !std::mem::replace(written, true) {
            self.start(&EMPTY_TEXT, out);
        }
        self.more(write::Delta::Citations { citation }, out);
    }

    fn arguments(&mut self, piece: &str, out: &mut Vec<u8>) {
        let Open::Call { arguments } = &mut self.open else { return };
        if let Arguments::Blank = arguments
            && let Some(first) = piece.trim_start().chars().next()
        {
            let text = String::new();
            let odd = Arguments::Odd { kind: CallKind::Function, text };
            *arguments = if first == '{' { Arguments::Object } else { odd };
        }
        match arguments {
            Arguments::Blank => {}
            Arguments::Object if piece.is_empty() => {}
            Arguments::Object => {
                self.more(write::Delta::InputJson { partial_json: piece }, out);
            }
            Arguments::Odd { text, .. } => text.push_str(piece),
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Text { written: true } => self.stop(out),
            Open::Thinking { written: true, proof } => {
                if let Some(signature) = &proof {
                    self.more(write::Delta::Signature { signature }, out);
                }
                self.stop(out);
            }
            // Nothing readable: only the proof is kept.
            Open::Thinking { written: false, proof: Some(proof) } => self.proof(&proof, out),
            Open::Call { arguments } => {
                if let Arguments::Odd { kind, text } = arguments {
                    let is_empty = kind == CallKind::Function && input_object(&text).is_some();
                    if !is_empty {
                        let partial_json = &wrap_input(&text);
                        self.more(write::Delta::InputJson { partial_json }, out);
                    }
                }
                self.stop(out);
            }
            Open::Nothing
            | Open::Text { written: false }
            | Open::Thinking { written: false, proof: None }
            | Open::Skipped => {}
        }
    }

    /// A block that holds a proof alone.
    fn proof(&mut self, proof: &str, out: &mut Vec<u8>) {
        let data = Cow::Borrowed(proof);
        self.start(&Item::Block(Block::RedactedThinking { data }), out);
        self.stop(out);
    }

    fn start(&self, content_block: &Item<'_>, out: &mut Vec<u8>) {
        say(&write::Event::ContentBlockStart { index: self.index, content_block }, out);
    }

    fn more(&self, delta: write::Delta<'_>, out: &mut Vec<u8>) {
        say(&write::Event::ContentBlockDelta { index: self.index, delta }, out);
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        say(&write::Event::ContentBlockStop { index: self.index }, out);
        self.index += 1;
    }
}

/// An event's data is one line, and white space between JSON's tokens may be any; inside its strings there are no line ends.
fn in_one_line(raw: &RawValue) -> Cow<'_, RawValue> {
    if memchr::memchr2(b'\n', b'\r', raw.get().as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let line = raw.get().replace(['\n', '\r'], " ");
    RawValue::from_string(line).map_or(Cow::Borrowed(raw), Cow::Owned)
}

fn packed(seal: &Seal<'_>) -> String {
    seal::to_text(std::slice::from_ref(seal))
}

/// Writes the last event of a stream that came to its end.
pub fn close(out: &mut Vec<u8>) {
    say(&write::Event::MessageStop {}, out);
}

fn say(event: &write::Event<'_>, out: &mut Vec<u8>) {
    sse::begin(out, Some(event.name()));
    // Writing to memory cannot fail.
    let _ = json::write::value(event, out);
    sse::end(out);
}
