//! The way back: an account's answer as it comes in, until it is known to have begun, and what the client hears of it.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use http::header;
use memchr::memmem::Finder;
use pingora::http::ResponseHeader;

use super::attempt::{Attempt, Plan};
use super::decode::Decode;
use super::ending;
use super::exchange::Call;
use super::head::{self, EVENT_STREAM, JSON, is_event_stream};
use super::rename::Rename;
use super::tap::Tap;
use crate::clock::Now;
use crate::dialects::{self, Dialect, Origin};
use crate::ir::error::{Error, ErrorKind};
use crate::ir::losses::Losses;
use crate::ir::usage::Usage;
use crate::json;
use crate::pool::verdict::{self, Answer, Failure, Verdict};
use crate::route::Operation;
use crate::translate;

/// Error bodies are read as far as this before they are judged.
const ERROR_READ: usize = 256 * 1024;
/// Whole answers are held back as far as this, then they are let go as they come.
const WHOLE_HELD: usize = 16 * 1024 * 1024;

/// One account's answer.
pub struct Reply {
    /// Its head, as it came; once the answer has begun, without its headers.
    pub head: ResponseHeader,
    /// Undoes an encoding that nobody asked for.
    decode: Option<Decode>,
    /// Gives a forwarded answer the model's name that the client knows, where the account's is another.
    rename: Option<Rename>,
    form: Form,
    /// What it cost, once it is whole.
    pub usage: Option<Usage>,
    /// What the client's dialect had no words for.
    pub losses: Losses,
}

enum Form {
    /// A status that is no success: read to be judged.
    Refused(BytesMut),
    /// One piece: held until it is whole.
    Whole(BytesMut),
    /// A stream in the client's own dialect: passed as it comes.
    Forwarded { tap: Box<Tap>, held: Option<BytesMut> },
    /// A stream in another dialect: said anew.
    Translated {
        decoder: crate::sse::Decoder,
        stream: Box<translate::Stream>,
        out: Vec<u8>,
        begun: bool,
    },
    /// Let go: what comes now is passed.
    Passing,
}

/// What a piece of the answer leads to.
pub enum Step {
    /// Nothing for the client yet.
    Hold,
    /// The answer has begun: its head and first bytes.
    Begin(Box<ResponseHeader>, Bytes),
    /// More of it.
    More(Bytes),
    /// It is none.
    Failed(Box<Trouble>),
}

/// Why an account's answer is none.
pub struct Trouble {
    /// What that says of the account.
    pub verdict: Verdict,
    /// What to tell the client.
    pub error: Error,
    /// The provider's own words, where the client can read them as they are.
    pub raw: Option<Bytes>,
}

/// Where an answer says what it cost. Finders are made once: to make one costs as much as to use it.
static USAGE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("\"usage\""));
/// The same, in Gemini's words.
static USAGE_METADATA: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("\"usageMetadata\""));
static ERROR: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("\"error\""));

impl Reply {
    /// What the head of an answer promises.
    pub fn new(mut head: ResponseHeader, call: &Call, attempt: &Attempt, id: &str) -> Self {
        let decode = Decode::of(&head.headers);
        if decode.is_some() {
            head.remove_header(&header::CONTENT_ENCODING);
            head.remove_header(&header::CONTENT_LENGTH);
        }
        let streams = match attempt.plan {
            Plan::Translate(_) => is_event_stream(&head) && call.stream,
            Plan::Forward | Plan::Count(_) | Plan::Embed(_) => {
                is_event_stream(&head) || (call.stream && call.array_stream())
            }
        };
        let form = if !head.status.is_success() {
            Form::Refused(BytesMut::new())
        } else if !streams {
            Form::Whole(BytesMut::new())
        } else {
            match &attempt.plan {
                Plan::Count(_) | Plan::Embed(_) => Form::Whole(BytesMut::new()),
                Plan::Forward => {
                    let array = !is_event_stream(&head);
                    let origin = Origin { issuer: "", id };
                    let tap = Box::new(Tap::new(call.dialect, array, origin));
                    Form::Forwarded { tap, held: Some(BytesMut::new()) }
                }
                Plan::Translate(translation) => Form::Translated {
                    decoder: crate::sse::Decoder::new(),
                    stream: Box::new(translation.stream()),
                    out: Vec::new(),
                    begun: false,
                },
            }
        };
        // Gemini's array of answers is passed as it is: it has no lines to look at.
        let is_array = streams && !is_event_stream(&head);
        let is_renamed = matches!(attempt.plan, Plan::Forward)
            && call.asked != **attempt.lease.model()
            && !is_array;
        let rename = is_renamed.then(|| Rename::new(&call.asked));
        Self { head, decode, rename, form, usage: None, losses: Losses::default() }
    }

    /// Takes in a piece of the body; `end` with the last one.
    pub fn push(
        &mut self,
        data: Option<Bytes>,
        end: bool,
        (call, attempt): (&Call, &Attempt),
    ) -> Step {
        let data = match (&mut self.decode, data) {
            (Some(decode), Some(data)) => match decode.push(&data) {
                Ok(data) => Some(data),
                Err(_) => {
                    return failed(
                        Failure::Garbled,
                        "the provider's answer is not what its content-encoding says",
                    );
                }
            },
            (_, data) => data,
        };
        match &mut self.form {
            Form::Refused(body) => {
                body.extend_from_slice(&data.unwrap_or_default());
                if end || body.len() > ERROR_READ {
                    let body = std::mem::take(body).freeze();
                    return Step::Failed(Box::new(self.refused(body, call, attempt)));
                }
                Step::Hold
            }
            // Most answers come in one piece, which needs no copy.
            Form::Whole(body) if end && body.is_empty() => {
                self.whole(data.unwrap_or_default(), call, attempt)
            }
            Form::Whole(body) => {
                body.extend_from_slice(&data.unwrap_or_default());
                if end {
                    let body = std::mem::take(body).freeze();
                    return self.whole(body, call, attempt);
                }
                if body.len() > WHOLE_HELD && matches!(attempt.plan, Plan::Forward) {
                    let body = std::mem::take(body).freeze();
                    self.form = Form::Passing;
                    return Step::Begin(Box::new(self.forwarded_head(None)), body);
                }
                Step::Hold
            }
            Form::Forwarded { .. } => self.forwarded(data, end, attempt),
            Form::Translated { .. } => self.translated(data, end, (call, attempt)),
            Form::Passing => Step::More(data.unwrap_or_default()),
        }
    }

    /// The bytes that end the client's stream when the account's broke off after it began.
    pub fn break_off(&mut self, error: &Error, call: &Call, asked: &dialects::Asked) -> Bytes {
        let mut out = Vec::new();
        match &mut self.form {
            Form::Translated { stream, .. } => stream.fail(error.clone(), &mut out),
            Form::Forwarded { tap, .. } => {
                let progress = tap.progress();
                if !progress.ended && progress.failed.is_none() {
                    if tap.is_inside_event() {
                        out.extend_from_slice(b"\n\n");
                    }
                    let sequence = tap.events();
                    dialects::render_stream_error(call.dialect, error, asked, sequence, &mut out);
                }
            }
            Form::Refused(_) | Form::Whole(_) | Form::Passing => {}
        }
        out.into()
    }

    /// What a forwarded stream lacks that came to its end: its dialect's last event, where the provider leaves it out.
    pub fn last_event(&self, call: &Call, asked: &dialects::Asked) -> Bytes {
        match &self.form {
            Form::Forwarded { tap, .. } => ending::last_event(tap, call.dialect, asked),
            Form::Refused(_) | Form::Whole(_) | Form::Translated { .. } | Form::Passing => {
                Bytes::new()
            }
        }
    }

    /// Whether it is a stream, and a failure can still be told in it.
    pub const fn is_stream(&self) -> bool {
        matches!(self.form, Form::Forwarded { .. } | Form::Translated { .. })
    }

    /// What the account did, seen from the end.
    pub fn verdict(&self) -> Verdict {
        let progress = match &self.form {
            Form::Forwarded { tap, .. } => tap.progress(),
            Form::Translated { stream, .. } => stream.progress(),
            Form::Refused(_) | Form::Whole(_) | Form::Passing => return Verdict::SERVED,
        };
        if progress.ended && progress.failed.is_none() {
            Verdict::SERVED
        } else {
            Verdict::failed(Failure::Broken)
        }
    }

    fn refused(&self, body: Bytes, call: &Call, attempt: &Attempt) -> Trouble {
        let (status, now) = (self.head.status, Now::read());
        let answer = Answer {
            provider: attempt.lease.account().config.provider,
            status,
            headers: &self.head.headers,
            body: &body,
        };
        let mut verdict = verdict::judge(&answer, now);
        if call.operation == Operation::CountTokens {
            verdict = verdict.on_count(status);
        } else if call.operation.embeds() {
            verdict = verdict.on_embedding(status);
        }
        let dialect = speaker(&body, attempt.lease.dialect());
        let mut error = dialects::parse_error(dialect, status.as_u16(), &body);
        if let Some(wait) = verdict.retry_after(now) {
            error.retry_after = Some(wait);
        }
        let raw = (call.is_own_to(dialect) && is_error_body(&body)).then_some(body);
        Trouble { verdict, error, raw }
    }

    fn whole(&mut self, body: Bytes, call: &Call, attempt: &Attempt) -> Step {
        if body.is_empty() && call.operation.translatable() {
            return Step::Failed(Box::new(Trouble::empty()));
        }
        match &attempt.plan {
            Plan::Forward => {
                if let Some(step) = self.look_over(&body, call, attempt) {
                    return step;
                }
                let body = match &self.rename {
                    Some(rename) => rename.whole(body),
                    None => body,
                };
                let head = self.forwarded_head(Some(body.len()));
                Step::Begin(Box::new(head), body)
            }
            Plan::Translate(translation) => {
                let said = match (call.stream, is_event_stream(&self.head)) {
                    (true, _) => translation.answer_streamed(&body),
                    (false, true) => translation.stream_whole(&body),
                    (false, false) => translation.answer(&body),
                };
                let streams = call.stream && !call.array_stream();
                self.anew(said, if streams { EVENT_STREAM } else { JSON }, (&body, attempt))
            }
            Plan::Embed(translation) => {
                self.anew(translation.answer(&body), JSON, (&body, attempt))
            }
            Plan::Count(count) => {
                let answer = count.answer(&body).map(|body| (body, Losses::default(), None));
                self.anew(answer, JSON, (&body, attempt))
            }
        }
    }

    /// A whole answer that was said anew for the client.
    fn anew(
        &mut self,
        answer: Result<(Vec<u8>, Losses, Option<Usage>), Error>,
        content_type: &'static str,
        (body, attempt): (&[u8], &Attempt),
    ) -> Step {
        match answer {
            Ok((body, losses, usage)) => {
                self.usage = usage;
                self.losses.extend(&losses);
                let head = head::anew(self.head.status, content_type, Some(body.len()));
                Step::Begin(Box::new(head), body.into())
            }
            Err(error) => Step::Failed(Box::new(self.said_no(error, body, attempt))),
        }
    }

    /// Reads the usage of a forwarded answer; gives the way out where it is no answer at all.
    fn look_over(&mut self, body: &Bytes, call: &Call, attempt: &Attempt) -> Option<Step> {
        if !call.operation.translatable() && !call.operation.embeds() {
            return None;
        }
        let counted = match call.dialect {
            Dialect::Gemini => &*USAGE_METADATA,
            Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic => &*USAGE,
        };
        let late = json::late_member(body, counted);
        if call.operation.embeds() {
            self.usage = late.and_then(|usage| dialects::parse_usage(call.dialect, usage));
            return None;
        }
        if let Some(usage) = late
            && ERROR.find(body).is_none()
        {
            self.usage = dialects::parse_usage(call.dialect, usage);
            return None;
        }
        let mut usage = None;
        let mut error_at = None;
        let mut answers = false;
        let result = json::members(body, |key, value| match key {
            b"usage" | b"usageMetadata" => usage = body.get(value),
            b"error" => error_at = body.get(value),
            b"choices" | b"output" | b"content" | b"candidates" | b"promptFeedback" => {
                answers = true;
            }
            _ => {}
        });
        if result.is_err() {
            return Some(failed(Failure::Garbled, "the provider's answer is no JSON object"));
        }
        if !answers && error_at.is_some_and(|error| error.starts_with(b"{")) {
            let error = dialects::parse_error(attempt.lease.dialect(), 500, body);
            return Some(Step::Failed(Box::new(self.said_no(error, body, attempt))));
        }
        self.usage = usage.and_then(|usage| dialects::parse_usage(call.dialect, usage));
        None
    }

    /// An error that came with a status of success.
    fn said_no(&self, error: Error, body: &[u8], attempt: &Attempt) -> Trouble {
        let answer = Answer {
            provider: attempt.lease.account().config.provider,
            status: self.head.status,
            headers: &self.head.headers,
            body,
        };
        let verdict = if is_error_body(body) {
            verdict::judge_event(&answer, Now::read())
        } else {
            Verdict::failed(Failure::Garbled)
        };
        Trouble { verdict, error, raw: None }
    }

    /// The account's head as its own client gets it; the headers are taken out.
    fn forwarded_head(&mut self, length: Option<usize>) -> ResponseHeader {
        let bare = head::bare_head(self.head.status);
        let own = std::mem::replace(&mut self.head, bare);
        head::forwarded(own, length, self.is_stream())
    }

    fn forwarded(&mut self, data: Option<Bytes>, end: bool, attempt: &Attempt) -> Step {
        let Form::Forwarded { tap, held } = &mut self.form else { return Step::Hold };
        let data = data.unwrap_or_default();
        tap.push(&data);
        if end {
            tap.finish();
        }
        let progress = tap.progress();
        self.usage = progress.usage;
        let Some(waiting) = held else { return Step::More(self.renamed(data, end)) };
        waiting.extend_from_slice(&data);
        if progress.begun {
            let first = std::mem::take(waiting).freeze();
            *held = None;
            let first = self.renamed(first, end);
            return Step::Begin(Box::new(self.forwarded_head(None)), first);
        }
        if let Some(error) = progress.failed.clone() {
            let body = last_data(waiting);
            return Step::Failed(Box::new(self.said_no(error, &body, attempt)));
        }
        if end {
            return failed(Failure::Empty, "the provider's stream ended before it began");
        }
        Step::Hold
    }

    /// A piece of a forwarded stream as the client hears it.
    fn renamed(&mut self, piece: Bytes, end: bool) -> Bytes {
        let Some(rename) = &mut self.rename else { return piece };
        let said = rename.push(&piece);
        if !end {
            return said;
        }
        [said, rename.finish()].concat().into()
    }

    fn translated(
        &mut self,
        data: Option<Bytes>,
        end: bool,
        (call, attempt): (&Call, &Attempt),
    ) -> Step {
        let Form::Translated { decoder, stream, out, begun } = &mut self.form else {
            return Step::Hold;
        };
        let data = data.unwrap_or_default();
        decoder.push(&data, |event| stream.push(event, out));
        if end {
            decoder.finish(|event| stream.push(event, out));
            stream.finish(out);
            self.losses.extend(stream.losses());
        }
        let progress = stream.progress();
        self.usage = progress.usage;
        if *begun {
            return Step::More(take(out));
        }
        if progress.begun {
            *begun = true;
            let first = take(out);
            let kind = if call.array_stream() { JSON } else { EVENT_STREAM };
            return Step::Begin(Box::new(head::anew(self.head.status, kind, None)), first);
        }
        if let Some(error) = progress.failed.clone() {
            let trouble = self.said_no(error, &data, attempt);
            return Step::Failed(Box::new(trouble));
        }
        if end {
            return failed(Failure::Empty, "the provider's stream ended before it began");
        }
        Step::Hold
    }
}

fn take(out: &mut Vec<u8>) -> Bytes {
    if out.is_empty() {
        return Bytes::new();
    }
    // The buffer stays with the stream: a copy of an event costs less than a new buffer for each.
    let bytes = Bytes::copy_from_slice(out);
    out.clear();
    bytes
}

fn failed(failure: Failure, message: &str) -> Step {
    let error = Error::new(ErrorKind::Internal, message);
    Step::Failed(Box::new(Trouble { verdict: Verdict::failed(failure), error, raw: None }))
}

/// In whose words an error body is: before the Claude that Google serves stands Google's own gate.
fn speaker(body: &[u8], dialect: Dialect) -> Dialect {
    if dialect != Dialect::Anthropic {
        return dialect;
    }
    let body = body.trim_ascii().strip_prefix(b"[").unwrap_or(body);
    let end = body.iter().rposition(|byte| *byte == b'}').map_or(0, |at| at + 1);
    let (mut error, mut has_type, mut has_status) = (None, false, false);
    let whole = json::members(body.get(..end).unwrap_or_default(), |key, value| match key {
        b"error" => error = body.get(value),
        b"type" => has_type = true,
        _ => {}
    });
    let inner = json::members(error.unwrap_or_default(), |key, _| has_status |= key == b"status");
    let is_googles = whole.is_ok() && inner.is_ok() && has_status && !has_type;
    if is_googles { Dialect::Gemini } else { dialect }
}

/// Whether a body is an error object, or Gemini's array of one.
fn is_error_body(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    let object = body.strip_prefix(b"[").map_or(body, <[u8]>::trim_ascii_start);
    let object = if body.starts_with(b"[") {
        object.strip_suffix(b"]").map_or(object, <[u8]>::trim_ascii_end)
    } else {
        object
    };
    let mut found = false;
    let whole = json::members(object, |key, _| found |= key == b"error");
    whole.is_ok() && found
}

/// The data of the last event in a piece of a stream.
fn last_data(stream: &[u8]) -> Vec<u8> {
    let mut last = Vec::new();
    let mut decoder = crate::sse::Decoder::new();
    let mut keep = |event: &crate::sse::Event<'_>| last = event.data.as_bytes().to_vec();
    decoder.push(stream, &mut keep);
    decoder.finish(&mut keep);
    last
}
