//! The four dialects: which one a client or an account speaks.

use std::fmt;

/// A wire protocol for talking to a language model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// OpenAI Chat Completions. <https://platform.openai.com/docs/api-reference/chat>
    OpenAiChat,
    /// OpenAI Responses. <https://platform.openai.com/docs/api-reference/responses>
    OpenAiResponses,
    /// Anthropic Messages. <https://docs.anthropic.com/en/api/messages>
    Anthropic,
    /// Gemini generateContent. <https://ai.google.dev/api/generate-content>
    Gemini,
}

impl Dialect {
    /// Every dialect, in the order of the documentation.
    pub const ALL: [Self; 4] =
        [Self::OpenAiChat, Self::OpenAiResponses, Self::Anthropic, Self::Gemini];

    /// The name used in the configuration, the log and the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai_chat",
            Self::OpenAiResponses => "openai_responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
