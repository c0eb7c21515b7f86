//! The handle to the running gateway: what state it is in, and how it is started, stopped and reloaded.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, watch};

use crate::clock;
use crate::config::{Config, Secret};
use crate::error::Failure;
use crate::loader::{self, Loader, Setup};
use crate::monitor::redact::Redactor;
use crate::proxy::live::{InFlight, Live};
use crate::proxy::watch::Watch;
use crate::server::port::{self, Opener, Port};

/// A handle to the running gateway. A clone is another hand on the same one.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

struct Shared {
    loader: Loader,
    live: Arc<ArcSwap<Live>>,
    opener: Opener,
    /// The port, while it is open. Who changes something holds it, so that changes come one after the other.
    port: Mutex<Option<Port>>,
    state: watch::Sender<State>,
}

/// Whether the gateway takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The port is open.
    Running,
    /// The port is closed, and requests that came in before still run.
    Stopping,
    /// The port is closed, and no request runs.
    Stopped,
}

/// What the gateway is about.
#[derive(Clone, Debug)]
pub struct State {
    /// Whether it takes requests.
    pub phase: Phase,
    /// Where it listens; `None` while the port is closed.
    pub address: Option<SocketAddr>,
    /// When the port was opened; `None` while it is closed.
    pub opened: Option<SystemTime>,
    /// When the configuration was loaded that is at work.
    pub loaded: SystemTime,
    /// Why the newest configuration was not taken, if it was not.
    pub problem: Option<String>,
    /// The client key, where auth is on.
    pub client_key: Option<Secret>,
    /// What the owner should know of what is running, beside the configuration's own warnings.
    pub warnings: Vec<String>,
    /// Ports that closed while requests of theirs still ran.
    draining: Vec<InFlight>,
    /// Requests under way at the open port.
    open: InFlight,
}

/// Why the gateway was not started or reloaded. What ran before still does.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// The configuration is wrong.
    #[error("{message}")]
    Invalid {
        /// What is wrong; each line is a problem of its own.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The configuration is right, but what it asks for cannot be had now: a port is taken, or there is no account.
    #[error("{message}")]
    Conflict {
        /// What cannot be had.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl Refused {
    fn invalid(failure: Failure) -> Self {
        let (Failure::Wrong { message, hint } | Failure::Failed { message, hint }) = failure;
        Self::Invalid { message, hint }
    }

    fn conflict(failure: Failure) -> Self {
        let (Failure::Wrong { message, hint } | Failure::Failed { message, hint }) = failure;
        Self::Conflict { message, hint }
    }
}

impl State {
    /// Requests under way, on the open port and on those that have closed.
    pub fn requests(&self) -> usize {
        self.open.count() + self.draining.iter().map(InFlight::count).sum::<usize>()
    }
}

impl Control {
    /// A gateway that is stopped, over a configuration that is at work in `live`.
    pub fn new(loader: Loader, setup: &Setup, live: Arc<ArcSwap<Live>>, opener: Opener) -> Self {
        let state = State {
            phase: Phase::Stopped,
            address: None,
            opened: None,
            loaded: clock::wall(),
            problem: None,
            client_key: setup.secret().cloned(),
            warnings: Vec::new(),
            draining: Vec::new(),
            open: InFlight::default(),
        };
        let port = Mutex::new(None);
        let (state, _) = watch::channel(state);
        Self { shared: Arc::new(Shared { loader, live, opener, port, state }) }
    }

    /// What the gateway is about now.
    pub fn state(&self) -> State {
        self.shared.state.borrow().clone()
    }

    /// Tells each change of state; what requests are under way is no change.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.shared.state.subscribe()
    }

    /// The configuration at work and what belongs to it.
    pub fn live(&self) -> &Arc<ArcSwap<Live>> {
        &self.shared.live
    }

    /// Where the configuration comes from.
    pub fn loader(&self) -> &Loader {
        &self.shared.loader
    }

    /// The request log and the counters.
    pub fn watch_over(&self) -> &Watch {
        &self.shared.opener.watch
    }

    /// Opens the port that the configuration asks for. One that is open already stays.
    pub async fn start(&self) -> Result<State, Refused> {
        let mut open = self.shared.port.lock().await;
        if open.is_none() {
            let live = self.shared.live.load_full();
            loader::usable(&live.config).map_err(Refused::conflict)?;
            let listener = port::bind(live.config.proxy.bind()).map_err(Refused::conflict)?;
            *open = Some(self.open(listener)?);
        }
        Ok(self.state())
    }

    /// Opens the port on a listener that is bound already.
    pub async fn start_on(&self, listener: TcpListener) -> Result<State, Refused> {
        let mut open = self.shared.port.lock().await;
        *open = Some(self.open(listener)?);
        Ok(self.state())
    }

    fn open(&self, listener: TcpListener) -> Result<Port, Refused> {
        let port = self.shared.opener.open(listener).map_err(|error| {
            Refused::conflict(Failure::failed(format!("cannot serve: {error}")))
        })?;
        self.shared.state.send_modify(|state| {
            state.phase = Phase::Running;
            state.address = Some(port.address);
            state.opened = Some(clock::wall());
            state.open = port.in_flight.clone();
        });
        Ok(port)
    }

    /// Closes the port, at once. Requests under way go on to their end.
    pub async fn stop(&self, _deadline: Option<Duration>) -> State {
        let mut open = self.shared.port.lock().await;
        let Some(port) = open.take() else { return self.state() };
        let in_flight = port.close().await;
        self.shared.state.send_modify(|state| {
            state.phase = Phase::Stopping;
            state.address = None;
            state.opened = None;
            state.open = InFlight::default();
            state.draining.push(in_flight.clone());
        });
        drop(open);
        let control = self.clone();
        tokio::spawn(async move {
            in_flight.drained().await;
            control.shared.state.send_modify(State::forget_drained);
        });
        self.shared.state.send_modify(State::forget_drained);
        self.state()
    }

    /// Resolves when the port is closed and no request is under way.
    pub async fn stopped(&self) {
        let mut states = self.watch();
        // The sender lives as long as this handle.
        let _ = states.wait_for(|state| state.phase == Phase::Stopped).await;
    }

    /// Loads the configuration anew and puts it to work; one that is wrong, or whose port cannot be had, changes nothing.
    pub async fn reload(&self) -> Result<State, Refused> {
        let open = self.shared.port.lock().await;
        let outcome = self.take_newest(open.as_ref());
        match &outcome {
            Ok(config) => log::info!("reloaded: {} accounts", config.accounts.len()),
            Err(why) => {
                log::error!("not reloaded, the old configuration stays: {why}");
                let problem = why.to_string();
                self.shared.state.send_modify(|state| state.problem = Some(problem));
            }
        }
        outcome.map(|_| self.state())
    }

    fn take_newest(&self, open: Option<&Port>) -> Result<Config, Refused> {
        let setup = self.shared.loader.load().map_err(Refused::invalid)?;
        if open.is_some() {
            setup.usable().map_err(Refused::conflict)?;
        }
        let live = self.shared.loader.animate(&setup, Some(&self.shared.live.load()));
        let redactor = Redactor::new(&setup.config, setup.secret());
        self.watch_over().monitor.configure(setup.config.monitor, redactor);
        self.shared.live.store(Arc::new(live));
        self.shared.state.send_modify(|state| {
            state.loaded = clock::wall();
            state.problem = None;
            state.client_key = setup.secret().cloned();
        });
        Ok(setup.config)
    }
}

impl State {
    /// Ports whose last request has ended are history.
    fn forget_drained(&mut self) {
        self.draining.retain(|port| port.count() > 0);
        if self.phase == Phase::Stopping && self.draining.is_empty() {
            self.phase = Phase::Stopped;
        }
    }
}
