//! An answer that the gateway has begun to hear itself, handed over to Pingora: as a connection that it comes in on.
//!
//! Pingora hears answers from connections alone. This one takes any request and says nothing but the answer, in HTTP/1.1:
//! its head, the pieces that were heard, and what is still to come. So all that an answer goes through is the same.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::io;
use std::net::{Ipv4Addr, SocketAddr as Address};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf as _, Bytes};
use futures::Stream;
use http::header;
use parking_lot::Mutex;
use pingora::connectors::L4Connect;
use pingora::http::ResponseHeader;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream as Connection;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::fetch::Channel;
use super::head::leave_connection;

/// An answer as far as it was heard.
pub struct Answer {
    /// Its head, as it came.
    pub head: ResponseHeader,
    /// The pieces of its body that were heard.
    pub pieces: VecDeque<Bytes>,
    /// What it comes over, where more of it is to come.
    pub channel: Option<Channel>,
}

/// What is still to come of an answer.
type Rest = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

impl Answer {
    /// Where Pingora has to connect to hear it.
    pub fn peer(self) -> HttpPeer {
        // Nobody listens there, and no connection to it is ever kept.
        let nowhere = Address::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut peer = HttpPeer::new(nowhere, false, String::new());
        peer.options.idle_timeout = Some(Duration::ZERO);
        peer.options.custom_l4 = Some(Arc::new(Once(Mutex::new(Some(self.into_line())))));
        peer
    }

    fn into_line(self) -> Line {
        let Self { head, mut pieces, channel } = self;
        pieces.push_front(written(head));
        Line { heard: pieces, rest: Mutex::new(channel.map(rest)) }
    }
}

/// The head as it stands on the wire. What the body's length was said to be stays; without it the body ends with the
/// connection.
fn written(mut head: ResponseHeader) -> Bytes {
    let status = head.status;
    let mut parts =
        http::response::Parts::from(std::mem::replace(&mut head, super::head::bare_head(status)));
    leave_connection(&mut parts.headers);
    let mut out = String::new();
    let _ = write!(out, "HTTP/1.1 {}\r\n", status.as_u16());
    let mut out = out.into_bytes();
    for (name, value) in &parts.headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(header::CONNECTION.as_str().as_bytes());
    out.extend_from_slice(b": close\r\n\r\n");
    out.into()
}

fn rest(channel: Channel) -> Rest {
    Box::pin(futures::stream::unfold(Some(channel), |channel| async {
        let mut channel = channel?;
        match channel.session.read_response_body().await {
            Ok(Some(piece)) => Some((Ok(piece), Some(channel))),
            Ok(None) => None,
            Err(error) => Some((Err(io::Error::other(error)), None)),
        }
    }))
}

/// A connection that can be had once.
struct Once(Mutex<Option<Line>>);

#[async_trait]
impl L4Connect for Once {
    async fn connect(&self, _address: &SocketAddr) -> Result<Connection> {
        let Some(line) = self.0.lock().take() else {
            return Error::e_explain(ErrorType::ConnectError, "the answer was heard already");
        };
        Ok(VirtualSocketStream::new(Box::new(line)).into())
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

/// The connection.
struct Line {
    heard: VecDeque<Bytes>,
    /// Locked by nobody: it makes the line one that threads may share.
    rest: Mutex<Option<Rest>>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl VirtualSocket for Line {
    fn set_socket_option(&self, _option: VirtualSockOpt) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { heard, rest } = self.get_mut();
        loop {
            match heard.front_mut() {
                Some(piece) if piece.is_empty() => {
                    heard.pop_front();
                }
                Some(piece) => {
                    let fits = piece.len().min(buffer.remaining());
                    buffer.put_slice(piece.get(..fits).unwrap_or_default());
                    piece.advance(fits);
                    return Poll::Ready(Ok(()));
                }
                None => {
                    let Some(more) = rest.get_mut() else { return Poll::Ready(Ok(())) };
                    match std::task::ready!(more.as_mut().poll_next(context)) {
                        Some(Ok(piece)) => heard.push_back(piece),
                        Some(Err(error)) => return Poll::Ready(Err(error)),
                        None => *rest.get_mut() = None,
                    }
                }
            }
        }
    }
}

/// The request is of no use: it was made before.
impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
