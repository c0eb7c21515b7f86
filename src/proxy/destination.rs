//! Where a server is and which way leads there: its address, TLS, and the proxy in between.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use parking_lot::Mutex;
use pingora::Error;
use pingora::protocols::ALPN;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use url::Url;

use super::broke;
use super::tunnel::Tunnel;
use crate::config::outbound::WayOut;
use crate::pool::verdict::Scope;

/// How long a resolved address is used before the name is looked up again.
const DNS_KEPT: Duration = Duration::from_secs(30);
/// How long a connection is kept for the next request. Providers close theirs after a minute or more.
const KEPT_IDLE: Duration = Duration::from_secs(55);
/// The upper bit of a group is for requests that want a new connection.
const GROUPS: u64 = u64::MAX >> 1;

/// One server.
#[derive(Debug)]
pub struct Destination {
    tls: bool,
    name: String,
    port: u16,
    /// `Host` of every request.
    host: HeaderValue,
    connect: Duration,
    resolved: Mutex<Resolved>,
    /// Keeps the connections of those apart that share a server.
    group: u64,
    tunnel: Option<Arc<Tunnel>>,
}

#[derive(Debug)]
enum Resolved {
    /// It is an address.
    Literal(SocketAddr),
    /// The name's address, and when it was looked up.
    Looked(Option<(SocketAddr, Instant)>),
}

/// What is the same for all servers.
#[derive(Clone, Copy, Debug)]
pub struct Ways<'a> {
    /// How requests leave.
    pub out: &'a WayOut,
    /// How long a connection may take, TLS and proxy included.
    pub connect: Duration,
    /// The file of authorities to trust.
    pub certificates: Option<&'a str>,
}

impl Destination {
    /// The server of a URL. Those of different groups share no connection.
    pub fn new(url: &Url, ways: Ways<'_>, group: u64) -> Self {
        let port = url.port_or_known_default().unwrap_or(443);
        let name = url.host_str().unwrap_or_default().to_owned();
        let tunnel = ways
            .out
            .proxy_for(url)
            .map(|proxy| Arc::new(Tunnel::new(Arc::clone(proxy), &name, port, ways.certificates)));
        let (hop, hop_port) = match &tunnel {
            Some(tunnel) => (tunnel.proxy().host.as_str(), tunnel.proxy().port),
            None => (name.trim_start_matches('[').trim_end_matches(']'), port),
        };
        let resolved = match hop.parse::<IpAddr>() {
            Ok(ip) => Resolved::Literal(SocketAddr::new(ip, hop_port)),
            Err(_) => Resolved::Looked(None),
        };
        let group = match &tunnel {
            None => group,
            Some(tunnel) => group_of(group, tunnel, &name, port),
        };
        Self {
            tls: url.scheme() == "https",
            host: host_header(url),
            connect: ways.connect,
            resolved: Mutex::new(resolved),
            name,
            port,
            group,
            tunnel,
        }
    }

    /// `host:port`, for messages.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.name, self.port)
    }

    /// `Host` of every request.
    pub const fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// What to avoid when no connection can be made: a proxy that fails says nothing of the provider behind it.
    pub const fn scope(&self) -> Scope {
        if self.tunnel.is_some() { Scope::Account } else { Scope::Provider }
    }

    /// Where to connect, or why that cannot be told. Looks a name up where it has to.
    pub async fn peer(&self) -> Result<HttpPeer, String> {
        let address = self.address().await.map_err(|error| self.not_found(&error))?;
        let mut peer = HttpPeer::new(address, self.tls, self.name.clone());
        peer.group_key = self.group;
        let options = &mut peer.options;
        options.connection_timeout = Some(self.connect);
        options.total_connection_timeout = Some(self.connect);
        options.idle_timeout = Some(KEPT_IDLE);
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::default();
        if self.tls {
            options.alpn = ALPN::H2H1;
        }
        if let Some(tunnel) = &self.tunnel {
            if !tunnel.can_be_kept() {
                options.idle_timeout = Some(Duration::ZERO);
            }
            options.custom_l4 = Some(Arc::<Tunnel>::clone(tunnel));
        }
        Ok(peer)
    }

    fn not_found(&self, error: &std::io::Error) -> String {
        match &self.tunnel {
            Some(tunnel) => format!("cannot find the proxy {}: {error}", tunnel.proxy()),
            None => format!("cannot find {}: {error}", self.authority()),
        }
    }

    /// The address of the server, or of the proxy before it.
    async fn address(&self) -> std::io::Result<SocketAddr> {
        match &*self.resolved.lock() {
            Resolved::Literal(address) => return Ok(*address),
            Resolved::Looked(Some((address, since))) if since.elapsed() < DNS_KEPT => {
                return Ok(*address);
            }
            Resolved::Looked(_) => {}
        }
        let hop = match &self.tunnel {
            Some(tunnel) => (tunnel.proxy().host.as_str(), tunnel.proxy().port),
            None => (self.name.as_str(), self.port),
        };
        let found: Vec<SocketAddr> = tokio::net::lookup_host(hop).await?.collect();
        let mut resolved = self.resolved.lock();
        let before = match &*resolved {
            Resolved::Looked(Some((address, _))) => Some(*address),
            Resolved::Looked(None) | Resolved::Literal(_) => None,
        };
        // Kept connections are found by address: as long as the name has the one in use, it stays.
        let address = before
            .filter(|address| found.contains(address))
            .or_else(|| found.first().copied())
            .ok_or_else(|| std::io::Error::other("the name has no address"))?;
        *resolved = Resolved::Looked(Some((address, Instant::now())));
        Ok(address)
    }

    /// A connection failed: gives what to say of it. The next one looks the name up again.
    pub fn cannot_connect(&self, error: &Error) -> String {
        let mut resolved = self.resolved.lock();
        if matches!(&*resolved, Resolved::Looked(_)) {
            *resolved = Resolved::Looked(None);
        }
        format!("cannot connect to {}: {}", self.authority(), broke::reason(error))
    }
}

/// Pingora tells kept connections apart by the address that it connects to, which is the proxy's, and by this number: so
/// the proxy's login and what lies behind it have to be in it.
fn group_of(group: u64, tunnel: &Tunnel, name: &str, port: u16) -> u64 {
    let mut hash = DefaultHasher::new();
    (group, tunnel.proxy(), name, port).hash(&mut hash);
    hash.finish() & GROUPS
}

fn host_header(url: &Url) -> HeaderValue {
    let host = url.host_str().unwrap_or_default();
    let text = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}
