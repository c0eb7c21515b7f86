//! The response object. <https://platform.openai.com/docs/api-reference/responses/object>

use serde::Deserialize;
use serde_json::value::RawValue;

use super::item::Item;
use super::text::{Loose, Str};

/// The whole object, or as much of it as an answer needs.
#[derive(Clone, Debug, Deserialize)]
pub struct Response<'a> {
    /// Its id.
    #[serde(default, borrow)]
    pub id: Loose<'a>,
    /// The model that answers.
    #[serde(default, borrow)]
    pub model: Loose<'a>,
    /// When, in seconds since 1970.
    #[serde(default)]
    pub created_at: Option<f64>,
    /// `completed`, `incomplete`, `failed`, `in_progress`, `queued`, `cancelled`.
    #[serde(default, borrow)]
    pub status: Loose<'a>,
    /// Why it failed.
    #[serde(default, borrow)]
    pub error: Option<&'a RawValue>,
    /// Why it is incomplete.
    #[serde(default, borrow)]
    pub incomplete_details: Option<Incomplete<'a>>,
    /// The items.
    #[serde(default, borrow)]
    pub output: Option<Vec<Item<'a>>>,
    /// What it cost.
    #[serde(default)]
    pub usage: Option<Usage>,
}

/// What is known of a response at its start; its long list of settings is read over.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Head<'a> {
    /// Its id.
    #[serde(default, borrow)]
    pub id: Loose<'a>,
    /// The model that answers.
    #[serde(default, borrow)]
    pub model: Loose<'a>,
    /// When, in seconds since 1970.
    #[serde(default)]
    pub created_at: Option<f64>,
}

/// The output alone, each item as it stands: read only where an item must be kept as it came.
#[derive(Clone, Debug, Deserialize)]
pub struct RawOutput<'a> {
    /// The items.
    #[serde(default, borrow)]
    pub output: Vec<&'a RawValue>,
}

/// Why a response is incomplete.
#[derive(Clone, Debug, Deserialize)]
pub struct Incomplete<'a> {
    /// `max_output_tokens` or `content_filter`.
    #[serde(default, borrow)]
    pub reason: Loose<'a>,
}

/// How many tokens a request has.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Counted {
    /// All tokens of the prompt.
    pub input_tokens: f64,
}

/// What a response cost. Counts are read as floating point: a compatible provider's `12.0` is no reason to fail.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Usage {
    /// All tokens of the prompt.
    #[serde(default)]
    pub input_tokens: Option<f64>,
    /// Which of them were cached.
    #[serde(default)]
    pub input_tokens_details: Option<InputDetails>,
    /// All tokens of the answer.
    #[serde(default)]
    pub output_tokens: Option<f64>,
    /// Which of them were thoughts.
    #[serde(default)]
    pub output_tokens_details: Option<OutputDetails>,
}

/// Parts of the prompt's tokens.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct InputDetails {
    /// Read from the prompt cache.
    #[serde(default)]
    pub cached_tokens: Option<f64>,
    /// Written to it.
    #[serde(default)]
    pub cache_write_tokens: Option<f64>,
}

/// Parts of the answer's tokens.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct OutputDetails {
    /// Thoughts.
    #[serde(default)]
    pub reasoning_tokens: Option<f64>,
}

/// A source of a text: the members of all kinds.
#[derive(Clone, Debug, Deserialize)]
pub struct Annotation<'a> {
    /// `url_citation`, `file_citation`, `container_file_citation`, `file_path`.
    #[serde(rename = "type", default, borrow)]
    pub kind: Loose<'a>,
    /// The page.
    #[serde(default, borrow)]
    pub url: Loose<'a>,
    /// Its title.
    #[serde(default, borrow)]
    pub title: Loose<'a>,
    /// The file.
    #[serde(default, borrow)]
    pub file_id: Loose<'a>,
    /// Its name.
    #[serde(default, borrow)]
    pub filename: Loose<'a>,
    /// The first character that it supports.
    #[serde(default)]
    pub start_index: Option<f64>,
    /// The end of those characters.
    #[serde(default)]
    pub end_index: Option<f64>,
}

/// How likely a token was.
#[derive(Clone, Debug, Deserialize)]
pub struct Logprob<'a> {
    /// The token.
    #[serde(borrow)]
    pub token: Str<'a>,
    /// The natural logarithm of its probability.
    pub logprob: f64,
    /// The alternatives.
    #[serde(default, borrow)]
    pub top_logprobs: Vec<TopLogprob<'a>>,
}

/// An alternative to a token.
#[derive(Clone, Debug, Deserialize)]
pub struct TopLogprob<'a> {
    /// The token.
    #[serde(borrow)]
    pub token: Str<'a>,
    /// The natural logarithm of its probability.
    pub logprob: f64,
}

/// An error body, in any of the shapes that providers of this dialect send.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ErrorBody<'a> {
    /// An object, or (xAI) a text.
    #[serde(default, borrow)]
    pub error: Option<&'a RawValue>,
    /// ChatGPT and FastAPI: a text or a list.
    #[serde(default, borrow)]
    pub detail: Option<&'a RawValue>,
    /// Some: the error's members at the top.
    #[serde(default, borrow)]
    pub message: Loose<'a>,
    /// Some: the error's members at the top.
    #[serde(default, borrow)]
    pub code: Loose<'a>,
    /// Some: the error's members at the top.
    #[serde(default, borrow)]
    pub param: Loose<'a>,
}

/// An error object.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ErrorObject<'a> {
    /// What happened.
    #[serde(default, borrow)]
    pub message: Loose<'a>,
    /// Its kind, in broad words.
    #[serde(rename = "type", default, borrow)]
    pub kind: Loose<'a>,
    /// Its kind.
    #[serde(default, borrow)]
    pub code: Loose<'a>,
    /// The field at fault.
    #[serde(default, borrow)]
    pub param: Loose<'a>,
    /// ChatGPT: when the limit ends.
    #[serde(default)]
    pub resets_in_seconds: Option<f64>,
}
