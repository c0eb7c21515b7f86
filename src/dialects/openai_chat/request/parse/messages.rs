//! A client's messages → turns, with the seals that travelled in the ids of its calls.

use std::borrow::Cow;

use crate::dialects::openai_chat::wire::{
    Arguments, Content, ContentPart, OrText, Str, ToolCall as WireCall, request as wire,
};
use crate::ir::Text;
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::{CallKind, Media, Part, ReasoningPart, Role, ToolCall, ToolResult, Turn};
use crate::ir::seal::{self, Seal, SealKind};

use super::{given, media};

/// Reads the messages in order.
pub(super) fn turns<'a>(
    messages: Vec<wire::Message<'a>>,
    unsaid: &mut Losses,
) -> Result<Vec<Turn<'a>>, Error> {
    let mut reader = Reader { turns: Vec::with_capacity(messages.len()), calls: vec![], unsaid };
    for (n, message) in messages.into_iter().enumerate() {
        reader.message(n, message)?;
    }
    Ok(reader.turns)
}

struct Reader<'a, 'u> {
    turns: Vec<Turn<'a>>,
    /// The calls so far: a result says no more than an id.
    calls: Vec<Known<'a>>,
    unsaid: &'u mut Losses,
}

struct Known<'a> {
    id: Text<'a>,
    name: Text<'a>,
    kind: CallKind,
}

impl<'a> Reader<'a, '_> {
    fn message(&mut self, n: usize, message: wire::Message<'a>) -> Result<(), Error> {
        let role = given(message.role.clone()).unwrap_or_default();
        let role = match role.as_ref() {
            "system" => Role::System,
            "developer" => Role::Developer,
            "user" => Role::User,
            "assistant" => return self.assistant(n, message),
            "tool" => return self.result(n, message),
            "function" => return self.function_result(n, message),
            "" => return Err(fault(n, "role", "a role is needed")),
            other => {
                let why = format!(
                    "{other:?} is none of system, developer, user, assistant, tool, function"
                );
                return Err(fault(n, "role", &why));
            }
        };
        self.unsaid.drop_some(&message.name, "name");
        let Some(content) = message.content else {
            return Err(fault(n, "content", "the message has no content"));
        };
        let mut parts = Vec::new();
        self.content(n, content, &mut parts)?;
        self.push(role, parts);
        Ok(())
    }

    fn push(&mut self, role: Role, parts: Vec<Part<'a>>) {
        if !parts.is_empty() {
            self.turns.push(Turn { role, parts });
        }
    }

    fn assistant(&mut self, n: usize, mut message: wire::Message<'a>) -> Result<(), Error> {
        self.unsaid.drop_some(&message.name, "name");
        if message.audio.is_some() {
            let why = "a spoken answer is kept by its provider alone";
            self.unsaid.refuse(format!("messages.{n}.audio"), why);
        }
        let mut said = Vec::new();
        if let Some(content) = message.content.take() {
            self.content(n, content, &mut said)?;
        }
        if let Some(refusal) = given(message.refusal.take()) {
            said.push(Part::Refusal(refusal));
        }
        let mut calls = Vec::new();
        for (i, call) in message.tool_calls.take().into_iter().flatten().enumerate() {
            calls.push(read_call(call, &format!("messages.{n}.tool_calls.{i}"))?);
        }
        if let Some(call) = message.function_call.take() {
            let call = WireCall {
                // The deprecated form has no ids.
                id: Some(Str(format!("call_{n}").into())),
                function: Some(call),
                ..WireCall::default()
            };
            calls.push(read_call(call, &format!("messages.{n}.function_call"))?);
        }
        let mut parts = Vec::with_capacity(said.len() + calls.len() + 1);
        place_thinking(thinking(message), &mut calls, &mut parts);
        parts.append(&mut said);
        for Called { thoughts, call } in calls {
            parts.extend(thoughts.into_iter().map(Part::Reasoning));
            self.calls.push(Known {
                id: call.id.clone(),
                name: call.name.clone(),
                kind: call.kind,
            });
            parts.push(Part::ToolCall(call));
        }
        self.push(Role::Assistant, parts);
        Ok(())
    }

    fn result(&mut self, n: usize, message: wire::Message<'a>) -> Result<(), Error> {
        let id = given(message.tool_call_id)
            .ok_or_else(|| fault(n, "tool_call_id", "the id of the call is needed"))?;
        let (call, _) = own_id(id);
        let known = self.calls.iter().rev().find(|known| known.id == call);
        let (name, kind) = known
            .map_or((None, CallKind::Function), |known| (Some(known.name.clone()), known.kind));
        self.push_result(n, message.content, ToolResult { call, name, kind, ..empty_result() })
    }

    /// The deprecated `function` message answers the last call of that name.
    fn function_result(&mut self, n: usize, message: wire::Message<'a>) -> Result<(), Error> {
        let name =
            given(message.name).ok_or_else(|| fault(n, "name", "the function's name is needed"))?;
        let known = self.calls.iter().rev().find(|known| known.name == name);
        let call = known.map_or_else(|| format!("call_{n}").into(), |known| known.id.clone());
        self.push_result(
            n,
            message.content,
            ToolResult { call, name: Some(name), ..empty_result() },
        )
    }

    fn push_result(
        &mut self,
        n: usize,
        content: Option<Content<'a>>,
        mut result: ToolResult<'a>,
    ) -> Result<(), Error> {
        if let Some(content) = content {
            self.content(n, content, &mut result.parts)?;
        }
        match self.turns.last_mut() {
            Some(Turn { role: Role::Tool, parts }) => parts.push(Part::ToolResult(result)),
            _ => self.push(Role::Tool, vec![Part::ToolResult(result)]),
        }
        Ok(())
    }

    fn content(
        &mut self,
        n: usize,
        content: Content<'a>,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<(), Error> {
        match content {
            OrText::Text(text) => push_text(text, parts),
            OrText::Other(list) => {
                for (i, part) in list.into_iter().enumerate() {
                    self.unsaid.drop_some(&part.cache_control, "cache_control");
                    self.part((n, i), part, parts)?;
                }
            }
        }
        Ok(())
    }

    /// `at` numbers the message and the part in it.
    fn part(
        &mut self,
        at: (usize, usize),
        part: ContentPart<'a>,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<(), Error> {
        let kind = given(part.kind).unwrap_or(Cow::Borrowed("text"));
        let missing = |field: &str| {
            let field = format!("messages.{}.content.{}.{field}", at.0, at.1);
            Error::invalid(&field, format!("{field}: it is needed"))
        };
        let no_address = |field: &str| {
            let field = format!("messages.{}.content.{}.{field}", at.0, at.1);
            let message = format!("{field} must be a web address or a base64 data URI");
            Error::invalid(&field, message)
        };
        match kind.as_ref() {
            "text" | "input_text" | "output_text" => {
                push_text(part.text.ok_or_else(|| missing("text"))?.0, parts);
            }
            "refusal" => {
                let Str(text) = part.refusal.ok_or_else(|| missing("refusal"))?;
                parts.push(Part::Refusal(text));
            }
            "thinking" => {
                let text = part.thinking.map(plain_text).unwrap_or_default();
                parts.push(Part::Reasoning(ReasoningPart { text, seal: None }));
            }
            "image_url" => {
                let image = part.image_url.ok_or_else(|| missing("image_url"))?;
                parts.push(Part::Image(
                    media::read_image(image).ok_or_else(|| no_address("image_url.url"))?,
                ));
            }
            "video_url" => {
                let (url, _) = media::url_of(part.video_url.ok_or_else(|| missing("video_url"))?);
                let (source, mime) =
                    media::source_of(url).ok_or_else(|| no_address("video_url.url"))?;
                parts.push(Part::Video(Media { source, mime }));
            }
            "input_audio" => {
                let audio = part.input_audio.ok_or_else(|| missing("input_audio"))?;
                parts.push(Part::Audio(
                    media::read_audio(audio).ok_or_else(|| missing("input_audio.data"))?,
                ));
            }
            "file" => {
                let file = part.file.ok_or_else(|| missing("file"))?;
                parts.push(Part::File(
                    media::read_file(file).ok_or_else(|| missing("file.file_data"))?,
                ));
            }
            other => self.unsaid.refuse(
                format!("messages.{}.content.{}", at.0, at.1),
                format!("content of type {other:?} has no form elsewhere"),
            ),
        }
        Ok(())
    }
}

fn fault(n: usize, field: &str, why: &str) -> Error {
    let field = format!("messages.{n}.{field}");
    Error::invalid(&field, format!("{field}: {why}"))
}

fn push_text<'a>(text: Text<'a>, parts: &mut Vec<Part<'a>>) {
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
}

fn empty_result() -> ToolResult<'static> {
    ToolResult {
        call: Cow::Borrowed(""),
        name: None,
        parts: Vec::new(),
        failed: false,
        kind: CallKind::Function,
    }
}

/// The texts of a content, joined.
fn plain_text(content: Content<'_>) -> Text<'_> {
    match content {
        OrText::Text(text) => text,
        OrText::Other(parts) => {
            let texts = parts.into_iter().filter_map(|part| part.text);
            texts.map(|Str(text)| text).collect::<String>().into()
        }
    }
}

/// A call, and the thinking whose seals its id carried.
struct Called<'a> {
    thoughts: Vec<ReasoningPart<'a>>,
    call: ToolCall<'a>,
}

fn read_call<'a>(call: WireCall<'a>, field: &str) -> Result<Called<'a>, Error> {
    let missing = |what: &str| {
        let field = format!("{field}.{what}");
        Error::invalid(&field, format!("{field}: it is needed"))
    };
    let (id, seals) = own_id(given(call.id).ok_or_else(|| missing("id"))?);
    let (kind, name, arguments) = match (call.custom, call.function) {
        (Some(custom), _) => (
            CallKind::Custom,
            given(custom.name).ok_or_else(|| missing("custom.name"))?,
            custom.input.map(|Str(input)| input),
        ),
        (None, Some(function)) => (
            CallKind::Function,
            given(function.name).ok_or_else(|| missing("function.name"))?,
            function.arguments.map(Arguments::text),
        ),
        (None, None) => return Err(missing("function")),
    };
    let native = call.extra_content.and_then(|extra| extra.google?.thought_signature);
    let mut seal = native.map(|Str(data)| call_seal(data));
    let mut thoughts = Vec::new();
    for carried in seals {
        match carried.kind {
            SealKind::Call => seal = Some(carried),
            SealKind::Reasoning | SealKind::Redacted | SealKind::Details => {
                thoughts.push(ReasoningPart { text: Cow::Borrowed(""), seal: Some(carried) });
            }
        }
    }
    let call = ToolCall {
        id,
        name,
        namespace: None,
        arguments: arguments.unwrap_or_default(),
        kind,
        seal,
    };
    Ok(Called { thoughts, call })
}

/// The provider's id, and what the gateway had packed behind it.
fn own_id(id: Text<'_>) -> (Text<'_>, Vec<Seal<'static>>) {
    let (own, seals) = seal::unwrap_id(&id);
    let length = own.len();
    if length == id.len() { (id, seals) } else { (media::slice(&id, ..length), seals) }
}

fn native_seal(kind: SealKind, data: Text<'_>) -> Seal<'_> {
    Seal { issuer: Cow::Borrowed(seal::NATIVE), kind, id: Cow::Borrowed(""), data }
}

/// A signature in Google's place: packed by the gateway when it came too late for the id, or Google's own.
fn call_seal(data: Text<'_>) -> Seal<'_> {
    let packed = seal::from_text(&data).into_iter().flatten().next();
    packed.unwrap_or_else(|| native_seal(SealKind::Call, data))
}

/// What the message itself holds of the thinking.
fn thinking(message: wire::Message<'_>) -> ReasoningPart<'_> {
    let text = given(message.reasoning_content).or_else(|| given(message.reasoning));
    let details = message.reasoning_details.map(|raw| match raw.0 {
        Cow::Borrowed(raw) => Cow::Borrowed(raw.get()),
        Cow::Owned(raw) => Cow::Owned(raw.get().to_owned()),
    });
    ReasoningPart {
        text: text.unwrap_or_default(),
        seal: details.map(|data| native_seal(SealKind::Details, data)),
    }
}

/// Puts the thinking in front: the message's own text goes with the first seal that has readable thinking. What the first
/// call carried stands before the text, for thinking comes first in a turn.
fn place_thinking<'a>(own: ReasoningPart<'a>, calls: &mut [Called<'a>], parts: &mut Vec<Part<'a>>) {
    let readable = |part: &&mut ReasoningPart<'a>| {
        part.seal.as_ref().is_some_and(|seal| seal.kind != SealKind::Redacted)
    };
    let first = calls.iter_mut().flat_map(|called| &mut called.thoughts).find(readable);
    match first {
        Some(sealed) => sealed.text = own.text,
        None if own.seal.is_some() || !own.text.is_empty() => parts.push(Part::Reasoning(own)),
        None => {}
    }
    if let Some(first) = calls.first_mut() {
        parts.extend(first.thoughts.drain(..).map(Part::Reasoning));
    }
}
