//! The scripted upstream over TLS: a test authority, and HTTP/2 for peers that offer it.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use h2::SendStream;
use h2::server::SendResponse;
use http::{Request, Response};
use openssl::pkey::PKey;
use openssl::ssl::{AlpnError, Ssl, SslAcceptor, SslMethod, select_next_proto};
use openssl::x509::X509;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_openssl::SslStream;

use super::script::{Answer, Seen, Step};
use super::upstream::{Shared, converse};
use super::wire::Headers;

/// What a TLS upstream offers in ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Http1,
    Http2,
}

/// A certificate authority that only this test knows.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // A name of its own: an issuer named like the subject reads as self-signed.
        params.distinguished_name.push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    /// The file for `SSL_CERT_FILE`.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(super) fn acceptor(&self, offer: Offer) -> SslAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PKey::private_key_from_pem(key.serialize_pem().as_bytes()).unwrap();
        let certificate = X509::from_pem(certificate.pem().as_bytes()).unwrap();
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        builder.set_private_key(&key).unwrap();
        builder.set_certificate(&certificate).unwrap();
        let offered: &[u8] = match offer {
            Offer::Http1 => b"\x08http/1.1",
            Offer::Http2 => b"\x02h2\x08http/1.1",
        };
        builder.set_alpn_select_callback(move |_, asked| {
            select_next_proto(offered, asked).ok_or(AlpnError::NOACK)
        });
        builder.build()
    }
}

pub(super) async fn accept(listener: TcpListener, acceptor: SslAcceptor, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).ok();
        let session = Ssl::new(acceptor.context()).unwrap();
        let stream = SslStream::new(session, stream).unwrap();
        tokio::spawn(greet(stream, Arc::clone(&shared)));
    }
}

async fn greet(mut stream: SslStream<TcpStream>, shared: Arc<Shared>) {
    if Pin::new(&mut stream).accept().await.is_err() {
        return;
    }
    match stream.ssl().selected_alpn_protocol() {
        Some(b"h2") => converse_h2(stream, shared).await,
        _ => converse(stream, shared).await,
    }
}

/// Serves one HTTP/2 connection, each request in a task of its own.
async fn converse_h2(stream: SslStream<TcpStream>, shared: Arc<Shared>) {
    let connection = shared.opened();
    let Ok(mut session) = h2::server::handshake(stream).await else { return };
    let mut turn = 0;
    while let Some(Ok((request, respond))) = session.accept().await {
        tokio::spawn(respond_to(request, respond, Arc::clone(&shared), (connection, turn)));
        turn += 1;
    }
    shared.ended(connection);
}

async fn respond_to(
    request: Request<h2::RecvStream>,
    respond: SendResponse<Bytes>,
    shared: Arc<Shared>,
    (connection, turn): (usize, usize),
) {
    let (head, mut incoming) = request.into_parts();
    let mut body = BytesMut::new();
    while let Some(Ok(data)) = incoming.data().await {
        incoming.flow_control().release_capacity(data.len()).ok();
        body.extend_from_slice(&data);
    }
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let lines = head.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
    let answer = shared.asked(Seen {
        connection,
        turn,
        version: "HTTP/2",
        method: head.method.to_string(),
        target: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: Headers(lines.collect()),
        body: body.freeze(),
    });
    // The peer may go at any moment, which only ends this answer.
    play(&answer, respond).await.ok();
    shared.answered();
}

async fn play(answer: &Answer, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut body: Option<SendStream<Bytes>> = None;
    for step in &answer.steps {
        match step {
            Step::Head => {
                let mut head = Response::builder().status(answer.status);
                for (name, value) in &answer.headers {
                    head = head.header(name, value);
                }
                body = Some(respond.send_response(head.body(()).unwrap(), false)?);
            }
            Step::Chunk(data) | Step::Raw(data) => {
                body.as_mut().unwrap().send_data(data.clone(), false)?;
            }
            Step::Pause(time) => tokio::time::sleep(*time).await,
            Step::Wait(gate) => gate.passed().await,
            Step::Hang => {
                // Until the peer gives the request up.
                std::future::poll_fn(|context| match &mut body {
                    Some(body) => body.poll_reset(context),
                    None => respond.poll_reset(context),
                })
                .await?;
                return Ok(());
            }
            Step::Close | Step::Reset => {
                respond.send_reset(h2::Reason::INTERNAL_ERROR);
                return Ok(());
            }
        }
    }
    body.map_or(Ok(()), |mut body| body.send_data(Bytes::new(), true))
}
