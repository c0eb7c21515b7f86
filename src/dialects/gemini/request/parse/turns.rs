//! `contents`: who said what, calls paired with their results, seals back where they belong.

use std::borrow::Cow;

use super::medium;
use crate::dialects::gemini::response::hosted;
use crate::dialects::gemini::wire::part::{
    Answered, Content, FunctionCall, FunctionResponse, Part as WirePart,
};
use crate::dialects::gemini::wire::{Members, Raw, Str};
use crate::ir::Text;
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::{
    CallKind, HostedItem, Part, ReasoningPart, Role, ToolCall, ToolResult, Turn,
};
use crate::ir::seal::{self, Seal, SealKind};

/// The conversation, as far as it is read.
pub(super) struct Conversation<'a, 'u> {
    turns: Vec<Turn<'a>>,
    /// The last turn's calls that have no result yet: name and id.
    calls: Vec<(Text<'a>, Text<'a>)>,
    /// How many calls there were: an id of ours is its place among them.
    count: usize,
    /// Where in the model's turn the run of parts began whose reasoning is not sealed yet.
    run: usize,
    unsaid: &'u mut Losses,
}

impl<'a, 'u> Conversation<'a, 'u> {
    /// Nothing said yet.
    pub(super) fn new(unsaid: &'u mut Losses) -> Self {
        Self { turns: Vec::new(), calls: Vec::new(), count: 0, run: 0, unsaid }
    }

    /// Adds `systemInstruction`.
    pub(super) fn push_system(&mut self, system: Content<'a>) -> Result<(), Error> {
        for (index, part) in system.parts.0.into_iter().enumerate() {
            let field = format!("systemInstruction.parts.{index}");
            self.push_part(Role::System, part, &|| field.clone())?;
        }
        Ok(())
    }

    /// Adds one content.
    pub(super) fn push(&mut self, index: usize, content: Content<'a>) -> Result<(), Error> {
        let role = match content.role.as_ref().map(|role| role.0.as_ref()) {
            // A turn of functions holds their responses, which find their own turn.
            None | Some("user" | "function" | "tool" | "") => Role::User,
            Some("model") => Role::Assistant,
            Some(other) => {
                let field = format!("contents.{index}.role");
                let message = format!("{field} must be user or model, not {other:?}");
                return Err(Error::invalid(field, message));
            }
        };
        for (at, part) in content.parts.0.into_iter().enumerate() {
            self.push_part(role, part, &|| format!("contents.{index}.parts.{at}"))?;
        }
        Ok(())
    }

    /// Everything that was said.
    pub(super) fn into_turns(self) -> Vec<Turn<'a>> {
        self.turns
    }

    /// `field` names the part in an error.
    fn push_part(
        &mut self,
        role: Role,
        mut part: WirePart<'a>,
        field: &dyn Fn() -> String,
    ) -> Result<(), Error> {
        self.unsaid.drop_some(&part.video_metadata, "videoMetadata");
        self.unsaid.drop_some(&part.media_resolution, "mediaResolution");
        let signature = part.thought_signature.take().map(|signature| signature.0);
        if let Some(call) = part.function_call.take() {
            return self.push_call(call, signature, field);
        }
        if let Some(response) = part.function_response.take() {
            return self.push_result(response, field);
        }
        // Only the model thinks and signs; some SDKs write `thought` and made-up signatures on every part.
        let signature = signature.filter(|_| role == Role::Assistant);
        if let Some(Str(text)) = part.text.take() {
            if part.thought == Some(true) && role == Role::Assistant {
                self.push_thought(text, signature);
                return Ok(());
            }
            self.push_text(role, text);
        } else if let Some(blob) = part.inline_data.take() {
            self.open(role).push(medium::inline(blob, field)?);
        } else if let Some(file) = part.file_data.take() {
            self.open(role).push(medium::by_address(file, field)?);
        } else if let Some(item) = hosted(&mut part) {
            self.open(role).push(Part::Hosted(item));
            // A part that other providers get in no form: its seal has no place there either.
            return Ok(());
        }
        if let Some(seal) = self.take_packed(signature, SealKind::Reasoning) {
            let part = ReasoningPart { text: Text::default(), seal: Some(seal) };
            self.open(role).push(Part::Reasoning(part));
        }
        Ok(())
    }

    /// The parts of the turn that a role speaks in. SDKs keep each streamed chunk as a content of its own, so the model's
    /// contents in a row are one turn.
    fn open(&mut self, role: Role) -> &mut Vec<Part<'a>> {
        let goes_on = self.turns.last().is_some_and(|turn| turn.role == role);
        if !goes_on {
            self.run = 0;
            self.turns.push(Turn { role, parts: Vec::new() });
        }
        // There is a last turn: it was there, or was just pushed.
        let at = self.turns.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "the list is not empty")]
        &mut self.turns[at].parts
    }

    fn push_text(&mut self, role: Role, text: Text<'a>) {
        if text.is_empty() {
            return;
        }
        let parts = self.open(role);
        match parts.last_mut() {
            // The model's text in pieces is what a stream was cut into.
            Some(Part::Text(before)) if role == Role::Assistant => before.to_mut().push_str(&text),
            _ => parts.push(Part::Text(text)),
        }
    }

    fn push_thought(&mut self, text: Text<'a>, signature: Option<Text<'a>>) {
        let parts = self.open(Role::Assistant);
        match parts.last_mut() {
            Some(Part::Reasoning(ReasoningPart { text: before, seal: None })) => {
                before.to_mut().push_str(&text);
            }
            _ if text.is_empty() => {}
            _ => parts.push(Part::Reasoning(ReasoningPart { text, seal: None })),
        }
        if let Some(seal) = self.take_packed(signature, SealKind::Reasoning) {
            match self.open(Role::Assistant).last_mut() {
                Some(Part::Reasoning(part)) if part.seal.is_none() => part.seal = Some(seal),
                _ => self.seal_run(vec![seal]),
            }
        }
    }

    /// Reads a signature: what the gateway packed about the thoughts so far goes to them; what belongs to the very part that
    /// the signature stands on is given back.
    fn take_packed(&mut self, signature: Option<Text<'a>>, kind: SealKind) -> Option<Seal<'a>> {
        let signature = signature.filter(|signature| !signature.is_empty())?;
        let Some(packed) = seal::from_text(&signature) else {
            let (issuer, id) = (seal::NATIVE.into(), Text::default());
            return Some(Seal { issuer, kind, id, data: signature });
        };
        let (own, reasoning): (Vec<_>, Vec<_>) =
            packed.into_iter().partition(|seal| seal.kind == SealKind::Call);
        self.seal_run(reasoning);
        own.into_iter().next()
    }

    fn push_call(
        &mut self,
        call: FunctionCall<'a>,
        signature: Option<Text<'a>>,
        field: &dyn Fn() -> String,
    ) -> Result<(), Error> {
        let name = call.name.map(|name| name.0).filter(|name| !name.is_empty());
        let Some(name) = name else {
            let field = format!("{}.functionCall.name", field());
            return Err(Error::invalid(field.clone(), format!("{field} is missing")));
        };
        let arguments = object(call.args, || format!("{}.functionCall.args", field()))?;
        // A new turn of the model's: what it called before and nobody answered is no longer waited for.
        if self.turns.last().is_none_or(|turn| turn.role != Role::Assistant) {
            self.calls.clear();
        }
        self.count += 1;
        let said = call.id.map(|id| id.0).filter(|id| !id.is_empty());
        let id = said.unwrap_or_else(|| format!("call_{}", self.count).into());
        self.calls.push((name.clone(), id.clone()));
        let seal = self.take_packed(signature, SealKind::Call);
        let parts = self.open(Role::Assistant);
        parts.push(Part::ToolCall(ToolCall {
            id,
            name,
            namespace: None,
            arguments,
            kind: CallKind::Function,
            seal,
        }));
        self.run = parts.len();
        Ok(())
    }

    fn push_result(
        &mut self,
        response: FunctionResponse<'a>,
        field: &dyn Fn() -> String,
    ) -> Result<(), Error> {
        let raw = response.response.and_then(Answered::into_raw);
        let raw = object(raw, || format!("{}.functionResponse.response", field()))?;
        let name = response.name.map(|name| name.0);
        let call = self.answered(response.id.map(|id| id.0), name.as_deref());
        let (text, failed) = result_text(raw);
        let mut parts = Vec::new();
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        for part in response.parts.unwrap_or_default() {
            if let Some(blob) = part.inline_data {
                parts.push(medium::inline(blob, field)?);
            } else if let Some(file) = part.file_data {
                parts.push(medium::by_address(file, field)?);
            }
        }
        let kind = CallKind::Function;
        let result = ToolResult { call, name, parts, failed, kind };
        self.push_to_results(Part::ToolResult(result));
        Ok(())
    }

    /// Results stand right behind the model's turn, before whatever else the user's turn says.
    fn push_to_results(&mut self, result: Part<'a>) {
        let at = match self.turns.as_slice() {
            [.., before, user] if user.role == Role::User && before.role == Role::Tool => {
                self.turns.len() - 2
            }
            [.., before, user] if user.role == Role::User && before.role == Role::Assistant => {
                let at = self.turns.len() - 1;
                self.turns.insert(at, Turn { role: Role::Tool, parts: Vec::new() });
                at
            }
            _ => {
                self.open(Role::Tool);
                self.turns.len() - 1
            }
        };
        if let Some(turn) = self.turns.get_mut(at) {
            turn.parts.push(result);
        }
    }

    /// The id of the call that a result answers: the one it names, else the first open one of its name.
    fn answered(&mut self, id: Option<Text<'a>>, name: Option<&str>) -> Text<'a> {
        let by_id = id.as_ref().and_then(|id| self.calls.iter().position(|(_, own)| own == id));
        let by_name = || self.calls.iter().position(|(own, _)| Some(own.as_ref()) == name);
        match by_id.or_else(by_name) {
            Some(at) => self.calls.remove(at).1,
            None => id.unwrap_or_else(|| {
                self.count += 1;
                format!("call_{}", self.count).into()
            }),
        }
    }

    /// Gives seals to the thoughts of the run, in order. Where they do not match one to one, the first seal of thinking gets
    /// all the text: a client may have joined what was several.
    fn seal_run(&mut self, seals: Vec<Seal<'a>>) {
        if seals.is_empty() {
            return;
        }
        self.open(Role::Assistant);
        let run = self.run;
        let Some(parts) = self.turns.last_mut().map(|turn| &mut turn.parts) else { return };
        let is_open =
            |part: &Part<'_>| matches!(part, Part::Reasoning(part) if part.seal.is_none());
        let mut open: Vec<usize> =
            (run..parts.len()).filter(|at| parts.get(*at).is_some_and(is_open)).collect();
        let signed = seals.iter().filter(|seal| seal.kind != SealKind::Redacted).count();
        if signed > 0 && signed != open.len() {
            join_thoughts(parts, &open);
            open.truncate(1);
        }
        let mut waiting = open.into_iter();
        let (mut place, mut added) = (run, 0);
        for seal in seals {
            let is_redacted = seal.kind == SealKind::Redacted;
            let thought = if is_redacted { None } else { waiting.next() };
            if let Some(at) = thought.map(|at| at + added)
                && let Some(Part::Reasoning(part)) = parts.get_mut(at)
            {
                part.seal = Some(seal);
                place = at + 1;
            } else {
                let part = ReasoningPart { text: Text::default(), seal: Some(seal) };
                parts.insert(place, Part::Reasoning(part));
                place += 1;
                added += 1;
            }
        }
        self.run = parts.len();
    }
}

/// Moves the text of all thoughts into the first of them.
fn join_thoughts(parts: &mut Vec<Part<'_>>, open: &[usize]) {
    let Some((first, rest)) = open.split_first() else { return };
    let mut text = String::new();
    for at in rest.iter().rev() {
        if let Part::Reasoning(part) = parts.remove(*at) {
            text.insert_str(0, &part.text);
            text.insert_str(0, "\n\n");
        }
    }
    if let Some(Part::Reasoning(part)) = parts.get_mut(*first) {
        part.text.to_mut().push_str(&text);
    }
}

/// The text of a JSON object; empty where there is none.
fn object(raw: Option<Raw<'_>>, field: impl Fn() -> String) -> Result<Text<'_>, Error> {
    let text = match raw {
        None => return Ok(Text::default()),
        Some(Raw(Cow::Borrowed(raw))) => Text::Borrowed(raw.get()),
        Some(Raw(Cow::Owned(raw))) => Text::Owned(raw.get().to_owned()),
    };
    if text.starts_with('{') {
        return Ok(text);
    }
    let field = field();
    Err(Error::invalid(field.clone(), format!("{field} must be an object")))
}

/// What a function answered, and whether it says that it failed. The reference names `output`, `result` and `error` as the
/// usual keys: a text alone under one of them is meant as that text. <https://ai.google.dev/api/caching#FunctionResponse>
fn result_text(raw: Text<'_>) -> (Text<'_>, bool) {
    let (alone, failed) = {
        let members = serde_json::from_str::<Members<'_>>(&raw).map(|members| members.0);
        let members = members.unwrap_or_default();
        let failed = members.iter().any(|(key, value)| {
            key == "error" && !matches!(value.get(), "null" | "false" | "\"\"")
        });
        let alone = match members.as_slice() {
            [(key, value)] if matches!(key.as_ref(), "result" | "output" | "error") => {
                serde_json::from_str::<Str<'_>>(value.get()).ok().map(|text| text.0.into_owned())
            }
            _ => None,
        };
        (alone, failed)
    };
    (alone.map_or(raw, Cow::Owned), failed)
}

/// What Google did on its side.
fn hosted<'a>(part: &mut WirePart<'a>) -> Option<HostedItem<'a>> {
    let (name, raw) = part.take_hosted()?;
    Some(hosted::item(name, raw))
}
