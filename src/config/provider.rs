//! What each provider is called, speaks and serves, where nothing else is written.

use super::Provider;
use crate::dialects::Dialect;

/// `provider`.
pub(super) const PROVIDERS: &[(&str, Provider)] = &[
    ("gemini", Provider::Gemini),
    ("vertex", Provider::Vertex),
    ("openai", Provider::OpenAi),
    ("anthropic", Provider::Anthropic),
    ("zai", Provider::Zai),
    ("custom", Provider::Custom),
];

/// The variables that make an account each when there is no file; the first that is set counts.
pub(super) const VARIABLES: &[(&str, &[&str])] = &[
    ("gemini", &["GEMINI_API_KEY", "GOOGLE_API_KEY"]),
    ("openai", &["OPENAI_API_KEY"]),
    ("anthropic", &["ANTHROPIC_API_KEY"]),
    ("zai", &["ZAI_API_KEY"]),
];

/// What each provider speaks, its own dialect first, and where.
///
/// z.ai: <https://docs.rs/rig-core/latest/rig/providers/zai/>;
/// Gemini as OpenAI: <https://ai.google.dev/gemini-api/docs/openai>.
const ENDPOINTS: &[(Provider, Dialect, &str)] = &[
    (Provider::Gemini, Dialect::Gemini, "https://generativelanguage.googleapis.com"),
    (
        Provider::Gemini,
        Dialect::OpenAiChat,
        "https://generativelanguage.googleapis.com/v1beta/openai",
    ),
    (Provider::OpenAi, Dialect::OpenAiChat, "https://api.openai.com/v1"),
    (Provider::OpenAi, Dialect::OpenAiResponses, "https://api.openai.com/v1"),
    (Provider::Anthropic, Dialect::Anthropic, "https://api.anthropic.com"),
    (Provider::Zai, Dialect::Anthropic, "https://api.z.ai/api/anthropic"),
    (Provider::Zai, Dialect::OpenAiChat, "https://api.z.ai/api/paas/v4"),
];

impl Provider {
    /// The name used in the configuration and the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gemini => "gemini",
            Self::Vertex => "vertex",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Zai => "zai",
            Self::Custom => "custom",
        }
    }

    /// Every dialect that it speaks, with the base URL for it; its own comes first.
    pub(super) fn endpoints(self) -> impl Iterator<Item = (Dialect, &'static str)> + Clone {
        let own = ENDPOINTS.iter().filter(move |(owner, ..)| *owner == self);
        own.map(|(_, dialect, url)| (*dialect, *url))
    }

    /// The families of models that its accounts serve unless told otherwise.
    pub(super) fn models(self) -> &'static [&'static str] {
        match self {
            // Google's embedding models are gemini-embedding-… and text-embedding-004, -005.
            Self::Gemini => &["gemini-*", "gemma-*", "learnlm-*", "text-embedding-00*"],
            Self::Vertex => &["gemini-*", "claude-*"],
            Self::OpenAi => &[
                "gpt-*",
                "chatgpt-*",
                "o1*",
                "o3*",
                "o4*",
                "codex-*",
                "text-embedding-3-*",
                "text-embedding-ada-*",
            ],
            Self::Anthropic => &["claude-*"],
            Self::Zai => &["glm-*"],
            Self::Custom => &["*"],
        }
    }
}
