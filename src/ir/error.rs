//! A refusal or a failure, in no provider's words.

use std::time::Duration;

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure it is; each dialect has its own type name for it.
    pub kind: ErrorKind,
    /// The HTTP status to answer with.
    pub status: u16,
    /// What happened and what to do, for a person. Shown to the user by every client.
    pub message: String,
    /// The provider's own code (`context_length_exceeded`, `RESOURCE_EXHAUSTED`), where it has one.
    pub code: Option<String>,
    /// The request's field at fault (`messages.0.content`).
    pub param: Option<String>,
    /// When to ask again, as the provider said.
    pub retry_after: Option<Duration>,
}

/// The kinds of failure that the dialects tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// 400, 409, 422 and so on: the request is wrong.
    InvalidRequest,
    /// 401: the key is missing or wrong.
    Authentication,
    /// 402: the account has no credit.
    Billing,
    /// 403: the key may not do this.
    Permission,
    /// 404: no such model, path or thing.
    NotFound,
    /// 405: the path exists, the method doesn't.
    MethodNotAllowed,
    /// 413: the body is too large.
    TooLarge,
    /// 429: too many requests or tokens.
    RateLimit,
    /// 500, 502: the provider or the gateway failed.
    Internal,
    /// 503, 529: no capacity right now.
    Overloaded,
    /// 408, 504: it took too long.
    Timeout,
}

impl ErrorKind {
    /// The kind that an HTTP status stands for.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 | 504 => Self::Timeout,
            413 => Self::TooLarge,
            429 => Self::RateLimit,
            503 | 529 => Self::Overloaded,
            0..=499 => Self::InvalidRequest,
            _ => Self::Internal,
        }
    }

    /// The HTTP status that fits the kind best.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Authentication => 401,
            Self::Billing => 402,
            Self::Permission => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooLarge => 413,
            Self::RateLimit => 429,
            Self::Internal => 502,
            Self::Overloaded => 503,
            Self::Timeout => 504,
        }
    }
}

impl Error {
    /// An error of a kind, with its usual status and nothing but a message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            status: kind.status(),
            message: message.into(),
            code: None,
            param: None,
            retry_after: None,
        }
    }

    /// A 400 that names the field at fault.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(ErrorKind::InvalidRequest, message) }
    }

    /// An error with the status that a provider answered with.
    pub fn of_status(status: u16, message: impl Into<String>) -> Self {
        Self { status, ..Self::new(ErrorKind::of_status(status), message) }
    }
}
