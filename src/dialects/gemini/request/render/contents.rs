//! Turns as `contents`: roles `user` and `model`, calls followed by exactly their responses, seals on their own parts.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::Page;
use crate::dialects::gemini::request::media;
use crate::dialects::gemini::response::hosted;
use crate::dialects::gemini::wire::part::{
    Answered, Blob, Content, FileData, FunctionCall, FunctionResponse, Part as WirePart,
};
use crate::dialects::gemini::wire::{Many, Raw, Str};
use crate::ir::losses::{CALL_SIGNATURE, THINKING};
use crate::ir::request::{
    CallKind, File, HostedItem, Part, ReasoningPart, Role, Source, ToolCall, ToolResult, Turn,
};
use crate::ir::seal::{Seal, SealKind};

/// A signature that Google documents for calls which its model did not make: another model's, or calls written into the
/// history by hand. It proves nothing and says so, and it is the only way to show Gemini 3 such a call, which it refuses
/// unsigned. <https://ai.google.dev/gemini-api/docs/thought-signatures#faqs>
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/thought-signatures#using-rest-or-manual-handling>
const UNSIGNED_CALL: &str = "skip_thought_signature_validator";

/// `systemInstruction`'s parts and `contents`.
pub(super) fn write<'r>(
    page: &mut Page<'r>,
    turns: &'r [Turn<'_>],
) -> (Vec<WirePart<'r>>, Vec<Content<'r>>) {
    let is_system = |turn: &Turn<'_>| matches!(turn.role, Role::System | Role::Developer);
    let leading = turns.iter().take_while(|turn| is_system(turn)).count();
    // A request of nothing but system texts must still ask something.
    let leading = if leading == turns.len() { 0 } else { leading };
    let (first, rest) = turns.split_at_checked(leading).unwrap_or((&[], turns));
    let mut writer = Writer { page, contents: Vec::new(), calls: Vec::new() };
    let mut system = Vec::new();
    for part in first.iter().flat_map(|turn| &turn.parts) {
        let Some(part) = writer.part(part) else { continue };
        // systemInstruction is text only.
        if part.text.is_some() {
            system.push(part);
        } else {
            writer.push("user", vec![part]);
        }
    }
    for turn in rest {
        writer.turn(turn);
    }
    writer.mark_unsigned_calls();
    (system, writer.contents)
}

struct Writer<'p, 'r> {
    page: &'p mut Page<'r>,
    contents: Vec<Content<'r>>,
    /// The last model turn's calls: id and sent name, in order.
    calls: Vec<(&'r str, &'r str)>,
}

impl<'r> Writer<'_, 'r> {
    fn turn(&mut self, turn: &'r Turn<'_>) {
        match turn.role {
            // A system text in mid-conversation keeps its place as the user's.
            Role::System | Role::Developer | Role::User => {
                let parts = turn.parts.iter().filter_map(|part| self.part(part)).collect();
                self.push("user", parts);
            }
            Role::Assistant => {
                self.calls.clear();
                let parts = self.model_parts(&turn.parts);
                self.push("model", parts);
            }
            Role::Tool => {
                let parts = self.results(&turn.parts);
                self.push("user", parts);
            }
        }
    }

    /// Adds parts as a content, or to the last one of the same role. Responses stand alone: Google counts them against the
    /// calls before.
    fn push(&mut self, role: &'static str, parts: Vec<WirePart<'r>>) {
        if parts.is_empty() {
            return;
        }
        let answers =
            |parts: &[WirePart<'_>]| parts.iter().any(|part| part.function_response.is_some());
        match self.contents.last_mut() {
            Some(last)
                if last.role.as_ref().is_some_and(|own| own.0 == role)
                    && !answers(&last.parts.0)
                    && !answers(&parts) =>
            {
                last.parts.0.extend(parts);
            }
            _ => self.contents.push(Content { parts: Many(parts), role: Some(role.into()) }),
        }
    }

    fn model_parts(&mut self, parts: &'r [Part<'_>]) -> Vec<WirePart<'r>> {
        let mut out: Vec<WirePart<'r>> = Vec::with_capacity(parts.len());
        for part in parts {
            if let Part::Reasoning(reasoning) = part {
                self.reasoning(reasoning, &mut out);
            } else {
                out.extend(self.part(part));
            }
        }
        out
    }

    /// Thinking goes back with its own issuer's seal alone. A seal without text stood on the text before it, or on an empty
    /// part of a stream.
    fn reasoning(&mut self, reasoning: &'r ReasoningPart<'_>, out: &mut Vec<WirePart<'r>>) {
        let own = self.own_seal(reasoning.seal.as_ref(), SealKind::Reasoning);
        let Some(signature) = own else {
            self.page.losses.drop(THINKING);
            return;
        };
        if !reasoning.text.is_empty() {
            let text = Str(Cow::Borrowed(reasoning.text.as_ref()));
            let thought = Some(true);
            let part =
                WirePart { thought, thought_signature: Some(signature), ..WirePart::text(text) };
            return out.push(part);
        }
        match out.last_mut() {
            Some(last) if last.text.is_some() && last.thought_signature.is_none() => {
                last.thought_signature = Some(signature);
            }
            _ => out.push(WirePart {
                thought_signature: Some(signature),
                ..WirePart::text(Str::default())
            }),
        }
    }

    fn own_seal(&self, seal: Option<&'r Seal<'_>>, kind: SealKind) -> Option<Str<'r>> {
        let seal =
            seal.filter(|seal| seal.issuer == self.page.target.issuer && seal.kind == kind)?;
        Some(Str(Cow::Borrowed(&seal.data)))
    }

    fn part(&mut self, part: &'r Part<'_>) -> Option<WirePart<'r>> {
        match part {
            Part::Text(text) | Part::Refusal(text) => {
                (!text.is_empty()).then(|| WirePart::text(text.as_ref().into()))
            }
            // Another role's thinking, or a result outside its turn: neither has a place.
            Part::Reasoning(_) | Part::ToolResult(_) => None,
            Part::Image(image) => {
                if image.detail.as_deref().is_some_and(|detail| detail != "auto") {
                    self.page.losses.drop("image_detail");
                }
                self.medium("image", &image.source, image.mime.as_deref())
            }
            Part::File(file) => self.file(file),
            Part::Audio(sound) => self.medium("audio", &sound.source, sound.mime.as_deref()),
            Part::Video(film) => self.medium("video", &film.source, film.mime.as_deref()),
            Part::ToolCall(call) => Some(self.call(call)),
            Part::Hosted(item) => self.hosted(item),
        }
    }

    fn file(&mut self, file: &'r File<'_>) -> Option<WirePart<'r>> {
        if file.cite {
            self.page.losses.drop("citations");
        }
        if let Source::Text(text) = &file.source {
            return (!text.is_empty()).then(|| WirePart::text(Str(file.titled(text))));
        }
        self.page.losses.drop_some(&file.context, "context");
        // Text should not be sent as raw bytes, says the reference of `Blob`.
        if let (Source::Base64(data), Some(mime)) = (&file.source, file.mime.as_deref())
            && mime.starts_with("text/")
            && let Ok(bytes) = STANDARD.decode(data.as_bytes())
            && let Ok(text) = String::from_utf8(bytes)
        {
            return (!text.is_empty()).then(|| WirePart::text(text.into()));
        }
        self.page.losses.drop_some(&file.name, "filename");
        self.medium("file", &file.source, file.mime.as_deref())
    }

    fn medium(
        &mut self,
        field: &'static str,
        source: &'r Source<'_>,
        mime: Option<&'r str>,
    ) -> Option<WirePart<'r>> {
        match source {
            Source::Base64(data) => {
                let mime = mime.or_else(|| media::type_of_data(data));
                let blob = Blob {
                    mime_type: Some(mime.unwrap_or("application/octet-stream").into()),
                    data: Some(data.as_ref().into()),
                    display_name: None,
                };
                Some(WirePart { inline_data: Some(blob), ..WirePart::default() })
            }
            Source::Url(url) if !self.page.model.takes_urls() => {
                let reason = format!("this model reads no media from web addresses ({url})");
                self.page.losses.refuse(field, reason);
                None
            }
            Source::Url(url) => Some(by_address(url, mime.or_else(|| media::type_of_url(url)))),
            Source::FileId(id) if media::is_google_file(id) => Some(by_address(id, mime)),
            Source::FileId(id) => {
                let reason = format!("the file {id:?} is kept by another provider");
                self.page.losses.refuse(field, reason);
                None
            }
            Source::Text(text) => (!text.is_empty()).then(|| WirePart::text(text.as_ref().into())),
        }
    }

    fn call(&mut self, call: &'r ToolCall<'_>) -> WirePart<'r> {
        let name = self.page.toolbox.sent(call.namespace.as_deref(), &call.name);
        self.calls.push((call.id.as_ref(), name));
        let function_call = FunctionCall {
            id: self.id(&call.id),
            name: Some(name.into()),
            args: Some(arguments(call)),
            ..FunctionCall::default()
        };
        let thought_signature = self.own_seal(call.seal.as_ref(), SealKind::Call);
        if call.seal.is_some() && thought_signature.is_none() {
            self.page.losses.drop(CALL_SIGNATURE);
        }
        WirePart { function_call: Some(function_call), thought_signature, ..WirePart::default() }
    }

    /// Vertex AI has no ids of calls.
    fn id(&self, id: &'r str) -> Option<Str<'r>> {
        (!self.page.target.quirks.schema_subset && !id.is_empty()).then(|| id.into())
    }

    fn hosted(&mut self, item: &'r HostedItem<'_>) -> Option<WirePart<'r>> {
        let part = hosted::part(item);
        if part.is_none() {
            self.page.losses.drop(hosted::name(item.tool));
        }
        part
    }

    /// Responses in the order of their calls, then the media that could not stand inside one.
    fn results(&mut self, parts: &'r [Part<'_>]) -> Vec<WirePart<'r>> {
        let calls = std::mem::take(&mut self.calls);
        let mut results: Vec<&'r ToolResult<'_>> = parts
            .iter()
            .filter_map(
                |part| if let Part::ToolResult(result) = part { Some(result) } else { None },
            )
            .collect();
        let place = |result: &ToolResult<'_>| calls.iter().position(|(id, _)| *id == result.call);
        results.sort_by_key(|result| place(result).unwrap_or(calls.len()));
        let mut out = Vec::with_capacity(results.len());
        let mut beside = Vec::new();
        for result in results {
            let called = calls.iter().find(|(id, _)| *id == result.call).map(|(_, name)| *name);
            let named = || result.name.as_deref().map(|name| self.page.toolbox.sent(None, name));
            let name = called.or_else(named).unwrap_or("unknown");
            out.push(self.result(result, name, &mut beside));
        }
        out.extend(beside);
        out
    }

    fn result(
        &mut self,
        result: &'r ToolResult<'_>,
        name: &'r str,
        beside: &mut Vec<WirePart<'r>>,
    ) -> WirePart<'r> {
        let mut texts = Vec::new();
        let mut inside = Vec::new();
        for part in &result.parts {
            if let Part::Text(text) | Part::Refusal(text) = part {
                texts.push(text.as_ref());
                continue;
            }
            let Some(medium) = self.part(part) else { continue };
            // <https://ai.google.dev/gemini-api/docs/function-calling#multimodal>
            if self.page.model.is_third_generation() && stands_in_response(&medium) {
                inside.push(medium);
            } else {
                beside.push(medium);
            }
        }
        let function_response = FunctionResponse {
            id: self.id(&result.call),
            name: Some(name.into()),
            response: Some(answered(&texts, result.failed)),
            parts: (!inside.is_empty()).then_some(inside),
        };
        WirePart { function_response: Some(function_response), ..WirePart::default() }
    }

    /// Gemini 3 refuses a step of the current turn whose first call is unsigned: one of another model, or one whose client
    /// lost the signature. The current turn begins behind the last thing that the user said.
    fn mark_unsigned_calls(&mut self) {
        if !self.page.model.is_third_generation() {
            return;
        }
        let is_said = |content: &Content<'_>| {
            content.role.as_ref().is_some_and(|role| role.0 == "user")
                && content.parts.0.iter().all(|part| part.function_response.is_none())
        };
        for content in self.contents.iter_mut().rev().take_while(|content| !is_said(content)) {
            let first = content.parts.0.iter_mut().find(|part| part.function_call.is_some());
            if let Some(call) = first.filter(|part| part.thought_signature.is_none()) {
                call.thought_signature = Some(UNSIGNED_CALL.into());
            }
        }
    }
}

fn by_address<'r>(uri: &'r str, mime: Option<&'r str>) -> WirePart<'r> {
    let file =
        FileData { file_uri: uri.into(), mime_type: mime.map(Str::from), display_name: None };
    WirePart { file_data: Some(file), ..WirePart::default() }
}

/// The media that a response may hold.
fn stands_in_response(part: &WirePart<'_>) -> bool {
    let mime = part.inline_data.as_ref().and_then(|blob| blob.mime_type.as_ref());
    mime.is_some_and(|mime| {
        matches!(mime.0.as_ref(), "image/png" | "image/jpeg" | "image/webp" | "application/pdf")
    })
}

/// Arguments as an object. Text that is none (a custom tool's, or a call that was cut) becomes the one value of one.
fn arguments<'r>(call: &'r ToolCall<'_>) -> Raw<'r> {
    match call.kind {
        CallKind::Function if call.arguments.trim().is_empty() => raw("{}".to_owned()),
        CallKind::Function => object(&call.arguments).unwrap_or_else(|| wrapped(&call.arguments)),
        CallKind::Custom => wrapped(&call.arguments),
    }
}

/// What a function answered: an object as it is, any other text as the value of the key that the reference names.
fn answered<'r>(texts: &[&'r str], failed: bool) -> Answered<'r> {
    let key = if failed { "error" } else { "result" };
    match texts {
        [one] => match object(one) {
            Some(object) if failed && !object.0.get().contains("\"error\"") => {
                Answered::Object(raw(format!(r#"{{"error":{}}}"#, object.0.get())))
            }
            Some(object) => Answered::Object(object),
            None => Answered::Text(key, Cow::Borrowed(one)),
        },
        several => Answered::Text(key, Cow::Owned(several.join("\n"))),
    }
}

/// A text that is a JSON object.
fn object(text: &str) -> Option<Raw<'_>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    serde_json::from_str::<&RawValue>(text).ok().map(|raw| Raw(Cow::Borrowed(raw)))
}

/// A text as the arguments of a function.
fn wrapped<'r>(text: &str) -> Raw<'r> {
    // A string always has a JSON form.
    let text = serde_json::to_string(text).unwrap_or_default();
    raw(format!(r#"{{"input":{text}}}"#))
}

/// JSON that was assembled from valid pieces.
fn raw<'r>(text: String) -> Raw<'r> {
    Raw(Cow::Owned(RawValue::from_string(text).unwrap_or_default()))
}
