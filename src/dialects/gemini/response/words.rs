//! Why an answer ended and what it cost, in Google's words.

use std::borrow::Cow;

use crate::dialects::gemini::wire::Word;
use crate::dialects::gemini::wire::response::UsageMetadata;
use crate::ir::response::Finish;
use crate::ir::usage::Usage;

/// Why an answer ended; older servers say it by number. <https://ai.google.dev/api/generate-content#FinishReason>
pub(super) fn read_finish(reason: &Word<'_>) -> Option<Finish> {
    const REASONS: [(&str, i64, Option<Finish>); 13] = [
        ("FINISH_REASON_UNSPECIFIED", 0, None),
        ("STOP", 1, Some(Finish::Stop)),
        ("MAX_TOKENS", 2, Some(Finish::Length)),
        ("SAFETY", 3, Some(Finish::ContentFilter)),
        ("RECITATION", 4, Some(Finish::ContentFilter)),
        ("BLOCKLIST", 6, Some(Finish::ContentFilter)),
        ("PROHIBITED_CONTENT", 7, Some(Finish::ContentFilter)),
        ("SPII", 8, Some(Finish::ContentFilter)),
        ("IMAGE_SAFETY", 11, Some(Finish::ContentFilter)),
        ("IMAGE_PROHIBITED_CONTENT", -1, Some(Finish::ContentFilter)),
        ("IMAGE_RECITATION", -1, Some(Finish::ContentFilter)),
        ("LANGUAGE", -1, Some(Finish::ContentFilter)),
        ("MODEL_ARMOR", -1, Some(Finish::ContentFilter)),
    ];
    let known = REASONS.iter().find(|(name, number, _)| reason.is(name, *number));
    // MALFORMED_FUNCTION_CALL, UNEXPECTED_TOOL_CALL, NO_IMAGE and whatever comes after them.
    known.map_or(Some(Finish::Other), |(_, _, finish)| *finish)
}

/// Whether an answer ended because the model's call could not be read. <https://ai.google.dev/api/generate-content#FinishReason>
pub(super) fn is_unreadable_call(reason: &Word<'_>) -> bool {
    reason.is("MALFORMED_FUNCTION_CALL", 10) || reason.is("UNEXPECTED_TOOL_CALL", -1)
}

/// Google's word for why an answer ended. <https://ai.google.dev/api/generate-content#FinishReason>
pub(in crate::dialects::gemini) fn write_finish(reason: Option<Finish>) -> Word<'static> {
    Word::Name(Cow::Borrowed(match reason {
        // Calls end an answer of Gemini's like any other.
        Some(Finish::Stop | Finish::StopSequence | Finish::ToolCalls | Finish::Pause) => "STOP",
        Some(Finish::Length) => "MAX_TOKENS",
        Some(Finish::ContentFilter) => "SAFETY",
        Some(Finish::Other) | None => "OTHER",
    }))
}

/// Google's word for why an answer ended that holds a call which could not be said: its arguments are no object.
pub(in crate::dialects::gemini) fn write_unreadable(reason: Option<Finish>) -> Word<'static> {
    match reason {
        // Cut off by the limit or a filter, which says more.
        Some(Finish::Length | Finish::ContentFilter) => write_finish(reason),
        Some(
            Finish::Stop | Finish::StopSequence | Finish::ToolCalls | Finish::Pause | Finish::Other,
        )
        | None => Word::Name("MALFORMED_FUNCTION_CALL".into()),
    }
}

/// Google counts thoughts beside the answer. A count of zero is protobuf's form of "not said".
pub(in crate::dialects::gemini) fn write_usage(usage: Option<Usage>) -> UsageMetadata {
    let usage = usage.unwrap_or_default();
    let some = |count: u64| (count > 0).then_some(count);
    let thoughts = usage.reasoning.min(usage.output);
    UsageMetadata {
        prompt: Some(usage.input),
        cached: some(usage.cache_read),
        candidates: Some(usage.output - thoughts),
        thoughts: some(thoughts),
        tool_prompt: None,
        total: Some(usage.total()),
    }
}

/// What the counts say; `None` where they say nothing yet (Vertex AI's chunks speak of traffic before they count).
pub(super) fn read_usage(usage: UsageMetadata) -> Option<Usage> {
    usage.prompt.or(usage.candidates).or(usage.total)?;
    let thoughts = usage.thoughts.unwrap_or(0);
    Some(Usage {
        input: usage.prompt.unwrap_or(0).saturating_add(usage.tool_prompt.unwrap_or(0)),
        cache_read: usage.cached.unwrap_or(0),
        cache_write: 0,
        output: usage.candidates.unwrap_or(0).saturating_add(thoughts),
        reasoning: thoughts,
    })
}

/// Every chunk counts anew: the last number of each kind is right.
pub(super) fn merge_usage(usage: &mut UsageMetadata, new: UsageMetadata) {
    let later = |old: &mut Option<u64>, new: Option<u64>| *old = new.or(*old);
    later(&mut usage.prompt, new.prompt);
    later(&mut usage.cached, new.cached);
    later(&mut usage.candidates, new.candidates);
    later(&mut usage.thoughts, new.thoughts);
    later(&mut usage.tool_prompt, new.tool_prompt);
    later(&mut usage.total, new.total);
}
