//! What the gateway asks for itself: one request, its whole answer, over the same ways as the requests of clients.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderValue, StatusCode, header};
use pingora::ErrorType;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::{HttpPeer, Peer as _};
use tokio::runtime::Handle;

use super::broke;
use super::destination::Destination;

/// A list of all models of the largest provider is a tenth of this.
const ANSWER_READ: usize = 4 * 1024 * 1024;

/// What a server answered.
pub struct Answered {
    /// Its status.
    pub status: StatusCode,
    /// Its body, whole.
    pub body: Bytes,
    /// From the start to the answer's head.
    pub first_byte: Duration,
}

/// One request's way to a server. Dropped, it cancels the request: a connection of its own is closed, and of one that it
/// shares (HTTP/2) its stream.
pub struct Channel {
    /// What is said over it.
    pub session: HttpSession<()>,
    peer: HttpPeer,
    connector: Arc<Connector<()>>,
}

impl Drop for Channel {
    fn drop(&mut self) {
        let session = std::mem::replace(&mut self.session, HttpSession::Custom(()));
        // What is shared is kept for a moment, and must be told that it is idle. At the end of the process nobody is.
        if matches!(session, HttpSession::H2(_)) && Handle::try_current().is_ok() {
            let idle = self.peer.idle_timeout();
            let released = self.connector.release_http_session(session, &self.peer, idle);
            // For HTTP/2 that is done at once.
            let _ = released.now_or_never();
        }
    }
}

/// The gateway as a client.
pub struct Fetch {
    connector: Arc<Connector<()>>,
    certificates: Option<String>,
}

impl Fetch {
    /// `certificates` is the file of authorities to trust.
    pub fn new(certificates: Option<String>) -> Self {
        let mut options = ConnectorOptions::new(1);
        options.ca_file.clone_from(&certificates);
        Self { connector: Arc::new(Connector::new(Some(options))), certificates }
    }

    /// The file of authorities to trust.
    pub fn certificates(&self) -> Option<&str> {
        self.certificates.as_deref()
    }

    /// Asks, and reads the whole answer, whatever its status. The error says why there is none; it holds nothing of the
    /// request.
    pub async fn send(
        &self,
        destination: &Destination,
        request: http::Request<Bytes>,
        patience: Duration,
    ) -> Result<Answered, String> {
        match tokio::time::timeout(patience, self.exchange(destination, request, patience)).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("no answer within {}", humantime::format_duration(patience))),
        }
    }

    /// The way to a server, or why there is none.
    pub async fn connect(&self, destination: &Destination) -> Result<Channel, String> {
        let peer = destination.peer().await?;
        let connected = self.connector.get_http_session(&peer).await;
        let (session, _) = connected.map_err(|error| destination.cannot_connect(&error))?;
        Ok(Channel { session, peer, connector: Arc::clone(&self.connector) })
    }

    async fn exchange(
        &self,
        destination: &Destination,
        request: http::Request<Bytes>,
        patience: Duration,
    ) -> Result<Answered, String> {
        let began = Instant::now();
        let mut channel = self.connect(destination).await?;
        channel.session.set_read_timeout(Some(patience));
        let asked = ask(&mut channel.session, destination, request, began).await;
        let answer = asked.map_err(|error| {
            format!("{} broke off: {}", destination.authority(), broke::reason(&error))
        })?;
        Ok(answer)
    }
}

async fn ask(
    session: &mut HttpSession<()>,
    destination: &Destination,
    request: http::Request<Bytes>,
    began: Instant,
) -> pingora::Result<Answered> {
    let (mut head, body) = request.into_parts();
    head.headers.insert(header::HOST, destination.host().clone());
    head.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if !body.is_empty() {
        head.headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    session.write_request_header(Box::new(RequestHeader::from(head))).await?;
    if !body.is_empty() {
        session.write_request_body(body, true).await?;
    }
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let first_byte = began.elapsed();
    let status = session.response_header().map_or(StatusCode::BAD_GATEWAY, |head| head.status);
    let mut answer = Vec::new();
    while let Some(chunk) = session.read_response_body().await? {
        answer.extend_from_slice(&chunk);
        if answer.len() > ANSWER_READ {
            return pingora::Error::e_explain(ErrorType::ReadError, "the answer is too long");
        }
    }
    Ok(Answered { status, body: answer.into(), first_byte })
}
