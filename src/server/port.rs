//! The proxy port: bound, opened on Pingora, closed.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pingora::listeners::ListenerConfig;
use pingora::protocols::l4::stream::L4BufferSettings;
use pingora::proxy::http_proxy;
use pingora::server::Fds;
use pingora::server::configuration::ServerConf;
use pingora::services::Service as _;
use pingora::services::listening::Service;
use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketType};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::patient::{Ending, Patient};
use crate::error::Failure;
use crate::proxy::Gateway;
use crate::proxy::live::{InFlight, Live};
use crate::proxy::watch::Watch;
use crate::store::Store;

/// Pingora's buffer for what it reads from a client: 64 KiB by default, for each open connection. A request is read into
/// a buffer of its own, so a small one costs nothing.
const CLIENT_READ_BUFFER: usize = 4 * 1024;

/// Connections that may wait to be accepted; Pingora sets its own number when it takes the listener.
const BACKLOG: i32 = 1024;

/// What every proxy port of this process is opened with.
pub struct Opener {
    /// The proxy's worker threads.
    pub(super) workers: Handle,
    pub(super) conf: Arc<ServerConf>,
    pub(super) live: Arc<ArcSwap<Live>>,
    pub(super) store: Store,
    /// The request log and the counters.
    pub watch: Watch,
}

/// A listener with two hands on it, one to serve with and one to give away: it listens until both are dropped.
pub struct Bound {
    /// The hand to serve with; it does not block.
    pub listener: TcpListener,
    /// The hand to keep.
    pub kept: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Bound {
    /// Takes a listener for use.
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (kept, address) = (listener.try_clone()?, listener.local_addr()?);
        Ok(Self { listener, kept, address })
    }
}

/// An open proxy port.
pub struct Port {
    /// Where it listens.
    pub address: SocketAddr,
    /// A second hand on its listener.
    pub listener: TcpListener,
    /// The requests that came in by it.
    pub in_flight: InFlight,
    stop: watch::Sender<bool>,
    ending: Arc<Ending>,
    service: JoinHandle<()>,
}

impl Opener {
    /// Hands a bound listener to Pingora, which then has nothing left to fail at: its own `bind` would panic.
    pub fn open(&self, bound: Bound) -> Port {
        let Bound { listener, kept, address } = bound;
        let name = address.to_string();
        let mut fds = Fds::new();
        fds.add(name.clone(), listener.into_raw_fd());
        let in_flight = InFlight::default();
        let gateway = Gateway::new(
            Arc::clone(&self.live),
            self.store.clone(),
            in_flight.clone(),
            self.watch.clone(),
        );
        let ending = Arc::<Ending>::default();
        let proxy = Arc::new(http_proxy(&self.conf, gateway));
        let patient = Patient { proxy, ending: Arc::clone(&ending) };
        let mut service = Service::new("levity".to_owned(), patient);
        let buffers = L4BufferSettings::default().read(CLIENT_READ_BUFFER);
        service.add_listener(ListenerConfig::tcp(name).l4_buffer(buffers));
        let (stop, stopped) = watch::channel(false);
        let listeners = self.conf.threads;
        let service = self.workers.spawn(async move {
            service.start_service(Some(Arc::new(Mutex::new(fds))), stopped, listeners).await;
        });
        Port { address, listener: kept, in_flight, stop, ending, service }
    }
}

impl Port {
    /// Closes the port: this process accepts no connection when this resolves. Gives the requests still under way, those
    /// included that come in on open connections while `patience` lasts.
    pub async fn close(self, patience: Duration) -> InFlight {
        let Self { listener, in_flight, stop, ending, mut service, .. } = self;
        drop(listener);
        let held = in_flight.hold();
        ending.set_patience(patience);
        let _ = stop.send(true);
        if patience.is_zero() {
            let _ = service.await;
            return in_flight;
        }
        tokio::select! {
            () = ending.closed() => {}
            _ = &mut service => {}
        }
        tokio::spawn(async move {
            if !service.is_finished() {
                let _ = service.await;
            }
            drop(held);
        });
        in_flight
    }
}

/// Binds an address while another listener of ours is still open: the same port of another address too.
pub fn bind_beside(listener: &TcpListener, address: SocketAddr) -> Result<Bound, Failure> {
    if listener.local_addr()?.port() != address.port() {
        return bind(address);
    }
    // The system lets two sockets have overlapping addresses when both say so. Neither does afterwards, and whoever does
    // not say so himself is refused as ever.
    let beside = set_socket_reuseport(listener, true).map_err(io::Error::from);
    let bound = beside.and_then(|()| bind_shared(address));
    let _ = set_socket_reuseport(listener, false);
    bound.map_err(|error| unbound(address, &error))
}

/// Binds a port that another socket of ours has as well.
fn bind_shared(address: SocketAddr) -> io::Result<Bound> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    set_socket_reuseaddr(&socket, true)?;
    set_socket_reuseport(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    set_socket_reuseport(&socket, false)?;
    Bound::new(socket.into())
}

/// Binds a port, or says why not.
pub fn bind(address: SocketAddr) -> Result<Bound, Failure> {
    TcpListener::bind(address).and_then(Bound::new).map_err(|error| unbound(address, &error))
}

fn unbound(address: SocketAddr, error: &io::Error) -> Failure {
    let in_use = error.kind() == io::ErrorKind::AddrInUse;
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    let (reason, hint) = if in_use {
        let hint = "another program has that port, perhaps another levity: stop it, or choose a port with `--port N`";
        ("address in use".to_owned(), hint)
    } else if denied {
        let hint = "ports below 1024 are for the system: choose another with `--port N`";
        ("permission denied".to_owned(), hint)
    } else {
        (error.to_string(), "choose another port with `--port N`")
    };
    Failure::failed(format!("cannot bind {address}: {reason}")).with_hint(hint)
}
