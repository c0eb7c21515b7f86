//! What an error body says, whoever wrote it: its words, codes and details in one shape.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// An error body, read as far as it could be.
#[derive(Debug, Default)]
pub(super) struct Fault<'a> {
    /// What it looked like.
    pub(super) form: Form,
    /// The message in lower case, for phrases.
    pub(super) message: String,
    /// `code`, `type`, `status` and the reasons of Google's details, as written.
    pub(super) codes: Vec<Cow<'a, str>>,
    /// The quotas that Google says were exceeded.
    pub(super) quotas: Vec<Quota>,
    /// Google's `RetryInfo.retryDelay`, as written. `34.07s`
    pub(super) retry_delay: Option<Cow<'a, str>>,
    /// When ChatGPT's usage limit ends, in seconds since 1970.
    pub(super) resets_at: Option<f64>,
    /// The same, in seconds from now.
    pub(super) resets_in: Option<f64>,
}

/// What a body looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// Nothing in it.
    #[default]
    Empty,
    /// A page: not the API speaking, but what stands before it.
    Html,
    /// JSON in which an error was found.
    Error,
    /// Anything else.
    Other,
}

/// One exceeded quota of Google's.
#[derive(Debug)]
pub(super) struct Quota {
    /// Its id and metric, in lower case. `generaterequestsperdayperprojectpermodel-freetier …`
    pub(super) name: String,
    /// Whether it is counted for each model.
    pub(super) per_model: bool,
}

/// No provider says what matters later than this.
const READ: usize = 64 * 1024;
const MESSAGE: usize = 2 * 1024;

impl<'a> Fault<'a> {
    /// Reads a body; never fails, what is not understood is left out.
    pub(super) fn parse(body: &'a [u8]) -> Self {
        let body = body.get(..READ).unwrap_or(body);
        let body = event_data(body).trim_ascii();
        if body.is_empty() {
            return Self::default();
        }
        let document: Option<Document<'a>> = serde_json::from_slice(body).ok();
        let envelope = match document {
            Some(Document::One(envelope)) => Some(*envelope),
            // Gemini's streams are arrays where `alt=sse` was not asked for, and so are their
            // errors.
            Some(Document::Many(envelopes)) => envelopes.into_iter().next(),
            Some(Document::Other(_)) | None => None,
        };
        let mut fault = Self::default();
        if let Some(envelope) = envelope {
            fault.read(envelope);
        }
        if !fault.codes.is_empty() || !fault.message.is_empty() {
            fault.form = Form::Error;
            return fault;
        }
        let text = String::from_utf8_lossy(body.get(..MESSAGE).unwrap_or(body));
        fault.form = if text.starts_with('<') { Form::Html } else { Form::Other };
        fault.message = text.to_lowercase();
        fault
    }

    /// Whether any code is this one.
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.codes.iter().any(|own| own == code)
    }

    /// Whether the message has this phrase; phrases are in lower case.
    pub(super) fn says(&self, phrase: &str) -> bool {
        self.message.contains(phrase)
    }

    fn read(&mut self, envelope: Envelope<'a>) {
        let Envelope { error, response, message, detail, code, kind, status } = envelope;
        // `response.failed` of OpenAI Responses carries its error one level down.
        let nested = response.and_then(Lenient::known).and_then(|response| response.error);
        match nested.or(error) {
            Some(ErrorField::Object(error)) => self.read_error(*error),
            Some(ErrorField::Text(text)) => self.say(&text),
            Some(ErrorField::Other(_)) | None => {}
        }
        for word in [code, kind, status] {
            self.codes.extend(word.text());
        }
        for words in [message, detail].into_iter().filter_map(Scalar::text) {
            if self.message.is_empty() {
                self.say(&words);
            }
        }
    }

    fn read_error(&mut self, error: Inner<'a>) {
        let Inner { message, code, kind, status, details, resets_at, resets_in_seconds } = error;
        if let Some(message) = message.text() {
            self.say(&message);
        }
        for word in [code, kind, status] {
            self.codes.extend(word.text());
        }
        self.resets_at = resets_at.number();
        self.resets_in = resets_in_seconds.number();
        match details {
            Some(Details::List(details)) => {
                for detail in details.into_iter().filter_map(Lenient::known) {
                    self.read_detail(detail);
                }
            }
            Some(Details::One(detail)) => self.read_detail(*detail),
            Some(Details::Other(_)) | None => {}
        }
    }

    fn read_detail(&mut self, detail: Detail<'a>) {
        let Detail { reason, error_code, retry_delay, violations, metadata } = detail;
        self.codes.extend(reason.text());
        self.codes.extend(error_code.text());
        self.retry_delay = self.retry_delay.take().or_else(|| retry_delay.text());
        let violations = violations.and_then(Lenient::known).unwrap_or_default();
        self.quotas.extend(violations.into_iter().filter_map(Lenient::known).map(Quota::from));
        if let Some(metadata) = metadata.and_then(Lenient::known)
            && let Some(limit) = metadata.quota_limit.text()
        {
            let metric = metadata.quota_metric.text().unwrap_or_default();
            self.quotas.push(Quota::named(&limit, &metric));
        }
    }

    fn say(&mut self, words: &str) {
        let words = words.get(..words.floor_char_boundary(MESSAGE)).unwrap_or(words);
        self.message = words.to_lowercase();
    }
}

impl Quota {
    fn named(id: &str, metric: &str) -> Self {
        let name = format!("{id} {metric}").to_lowercase();
        let per_model = ["permodel", "perbasemodel", "per_model", "per_base_model"]
            .iter()
            .any(|word| name.contains(word));
        Self { name, per_model }
    }
}

impl From<Violation<'_>> for Quota {
    fn from(violation: Violation<'_>) -> Self {
        let Violation { id, metric, dimensions } = violation;
        let mut quota =
            Self::named(&id.text().unwrap_or_default(), &metric.text().unwrap_or_default());
        let dimensions = dimensions.and_then(Lenient::known);
        quota.per_model |=
            dimensions.is_some_and(|names| names.model.is_some() || names.base_model.is_some());
        quota
    }
}

/// An SSE answer may be an error only: `data: {"error":…}`.
fn event_data(body: &[u8]) -> &[u8] {
    if !(body.starts_with(b"data:") || body.starts_with(b"event:")) {
        return body;
    }
    let data = body.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"data:"));
    data.unwrap_or(body)
}

/// What the bodies of all providers have in common, each part optional.
#[derive(Deserialize)]
#[serde(untagged)]
enum Document<'a> {
    // First, because serde would take a list for a struct's fields in order.
    #[serde(borrow)]
    Many(Vec<Envelope<'a>>),
    #[serde(borrow)]
    One(Box<Envelope<'a>>),
    Other(IgnoredAny),
}

/// OpenAI, Anthropic and Gemini put an object under `error`, xAI a string; FastAPI servers say
/// `detail`, Mistral and the error events of OpenAI Responses have the fields at the top.
/// <https://platform.openai.com/docs/guides/error-codes> <https://docs.anthropic.com/en/api/errors>
/// <https://ai.google.dev/gemini-api/docs/troubleshooting>
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    error: Option<ErrorField<'a>>,
    #[serde(borrow, default)]
    response: Option<Lenient<Response<'a>>>,
    #[serde(borrow, default)]
    message: Scalar<'a>,
    #[serde(borrow, default)]
    detail: Scalar<'a>,
    #[serde(borrow, default)]
    code: Scalar<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Scalar<'a>,
    #[serde(borrow, default)]
    status: Scalar<'a>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    error: Option<ErrorField<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorField<'a> {
    #[serde(borrow)]
    Object(Box<Inner<'a>>),
    Text(Cow<'a, str>),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow, default)]
    message: Scalar<'a>,
    #[serde(borrow, default)]
    code: Scalar<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Scalar<'a>,
    #[serde(borrow, default)]
    status: Scalar<'a>,
    #[serde(borrow, default)]
    details: Option<Details<'a>>,
    #[serde(borrow, default)]
    resets_at: Scalar<'a>,
    #[serde(borrow, default)]
    resets_in_seconds: Scalar<'a>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Details<'a> {
    #[serde(borrow)]
    List(Vec<Lenient<Detail<'a>>>),
    One(Box<Detail<'a>>),
    Other(IgnoredAny),
}

/// `ErrorInfo`, `RetryInfo` and `QuotaFailure` in one: their fields do not collide.
/// <https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(borrow, default)]
    reason: Scalar<'a>,
    #[serde(borrow, default, rename = "error_code")]
    error_code: Scalar<'a>,
    #[serde(borrow, default)]
    retry_delay: Scalar<'a>,
    #[serde(borrow, default)]
    violations: Option<Lenient<Vec<Lenient<Violation<'a>>>>>,
    #[serde(borrow, default)]
    metadata: Option<Lenient<Metadata<'a>>>,
}

#[derive(Deserialize)]
struct Violation<'a> {
    #[serde(borrow, default, rename = "quotaId")]
    id: Scalar<'a>,
    #[serde(borrow, default, rename = "quotaMetric")]
    metric: Scalar<'a>,
    #[serde(default, rename = "quotaDimensions")]
    dimensions: Option<Lenient<Dimensions>>,
}

#[derive(Deserialize)]
struct Dimensions {
    model: Option<IgnoredAny>,
    base_model: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    quota_limit: Scalar<'a>,
    #[serde(borrow, default)]
    quota_metric: Scalar<'a>,
}

/// A part that is left out, not an error, when it has another shape than expected.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Known(T),
    Other(IgnoredAny),
}

impl<T> Lenient<T> {
    fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Other(_) => None,
        }
    }
}

/// A code is a string here and a number there: `"code": 429`, `"code": "1302"`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar<'a> {
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Number(f64),
    Other(IgnoredAny),
}

impl Default for Scalar<'_> {
    fn default() -> Self {
        Self::Other(IgnoredAny)
    }
}

impl<'a> Scalar<'a> {
    fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) if text.is_empty() => None,
            Self::Text(text) => Some(text),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Other(_) => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Number(number) => Some(*number),
            Self::Other(_) => None,
        }
    }
}
