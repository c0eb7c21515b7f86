//! The way through an outbound proxy: a connection to it, the handshake, and a raw stream to the provider behind it.

use std::net;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::ssl::{SslConnector, SslMethod};
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;
use tokio_socks::tcp::Socks5Stream;

use crate::config::outbound::{OutboundProxy, ProxyKind};

/// A proxy's answer to `CONNECT` is a head of a few lines.
const HEAD_READ: usize = 16 * 1024;
const HEADERS_READ: usize = 64;

/// One provider behind one proxy.
#[derive(Debug)]
pub struct Tunnel {
    proxy: Arc<OutboundProxy>,
    /// The provider's name or address, without brackets.
    host: String,
    port: u16,
    /// For a proxy that is spoken to over TLS.
    connector: Option<SslConnector>,
}

/// Why a proxy let nothing through.
#[derive(Debug, thiserror::Error)]
#[error("the proxy {proxy} {what}")]
pub struct Refused {
    proxy: String,
    what: String,
}

impl Tunnel {
    /// A way to `host:port`. `certificates` is the file of authorities to trust.
    pub fn new(
        proxy: Arc<OutboundProxy>,
        host: &str,
        port: u16,
        certificates: Option<&str>,
    ) -> Self {
        let wants_tls = proxy.kind == ProxyKind::Https;
        let connector = wants_tls.then(|| connector(certificates)).and_then(Result::ok);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Self { proxy, host, port, connector }
    }

    /// The proxy.
    pub fn proxy(&self) -> &OutboundProxy {
        &self.proxy
    }

    /// Whether a connection can be kept for the next request. Pingora knows those that it keeps by the address of their
    /// socket, and a stream inside another one has none.
    pub fn can_be_kept(&self) -> bool {
        self.proxy.kind != ProxyKind::Https
    }

    async fn open(&self, address: net::SocketAddr) -> Result<Stream, Refused> {
        let unreachable = |error| self.refused(format!("cannot be reached: {error}"));
        let mut stream = TcpStream::connect(address).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        match self.proxy.kind {
            ProxyKind::Http => {
                let early = self.ask(&mut stream).await?;
                Ok(with_early(stream.into(), &early))
            }
            ProxyKind::Https => {
                let mut stream = self.secure(stream).await?;
                let early = self.ask(&mut stream).await?;
                let socket = VirtualSocketStream::new(Box::new(Inner(stream)));
                Ok(with_early(socket.into(), &early))
            }
            ProxyKind::Socks5 | ProxyKind::Socks5h => self.socks(stream).await.map(Stream::from),
        }
    }

    async fn secure(&self, stream: TcpStream) -> Result<SslStream<TcpStream>, Refused> {
        let failed = |error: &dyn std::fmt::Display| self.refused(format!("fails at TLS: {error}"));
        let Some(connector) = &self.connector else {
            return Err(failed(&"the CA certificates cannot be used"));
        };
        let session = connector.configure().and_then(|session| session.into_ssl(&self.proxy.host));
        let session = session.map_err(|error| failed(&error))?;
        let mut stream = SslStream::new(session, stream).map_err(|error| failed(&error))?;
        Pin::new(&mut stream).connect().await.map_err(|error| failed(&error))?;
        Ok(stream)
    }

    /// `CONNECT`; gives what came behind the answer's head.
    /// <https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6>
    async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
    ) -> Result<Vec<u8>, Refused> {
        let broke = |error| self.refused(format!("broke off: {error}"));
        stream.write_all(self.request().as_bytes()).await.map_err(broke)?;
        stream.flush().await.map_err(broke)?;
        let mut head = Vec::new();
        loop {
            if stream.read_buf(&mut head).await.map_err(broke)? == 0 {
                return Err(self.refused("closed the connection".to_owned()));
            }
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_READ];
            let mut answer = httparse::Response::new(&mut headers);
            match answer.parse(&head) {
                Ok(httparse::Status::Complete(length)) => {
                    self.judge(answer.code.unwrap_or_default())?;
                    return Ok(head.split_off(length));
                }
                Ok(httparse::Status::Partial) if head.len() < HEAD_READ => {}
                Ok(httparse::Status::Partial) | Err(_) => {
                    return Err(self.refused("does not answer as an HTTP proxy does".to_owned()));
                }
            }
        }
    }

    fn request(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        let login = self.proxy.login.as_ref().map_or_else(String::new, |(user, password)| {
            let login = STANDARD.encode(format!("{user}:{}", password.expose()));
            format!("Proxy-Authorization: Basic {login}\r\n")
        });
        format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{login}\r\n")
    }

    fn judge(&self, status: u16) -> Result<(), Refused> {
        let target = format!("{}:{}", self.host, self.port);
        match status {
            200..=299 => Ok(()),
            407 => Err(self.refused(format!("answered 407: {}", self.about_login()))),
            403 => Err(self.refused(format!("does not allow connections to {target} (403)"))),
            _ => Err(self.refused(format!("cannot connect to {target}: it answered {status}"))),
        }
    }

    fn about_login(&self) -> &'static str {
        if self.proxy.login.is_some() {
            "it refuses the user and password of its URL"
        } else {
            "it wants a user and password, write them into its URL"
        }
    }

    async fn socks(&self, stream: TcpStream) -> Result<TcpStream, Refused> {
        let target = match self.proxy.kind {
            ProxyKind::Socks5 => self.look_up().await?.to_string(),
            ProxyKind::Http | ProxyKind::Https | ProxyKind::Socks5h => self.host.clone(),
        };
        let target = (target.as_str(), self.port);
        let opened = match &self.proxy.login {
            None => Socks5Stream::connect_with_socket(stream, target).await,
            Some((user, password)) => {
                let password = password.expose();
                Socks5Stream::connect_with_password_and_socket(stream, target, user, password).await
            }
        };
        opened.map(Socks5Stream::into_inner).map_err(|error| self.socks_refused(&error))
    }

    fn socks_refused(&self, error: &tokio_socks::Error) -> Refused {
        use tokio_socks::Error as Socks;
        let target = format!("{}:{}", self.host, self.port);
        let refuses_login = matches!(
            error,
            Socks::NoAcceptableAuthMethods
                | Socks::UnknownAuthMethod
                | Socks::PasswordAuthFailure(_)
                | Socks::AuthorizationRequired
                | Socks::InvalidAuthValues(_)
        );
        self.refused(if refuses_login {
            self.about_login().trim_start_matches("it ").to_owned()
        } else {
            format!("cannot connect to {target}: {error}")
        })
    }

    /// The provider's address, for a proxy that is not to look names up.
    async fn look_up(&self) -> Result<net::IpAddr, Refused> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let address = found.map(|mut found| found.next());
        let why = match address {
            Ok(Some(address)) => return Ok(address.ip()),
            Ok(None) => "it has no address".to_owned(),
            Err(error) => error.to_string(),
        };
        let host = &self.host;
        Err(self.refused(format!(
            "was not asked: {host} cannot be looked up here: {why}; socks5h:// leaves that to the proxy"
        )))
    }

    fn refused(&self, what: String) -> Refused {
        Refused { proxy: self.proxy.to_string(), what }
    }
}

#[async_trait]
impl L4Connect for Tunnel {
    /// `address` is the proxy's.
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let SocketAddr::Inet(address) = address else {
            return Error::e_explain(ErrorType::InternalError, "a proxy has an internet address");
        };
        let refused = |error| Error::because(ErrorType::ConnectError, "through a proxy", error);
        self.open(*address).await.map_err(refused)
    }
}

fn with_early(mut stream: Stream, early: &[u8]) -> Stream {
    stream.rewind(early);
    stream
}

fn connector(certificates: Option<&str>) -> Result<SslConnector, openssl::error::ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls())?;
    if let Some(certificates) = certificates {
        builder.set_ca_file(certificates)?;
    }
    Ok(builder.build())
}

/// A connection inside the TLS connection to a proxy.
#[derive(Debug)]
struct Inner(SslStream<TcpStream>);

impl VirtualSocket for Inner {
    fn set_socket_option(&self, option: VirtualSockOpt) -> std::io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.0.get_ref().set_nodelay(true),
            // A kept-alive connection to the proxy is the proxy's business.
            VirtualSockOpt::KeepAlive(_) | _ => Ok(()),
        }
    }
}

impl AsyncRead for Inner {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Inner {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}
