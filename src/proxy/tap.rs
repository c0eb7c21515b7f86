//! What a forwarded stream says in passing: whether it has begun, whether it has ended well, and what it cost.
//!
//! Until the answer has begun its events are parsed; from then on they are looked at for a few words, since every event of
//! every forwarded stream comes through here.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::dialects::{self, Dialect, Origin, StreamParser};
use crate::ir::event::Event;
use crate::ir::usage::Usage;
use crate::json::{self, Elements};
use crate::sse;
use crate::translate::Progress;

/// Listens to one stream.
#[derive(Debug)]
pub struct Tap {
    dialect: Dialect,
    source: Source,
    state: State,
    /// Whether the stream ended in an event without its blank line.
    torn: bool,
}

/// How the stream is cut into events.
#[derive(Debug)]
enum Source {
    Sse(sse::Decoder),
    /// Gemini without `alt=sse`.
    Array(Elements),
}

#[derive(Debug)]
struct State {
    /// Until the answer has begun.
    parser: Option<StreamParser>,
    progress: Progress,
    /// The provider's id of the answer.
    id: String,
    /// Events so far.
    events: u64,
    /// The last event that told the usage.
    usage: Vec<u8>,
    /// Whether the event has come that is the last of its dialect's streams.
    closed: bool,
}

impl Tap {
    /// A tap at the start of a stream; `array` where it is one JSON array.
    pub fn new(dialect: Dialect, array: bool, origin: Origin<'_>) -> Self {
        let source = if array {
            Source::Array(Elements::default())
        } else {
            Source::Sse(sse::Decoder::new())
        };
        let state = State {
            parser: Some(StreamParser::new(dialect, origin)),
            progress: Progress::default(),
            id: String::new(),
            events: 0,
            usage: Vec::new(),
            closed: false,
        };
        Self { dialect, source, state, torn: false }
    }

    /// Takes in a chunk.
    pub fn push(&mut self, chunk: &[u8]) {
        let Self { dialect, source, state, .. } = self;
        match source {
            Source::Sse(decoder) => decoder.push(chunk, |event| state.event(*dialect, event)),
            Source::Array(elements) => {
                elements.push(chunk, |element| state.event(*dialect, &element_event(element)));
            }
        }
    }

    /// The stream is over; what it cost is known now.
    pub fn finish(&mut self) {
        let Self { dialect, source, state, torn } = self;
        if let Source::Sse(decoder) = source {
            *torn = decoder.held() > 0;
            decoder.finish(|event| state.event(*dialect, event));
        }
        if let Some(parser) = &mut state.parser {
            parser.finish(&mut |event| state.progress.observe(event));
        }
        if let Some(usage) = dialects::parse_event_usage(*dialect, &state.usage) {
            // Anthropic may tell the input at the start alone, and the output at the end.
            let start = state.progress.usage.unwrap_or_default();
            let known = if usage.input == 0 { start } else { usage };
            state.progress.usage =
                Some(Usage { output: usage.output, reasoning: usage.reasoning, ..known });
        }
    }

    /// How far the answer has come.
    pub const fn progress(&self) -> &Progress {
        &self.state.progress
    }

    /// Whether an event has begun that is not whole.
    pub fn is_inside_event(&self) -> bool {
        match &self.source {
            Source::Sse(decoder) => self.torn || decoder.held() > 0,
            Source::Array(_) => false,
        }
    }

    /// Whether the answer has come to its end, and the event that is the last of its dialect's streams has not come.
    pub const fn is_unclosed(&self) -> bool {
        let State { progress, closed, .. } = &self.state;
        (progress.ended || progress.failed.is_some()) && !*closed
    }

    /// The provider's id of the answer, as far as it has been told before the first word.
    pub fn id(&self) -> &str {
        &self.state.id
    }

    /// Events so far: the next `sequence_number` of a Responses stream.
    pub const fn events(&self) -> u64 {
        self.state.events
    }
}

fn element_event(element: &[u8]) -> sse::Event<'_> {
    sse::Event { name: "".into(), data: String::from_utf8_lossy(element) }
}

impl State {
    fn event(&mut self, dialect: Dialect, event: &sse::Event<'_>) {
        self.events += 1;
        if let Some(parser) = &mut self.parser {
            let progress = &mut self.progress;
            let own = &mut self.id;
            parser.push(event, &mut |step| {
                if let Event::Start { id, .. } = step {
                    id.as_ref().clone_into(own);
                }
                progress.observe(step);
            });
            if progress.begun {
                self.parser = None;
            }
        }
        let data = event.data.as_bytes();
        if WORDS.usage(dialect).find(data).is_some() {
            self.usage.clear();
            self.usage.extend_from_slice(data);
        }
        if self.progress.begun {
            self.progress.ended |= ends(dialect, event);
            if self.progress.failed.is_none() && fails(dialect, event) {
                let error = dialects::parse_error(dialect, 500, data);
                self.progress.failed = Some(error);
            }
            if self.progress.ended || self.progress.failed.is_some() {
                self.closed |= closes(dialect, event);
            }
        }
    }
}

/// The last event of Chat Completions.
const DONE: &[u8] = b"[DONE]";

/// Whether an event is the last of its dialect's streams, be they whole or broken. Gemini has none, and no client of Chat
/// Completions waits for `[DONE]` behind a `finish_reason`.
fn closes(dialect: Dialect, event: &sse::Event<'_>) -> bool {
    match dialect {
        Dialect::OpenAiResponses => {
            ends(dialect, event) || kind(event) == b"response.failed".as_slice()
        }
        Dialect::Anthropic => matches!(kind(event), b"message_stop" | b"error"),
        Dialect::OpenAiChat | Dialect::Gemini => true,
    }
}

/// Whether an event is the proper end of an answer, or promises that nothing but it can follow.
fn ends(dialect: Dialect, event: &sse::Event<'_>) -> bool {
    let data = event.data.as_bytes();
    match dialect {
        Dialect::OpenAiChat => data == DONE || has_text_after(&WORDS.finish_reason, data),
        Dialect::OpenAiResponses => matches!(
            kind(event),
            // `response.done` is OpenRouter's word, `response.cancelled` ends a background response.
            b"response.completed"
                | b"response.incomplete"
                | b"response.done"
                | b"response.cancelled"
        ),
        Dialect::Anthropic => {
            kind(event) == b"message_stop" || has_text_after(&WORDS.stop_reason, data)
        }
        Dialect::Gemini => {
            has_text_after(&WORDS.finish_reason_camel, data)
                || WORDS.block_reason.find(data).is_some()
        }
    }
}

/// Whether an event says that the provider failed.
fn fails(dialect: Dialect, event: &sse::Event<'_>) -> bool {
    match dialect {
        Dialect::OpenAiChat | Dialect::Gemini => first_key_is_error(event.data.as_bytes()),
        Dialect::OpenAiResponses => matches!(kind(event), b"error" | b"response.failed"),
        Dialect::Anthropic => kind(event) == b"error",
    }
}

/// What kind of event it is. Some servers leave the `event:` line out: then its data says so.
fn kind<'a>(event: &'a sse::Event<'_>) -> &'a [u8] {
    if !event.name.is_empty() {
        return event.name.as_bytes();
    }
    let data = event.data.as_bytes();
    let mut kind: &[u8] = b"";
    let whole = json::members(data, |key, value| {
        if key == b"type" {
            kind = data.get(value).unwrap_or_default();
        }
    });
    if whole.is_err() {
        return b"";
    }
    kind.strip_prefix(b"\"").and_then(|kind| kind.strip_suffix(b"\"")).unwrap_or(kind)
}

fn first_key_is_error(data: &[u8]) -> bool {
    let rest = data.trim_ascii_start().strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    rest.is_some_and(|rest| rest.starts_with(b"\"error\""))
}

/// Whether `"KEY"` is followed by a string that is not empty, or by a number.
fn has_text_after(key: &Finder<'_>, data: &[u8]) -> bool {
    let Some(at) = key.find(data) else { return false };
    let rest = data.get(at + key.needle().len()..).unwrap_or_default().trim_ascii_start();
    let Some(value) = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start) else { return false };
    match value {
        [b'"', next, ..] => *next != b'"',
        [first, ..] => first.is_ascii_digit(),
        [] => false,
    }
}

/// The words that events are searched for.
struct Words {
    usage: Finder<'static>,
    usage_metadata: Finder<'static>,
    finish_reason: Finder<'static>,
    finish_reason_camel: Finder<'static>,
    stop_reason: Finder<'static>,
    block_reason: Finder<'static>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| Words {
    usage: Finder::new(b"\"usage\""),
    usage_metadata: Finder::new(b"\"usageMetadata\""),
    finish_reason: Finder::new(b"\"finish_reason\""),
    finish_reason_camel: Finder::new(b"\"finishReason\""),
    stop_reason: Finder::new(b"\"stop_reason\""),
    block_reason: Finder::new(b"\"blockReason\""),
});

impl Words {
    const fn usage(&self, dialect: Dialect) -> &Finder<'static> {
        match dialect {
            Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic => &self.usage,
            Dialect::Gemini => &self.usage_metadata,
        }
    }
}
