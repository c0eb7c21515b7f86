//! The conversation of a request for an account.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::dialects::openai_chat::wire::json::{List, Object};
use crate::dialects::tools::wrap_input;
use crate::ir::losses::{CALL_SIGNATURE, THINKING};
use crate::ir::request::{CallKind, Part, ReasoningPart, Role, ToolCall, ToolResult, Turn};
use crate::ir::seal::{Seal, SealKind};

use super::family::Vendor;
use super::media::{document_text, put_text};
use super::{Scribe, digest};

/// The fields that readable thinking comes and goes in.
const THINKING_FIELDS: [&str; 2] = ["reasoning_content", "reasoning"];

impl Scribe<'_> {
    /// Writes the turns as messages.
    pub(super) fn messages(&mut self, turns: &[Turn<'_>], body: &mut Object<'_>) {
        let mut list = body.list("messages");
        for turn in turns {
            match turn.role {
                Role::System => self.system("system", &turn.parts, &mut list),
                Role::Developer => {
                    // Compatible providers refuse the newer role.
                    let openai = self.family.vendor == Vendor::OpenAi;
                    let role = if openai { "developer" } else { "system" };
                    self.system(role, &turn.parts, &mut list);
                }
                Role::User => self.user(&turn.parts, &mut list),
                Role::Assistant => self.assistant(&turn.parts, &mut list),
                Role::Tool => self.results(&turn.parts, &mut list),
            }
        }
        list.end();
    }

    fn system(&mut self, role: &str, parts: &[Part<'_>], list: &mut List<'_>) {
        if parts.iter().any(is_medium) {
            self.losses.refuse("system", "a system message here can hold text only");
        }
        let text = joined(parts, "\n\n");
        if text.is_empty() {
            return;
        }
        let mut message = list.object();
        message.put("role", role);
        message.put_text("content", &text);
        message.end();
    }

    fn user(&mut self, parts: &[Part<'_>], list: &mut List<'_>) {
        let mut message = list.object();
        message.put("role", "user");
        if parts.iter().any(is_medium) {
            let mut content = message.list("content");
            for part in parts {
                self.part(part, &mut content);
            }
            content.end();
        } else {
            for part in parts {
                self.note_hosted(part);
            }
            message.put_text("content", &joined(parts, "\n\n"));
        }
        message.end();
    }

    /// One part of a user's content.
    fn part(&mut self, part: &Part<'_>, content: &mut List<'_>) {
        match part {
            Part::Text(text) | Part::Refusal(text) => put_text(text, content),
            Part::Image(image) => self.image(image, content),
            Part::File(file) => self.file(file, content),
            Part::Audio(audio) => self.audio(audio, content),
            Part::Video(_) => {
                self.losses.refuse("video", "Chat Completions takes no video");
            }
            Part::Hosted(_) => self.note_hosted(part),
            // They stand in no user's turn.
            Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {}
        }
    }

    fn note_hosted(&mut self, part: &Part<'_>) {
        if let Part::Hosted(item) = part {
            self.losses.drop(item.tool.name());
        }
    }

    /// One message: text and calls of a turn stand side by side.
    fn assistant(&mut self, parts: &[Part<'_>], list: &mut List<'_>) {
        let text = joined(parts, "");
        let refusal: String = parts.iter().filter_map(refusal_of).collect();
        let has_calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
        for part in parts {
            if is_medium(part) {
                self.losses.drop("images");
            }
            self.note_hosted(part);
            if matches!(part, Part::Reasoning(_)) && self.own_thinking(part).is_none() {
                self.losses.drop(THINKING);
            }
        }
        // Nothing but thinking: no message of this API.
        if text.is_empty() && refusal.is_empty() && !has_calls {
            return;
        }
        let mut message = list.object();
        message.put("role", "assistant");
        if text.is_empty() {
            message.put("content", &());
        } else {
            message.put_text("content", &text);
        }
        if !refusal.is_empty() {
            message.put("refusal", &refusal);
        }
        self.thinking(parts, &mut message);
        if has_calls {
            let mut calls = message.list("tool_calls");
            for part in parts {
                if let Part::ToolCall(call) = part {
                    self.call(call, calls.object());
                }
            }
            calls.end();
        }
        message.end();
    }

    /// Thinking goes back to its maker alone, in the field that it came in: OpenAI refuses these fields, and providers that
    /// have them want their own words.
    fn thinking(&self, parts: &[Part<'_>], message: &mut Object<'_>) {
        let own = || parts.iter().filter_map(|part| self.own_thinking(part));
        for field in THINKING_FIELDS {
            let texts = own().filter(|(part, seal)| {
                seal.kind == SealKind::Reasoning && seal.data == field && !part.text.is_empty()
            });
            let texts: Vec<&str> = texts.map(|(part, _)| part.text.as_ref()).collect();
            if !texts.is_empty() {
                message.put(field, &texts.join("\n\n"));
            }
        }
        let details: Vec<&str> = own()
            .filter(|(_, seal)| seal.kind == SealKind::Details)
            .filter_map(|(_, seal)| list_members(&seal.data))
            .collect();
        if !details.is_empty() {
            let mut list = message.list("reasoning_details");
            for members in details {
                list.item().extend_from_slice(members.as_bytes());
            }
            list.end();
        }
    }

    fn own_thinking<'p, 'a>(
        &self,
        part: &'p Part<'a>,
    ) -> Option<(&'p ReasoningPart<'a>, &'p Seal<'a>)> {
        let Part::Reasoning(thinking) = part else { return None };
        let seal = thinking.seal.as_ref().filter(|seal| self.is_own(seal))?;
        Some((thinking, seal))
    }

    fn is_own(&self, seal: &Seal<'_>) -> bool {
        !seal.issuer.is_empty() && seal.issuer == self.target.issuer
    }

    fn call(&mut self, call: &ToolCall<'_>, mut object: Object<'_>) {
        let name = self.toolbox.sent(call.namespace.as_deref(), &call.name);
        object.put("id", &self.call_id(&call.id));
        let wrapped = call.kind == CallKind::Custom && self.is_wrapped(name);
        let (kind, key, said) = match call.kind {
            CallKind::Custom if wrapped => {
                ("function", "arguments", wrap_input(&call.arguments).into())
            }
            CallKind::Custom => ("custom", "input", Cow::Borrowed(&*call.arguments)),
            CallKind::Function if call.arguments.trim().is_empty() => {
                ("function", "arguments", "{}".into())
            }
            CallKind::Function => ("function", "arguments", Cow::Borrowed(&*call.arguments)),
        };
        object.put("type", kind);
        let mut called = object.object(kind);
        called.put("name", name);
        called.put_text(key, &said);
        called.end();
        match &call.seal {
            Some(seal) if self.is_own(seal) && seal.kind == SealKind::Call => {
                let mut extra = object.object("extra_content");
                let mut google = extra.object("google");
                google.put("thought_signature", &seal.data);
                google.end();
                extra.end();
            }
            seal => self.losses.drop_some(seal, CALL_SIGNATURE),
        }
        object.end();
    }

    /// An id that the account takes: a call and its result get the same.
    fn call_id<'i>(&self, id: &'i str) -> Cow<'i, str> {
        match self.family.vendor {
            // Exactly nine letters and digits. <https://docs.mistral.ai/capabilities/function_calling>
            Vendor::Mistral if id.len() != 9 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                digest(id, 9).into()
            }
            // OpenAI takes 40 characters.
            Vendor::OpenAi | Vendor::Other if id.is_empty() || id.len() > 40 => {
                format!("call_{}", digest(id, 32)).into()
            }
            Vendor::Mistral | Vendor::OpenAi | Vendor::Other => id.into(),
        }
    }

    /// A message a result; what is not text follows in a message of the user, for a tool's can hold none.
    fn results(&mut self, parts: &[Part<'_>], list: &mut List<'_>) {
        let results = || {
            parts.iter().filter_map(|part| match part {
                Part::ToolResult(result) => Some(result),
                Part::Text(_)
                | Part::Refusal(_)
                | Part::Reasoning(_)
                | Part::Image(_)
                | Part::File(_)
                | Part::Audio(_)
                | Part::Video(_)
                | Part::ToolCall(_)
                | Part::Hosted(_) => None,
            })
        };
        let mut attached = false;
        for result in results() {
            let media = result.parts.iter().any(is_attachment);
            attached |= media;
            if result.failed {
                self.losses.drop("is_error");
            }
            let text = result_text(result);
            let mut message = list.object();
            message.put("role", "tool");
            message.put("tool_call_id", &self.call_id(&result.call));
            let elsewhere = media && text.is_empty();
            message.put_text("content", if elsewhere { "See the next message." } else { &text });
            message.end();
        }
        if !attached {
            return;
        }
        let mut message = list.object();
        message.put("role", "user");
        let mut content = message.list("content");
        for result in results().filter(|result| result.parts.iter().any(is_attachment)) {
            let id = self.call_id(&result.call);
            put_text(&format!("Returned by the tool call {id}:"), &mut content);
            for part in result.parts.iter().filter(|part| is_attachment(part)) {
                self.part(part, &mut content);
            }
        }
        content.end();
        message.end();
    }
}

/// The texts of a turn, in order.
fn joined<'p>(parts: &'p [Part<'_>], between: &str) -> Cow<'p, str> {
    let mut texts = parts.iter().filter_map(text_of);
    let Some(first) = texts.next() else { return Cow::Borrowed("") };
    let mut text = Cow::Borrowed(first);
    for next in texts {
        let text = text.to_mut();
        text.push_str(between);
        text.push_str(next);
    }
    text
}

fn text_of<'p>(part: &'p Part<'_>) -> Option<&'p str> {
    if let Part::Text(text) = part { Some(text) } else { None }
}

fn refusal_of<'p>(part: &'p Part<'_>) -> Option<&'p str> {
    if let Part::Refusal(text) = part { Some(text) } else { None }
}

fn is_medium(part: &Part<'_>) -> bool {
    matches!(part, Part::Image(_) | Part::File(_) | Part::Audio(_) | Part::Video(_))
}

/// A medium of a result that cannot be said as text.
fn is_attachment(part: &Part<'_>) -> bool {
    match part {
        Part::File(file) => document_text(file).is_none(),
        Part::Image(_) | Part::Audio(_) | Part::Video(_) => true,
        Part::Text(_)
        | Part::Refusal(_)
        | Part::Reasoning(_)
        | Part::ToolCall(_)
        | Part::ToolResult(_)
        | Part::Hosted(_) => false,
    }
}

fn result_text<'p>(result: &'p ToolResult<'_>) -> Cow<'p, str> {
    let mut texts = result.parts.iter().filter_map(|part| match part {
        Part::Text(text) | Part::Refusal(text) => Some(Cow::Borrowed(text.as_ref())),
        Part::File(file) => document_text(file),
        Part::Hosted(item) => Some(Cow::Borrowed(item.raw.get())),
        Part::Reasoning(_)
        | Part::Image(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::ToolCall(_)
        | Part::ToolResult(_) => None,
    });
    let Some(mut text) = texts.next() else { return Cow::Borrowed("") };
    for next in texts {
        let text = text.to_mut();
        text.push('\n');
        text.push_str(&next);
    }
    text
}

/// The members of a JSON list, without its brackets; `None` where it is none or empty.
fn list_members(json: &str) -> Option<&str> {
    let raw: &RawValue = serde_json::from_str(json).ok()?;
    let members = raw.get().strip_prefix('[')?.strip_suffix(']')?.trim();
    (!members.is_empty()).then_some(members)
}
