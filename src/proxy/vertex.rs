//! What is other at Vertex AI: tokens, paths, and bodies and headers that it would refuse.
//!
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference>,
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude>

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::token::Tokens;
use super::upstream::{MODEL, gemini_verb};
use crate::config;
use crate::config::vertex::Credentials;
use crate::dialects::Dialect;
use crate::ir::error::Error;
use crate::json;
use crate::route::Operation;

/// The Messages API's version there, which stands in the body.
const ANTHROPIC_VERSION: &[u8] = br#""anthropic_version":"vertex-2023-10-16""#;
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// The project that a user's requests are charged to.
const USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");
/// What its `countTokens` takes. The Gemini API's takes a whole request instead.
const COUNTED: [&[u8]; 6] = [
    b"contents",
    b"systemInstruction",
    b"system_instruction",
    b"tools",
    b"generationConfig",
    b"generation_config",
];

/// One account's place at Vertex AI.
pub struct Vertex {
    /// Its tokens.
    pub tokens: Arc<Tokens>,
    /// The path up to the publisher.
    publishers: String,
    user_project: Option<HeaderValue>,
    /// Values of `anthropic-beta` that it has refused.
    unknown_betas: ArcSwap<Vec<String>>,
}

impl fmt::Debug for Vertex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vertex({})", self.publishers)
    }
}

impl Vertex {
    /// What the configuration says. `base` is the base URL's path.
    pub fn new(config: &config::vertex::Vertex, base: &str, tokens: Arc<Tokens>) -> Self {
        let versioned = base.ends_with("/v1") || base.ends_with("/v1beta1");
        let version = if versioned { "" } else { "/v1" };
        let config::vertex::Vertex { project, region, credentials, .. } = config;
        let user_project = match credentials {
            Credentials::AuthorizedUser { quota_project, .. } => quota_project.as_deref(),
            Credentials::ServiceAccount { .. } | Credentials::Metadata => None,
        };
        Self {
            tokens,
            publishers: format!("{base}{version}/projects/{project}/locations/{region}/publishers"),
            user_project: user_project.and_then(|project| HeaderValue::from_str(project).ok()),
            unknown_betas: ArcSwap::default(),
        }
    }

    /// The path of a request, which asks for a stream or not.
    pub fn path(&self, dialect: Dialect, operation: &Operation, model: &str, form: Form) -> String {
        let publishers = self.publishers.as_str();
        if dialect != Dialect::Anthropic {
            let model = percent_encoding::utf8_percent_encode(model, MODEL);
            return format!("{publishers}/google/models/{model}:{}", gemini_verb(operation));
        }
        if *operation == Operation::CountTokens {
            return format!("{publishers}/anthropic/models/count-tokens:rawPredict");
        }
        let model = claude(model);
        let model = percent_encoding::utf8_percent_encode(&model, MODEL);
        let verb = match form {
            Form::Whole => "rawPredict",
            Form::Stream => "streamRawPredict",
        };
        format!("{publishers}/anthropic/models/{model}:{verb}")
    }

    /// Shows the token, and leaves out what it has refused before.
    pub fn sign(&self, headers: &mut HeaderMap) {
        if let Some(bearer) = self.tokens.bearer() {
            headers.insert(header::AUTHORIZATION, bearer);
        }
        if let Some(project) = &self.user_project {
            headers.insert(USER_PROJECT, project.clone());
        }
        let unknown = self.unknown_betas.load();
        if unknown.is_empty() || !headers.contains_key(BETA) {
            return;
        }
        let written = headers.get_all(BETA).iter().filter_map(|value| value.to_str().ok());
        let known = written
            .flat_map(|value| value.split(',').map(str::trim))
            .filter(|beta| !beta.is_empty() && !unknown.iter().any(|unknown| unknown == beta));
        let known = known.collect::<Vec<_>>().join(",");
        headers.remove(BETA);
        if let Ok(known) = HeaderValue::from_str(&known)
            && !known.is_empty()
        {
            headers.insert(BETA, known);
        }
    }

    /// Takes in why a request was refused that began at `began`. Whether the same request will now go otherwise.
    pub fn learn(&self, error: &Error, began: Instant) -> bool {
        match error.status {
            401 => {
                self.tokens.distrust(began);
                true
            }
            400 => self.learn_betas(&error.message),
            _ => false,
        }
    }

    /// "Unexpected value(s) `a`, `b` for the `anthropic-beta` header."
    fn learn_betas(&self, message: &str) -> bool {
        let Some((before, _)) = message.split_once(" for the `anthropic-beta` header") else {
            return false;
        };
        let named: Vec<&str> = before.split('`').skip(1).step_by(2).map(str::trim).collect();
        let mut learned = false;
        self.unknown_betas.rcu(|known| {
            let mut unknown = Vec::clone(known);
            let new = named.iter().filter(|beta| !known.iter().any(|known| known == *beta));
            unknown.extend(new.map(|beta| (*beta).to_owned()));
            learned = unknown.len() > known.len();
            unknown
        });
        learned
    }
}

/// Whether the answer is to be a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One piece.
    Whole,
    /// A stream.
    Stream,
}

impl Form {
    /// As a request asks.
    pub const fn of(stream: bool) -> Self {
        if stream { Self::Stream } else { Self::Whole }
    }
}

/// `Invalid JSON payload received. Unknown name "id" at 'contents[1].parts[0].function_call': Cannot find field.`
pub fn is_unknown_field(error: &Error) -> bool {
    error.status == 400 && error.message.contains("Unknown name")
}

/// Whether a model has `embedContent` there; the others are under `predict`. Google's SDK tells them apart so.
/// <https://github.com/googleapis/python-genai/blob/main/google/genai/_transformers.py>
pub fn embeds_content(model: &str) -> bool {
    model.contains("gemini")
}

/// A body as Vertex AI takes it.
pub fn fit(dialect: Dialect, operation: &Operation, model: &str, body: Bytes) -> Bytes {
    let fitted = match (dialect, operation) {
        (Dialect::Anthropic, _) => messages(operation, model, &body),
        (Dialect::Gemini, Operation::CountTokens) => counted(&body),
        (Dialect::Gemini, Operation::GenerateContent | Operation::StreamGenerateContent) => {
            with_roles(&body)
        }
        (Dialect::Gemini | Dialect::OpenAiChat | Dialect::OpenAiResponses, _) => None,
    };
    fitted.map_or(body, Bytes::from)
}

/// The version stands in the body, and the model in the path alone; only a count names it in the body.
fn messages(operation: &Operation, model: &str, body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len() + ANTHROPIC_VERSION.len() + 2);
    out.push(b'{');
    out.extend_from_slice(ANTHROPIC_VERSION);
    if *operation == Operation::CountTokens {
        out.extend_from_slice(br#","model":"#);
        json::write::string(&claude(model), &mut out);
    }
    copy_members(body, &mut out, |key| !matches!(key, b"model" | b"anthropic_version"))?;
    out.push(b'}');
    Some(out)
}

/// A count's own members, out of `generateContentRequest` where they stand in that.
fn counted(body: &[u8]) -> Option<Vec<u8>> {
    let wrapped = member(body, &[b"generateContentRequest", b"generate_content_request"]);
    let request = wrapped.and_then(|range| body.get(range)).unwrap_or(body);
    let mut out = Vec::with_capacity(request.len());
    out.push(b'{');
    copy_members(request, &mut out, |key| COUNTED.contains(&key))?;
    out.push(b'}');
    let roles = with_roles(&out);
    Some(roles.unwrap_or(out))
}

/// Whose turn each one is must be said; the Gemini API takes one without it as the user's.
fn with_roles(body: &[u8]) -> Option<Vec<u8>> {
    let contents = member(body, &[b"contents"])?;
    let text = body.get(contents.clone())?;
    let mut lacking = Vec::new();
    json::elements(text, |turn| {
        if text.get(turn.clone()).is_some_and(|turn| member(turn, &[b"role"]).is_none()) {
            lacking.push(contents.start + turn.start + 1);
        }
    })
    .ok()?;
    if lacking.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(body.len() + lacking.len() * 16);
    let mut from = 0;
    for at in lacking {
        out.extend_from_slice(body.get(from..at)?);
        out.extend_from_slice(br#""role":"user""#);
        let is_empty = body.get(at..)?.trim_ascii_start().starts_with(b"}");
        out.extend_from_slice(if is_empty { b"" } else { b"," });
        from = at;
    }
    out.extend_from_slice(body.get(from..)?);
    Some(out)
}

/// Appends members behind others, each as it is written.
fn copy_members(body: &[u8], out: &mut Vec<u8>, keeps: impl Fn(&[u8]) -> bool) -> Option<()> {
    json::members(body, |key, value| {
        if !keeps(&json::key(key)) {
            return;
        }
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(key);
        out.extend_from_slice(b"\":");
        out.extend_from_slice(body.get(value).unwrap_or_default());
    })
    .ok()
}

/// Where the value of the last member of one of these names is.
fn member(object: &[u8], names: &[&[u8]]) -> Option<Range<usize>> {
    let mut found = None;
    json::members(object, |key, value| {
        if names.contains(&json::key(key).as_ref()) {
            found = Some(value);
        }
    })
    .ok()?;
    found
}

/// Anthropic writes `claude-opus-4-20250514`, Google `claude-opus-4@20250514`.
fn claude(model: &str) -> Cow<'_, str> {
    match model.rsplit_once('-') {
        Some((name, date)) if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) => {
            Cow::Owned(format!("{name}@{date}"))
        }
        Some(_) | None => Cow::Borrowed(model),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(dialect: Dialect, operation: &Operation, body: &str) -> String {
        let body = fit(dialect, operation, "claude-x-20250101", Bytes::from(body.to_owned()));
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn messages_name_their_version_and_no_model() {
        let (version, count) =
            (r#""anthropic_version":"vertex-2023-10-16""#, Operation::CountTokens);
        for (operation, body, expected) in [
            (
                &Operation::Generate,
                r#"{ "model" : "m", "max_tokens" : 1 , "x":{"model":"n"} }"#,
                format!(r#"{{{version},"max_tokens":1,"x":{{"model":"n"}}}}"#),
            ),
            (&Operation::Generate, r#"{"mod\u0065l":"m"}"#, format!("{{{version}}}")),
            (&Operation::Generate, r#"{"anthropic_version":"old"}"#, format!("{{{version}}}")),
            (
                &count,
                r#"{"model":"m","a":[1, 2]}"#,
                format!(r#"{{{version},"model":"claude-x@20250101","a":[1, 2]}}"#),
            ),
            (&Operation::Generate, "no json", "no json".to_owned()),
        ] {
            assert_eq!(fitted(Dialect::Anthropic, operation, body), expected);
        }
    }

    #[test]
    fn turns_get_the_role_that_they_lack() {
        for (body, expected) in [
            (r#"{"contents":[{"role":"user","parts":[]}]}"#, None),
            (r#"{"contents":[]}"#, None),
            (r#"{"contents":{"parts":[]}}"#, None),
            (
                r#"{"contents": [ {"parts":[{"role":1}]}, {"role":"model"}, { } ], "a":1}"#,
                Some(
                    r#"{"contents": [ {"role":"user","parts":[{"role":1}]}, {"role":"model"}, {"role":"user" } ], "a":1}"#,
                ),
            ),
        ] {
            let operation = Operation::GenerateContent;
            assert_eq!(fitted(Dialect::Gemini, &operation, body), expected.unwrap_or(body));
        }
    }

    #[test]
    fn a_count_is_bare() {
        for (body, expected) in [
            (
                r#"{"generateContentRequest":{"model":"models/m","contents":[{"parts":[]}],"toolConfig":{}}}"#,
                r#"{"contents":[{"role":"user","parts":[]}]}"#,
            ),
            (
                r#"{"contents":[{"role":"user"}],"system_instruction":{"parts":[]}}"#,
                r#"{"contents":[{"role":"user"}],"system_instruction":{"parts":[]}}"#,
            ),
        ] {
            assert_eq!(fitted(Dialect::Gemini, &Operation::CountTokens, body), expected);
        }
    }

    #[test]
    fn dates_stand_behind_an_at() {
        for (model, there) in [
            ("claude-opus-4-20250514", "claude-opus-4@20250514"),
            ("claude-opus-4@20250514", "claude-opus-4@20250514"),
            ("claude-opus-4-6", "claude-opus-4-6"),
            ("claude", "claude"),
        ] {
            assert_eq!(claude(model), there);
        }
    }
}
