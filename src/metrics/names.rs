//! What is known of a request that is over, and how that is called: in the words of OpenTelemetry's conventions for
//! generative AI where they have some, for counters and traces alike.
//! <https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/>

use std::sync::Arc;
use std::time::Duration;

use crate::config::Provider;
use crate::dialects::Dialect;
use crate::ir::error::ErrorKind;
use crate::ir::usage::Usage;

/// A request that is over.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What the client speaks.
    pub dialect: Dialect,
    /// What was asked; `None`: nothing of a model.
    pub operation: Option<Operation>,
    /// Whose account was asked last, and for which model.
    pub asked: Option<(Provider, &'a Arc<str>)>,
    /// What the client got.
    pub status: Option<u16>,
    /// How it ended, where not well.
    pub outcome: Option<&'static str>,
    /// Until the answer began.
    pub first_byte: Option<Duration>,
    /// Until it was over.
    pub total: Duration,
    /// What it cost.
    pub usage: Option<Usage>,
}

/// What a model was asked to do: `gen_ai.operation.name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// To answer.
    Generate,
    /// To count tokens.
    Count,
    /// To embed.
    Embed,
}

/// What went wrong, as the errors' kind; empty where nothing did.
pub fn error(seen: &Seen<'_>) -> &'static str {
    match (seen.status, seen.outcome) {
        (_, Some("client left")) => "client_left",
        (Some(status), _) if status >= 400 => error_name(ErrorKind::of_status(status)),
        // An estimated count is an answer.
        (Some(_), None | Some("estimated")) => "",
        (Some(_), Some(_)) => "broken_stream",
        (None, _) => "no_answer",
    }
}

const fn error_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest => "invalid_request",
        ErrorKind::Authentication => "authentication",
        ErrorKind::Billing => "billing",
        ErrorKind::Permission => "permission",
        ErrorKind::NotFound => "not_found",
        ErrorKind::MethodNotAllowed => "method_not_allowed",
        ErrorKind::TooLarge => "too_large",
        ErrorKind::RateLimit => "rate_limit",
        ErrorKind::Internal => "internal",
        ErrorKind::Overloaded => "overloaded",
        ErrorKind::Timeout => "timeout",
    }
}

/// `gen_ai.operation.name`: the conventions have a name for Gemini's own way to answer.
pub(super) const fn operation_name(dialect: Dialect, operation: Operation) -> &'static str {
    match (operation, dialect) {
        (Operation::Generate, Dialect::Gemini) => "generate_content",
        (Operation::Generate, _) => "chat",
        (Operation::Count, _) => "count_tokens",
        (Operation::Embed, _) => "embeddings",
    }
}

/// `gen_ai.operation.name` of a request; `None`: nothing of a model was asked.
pub fn operation_of(seen: &Seen<'_>) -> Option<&'static str> {
    seen.operation.map(|operation| operation_name(seen.dialect, operation))
}

/// `gen_ai.provider.name` of a request; `None`: no account was asked.
pub fn provider_of(seen: &Seen<'_>) -> Option<&'static str> {
    seen.asked.map(|(provider, _)| provider_name(provider))
}

/// `gen_ai.provider.name`: the conventions' names, and our own where they have none.
pub const fn provider_name(provider: Provider) -> &'static str {
    match provider {
        Provider::Gemini => "gcp.gemini",
        Provider::Vertex => "gcp.vertex_ai",
        Provider::OpenAi => "openai",
        Provider::Anthropic => "anthropic",
        Provider::Zai => "zai",
        Provider::Custom => "custom",
    }
}
