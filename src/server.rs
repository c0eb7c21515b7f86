//! The process: runtime, listener, signals; how the proxy port is opened and closed.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pingora::listeners::ListenerConfig;
use pingora::protocols::l4::stream::L4BufferSettings;
use pingora::proxy::http_proxy_service;
use pingora::server::Fds;
use pingora::server::configuration::ServerConf;
use pingora::services::Service as _;
use pingora_runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::Failure;
use crate::proxy::Gateway;
use crate::proxy::live::{InFlight, Live};
use crate::store::Store;

/// Pingora's buffer for what it reads from a client: 64 KiB by default, for each open connection. A request is read into
/// a buffer of its own, so a small one costs nothing.
const CLIENT_READ_BUFFER: usize = 4 * 1024;
/// The proxy loop's own bound on attempts; `pool.max_attempts` is what counts.
const LOOP_BOUND: usize = 64;
/// Connections kept to all upstreams together.
const KEPT_CONNECTIONS: usize = 1024;

/// A gateway that can be run.
pub struct Server {
    runtime: Runtime,
    live: Arc<ArcSwap<Live>>,
    store: Store,
    in_flight: InFlight,
    conf: Arc<ServerConf>,
}

/// An open proxy port.
struct Port {
    stop: watch::Sender<bool>,
    service: JoinHandle<()>,
}

/// What a signal asks for.
enum Asked {
    Stop,
    Reload,
}

impl Server {
    /// A server over a configuration that is ready to work.
    pub fn new(live: Live, store: Store, certificates: Option<String>) -> Self {
        let threads = match live.config.proxy.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        };
        let conf = ServerConf {
            threads,
            max_retries: LOOP_BOUND,
            upstream_keepalive_pool_size: KEPT_CONNECTIONS,
            ca_file: certificates,
            ..ServerConf::default()
        };
        Self {
            runtime: Runtime::new_no_steal(threads, "levity"),
            live: Arc::new(ArcSwap::from_pointee(live)),
            store,
            in_flight: InFlight::default(),
            conf: Arc::new(conf),
        }
    }

    /// Where tasks beside the proxy run.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.runtime.get_handle().spawn(task);
    }

    /// Serves on a listener until the process is told to stop, then lets running requests finish. `reload` makes a new
    /// configuration out of the old one.
    pub fn run(
        self,
        listener: TcpListener,
        reload: impl Fn(&Live) -> Result<Live, Failure>,
    ) -> Result<(), Failure> {
        let control = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("cannot start the runtime: {error}")))?;
        let port = self
            .open(listener)
            .map_err(|error| Failure::failed(format!("cannot serve: {error}")))?;
        control.block_on(async {
            loop {
                match next_signal().await {
                    Ok(Asked::Stop) => break,
                    Ok(Asked::Reload) => self.reload(&reload),
                    Err(error) => {
                        return Err(Failure::failed(format!("cannot watch signals: {error}")));
                    }
                }
            }
            self.drain(port).await;
            Ok(())
        })?;
        self.store.close();
        self.runtime.shutdown_timeout(Duration::from_millis(500));
        Ok(())
    }

    /// Hands a bound listener to Pingora, which then has nothing left to fail at: its own `bind` would panic.
    fn open(&self, listener: TcpListener) -> io::Result<Port> {
        let address = listener.local_addr()?.to_string();
        listener.set_nonblocking(true)?;
        let mut fds = Fds::new();
        fds.add(address.clone(), listener.into_raw_fd());
        let gateway =
            Gateway::new(Arc::clone(&self.live), self.store.clone(), self.in_flight.clone());
        let mut service = http_proxy_service(&self.conf, gateway);
        let buffers = L4BufferSettings::default().read(CLIENT_READ_BUFFER);
        service.add_listener(ListenerConfig::tcp(&address).l4_buffer(buffers));
        let (stop, stopped) = watch::channel(false);
        let listeners = self.conf.threads;
        let service = self.runtime.get_handle().spawn(async move {
            service.start_service(Some(Arc::new(Mutex::new(fds))), stopped, listeners).await;
        });
        Ok(Port { stop, service })
    }

    /// Closes the port and waits for the requests under way; a second signal ends the wait.
    async fn drain(&self, port: Port) {
        let _ = port.stop.send(true);
        let _ = port.service.await;
        let open = self.in_flight.count();
        if open > 0 {
            log::info!(
                "stopping: {open} requests are still running; a second signal cuts them off"
            );
        }
        tokio::select! {
            () = self.in_flight.drained() => {}
            _ = next_signal() => log::warn!("stopped with {} requests cut off", self.in_flight.count()),
        }
    }

    fn reload(&self, reload: &impl Fn(&Live) -> Result<Live, Failure>) {
        match reload(&self.live.load()) {
            Ok(live) => {
                log::info!("reloaded: {} accounts", live.config.accounts.len());
                self.live.store(Arc::new(live));
            }
            Err(failure) => log::error!("not reloaded, the old configuration stays: {failure}"),
        }
    }
}

async fn next_signal() -> io::Result<Asked> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = terminate.recv() => Ok(Asked::Stop),
        _ = interrupt.recv() => Ok(Asked::Stop),
        _ = hang_up.recv() => Ok(Asked::Reload),
    }
}

/// Binds the proxy port, or says why not.
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

/// The file of certificate authorities to trust. The vendored OpenSSL knows no system's place for it, and Pingora panics
/// over one that cannot be read.
pub fn certificates() -> Result<Option<String>, Failure> {
    let Some(path) = openssl_probe::probe().cert_file else {
        log::warn!("no CA certificates found: install ca-certificates, or set SSL_CERT_FILE");
        return Ok(None);
    };
    let unusable = |reason: String| {
        Failure::failed(format!("cannot read the CA certificates in {}: {reason}", path.display()))
            .with_hint("set SSL_CERT_FILE to a PEM file of the authorities to trust")
    };
    let pem = std::fs::read(&path).map_err(|error| unusable(error.to_string()))?;
    let found =
        openssl::x509::X509::stack_from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
    if found.is_empty() {
        return Err(unusable("no certificate in it".to_owned()));
    }
    Ok(Some(path.to_string_lossy().into_owned()))
}
