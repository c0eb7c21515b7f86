//! The handle to the running gateway: how it is started, stopped, reloaded and handed over.
//!
//! One change at a time: whoever makes one holds the doors.

pub mod hand_over;
pub mod state;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, mpsc, watch};

use self::state::{Phase, Refused, State};
use crate::clock;
use crate::config::Config;
use crate::error::Failure;
use crate::loader::{self, Loader, Setup};
use crate::monitor::redact::Redactor;
use crate::proxy::live::{InFlight, Live};
use crate::proxy::watch::Watch;
use crate::server::console::Change;
use crate::server::port::{self, Bound, Opener, Port};

/// How long connections without a request stay open when another port takes the place of theirs.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a request that is cut off may take to say so to its client.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A handle to the running gateway. A clone is another hand on the same one.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

struct Shared {
    loader: Loader,
    live: Arc<ArcSwap<Live>>,
    opener: Opener,
    doors: Arc<Mutex<Doors>>,
    state: watch::Sender<State>,
    /// Worker threads that the process was started with, as configured.
    threads: usize,
}

/// What is open.
struct Doors {
    port: Option<Port>,
    /// A second hand on the console's listener.
    console: Option<TcpListener>,
    consoles: mpsc::UnboundedSender<Change>,
}

impl Control {
    /// A gateway whose ports are closed, over the configuration that is at work in `live`. `consoles` is told each change
    /// of the console's port.
    pub fn new(
        loader: Loader,
        setup: &Setup,
        live: Arc<ArcSwap<Live>>,
        opener: Opener,
        consoles: mpsc::UnboundedSender<Change>,
    ) -> Self {
        let state = State {
            phase: Phase::Stopped,
            address: None,
            opened: None,
            console: None,
            given_away: false,
            loaded: clock::wall(),
            problem: None,
            client_key: setup.secret().cloned(),
            warnings: Vec::new(),
            draining: Vec::new(),
            open: InFlight::default(),
        };
        let doors = Arc::new(Mutex::new(Doors { port: None, console: None, consoles }));
        let (state, _) = watch::channel(state);
        let threads = setup.config.proxy.threads;
        Self { shared: Arc::new(Shared { loader, live, opener, doors, state, threads }) }
    }

    /// What the gateway is about now.
    pub fn state(&self) -> State {
        self.shared.state.borrow().clone()
    }

    /// Tells each change of state; how many requests are under way is none.
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
        let mut doors = self.shared.doors.lock().await;
        self.is_ours()?;
        if doors.port.is_none() {
            let live = self.shared.live.load_full();
            loader::usable(&live.config).map_err(Refused::conflict)?;
            let bound = port::bind(live.config.proxy.bind()).map_err(Refused::conflict)?;
            log::info!("started: listens on {}", bound.address);
            doors.port = Some(self.open(bound));
        }
        Ok(self.state())
    }

    /// Opens ports that are bound already.
    pub async fn start_on(&self, port: Option<Bound>, console: Option<Bound>) {
        let mut doors = self.shared.doors.lock().await;
        if let Some(bound) = port {
            doors.port = Some(self.open(bound));
        }
        if console.is_some() {
            self.move_console(&mut doors, console);
        }
    }

    /// Closes the port, at once. Requests under way may go on until the deadline, by default `proxy.timeouts.drain` from
    /// now; then they end with the error of their client's dialect. The earliest deadline counts.
    pub async fn stop(&self, deadline: Option<Duration>) -> State {
        let mut doors = self.shared.doors.lock().await;
        let patience = deadline.unwrap_or(self.shared.live.load().config.proxy.timeouts.drain);
        if let Some(port) = doors.port.take() {
            self.close(port, Duration::ZERO).await;
            log::info!("stopped: the port is closed, {} requests go on", self.state().requests());
        }
        self.drain(patience);
        self.state()
    }

    /// Resolves when the port is closed and no request is under way.
    pub async fn stopped(&self) {
        let mut states = self.watch();
        // The sender lives as long as this handle.
        let _ = states.wait_for(|state| state.phase == Phase::Stopped).await;
    }

    /// Loads the configuration anew and puts it to work; one that is wrong, or that cannot have its ports, changes nothing.
    pub async fn reload(&self) -> Result<State, Refused> {
        let mut doors = self.shared.doors.lock().await;
        self.is_ours()?;
        match self.take_newest(&mut doors).await {
            Ok(config) => {
                log::info!("reloaded: {} accounts", config.accounts.len());
                Ok(self.state())
            }
            Err(why) => {
                log::error!("not reloaded, the old configuration stays: {why}");
                let problem = why.to_string();
                self.shared.state.send_modify(|state| state.problem = Some(problem));
                Err(why)
            }
        }
    }

    /// Everything that can fail comes first. Then the old port is closed before the new configuration counts, so that
    /// nobody who comes in by the old port is met with the new one's auth; the new port is bound by then, and keeps who
    /// comes waiting.
    async fn take_newest(&self, doors: &mut Doors) -> Result<Config, Refused> {
        let setup = self.shared.loader.load().map_err(Refused::invalid)?;
        let old = self.shared.live.load_full();
        let moved = match &doors.port {
            Some(port) => {
                setup.usable().map_err(Refused::conflict)?;
                new_address(&old.config, &setup.config)
                    .map(|address| port::bind_beside(&port.listener, address))
                    .transpose()
                    .map_err(Refused::conflict)?
            }
            None => None,
        };
        let (console, warnings) = new_console(doors, &old.config, &setup.config)?;
        if moved.is_some()
            && let Some(port) = doors.port.take()
        {
            // Who came in from the LAN is not to stay for the time after it.
            let leaves_lan =
                old.config.proxy.allow_lan_access && !setup.config.proxy.allow_lan_access;
            self.close(port, if leaves_lan { Duration::ZERO } else { PATIENCE }).await;
        }
        let live = self.shared.loader.animate(&setup, Some(&old));
        let redactor = Redactor::new(&setup.config, setup.secret());
        self.watch_over().monitor.configure(setup.config.monitor, redactor);
        self.watch_over().traces.configure(&setup.config, self.shared.loader.certificates());
        self.shared.live.store(Arc::new(live));
        if let Some(bound) = moved {
            log::info!("moved: listens on {}", bound.address);
            doors.port = Some(self.open(bound));
            self.drain(setup.config.proxy.timeouts.drain);
        }
        match console {
            Console::Stays => {}
            Console::Moves(bound) => self.move_console(doors, Some(bound)),
            Console::Closes => self.move_console(doors, None),
        }
        self.shared.state.send_modify(|state| {
            state.loaded = clock::wall();
            state.problem = None;
            state.client_key = setup.secret().cloned();
            state.warnings = warnings;
            if setup.config.proxy.threads != self.shared.threads {
                state.warnings.push("proxy.threads takes effect with a restart".to_owned());
            }
        });
        Ok(setup.config)
    }

    /// Refuses to open anything once another process has taken over.
    fn is_ours(&self) -> Result<(), Refused> {
        if self.shared.state.borrow().given_away {
            let message = "another process has taken over; this one ends when its requests have";
            return Err(Refused::conflict(Failure::failed(message)));
        }
        Ok(())
    }

    fn open(&self, bound: Bound) -> Port {
        let port = self.shared.opener.open(bound);
        self.shared.state.send_modify(|state| {
            state.phase = Phase::Running;
            state.address = Some(port.address);
            state.opened = Some(clock::wall());
            state.open = port.in_flight.clone();
        });
        port
    }

    async fn close(&self, port: Port, patience: Duration) {
        let in_flight = port.close(patience).await;
        self.shared.state.send_modify(|state| state.closed(in_flight));
    }

    /// Gives the requests of closed ports so much time from now.
    fn drain(&self, patience: Duration) {
        for in_flight in self.state().draining {
            if in_flight.is_drained() {
                self.shared.state.send_modify(|state| state.drained(&in_flight));
                continue;
            }
            let control = self.clone();
            tokio::spawn(async move { control.drain_port(in_flight, patience).await });
        }
    }

    async fn drain_port(&self, in_flight: InFlight, patience: Duration) {
        if tokio::time::timeout(patience, in_flight.drained()).await.is_err() {
            log::warn!("{} requests took too long to end and are cut off", in_flight.count());
            in_flight.cut();
            if tokio::time::timeout(LAST_WORDS, in_flight.drained()).await.is_err() {
                log::warn!("{} requests do not end", in_flight.count());
            }
        }
        self.shared.state.send_modify(|state| state.drained(&in_flight));
    }

    /// Serves the console on another listener, or on none.
    fn move_console(&self, doors: &mut Doors, console: Option<Bound>) {
        let address = console.as_ref().map(|bound| bound.address);
        let (change, kept) = match console {
            Some(Bound { listener, kept, .. }) => (Change::Open(listener), Some(kept)),
            None => (Change::Close, None),
        };
        doors.console = kept;
        // With the receiver gone the process is at its end.
        let _ = doors.consoles.send(change);
        self.shared.state.send_modify(|state| state.console = address);
    }
}

/// Where the port is to be, if that is not where it is.
fn new_address(old: &Config, new: &Config) -> Option<SocketAddr> {
    let (old, new) = (old.proxy.bind(), new.proxy.bind());
    (old != new).then_some(new)
}

/// What becomes of the console's port.
enum Console {
    Stays,
    Moves(Bound),
    Closes,
}

/// What becomes of the console's port with another configuration, and what the owner should know about it.
fn new_console(
    doors: &Doors,
    old: &Config,
    new: &Config,
) -> Result<(Console, Vec<String>), Refused> {
    let (open, same) = (doors.console.is_some(), old.console.port == new.console.port);
    if !new.console.enabled {
        return Ok((Console::Closes, Vec::new()));
    }
    if open && same {
        return Ok((Console::Stays, Vec::new()));
    }
    match port::bind(new.console.address()) {
        Ok(bound) => Ok((Console::Moves(bound), Vec::new())),
        // It was off before for the same reason, and the rest of the file may be right.
        Err(failure) if !open && same => {
            Ok((Console::Stays, vec![format!("console: {failure}; the console is off")]))
        }
        Err(failure) => Err(Refused::conflict(failure)),
    }
}
