//! An outbound proxy on loopback: records what it is asked for, and leads everything to one upstream.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use openssl::ssl::{Ssl, SslAcceptor};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_openssl::SslStream;

use super::tls::{Authority, Offer};
use super::wire::Reader;

/// User and password that a guarded proxy wants.
pub(crate) const LOGIN: (&str, &str) = ("fox", "p@ss/word");
/// The same in a URL.
pub(crate) const LOGIN_IN_URL: &str = "fox:p%40ss%2Fword";

/// How it deals with what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It lets everyone through.
    Open,
    /// It wants `LOGIN`.
    Guarded,
    /// It answers `CONNECT` with this status, SOCKS with this code.
    Refusing(u16),
    /// It takes connections and says nothing.
    Silent,
}

/// What it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    Connect,
    Socks5,
}

/// A running proxy; it ends with the test.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

struct Shared {
    speech: Speech,
    manner: Manner,
    upstream: SocketAddr,
    /// `host:port` of everything that it was asked to connect to.
    asked: Mutex<Vec<String>>,
}

impl Proxy {
    /// A proxy that leads to `upstream` whatever it is asked for.
    pub(crate) async fn start(speech: Speech, manner: Manner, upstream: SocketAddr) -> Self {
        Self::launch(speech, manner, upstream, None).await
    }

    /// A `CONNECT` proxy behind TLS, with a certificate for `localhost`.
    pub(crate) async fn tls(authority: &Authority, manner: Manner, upstream: SocketAddr) -> Self {
        let acceptor = authority.acceptor(Offer::Http1);
        Self::launch(Speech::Connect, manner, upstream, Some(acceptor)).await
    }

    async fn launch(
        speech: Speech,
        manner: Manner,
        upstream: SocketAddr,
        acceptor: Option<SslAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { speech, manner, upstream, asked: Mutex::default() });
        let listener = tokio::spawn(accept(listener, acceptor, Arc::clone(&shared)));
        Self { address, shared, listener }
    }

    /// `scheme://127.0.0.1:port`
    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// The same with a login in it.
    pub(crate) fn url_with(&self, scheme: &str, login: &str) -> String {
        format!("{scheme}://{login}@{}", self.address)
    }

    /// `host:port` of everything that it was asked to connect to, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: Option<SslAcceptor>, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Some(acceptor) = acceptor else { return serve(stream, &shared).await };
            let session = Ssl::new(acceptor.context()).unwrap();
            let mut stream = SslStream::new(session, stream).unwrap();
            if Pin::new(&mut stream).accept().await.is_ok() {
                serve(stream, &shared).await;
            }
        });
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, shared: &Shared) {
    let stream = match shared.speech {
        _ if shared.manner == Manner::Silent => return std::future::pending().await,
        Speech::Connect => connect(stream, shared).await,
        Speech::Socks5 => socks(stream, shared).await,
    };
    let Some(mut stream) = stream else { return };
    let mut upstream = TcpStream::connect(shared.upstream).await.unwrap();
    copy_bidirectional(&mut stream, &mut upstream).await.ok();
}

async fn connect<S: AsyncRead + AsyncWrite + Unpin>(stream: S, shared: &Shared) -> Option<S> {
    use base64::Engine as _;
    let mut reader = Reader::new(stream);
    let head = reader.request().await.ok()??;
    assert_eq!(head.method, "CONNECT");
    assert_eq!(head.headers.get("host"), Some(head.target.as_str()));
    shared.asked.lock().push(head.target.clone());
    let (user, password) = LOGIN;
    let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let right = head.headers.get("proxy-authorization") == Some(&format!("Basic {login}"));
    let status = match shared.manner {
        Manner::Refusing(status) => status,
        Manner::Guarded if !right => 407,
        Manner::Open | Manner::Guarded | Manner::Silent => 200,
    };
    let answer = format!("HTTP/1.1 {status} Scripted\r\nvia: test\r\n\r\n");
    reader.stream.write_all(answer.as_bytes()).await.ok()?;
    (status == 200).then_some(reader.stream)
}

/// <https://www.rfc-editor.org/rfc/rfc1928>, <https://www.rfc-editor.org/rfc/rfc1929>
async fn socks<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, shared: &Shared) -> Option<S> {
    let [version, count] = take(&mut stream).await?;
    assert_eq!(version, 5);
    let methods = take_many(&mut stream, count).await?;
    let wanted = if shared.manner == Manner::Guarded { 2 } else { 0 };
    if !methods.contains(&wanted) {
        stream.write_all(&[5, 0xff]).await.ok()?;
        return None;
    }
    stream.write_all(&[5, wanted]).await.ok()?;
    if wanted == 2 {
        let [_, length] = take(&mut stream).await?;
        let user = take_many(&mut stream, length).await?;
        let [length] = take(&mut stream).await?;
        let password = take_many(&mut stream, length).await?;
        let right = (user, password) == (LOGIN.0.into(), LOGIN.1.into());
        stream.write_all(&[1, u8::from(!right)]).await.ok()?;
        if !right {
            return None;
        }
    }
    let [_, command, _, form] = take(&mut stream).await?;
    assert_eq!(command, 1, "CONNECT");
    let host = match form {
        1 => Ipv4Addr::from(take::<4, _>(&mut stream).await?).to_string(),
        3 => {
            let [length] = take(&mut stream).await?;
            String::from_utf8(take_many(&mut stream, length).await?).ok()?
        }
        other => panic!("address form {other}"),
    };
    let port = u16::from_be_bytes(take(&mut stream).await?);
    shared.asked.lock().push(format!("{host}:{port}"));
    let code = match shared.manner {
        Manner::Refusing(code) => u8::try_from(code).unwrap(),
        Manner::Open | Manner::Guarded | Manner::Silent => 0,
    };
    stream.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    (code == 0).then_some(stream)
}

async fn take<const N: usize, S: AsyncRead + Unpin>(stream: &mut S) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}

async fn take_many<S: AsyncRead + Unpin>(stream: &mut S, count: u8) -> Option<Vec<u8>> {
    let mut bytes = vec![0; count.into()];
    stream.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}
