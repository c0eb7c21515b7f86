//! What is read: a client's request, an account's answer, the events of its stream. Fields that the API requires are
//! optional here, so that what is missing can be named by whoever reads it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Text that borrows from the body, unless it is written with escapes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Str<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// A field whose presence alone matters.
pub(crate) type Set = Option<IgnoredAny>;

/// A client's request. <https://docs.anthropic.com/en/api/messages>
#[derive(Debug, Deserialize)]
pub(crate) struct Request<'a> {
    #[serde(borrow)]
    pub(crate) model: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) messages: Option<Vec<Message<'a>>>,
    #[serde(borrow)]
    pub(crate) system: Option<Content<'a>>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) stream: Option<bool>,
    #[serde(borrow)]
    pub(crate) tools: Option<Vec<Tool<'a>>>,
    #[serde(borrow)]
    pub(crate) tool_choice: Option<ToolChoice<'a>>,
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_k: Option<u64>,
    #[serde(borrow)]
    pub(crate) stop_sequences: Option<Vec<Str<'a>>>,
    #[serde(borrow)]
    pub(crate) thinking: Option<Thinking<'a>>,
    #[serde(borrow)]
    pub(crate) output_config: Option<OutputConfig<'a>>,
    /// The older place of `output_config.format`.
    #[serde(borrow)]
    pub(crate) output_format: Option<OutputFormat<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<Metadata<'a>>,
    #[serde(borrow)]
    pub(crate) service_tier: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) inference_geo: Option<Str<'a>>,
    pub(crate) mcp_servers: Option<Vec<IgnoredAny>>,
    pub(crate) container: Set,
    pub(crate) thread: Set,
    pub(crate) context_management: Set,
    pub(crate) cache_control: Set,
    pub(crate) fallbacks: Set,
    pub(crate) speed: Set,
    pub(crate) betas: Set,
    pub(crate) diagnostics: Set,
    pub(crate) user_profile_id: Set,
}

/// One message of a conversation.
#[derive(Debug, Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    pub(crate) role: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) content: Option<Content<'a>>,
    /// Of a `system` message: settings from this turn on.
    pub(crate) output_config: Set,
    /// Of a `system` message: how long it is shown.
    pub(crate) clear_at: Set,
}

/// Text, or blocks. The results of the provider's own tools have an object here.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    Text(Cow<'a, str>),
    Blocks(Vec<Block<'a>>),
    Other,
}

/// One block, of any type: each type has its own few of these fields.
#[derive(Debug, Deserialize)]
pub(crate) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) text: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) thinking: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) signature: Option<Str<'a>>,
    /// Of `redacted_thinking`.
    #[serde(borrow)]
    pub(crate) data: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) tool_use_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) tool_name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) content: Option<Content<'a>>,
    pub(crate) is_error: Option<bool>,
    #[serde(borrow)]
    pub(crate) source: Option<Source<'a>>,
    #[serde(borrow)]
    pub(crate) title: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) context: Option<Str<'a>>,
    /// A list in a text, `{"enabled": …}` in a document.
    #[serde(borrow)]
    pub(crate) citations: Option<&'a RawValue>,
    pub(crate) cache_control: Set,
}

/// Where a medium is, or what a search result is about.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    Address(Cow<'a, str>),
    Medium(Medium<'a>),
}

/// Where the bytes of an image or a document are.
#[derive(Debug, Deserialize)]
pub(crate) struct Medium<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) media_type: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) data: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) url: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) file_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) content: Option<Content<'a>>,
}

/// `citations` of a document.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct CitationsConfig {
    pub(crate) enabled: Option<bool>,
}

/// One tool: the client's own, or one of the provider's by its dated type.
#[derive(Debug, Deserialize)]
pub(crate) struct Tool<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) description: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) input_schema: Option<&'a RawValue>,
    pub(crate) strict: Option<bool>,
    pub(crate) defer_loading: Option<bool>,
    #[serde(borrow)]
    pub(crate) allowed_domains: Option<Vec<Str<'a>>>,
    #[serde(borrow)]
    pub(crate) blocked_domains: Option<Vec<Str<'a>>>,
    pub(crate) max_uses: Option<u32>,
    pub(crate) user_location: Set,
    pub(crate) max_content_tokens: Set,
    pub(crate) allowed_callers: Set,
    pub(crate) input_examples: Set,
    pub(crate) eager_input_streaming: Set,
    pub(crate) cache_control: Set,
}

/// Whether and which tool must be called.
#[derive(Debug, Deserialize)]
pub(crate) struct ToolChoice<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) name: Option<Str<'a>>,
    pub(crate) disable_parallel_tool_use: Option<bool>,
}

/// Whether to think.
#[derive(Debug, Deserialize)]
pub(crate) struct Thinking<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    pub(crate) budget_tokens: Option<u64>,
    #[serde(borrow)]
    pub(crate) display: Option<Str<'a>>,
}

/// Effort and form of the answer.
#[derive(Debug, Deserialize)]
pub(crate) struct OutputConfig<'a> {
    #[serde(borrow)]
    pub(crate) effort: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) format: Option<OutputFormat<'a>>,
}

/// The form of the answer.
#[derive(Debug, Deserialize)]
pub(crate) struct OutputFormat<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) schema: Option<&'a RawValue>,
}

/// About the request.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata<'a> {
    #[serde(borrow)]
    pub(crate) user_id: Option<Str<'a>>,
}

/// An answer, whole or (without its content) at the start of a stream.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Response<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) model: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) content: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(crate) stop_reason: Option<Str<'a>>,
    pub(crate) usage: Option<Usage>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
}

/// How many tokens a request has.
#[derive(Debug, Deserialize)]
pub(crate) struct Count {
    pub(crate) input_tokens: u64,
}

/// What an answer cost; `input_tokens` counts no cached ones.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Usage {
    pub(crate) input_tokens: Option<u64>,
    pub(crate) cache_creation_input_tokens: Option<u64>,
    pub(crate) cache_read_input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
    pub(crate) output_tokens_details: Option<OutputTokensDetails>,
}

/// What the output tokens were spent on.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct OutputTokensDetails {
    pub(crate) thinking_tokens: Option<u64>,
}

/// A source of a text, of any type.
#[derive(Debug, Deserialize)]
pub(crate) struct Citation<'a> {
    #[serde(borrow)]
    pub(crate) url: Option<Str<'a>>,
    /// Of a search result that the client gave: its address, or any name.
    #[serde(borrow)]
    pub(crate) source: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) title: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) document_title: Option<Str<'a>>,
    pub(crate) document_index: Option<u64>,
    #[serde(borrow)]
    pub(crate) cited_text: Option<Str<'a>>,
}

/// One event of a stream. <https://docs.anthropic.com/en/api/messages-streaming>
#[derive(Debug, Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    pub(crate) index: Option<u64>,
    #[serde(borrow)]
    pub(crate) message: Option<Response<'a>>,
    #[serde(borrow)]
    pub(crate) content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) delta: Option<Delta<'a>>,
    pub(crate) usage: Option<Usage>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
}

/// More of a block, or of the message.
#[derive(Debug, Deserialize)]
pub(crate) struct Delta<'a> {
    #[serde(borrow)]
    pub(crate) text: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) thinking: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) signature: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) partial_json: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) citation: Option<Citation<'a>>,
    /// Of `compaction_delta`.
    #[serde(borrow)]
    pub(crate) content: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) stop_reason: Option<Str<'a>>,
}

/// An error body, or its inner object. Compatible services say either, and anything in its fields.
#[derive(Debug, Deserialize)]
pub(crate) struct Failure<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) detail: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) details: Option<&'a RawValue>,
}

/// More about an error.
#[derive(Debug, Deserialize)]
pub(crate) struct Details {
    pub(crate) error_code: String,
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of blocks")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut blocks = Vec::new();
        while let Some(block) = seq.next_element()? {
            blocks.push(block);
        }
        Ok(Content::Blocks(blocks))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Content::Other)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Source<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = Source<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a source object")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Source::Address(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Source::Address(Cow::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Medium::deserialize(MapAccessDeserializer::new(map)).map(Source::Medium)
    }
}
