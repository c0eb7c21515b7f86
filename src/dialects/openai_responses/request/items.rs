//! The conversation of a request: items become turns.

use std::borrow::Cow;

use serde_json::de::StrRead;
use serde_json::value::RawValue;

use super::parse::Raws;
use super::{locate, media, tools};
use crate::dialects::openai_responses::{BUILT_IN, hosted_kind, wire};
use crate::dialects::unread;
use crate::ir::Text;
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::{
    CallKind, HostedItem, Image, Part, ReasoningPart, Role, Source, Tool, ToolCall, ToolResult,
    Turn,
};
use crate::ir::seal::{self, Seal, SealKind};
use wire::item::{Content, Item};
use wire::text::Str;

/// The conversation as far as it is read, with the tools that it brings along.
#[derive(Debug)]
pub(super) struct Talk<'a> {
    turns: Vec<Turn<'a>>,
    tools: Vec<Tool<'a>>,
    losses: Losses,
    /// The calls so far, for their results.
    calls: Vec<Called<'a>>,
    /// Seals of calls whose call has not come yet.
    seals: Vec<Seal<'static>>,
}

/// What a result needs to know of its call.
#[derive(Debug)]
struct Called<'a> {
    id: Text<'a>,
    name: Text<'a>,
    built_in: bool,
}

impl<'a> Talk<'a> {
    pub(super) fn new(tools: Vec<Tool<'a>>, losses: Losses) -> Self {
        Self { turns: Vec::new(), tools, losses, calls: Vec::new(), seals: Vec::new() }
    }

    /// The turns, the tools and what could not be said.
    pub(super) fn finish(mut self) -> (Vec<Turn<'a>>, Vec<Tool<'a>>, Losses) {
        for seal in std::mem::take(&mut self.seals) {
            self.seal_call_before(seal);
        }
        (self.turns, self.tools, self.losses)
    }

    /// Adds a part to the turn of its speaker.
    pub(super) fn say(&mut self, role: Role, part: Part<'a>) {
        if matches!(&part, Part::Text(text) if text.is_empty()) {
            return;
        }
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.parts.push(part),
            _ => self.turns.push(Turn { role, parts: vec![part] }),
        }
    }

    /// Reads one item; `index` is its place in `input`.
    pub(super) fn item(
        &mut self,
        item: Item<'a>,
        index: usize,
        raws: &mut Raws<'a>,
    ) -> Result<(), Error> {
        let path = locate::element("input", index);
        let local = wire::item::is_local(item.environment.as_ref());
        match item.kind.as_str() {
            // The API takes an `item_reference` without its type too.
            "" if item.role.0.is_none() && item.id.0.is_some() => self.refuse_reference(&path),
            "" | "message" => self.message(item, &path)?,
            "function_call" => self.function_call(item, &path)?,
            "custom_tool_call" => self.custom_call(item, &path)?,
            "function_call_output" => self.result(item, CallKind::Function, &path)?,
            "custom_tool_call_output" => self.result(item, CallKind::Custom, &path)?,
            "reasoning" => self.reasoning(item, &path)?,
            "local_shell_call" => self.built_in_call("local_shell", item.action, item, &path)?,
            "shell_call" if local => self.built_in_call("shell", item.action, item, &path)?,
            "apply_patch_call" => {
                self.built_in_call("apply_patch", item.operation, item, &path)?;
            }
            "tool_search_call" if item.execution.as_str() == "client" => {
                self.built_in_call("tool_search", item.arguments, item, &path)?;
            }
            "local_shell_call_output" | "apply_patch_call_output" => {
                self.built_in_result(item, None, &path)?;
            }
            "shell_call_output" if self.is_built_in(item.call_id.as_str()) => {
                let raw = raws.item(index).and_then(|raw| member(raw, "output"));
                self.built_in_result(item, raw, &path)?;
            }
            "tool_search_output" if item.execution.as_str() == "client" => {
                self.loaded_tools(item.tools, &path)?;
                let raw = item.tools;
                self.built_in_result(item, raw, &path)?;
            }
            "additional_tools" => self.loaded_tools(item.tools, &path)?,
            "image_generation_call" if item.result.0.is_some() => self.image(item),
            "item_reference" => self.refuse_reference(&path),
            _ => self.hosted(&item, raws.item(index)),
        }
        Ok(())
    }

    fn refuse_reference(&mut self, path: &str) {
        let reason =
            "an item_reference points at an item that is kept elsewhere; send the item itself";
        self.losses.refuse(path, reason);
    }

    fn message(&mut self, item: Item<'a>, path: &str) -> Result<(), Error> {
        let role = match item.role.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            "developer" => Role::Developer,
            other => {
                return Err(Error::invalid(
                    format!("{path}.role"),
                    format!("unknown role {other:?}: user, assistant, system or developer"),
                ));
            }
        };
        let field = [path, ".content"].concat();
        if matches!(item.content, Content::None) {
            return Err(Error::invalid(field, "a message needs its content"));
        }
        for part in media::parts(item.content, &field, &mut self.losses)? {
            self.say(role, part);
        }
        Ok(())
    }

    fn function_call(&mut self, item: Item<'a>, path: &str) -> Result<(), Error> {
        let arguments = match item.arguments {
            None => Cow::Borrowed(""),
            Some(raw) if raw.get().starts_with('"') => {
                let decoded: Str<'a> = serde_json::from_str(raw.get())
                    .map_err(|error| locate::at(&format!("{path}.arguments"), &error))?;
                decoded.0
            }
            Some(raw) => Cow::Borrowed(raw.get()),
        };
        self.call(ToolCall {
            id: required(item.call_id.0, path, "call_id")?,
            name: required(item.name.0, path, "name")?,
            namespace: item.namespace.0.filter(|namespace| !namespace.is_empty()),
            arguments,
            kind: CallKind::Function,
            seal: None,
        });
        Ok(())
    }

    fn custom_call(&mut self, item: Item<'a>, path: &str) -> Result<(), Error> {
        self.call(ToolCall {
            id: required(item.call_id.0, path, "call_id")?,
            name: required(item.name.0, path, "name")?,
            namespace: item.namespace.0.filter(|namespace| !namespace.is_empty()),
            arguments: required(item.input.0, path, "input")?,
            kind: CallKind::Custom,
            seal: None,
        });
        Ok(())
    }

    /// A call of one of OpenAI's own tools that the client runs: a function call in the ir.
    fn built_in_call(
        &mut self,
        name: &'static str,
        arguments: Option<&'a RawValue>,
        item: Item<'a>,
        path: &str,
    ) -> Result<(), Error> {
        self.call(ToolCall {
            id: required(item.call_id.0.or(item.id.0), path, "call_id")?,
            name: Cow::Borrowed(name),
            namespace: Some(Cow::Borrowed(BUILT_IN)),
            arguments: Cow::Borrowed(arguments.map_or("", RawValue::get)),
            kind: CallKind::Function,
            seal: None,
        });
        Ok(())
    }

    fn call(&mut self, mut call: ToolCall<'a>) {
        let own = |seal: &Seal<'_>| seal.id.is_empty() || seal.id == call.id;
        if let Some(at) = self.seals.iter().position(own) {
            call.seal = Some(Seal { id: Cow::Borrowed(""), ..self.seals.remove(at) });
        }
        self.calls.push(Called {
            id: call.id.clone(),
            name: call.name.clone(),
            built_in: call.namespace.as_deref() == Some(BUILT_IN),
        });
        self.say(Role::Assistant, Part::ToolCall(call));
    }

    fn called(&self, id: &str) -> Option<&Called<'a>> {
        self.calls.iter().rev().find(|call| call.id == id)
    }

    fn is_built_in(&self, id: &str) -> bool {
        self.called(id).is_some_and(|call| call.built_in)
    }

    fn result(&mut self, item: Item<'a>, kind: CallKind, path: &str) -> Result<(), Error> {
        let call = required(item.call_id.0, path, "call_id")?;
        let field = [path, ".output"].concat();
        if matches!(item.output, Content::None) {
            return Err(Error::invalid(field, "the output of a call is required"));
        }
        let parts = media::parts(item.output, &field, &mut self.losses)?;
        self.answer(call, parts, kind, false);
        Ok(())
    }

    /// The answer of one of OpenAI's own tools that the client runs. `raw` is its list, where it is no text.
    fn built_in_result(
        &mut self,
        item: Item<'a>,
        raw: Option<&'a RawValue>,
        path: &str,
    ) -> Result<(), Error> {
        let call = required(item.call_id.0.or(item.id.0), path, "call_id")?;
        let failed = item.status.as_str() == "failed";
        let parts = match (raw, item.output) {
            (Some(raw), _) => vec![Part::Text(Cow::Borrowed(raw.get()))],
            (None, Content::Text(text)) if !text.is_empty() => vec![Part::Text(text)],
            // A patch need not say more than whether it could be applied.
            (None, _) => item.status.0.map(Part::Text).into_iter().collect(),
        };
        self.answer(call, parts, CallKind::Function, failed);
        Ok(())
    }

    fn answer(&mut self, call: Text<'a>, parts: Vec<Part<'a>>, kind: CallKind, failed: bool) {
        let name = self.called(&call).map(|called| called.name.clone());
        let result = ToolResult { call, name, parts, failed, kind };
        self.say(Role::Tool, Part::ToolResult(result));
    }

    /// Thinking comes back as the gateway packed it, or as an account of this dialect wrote it.
    fn reasoning(&mut self, item: Item<'a>, path: &str) -> Result<(), Error> {
        let summary = joined(item.summary, &[path, ".summary"].concat(), &mut self.losses)?;
        let mut text = match summary {
            Some(summary) => summary,
            None => joined(item.content, &[path, ".content"].concat(), &mut self.losses)?
                .unwrap_or_default(),
        };
        let sealed = item.encrypted_content.into_text();
        let Some(seals) = seal::from_text(&sealed) else {
            let seal = (!sealed.is_empty()).then(|| Seal {
                issuer: Cow::Borrowed(seal::NATIVE),
                kind: SealKind::Reasoning,
                id: item.id.into_text(),
                data: sealed,
            });
            self.think(text, seal);
            return Ok(());
        };
        for seal in seals {
            match seal.kind {
                SealKind::Call => self.seals.push(seal),
                SealKind::Reasoning | SealKind::Redacted | SealKind::Details => {
                    self.think(std::mem::take(&mut text), Some(seal));
                }
            }
        }
        self.think(text, None);
        Ok(())
    }

    fn think(&mut self, text: Text<'a>, seal: Option<Seal<'a>>) {
        if seal.is_some() || !text.is_empty() {
            self.say(Role::Assistant, Part::Reasoning(ReasoningPart { text, seal }));
        }
    }

    /// A call's seal that stands behind its call.
    fn seal_call_before(&mut self, seal: Seal<'static>) {
        let calls = self.turns.iter_mut().rev().flat_map(|turn| turn.parts.iter_mut().rev());
        for part in calls {
            let Part::ToolCall(call) = part else { continue };
            if call.id == seal.id && call.seal.is_none() {
                call.seal = Some(Seal { id: Cow::Borrowed(""), ..seal });
                return;
            }
        }
    }

    fn image(&mut self, item: Item<'a>) {
        let mime = match item.output_format.as_str() {
            "" => None,
            format => Some(Cow::Owned(format!("image/{format}"))),
        };
        let source = Source::Base64(item.result.into_text());
        self.say(Role::Assistant, Part::Image(Image { source, mime, detail: None }));
    }

    /// Tools that came into being within the conversation.
    fn loaded_tools(&mut self, raw: Option<&'a RawValue>, path: &str) -> Result<(), Error> {
        let Some(raw) = raw else { return Ok(()) };
        let field = format!("{path}.tools");
        let mut unread = Losses::default();
        let loaded: Vec<wire::request::Tool<'a>> =
            unread::read(StrRead::new(raw.get()), &[], &mut unread)
                .map_err(|error| locate::at(&field, &error))?;
        for place in unread.unread {
            self.losses.leave_unread(format!("input.tools.{place}"));
        }
        let mut out = Vec::new();
        for (index, tool) in loaded.into_iter().enumerate() {
            tools::declare(tool, None, &format!("{field}.{index}"), &mut out, &mut self.losses)?;
        }
        for tool in out {
            let names = tools::names(&tool);
            if names.is_none() || !self.tools.iter().any(|known| tools::names(known) == names) {
                self.tools.push(tool);
            }
        }
        Ok(())
    }

    fn hosted(&mut self, item: &Item<'a>, raw: Option<&'a RawValue>) {
        let Some(raw) = raw else { return };
        // What the client adds to the provider's own doings is the client's word.
        let role = match item.kind.as_str() {
            "computer_call_output" | "mcp_approval_response" => Role::User,
            _ => Role::Assistant,
        };
        let name = Cow::Owned(item.kind.as_str().to_owned());
        let tool = hosted_kind(&name);
        self.say(role, Part::Hosted(HostedItem { tool, name, raw: Cow::Borrowed(raw) }));
    }
}

/// The texts of a summary or of raw thoughts, joined by blank lines; `None` where there is none.
fn joined<'a>(
    content: Content<'a>,
    path: &str,
    losses: &mut Losses,
) -> Result<Option<Text<'a>>, Error> {
    let mut all: Option<Text<'a>> = None;
    for part in media::parts(content, path, losses)? {
        let Part::Text(text) = part else { continue };
        all = Some(match all {
            None => text,
            Some(before) => Cow::Owned(format!("{before}\n\n{text}")),
        });
    }
    Ok(all)
}

fn required<'a>(value: Option<Text<'a>>, path: &str, name: &str) -> Result<Text<'a>, Error> {
    let missing = || Error::invalid(format!("{path}.{name}"), format!("{name} is required"));
    value.filter(|value| !value.is_empty() || name == "input").ok_or_else(missing)
}

fn member<'a>(object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    let members: std::collections::BTreeMap<String, &'a RawValue> =
        serde_json::from_str(object.get()).ok()?;
    members.get(name).copied()
}
