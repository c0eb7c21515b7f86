//! An account's whole answer → the neutral form. Its streams are read with the same pieces.

use std::borrow::Cow;

use crate::dialects::Origin;
use crate::dialects::openai_chat::error;
use crate::dialects::openai_chat::wire::{
    Arguments, Content, FunctionCall, OrText, Raw, Scalar, Str, ToolCall as WireCall,
    answer as wire,
};
use crate::ir::Text;
use crate::ir::error::{Error, ErrorKind};
use crate::ir::request::{CallKind, ToolCall};
use crate::ir::response::{Block, Candidate, Citation, CitationSource, Finish, Logprob, Response};
use crate::ir::seal::{Seal, SealKind};
use crate::ir::usage::Usage;

use super::details;

/// Reads an answer of status 200.
pub(super) fn answer<'a>(body: &'a [u8], origin: Origin<'_>) -> Result<Response<'a>, Error> {
    let answer: wire::Answer<'a> = serde_json::from_slice(body).map_err(|error| {
        let why = format!("the provider's answer cannot be read: {error}");
        Error::new(ErrorKind::Internal, why)
    })?;
    if let Some(error) = answer.error.and_then(wire::Maybe::known) {
        return Err(error::inside(error));
    }
    let choices = answer.choices.unwrap_or_default();
    if choices.is_empty() {
        return Err(error::flat(body).unwrap_or_else(|| {
            Error::new(ErrorKind::Internal, "the provider's answer holds nothing")
        }));
    }
    let mut sources = sources(answer.citations, answer.search_results);
    let mut candidates = Vec::with_capacity(choices.len());
    for choice in choices {
        let at = choice.index.as_ref().and_then(Scalar::count).unwrap_or(0);
        candidates.push((at, candidate(choice, origin, std::mem::take(&mut sources))?));
    }
    candidates.sort_by_key(|(at, _)| *at);
    Ok(Response {
        id: text(answer.id),
        model: text(answer.model),
        created: answer.created.as_ref().and_then(Scalar::count),
        candidates: candidates.into_iter().map(|(_, candidate)| candidate).collect(),
        usage: answer.usage.and_then(|raw| usage(raw.0.get().as_bytes())),
    })
}

/// A scalar's text, empty where it is absent.
pub(in crate::dialects::openai_chat) fn text(scalar: Option<Scalar<'_>>) -> Text<'_> {
    scalar.map(Scalar::text).unwrap_or_default()
}

fn candidate<'a>(
    choice: wire::Choice<'a>,
    origin: Origin<'_>,
    sources: Vec<Citation<'a>>,
) -> Result<Candidate<'a>, Error> {
    let word = text(choice.finish_reason);
    if word == FAILED {
        return Err(failed());
    }
    let mut message = choice.message.or(choice.delta).unwrap_or_default();
    let mut said = content(message.content.take());
    let thoughts = reasoning(&mut message, std::mem::take(&mut said.thoughts), origin);
    let mut blocks: Vec<Block<'a>> = thoughts.into_iter().collect();
    let annotations = message.annotations.into_iter().flatten();
    let mut citations: Vec<_> = annotations.filter_map(citation).collect();
    if citations.is_empty() {
        citations = sources;
    }
    let logprobs = logprobs(choice.logprobs);
    if !said.text.is_empty() || !citations.is_empty() || !logprobs.is_empty() {
        blocks.push(Block::Text { text: said.text, citations, logprobs });
    }
    let refusal = message.refusal.map(|Str(text)| text).filter(|text| !text.is_empty());
    let refusal = refusal.or(said.refusal);
    let refused = refusal.is_some();
    blocks.extend(refusal.map(Block::Refusal));
    blocks.extend(message.images.into_iter().flatten().filter_map(image));
    blocks.extend(message.audio.and_then(audio));
    let called = blocks.len();
    push_calls(&mut blocks, message.tool_calls, message.function_call, origin)?;
    let finish = finish(&word, blocks.len() > called, refused);
    Ok(Candidate { blocks, finish })
}

/// What a message's content says: Mistral's thinking stands there too.
#[derive(Default)]
struct Said<'a> {
    text: Text<'a>,
    thoughts: Text<'a>,
    refusal: Option<Text<'a>>,
}

fn content(content: Option<Content<'_>>) -> Said<'_> {
    let mut said = Said::default();
    match content {
        None => {}
        Some(OrText::Text(text)) => said.text = text,
        Some(OrText::Other(parts)) => {
            for part in parts {
                append(&mut said.thoughts, part.thinking.map(plain_text));
                append(&mut said.text, part.text.map(|Str(text)| text));
                said.refusal = said.refusal.or_else(|| Some(part.refusal?.0));
            }
        }
    }
    said
}

fn append<'a>(to: &mut Text<'a>, more: Option<Text<'a>>) {
    match more {
        Some(more) if to.is_empty() => *to = more,
        Some(more) => to.to_mut().push_str(&more),
        None => {}
    }
}

/// Mistral's thinking: a list of text parts. <https://docs.mistral.ai/capabilities/reasoning>
pub(in crate::dialects::openai_chat) fn plain_text(content: Content<'_>) -> Text<'_> {
    let mut text = Cow::Borrowed("");
    match content {
        OrText::Text(whole) => return whole,
        OrText::Other(parts) => {
            for part in parts {
                append(&mut text, part.text.map(|Str(text)| text));
            }
        }
    }
    text
}

/// The thinking of a message or a piece of one, and the field that it stands in. Some providers fill both fields with the
/// same.
pub(in crate::dialects::openai_chat) fn thinking<'a>(
    message: &mut wire::Message<'a>,
) -> Option<(Text<'a>, &'static str)> {
    let content = message.reasoning_content.take().map(|Str(text)| (text, "reasoning_content"));
    let plain = message.reasoning.take().map(|text| (text.text(), "reasoning"));
    content.into_iter().chain(plain).find(|(text, _)| !text.is_empty())
}

/// A message's thinking with its seal. What stands in the content has none: it is not wanted back.
fn reasoning<'a>(
    message: &mut wire::Message<'a>,
    in_content: Text<'a>,
    origin: Origin<'_>,
) -> Option<Block<'a>> {
    let own = thinking(message);
    let details = message.reasoning_details.take().map(|Raw(raw)| raw);
    let details = details.filter(|raw| raw.get().len() > "[]".len() && raw.get() != "null");
    let seal = match (&details, &own) {
        (Some(raw), _) => Some((SealKind::Details, Cow::Owned(raw.get().to_owned()))),
        (None, Some((_, field))) => Some((SealKind::Reasoning, Cow::Borrowed(*field))),
        (None, None) => None,
    };
    let text = match (own, &details) {
        (Some((text, _)), _) => text,
        (None, Some(raw)) => details::readable(raw.get()).into(),
        (None, None) => in_content,
    };
    if text.is_empty() && seal.is_none() {
        return None;
    }
    Some(Block::Reasoning {
        text,
        seal: seal.map(|(kind, data)| sealed(origin.issuer, kind, data)),
    })
}

/// A seal of the account that answers.
pub(in crate::dialects::openai_chat) fn sealed<'a>(
    issuer: &str,
    kind: SealKind,
    data: Text<'a>,
) -> Seal<'a> {
    Seal { issuer: Cow::Owned(issuer.to_owned()), kind, id: Cow::Borrowed(""), data }
}

fn push_calls<'a>(
    blocks: &mut Vec<Block<'a>>,
    calls: Option<Vec<WireCall<'a>>>,
    legacy: Option<FunctionCall<'a>>,
    origin: Origin<'_>,
) -> Result<(), Error> {
    let legacy = legacy.filter(|call| call.name.is_some());
    let legacy =
        legacy.map(|function| WireCall { function: Some(function), ..WireCall::default() });
    let mut ids: Vec<Text<'a>> = Vec::new();
    for call in calls.into_iter().flatten().chain(legacy) {
        let given = call.id.map(|Str(id)| id).unwrap_or_default();
        let id = unique(given, &ids, origin.id);
        let (kind, name, arguments) = match (call.custom, call.function) {
            (Some(custom), _) => (CallKind::Custom, custom.name, custom.input.map(|it| it.0)),
            (None, function) => {
                let function = function.unwrap_or_default();
                (CallKind::Function, function.name, function.arguments.map(Arguments::text))
            }
        };
        let name = name.map(|Str(name)| name).unwrap_or_default();
        let arguments = arguments.unwrap_or_default();
        if name.is_empty() {
            // An empty stub is none; arguments for nobody are a broken answer.
            if arguments.is_empty() {
                continue;
            }
            return Err(nameless());
        }
        let signature = call.extra_content.and_then(|extra| extra.google?.thought_signature);
        let seal = signature.map(|Str(data)| sealed(origin.issuer, SealKind::Call, data));
        ids.push(id.clone());
        blocks.push(Block::ToolCall(ToolCall { id, name, namespace: None, arguments, kind, seal }));
    }
    Ok(())
}

/// An id that no other call of the answer has: some providers leave it out, or repeat it.
pub(in crate::dialects::openai_chat) fn unique<'a>(
    given: Text<'a>,
    taken: &[Text<'_>],
    exchange: &str,
) -> Text<'a> {
    if !given.is_empty() && !taken.contains(&given) {
        return given;
    }
    format!("call_{exchange}_{}", taken.len()).into()
}

/// The error of a call with arguments and no name.
pub(in crate::dialects::openai_chat) fn nameless() -> Error {
    Error::new(ErrorKind::Internal, "the provider called a tool without saying which")
}

/// OpenRouter's `finish_reason` where the provider behind it failed. <https://openrouter.ai/docs/api-reference/overview>
pub(in crate::dialects::openai_chat) const FAILED: &str = "error";

/// The error of an answer that ends so.
pub(in crate::dialects::openai_chat) fn failed() -> Error {
    Error::new(ErrorKind::Internal, "the provider ended its answer with an error")
}

/// Why an answer ended, by the provider's word; a call or a refusal says more than `stop`.
pub(in crate::dialects::openai_chat) fn finish(
    word: &str,
    calls: bool,
    refused: bool,
) -> Option<Finish> {
    let reason = match word {
        "" => None,
        "stop" | "end_turn" | "eos" | "eos_token" | "complete" => Some(Finish::Stop),
        "stop_sequence" => Some(Finish::StopSequence),
        // Mistral, z.ai and Anthropic-like words among them.
        "length" | "max_tokens" | "model_length" | "model_context_window_exceeded" => {
            Some(Finish::Length)
        }
        "tool_calls" | "function_call" | "tool_use" => Some(Finish::ToolCalls),
        "content_filter" | "sensitive" | "refusal" => Some(Finish::ContentFilter),
        other if other.starts_with("content_filter") => Some(Finish::ContentFilter),
        _ => Some(Finish::Other),
    };
    match reason {
        // With a forced tool OpenAI says `stop`.
        None | Some(Finish::Stop) if calls => Some(Finish::ToolCalls),
        None | Some(Finish::Stop) if refused => Some(Finish::ContentFilter),
        reason => reason,
    }
}

/// Token counts from the value of `usage`. `None`: nothing is counted.
pub(in crate::dialects::openai_chat) fn usage(json: &[u8]) -> Option<Usage> {
    let usage = wire::Usage::read(json);
    let (input, mut output) = (usage.prompt_tokens, usage.completion_tokens);
    if input.is_none() && output.is_none() {
        return None;
    }
    let prompt = usage.prompt_tokens_details;
    let reasoning = usage.completion_tokens_details.reasoning_tokens.unwrap_or(0);
    let (read, said) = (input.unwrap_or(0), output.unwrap_or(0));
    // xAI leaves the thoughts out of `completion_tokens`.
    let both = said.saturating_add(reasoning);
    let is_beside = usage.total_tokens == Some(read.saturating_add(both));
    if reasoning > said || reasoning > 0 && is_beside {
        output = Some(both);
    }
    Some(Usage {
        input: read,
        cache_read: prompt
            .cached_tokens
            .or(usage.cached_tokens)
            .or(usage.prompt_cache_hit_tokens)
            .or(usage.cache_read_input_tokens)
            .unwrap_or(0),
        cache_write: prompt.cache_write_tokens.or(usage.cache_creation_input_tokens).unwrap_or(0),
        output: output.unwrap_or(0),
        reasoning,
    })
}

/// A page of the web that the text cites; other annotations have no form elsewhere.
pub(in crate::dialects::openai_chat) fn citation(
    annotation: wire::Annotation<'_>,
) -> Option<Citation<'_>> {
    let cited = annotation.url_citation?;
    let count = |scalar: Option<Scalar<'_>>| scalar.as_ref().and_then(Scalar::count);
    let (start, end) = (count(cited.start_index), count(cited.end_index));
    Some(Citation {
        source: CitationSource::Url(cited.url?.0),
        title: cited.title.map(|Str(title)| title),
        quote: cited.content.map(|Str(quote)| quote),
        // OpenRouter says 0 to 0 where it does not know.
        span: start.zip(end).filter(|(start, end)| end > start),
    })
}

/// Perplexity's sources, which stand beside the choices and point at no words.
pub(in crate::dialects::openai_chat) fn sources<'a>(
    citations: Option<wire::Maybe<Vec<Scalar<'a>>>>,
    results: Option<wire::Maybe<Vec<wire::SearchResult<'a>>>>,
) -> Vec<Citation<'a>> {
    let source = |url: Text<'a>, title: Option<Text<'a>>| Citation {
        source: CitationSource::Url(url),
        title,
        quote: None,
        span: None,
    };
    let found = results.and_then(wire::Maybe::known).unwrap_or_default();
    let found = found.into_iter().map(|it| source(text(it.url), it.title.map(Scalar::text)));
    let mut sources: Vec<_> = found.collect();
    if sources.is_empty() {
        let urls = citations.and_then(wire::Maybe::known).unwrap_or_default();
        sources.extend(urls.into_iter().map(|url| source(url.text(), None)));
    }
    sources.retain(|it| !matches!(&it.source, CitationSource::Url(url) if url.is_empty()));
    sources
}

/// Log probabilities of the text.
pub(in crate::dialects::openai_chat) fn logprobs(
    logprobs: Option<wire::Maybe<wire::Logprobs<'_>>>,
) -> Vec<Logprob> {
    let tokens = logprobs.and_then(wire::Maybe::known).and_then(|it| it.content);
    let owned = |text: Option<Str<'_>>| text.map(|Str(text)| text.into_owned()).unwrap_or_default();
    tokens
        .into_iter()
        .flatten()
        .map(|it| Logprob {
            token: owned(it.token),
            logprob: it.logprob.unwrap_or_default(),
            top: it
                .top_logprobs
                .into_iter()
                .flatten()
                .map(|top| (owned(top.token), top.logprob.unwrap_or_default()))
                .collect(),
        })
        .collect()
}

/// An image that came as data; an address has no form elsewhere.
pub(in crate::dialects::openai_chat) fn image(part: wire::ImagePart<'_>) -> Option<Block<'_>> {
    let url = match part.image_url? {
        OrText::Other(object) => object.url?.0,
        OrText::Text(url) => url,
    };
    let (mime, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
    let (mime, data) = (mime.to_owned().into(), data.to_owned().into());
    Some(Block::Image { mime, data })
}

fn audio(audio: wire::Audio<'_>) -> Option<Block<'_>> {
    let Str(data) = audio.data?;
    // The answer does not say its form: the request did.
    let mime = match data.get(..4) {
        Some("UklG") => "audio/wav",
        Some("T2dn") => "audio/ogg",
        Some("Zkxh") => "audio/flac",
        Some(_) | None => "audio/mpeg",
    };
    let transcript = audio.transcript.map(|Str(text)| text);
    Some(Block::Audio { mime: mime.into(), data, transcript })
}
