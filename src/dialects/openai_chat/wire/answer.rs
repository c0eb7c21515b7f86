//! Answers, whole and streamed, and errors. <https://platform.openai.com/docs/api-reference/chat/object>
//! <https://platform.openai.com/docs/api-reference/chat-streaming/streaming>

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json;

use super::{Content, FunctionCall, MediaUrl, OrText, Raw, Scalar, Str, ToolCall};

/// A `chat.completion`, a `chat.completion.chunk`, or an error in the place of one.
#[derive(Debug, Default, Deserialize)]
pub struct Answer<'a> {
    #[serde(borrow)]
    pub id: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub object: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub model: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub created: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub choices: Option<Vec<Choice<'a>>>,
    /// Read by `Usage::read`.
    #[serde(borrow)]
    pub usage: Option<Raw<'a>>,
    /// Groq. <https://console.groq.com/docs/api-reference#chat-create>
    #[serde(borrow)]
    pub x_groq: Option<Maybe<XGroq<'a>>>,
    #[serde(borrow)]
    pub error: Option<Maybe<ErrorField<'a>>>,
    /// Perplexity. <https://docs.perplexity.ai/api-reference/chat-completions-post>
    #[serde(borrow)]
    pub citations: Option<Maybe<Vec<Scalar<'a>>>>,
    #[serde(borrow)]
    pub search_results: Option<Maybe<Vec<SearchResult<'a>>>>,
}

/// A value of the documented shape, or one of another that must not spoil the rest.
#[derive(Debug)]
pub enum Maybe<T> {
    Known(T),
    Odd,
}

/// Serde's own way (`untagged`) copies the value into a tree first, which costs several times as much as reading it.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(serde_json::from_str(raw.get()).map_or(Self::Odd, Self::Known))
    }
}

impl<T> Maybe<T> {
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Odd => None,
        }
    }
}

/// One of the answers, or a piece of it.
#[derive(Debug, Default, Deserialize)]
pub struct Choice<'a> {
    #[serde(borrow)]
    pub index: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub message: Option<Message<'a>>,
    #[serde(borrow)]
    pub delta: Option<Message<'a>>,
    #[serde(borrow)]
    pub finish_reason: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub logprobs: Option<Maybe<Logprobs<'a>>>,
}

/// A message, or a piece of one.
#[derive(Debug, Default, Deserialize)]
pub struct Message<'a> {
    #[serde(borrow)]
    pub content: Option<Content<'a>>,
    #[serde(borrow)]
    pub refusal: Option<Str<'a>>,
    #[serde(borrow)]
    pub reasoning_content: Option<Str<'a>>,
    #[serde(borrow)]
    pub reasoning: Option<Scalar<'a>>,
    /// OpenRouter. <https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks>
    #[serde(borrow)]
    pub reasoning_details: Option<Raw<'a>>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow)]
    pub function_call: Option<FunctionCall<'a>>,
    #[serde(borrow)]
    pub annotations: Option<Vec<Annotation<'a>>>,
    /// OpenRouter. <https://openrouter.ai/docs/features/multimodal/image-generation>
    #[serde(borrow)]
    pub images: Option<Vec<ImagePart<'a>>>,
    #[serde(borrow)]
    pub audio: Option<Audio<'a>>,
}

/// A source of the text.
#[derive(Debug, Default, Deserialize)]
pub struct Annotation<'a> {
    #[serde(borrow)]
    pub url_citation: Option<UrlCitation<'a>>,
}

/// A page of the web.
#[derive(Debug, Default, Deserialize)]
pub struct UrlCitation<'a> {
    #[serde(borrow)]
    pub url: Option<Str<'a>>,
    #[serde(borrow)]
    pub title: Option<Str<'a>>,
    #[serde(borrow)]
    pub start_index: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub end_index: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub content: Option<Str<'a>>,
}

/// A page that Perplexity read.
#[derive(Debug, Deserialize)]
pub struct SearchResult<'a> {
    #[serde(borrow)]
    pub title: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub url: Option<Scalar<'a>>,
}

/// An image that the model drew.
#[derive(Debug, Default, Deserialize)]
pub struct ImagePart<'a> {
    #[serde(borrow)]
    pub image_url: Option<MediaUrl<'a>>,
}

/// A spoken answer. <https://platform.openai.com/docs/guides/audio>
#[derive(Debug, Default, Deserialize)]
pub struct Audio<'a> {
    #[serde(borrow)]
    pub data: Option<Str<'a>>,
    #[serde(borrow)]
    pub transcript: Option<Str<'a>>,
}

/// Log probabilities.
#[derive(Debug, Default, Deserialize)]
pub struct Logprobs<'a> {
    #[serde(borrow)]
    pub content: Option<Vec<TokenLogprob<'a>>>,
}

/// One token.
#[derive(Debug, Default, Deserialize)]
pub struct TokenLogprob<'a> {
    #[serde(borrow)]
    pub token: Option<Str<'a>>,
    pub logprob: Option<f64>,
    #[serde(borrow)]
    pub top_logprobs: Option<Vec<TopLogprob<'a>>>,
}

/// A token that might have stood there.
#[derive(Debug, Default, Deserialize)]
pub struct TopLogprob<'a> {
    #[serde(borrow)]
    pub token: Option<Str<'a>>,
    pub logprob: Option<f64>,
}

/// Token counts: OpenAI's, then the names that others have for the same.
#[derive(Debug, Default)]
pub struct Usage {
    pub prompt_tokens: Option<u64>,
    pub completion_tokens: Option<u64>,
    pub total_tokens: Option<u64>,
    pub prompt_tokens_details: PromptDetails,
    pub completion_tokens_details: CompletionDetails,
    /// Moonshot, Together.
    pub cached_tokens: Option<u64>,
    /// DeepSeek. <https://api-docs.deepseek.com/guides/kv_cache>
    pub prompt_cache_hit_tokens: Option<u64>,
    pub cache_read_input_tokens: Option<u64>,
    pub cache_creation_input_tokens: Option<u64>,
}

/// What of the prompt was cached.
#[derive(Debug, Default)]
pub struct PromptDetails {
    pub cached_tokens: Option<u64>,
    pub cache_write_tokens: Option<u64>,
}

/// What of the answer was thinking.
#[derive(Debug, Default)]
pub struct CompletionDetails {
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    /// Reads the value of `usage`. It is all that is read of an answer that is only forwarded, and serde takes three times
    /// as long for it.
    pub fn read(json: &[u8]) -> Self {
        let mut usage = Self::default();
        each_member(json, |name, value| match name {
            b"prompt_tokens" => usage.prompt_tokens = count(value),
            b"completion_tokens" => usage.completion_tokens = count(value),
            b"total_tokens" => usage.total_tokens = count(value),
            b"prompt_tokens_details" => usage.prompt_tokens_details.read(value),
            b"completion_tokens_details" => usage.completion_tokens_details.read(value),
            b"cached_tokens" => usage.cached_tokens = count(value),
            b"prompt_cache_hit_tokens" => usage.prompt_cache_hit_tokens = count(value),
            b"cache_read_input_tokens" => usage.cache_read_input_tokens = count(value),
            b"cache_creation_input_tokens" => usage.cache_creation_input_tokens = count(value),
            _ => {}
        });
        usage
    }
}

impl PromptDetails {
    fn read(&mut self, json: &[u8]) {
        each_member(json, |name, value| match name {
            b"cached_tokens" => self.cached_tokens = count(value),
            b"cache_write_tokens" => self.cache_write_tokens = count(value),
            _ => {}
        });
    }
}

impl CompletionDetails {
    fn read(&mut self, json: &[u8]) {
        each_member(json, |name, value| {
            if name == b"reasoning_tokens" {
                self.reasoning_tokens = count(value);
            }
        });
    }
}

/// The members of a value that may be no object, and has none then.
fn each_member(json: &[u8], mut each: impl FnMut(&[u8], &[u8])) {
    let _ = json::members(json, |name, range| each(name, json.get(range).unwrap_or_default()));
}

/// A count, which some write as a string or with a point.
fn count(value: &[u8]) -> Option<u64> {
    let plain = std::str::from_utf8(value).ok()?.parse().ok();
    plain.or_else(|| serde_json::from_slice::<Scalar<'_>>(value).ok()?.count())
}

/// Groq's own corner.
#[derive(Debug, Default, Deserialize)]
pub struct XGroq<'a> {
    /// Read by `Usage::read`.
    #[serde(borrow)]
    pub usage: Option<Raw<'a>>,
}

/// What stands under `error`.
pub type ErrorField<'a> = OrText<'a, Box<ErrorBody<'a>>>;

/// An error. <https://platform.openai.com/docs/guides/error-codes>
#[derive(Debug, Default, Deserialize)]
pub struct ErrorBody<'a> {
    #[serde(borrow)]
    pub message: Option<Scalar<'a>>,
    #[serde(borrow, rename = "type")]
    pub kind: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub param: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub code: Option<Scalar<'a>>,
    /// Google's name of the code, in its compatible API.
    #[serde(borrow)]
    pub status: Option<Scalar<'a>>,
    /// OpenRouter's word on the provider behind it. <https://openrouter.ai/docs/api-reference/errors>
    #[serde(borrow)]
    pub metadata: Option<Maybe<ErrorMetadata<'a>>>,
}

/// What the provider behind OpenRouter said.
#[derive(Debug, Default, Deserialize)]
pub struct ErrorMetadata<'a> {
    #[serde(borrow)]
    pub raw: Option<Scalar<'a>>,
}

/// An error body of any shape: OpenAI's, or flat ones (vLLM, Mistral, FastAPI).
#[derive(Debug, Default, Deserialize)]
pub struct ErrorAnswer<'a> {
    #[serde(borrow)]
    pub error: Option<Maybe<ErrorField<'a>>>,
    #[serde(borrow)]
    pub message: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub detail: Option<Raw<'a>>,
    #[serde(borrow, rename = "type")]
    pub kind: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub param: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub code: Option<Scalar<'a>>,
}
