//! The pieces that whole and streamed answers are written from.

use std::borrow::Cow;

use serde_json::value::RawValue;

pub(in crate::dialects::gemini) use super::grounding::Cited;
use crate::dialects::gemini::wire::part::{Blob, FunctionCall, Part};
use crate::dialects::gemini::wire::response::{LogprobsResult, TokenChance, TopCandidates};
use crate::dialects::gemini::wire::{Raw, Str};
use crate::ir::request::{CallKind, ToolCall};
use crate::ir::response::Logprob;
use crate::ir::seal::{self, Seal};

/// A call with all that its provider needs back on its one signature: the seals of the thinking before it, then its own.
/// `None` where its arguments are no object: they were cut, and a client would run the tool with less than was meant.
pub(in crate::dialects::gemini) fn call<'r>(
    call: &'r ToolCall<'_>,
    thinking: &mut Vec<Seal<'static>>,
) -> Option<Part<'r>> {
    let args = match call.kind {
        CallKind::Function if call.arguments.trim().is_empty() => owned("{}".to_owned()),
        CallKind::Function => {
            let is_object = call.arguments.trim_start().starts_with('{');
            let raw = serde_json::from_str::<&RawValue>(&call.arguments).ok();
            compact(raw.filter(|_| is_object)?)
        }
        CallKind::Custom => {
            // A string always has a JSON form.
            let input = serde_json::to_string(&call.arguments).unwrap_or_default();
            owned(format!(r#"{{"input":{input}}}"#))
        }
    };
    let mut seals = std::mem::take(thinking);
    seals.extend(call.seal.clone().map(Seal::into_owned));
    let function_call = FunctionCall {
        id: Some(Str(Cow::Borrowed(&call.id))),
        name: Some(Str(Cow::Borrowed(&call.name))),
        args: Some(Raw(args)),
        ..FunctionCall::default()
    };
    let thought_signature = (!seals.is_empty()).then(|| seal::to_text(&seals).into());
    Some(Part { function_call: Some(function_call), thought_signature, ..Part::default() })
}

/// Seals of thinking that no call came after: on an empty text, as Gemini itself ends its streams.
pub(in crate::dialects::gemini) fn sealed_end(thinking: &mut Vec<Seal<'static>>) -> Part<'static> {
    let seals = std::mem::take(thinking);
    let thought_signature = (!seals.is_empty()).then(|| seal::to_text(&seals).into());
    Part { thought_signature, ..Part::text(Str::default()) }
}

/// Bytes of an image or a sound.
pub(in crate::dialects::gemini) fn medium<'r>(mime: &'r str, data: &'r str) -> Part<'r> {
    let blob = Blob { mime_type: Some(mime.into()), data: Some(data.into()), display_name: None };
    Part { inline_data: Some(blob), ..Part::default() }
}

/// JSON without white space between its tokens, where it has line breaks: in an event they would end the line, and Google's
/// whole answers are indented.
pub(in crate::dialects::gemini) fn compact(raw: &RawValue) -> Cow<'_, RawValue> {
    let text = raw.get();
    // Inside strings they are always escaped.
    if memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut compact = String::with_capacity(text.len());
    let (mut in_string, mut is_escaped) = (false, false);
    for c in text.chars() {
        if in_string {
            in_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            in_string = c == '"';
        }
        compact.push(c);
    }
    owned(compact)
}

fn owned(json: String) -> Cow<'static, RawValue> {
    Cow::Owned(RawValue::from_string(json).unwrap_or_default())
}

/// How likely the tokens were.
pub(in crate::dialects::gemini) fn logprobs<'r>(
    tokens: impl Iterator<Item = &'r Logprob>,
) -> Option<LogprobsResult<'r>> {
    let chance =
        |token: &'r str, log_probability| TokenChance { token: token.into(), log_probability };
    let mut result = LogprobsResult::default();
    for own in tokens {
        let top = own.top.iter().map(|(token, logprob)| chance(token, *logprob));
        result.top_candidates.push(TopCandidates { candidates: top.collect() });
        result.chosen_candidates.push(chance(&own.token, own.logprob));
    }
    (!result.chosen_candidates.is_empty()).then_some(result)
}
