//! A client that sends exactly what it is told and reads exactly what it gets.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::soon;
use super::wire::{self, Headers, Reader, ResponseHead, Rest};

/// A request to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) framing: Framing,
}

/// How a request's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No body, and no header that announces one.
    None,
    /// `content-length`.
    Length,
    /// `transfer-encoding: chunked`, in chunks of at most this many bytes.
    Chunked(usize),
}

/// A request without a body.
pub(crate) fn request(method: &'static str, target: impl Into<String>) -> Request {
    let (headers, body) = (Vec::new(), Bytes::new());
    Request { method, target: target.into(), headers, body, framing: Framing::None }
}

/// `GET target`
pub(crate) fn get(target: impl Into<String>) -> Request {
    request("GET", target)
}

/// `POST target` with a JSON body of known length.
pub(crate) fn post(target: impl Into<String>, body: impl Into<Bytes>) -> Request {
    let post = Request { body: body.into(), framing: Framing::Length, ..request("POST", target) };
    post.header("content-type", "application/json")
}

impl Request {
    /// Adds a header line.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Frames the body differently.
    pub(crate) fn framing(self, framing: Framing) -> Self {
        Self { framing, ..self }
    }

    /// The head as it goes on the wire.
    pub(crate) fn head(&self, host: SocketAddr) -> Vec<u8> {
        let mut lines = vec![format!("{} {} HTTP/1.1", self.method, self.target)];
        lines.push(format!("host: {host}"));
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        match self.framing {
            Framing::None => {}
            Framing::Length => lines.push(format!("content-length: {}", self.body.len())),
            Framing::Chunked(_) => lines.push("transfer-encoding: chunked".to_owned()),
        }
        (lines.join("\r\n") + "\r\n\r\n").into_bytes()
    }

    /// The body as it goes on the wire.
    fn framed(&self) -> Vec<u8> {
        let Framing::Chunked(size) = self.framing else { return self.body.to_vec() };
        let mut framed: Vec<u8> = self.body.chunks(size).flat_map(wire::chunk).collect();
        framed.extend_from_slice(b"0\r\n\r\n");
        framed
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; fails the test, showing it, when it is none.
    pub(crate) fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{error} in the answer ({}): {}", self.status, self.text()),
        }
    }
}

/// One connection to the gateway.
#[derive(Debug)]
pub(crate) struct Connection {
    address: SocketAddr,
    reader: Reader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (read, writer) = stream.into_split();
        Ok(Self { address, reader: Reader::new(read), writer })
    }

    /// Sends one request and reads its whole answer; the connection stays open if the gateway keeps it.
    pub(crate) async fn send(&mut self, request: &Request) -> io::Result<Reply> {
        let head = self.begin(request).await?;
        let rest = Rest::of_response(&head, request.method);
        let body = self.reader.whole(rest).await?;
        Ok(Reply { status: head.status, headers: head.headers, body })
    }

    /// Sends one request and reads the head of its answer, as soon as that comes: even while the body is still going out.
    pub(crate) async fn begin(&mut self, request: &Request) -> io::Result<ResponseHead> {
        let head = request.head(self.address);
        let body = request.framed();
        let write = async {
            // An early refusal closes the door on the rest of the body: what counts is the answer.
            if self.writer.write_all(&head).await.is_ok() {
                self.writer.write_all(&body).await.ok();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = write => unreachable!("it never ends"),
            head = final_head(&mut self.reader) => head,
        }
    }

    /// Writes bytes as they are.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).await
    }

    /// The next head, interim ones included.
    pub(crate) async fn head(&mut self) -> io::Result<ResponseHead> {
        self.reader.response().await?.ok_or_else(closed)
    }

    /// The body that follows `head`.
    pub(crate) async fn body(&mut self, head: &ResponseHead) -> io::Result<Bytes> {
        self.reader.whole(Rest::of_response(head, "POST")).await
    }

    /// Whether the gateway closes this connection, rather than wait for another request.
    pub(crate) async fn is_closed(&mut self) -> bool {
        matches!(self.reader.response().await, Ok(None) | Err(_))
    }
}

async fn final_head(reader: &mut Reader<OwnedReadHalf>) -> io::Result<ResponseHead> {
    loop {
        let head = reader.response().await?.ok_or_else(closed)?;
        if head.status >= 200 {
            return Ok(head);
        }
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the gateway closed without an answer")
}

/// An answer that is still coming; dropping it hangs up.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) head: ResponseHead,
    connection: Connection,
    rest: Rest,
    seen: Vec<u8>,
}

impl Open {
    /// Sends `request` on a connection of its own and waits for the head of the answer.
    pub(crate) async fn start(address: SocketAddr, request: &Request) -> Self {
        let mut connection = Connection::open(address).await.unwrap();
        let head = soon("the head of the answer", connection.begin(request)).await.unwrap();
        let rest = Rest::of_response(&head, request.method);
        Self { head, connection, rest, seen: Vec::new() }
    }

    /// Reads on until the body so far holds `text`.
    pub(crate) async fn until(&mut self, text: &str) {
        while memchr::memmem::find(&self.seen, text.as_bytes()).is_none() {
            let Ok(true) = self.read(text).await else {
                panic!("the stream ended before {text:?}: {}", self.text());
            };
        }
    }

    /// Reads to the end; whether that was a proper one, and not a cut.
    pub(crate) async fn end(&mut self) -> bool {
        loop {
            match self.read("the end of the stream").await {
                Ok(true) => {}
                Ok(false) => return true,
                Err(_) => return false,
            }
        }
    }

    /// All that has been read of the body so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    async fn read(&mut self, what: &str) -> io::Result<bool> {
        let piece = soon(what, self.connection.reader.piece(&mut self.rest)).await?;
        if let Some(piece) = &piece {
            self.seen.extend_from_slice(piece);
        }
        Ok(piece.is_some())
    }
}
