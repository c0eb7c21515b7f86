//! Anthropic Messages answers, whole. <https://docs.anthropic.com/en/api/messages>

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::wire::{read, write};
use super::{COMPACTION, error, hosted_kind, hosted_name, input_object, is_own, legal_id, raw};
use crate::dialects::tools::wrap_input;
use crate::dialects::{Asked, Origin};
use crate::ir::Text;
use crate::ir::error::{Error, ErrorKind};
use crate::ir::losses::Losses;
use crate::ir::request::{CallKind, HostedItem, ToolCall};
use crate::ir::response::{Block, Candidate, Citation, CitationSource, Finish, Response};
use crate::ir::seal::{self, Seal, SealKind};
use crate::ir::usage::Usage;
use crate::json;

/// Reads an account's answer.
pub fn parse<'a>(body: &'a [u8], origin: Origin<'_>) -> Result<Response<'a>, Error> {
    let wire: read::Response<'a> = serde_json::from_slice(body).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the provider's answer cannot be read: {error}"))
    })?;
    if let Some(failure) = wire.error {
        return Err(error::parse_inner(failure.get()));
    }
    let Some(content) = wire.content else {
        return Err(Error::new(ErrorKind::Internal, "the provider's answer is no message"));
    };
    let mut blocks = Vec::with_capacity(content.len());
    for (index, json) in content.into_iter().enumerate() {
        blocks.extend(block(json, index, origin));
    }
    let finish = wire.stop_reason.map(|reason| finish(&reason.0));
    let calls = blocks.iter().any(|block| matches!(block, Block::ToolCall(_)));
    let finish = finish.map(|finish| with_calls(finish, calls));
    Ok(Response {
        id: wire.id.unwrap_or_default().0,
        model: wire.model.unwrap_or_default().0,
        created: None,
        candidates: vec![Candidate { blocks, finish }],
        usage: wire.usage.and_then(usage),
    })
}

fn block<'a>(json: &'a RawValue, index: usize, origin: Origin<'_>) -> Option<Block<'a>> {
    // An item of the provider's own tools may have any form.
    let Ok(block) = serde_json::from_str::<read::Block<'a>>(json.get()) else {
        return Some(Block::Hosted(hosted("", "", json)));
    };
    let kind = block.kind.unwrap_or_default().0;
    match &*kind {
        "text" => {
            let text = block.text.unwrap_or_default().0;
            let citations = block.citations.map(|list| serde_json::from_str(list.get()));
            let citations: Option<Vec<read::Citation<'a>>> = citations.and_then(Result::ok);
            let citations = citations.unwrap_or_default().into_iter().map(citation).collect();
            (!text.is_empty()).then_some(Block::Text { text, citations, logprobs: Vec::new() })
        }
        "thinking" => {
            let text = block.thinking.unwrap_or_default().0;
            let data = block.signature.unwrap_or_default().0;
            let seal = sealed(SealKind::Reasoning, data, origin);
            (seal.is_some() || !text.is_empty()).then_some(Block::Reasoning { text, seal })
        }
        "redacted_thinking" => {
            let seal = sealed(SealKind::Redacted, block.data.unwrap_or_default().0, origin);
            seal.map(|seal| Block::Reasoning { text: Text::Borrowed(""), seal: Some(seal) })
        }
        "tool_use" => {
            let name = block.name.map(|name| name.0).filter(|name| !name.is_empty())?;
            let id = block.id.map(|id| id.0).filter(|id| !id.is_empty());
            Some(Block::ToolCall(ToolCall {
                id: id.unwrap_or_else(|| made_id(origin.id, index).into()),
                name,
                namespace: None,
                arguments: Text::Borrowed(block.input.map_or("{}", RawValue::get)),
                kind: CallKind::Function,
                seal: None,
            }))
        }
        kind => {
            let name = block.name.as_ref().map_or("", |name| &name.0);
            Some(Block::Hosted(hosted(kind, name, json)))
        }
    }
}

/// An item of a tool of the provider's, or of a type that is not known.
pub(super) fn hosted<'a>(kind: &str, name: &str, json: &'a RawValue) -> HostedItem<'a> {
    HostedItem {
        tool: hosted_kind(kind, name),
        name: Text::Owned(if kind == "compaction" { COMPACTION } else { kind }.to_owned()),
        raw: Cow::Borrowed(json),
    }
}

/// The id of a call that the provider gave none.
pub(super) fn made_id(exchange: &str, index: usize) -> String {
    format!("toolu_{exchange}_{index}")
}

pub(super) fn sealed<'a>(kind: SealKind, data: Text<'a>, origin: Origin<'_>) -> Option<Seal<'a>> {
    let issuer = Text::Owned(origin.issuer.to_owned());
    (!data.is_empty()).then_some(Seal { issuer, kind, id: Text::Borrowed(""), data })
}

/// <https://docs.anthropic.com/en/docs/build-with-claude/citations>
pub(super) fn citation(citation: read::Citation<'_>) -> Citation<'_> {
    let is_web = |source: &read::Str<'_>| source.0.starts_with("http");
    let title = citation.title.map(|title| title.0);
    let source = match (citation.url, citation.source.filter(is_web)) {
        (Some(url), _) | (None, Some(url)) => CitationSource::Url(url.0),
        (None, None) => CitationSource::Document(match citation.document_title {
            Some(title) => title.0,
            None => citation.document_index.unwrap_or_default().to_string().into(),
        }),
    };
    Citation { source, title, quote: citation.cited_text.map(|text| text.0), span: None }
}

/// <https://docs.anthropic.com/en/api/handling-stop-reasons>
pub(super) fn finish(reason: &str) -> Finish {
    match reason {
        "end_turn" => Finish::Stop,
        "stop_sequence" => Finish::StopSequence,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::ContentFilter,
        "pause_turn" | "compaction" => Finish::Pause,
        _ => Finish::Other,
    }
}

/// An answer that calls tools waits for them, whatever it says.
pub(super) const fn with_calls(finish: Finish, calls: bool) -> Finish {
    match finish {
        Finish::Stop | Finish::Other if calls => Finish::ToolCalls,
        Finish::Stop
        | Finish::StopSequence
        | Finish::Length
        | Finish::ToolCalls
        | Finish::ContentFilter
        | Finish::Pause
        | Finish::Other => finish,
    }
}

/// `input_tokens` leaves out what was read from the cache or written to it.
pub(super) fn usage(usage: read::Usage) -> Option<Usage> {
    if usage.input_tokens.is_none() && usage.output_tokens.is_none() {
        return None;
    }
    let cache_read = usage.cache_read_input_tokens.unwrap_or(0);
    let cache_write = usage.cache_creation_input_tokens.unwrap_or(0);
    let input = usage.input_tokens.unwrap_or(0);
    let details = usage.output_tokens_details.unwrap_or_default();
    Some(Usage {
        input: input.saturating_add(cache_read).saturating_add(cache_write),
        cache_read,
        cache_write,
        output: usage.output_tokens.unwrap_or(0),
        reasoning: details.thinking_tokens.unwrap_or(0),
    })
}

/// Reads how many tokens an account counted.
pub fn parse_count(body: &[u8]) -> Result<u64, Error> {
    let count = serde_json::from_slice::<read::Count>(body).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the provider's count cannot be read: {error}"))
    })?;
    Ok(count.input_tokens)
}

/// Writes for a client how many tokens were counted.
pub fn render_count(input_tokens: u64, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = json::write::value(&write::Count { input_tokens }, out);
}

/// Reads the value of an answer's `usage` alone.
pub fn parse_usage(json: &[u8]) -> Option<Usage> {
    usage(serde_json::from_slice(json).ok()?)
}

/// Writes an answer for a client.
pub fn render(response: &Response<'_>, asked: &Asked, out: &mut Vec<u8>) -> Losses {
    let mut losses = Losses::default();
    if response.candidates.len() > 1 {
        losses.drop("n");
    }
    let candidate = response.candidates.first();
    let is_cut = candidate.is_some_and(|candidate| candidate.finish == Some(Finish::Length));
    let mut content = Vec::new();
    let mut ids = Vec::new();
    for block in candidate.map_or(&[][..], |candidate| &candidate.blocks) {
        items(block, is_cut, &mut ids, &mut content, &mut losses);
    }
    let finish = candidate.and_then(|candidate| candidate.finish).unwrap_or(Finish::Stop);
    let body = write::Response {
        stop_reason: Some(stop_reason(finish, !ids.is_empty())),
        content,
        ..start(&response.id, asked, response.usage)
    };
    // Writing to memory cannot fail.
    let _ = json::write::value(&body, out);
    losses
}

/// The blocks of the client's answer that say one block of the account's.
fn items<'r>(
    block: &'r Block<'_>,
    is_cut: bool,
    ids: &mut Vec<String>,
    items: &mut Vec<write::Item<'r>>,
    losses: &mut Losses,
) {
    match block {
        Block::Text { text, citations, logprobs } => {
            if !logprobs.is_empty() {
                losses.drop("logprobs");
            }
            let citations = citations.iter().filter_map(|citation| cited(citation, losses));
            let citations = citations.collect();
            if !text.is_empty() {
                items.push(write::Item::Block(write::Block::Text { text, citations }));
            }
        }
        Block::Refusal(text) if text.is_empty() => {}
        Block::Refusal(text) | Block::Audio { transcript: Some(text), .. } => {
            items.push(write::Item::Block(write::Block::Text { text, citations: Vec::new() }));
        }
        Block::Reasoning { text, seal } => items.extend(thinking(text, seal.as_ref())),
        // Half a call must not look like a whole one.
        Block::ToolCall(call) if is_cut && input_object(&call.arguments).is_none() => {
            losses.drop("tool_call");
        }
        Block::ToolCall(call) => {
            if let Some(seal) = &call.seal {
                let data = Cow::Owned(seal::to_text(std::slice::from_ref(seal)));
                items.push(write::Item::Block(write::Block::RedactedThinking { data }));
            }
            items.extend(tool_use(call, ids));
        }
        Block::Image { .. } => losses.drop("image"),
        Block::Audio { transcript: None, .. } => losses.drop("audio"),
        Block::Hosted(item) if is_own(&item.name) => items.push(write::Item::Raw(&item.raw)),
        Block::Hosted(item) => losses.drop(hosted_name(item.tool)),
    }
    if matches!(block, Block::Audio { .. }) {
        losses.drop("audio");
    }
}

/// Thinking, with its proof packed for the way back; without a text there is only the proof to keep.
fn thinking<'r>(text: &'r str, seal: Option<&'r Seal<'_>>) -> Option<write::Item<'r>> {
    let proof = seal.map(|seal| Cow::Owned(seal::to_text(std::slice::from_ref(seal))));
    match proof {
        Some(data) if text.is_empty() => {
            Some(write::Item::Block(write::Block::RedactedThinking { data }))
        }
        None if text.is_empty() => None,
        proof => Some(write::Item::Block(write::Block::Thinking {
            thinking: text,
            signature: proof.unwrap_or_default(),
        })),
    }
}

fn tool_use<'r>(call: &'r ToolCall<'_>, ids: &mut Vec<String>) -> Option<write::Item<'r>> {
    let input = match call.kind {
        CallKind::Function => input_object(&call.arguments),
        CallKind::Custom => None,
    };
    Some(write::Item::Block(write::Block::ToolUse {
        id: Cow::Owned(unique(&legal_id(&call.id), ids)),
        name: &call.name,
        input: input.or_else(|| raw(wrap_input(&call.arguments)))?,
    }))
}

/// An id that no call of the answer has had yet.
pub(super) fn unique(id: &str, ids: &mut Vec<String>) -> String {
    let mut unique = id.to_owned();
    let mut count = 1;
    while ids.contains(&unique) {
        count += 1;
        unique = format!("{id}_{count}");
    }
    ids.push(unique.clone());
    unique
}

/// A page of the web as the dialect cites it. `encrypted_index` is required, and nobody else's citations have one.
pub(super) fn cited<'r>(
    citation: &'r Citation<'_>,
    losses: &mut Losses,
) -> Option<write::Citation<'r>> {
    let CitationSource::Url(url) = &citation.source else {
        losses.drop("citations");
        return None;
    };
    Some(write::Citation {
        kind: "web_search_result_location",
        url,
        title: citation.title.as_deref(),
        cited_text: citation.quote.as_deref().unwrap_or_default(),
        encrypted_index: "",
    })
}

/// The message without its content, as a stream begins it.
pub(super) fn start<'r>(
    id: &'r str,
    asked: &'r Asked,
    usage: Option<Usage>,
) -> write::Response<'r> {
    write::Response {
        id: if id.starts_with("msg_") {
            Cow::Borrowed(id)
        } else {
            Cow::Owned(format!("msg_{}", asked.id))
        },
        kind: "message",
        role: "assistant",
        model: &asked.model,
        content: Vec::new(),
        stop_reason: None,
        stop_sequence: None,
        usage: spent(usage),
    }
}

/// The SDKs need the counts, so they are zero where nothing is known.
pub(super) fn spent(usage: Option<Usage>) -> write::Usage {
    let usage = usage.unwrap_or_default();
    let cached = usage.cache_read.saturating_add(usage.cache_write);
    let details = write::OutputTokensDetails { thinking_tokens: usage.reasoning };
    write::Usage {
        input_tokens: usage.input.saturating_sub(cached),
        cache_creation_input_tokens: usage.cache_write,
        cache_read_input_tokens: usage.cache_read,
        output_tokens: usage.output,
        output_tokens_details: (usage.reasoning > 0).then_some(details),
    }
}

/// `called`: whether the answer has a call. Agents wait for ever behind a `tool_use` without one. Which stop sequence was
/// met is not known here, and `stop_sequence` may not be said without it.
pub(super) const fn stop_reason(finish: Finish, called: bool) -> &'static str {
    match finish {
        Finish::Length => "max_tokens",
        Finish::ContentFilter => "refusal",
        Finish::Pause => "pause_turn",
        Finish::Stop | Finish::StopSequence | Finish::ToolCalls | Finish::Other if called => {
            "tool_use"
        }
        Finish::Stop | Finish::StopSequence | Finish::ToolCalls | Finish::Other => "end_turn",
    }
}
