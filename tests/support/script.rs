//! What a scripted upstream does with one request, step by step.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::wire::{self, Headers};

/// A request as the upstream got it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Which connection brought it, counted from 0.
    pub(crate) connection: usize,
    /// Which request of that connection it was, counted from 0.
    pub(crate) turn: usize,
    /// `HTTP/1.1` or `HTTP/2`.
    pub(crate) version: &'static str,
    pub(crate) method: String,
    /// Path and query, as they came.
    pub(crate) target: String,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The provider credential that it carries, in whichever header.
    pub(crate) fn credential(&self) -> String {
        let bearer = self.header("authorization").map(|value| value.trim_start_matches("Bearer "));
        let key = || self.header("x-api-key").or_else(|| self.header("x-goog-api-key"));
        bearer.or_else(key).unwrap_or_default().to_owned()
    }
}

/// A door that a script waits at until the test opens it.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets everyone through, now and later.
    pub(crate) fn open(&self) {
        self.0.close();
    }

    pub(crate) async fn passed(&self) {
        assert!(self.0.acquire().await.is_err(), "a gate has no permits to give");
    }
}

/// One thing that the upstream does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends the status line and the headers.
    Head,
    /// Sends a piece of the body, in one write.
    Chunk(Bytes),
    /// Sends bytes as they are.
    Raw(Bytes),
    /// Waits.
    Pause(Duration),
    /// Waits for the test.
    Wait(Gate),
    /// Says no more, and waits for the peer to go.
    Hang,
    /// Closes in order (FIN).
    Close,
    /// Resets the connection (RST); on HTTP/2, the stream.
    Reset,
}

/// How the body of an answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length,
    Chunked,
    UntilClose,
}

/// A scripted answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) steps: Vec<Step>,
    framing: Framing,
}

impl Answer {
    /// A head with this status, and no body yet.
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), steps: vec![Step::Head], framing: Framing::Length }
    }

    /// No head at all: for what goes wrong before it.
    pub(crate) fn nothing() -> Self {
        Self { steps: Vec::new(), ..Self::status(0) }
    }

    /// A JSON answer of known length.
    pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::status(status).header("content-type", "application/json").chunk(body)
    }

    /// A chunked event stream, one event a write.
    pub(crate) fn sse<E: AsRef<str>>(events: impl IntoIterator<Item = E>) -> Self {
        let head = Self::status(200).header("content-type", "text/event-stream").chunked();
        events.into_iter().fold(head, |answer, event| answer.event(event.as_ref()))
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn chunked(self) -> Self {
        Self { framing: Framing::Chunked, ..self }
    }

    pub(crate) fn until_close(self) -> Self {
        Self { framing: Framing::UntilClose, ..self }
    }

    pub(crate) fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub(crate) fn chunk(self, data: impl Into<Bytes>) -> Self {
        self.step(Step::Chunk(data.into()))
    }

    /// One event of a stream.
    pub(crate) fn event(self, event: &str) -> Self {
        self.chunk(event.to_owned())
    }

    pub(crate) fn raw(self, bytes: &str) -> Self {
        self.step(Step::Raw(bytes.to_owned().into()))
    }

    pub(crate) fn wait(self, gate: &Gate) -> Self {
        self.step(Step::Wait(gate.clone()))
    }

    /// Waits for the test before the first byte.
    pub(crate) fn held_by(mut self, gate: &Gate) -> Self {
        self.steps.insert(0, Step::Wait(gate.clone()));
        self
    }

    /// Waits so long before the first byte.
    pub(crate) fn after(mut self, milliseconds: u64) -> Self {
        self.steps.insert(0, Step::Pause(Duration::from_millis(milliseconds)));
        self
    }

    pub(crate) fn pause(self, milliseconds: u64) -> Self {
        self.step(Step::Pause(Duration::from_millis(milliseconds)))
    }

    pub(crate) fn hang(self) -> Self {
        self.step(Step::Hang)
    }

    pub(crate) fn close(self) -> Self {
        self.step(Step::Close)
    }

    /// Closes before the last chunk, which is announced all the same.
    pub(crate) fn close_early(mut self) -> Self {
        self.steps.insert(self.steps.len() - 1, Step::Close);
        self
    }

    pub(crate) fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    /// The head as it goes on an HTTP/1.1 wire.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut lines = vec![format!("HTTP/1.1 {} Scripted", self.status)];
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        match self.framing {
            Framing::Length => lines.push(format!("content-length: {}", self.length())),
            Framing::Chunked => lines.push("transfer-encoding: chunked".to_owned()),
            Framing::UntilClose => lines.push("connection: close".to_owned()),
        }
        (lines.join("\r\n") + "\r\n\r\n").into_bytes()
    }

    /// A piece of the body as it goes on an HTTP/1.1 wire.
    pub(crate) fn framed(&self, data: &Bytes) -> Bytes {
        match self.framing {
            Framing::Chunked => wire::chunk(data).into(),
            Framing::Length | Framing::UntilClose => data.clone(),
        }
    }

    /// What ends the body on an HTTP/1.1 wire.
    pub(crate) fn trailer(&self) -> &'static [u8] {
        let began = self.steps.iter().any(|step| matches!(step, Step::Head));
        if began && self.framing == Framing::Chunked { b"0\r\n\r\n" } else { b"" }
    }

    /// Whether another request may follow on the same connection.
    pub(crate) fn keeps_alive(&self) -> bool {
        self.framing != Framing::UntilClose
    }

    /// What is announced: all chunks, those that a script then withholds included.
    fn length(&self) -> usize {
        let size = |step: &Step| if let Step::Chunk(data) = step { data.len() } else { 0 };
        self.steps.iter().map(size).sum()
    }
}
