//! What is written: a request for an account, an answer for a client, the events of its stream.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

/// A request for an account. <https://docs.anthropic.com/en/api/messages>
#[derive(Serialize)]
pub(crate) struct Request<'a> {
    pub(crate) model: &'a str,
    /// Required, save where tokens are only counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) system: Vec<Item<'a>>,
    pub(crate) messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool_choice: Option<ToolChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    pub(crate) output_config: OutputConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_k: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) stream: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// How many tokens a request has. <https://docs.anthropic.com/en/api/messages-count-tokens>
#[derive(Serialize)]
pub(crate) struct Count {
    pub(crate) input_tokens: u64,
}

/// One message of a conversation.
#[derive(Debug, Serialize)]
pub(crate) struct Message<'a> {
    pub(crate) role: &'static str,
    pub(crate) content: Vec<Item<'a>>,
}

/// A block, built here or passed as it came.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Item<'a> {
    Block(Block<'a>),
    Raw(&'a RawValue),
}

/// One block.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Block<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        citations: Vec<Citation<'a>>,
    },
    Thinking {
        thinking: &'a str,
        signature: Cow<'a, str>,
    },
    RedactedThinking {
        data: Cow<'a, str>,
    },
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<CitationsConfig>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Cow<'a, RawValue>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "ResultContent::is_empty")]
        content: ResultContent<'a>,
        #[serde(skip_serializing_if = "is_false")]
        is_error: bool,
    },
}

/// What a tool answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum ResultContent<'a> {
    Text(&'a str),
    Blocks(Vec<Item<'a>>),
}

impl ResultContent<'_> {
    pub(crate) const fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Blocks(blocks) => blocks.is_empty(),
        }
    }
}

/// Where the bytes of an image or a document are.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
    Text { media_type: &'static str, data: Cow<'a, str> },
}

/// `citations` of a document.
#[derive(Debug, Serialize)]
pub(crate) struct CitationsConfig {
    pub(crate) enabled: bool,
}

/// One tool.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Tool<'a> {
    Own {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<Cow<'a, str>>,
        input_schema: Cow<'a, RawValue>,
    },
    Hosted {
        #[serde(rename = "type")]
        kind: &'static str,
        name: &'static str,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        allowed_domains: &'a [Cow<'a, str>],
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        blocked_domains: &'a [Cow<'a, str>],
        #[serde(skip_serializing_if = "Option::is_none")]
        max_uses: Option<u32>,
    },
}

/// Whether and which tool must be called.
#[derive(Serialize)]
pub(crate) struct ToolChoice<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) disable_parallel_tool_use: bool,
}

/// Whether to think.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Thinking {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) budget_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) display: Option<&'static str>,
}

/// Effort and form of the answer.
#[derive(Default, Serialize)]
pub(crate) struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<OutputFormat<'a>>,
}

impl OutputConfig<'_> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.effort.is_none() && self.format.is_none()
    }
}

/// The form of the answer.
#[derive(Serialize)]
pub(crate) struct OutputFormat<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) schema: Cow<'a, RawValue>,
}

/// About the request.
#[derive(Serialize)]
pub(crate) struct Metadata<'a> {
    pub(crate) user_id: &'a str,
}

/// An answer, whole or at the start of a stream.
#[derive(Serialize)]
pub(crate) struct Response<'a> {
    pub(crate) id: Cow<'a, str>,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) role: &'static str,
    pub(crate) model: &'a str,
    pub(crate) content: Vec<Item<'a>>,
    pub(crate) stop_reason: Option<&'static str>,
    /// Which stop sequence was met: the neutral form does not know.
    pub(crate) stop_sequence: Option<&'a str>,
    pub(crate) usage: Usage,
}

/// What an answer cost; `input_tokens` counts no cached ones.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Usage {
    pub(crate) input_tokens: u64,
    pub(crate) cache_creation_input_tokens: u64,
    pub(crate) cache_read_input_tokens: u64,
    pub(crate) output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output_tokens_details: Option<OutputTokensDetails>,
}

/// What the output tokens were spent on.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct OutputTokensDetails {
    pub(crate) thinking_tokens: u64,
}

/// A page of the web that a text cites. All but `title` are required.
#[derive(Debug, Serialize)]
pub(crate) struct Citation<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) url: &'a str,
    pub(crate) title: Option<&'a str>,
    pub(crate) cited_text: &'a str,
    pub(crate) encrypted_index: &'static str,
}

/// One event of a stream. <https://docs.anthropic.com/en/api/messages-streaming>
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    MessageStart { message: Response<'a> },
    ContentBlockStart { index: u64, content_block: &'a Item<'a> },
    ContentBlockDelta { index: u64, delta: Delta<'a> },
    ContentBlockStop { index: u64 },
    MessageDelta { delta: MessageDelta<'a>, usage: Usage },
    MessageStop {},
}

impl Event<'_> {
    /// Its name, for the `event:` line, which the SDKs need.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop {} => "message_stop",
        }
    }
}

/// More of the open block.
#[derive(Serialize)]
#[serde(tag = "type")]
pub(crate) enum Delta<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
    #[serde(rename = "citations_delta")]
    Citations { citation: Citation<'a> },
}

/// How the message ended.
#[derive(Serialize)]
pub(crate) struct MessageDelta<'a> {
    pub(crate) stop_reason: &'static str,
    pub(crate) stop_sequence: Option<&'a str>,
}

/// An error body, and the event that ends a broken stream. <https://docs.anthropic.com/en/api/errors>
#[derive(Serialize)]
pub(crate) struct Failure<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) error: FailureKind<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<&'a str>,
}

/// What failed.
#[derive(Serialize)]
pub(crate) struct FailureKind<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) message: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Details<'a>>,
}

/// More about an error.
#[derive(Serialize)]
pub(crate) struct Details<'a> {
    pub(crate) error_code: &'a str,
}
