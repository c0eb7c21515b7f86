//! Requests. <https://platform.openai.com/docs/api-reference/chat/create>

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Content, FunctionCall, OrText, Raw, Str, ToolCall};

/// A request's body: OpenAI's fields, then those of compatible providers, then those that are only noticed.
#[derive(Debug, Deserialize)]
pub struct Request<'a> {
    #[serde(borrow)]
    pub model: Option<Str<'a>>,
    #[serde(borrow)]
    pub messages: Option<Vec<Message<'a>>>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    pub max_completion_tokens: Option<u64>,
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    /// Mistral calls it `random_seed`.
    #[serde(alias = "random_seed")]
    pub seed: Option<i64>,
    pub presence_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
    #[serde(borrow)]
    pub stop: Option<Stop<'a>>,
    pub n: Option<u32>,
    pub logprobs: Option<bool>,
    pub top_logprobs: Option<u32>,
    #[serde(borrow)]
    pub tools: Option<Vec<Tool<'a>>>,
    #[serde(borrow)]
    pub tool_choice: Option<ToolChoice<'a>>,
    pub parallel_tool_calls: Option<bool>,
    #[serde(borrow)]
    pub functions: Option<Vec<Function<'a>>>,
    #[serde(borrow)]
    pub function_call: Option<ToolChoice<'a>>,
    #[serde(borrow)]
    pub response_format: Option<ResponseFormat<'a>>,
    #[serde(borrow)]
    pub reasoning_effort: Option<Str<'a>>,
    #[serde(borrow)]
    pub verbosity: Option<Str<'a>>,
    #[serde(borrow)]
    pub service_tier: Option<Str<'a>>,
    #[serde(borrow)]
    pub user: Option<Str<'a>>,
    #[serde(borrow)]
    pub safety_identifier: Option<Str<'a>>,
    #[serde(borrow)]
    pub prompt_cache_key: Option<Str<'a>>,
    #[serde(borrow)]
    pub metadata: Option<Raw<'a>>,
    #[serde(borrow)]
    pub modalities: Option<Vec<Str<'a>>>,
    #[serde(borrow)]
    pub web_search_options: Option<WebSearchOptions<'a>>,

    pub top_k: Option<i64>,
    /// OpenRouter. <https://openrouter.ai/docs/use-cases/reasoning-tokens>
    #[serde(borrow)]
    pub reasoning: Option<Reasoning<'a>>,
    pub include_reasoning: Option<bool>,
    /// z.ai, DeepSeek, Anthropic's compatible API. <https://docs.z.ai/guides/capabilities/thinking-mode>
    #[serde(borrow)]
    pub thinking: Option<Thinking<'a>>,
    /// Qwen. <https://www.alibabacloud.com/help/en/model-studio/deep-thinking>
    pub enable_thinking: Option<bool>,
    pub thinking_budget: Option<u64>,
    /// Google's compatible API. <https://ai.google.dev/gemini-api/docs/openai>
    #[serde(borrow)]
    pub extra_body: Option<ExtraBody<'a>>,

    pub store: Option<bool>,
    pub logit_bias: Option<IgnoredAny>,
    pub prediction: Option<IgnoredAny>,
    pub moderation: Option<IgnoredAny>,
    pub prompt_cache_options: Option<IgnoredAny>,
    pub prompt_cache_retention: Option<IgnoredAny>,
    pub min_p: Option<IgnoredAny>,
    pub top_a: Option<IgnoredAny>,
    pub repetition_penalty: Option<IgnoredAny>,
    pub safe_prompt: Option<IgnoredAny>,
    pub provider: Option<IgnoredAny>,
    pub models: Option<IgnoredAny>,
    pub transforms: Option<IgnoredAny>,
    pub plugins: Option<IgnoredAny>,
    pub search_parameters: Option<IgnoredAny>,
}

/// How to stream.
#[derive(Debug, Deserialize)]
pub struct StreamOptions {
    pub include_usage: Option<bool>,
}

/// One message of the conversation.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    #[serde(borrow)]
    pub role: Option<Str<'a>>,
    #[serde(borrow)]
    pub content: Option<Content<'a>>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub refusal: Option<Str<'a>>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow)]
    pub tool_call_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub function_call: Option<FunctionCall<'a>>,
    #[serde(borrow)]
    pub reasoning_content: Option<Str<'a>>,
    #[serde(borrow)]
    pub reasoning: Option<Str<'a>>,
    #[serde(borrow)]
    pub reasoning_details: Option<Raw<'a>>,
    /// An answer in sound, named by the id that the provider keeps it under.
    pub audio: Option<IgnoredAny>,
}

/// One stop sequence, or some.
pub type Stop<'a> = OrText<'a, Vec<Str<'a>>>;

/// A word, or a tool that is named.
pub type ToolChoice<'a> = OrText<'a, Box<NamedChoice<'a>>>;

/// A tool: a function, a custom tool, or one that the provider runs.
#[derive(Debug, Deserialize)]
pub struct Tool<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub function: Option<Function<'a>>,
    #[serde(borrow)]
    pub custom: Option<CustomTool<'a>>,
    pub cache_control: Option<IgnoredAny>,
}

/// A function.
#[derive(Debug, Deserialize)]
pub struct Function<'a> {
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub description: Option<Str<'a>>,
    #[serde(borrow)]
    pub parameters: Option<Raw<'a>>,
    pub strict: Option<bool>,
}

/// A custom tool. <https://platform.openai.com/docs/guides/function-calling#custom-tools>
#[derive(Debug, Deserialize)]
pub struct CustomTool<'a> {
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub description: Option<Str<'a>>,
    #[serde(borrow)]
    pub format: Option<CustomFormat<'a>>,
}

/// What a custom tool's input must look like.
#[derive(Debug, Deserialize)]
pub struct CustomFormat<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub grammar: Option<Grammar<'a>>,
    /// The Responses API has the grammar's members here.
    #[serde(borrow)]
    pub syntax: Option<Str<'a>>,
    #[serde(borrow)]
    pub definition: Option<Str<'a>>,
}

/// A grammar.
#[derive(Debug, Deserialize)]
pub struct Grammar<'a> {
    #[serde(borrow)]
    pub syntax: Option<Str<'a>>,
    #[serde(borrow)]
    pub definition: Option<Str<'a>>,
}

/// A tool that is named: by its type, or (`function_call`) by its name alone.
#[derive(Debug, Default, Deserialize)]
pub struct NamedChoice<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub function: Option<ToolName<'a>>,
    #[serde(borrow)]
    pub custom: Option<ToolName<'a>>,
    #[serde(borrow)]
    pub allowed_tools: Option<AllowedTools<'a>>,
}

/// A tool's name.
#[derive(Debug, Default, Deserialize)]
pub struct ToolName<'a> {
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
}

/// Some of the tools.
#[derive(Debug, Deserialize)]
pub struct AllowedTools<'a> {
    #[serde(borrow)]
    pub mode: Option<Str<'a>>,
    #[serde(borrow)]
    pub tools: Option<Vec<NamedChoice<'a>>>,
}

/// The form of the answer.
#[derive(Debug, Deserialize)]
pub struct ResponseFormat<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub json_schema: Option<JsonSchema<'a>>,
    /// Compatible providers: a schema beside `json_object`. <https://docs.together.ai/docs/json-mode>
    #[serde(borrow)]
    pub schema: Option<Raw<'a>>,
}

/// A schema that the answer must follow.
#[derive(Debug, Deserialize)]
pub struct JsonSchema<'a> {
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub description: Option<Str<'a>>,
    #[serde(borrow)]
    pub schema: Option<Raw<'a>>,
    pub strict: Option<bool>,
}

/// OpenRouter's words for thinking.
#[derive(Debug, Deserialize)]
pub struct Reasoning<'a> {
    #[serde(borrow)]
    pub effort: Option<Str<'a>>,
    pub max_tokens: Option<u64>,
    pub exclude: Option<bool>,
    pub enabled: Option<bool>,
}

/// z.ai's words for it, which are Anthropic's.
#[derive(Debug, Deserialize)]
pub struct Thinking<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    pub budget_tokens: Option<u64>,
}

/// Google's fields.
#[derive(Debug, Deserialize)]
pub struct ExtraBody<'a> {
    #[serde(borrow)]
    pub google: Option<Google<'a>>,
}

/// Google's fields.
#[derive(Debug, Deserialize)]
pub struct Google<'a> {
    #[serde(borrow)]
    pub thinking_config: Option<ThinkingConfig<'a>>,
    pub cached_content: Option<IgnoredAny>,
}

/// Google's words for thinking.
#[derive(Debug, Deserialize)]
pub struct ThinkingConfig<'a> {
    pub thinking_budget: Option<i64>,
    #[serde(borrow)]
    pub thinking_level: Option<Str<'a>>,
    pub include_thoughts: Option<bool>,
}

/// How to search the web. <https://platform.openai.com/docs/guides/tools-web-search?api-mode=chat>
#[derive(Debug, Deserialize)]
pub struct WebSearchOptions<'a> {
    #[serde(borrow)]
    pub search_context_size: Option<Str<'a>>,
    pub user_location: Option<IgnoredAny>,
}
