//! The events of a stream. <https://platform.openai.com/docs/api-reference/responses-streaming>

use serde::Deserialize;
use serde_json::value::RawValue;

use super::text::Loose;

/// One event: the members of all its kinds.
#[derive(Clone, Debug, Deserialize)]
pub struct Event<'a> {
    /// What it is.
    #[serde(rename = "type", default, borrow)]
    pub kind: Loose<'a>,
    /// The response as it is now (`response.created`, `response.completed` …).
    #[serde(default, borrow)]
    pub response: Option<&'a RawValue>,
    /// Which item it belongs to.
    #[serde(default)]
    pub output_index: Option<u64>,
    /// The same, by its id.
    #[serde(default, borrow)]
    pub item_id: Loose<'a>,
    /// Which part of the item's content.
    #[serde(default)]
    pub content_index: Option<u64>,
    /// Which part of the item's summary.
    #[serde(default)]
    pub summary_index: Option<u64>,
    /// The item (`response.output_item.added`, `.done`).
    #[serde(default, borrow)]
    pub item: Option<&'a RawValue>,
    /// The part (`response.content_part.added`, `.done`).
    #[serde(default, borrow)]
    pub part: Option<&'a RawValue>,
    /// More text.
    #[serde(default, borrow)]
    pub delta: Loose<'a>,
    /// The whole text (`….done`).
    #[serde(default, borrow)]
    pub text: Loose<'a>,
    /// The whole refusal (`response.refusal.done`).
    #[serde(default, borrow)]
    pub refusal: Loose<'a>,
    /// The whole arguments (`response.function_call_arguments.done`).
    #[serde(default, borrow)]
    pub arguments: Loose<'a>,
    /// The whole input (`response.custom_tool_call_input.done`).
    #[serde(default, borrow)]
    pub input: Loose<'a>,
    /// A source (`response.output_text.annotation.added`).
    #[serde(default, borrow)]
    pub annotation: Option<&'a RawValue>,
    /// How likely the tokens were.
    #[serde(default, borrow)]
    pub logprobs: Option<&'a RawValue>,
    /// `error`: the error, where it is an object of its own.
    #[serde(default, borrow)]
    pub error: Option<&'a RawValue>,
}
