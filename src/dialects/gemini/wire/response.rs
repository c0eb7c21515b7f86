//! GenerateContentResponse: an answer, or one chunk of a streamed one.
//! <https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse>

use serde::{Deserialize, Serialize};

use super::part::Content;
use super::{Int, Raw, Str, Word};

/// One answer or chunk.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Response<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow, alias = "prompt_feedback", skip_serializing)]
    pub(crate) prompt_feedback: Option<PromptFeedback<'a>>,
    #[serde(alias = "usage_metadata", skip_serializing_if = "Option::is_none")]
    pub(crate) usage_metadata: Option<UsageMetadata>,
    #[serde(borrow, alias = "model_version", skip_serializing_if = "Option::is_none")]
    pub(crate) model_version: Option<Str<'a>>,
    #[serde(
        borrow,
        rename = "responseId",
        alias = "response_id",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) id: Option<Str<'a>>,
    /// Vertex AI: RFC 3339.
    #[serde(borrow, alias = "create_time", skip_serializing)]
    pub(crate) create_time: Option<Str<'a>>,
    /// Where it is no answer at all.
    #[serde(borrow, skip_serializing)]
    pub(crate) error: Option<Status<'a>>,
}

/// One of the answers.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Candidate<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<Content<'a>>,
    #[serde(borrow, alias = "finish_reason", skip_serializing_if = "Option::is_none")]
    pub(crate) finish_reason: Option<Word<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<Int>,
    #[serde(borrow, alias = "grounding_metadata", skip_serializing_if = "Option::is_none")]
    pub(crate) grounding_metadata: Option<GroundingMetadata<'a>>,
    #[serde(borrow, alias = "citation_metadata", skip_serializing)]
    pub(crate) citation_metadata: Option<CitationMetadata<'a>>,
    #[serde(borrow, alias = "url_context_metadata", skip_serializing)]
    pub(crate) url_context_metadata: Option<UrlContextMetadata<'a>>,
    #[serde(borrow, alias = "logprobs_result", skip_serializing_if = "Option::is_none")]
    pub(crate) logprobs_result: Option<LogprobsResult<'a>>,
}

/// What the answer recites. <https://ai.google.dev/api/generate-content#citationmetadata>
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CitationMetadata<'a> {
    /// Vertex AI calls them `citations`.
    #[serde(borrow, alias = "citation_sources", alias = "citations")]
    pub(crate) citation_sources: Option<Vec<Recited<'a>>>,
}

/// A piece of the answer that stands elsewhere too; offsets count bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Recited<'a> {
    #[serde(alias = "start_index")]
    pub(crate) start_index: Option<usize>,
    #[serde(alias = "end_index")]
    pub(crate) end_index: Option<usize>,
    #[serde(borrow)]
    pub(crate) uri: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) title: Option<Str<'a>>,
}

/// Pages that Google has read for the answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UrlContextMetadata<'a> {
    #[serde(borrow, alias = "url_metadata")]
    pub(crate) url_metadata: Option<Raw<'a>>,
}

/// What the filters said of the prompt.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PromptFeedback<'a> {
    #[serde(borrow, alias = "block_reason")]
    pub(crate) block_reason: Option<Word<'a>>,
}

/// What it cost. <https://ai.google.dev/api/generate-content#UsageMetadata>
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct UsageMetadata {
    #[serde(
        rename = "promptTokenCount",
        alias = "prompt_token_count",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) prompt: Option<u64>,
    #[serde(
        rename = "cachedContentTokenCount",
        alias = "cached_content_token_count",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) cached: Option<u64>,
    #[serde(
        rename = "candidatesTokenCount",
        alias = "candidates_token_count",
        alias = "responseTokenCount",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) candidates: Option<u64>,
    #[serde(
        rename = "thoughtsTokenCount",
        alias = "thoughts_token_count",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) thoughts: Option<u64>,
    #[serde(
        rename = "toolUsePromptTokenCount",
        alias = "tool_use_prompt_token_count",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) tool_prompt: Option<u64>,
    #[serde(
        rename = "totalTokenCount",
        alias = "total_token_count",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) total: Option<u64>,
}

/// How many tokens a request has. <https://ai.google.dev/api/tokens>
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Count {
    #[serde(rename = "totalTokens", alias = "total_tokens")]
    pub(crate) total_tokens: u64,
}

/// What the answer rests on. <https://ai.google.dev/api/generate-content#GroundingMetadata>
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct GroundingMetadata<'a> {
    #[serde(borrow, alias = "grounding_chunks")]
    pub(crate) grounding_chunks: Option<Vec<GroundingChunk<'a>>>,
    #[serde(borrow, alias = "grounding_supports")]
    pub(crate) grounding_supports: Option<Vec<GroundingSupport<'a>>>,
    /// What Google searched for.
    #[serde(borrow, alias = "web_search_queries", skip_serializing)]
    pub(crate) web_search_queries: Option<Raw<'a>>,
}

/// One source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct GroundingChunk<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) web: Option<Place<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) maps: Option<Place<'a>>,
    #[serde(borrow, alias = "retrieved_context", skip_serializing_if = "Option::is_none")]
    pub(crate) retrieved_context: Option<Place<'a>>,
}

/// Where a source is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Place<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) uri: Option<Str<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<Str<'a>>,
    /// The words of a retrieved context.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<Str<'a>>,
    /// File search: where the document is kept.
    #[serde(borrow, alias = "file_search_store", skip_serializing)]
    pub(crate) file_search_store: Option<Str<'a>>,
}

/// Which sources a piece of the answer rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct GroundingSupport<'a> {
    #[serde(borrow)]
    pub(crate) segment: Segment<'a>,
    #[serde(alias = "grounding_chunk_indices")]
    pub(crate) grounding_chunk_indices: Option<Vec<usize>>,
}

/// A piece of the answer. Offsets count the bytes of all its text so far, whatever the reference says of parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Segment<'a> {
    #[serde(alias = "start_index")]
    pub(crate) start_index: Option<usize>,
    #[serde(alias = "end_index")]
    pub(crate) end_index: Option<usize>,
    #[serde(borrow)]
    pub(crate) text: Option<Str<'a>>,
}

/// How likely each token was. <https://ai.google.dev/api/generate-content#LogprobsResult>
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LogprobsResult<'a> {
    #[serde(borrow, alias = "top_candidates")]
    pub(crate) top_candidates: Vec<TopCandidates<'a>>,
    #[serde(borrow, alias = "chosen_candidates")]
    pub(crate) chosen_candidates: Vec<TokenChance<'a>>,
}

/// The likeliest tokens of one place.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct TopCandidates<'a> {
    #[serde(borrow)]
    pub(crate) candidates: Vec<TokenChance<'a>>,
}

/// A token and its log probability.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TokenChance<'a> {
    #[serde(borrow)]
    pub(crate) token: Str<'a>,
    #[serde(alias = "log_probability")]
    pub(crate) log_probability: f64,
}

/// A body that says what went wrong.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct ErrorBody<'a> {
    #[serde(borrow)]
    pub(crate) error: Option<Status<'a>>,
}

/// What went wrong. <https://cloud.google.com/apis/design/errors#error_model>
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Status<'a> {
    /// A number; other servers behind Google's protocol write words.
    #[serde(borrow)]
    pub(crate) code: Option<Word<'a>>,
    #[serde(borrow)]
    pub(crate) message: Option<Str<'a>>,
    /// Google's name of the HTTP status.
    #[serde(borrow, rename = "status")]
    pub(crate) name: Option<Str<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Vec<Detail<'a>>>,
}

/// More of it, each by the fields of its `@type`.
/// <https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Detail<'a> {
    #[serde(borrow, rename = "@type")]
    pub(crate) kind: Option<Str<'a>>,
    /// ErrorInfo: why, in one word.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Str<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) domain: Option<Str<'a>>,
    /// RetryInfo: when to ask again (`12s`).
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_delay: Option<Str<'a>>,
    /// BadRequest: the fields at fault.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) field_violations: Option<Vec<FieldViolation<'a>>>,
}

/// A field at fault.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct FieldViolation<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<Str<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<Str<'a>>,
}
