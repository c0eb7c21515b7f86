//! The process: its runtimes, its signals, and how it ends.

pub mod console;
pub mod lan;
mod patient;
pub mod port;
pub mod systemd;
pub mod upgrade;
pub mod watch;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use pingora::server::configuration::ServerConf;
use pingora_runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::control::Control;
use crate::control::state::Phase;
use crate::error::Failure;
use crate::loader::{Loader, Setup};
use crate::proxy::watch::Watch;
use crate::store::Store;
use port::{Bound, Opener};
use upgrade::Taken;

/// The proxy loop's own bound on attempts; `pool.max_attempts` is what counts.
const LOOP_BOUND: usize = 64;
/// Connections kept to all upstreams together.
const KEPT_CONNECTIONS: usize = 1024;
/// Threads for the console and everything else beside the proxy.
const CONTROL_THREADS: usize = 2;

/// A gateway that can be run.
pub struct Server {
    /// The proxy's worker threads: nothing but requests runs there.
    workers: Runtime,
    /// Where everything else runs.
    beside: tokio::runtime::Runtime,
    control: Control,
    store: Store,
    consoles: mpsc::UnboundedReceiver<console::Change>,
}

/// What a server begins with.
pub struct Start {
    /// The proxy port; `None` leaves it closed.
    pub port: Option<Bound>,
    /// The console's port, where it is on.
    pub console: Option<Bound>,
    /// What the console serves, whenever it is on.
    pub router: Router,
    /// The process that this one takes over from.
    pub before: Option<Taken>,
}

impl Server {
    /// A server over a configuration that has been loaded; its port is closed.
    pub fn new(loader: Loader, setup: &Setup, store: Store, watch: Watch) -> Result<Self, Failure> {
        let threads = match setup.config.proxy.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        };
        let conf = ServerConf {
            threads,
            max_retries: LOOP_BOUND,
            upstream_keepalive_pool_size: KEPT_CONNECTIONS,
            ca_file: loader.certificates().map(ToOwned::to_owned),
            ..ServerConf::default()
        };
        let workers = Runtime::new_no_steal(threads, "levity");
        let beside = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(CONTROL_THREADS)
            .thread_name("levity-control")
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("cannot start the runtime: {error}")))?;
        let live = Arc::new(ArcSwap::from_pointee(loader.animate(setup, None)));
        let opener = Opener {
            workers: workers.get_handle().clone(),
            conf: Arc::new(conf),
            live: Arc::clone(&live),
            store: store.clone(),
            watch,
        };
        let (changes, consoles) = mpsc::unbounded_channel();
        let control = Control::new(loader, setup, live, opener, changes);
        Ok(Self { workers, beside, control, store, consoles })
    }

    /// The handle to this server.
    pub const fn control(&self) -> &Control {
        &self.control
    }

    /// Where tasks beside the proxy run.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.beside.spawn(task);
    }

    /// Serves until the process is told to stop or another takes over, then lets running requests finish. The console is
    /// served to the very end.
    pub fn run(self, start: Start) -> Result<(), Failure> {
        let Self { workers, beside, control, store, consoles } = self;
        beside.block_on(async {
            let mut signals = Signals::watch()
                .map_err(|error| Failure::failed(format!("cannot watch signals: {error}")))?;
            tokio::spawn(console::serve(start.router, consoles));
            control.start_on(start.port, start.console).await;
            tokio::spawn(watch::config(control.clone()));
            let (handed_over, mut taken_over) = oneshot::channel();
            tokio::spawn(upgrade::offer(control.clone(), start.before, handed_over));
            let environment = control.loader().environment();
            systemd::tell(environment, &systemd::ready());
            loop {
                tokio::select! {
                    asked = signals.next() => match asked {
                        Asked::Stop => {
                            systemd::tell(environment, systemd::STOPPING);
                            break;
                        }
                        // It may have to wait, and the next signal must not. Why not is in the log.
                        Asked::Reload => {
                            let control = control.clone();
                            tokio::spawn(async move { drop(control.reload().await) });
                        }
                    },
                    Ok(()) = &mut taken_over => break,
                }
            }
            drain(&control, &mut signals).await;
            Ok::<_, Failure>(())
        })?;
        store.close();
        control.watch_over().monitor.close();
        control.watch_over().traces.close();
        workers.shutdown_timeout(Duration::from_millis(500));
        beside.shutdown_timeout(Duration::from_millis(500));
        Ok(())
    }
}

/// Closes the port and waits for the requests under way; a second signal ends the wait.
async fn drain(control: &Control, signals: &mut Signals) {
    let stopped = async {
        // A process that takes over may hold the port for a while.
        let state = control.stop(None).await;
        if state.phase != Phase::Stopped {
            let open = state.requests();
            log::info!(
                "stopping: {open} requests are still running; a second signal cuts them off"
            );
        }
        control.stopped().await;
    };
    tokio::select! {
        () = stopped => {}
        () = signals.stop() => {
            log::warn!("stopped with {} requests cut off", control.state().requests());
        }
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Stop,
    Reload,
}

/// The signals that the process listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn watch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }

    /// Resolves when the process is to stop, whatever else it is asked before.
    async fn stop(&mut self) {
        while self.next().await != Asked::Stop {}
    }
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
