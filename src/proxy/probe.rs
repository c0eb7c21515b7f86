//! One account asked by the gateway itself, past the pool: its list of models, or a tiny request.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Uri, header};

use super::fetch::{Answered, Fetch};
use super::upstream::Upstream;
use crate::dialects::Dialect;
use crate::route::Operation;

/// What is asked of it.
pub enum Question {
    /// Which models it has: free, and with a wrong key refused.
    Models,
    /// This body, for a model.
    Generate {
        /// The model's name there.
        model: String,
        /// In the account's dialect.
        body: Bytes,
    },
}

/// Asks an account in its dialect. The error says why there is no answer; it holds nothing of the request.
/// `certificates` is the file of authorities to trust.
pub async fn ask(
    upstream: &Upstream,
    dialect: Dialect,
    question: Question,
    certificates: Option<String>,
    patience: Duration,
) -> Result<Answered, String> {
    upstream.credential_ready().await.map_err(|lacking| lacking.to_string())?;
    let (method, target, body) = match question {
        Question::Models if upstream.tokens().is_some() => {
            return Err("its credentials are taken; Vertex AI has no list of models: name a model to test it by a tiny request".to_owned());
        }
        Question::Models => {
            let target = Uri::try_from(upstream.models_target(dialect));
            (Method::GET, target, Bytes::new())
        }
        Question::Generate { model, body } => {
            let operation = match dialect {
                Dialect::Gemini => Operation::GenerateContent,
                Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic => {
                    Operation::Generate
                }
            };
            let body = upstream.fit(dialect, &operation, &model, body);
            (Method::POST, upstream.translate_target(dialect, &model, false), body)
        }
    };
    let target =
        target.map_err(|_| "the model's name cannot stand in a request path".to_owned())?;
    let request = http::Request::builder().method(method).uri(target).body(body);
    let mut request = request.map_err(|error| format!("cannot ask: {error}"))?;
    if !request.body().is_empty() {
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    upstream.sign(dialect, request.headers_mut());
    Fetch::new(certificates).send(&upstream.destination, request, patience).await
}
