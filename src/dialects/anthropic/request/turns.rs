//! The neutral form → a request for an account: its system prompt and its messages.

use std::borrow::Cow;

use super::media;
use super::model::Model;
use crate::dialects::Target;
use crate::dialects::anthropic::wire::write::{Block, Item, Message, ResultContent};
use crate::dialects::anthropic::{hosted_name, input_object, is_hosted, legal_id, raw};
use crate::dialects::tools::{self, Toolbox};
use crate::ir::losses::{CALL_SIGNATURE, Losses, THINKING};
use crate::ir::request::{
    CallKind, Part, ReasoningPart, Request, Role, ToolCall, ToolResult, Turn,
};
use crate::ir::seal::SealKind;

/// Writes the turns of one request.
pub(super) struct Turns<'r, 'l> {
    target: Target<'r>,
    toolbox: &'r Toolbox,
    model: Model,
    losses: &'l mut Losses,
    messages: Vec<Message<'r>>,
    /// How many results stand at the head of the last message: they must come first.
    results: usize,
}

impl<'r, 'l> Turns<'r, 'l> {
    /// Nothing is written yet.
    pub(super) const fn new(
        target: Target<'r>,
        toolbox: &'r Toolbox,
        model: Model,
        losses: &'l mut Losses,
    ) -> Self {
        Self { target, toolbox, model, losses, messages: Vec::new(), results: 0 }
    }

    /// The system prompt and the messages. A conversation of system texts alone has its last one as the message that the
    /// API asks for.
    pub(super) fn render(mut self, request: &'r Request<'_>) -> (Vec<Item<'r>>, Vec<Message<'r>>) {
        let is_system = |turn: &&Turn<'_>| matches!(turn.role, Role::System | Role::Developer);
        let leading = request.turns.iter().take_while(is_system).count();
        let leading =
            if leading == request.turns.len() { leading.saturating_sub(1) } else { leading };
        let (system, rest) = request.turns.split_at_checked(leading).unwrap_or_default();
        let system = system.iter().flat_map(|turn| &turn.parts);
        let system = system.filter_map(|part| self.system_text(part)).map(text).collect();
        for (index, turn) in rest.iter().enumerate() {
            let after =
                rest.get(index + 1..).unwrap_or_default().iter().find(|turn| !is_system(turn));
            self.turn(turn, after);
        }
        self.trim_end();
        (system, self.messages)
    }

    fn turn(&mut self, turn: &'r Turn<'_>, after: Option<&Turn<'_>>) {
        let role = match turn.role {
            Role::Assistant => "assistant",
            Role::User | Role::Tool => "user",
            // It must stand between the user and the model; elsewhere it is the user who says it.
            Role::System | Role::Developer => {
                let follows = self.messages.last().is_some_and(|last| last.role != "assistant");
                let precedes = after.is_none_or(|turn| turn.role == Role::Assistant);
                if self.model.system_turns && follows && precedes { "system" } else { "user" }
            }
        };
        for part in &turn.parts {
            match (turn.role, part) {
                (Role::System | Role::Developer, part) => {
                    if let Some(said) = self.system_text(part) {
                        self.push(role, text(said));
                    }
                }
                (_, Part::ToolResult(result)) => self.result(result),
                (Role::Assistant, part) => self.said(part),
                (Role::User | Role::Tool, part) => {
                    if let Some(item) = self.asked(part) {
                        self.push("user", item);
                    }
                }
            }
        }
    }

    fn push(&mut self, role: &'static str, item: Item<'r>) {
        match self.messages.last_mut() {
            Some(last) if last.role == role => last.content.push(item),
            _ => {
                self.results = 0;
                self.messages.push(Message { role, content: vec![item] });
            }
        }
    }

    fn system_text(&mut self, part: &'r Part<'_>) -> Option<&'r str> {
        match part {
            Part::Text(said) => spoken(said),
            Part::Refusal(_) | Part::Reasoning(_) => None,
            Part::Image(_)
            | Part::File(_)
            | Part::Audio(_)
            | Part::Video(_)
            | Part::ToolCall(_)
            | Part::ToolResult(_)
            | Part::Hosted(_) => {
                self.losses.refuse("system", "Anthropic's system prompt holds text alone");
                None
            }
        }
    }

    /// A part of the user's, or of a tool's answer.
    fn asked(&mut self, part: &'r Part<'_>) -> Option<Item<'r>> {
        match part {
            Part::Text(said) | Part::Refusal(said) => spoken(said).map(text),
            Part::Image(image) => media::image(image, self.losses).map(Item::Block),
            Part::File(file) => media::document(file, self.losses).map(Item::Block),
            Part::Audio(_) => {
                self.losses.refuse("audio", "Anthropic takes no sound");
                None
            }
            Part::Video(_) => {
                self.losses.refuse("video", "Anthropic takes no films");
                None
            }
            Part::Hosted(item) => {
                self.losses.drop(hosted_name(item.tool));
                None
            }
            Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => None,
        }
    }

    /// A part of the model's.
    fn said(&mut self, part: &'r Part<'_>) {
        let item = match part {
            Part::Text(said) | Part::Refusal(said) => spoken(said).map(text),
            Part::Reasoning(reasoning) => self.reasoning(reasoning).map(Item::Block),
            Part::ToolCall(call) => self.call(call).map(Item::Block),
            Part::Hosted(item) if is_hosted(&item.name) => Some(Item::Raw(&item.raw)),
            Part::Hosted(item) => {
                self.losses.drop(hosted_name(item.tool));
                None
            }
            // The model's own pictures and sounds have no place in its turns.
            Part::Image(_) => {
                self.losses.drop("image");
                None
            }
            Part::File(_) => {
                self.losses.drop("file");
                None
            }
            Part::Audio(_) | Part::Video(_) => {
                self.losses.drop("audio");
                None
            }
            Part::ToolResult(_) => None,
        };
        if let Some(item) = item {
            self.push("assistant", item);
        }
    }

    /// Thinking goes back to whoever proved it, and to nobody else: the API refuses what it did not sign.
    fn reasoning(&mut self, part: &'r ReasoningPart<'_>) -> Option<Block<'r>> {
        let own = part.seal.as_ref().filter(|seal| seal.issuer == self.target.issuer);
        match own.map(|seal| (seal.kind, Cow::Borrowed(&*seal.data))) {
            Some((SealKind::Reasoning, signature)) => {
                Some(Block::Thinking { thinking: &part.text, signature })
            }
            Some((SealKind::Redacted, data)) => Some(Block::RedactedThinking { data }),
            Some((SealKind::Call | SealKind::Details, _)) | None => {
                self.losses.drop(THINKING);
                None
            }
        }
    }

    fn call(&mut self, call: &'r ToolCall<'_>) -> Option<Block<'r>> {
        self.losses.drop_some(&call.seal, CALL_SIGNATURE);
        let input = match call.kind {
            CallKind::Custom => raw(tools::wrap_input(&call.arguments)),
            // Arguments that are no object (cut short by a limit, say) are kept as the text that they are.
            CallKind::Function => {
                input_object(&call.arguments).or_else(|| raw(tools::wrap_input(&call.arguments)))
            }
        };
        Some(Block::ToolUse {
            id: legal_id(&call.id),
            name: self.toolbox.sent(call.namespace.as_deref(), &call.name),
            input: input?,
        })
    }

    fn result(&mut self, result: &'r ToolResult<'_>) {
        let mut blocks: Vec<Item<'r>> = Vec::with_capacity(result.parts.len());
        for part in &result.parts {
            blocks.extend(self.asked(part));
        }
        let content = match blocks.as_slice() {
            [Item::Block(Block::Text { text, .. })] => ResultContent::Text(text),
            _ => ResultContent::Blocks(blocks),
        };
        let item = Item::Block(Block::ToolResult {
            tool_use_id: legal_id(&result.call),
            // The API wants words with an error.
            is_error: result.failed && !content.is_empty(),
            content,
        });
        if self.messages.last().is_none_or(|last| last.role != "user") {
            self.push("user", item);
        } else if let Some(last) = self.messages.last_mut() {
            last.content.insert(self.results.min(last.content.len()), item);
        }
        self.results += 1;
    }

    /// The start of an answer may not end in white space.
    fn trim_end(&mut self) {
        let Some(last) = self.messages.last_mut().filter(|last| last.role == "assistant") else {
            return;
        };
        if let Some(Item::Block(Block::Text { text, .. })) = last.content.last_mut() {
            *text = text.trim_end();
        }
    }
}

const fn text(text: &str) -> Item<'_> {
    Item::Block(Block::Text { text, citations: Vec::new() })
}

/// The API refuses blank texts.
fn spoken(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.trim().is_empty())
}
