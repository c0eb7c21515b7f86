//! The proxy port: bound, opened on Pingora, closed.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pingora::listeners::ListenerConfig;
use pingora::protocols::l4::stream::L4BufferSettings;
use pingora::proxy::http_proxy_service;
use pingora::server::Fds;
use pingora::server::configuration::ServerConf;
use pingora::services::Service as _;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::Failure;
use crate::proxy::Gateway;
use crate::proxy::live::{InFlight, Live};
use crate::proxy::watch::Watch;
use crate::store::Store;

/// Pingora's buffer for what it reads from a client: 64 KiB by default, for each open connection. A request is read into
/// a buffer of its own, so a small one costs nothing.
const CLIENT_READ_BUFFER: usize = 4 * 1024;

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

/// An open proxy port.
pub struct Port {
    /// Where it listens.
    pub address: SocketAddr,
    /// The requests that came in by it.
    pub in_flight: InFlight,
    stop: watch::Sender<bool>,
    service: JoinHandle<()>,
}

impl Opener {
    /// Hands a bound listener to Pingora, which then has nothing left to fail at: its own `bind` would panic.
    pub fn open(&self, listener: TcpListener) -> io::Result<Port> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let mut fds = Fds::new();
        fds.add(address.to_string(), listener.into_raw_fd());
        let in_flight = InFlight::default();
        let gateway = Gateway::new(
            Arc::clone(&self.live),
            self.store.clone(),
            in_flight.clone(),
            self.watch.clone(),
        );
        let mut service = http_proxy_service(&self.conf, gateway);
        let buffers = L4BufferSettings::default().read(CLIENT_READ_BUFFER);
        service.add_listener(ListenerConfig::tcp(address.to_string()).l4_buffer(buffers));
        let (stop, stopped) = watch::channel(false);
        let listeners = self.conf.threads;
        let service = self.workers.spawn(async move {
            service.start_service(Some(Arc::new(Mutex::new(fds))), stopped, listeners).await;
        });
        Ok(Port { address, in_flight, stop, service })
    }
}

impl Port {
    /// Closes the port: the system refuses new connections when this resolves. Gives the requests still under way.
    pub async fn close(self) -> InFlight {
        let _ = self.stop.send(true);
        let _ = self.service.await;
        self.in_flight
    }
}

/// Binds a port, or says why not.
pub fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
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
    })
}
