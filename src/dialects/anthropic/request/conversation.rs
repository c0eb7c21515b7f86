//! A client's request → the neutral form: its messages.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialects::anthropic::wire::read::{Block, CitationsConfig, Content, Medium, Message};
use crate::dialects::anthropic::wire::read::{Source as Place, Str};
use crate::dialects::anthropic::{hosted_kind, is_hosted};
use crate::ir::Text;
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::{
    CallKind, File, HostedItem, Image, Part, ReasoningPart, Role, Source, ToolCall, ToolResult,
    Turn, is_web,
};
use crate::ir::seal::{self, Seal, SealKind};

/// What Claude Code puts before its system prompt: a header in disguise, and another one in each session, so that no prompt
/// cache of another provider would ever hit.
const BILLING_HEADER: &str = "x-anthropic-billing-header:";

/// Reads the messages of one request.
pub(super) struct Conversation<'a> {
    body: &'a [u8],
    turns: Vec<Turn<'a>>,
    unsaid: Losses,
    /// The proof of the next call, read from the block before it.
    call_seal: Option<Seal<'a>>,
    /// The contents of the messages as text, read once a block is needed as it came.
    contents: Option<Vec<&'a RawValue>>,
}

/// Where a block stands, for messages.
#[derive(Clone, Copy)]
enum At {
    System(usize),
    Message(usize, usize),
    /// Inside a tool result or a document.
    Inside(usize, usize, usize),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(block) => write!(f, "system.{block}"),
            Self::Message(message, block) => write!(f, "messages.{message}.content.{block}"),
            Self::Inside(message, block, inner) => {
                write!(f, "messages.{message}.content.{block}.content.{inner}")
            }
        }
    }
}

impl At {
    fn missing(self, field: &str) -> Error {
        Error::invalid(format!("{self}.{field}"), "field required")
    }

    const fn inside(self, inner: usize) -> Self {
        match self {
            Self::System(block) => Self::System(block),
            Self::Message(message, block) | Self::Inside(message, block, _) => {
                Self::Inside(message, block, inner)
            }
        }
    }
}

impl<'a> Conversation<'a> {
    /// A conversation without messages; `body` is the request that they stand in.
    pub(super) fn new(body: &'a [u8]) -> Self {
        let turns = Vec::new();
        Self { body, turns, unsaid: Losses::default(), call_seal: None, contents: None }
    }

    /// The turns, and what could not be said of them.
    pub(super) fn finish(self) -> (Vec<Turn<'a>>, Losses) {
        (self.turns, self.unsaid)
    }

    /// Reads the system prompt.
    pub(super) fn system(&mut self, content: Content<'a>) -> Result<(), Error> {
        let mut parts = Vec::new();
        match content {
            Content::Text(text) => self.system_text(text, &mut parts),
            Content::Blocks(blocks) => {
                for (index, block) in blocks.into_iter().enumerate() {
                    self.system_block(block, At::System(index), &mut parts)?;
                }
            }
            Content::Other => return Err(wrong_content("system")),
        }
        self.push(Turn { role: Role::System, parts });
        Ok(())
    }

    fn system_block(
        &mut self,
        block: Block<'a>,
        at: At,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<(), Error> {
        self.unsaid.drop_some(&block.cache_control, "cache_control");
        match block.kind.as_ref().map_or("", |kind| &kind.0) {
            "text" => {
                self.cited(&block);
                let text = block.text.ok_or_else(|| at.missing("text"))?;
                self.system_text(text.0, parts);
            }
            // Every tool is declared at once.
            "tool_addition" => self.unsaid.drop("tool_addition"),
            "tool_removal" => self.unsaid.drop("tool_removal"),
            "" => return Err(at.missing("type")),
            kind => self.refuse_block(at, kind),
        }
        Ok(())
    }

    fn system_text(&mut self, text: Text<'a>, parts: &mut Vec<Part<'a>>) {
        if text.starts_with(BILLING_HEADER) {
            self.unsaid.drop("billing_header");
        } else if !text.is_empty() {
            parts.push(Part::Text(text));
        }
    }

    /// Reads one message.
    pub(super) fn message(&mut self, index: usize, message: Message<'a>) -> Result<(), Error> {
        let role = match message.role.as_ref().map_or("", |role| &role.0) {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => {
                let expected = "expected user, assistant or system";
                return Err(Error::invalid(format!("messages.{index}.role"), expected));
            }
        };
        self.unsaid.drop_some(&message.output_config, "messages.output_config");
        self.unsaid.drop_some(&message.clear_at, "clear_at");
        match message.content {
            Some(Content::Text(text)) => {
                let parts = if text.is_empty() { Vec::new() } else { vec![Part::Text(text)] };
                self.push(Turn { role, parts });
                Ok(())
            }
            Some(Content::Blocks(blocks)) => self.blocks(index, role, blocks),
            Some(Content::Other) => Err(wrong_content(&format!("messages.{index}.content"))),
            // A system message may hold settings alone.
            None if role == Role::System => Ok(()),
            None => Err(Error::invalid(format!("messages.{index}.content"), "field required")),
        }
    }

    /// One message, as one turn or more: results stand in turns of their own.
    fn blocks(&mut self, message: usize, role: Role, blocks: Vec<Block<'a>>) -> Result<(), Error> {
        let mut turn = Turn { role, parts: Vec::with_capacity(blocks.len()) };
        for (index, block) in blocks.into_iter().enumerate() {
            let is_result = block.kind.as_ref().is_some_and(|kind| kind.0 == "tool_result");
            let speaker = if is_result { Role::Tool } else { role };
            if turn.role != speaker {
                self.push(std::mem::replace(&mut turn, Turn { role: speaker, parts: Vec::new() }));
            }
            let at = At::Message(message, index);
            if role == Role::System {
                self.system_block(block, at, &mut turn.parts)?;
            } else {
                self.block(block, at, &mut turn.parts)?;
            }
        }
        self.push(turn);
        Ok(())
    }

    fn push(&mut self, turn: Turn<'a>) {
        if !turn.parts.is_empty() {
            self.turns.push(turn);
        }
    }

    /// Reads one block of a message, of a result or of a document.
    fn block(&mut self, block: Block<'a>, at: At, parts: &mut Vec<Part<'a>>) -> Result<(), Error> {
        self.unsaid.drop_some(&block.cache_control, "cache_control");
        let kind = block.kind.clone().ok_or_else(|| at.missing("type"))?.0;
        match &*kind {
            "text" => self.text(block, at, parts)?,
            "image" => parts.push(image(block, at)?),
            "document" => self.document(block, at, parts)?,
            "thinking" => self.thinking(block, parts),
            "redacted_thinking" => {
                let data = block.data.ok_or_else(|| at.missing("data"))?;
                self.sealed(data.0, SealKind::Redacted, Text::Borrowed(""), parts);
            }
            "tool_use" => parts.push(Part::ToolCall(self.call(block, at)?)),
            "tool_result" => parts.push(Part::ToolResult(self.result(block, at)?)),
            "search_result" => {
                if citations_wanted(&block) {
                    self.unsaid.drop("citations");
                }
                parts.push(Part::Text(search_result(&block).into()));
            }
            "tool_reference" => {
                let name = block.tool_name.ok_or_else(|| at.missing("tool_name"))?;
                parts.push(Part::Text(name.0));
            }
            // The summary of what came before it.
            "compaction" => {
                if let Some(Content::Text(summary)) = block.content {
                    parts.push(Part::Text(summary));
                }
            }
            // Which model answered after a refusal: nothing to say to another one.
            "fallback" => self.unsaid.drop("fallback"),
            _ if is_hosted(&kind) => self.hosted(&kind, &block, at, parts),
            _ => self.refuse_block(at, &kind),
        }
        Ok(())
    }

    fn refuse_block(&mut self, at: At, kind: &str) {
        let reason = format!("no other provider has a form for blocks of type {kind}");
        self.unsaid.refuse(at.to_string(), reason);
    }

    fn text(&mut self, block: Block<'a>, at: At, parts: &mut Vec<Part<'a>>) -> Result<(), Error> {
        self.cited(&block);
        let text = block.text.ok_or_else(|| at.missing("text"))?.0;
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(())
    }

    /// What a text cites has no form elsewhere.
    fn cited(&mut self, block: &Block<'a>) {
        if block.citations.is_some_and(|citations| !matches!(citations.get(), "[]" | "null")) {
            self.unsaid.drop("citations");
        }
    }

    fn document(
        &mut self,
        block: Block<'a>,
        at: At,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<(), Error> {
        let cite = citations_wanted(&block);
        let Some(Place::Medium(mut medium)) = block.source else {
            return Err(at.missing("source"));
        };
        if medium.kind.as_ref().is_some_and(|kind| kind.0 == "content") {
            if cite {
                self.unsaid.drop("citations");
            }
            return match medium.content.take() {
                Some(Content::Text(text)) => {
                    parts.push(Part::Text(text));
                    Ok(())
                }
                Some(Content::Blocks(blocks)) => {
                    for (index, block) in blocks.into_iter().enumerate() {
                        self.block(block, at.inside(index), parts)?;
                    }
                    Ok(())
                }
                Some(Content::Other) | None => Err(at.missing("source.content")),
            };
        }
        let (source, mime) = place(medium, at)?;
        parts.push(Part::File(File {
            source,
            mime,
            name: block.title.map(|title| title.0),
            context: block.context.map(|context| context.0),
            cite,
        }));
        Ok(())
    }

    fn thinking(&mut self, block: Block<'a>, parts: &mut Vec<Part<'a>>) {
        let text = block.thinking.unwrap_or_default().0;
        match block.signature.filter(|signature| !signature.0.is_empty()) {
            Some(signature) => self.sealed(signature.0, SealKind::Reasoning, text, parts),
            None => parts.push(Part::Reasoning(ReasoningPart { text, seal: None })),
        }
    }

    /// Thinking with a proof: the provider's own, or those that were packed here for another provider.
    fn sealed(
        &mut self,
        proof: Text<'a>,
        kind: SealKind,
        mut text: Text<'a>,
        parts: &mut Vec<Part<'a>>,
    ) {
        let issuer = Text::Borrowed(seal::NATIVE);
        let native = |data| vec![Seal { issuer, kind, id: Text::Borrowed(""), data }];
        let seals = seal::from_text(&proof).unwrap_or_else(|| native(proof));
        for seal in seals {
            if seal.kind == SealKind::Call {
                self.call_seal = Some(seal);
            } else {
                let text = std::mem::take(&mut text);
                parts.push(Part::Reasoning(ReasoningPart { text, seal: Some(seal) }));
            }
        }
        if !text.is_empty() {
            parts.push(Part::Reasoning(ReasoningPart { text, seal: None }));
        }
    }

    fn call(&mut self, block: Block<'a>, at: At) -> Result<ToolCall<'a>, Error> {
        let id = block.id.map(|id| id.0).filter(|id| !id.is_empty());
        let name = block.name.map(|name| name.0).filter(|name| !name.is_empty());
        let arguments = block.input.map_or("{}", RawValue::get);
        if !arguments.starts_with('{') {
            return Err(Error::invalid(format!("{at}.input"), "expected an object"));
        }
        Ok(ToolCall {
            id: id.ok_or_else(|| at.missing("id"))?,
            name: name.ok_or_else(|| at.missing("name"))?,
            namespace: None,
            arguments: Text::Borrowed(arguments),
            kind: CallKind::Function,
            seal: self.call_seal.take(),
        })
    }

    fn result(&mut self, block: Block<'a>, at: At) -> Result<ToolResult<'a>, Error> {
        let call = block.tool_use_id.ok_or_else(|| at.missing("tool_use_id"))?.0;
        let mut parts = Vec::new();
        match block.content {
            Some(Content::Text(text)) if text.is_empty() => {}
            Some(Content::Text(text)) => parts.push(Part::Text(text)),
            Some(Content::Blocks(blocks)) => {
                for (index, block) in blocks.into_iter().enumerate() {
                    self.block(block, at.inside(index), &mut parts)?;
                }
            }
            Some(Content::Other) => return Err(wrong_content(&format!("{at}.content"))),
            None => {}
        }
        let failed = block.is_error.unwrap_or(false);
        Ok(ToolResult { call, name: None, parts, failed, kind: CallKind::Function })
    }

    fn hosted(&mut self, kind: &str, block: &Block<'a>, at: At, parts: &mut Vec<Part<'a>>) {
        let tool = hosted_kind(kind, block.name.as_ref().map_or("", |name| &name.0));
        if let At::Message(message, index) = at
            && let Some(raw) = self.as_it_came(message, index)
        {
            let name = Text::Owned(kind.to_owned());
            parts.push(Part::Hosted(HostedItem { tool, name, raw: Cow::Borrowed(raw) }));
        }
    }

    /// A block's JSON. Few requests need one, so it is looked up in the body again.
    fn as_it_came(&mut self, message: usize, block: usize) -> Option<&'a RawValue> {
        let body = self.body;
        let contents = self.contents.get_or_insert_with(|| {
            let messages = serde_json::from_slice::<Contents<'_>>(body);
            messages
                .map(|body| body.messages.into_iter().map(|message| message.content).collect())
                .unwrap_or_default()
        });
        let content = contents.get(message)?;
        let blocks: Vec<&'a RawValue> = serde_json::from_str(content.get()).ok()?;
        blocks.get(block).copied()
    }
}

/// The contents of the messages, unread.
#[derive(Deserialize)]
struct Contents<'a> {
    #[serde(borrow)]
    messages: Vec<Unread<'a>>,
}

#[derive(Deserialize)]
struct Unread<'a> {
    #[serde(borrow, default = "null")]
    content: &'a RawValue,
}

const fn null<'a>() -> &'a RawValue {
    RawValue::NULL
}

fn wrong_content(field: &str) -> Error {
    Error::invalid(field, "expected a string or an array of blocks")
}

fn image(block: Block<'_>, at: At) -> Result<Part<'_>, Error> {
    let Some(Place::Medium(medium)) = block.source else { return Err(at.missing("source")) };
    let (source, mime) = place(medium, at)?;
    Ok(Part::Image(Image { source, mime, detail: None }))
}

fn place<'a>(medium: Medium<'a>, at: At) -> Result<(Source<'a>, Option<Text<'a>>), Error> {
    let mime = medium.media_type.map(|mime| mime.0);
    let need = |field: Option<Str<'a>>, name: &str| {
        field.map(|field| field.0).ok_or_else(|| at.missing(&format!("source.{name}")))
    };
    let source = match medium.kind.as_ref().map_or("", |kind| &kind.0) {
        "base64" => Source::Base64(need(medium.data, "data")?),
        "url" => match need(medium.url, "url")? {
            url if is_web(&url) => Source::Url(url),
            _ => {
                let field = format!("{at}.source.url");
                let message = format!("{field} must be a web address");
                return Err(Error::invalid(field, message));
            }
        },
        "file" => Source::FileId(need(medium.file_id, "file_id")?),
        "text" => Source::Text(need(medium.data, "data")?),
        _ => {
            let expected = "expected base64, url, file, text or content";
            return Err(Error::invalid(format!("{at}.source.type"), expected));
        }
    };
    Ok((source, mime))
}

/// Whether the answer should cite a document or a search result.
fn citations_wanted(block: &Block<'_>) -> bool {
    let config = block.citations.map(|config| serde_json::from_str(config.get()));
    let config: CitationsConfig = config.and_then(Result::ok).unwrap_or_default();
    config.enabled.unwrap_or(false)
}

/// A search result that the client gives, as text: no other provider has a block for it.
fn search_result(block: &Block<'_>) -> String {
    let mut text = block.title.as_ref().map_or_else(String::new, |title| title.0.to_string());
    if let Some(Place::Address(source)) = &block.source {
        text.push('\n');
        text.push_str(source);
    }
    if let Some(Content::Blocks(blocks)) = &block.content {
        for piece in blocks.iter().filter_map(|block| block.text.as_ref()) {
            text.push('\n');
            text.push_str(&piece.0);
        }
    }
    text
}
