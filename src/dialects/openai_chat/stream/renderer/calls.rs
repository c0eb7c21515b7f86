//! Calls of tools in a client's chunks.

use std::borrow::Cow;

use crate::dialects::openai_chat::response::render::CallForm;
use crate::dialects::openai_chat::wire::json::Object;
use crate::ir::event::Opening;
use crate::ir::request::CallKind;
use crate::ir::seal::{self, Seal, SealKind};

use super::{Content, Open, Renderer};

/// The call that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    index: u32,
    /// Told as a custom tool's.
    custom: bool,
    /// Free text, told as a function's arguments.
    wrapped: bool,
    /// Nothing of its arguments was told.
    empty: bool,
}

/// A piece of a call.
#[derive(Clone, Copy)]
enum Piece<'p> {
    Head { id: &'p str, name: &'p str },
    Arguments(&'p str),
    Signature(&'p str),
}

impl Renderer {
    /// Begins a call. Its id carries the seals, its own and those of the thinking before it.
    pub(super) fn begin_call(&mut self, block: &Opening<'_>, out: &mut Vec<u8>) -> Open {
        let Opening::ToolCall { id, name, kind, seal, .. } = block else { return Open::Silent };
        let wrapped = self.form.wraps(*kind);
        let custom = *kind == CallKind::Custom && !wrapped;
        let speaker = self.speaker(self.speaker);
        let index = speaker.calls;
        speaker.calls += 1;
        let mut seals = std::mem::take(&mut speaker.seals);
        seals.extend(seal.iter().cloned().map(Seal::into_owned));
        let call = Call { index, custom, wrapped, empty: true };
        if self.form == CallForm::Legacy && index > 0 {
            // There is room for one.
            self.losses.drop("tool_calls");
            return Open::Silent;
        }
        self.put(call, Piece::Head { id: &seal::wrap_id(id, &seals), name }, out);
        Open::Call(call)
    }

    /// Goes on with the call that is open.
    pub(super) fn arguments(&mut self, text: &str, out: &mut Vec<u8>) {
        let Open::Call(call) = self.open else { return };
        if text.is_empty() {
            return;
        }
        self.open = Open::Call(Call { empty: false, ..call });
        let text = match call {
            Call { wrapped: false, .. } => Cow::Borrowed(text),
            Call { empty: true, .. } => format!("{WRAP}{}", escaped(text)).into(),
            Call { empty: false, .. } => escaped(text).into(),
        };
        self.put(call, Piece::Arguments(&text), out);
    }

    /// A call's own seal, where its id is out already: it goes where Google puts it.
    pub(super) fn late_seal(&mut self, call: Call, seal: &Seal<'_>, out: &mut Vec<u8>) {
        if seal.kind == SealKind::Call && self.form != CallForm::Legacy {
            let packed = seal::to_text(std::slice::from_ref(seal));
            self.put(call, Piece::Signature(&packed), out);
        }
    }

    /// Completes what was told of a call's arguments.
    pub(super) fn end_call(&mut self, call: Call, out: &mut Vec<u8>) {
        let rest = match call {
            Call { wrapped: true, empty: true, .. } => "{\"input\":\"\"}",
            Call { wrapped: true, empty: false, .. } => "\"}",
            // No arguments are an empty object.
            Call { custom: false, empty: true, .. } => "{}",
            Call { .. } => return,
        };
        self.put(call, Piece::Arguments(rest), out);
    }

    fn put(&mut self, call: Call, piece: Piece<'_>, out: &mut Vec<u8>) {
        let legacy = self.form == CallForm::Legacy;
        self.chunk(Content::None, out, |delta| {
            if legacy {
                put_tool(call, piece, delta.object("function_call"));
                return;
            }
            let mut calls = delta.list("tool_calls");
            let mut object = calls.object();
            object.put("index", &call.index);
            match piece {
                Piece::Head { id, .. } => {
                    object.put("id", id);
                    object.put("type", call.word());
                    put_tool(call, piece, object.object(call.word()));
                }
                Piece::Arguments(_) => put_tool(call, piece, object.object(call.word())),
                Piece::Signature(signature) => {
                    let mut extra = object.object("extra_content");
                    let mut google = extra.object("google");
                    google.put("thought_signature", signature);
                    google.end();
                    extra.end();
                }
            }
            object.end();
            calls.end();
        });
        self.end_choice(out);
    }
}

/// The tool's own object in a call.
fn put_tool(call: Call, piece: Piece<'_>, mut object: Object<'_>) {
    match piece {
        Piece::Head { name, .. } => {
            object.put("name", name);
            object.put(call.key(), "");
        }
        Piece::Arguments(text) => object.put(call.key(), text),
        Piece::Signature(_) => {}
    }
    object.end();
}

/// What free text is put into for a client that knows functions alone.
const WRAP: &str = "{\"input\":\"";

/// A text as it stands inside a JSON string.
fn escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}

impl Call {
    /// Its type, which is also the key of its tool's own object.
    const fn word(self) -> &'static str {
        if self.custom { "custom" } else { "function" }
    }

    /// The key of what it is called with.
    const fn key(self) -> &'static str {
        if self.custom { "input" } else { "arguments" }
    }
}
