//! Output items, as they are written. <https://platform.openai.com/docs/api-reference/responses/object>

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

/// How many tokens a request has.
/// <https://platform.openai.com/docs/api-reference/responses/input-tokens>
#[derive(Debug, Serialize)]
pub struct Count {
    /// `response.input_tokens`.
    pub object: &'static str,
    /// All tokens of the prompt.
    pub input_tokens: u64,
}

/// One item of an output.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the members are the dialect's own")]
pub enum Item<'r> {
    Message {
        id: &'r str,
        status: &'r str,
        role: &'r str,
        content: &'r [Content<'r>],
    },
    Reasoning {
        id: &'r str,
        summary: &'r [Summary<'r>],
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'r str>,
    },
    FunctionCall {
        id: &'r str,
        status: &'r str,
        arguments: &'r str,
        call_id: &'r str,
        name: &'r str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'r str>,
    },
    CustomToolCall {
        id: &'r str,
        status: &'r str,
        call_id: &'r str,
        input: &'r str,
        name: &'r str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'r str>,
    },
    LocalShellCall {
        id: &'r str,
        status: &'r str,
        call_id: &'r str,
        action: LocalAction<'r>,
    },
    ShellCall {
        id: &'r str,
        status: &'r str,
        call_id: &'r str,
        action: &'r RawValue,
    },
    ApplyPatchCall {
        id: &'r str,
        status: &'r str,
        call_id: &'r str,
        operation: &'r RawValue,
    },
    ToolSearchCall {
        id: &'r str,
        status: &'r str,
        call_id: &'r str,
        execution: &'r str,
        arguments: &'r RawValue,
    },
    ImageGenerationCall {
        id: &'r str,
        status: &'r str,
        result: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        output_format: Option<&'r str>,
    },
    #[serde(untagged)]
    Raw(&'r RawValue),
}

/// One part of a message.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the members are the dialect's own")]
pub enum Content<'r> {
    OutputText { annotations: Vec<Annotation<'r>>, logprobs: Vec<Logprob>, text: Cow<'r, str> },
    Refusal { refusal: Cow<'r, str> },
}

/// One part of a summary.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the members are the dialect's own")]
pub enum Summary<'r> {
    SummaryText { text: &'r str },
}

/// A page of the web that a text cites.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "url_citation")]
#[expect(missing_docs, reason = "the members are the dialect's own")]
pub struct Annotation<'r> {
    pub start_index: u64,
    pub end_index: u64,
    pub url: Cow<'r, str>,
    pub title: Cow<'r, str>,
}

/// How likely a token was.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the members are the dialect's own")]
pub struct Logprob {
    pub token: String,
    pub bytes: Vec<u8>,
    pub logprob: f64,
    pub top_logprobs: Vec<TopLogprob>,
}

/// An alternative to a token.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the members are the dialect's own")]
pub struct TopLogprob {
    pub token: String,
    pub bytes: Vec<u8>,
    pub logprob: f64,
}

/// What a `local_shell_call` runs; read from a model's arguments, too.
#[derive(Debug, serde::Deserialize, Serialize)]
#[expect(missing_docs, reason = "the members are the dialect's own")]
pub struct LocalAction<'r> {
    #[serde(rename = "type", default = "exec")]
    pub kind: Cow<'r, str>,
    #[serde(borrow)]
    pub command: &'r RawValue,
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Cow<'r, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<Cow<'r, str>>,
}

const fn exec() -> Cow<'static, str> {
    Cow::Borrowed("exec")
}

/// What an answer cost.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the members are the dialect's own")]
pub struct Usage {
    pub input_tokens: u64,
    pub input_tokens_details: InputDetails,
    pub output_tokens: u64,
    pub output_tokens_details: OutputDetails,
    pub total_tokens: u64,
}

/// Parts of the prompt's tokens.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the members are the dialect's own")]
pub struct InputDetails {
    pub cached_tokens: u64,
    pub cache_write_tokens: u64,
}

/// Parts of the answer's tokens.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the members are the dialect's own")]
pub struct OutputDetails {
    pub reasoning_tokens: u64,
}
