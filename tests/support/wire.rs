//! HTTP/1.1 as it stands on the wire: heads and bodies read off a connection, with nothing tidied up.

use std::fmt;
use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Header lines in the order and with the spelling that they came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Headers(pub(crate) Vec<(String, String)>);

impl Headers {
    /// The first value of `name`, whatever its case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// Every value of `name`, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let same = |line: &&(String, String)| line.0.eq_ignore_ascii_case(name);
        self.0.iter().filter(same).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether any value anywhere holds `text`.
    pub(crate) fn mention(&self, text: &str) -> bool {
        self.0.iter().any(|(_, value)| value.contains(text))
    }

    fn parsed(lines: &[httparse::Header<'_>]) -> Self {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Self(lines.iter().map(|line| (line.name.to_owned(), text(line.value))).collect())
    }
}

/// A request's first line and headers.
#[derive(Clone, Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Headers,
}

/// An answer's status and headers.
#[derive(Clone, Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
}

/// How much of a body is still to come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    Length(usize),
    Chunked { left: usize },
    UntilClose,
}

impl Rest {
    /// What a request's headers announce.
    pub(crate) fn of_request(headers: &Headers) -> Self {
        Self::announced(headers).unwrap_or(Self::Nothing)
    }

    /// What an answer's head announces, to a request of this method.
    pub(crate) fn of_response(head: &ResponseHead, method: &str) -> Self {
        let bodiless = method == "HEAD" || head.status < 200 || matches!(head.status, 204 | 304);
        if bodiless {
            return Self::Nothing;
        }
        Self::announced(&head.headers).unwrap_or(Self::UntilClose)
    }

    fn announced(headers: &Headers) -> Option<Self> {
        if headers.get("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
            return Some(Self::Chunked { left: 0 });
        }
        let length = headers.get("content-length")?.parse().ok()?;
        Some(if length == 0 { Self::Nothing } else { Self::Length(length) })
    }
}

/// One side of a connection, read with a buffer of its own.
pub(crate) struct Reader<S> {
    pub(crate) stream: S,
    buffer: BytesMut,
}

impl<S> fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({} bytes unread)", self.buffer.len())
    }
}

impl<S: AsyncRead + Unpin> Reader<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(64 * 1024) }
    }

    /// The next request's head; `None` when the peer closed between two requests.
    pub(crate) async fn request(&mut self) -> io::Result<Option<RequestHead>> {
        let Some(block) = self.head().await? else { return Ok(None) };
        let mut lines = [httparse::EMPTY_HEADER; 100];
        let mut parsed = httparse::Request::new(&mut lines);
        parsed.parse(&block).map_err(invalid)?;
        Ok(Some(RequestHead {
            method: parsed.method.unwrap_or_default().to_owned(),
            target: parsed.path.unwrap_or_default().to_owned(),
            headers: Headers::parsed(parsed.headers),
        }))
    }

    /// The next answer's head, interim ones included; `None` when the peer closed instead.
    pub(crate) async fn response(&mut self) -> io::Result<Option<ResponseHead>> {
        let Some(block) = self.head().await? else { return Ok(None) };
        let mut lines = [httparse::EMPTY_HEADER; 100];
        let mut parsed = httparse::Response::new(&mut lines);
        parsed.parse(&block).map_err(invalid)?;
        let status = parsed.code.unwrap_or_default();
        Ok(Some(ResponseHead { status, headers: Headers::parsed(parsed.headers) }))
    }

    /// The next piece of a body, as soon as there is one; `None` at its proper end.
    pub(crate) async fn piece(&mut self, rest: &mut Rest) -> io::Result<Option<Bytes>> {
        if *rest == (Rest::Chunked { left: 0 }) {
            let left = self.chunk_size().await?;
            *rest = if left == 0 { Rest::Nothing } else { Rest::Chunked { left } };
        }
        let limit = match *rest {
            Rest::Nothing => return Ok(None),
            Rest::Length(left) | Rest::Chunked { left } => left,
            Rest::UntilClose => usize::MAX,
        };
        if self.buffer.is_empty() && !self.fill().await? {
            return if *rest == Rest::UntilClose { Ok(None) } else { Err(cut()) };
        }
        let piece = self.buffer.split_to(limit.min(self.buffer.len())).freeze();
        match rest {
            Rest::Length(left) => {
                *left -= piece.len();
                if *left == 0 {
                    *rest = Rest::Nothing;
                }
            }
            Rest::Chunked { left } => {
                *left -= piece.len();
                if *left == 0 {
                    self.line().await?;
                }
            }
            Rest::Nothing | Rest::UntilClose => {}
        }
        Ok(Some(piece))
    }

    /// All that is left of a body.
    pub(crate) async fn whole(&mut self, mut rest: Rest) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.piece(&mut rest).await? {
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }

    /// Returns once the peer has closed or reset the connection; what it still says is kept.
    pub(crate) async fn closed(&mut self) {
        while matches!(self.fill().await, Ok(true)) {}
    }

    /// The size line of the next chunk; after the last one, its trailers too.
    async fn chunk_size(&mut self) -> io::Result<usize> {
        let line = self.line().await?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(invalid)?;
        while size == 0 && !self.line().await?.is_empty() {}
        Ok(size)
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = self.buffer.split_to(end);
                self.buffer.advance(2);
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if !self.fill().await? {
                return Err(cut());
            }
        }
    }

    async fn head(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(Some(self.buffer.split_to(end + 4).freeze()));
            }
            if !self.fill().await? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(cut()) };
            }
        }
    }

    async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.reserve(64 * 1024);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}

/// One chunk of the chunked coding.
pub(crate) fn chunk(data: &[u8]) -> Vec<u8> {
    let mut framed = format!("{:x}\r\n", data.len()).into_bytes();
    framed.extend_from_slice(data);
    framed.extend_from_slice(b"\r\n");
    framed
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended in the middle of a message")
}
