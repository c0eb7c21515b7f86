//! One account asked by the gateway itself, past the pool: its list of models, or a tiny request.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use pingora::ErrorType;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;

use super::retry;
use super::upstream::Upstream;
use crate::dialects::Dialect;

/// An answer's length that no list of models comes near.
const LONGEST: usize = 4 * 1024 * 1024;

/// What an account answered.
pub struct Answered {
    /// Its status.
    pub status: StatusCode,
    /// Its body, whole.
    pub body: Vec<u8>,
    /// From the start to the answer's head.
    pub first_byte: Duration,
}

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
    let (method, target, body) = match question {
        Question::Models => {
            let target = Uri::try_from(upstream.models_target(dialect));
            (Method::GET, target, Bytes::new())
        }
        Question::Generate { model, body } => {
            (Method::POST, upstream.translate_target(dialect, &model, false), body)
        }
    };
    let target =
        target.map_err(|_| "the model's name cannot stand in a request path".to_owned())?;
    let request = http::Request::builder().method(method).uri(target).body(body);
    let mut request = request.map_err(|error| format!("cannot ask: {error}"))?;
    upstream.sign(dialect, request.headers_mut());
    let asked = tokio::time::timeout(patience, exchange(upstream, request, certificates)).await;
    asked.unwrap_or_else(|_| {
        Err(format!("no answer within {}", humantime::format_duration(patience)))
    })
}

async fn exchange(
    upstream: &Upstream,
    request: http::Request<Bytes>,
    certificates: Option<String>,
) -> Result<Answered, String> {
    let began = Instant::now();
    let peer = upstream
        .peer()
        .await
        .map_err(|error| format!("cannot find {}: {error}", upstream.authority()))?;
    let mut options = ConnectorOptions::new(1);
    options.ca_file = certificates;
    let connector = Connector::new(Some(options));
    let (mut session, _) = connector.get_http_session(&peer).await.map_err(|error| {
        upstream.forget_address();
        let reason = if *error.etype() == ErrorType::ConnectRefused {
            "connection refused".to_owned()
        } else {
            retry::reason(&error)
        };
        format!("cannot connect to {}: {reason}", upstream.authority())
    })?;
    let answered = converse(&mut session, request, began).await;
    answered
        .map_err(|error| format!("{} broke off: {}", upstream.authority(), retry::reason(&error)))
}

async fn converse(
    session: &mut HttpSession<()>,
    request: http::Request<Bytes>,
    began: Instant,
) -> pingora::Result<Answered> {
    let (mut head, body) = request.into_parts();
    head.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if !body.is_empty() {
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        head.headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    session.write_request_header(Box::new(RequestHeader::from(head))).await?;
    if !body.is_empty() {
        session.write_request_body(body, true).await?;
    }
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let first_byte = began.elapsed();
    let status = session.response_header().map_or(StatusCode::BAD_GATEWAY, |head| head.status);
    let mut answer = Vec::new();
    while let Some(chunk) = session.read_response_body().await? {
        answer.extend_from_slice(&chunk);
        if answer.len() > LONGEST {
            return pingora::Error::e_explain(ErrorType::ReadError, "the answer is too long");
        }
    }
    Ok(Answered { status, body: answer, first_byte })
}
