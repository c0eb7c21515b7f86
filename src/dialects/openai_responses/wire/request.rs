//! The body of `POST /v1/responses`. <https://platform.openai.com/docs/api-reference/responses/create>

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::item::{Environment, Item};
use super::text::{Loose, Str, TextOr, WordOr};

/// The whole body.
#[derive(Clone, Debug, Deserialize)]
pub struct Request<'a> {
    /// The model.
    #[serde(borrow)]
    pub model: Option<Str<'a>>,
    /// The conversation.
    #[serde(borrow)]
    pub input: Option<TextOr<'a, Item<'a>>>,
    /// A system text before it.
    #[serde(borrow)]
    pub instructions: Option<Str<'a>>,
    /// Whether to stream.
    pub stream: Option<bool>,
    /// The tools.
    #[serde(borrow)]
    pub tools: Option<Vec<Tool<'a>>>,
    /// Whether and which tool must be called.
    #[serde(borrow)]
    pub tool_choice: Option<WordOr<'a, Choice<'a>>>,
    /// Whether several calls may come at once.
    pub parallel_tool_calls: Option<bool>,
    /// Calls of the provider's own tools at most.
    pub max_tool_calls: Option<u64>,
    /// Tokens at most.
    pub max_output_tokens: Option<u64>,
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// Alternatives to tell for each token.
    pub top_logprobs: Option<u32>,
    /// How much to think.
    #[serde(borrow)]
    pub reasoning: Option<Reasoning<'a>>,
    /// Form and length of the answer.
    #[serde(borrow)]
    pub text: Option<Text<'a>>,
    /// What else to tell in the answer.
    #[serde(borrow)]
    pub include: Option<Vec<Str<'a>>>,
    /// Whether the answer is kept.
    pub store: Option<bool>,
    /// The kept answer that this turn follows.
    #[serde(borrow)]
    pub previous_response_id: Option<Str<'a>>,
    /// The kept conversation that this turn belongs to.
    #[serde(borrow)]
    pub conversation: Option<&'a RawValue>,
    /// A prompt kept by the provider.
    #[serde(borrow)]
    pub prompt: Option<&'a RawValue>,
    /// Whether to answer later.
    pub background: Option<bool>,
    /// What to do where the context is too long.
    #[serde(borrow)]
    pub truncation: Option<Str<'a>>,
    /// How the provider shortens a long context.
    pub context_management: Option<IgnoredAny>,
    /// Whether the provider checks texts by its rules.
    pub moderation: Option<IgnoredAny>,
    /// The service tier.
    #[serde(borrow)]
    pub service_tier: Option<Str<'a>>,
    /// Who the end user is.
    #[serde(borrow)]
    pub safety_identifier: Option<Str<'a>>,
    /// The older word for it.
    #[serde(borrow)]
    pub user: Option<Str<'a>>,
    /// The client's key of the prompt cache.
    #[serde(borrow)]
    pub prompt_cache_key: Option<Str<'a>>,
    /// How long the prompt cache is kept.
    pub prompt_cache_retention: Option<IgnoredAny>,
    /// How the prompt cache is used.
    pub prompt_cache_options: Option<IgnoredAny>,
    /// The client's own notes.
    #[serde(borrow)]
    pub metadata: Option<&'a RawValue>,
    /// Codex' notes on itself.
    pub client_metadata: Option<IgnoredAny>,
    /// Not documented; compatible clients send it.
    pub top_k: Option<u64>,
    /// Not documented; compatible clients send it.
    pub seed: Option<i64>,
    /// Not documented by OpenAI, but by Open Responses.
    pub presence_penalty: Option<f64>,
    /// Not documented by OpenAI, but by Open Responses.
    pub frequency_penalty: Option<f64>,
    /// Not documented; compatible clients send it.
    #[serde(borrow)]
    pub stop: Option<TextOr<'a, Str<'a>>>,
}

/// The body's lists, each element as it stands: read only where a part must be kept as it came.
#[derive(Clone, Debug, Deserialize)]
pub struct RawLists<'a> {
    /// The conversation.
    #[serde(borrow)]
    pub input: Option<TextOr<'a, &'a RawValue>>,
    /// The tools.
    #[serde(borrow)]
    pub tools: Option<Vec<&'a RawValue>>,
    /// Whether and which tool must be called.
    #[serde(borrow)]
    pub tool_choice: Option<&'a RawValue>,
}

/// One tool: the members of all kinds.
#[derive(Clone, Debug, Deserialize)]
pub struct Tool<'a> {
    /// What it is.
    #[serde(rename = "type", borrow)]
    pub kind: Str<'a>,
    /// Its name.
    #[serde(default, borrow)]
    pub name: Loose<'a>,
    /// What it does.
    #[serde(default, borrow)]
    pub description: Loose<'a>,
    /// `function`, `tool_search`: JSON Schema of its arguments.
    #[serde(default, borrow)]
    pub parameters: Option<&'a RawValue>,
    /// `function`: whether they are held to it.
    #[serde(default)]
    pub strict: Option<bool>,
    /// `custom`: the form of its input.
    #[serde(default, borrow)]
    pub format: Option<&'a RawValue>,
    /// `namespace`: its tools.
    #[serde(default, borrow)]
    pub tools: Option<Vec<Self>>,
    /// `tool_search`: who searches.
    #[serde(default, borrow)]
    pub execution: Loose<'a>,
    /// `shell`: where it runs.
    #[serde(default, borrow)]
    pub environment: Option<WordOr<'a, Environment<'a>>>,
    /// `code_interpreter`: the id of a container, or what a new one is to hold.
    #[serde(default, borrow)]
    pub container: Option<WordOr<'a, Container<'a>>>,
    /// `web_search`: where to search.
    #[serde(default, borrow)]
    pub filters: Option<Filters<'a>>,
    /// `web_search`: whether it may leave the provider's cache.
    #[serde(default)]
    pub external_web_access: Option<bool>,
    /// `web_search`: how much to read.
    #[serde(default)]
    pub search_context_size: Option<IgnoredAny>,
    /// `web_search`: where the user is.
    #[serde(default)]
    pub user_location: Option<IgnoredAny>,
    /// Whether the tool is to be found by a search only.
    #[serde(default)]
    pub defer_loading: Option<bool>,
    /// The form of the tool's answer.
    #[serde(default)]
    pub output_schema: Option<IgnoredAny>,
}

/// A new container of the provider's, in which it runs code.
#[derive(Clone, Debug, Deserialize)]
pub struct Container<'a> {
    /// `auto`.
    #[serde(rename = "type", default, borrow)]
    pub kind: Loose<'a>,
    /// Files kept by the provider, which are put into it.
    #[serde(default)]
    pub file_ids: Option<Vec<IgnoredAny>>,
}

/// Where to search the web, or files (whose filters are something else).
#[derive(Clone, Debug, Deserialize)]
pub struct Filters<'a> {
    /// Domains to search alone.
    #[serde(default, borrow)]
    pub allowed_domains: Option<Vec<Str<'a>>>,
    /// Domains never to search (xAI: `excluded_domains`).
    #[serde(default, borrow, alias = "excluded_domains")]
    pub blocked_domains: Option<Vec<Str<'a>>>,
}

/// A tool choice that is more than a word: the members of all kinds.
#[derive(Clone, Debug, Deserialize)]
pub struct Choice<'a> {
    /// `function`, `custom`, `allowed_tools`, `mcp`, or the type of a hosted tool.
    #[serde(rename = "type", borrow)]
    pub kind: Str<'a>,
    /// The tool's name.
    #[serde(default, borrow)]
    pub name: Loose<'a>,
    /// `mcp`: the server's label.
    #[serde(default, borrow)]
    pub server_label: Loose<'a>,
    /// `allowed_tools`: `auto` or `required`.
    #[serde(default, borrow)]
    pub mode: Loose<'a>,
    /// `allowed_tools`: the tools.
    #[serde(default, borrow)]
    pub tools: Vec<Allowed<'a>>,
}

/// One of the allowed tools.
#[derive(Clone, Debug, Deserialize)]
pub struct Allowed<'a> {
    /// What it is.
    #[serde(rename = "type", default, borrow)]
    pub kind: Loose<'a>,
    /// Its name, where it has one.
    #[serde(default, borrow)]
    pub name: Loose<'a>,
}

/// How much to think.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Reasoning<'a> {
    /// A level.
    #[serde(default, borrow)]
    pub effort: Option<Str<'a>>,
    /// Whether and how to show it.
    #[serde(default, borrow)]
    pub summary: Option<Str<'a>>,
    /// The older word for it.
    #[serde(default)]
    pub generate_summary: Option<IgnoredAny>,
}

/// Form and length of the answer.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Text<'a> {
    /// Its form.
    #[serde(default, borrow)]
    pub format: Option<&'a RawValue>,
    /// Its length.
    #[serde(default, borrow)]
    pub verbosity: Option<Str<'a>>,
}

/// The form of the answer, read and written.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Format<'a> {
    /// `text`, `json_object` or `json_schema`.
    #[serde(rename = "type", borrow)]
    pub kind: std::borrow::Cow<'a, str>,
    /// The schema's name.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub name: Option<std::borrow::Cow<'a, str>>,
    /// What it is for.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub description: Option<std::borrow::Cow<'a, str>>,
    /// The schema.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub schema: Option<&'a RawValue>,
    /// Whether it must be followed to the letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}
