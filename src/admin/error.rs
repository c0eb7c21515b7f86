//! How the admin API says no, and how it reads what it is sent.

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::{Json, body::Bytes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::control::state::Refused;

/// A refusal: a status, what is wrong, and what to do about it.
#[derive(Clone, Debug)]
pub struct Error {
    status: StatusCode,
    said: Said,
}

/// What a refusal says.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Said {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A refusal as it is written.
#[derive(Debug, Deserialize, Serialize)]
pub struct Written {
    /// The refusal.
    pub error: Said,
}

impl Error {
    /// A refusal of any status.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, said: Said { message: message.into(), hint: None } }
    }

    /// 400: what was sent is wrong; the message names the field.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: there is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 405: not with this method.
    pub fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method")
    }

    /// 409: right in itself, but not as things stand.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 500: the gateway itself failed.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.said.hint = Some(hint.into());
        self
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status, Json(Written { error: self.said })).into_response()
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let (status, message, hint) = match refused {
            Refused::Invalid { message, hint } => (StatusCode::BAD_REQUEST, message, hint),
            Refused::Conflict { message, hint } => (StatusCode::CONFLICT, message, hint),
        };
        Self { status, said: Said { message, hint } }
    }
}

/// A request body: a JSON object, of at most 1 MiB. An empty one counts as `{}`.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let body = Bytes::from_request(request, state).await.map_err(|error| unread(&error))?;
        let body = if body.is_empty() { b"{}" } else { &body[..] };
        // A struct could be read from a list as well.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(Error::bad("the request body is not a JSON object"));
        }
        let parsed = serde_json::from_slice(body);
        parsed.map(Self).map_err(|error| Error::bad(format!("the request body: {error}")))
    }
}

fn unread(rejection: &BytesRejection) -> Error {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Error::new(StatusCode::PAYLOAD_TOO_LARGE, "the request body is larger than 1 MiB");
    }
    Error::bad("the request body could not be read")
}

/// The parameters of a query.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Error> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        query.map(|axum::extract::Query(query)| Self(query)).map_err(|rejection| {
            // axum puts a sentence of its own before what serde says.
            let said = rejection.body_text();
            let why = said.split_once(": ").map_or(said.as_str(), |(_, why)| why);
            Error::bad(format!("the query: {why}"))
        })
    }
}
