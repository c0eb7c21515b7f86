//! Picks the response object out of an answer on its way to the client, whole or streamed, as cheaply as that goes.
//!
//! A stream is looked at line by line: the first few bytes of a line say whether it can belong to the terminal event, and the
//! rest of nearly every line is passed over by `memchr`.
//! <https://platform.openai.com/docs/api-reference/responses-streaming>

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

use super::record::Answer;
use crate::json;

/// A response object larger than this is not remembered.
const MOST: usize = 32 << 20;
/// As much of a line tells whether it matters: `data: {"type":"response.incomplete"` with some spaces.
const TELLING: usize = 64;

/// The events whose `response` is whole.
const TERMINAL: [&str; 2] = ["response.completed", "response.incomplete"];
/// These, and those that tell of a response which goes on without its client.
/// <https://platform.openai.com/docs/guides/background>
const BACKGROUND: [&str; 4] =
    ["response.completed", "response.incomplete", "response.created", "response.queued"];

/// Listens to one answer.
#[derive(Debug)]
pub struct Capture {
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// One JSON object.
    Whole(Held, Words),
    /// Server-sent events.
    Stream(Lines),
    /// Found, or too large.
    Over,
}

/// Who wrote an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// The gateway itself: it is a translation.
    Ours,
    /// The account.
    Theirs,
}

/// What came of a whole answer; one piece is not copied.
#[derive(Debug)]
enum Held {
    One(Bytes),
    Many(BytesMut),
}

#[derive(Debug)]
struct Lines {
    /// The events whose response is wanted.
    wanted: &'static [&'static str],
    line: Line,
    /// The first bytes of the line at hand, until they tell what it is.
    begun: Vec<u8>,
    /// The last chunk ended in CR: an LF at the start of the next one belongs to it.
    after_cr: bool,
    /// Whether the event at hand was said to be a terminal one.
    is_named: bool,
    /// The data of an event that may be a terminal one.
    data: Vec<u8>,
}

/// How the line at hand is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// Not known yet.
    #[default]
    Begun,
    /// Data that is wanted.
    Wanted,
    /// Anything else.
    Passed,
}

impl Capture {
    /// For an answer in one piece (`application/json`).
    pub const fn whole(words: Words) -> Self {
        Self { form: Form::Whole(Held::One(Bytes::new()), words) }
    }

    /// For a stream (`text/event-stream`).
    pub const fn stream() -> Self {
        Self { form: Form::Stream(Lines::new(&TERMINAL)) }
    }

    /// For the stream of a response that goes on in the background when its client leaves: its beginning is given too.
    pub const fn background() -> Self {
        Self { form: Form::Stream(Lines::new(&BACKGROUND)) }
    }

    /// Takes in what is about to be sent. Gives the answer with the piece that ends a stream's terminal event, so that it
    /// is remembered before the client can go on from it.
    pub fn push(&mut self, chunk: &Bytes) -> Option<Answer> {
        match &mut self.form {
            Form::Whole(held, _) => {
                if held.push(chunk) > MOST {
                    self.form = Form::Over;
                }
                None
            }
            Form::Stream(lines) => {
                let found = lines.push(chunk);
                let is_over = found.as_ref().is_some_and(|answer| !answer.is_running());
                if is_over || lines.data.len() > MOST {
                    self.form = Form::Over;
                }
                found
            }
            Form::Over => None,
        }
    }

    /// Everything has been pushed: the answer that came whole, or a stream's that ended without its last line end.
    pub fn finish(&mut self) -> Option<Answer> {
        match std::mem::replace(&mut self.form, Form::Over) {
            Form::Whole(held, words) => {
                let text = std::str::from_utf8(held.bytes()).ok()?;
                match words {
                    Words::Ours => Answer::written(text),
                    Words::Theirs => Answer::read(text),
                }
            }
            Form::Stream(mut lines) => lines.finish(),
            Form::Over => None,
        }
    }
}

impl Held {
    /// Takes in a piece; gives how much is held.
    fn push(&mut self, chunk: &Bytes) -> usize {
        match self {
            Self::One(held) if held.is_empty() => {
                *held = chunk.clone();
                held.len()
            }
            Self::One(held) => {
                let mut whole = BytesMut::from(&**held);
                whole.extend_from_slice(chunk);
                let length = whole.len();
                *self = Self::Many(whole);
                length
            }
            Self::Many(held) => {
                held.extend_from_slice(chunk);
                held.len()
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::One(held) => held,
            Self::Many(held) => held,
        }
    }
}

impl Lines {
    const fn new(wanted: &'static [&'static str]) -> Self {
        Self {
            wanted,
            line: Line::Begun,
            begun: Vec::new(),
            after_cr: false,
            is_named: false,
            data: Vec::new(),
        }
    }

    fn push(&mut self, chunk: &[u8]) -> Option<Answer> {
        let mut rest = chunk;
        let mut found = None;
        while let Some((&first, after)) = rest.split_first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                rest = after;
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', rest) else {
                self.take(rest);
                break;
            };
            let (piece, tail) = rest.split_at(end);
            self.take(piece);
            self.after_cr = tail.starts_with(b"\r");
            rest = tail.get(1..).unwrap_or_default();
            if let Some(answer) = self.end_line() {
                let is_over = !answer.is_running();
                found = Some(answer);
                if is_over {
                    break;
                }
            }
        }
        found
    }

    /// A piece of the line at hand.
    fn take(&mut self, piece: &[u8]) {
        let mut rest = piece;
        if self.line == Line::Begun {
            let (telling, behind) = piece.split_at(piece.len().min(TELLING));
            self.begun.extend_from_slice(telling);
            rest = behind;
            if self.begun.len() >= TELLING {
                self.judge();
            }
        }
        if self.line == Line::Wanted {
            self.data.extend_from_slice(rest);
        }
    }

    /// Decides about a line by its beginning, or by the whole of a short one.
    fn judge(&mut self) {
        let begun = std::mem::take(&mut self.begun);
        self.line = Line::Passed;
        if let Some(name) = field(&begun, b"event") {
            self.is_named = self.wanted.iter().any(|wanted| name == wanted.as_bytes());
        } else if let Some(data) = field(&begun, b"data")
            && (self.is_named || begins(data, self.wanted))
        {
            self.line = Line::Wanted;
            if !self.data.is_empty() {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(data);
        }
        // The buffer stays: a line costs no allocation.
        self.begun = begun;
        self.begun.clear();
    }

    fn end_line(&mut self) -> Option<Answer> {
        let is_blank = self.line == Line::Begun && self.begun.is_empty();
        if self.line == Line::Begun && !is_blank {
            self.judge();
        }
        self.line = Line::Begun;
        if is_blank { self.end_event() } else { None }
    }

    fn end_event(&mut self) -> Option<Answer> {
        self.is_named = false;
        if self.data.is_empty() {
            return None;
        }
        let data = std::mem::take(&mut self.data);
        response_of(&data, self.wanted)
    }

    fn finish(&mut self) -> Option<Answer> {
        self.end_line().or_else(|| self.end_event())
    }
}

/// The value of a line's field, without the one space that may follow the colon.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(name)?.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

/// Whether data begins as a wanted event does: with its type, or with a response (others do so too; then the type behind it
/// decides).
fn begins(data: &[u8], wanted: &[&str]) -> bool {
    let Some(inside) = data.trim_ascii_start().strip_prefix(b"{") else { return false };
    let Some(rest) = inside.trim_ascii_start().strip_prefix(b"\"") else { return false };
    if rest.starts_with(b"response\"") {
        return true;
    }
    let value = rest.strip_prefix(b"type\"").map(<[u8]>::trim_ascii_start);
    let value = value.and_then(|rest| rest.strip_prefix(b":")).map(<[u8]>::trim_ascii_start);
    value
        .and_then(|rest| rest.strip_prefix(b"\""))
        .is_some_and(|name| wanted.iter().any(|wanted| name.starts_with(wanted.as_bytes())))
}

/// The response that a wanted event carries.
fn response_of(data: &[u8], wanted: &[&str]) -> Option<Answer> {
    let (mut response, mut is_wanted) = (None, false);
    json::members(data, |key, range| {
        let value = data.get(range).unwrap_or_default();
        match key {
            b"response" => response = Some(value),
            b"type" => {
                is_wanted = wanted.iter().any(|wanted| {
                    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""))
                        == Some(wanted.as_bytes())
                });
            }
            _ => {}
        }
    })
    .ok()?;
    Answer::read(std::str::from_utf8(response.filter(|_| is_wanted)?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &str = r#"{"id":"resp_1","status":"completed","output":[{"id":"m","text":"response.completed\n"}]}"#;

    fn feed(stream: &str, cut: usize) -> Option<String> {
        let mut capture = Capture::stream();
        let bytes = Bytes::copy_from_slice(stream.as_bytes());
        let mut found = None;
        let mut chunks =
            vec![bytes.slice(..cut.min(bytes.len())), bytes.slice(cut.min(bytes.len())..)];
        if cut == usize::MAX {
            chunks = (0..bytes.len()).map(|at| bytes.slice(at..=at)).collect();
        }
        for chunk in &chunks {
            let answer = capture.push(chunk);
            assert!(answer.is_none() || found.is_none(), "found twice");
            found = found.or(answer);
        }
        found.or_else(|| capture.finish()).map(|answer| answer.text.into())
    }

    fn found(stream: &str) -> Option<String> {
        let whole = feed(stream, stream.len());
        for cut in 0..stream.len() {
            assert_eq!(feed(stream, cut), whole, "cut at {cut}");
        }
        assert_eq!(feed(stream, usize::MAX), whole, "a byte at a time");
        whole
    }

    fn stream(terminal: &str) -> String {
        let delta = r#"{"type":"response.output_text.delta","delta":"data: {\"type\":\"response.completed\"}"}"#;
        let created = r#"{"response":{"id":"resp_1","status":"in_progress","output":[]},"type":"response.created"}"#;
        format!(
            "event: response.created\ndata: {created}\n\nevent: response.output_text.delta\ndata: {delta}\n\n{terminal}"
        )
    }

    #[test]
    fn every_form_of_the_terminal_event() {
        let typed_first = format!(r#"{{"type":"response.completed","response":{RESPONSE}}}"#);
        let typed_last = format!(r#"{{ "response":{RESPONSE},"type":"response.incomplete"}}"#);
        let sequence_first =
            format!(r#"{{"sequence_number":9,"response":{RESPONSE},"type":"response.completed"}}"#);
        let lines = typed_first.replace(",\"response\"", ",\ndata: \"response\"");
        for terminal in [
            format!("event: response.completed\ndata: {typed_first}\n\n"),
            format!("event: response.completed\r\ndata: {typed_first}\r\n\r\n"),
            format!("event:response.completed\rdata:{typed_first}\r\r"),
            format!("data: {typed_first}\n\n"),
            format!("data: {typed_last}\n\n"),
            format!("event: response.incomplete\ndata: {sequence_first}\n\n"),
            format!("event: response.completed\ndata: {lines}\n\n"),
            format!("event: response.completed\ndata: {typed_first}\n\ndata: [DONE]\n\n"),
            format!("event: response.completed\ndata: {typed_first}"),
        ] {
            assert_eq!(found(&stream(&terminal)).as_deref(), Some(RESPONSE), "{terminal}");
        }
    }

    #[test]
    fn a_stream_without_its_end_has_no_answer() {
        let failed = format!(
            "event: response.failed\ndata: {{\"type\":\"response.failed\",\"response\":{RESPONSE}}}\n\n"
        );
        for terminal in
            ["", "event: response.completed\n\n", "data: {\"type\":\"response.compl", &failed]
        {
            assert_eq!(found(&stream(terminal)), None, "{terminal}");
        }
    }

    #[test]
    fn a_whole_answer_in_any_pieces() {
        for cut in 0..RESPONSE.len() {
            let mut capture = Capture::whole(Words::Theirs);
            for piece in [&RESPONSE[..cut], &RESPONSE[cut..cut], &RESPONSE[cut..]] {
                assert_eq!(capture.push(&Bytes::copy_from_slice(piece.as_bytes())), None);
            }
            assert_eq!(&*capture.finish().unwrap().text, RESPONSE);
            assert_eq!(capture.finish(), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(chunks: Vec<Vec<u8>>) {
            for mut capture in
                [Capture::stream(), Capture::whole(Words::Theirs), Capture::whole(Words::Ours)]
            {
                for chunk in &chunks {
                    let _ = capture.push(&Bytes::copy_from_slice(chunk));
                }
                let _ = capture.finish();
            }
        }
    }
}
