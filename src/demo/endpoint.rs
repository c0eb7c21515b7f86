//! What a path asks for, and in which dialect.

use http::{HeaderMap, Method, Uri};

use crate::dialects::Dialect;

/// A path, understood.
#[derive(Debug, PartialEq)]
pub(super) struct Endpoint<'a> {
    pub(super) dialect: Dialect,
    pub(super) job: Job,
    /// The model, where the path names it.
    pub(super) model: Option<&'a str>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Job {
    ListModels,
    ShowModel,
    Answer(Form),
    Count,
    Embed,
    EmbedContent,
    EmbedContents,
}

/// How an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// Whole or as events: the body says it.
    AsAsked,
    Whole,
    /// Server-sent events.
    Events,
    /// One JSON array, item by item.
    Array,
}

impl Job {
    /// The method that this needs.
    pub(super) const fn method(self) -> Method {
        match self {
            Self::ListModels | Self::ShowModel => Method::GET,
            Self::Answer(_)
            | Self::Count
            | Self::Embed
            | Self::EmbedContent
            | Self::EmbedContents => Method::POST,
        }
    }
}

/// Finds what a request wants; nothing if no provider has such a path.
pub(super) fn find<'a>(uri: &'a Uri, headers: &HeaderMap) -> Option<Endpoint<'a>> {
    let (dialect, job) = match uri.path() {
        "/v1/chat/completions" => (Dialect::OpenAiChat, Job::Answer(Form::AsAsked)),
        "/v1/embeddings" => (Dialect::OpenAiChat, Job::Embed),
        "/v1/responses" => (Dialect::OpenAiResponses, Job::Answer(Form::AsAsked)),
        "/v1/responses/input_tokens" => (Dialect::OpenAiResponses, Job::Count),
        "/v1/messages" => (Dialect::Anthropic, Job::Answer(Form::AsAsked)),
        "/v1/messages/count_tokens" => (Dialect::Anthropic, Job::Count),
        "/v1/models" | "/v1beta/models" => (spoken(uri, headers), Job::ListModels),
        _ => return find_model(uri, headers),
    };
    Some(Endpoint { dialect, job, model: None })
}

/// The dialect that a request most likely speaks, for lists of models and for refusals.
pub(super) fn spoken(uri: &Uri, headers: &HeaderMap) -> Dialect {
    let path = uri.path();
    if path.starts_with("/v1beta") || path.contains(':') || headers.contains_key("x-goog-api-key") {
        Dialect::Gemini
    } else if path.starts_with("/v1/messages") || headers.contains_key("anthropic-version") {
        Dialect::Anthropic
    } else if path.starts_with("/v1/responses") {
        Dialect::OpenAiResponses
    } else {
        Dialect::OpenAiChat
    }
}

/// `/v1beta/models/{id}`, `/v1/models/{id}`, and these with `:verb`.
fn find_model<'a>(uri: &'a Uri, headers: &HeaderMap) -> Option<Endpoint<'a>> {
    let path = uri.path();
    let rest = path.strip_prefix("/v1beta").or_else(|| path.strip_prefix("/v1"))?;
    let rest = rest.strip_prefix("/models/").filter(|rest| !rest.is_empty())?;
    let Some((model, verb)) = rest.rsplit_once(':') else {
        let dialect = spoken(uri, headers);
        return Some(Endpoint { dialect, job: Job::ShowModel, model: Some(rest) });
    };
    let job = match verb {
        "generateContent" => Job::Answer(Form::Whole),
        "streamGenerateContent" if wants_events(uri) => Job::Answer(Form::Events),
        "streamGenerateContent" => Job::Answer(Form::Array),
        "countTokens" => Job::Count,
        "embedContent" => Job::EmbedContent,
        "batchEmbedContents" => Job::EmbedContents,
        _ => return None,
    };
    Some(Endpoint { dialect: Dialect::Gemini, job, model: Some(model) })
}

fn wants_events(uri: &Uri) -> bool {
    uri.query().unwrap_or_default().split('&').any(|pair| pair == "alt=sse")
}
