//! How an account is reached: server, credential and paths.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use http::uri::InvalidUri;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use super::destination::{Destination, Ways};
use super::exchange::Call;
use super::token::{Lacking, Tokens};
use super::vertex::{self, Form, Vertex};
use crate::config::{self, Secret};
use crate::dialects::Dialect;
use crate::ir::error::Error;
use crate::route::Operation;

/// Anthropic's API version for a client that names none.
/// <https://docs.anthropic.com/en/api/versioning>
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// One account's server.
#[derive(Debug)]
pub struct Upstream {
    /// Where it is, and the way there.
    pub destination: Destination,
    /// Path of the base URL, without a slash at its end.
    base: String,
    /// Where Chat Completions, Responses and Messages are asked for.
    generates_at: [OnceLock<Option<Uri>>; 3],
    /// `None`: an account without a key is asked without one.
    credential: Option<Credential>,
    /// The account's own headers.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Where it is at Vertex AI.
    vertex: Option<Box<Vertex>>,
}

/// An account's key as its headers have it.
#[derive(Debug)]
struct Credential {
    /// `Authorization`.
    bearer: HeaderValue,
    /// `x-api-key`, `x-goog-api-key`.
    key: HeaderValue,
}

impl Credential {
    /// `None` where there is no key. The configuration takes none that a header cannot hold.
    fn new(key: &Secret) -> Option<Self> {
        let value = |text: &str| {
            let mut value = HeaderValue::from_str(text).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        if key.is_empty() {
            return None;
        }
        let bearer = value(&["Bearer ", key.expose()].concat())?;
        Some(Self { bearer, key: value(key.expose())? })
    }
}

impl Upstream {
    /// What an account's configuration says of its server. `group` keeps the connections of accounts apart; `tokens` are
    /// those of a Vertex account.
    pub fn new(
        account: &config::Account,
        ways: Ways<'_>,
        group: u64,
        tokens: Option<Arc<Tokens>>,
    ) -> Self {
        let base = account.base_path().to_owned();
        let vertex = account.vertex.as_ref().zip(tokens);
        Self {
            destination: Destination::new(&account.base_url, ways, group),
            vertex: vertex.map(|(vertex, tokens)| Box::new(Vertex::new(vertex, &base, tokens))),
            base,
            generates_at: Default::default(),
            credential: Credential::new(&account.api_key),
            headers: account.headers.clone(),
        }
    }

    /// Path and query of a request that is forwarded in its own dialect. The error: the model's name has no form in a path.
    pub fn forward_target(
        &self,
        dialect: Dialect,
        call: &Call,
        model: &str,
    ) -> Result<Uri, InvalidUri> {
        if let Some(vertex) = &self.vertex {
            return vertex_target(vertex, dialect, call, model);
        }
        let query = without_key(call.query.as_deref());
        if query.is_none()
            && let Some(target) = self.generates_at(dialect, &call.operation)
        {
            return Ok(target);
        }
        let mut target = self.path(dialect, &call.operation, model, call.gemini_version());
        if let Some(query) = query {
            target.push('?');
            target.push_str(&query);
        }
        Uri::try_from(target)
    }

    /// Path and query of a translated request.
    pub fn translate_target(
        &self,
        dialect: Dialect,
        model: &str,
        streaming: bool,
    ) -> Result<Uri, InvalidUri> {
        let operation = match (dialect, streaming) {
            (Dialect::Gemini, true) => Operation::StreamGenerateContent,
            (Dialect::Gemini, false) => Operation::GenerateContent,
            (Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic, _) => {
                Operation::Generate
            }
        };
        let mut target = if let Some(vertex) = &self.vertex {
            vertex.path(dialect, &operation, model, Form::of(streaming))
        } else if let Some(target) = self.generates_at(dialect, &operation) {
            return Ok(target);
        } else {
            self.path(dialect, &operation, model, "v1beta")
        };
        if dialect == Dialect::Gemini && streaming {
            target.push_str("?alt=sse");
        }
        Uri::try_from(target)
    }

    /// Path of a count that is asked in another dialect than the client's.
    pub fn count_target(&self, dialect: Dialect, model: &str) -> Result<Uri, InvalidUri> {
        let operation = Operation::CountTokens;
        Uri::try_from(match &self.vertex {
            Some(vertex) => vertex.path(dialect, &operation, model, Form::Whole),
            None => self.path(dialect, &operation, model, "v1beta"),
        })
    }

    /// Path of embeddings that are asked of another API than the client's.
    pub fn embed_target(
        &self,
        dialect: Dialect,
        operation: &Operation,
        model: &str,
    ) -> Result<Uri, InvalidUri> {
        Uri::try_from(match &self.vertex {
            Some(vertex) => vertex.path(dialect, operation, model, Form::Whole),
            None => self.path(dialect, operation, model, "v1beta"),
        })
    }

    /// The path that most requests have, made once; `None` where the model is part of it.
    fn generates_at(&self, dialect: Dialect, operation: &Operation) -> Option<Uri> {
        let slot = match dialect {
            _ if *operation != Operation::Generate => return None,
            Dialect::OpenAiChat => &self.generates_at[0],
            Dialect::OpenAiResponses => &self.generates_at[1],
            Dialect::Anthropic => &self.generates_at[2],
            Dialect::Gemini => return None,
        };
        let made = || Uri::try_from(self.path(dialect, operation, "", "")).ok();
        slot.get_or_init(made).clone()
    }

    /// Path of a response that the server keeps, or of what is asked of it (`resp_1/cancel`).
    pub fn stored_target(&self, path: &str, query: Option<&str>) -> Result<Uri, InvalidUri> {
        let query = without_key(query).map(|query| format!("?{query}")).unwrap_or_default();
        Uri::try_from(format!("{}/responses/{path}{query}", self.base))
    }

    /// Path and query of the list of models.
    pub fn models_target(&self, dialect: Dialect) -> String {
        let base = self.base.as_str();
        match dialect {
            Dialect::OpenAiChat | Dialect::OpenAiResponses => format!("{base}/models"),
            Dialect::Anthropic => {
                format!("{}/v1/models?limit=1000", base.strip_suffix("/v1").unwrap_or(base))
            }
            Dialect::Gemini => {
                let (base, version) = gemini_version(base, "v1beta");
                format!("{base}/{version}/models?pageSize=1000")
            }
        }
    }

    fn path(&self, dialect: Dialect, operation: &Operation, model: &str, version: &str) -> String {
        let base = self.base.as_str();
        match dialect {
            Dialect::OpenAiChat | Dialect::OpenAiResponses if operation.embeds() => {
                format!("{base}/embeddings")
            }
            Dialect::OpenAiChat => format!("{base}/chat/completions"),
            Dialect::OpenAiResponses if *operation == Operation::CountTokens => {
                format!("{base}/responses/input_tokens")
            }
            Dialect::OpenAiResponses => match operation.stored() {
                Some(path) => format!("{base}/responses/{path}"),
                None => format!("{base}/responses"),
            },
            // What an SDK of the dialect would be given has no version; one that has is not doubled.
            Dialect::Anthropic => {
                let base = base.strip_suffix("/v1").unwrap_or(base);
                let counts = *operation == Operation::CountTokens;
                format!("{base}/v1/messages{}", if counts { "/count_tokens" } else { "" })
            }
            Dialect::Gemini => {
                let (base, version) = gemini_version(base, version);
                let verb = gemini_verb(operation);
                let model = percent_encoding::utf8_percent_encode(model, MODEL);
                format!("{base}/{version}/models/{model}:{verb}")
            }
        }
    }

    /// A body as the server takes it: for most as it is.
    pub fn fit(&self, dialect: Dialect, operation: &Operation, model: &str, body: Bytes) -> Bytes {
        if self.vertex.is_none() {
            return body;
        }
        vertex::fit(dialect, operation, model, body)
    }

    /// Returns once there is a credential to show. Most accounts have theirs from the beginning.
    pub async fn credential_ready(&self) -> Result<(), Lacking> {
        match &self.vertex {
            Some(vertex) => vertex.tokens.ready().await,
            None => Ok(()),
        }
    }

    /// The tokens of a Vertex account.
    pub fn tokens(&self) -> Option<&Arc<Tokens>> {
        self.vertex.as_ref().map(|vertex| &vertex.tokens)
    }

    /// Takes in why a request was refused that began at `began`. Whether the same request will now go otherwise.
    pub fn learn(&self, error: &Error, began: Instant) -> bool {
        self.vertex.as_ref().is_some_and(|vertex| vertex.learn(error, began))
    }

    /// Whether a refusal says that the server does not know a field which its dialect has.
    pub fn knows_less(&self, error: &Error) -> bool {
        self.vertex.is_some() && vertex::is_unknown_field(error)
    }

    /// Puts host, credential and the account's own headers on a request.
    pub fn sign(&self, dialect: Dialect, headers: &mut HeaderMap) {
        headers.insert(header::HOST, self.destination.host().clone());
        match (dialect, &self.credential) {
            (Dialect::OpenAiChat | Dialect::OpenAiResponses, Some(credential)) => {
                headers.insert(header::AUTHORIZATION, credential.bearer.clone());
            }
            (Dialect::Anthropic, Some(credential)) => {
                headers.insert(X_API_KEY, credential.key.clone());
            }
            (Dialect::Gemini, Some(credential)) => {
                headers.insert(X_GOOG_API_KEY, credential.key.clone());
            }
            (_, None) => {}
        }
        if let Some(vertex) = &self.vertex {
            vertex.sign(headers);
        } else if dialect == Dialect::Anthropic && !headers.contains_key(VERSION) {
            headers.insert(VERSION, ANTHROPIC_VERSION);
        }
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
    }
}

/// Path and query of a request that is forwarded to Vertex AI. Google refuses a query that it does not know, such as the
/// `beta=true` of Anthropic's SDKs.
fn vertex_target(
    vertex: &Vertex,
    dialect: Dialect,
    call: &Call,
    model: &str,
) -> Result<Uri, InvalidUri> {
    let mut target = vertex.path(dialect, &call.operation, model, Form::of(call.stream));
    let query = without_key(call.query.as_deref()).filter(|_| dialect == Dialect::Gemini);
    if let Some(query) = query {
        target.push('?');
        target.push_str(&query);
    }
    Uri::try_from(target)
}

/// What a model's name may not hold in a path.
pub(super) const MODEL: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'?')
    .add(b'#')
    .add(b'%')
    .add(b'"')
    .add(b'<')
    .add(b'>');

/// A base URL's own version goes before the one asked for.
fn gemini_version<'a>(base: &'a str, version: &'a str) -> (&'a str, &'a str) {
    match base.rsplit_once('/') {
        Some((rest, own @ ("v1" | "v1beta" | "v1alpha"))) => (rest, own),
        Some(_) | None => (base, version),
    }
}

/// The verb behind a model's name.
pub(super) const fn gemini_verb(operation: &Operation) -> &'static str {
    match operation {
        Operation::StreamGenerateContent => "streamGenerateContent",
        Operation::CountTokens => "countTokens",
        Operation::Embed => "embedContent",
        Operation::BatchEmbed => "batchEmbedContents",
        Operation::GenerateContent | Operation::Generate | Operation::Stored(_) => {
            "generateContent"
        }
    }
}

/// A query without the client's key: it is for the gateway alone.
fn without_key(query: Option<&str>) -> Option<String> {
    let query = query?;
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("key"))
        .collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_leaves_the_query() {
        assert_eq!(without_key(Some("key=sk-1")), None);
        assert_eq!(without_key(Some("alt=sse&key=sk-1&x=%20")).as_deref(), Some("alt=sse&x=%20"));
        assert_eq!(without_key(Some("monkey=1")).as_deref(), Some("monkey=1"));
    }
}
