//! The conversation on its way to an account: turns become items.

use std::borrow::Cow;

use super::built_in;
use crate::dialects::Target;
use crate::dialects::openai_responses::{BUILT_IN, hash, is_own_item, wire};
use crate::dialects::tools::Toolbox;
use crate::ir::losses::{CALL_SIGNATURE, Losses, THINKING};
use crate::ir::request::{
    CallKind, File, HostedItem, Image, Part, ReasoningPart, Role, Source, ToolCall, ToolResult,
    Turn,
};
use crate::ir::seal::{Seal, SealKind};
use wire::input::{InputItem, Location, OutPart, Output};

/// The longest call id that the API takes.
const LONGEST_CALL_ID: usize = 64;

/// Reads the turns and writes the items.
pub(super) struct History<'r, 'l> {
    target: Target<'r>,
    toolbox: &'r Toolbox,
    losses: &'l mut Losses,
    items: Vec<InputItem<'r>>,
    /// Reasoning that waits for its item: the API refuses reasoning that nothing follows.
    thoughts: Vec<InputItem<'r>>,
    /// What the assistant says, until its message is whole.
    said: Vec<OutPart<'r>>,
    /// Media of the assistant's own making, which only a user may show.
    shown: Vec<OutPart<'r>>,
    /// Calls of OpenAI's own client-run tools: their answers have forms of their own.
    built_in: Vec<(&'r str, &'r str)>,
}

impl<'r, 'l> History<'r, 'l> {
    pub(super) fn new(target: Target<'r>, toolbox: &'r Toolbox, losses: &'l mut Losses) -> Self {
        Self {
            target,
            toolbox,
            losses,
            items: Vec::new(),
            thoughts: Vec::new(),
            said: Vec::new(),
            shown: Vec::new(),
            built_in: Vec::new(),
        }
    }

    /// The instructions and the items.
    pub(super) fn read(mut self, turns: &'r [Turn<'r>]) -> (Option<String>, Vec<InputItem<'r>>) {
        let leading = turns.iter().take_while(|turn| is_system(turn)).count();
        let (system, rest) = turns.split_at_checked(leading).unwrap_or((&[], turns));
        // An input is required, so system texts alone must be it.
        if rest.is_empty() {
            self.turns(system);
            return (None, self.items);
        }
        self.turns(rest);
        let texts: Vec<&str> =
            system.iter().flat_map(|turn| &turn.parts).filter_map(plain).collect();
        ((!texts.is_empty()).then(|| texts.join("\n\n")), self.items)
    }

    fn turns(&mut self, turns: &'r [Turn<'r>]) {
        for turn in turns {
            match turn.role {
                Role::System => self.message("system", &turn.parts),
                Role::Developer => self.message("developer", &turn.parts),
                Role::User => self.message("user", &turn.parts),
                Role::Assistant => self.assistant(&turn.parts),
                Role::Tool => self.results(&turn.parts),
            }
        }
    }

    /// A turn of anybody but the model.
    fn message(&mut self, role: &'static str, parts: &'r [Part<'r>]) {
        let mut content = Vec::with_capacity(parts.len());
        for part in parts {
            if let Part::Hosted(item) = part {
                self.push_message(role, &mut content);
                self.hosted(item);
            } else {
                content.extend(self.input_part(part));
            }
        }
        self.push_message(role, &mut content);
    }

    fn push_message(&mut self, role: &'static str, content: &mut Vec<OutPart<'r>>) {
        if !content.is_empty() {
            self.items.push(InputItem::Message { role, content: std::mem::take(content) });
        }
    }

    fn assistant(&mut self, parts: &'r [Part<'r>]) {
        for part in parts {
            match part {
                Part::Text(text) => self.said.push(OutPart::OutputText { text }),
                Part::Refusal(refusal) => self.said.push(OutPart::Refusal { refusal }),
                Part::Reasoning(reasoning) => self.reasoning(reasoning),
                Part::ToolCall(call) => self.call(call),
                Part::Hosted(item) => {
                    self.end_message();
                    self.hosted(item);
                }
                Part::ToolResult(result) => self.result(result),
                Part::Image(_) | Part::File(_) | Part::Audio(_) | Part::Video(_) => {
                    let shown = self.input_part(part);
                    self.shown.extend(shown);
                }
            }
        }
        self.end_message();
        self.thoughts.clear();
        let mut shown = std::mem::take(&mut self.shown);
        self.push_message("user", &mut shown);
    }

    fn end_message(&mut self) {
        if !self.said.is_empty() {
            let content = std::mem::take(&mut self.said);
            self.items.append(&mut self.thoughts);
            self.items.push(InputItem::Message { role: "assistant", content });
        }
    }

    /// Thinking goes back to the account that sealed it. To any other it means nothing, and an item without its proof is
    /// refused.
    fn reasoning(&mut self, reasoning: &'r ReasoningPart<'r>) {
        let own = |seal: &&Seal<'_>| {
            seal.issuer == self.target.issuer && seal.kind == SealKind::Reasoning
        };
        let Some(seal) = reasoning.seal.as_ref().filter(own) else {
            self.losses.drop(THINKING);
            return;
        };
        self.end_message();
        let summary = match reasoning.text.as_ref() {
            "" => Vec::new(),
            text => vec![OutPart::SummaryText { text }],
        };
        let id = Some(seal.id.as_ref()).filter(|id| id.starts_with("rs"));
        self.thoughts.push(InputItem::Reasoning { id, summary, encrypted_content: &seal.data });
    }

    fn call(&mut self, call: &'r ToolCall<'r>) {
        self.losses.drop_some(&call.seal, CALL_SIGNATURE);
        self.end_message();
        self.items.append(&mut self.thoughts);
        let call_id = call_id(&call.id);
        if call.namespace.as_deref() == Some(BUILT_IN)
            && let Some(item) = built_in::call(call, call_id.clone())
        {
            self.built_in.push((&call.id, &call.name));
            self.items.push(item);
            return;
        }
        let name = self.toolbox.sent(call.namespace.as_deref(), &call.name);
        self.items.push(match call.kind {
            CallKind::Custom => InputItem::CustomToolCall { call_id, name, input: &call.arguments },
            CallKind::Function => {
                let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
                InputItem::FunctionCall { call_id, name, arguments }
            }
        });
    }

    fn results(&mut self, parts: &'r [Part<'r>]) {
        for part in parts {
            match part {
                Part::ToolResult(result) => self.result(result),
                Part::Text(_)
                | Part::Refusal(_)
                | Part::Reasoning(_)
                | Part::Image(_)
                | Part::File(_)
                | Part::Audio(_)
                | Part::Video(_)
                | Part::ToolCall(_)
                | Part::Hosted(_) => {}
            }
        }
    }

    fn result(&mut self, result: &'r ToolResult<'r>) {
        let id = call_id(&result.call);
        let name =
            self.built_in.iter().find(|(call, _)| *call == result.call).map(|(_, name)| *name);
        if let Some(item) = name.and_then(|name| built_in::output(name, id.clone(), result)) {
            self.items.push(item);
            return;
        }
        if result.failed {
            // The text says it; there is no flag for it.
            self.losses.drop("is_error");
        }
        let output = match result.parts.as_slice() {
            [] => Output::Text(""),
            [Part::Text(text)] => Output::Text(text),
            parts => Output::Parts(parts.iter().filter_map(|part| self.input_part(part)).collect()),
        };
        self.items.push(match result.kind {
            CallKind::Function => InputItem::FunctionCallOutput { call_id: id, output },
            CallKind::Custom => InputItem::CustomToolCallOutput { call_id: id, output },
        });
    }

    fn hosted(&mut self, item: &'r HostedItem<'r>) {
        if !is_own_item(item) {
            self.losses.drop(item.tool.name());
            return;
        }
        if item.name.ends_with("_call") {
            self.items.append(&mut self.thoughts);
        }
        self.items.push(InputItem::Raw(&item.raw));
    }

    fn input_part(&mut self, part: &'r Part<'r>) -> Option<OutPart<'r>> {
        match part {
            Part::Text(text) | Part::Refusal(text) => {
                Some(OutPart::InputText { text: Cow::Borrowed(text) })
            }
            Part::Image(image) => self.image(image),
            Part::File(file) => self.file(file),
            Part::Audio(_) => {
                self.losses.refuse("audio", "OpenAI Responses takes no audio; send a transcript");
                None
            }
            Part::Video(_) => {
                self.losses.refuse("video", "OpenAI Responses takes no video; send single images");
                None
            }
            Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) | Part::Hosted(_) => None,
        }
    }

    fn image(&mut self, image: &'r Image<'r>) -> Option<OutPart<'r>> {
        let detail = image.detail.as_deref();
        let (image_url, file_id) = match &image.source {
            Source::Base64(base64) => {
                let mime = image.mime.as_deref().unwrap_or_else(|| image_mime(base64));
                (Some(Location::Data { mime, base64 }), None)
            }
            Source::Url(url) => (Some(Location::Url(url)), None),
            Source::FileId(id) => (None, Some(self.own_file(id)?)),
            Source::Text(_) => return None,
        };
        Some(OutPart::InputImage { image_url, file_id, detail })
    }

    fn file(&mut self, file: &'r File<'r>) -> Option<OutPart<'r>> {
        if file.cite {
            self.losses.drop("citations");
        }
        let name = file.name.as_deref();
        let (mut file_data, mut file_url, mut file_id) = (None, None, None);
        match &file.source {
            Source::Base64(base64) => {
                let mime = file.mime.as_deref().unwrap_or("application/pdf");
                file_data = Some(Location::Data { mime, base64 });
            }
            Source::Url(url) => file_url = Some(url.as_ref()),
            Source::FileId(id) => file_id = Some(self.own_file(id)?),
            // Every model reads text, and only some read files.
            Source::Text(text) => return Some(OutPart::InputText { text: file.titled(text) }),
        }
        if file.context.is_some() {
            self.losses.drop("context");
        }
        // The API refuses bytes without a name.
        let filename = file_data.as_ref().map(|_| name.unwrap_or("document.pdf"));
        Some(OutPart::InputFile { filename, file_data, file_url, file_id })
    }

    /// A file id means something to the provider that gave it alone. OpenAI's begin so; no other provider's do.
    fn own_file(&mut self, id: &'r str) -> Option<&'r str> {
        if id.starts_with("file-") {
            return Some(id);
        }
        self.losses.refuse(
            "file_id",
            format!("the file {id} is kept by another provider; send its content"),
        );
        None
    }
}

/// Whether a turn can be part of the instructions.
fn is_system(turn: &Turn<'_>) -> bool {
    matches!(turn.role, Role::System | Role::Developer)
        && turn.parts.iter().all(|part| plain(part).is_some())
}

pub(super) fn plain<'p>(part: &'p Part<'_>) -> Option<&'p str> {
    match part {
        Part::Text(text) => Some(text),
        Part::Refusal(_)
        | Part::Reasoning(_)
        | Part::Image(_)
        | Part::File(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::ToolCall(_)
        | Part::ToolResult(_)
        | Part::Hosted(_) => None,
    }
}

/// The call's id, or where it is too long for the API something as unique that is the same in every turn.
fn call_id(id: &str) -> Cow<'_, str> {
    if id.chars().count() <= LONGEST_CALL_ID {
        return Cow::Borrowed(id);
    }
    let hash = hash(id);
    Cow::Owned(format!("call_{}", hash.get(..40).unwrap_or(&hash)))
}

/// The media type that the first bytes of an image tell.
fn image_mime(base64: &str) -> &'static str {
    match base64.get(..4) {
        Some("/9j/") => "image/jpeg",
        Some("R0lG") => "image/gif",
        Some("UklG") => "image/webp",
        _ => "image/png",
    }
}
