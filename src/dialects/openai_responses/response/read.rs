//! One item of an account's answer: what blocks does it make?

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::parse::count;
use crate::dialects::Origin;
use crate::dialects::openai_responses::{BUILT_IN, hosted_kind, wire};
use crate::ir::Text;
use crate::ir::request::{CallKind, HostedItem, ToolCall};
use crate::ir::response::{Block, Citation, CitationSource, Logprob};
use crate::ir::seal::{Seal, SealKind};
use wire::item::{Content, Item, Part};
use wire::response::Annotation;
use wire::text::Str;

/// Reads items, and makes up ids where the provider gives none.
#[derive(Debug)]
pub(in super::super) struct Reader<'o> {
    origin: Origin<'o>,
    made: u32,
}

impl<'o> Reader<'o> {
    pub(in super::super) fn new(origin: Origin<'o>) -> Self {
        Self { origin, made: 0 }
    }

    /// A reader that has made up some ids already.
    pub(in super::super) fn with_made(origin: Origin<'o>, made: u32) -> Self {
        Self { origin, made }
    }

    pub(in super::super) fn made(&self) -> u32 {
        self.made
    }

    /// Appends the blocks of an item. `raw` is the item as it came, where that is kept.
    pub(in super::super) fn blocks<'a>(
        &mut self,
        item: Item<'a>,
        raw: Option<&'a RawValue>,
        out: &mut Vec<Block<'a>>,
    ) {
        if let Some((name, arguments)) = client_run(&item) {
            out.push(Block::ToolCall(ToolCall {
                id: self.call_id(item.call_id.0.or(item.id.0)),
                name: Cow::Borrowed(name),
                namespace: Some(Cow::Borrowed(BUILT_IN)),
                arguments: Cow::Borrowed(arguments.map_or("", RawValue::get)),
                kind: CallKind::Function,
                seal: None,
            }));
            return;
        }
        match item.kind.as_str() {
            "message" => out.extend(message(item.content)),
            "reasoning" => out.extend(self.reasoning(item)),
            "function_call" => out.push(Block::ToolCall(self.call(item, CallKind::Function))),
            "custom_tool_call" => out.push(Block::ToolCall(self.call(item, CallKind::Custom))),
            "image_generation_call" if !item.result.as_str().is_empty() => {
                let data = clean(item.result.into_text());
                let mime = image_mime(item.output_format.as_str(), &data);
                out.push(Block::Image { mime, data });
            }
            kind => {
                let Some(raw) = raw else { return };
                let (tool, name) = (hosted_kind(kind), Cow::Owned(kind.to_owned()));
                out.push(Block::Hosted(HostedItem { tool, name, raw: Cow::Borrowed(raw) }));
            }
        }
    }

    fn call<'a>(&mut self, item: Item<'a>, kind: CallKind) -> ToolCall<'a> {
        let arguments = match kind {
            CallKind::Function => arguments(item.arguments),
            CallKind::Custom => item.input.into_text(),
        };
        ToolCall {
            id: self.call_id(item.call_id.0.or(item.id.0)),
            name: named(item.name.into_text()),
            namespace: item.namespace.0.filter(|namespace| !namespace.is_empty()),
            arguments,
            kind,
            seal: None,
        }
    }

    /// The call's id; one that is made up is unique in the exchange.
    pub(in super::super) fn call_id<'a>(&mut self, id: Option<Text<'a>>) -> Text<'a> {
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            return id;
        }
        self.made += 1;
        Cow::Owned(format!("call_{}_{}", self.origin.id, self.made))
    }

    fn reasoning<'a>(&self, item: Item<'a>) -> Option<Block<'a>> {
        let text = joined(texts(item.summary)).or_else(|| joined(texts(item.content)));
        let sealed = item.encrypted_content.into_text();
        let seal = self.seal(item.id.into_text(), sealed);
        if text.is_none() && seal.is_none() {
            return None;
        }
        Some(Block::Reasoning { text: text.unwrap_or_default(), seal })
    }

    /// The proof of a reasoning item, bound to its id.
    pub(in super::super) fn seal<'a>(&self, id: Text<'a>, data: Text<'a>) -> Option<Seal<'a>> {
        let issuer = Cow::Owned(self.origin.issuer.to_owned());
        (!data.is_empty()).then_some(Seal { issuer, kind: SealKind::Reasoning, id, data })
    }
}

/// Whether the item is kept as it came.
pub(in super::super) fn keeps_raw(item: &Item<'_>) -> bool {
    let read = match item.kind.as_str() {
        "message" | "reasoning" | "function_call" | "custom_tool_call" => true,
        "image_generation_call" => !item.result.as_str().is_empty(),
        _ => client_run(item).is_some(),
    };
    !read
}

/// A call of one of OpenAI's own tools that the client runs: its name and arguments. Those that OpenAI runs are hosted.
fn client_run<'a>(item: &Item<'a>) -> Option<(&'static str, Option<&'a RawValue>)> {
    let local = wire::item::is_local(item.environment.as_ref());
    match item.kind.as_str() {
        "local_shell_call" => Some(("local_shell", item.action)),
        "shell_call" if local => Some(("shell", item.action)),
        "apply_patch_call" => Some(("apply_patch", item.operation)),
        "tool_search_call" if item.execution.as_str() == "client" => {
            Some(("tool_search", item.arguments))
        }
        _ => None,
    }
}

/// The grammar of the ir knows no call without a name.
pub(in super::super) fn named(name: Text<'_>) -> Text<'_> {
    if name.is_empty() { Cow::Borrowed("unknown") } else { name }
}

/// The arguments of a function: JSON text in a string. Some compatible providers forget the string.
pub(in super::super) fn arguments(raw: Option<&RawValue>) -> Text<'_> {
    let Some(raw) = raw else { return Cow::Borrowed("") };
    match serde_json::from_str::<Str<'_>>(raw.get()) {
        Ok(text) => text.0,
        Err(_) => Cow::Borrowed(raw.get()),
    }
}

fn message(content: Content<'_>) -> Vec<Block<'_>> {
    match content {
        Content::Text(text) if !text.is_empty() => {
            vec![Block::Text { text, citations: Vec::new(), logprobs: Vec::new() }]
        }
        Content::Parts(parts) => parts.into_iter().filter_map(part).collect(),
        Content::Text(_) | Content::None | Content::Other => Vec::new(),
    }
}

fn part(part: Part<'_>) -> Option<Block<'_>> {
    if part.kind.as_str() == "refusal" {
        let refusal = part.refusal.into_text();
        return (!refusal.is_empty()).then_some(Block::Refusal(refusal));
    }
    let text = part.text.0?;
    let citations = citations(part.annotations);
    let logprobs = logprobs(part.logprobs);
    let some = !text.is_empty() || !citations.is_empty();
    some.then_some(Block::Text { text, citations, logprobs })
}

/// The texts of a summary or of raw thoughts.
pub(in super::super) fn texts(content: Content<'_>) -> Vec<Text<'_>> {
    match content {
        Content::Text(text) => vec![text],
        Content::Parts(parts) => parts.into_iter().map(|part| part.text.into_text()).collect(),
        Content::None | Content::Other => Vec::new(),
    }
}

fn joined(texts: Vec<Text<'_>>) -> Option<Text<'_>> {
    let mut texts: Vec<Text<'_>> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    match texts.len() {
        0 | 1 => texts.pop(),
        _ => Some(Cow::Owned(texts.join("\n\n"))),
    }
}

/// The sources of a text. What cannot be read is no reason to lose the text.
pub(in super::super) fn citations(raw: Option<&RawValue>) -> Vec<Citation<'_>> {
    let annotations: Vec<Annotation<'_>> =
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    annotations.into_iter().filter_map(citation).collect()
}

/// One source; `None` for one that points at nothing.
pub(in super::super) fn citation(annotation: Annotation<'_>) -> Option<Citation<'_>> {
    let span = annotation.start_index.zip(annotation.end_index);
    let (source, title) = match (annotation.url.0, annotation.file_id.0) {
        (Some(url), _) => (CitationSource::Url(url), annotation.title.0),
        (None, Some(file)) => (CitationSource::Document(file), annotation.filename.0),
        (None, None) => return None,
    };
    let title = title.filter(|title| !title.is_empty());
    let span = span.map(|(start, end)| (count(start), count(end)));
    Some(Citation { source, title, quote: None, span })
}

/// How likely the tokens were.
pub(in super::super) fn logprobs(raw: Option<&RawValue>) -> Vec<Logprob> {
    let Some(raw) = raw.filter(|raw| raw.get() != "[]") else { return Vec::new() };
    let logprobs: Vec<wire::response::Logprob<'_>> =
        serde_json::from_str(raw.get()).unwrap_or_default();
    logprobs
        .into_iter()
        .map(|logprob| Logprob {
            token: logprob.token.0.into_owned(),
            logprob: logprob.logprob,
            top: logprob
                .top_logprobs
                .into_iter()
                .map(|top| (top.token.0.into_owned(), top.logprob))
                .collect(),
        })
        .collect()
}

/// Base64 without what is not base64 in it. MIME's decoders skip line ends and the like, others (Google's SDK) refuse them.
/// <https://www.rfc-editor.org/rfc/rfc2045#section-6.8>
fn clean(data: Text<'_>) -> Text<'_> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let body = data.trim_end_matches('=');
    if body.bytes().all(legal) {
        return data;
    }
    let mut kept: String = body.chars().filter(|c| c.is_ascii() && legal(*c as u8)).collect();
    if kept.len() % 4 == 1 {
        kept.pop();
    }
    while !kept.len().is_multiple_of(4) {
        kept.push('=');
    }
    Cow::Owned(kept)
}

/// The media type of an image: as the item says, else as its first bytes tell.
fn image_mime(format: &str, base64: &str) -> Text<'static> {
    let told = match base64.get(..4) {
        Some("/9j/") => "jpeg",
        Some("R0lG") => "gif",
        Some("UklG") => "webp",
        _ => "png",
    };
    let mime = match if format.is_empty() { told } else { format } {
        "png" => "image/png",
        "jpeg" | "jpg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        other => return Cow::Owned(format!("image/{other}")),
    };
    Cow::Borrowed(mime)
}
