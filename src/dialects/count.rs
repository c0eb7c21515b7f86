//! Which dialects count tokens before a request is made, and each one's words for it.

use super::tools::Toolbox;
use super::{Dialect, Path, Target, anthropic, gemini, openai_responses};
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::Request;

/// A dialect that has an endpoint for counting tokens. Chat Completions has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// `POST /v1/responses/input_tokens`.
    /// <https://platform.openai.com/docs/api-reference/responses/input-tokens>
    OpenAiResponses,
    /// `POST /v1/messages/count_tokens`. <https://docs.anthropic.com/en/api/messages-count-tokens>
    Anthropic,
    /// `POST /v1beta/models/{model}:countTokens`. <https://ai.google.dev/api/tokens>
    Gemini,
}

impl Counter {
    /// The counter of a dialect.
    pub const fn of(dialect: Dialect) -> Option<Self> {
        match dialect {
            Dialect::OpenAiChat => None,
            Dialect::OpenAiResponses => Some(Self::OpenAiResponses),
            Dialect::Anthropic => Some(Self::Anthropic),
            Dialect::Gemini => Some(Self::Gemini),
        }
    }

    /// Reads a client's request whose tokens are to be counted. The error names the field at fault.
    pub fn parse_request<'a>(self, body: &'a [u8], path: Path<'a>) -> Result<Request<'a>, Error> {
        match self {
            Self::OpenAiResponses => openai_responses::request::parse_count(body),
            Self::Anthropic => anthropic::request::parse_count(body),
            Self::Gemini => gemini::request::parse_count(body, path),
        }
    }

    /// Writes a request whose tokens an account is to count, appending to `out`; gives what it had no words for.
    pub fn render_request(
        self,
        request: &Request<'_>,
        target: Target<'_>,
        toolbox: &Toolbox,
        out: &mut Vec<u8>,
    ) -> Losses {
        match self {
            Self::OpenAiResponses => {
                openai_responses::request::render_count(request, target, toolbox, out)
            }
            Self::Anthropic => anthropic::request::render_count(request, target, toolbox, out),
            Self::Gemini => gemini::request::render_count(request, target, toolbox, out),
        }
    }

    /// Reads how many tokens an account counted.
    pub fn parse(self, body: &[u8]) -> Result<u64, Error> {
        match self {
            Self::OpenAiResponses => openai_responses::response::parse_count(body),
            Self::Anthropic => anthropic::response::parse_count(body),
            Self::Gemini => gemini::response::parse_count(body),
        }
    }

    /// Writes for a client how many tokens were counted, appending to `out`.
    pub fn render(self, tokens: u64, out: &mut Vec<u8>) {
        match self {
            Self::OpenAiResponses => openai_responses::response::render_count(tokens, out),
            Self::Anthropic => anthropic::response::render_count(tokens, out),
            Self::Gemini => gemini::response::render_count(tokens, out),
        }
    }
}
